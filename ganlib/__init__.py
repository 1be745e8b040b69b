"""ganlib: the small library behind *The Adversarial Game*. Each name is explained, and first written out, in the book.

Modules: objectives, penalties, networks, data, training, metrics, show. Figures and data sets load matplotlib,
torchvision and scikit-learn only when they are used.
"""

__version__ = "0.1.0"
