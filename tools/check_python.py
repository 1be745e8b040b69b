"""Says in one sentence why this Python cannot make the book's environment, if it cannot. Runs on any Python."""

import sys

found = "Python %d.%d (%s)" % (sys.version_info[0], sys.version_info[1], sys.executable)  # noqa: UP031
if not (3, 11) <= sys.version_info[:2] <= (3, 13):
    age = "old" if sys.version_info[:2] < (3, 11) else "new"
    sys.exit(found + " is too " + age + ": the book needs Python 3.11, 3.12 or 3.13; name one with PYTHON=path.")
try:
    import ensurepip  # noqa: F401
    import venv  # noqa: F401
except ImportError:
    sys.exit(found + " has no venv module: on Debian and Ubuntu, apt-get install python3-venv brings it.")
