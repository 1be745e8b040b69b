"""ganlib: the small library behind *The Adversarial Game*. Most names are written out in the book; their
docstrings say where.

Modules: objectives, penalties, taming, weighing, networks, training, checkpoints, data, mnist, readers, eye, metrics, theory,
show, style, widgets, record, arguments, types.
Figures and data sets load matplotlib, torchvision and scikit-learn only when they are used.
"""

__version__ = "0.2.0"
