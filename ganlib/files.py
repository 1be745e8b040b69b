"""Files that are there whole or not at all, whatever moment the process dies at."""

import errno
import glob
import io
import os
import secrets
from collections.abc import Callable
from pathlib import Path


def write_whole(path: str | Path, write: Callable[[io.BufferedIOBase], object]) -> None:
    """Calls ``write(file)`` on a new file beside `path`, brings it to the disk, and only then gives it the name.

    Until then `path` holds what it held. The new file has the mode of the one that it replaces, else what the umask leaves. A
    temporary file that a killed process left behind (``.NAME.xxxxxxxx.partial``) goes with the next call for the same path; two
    processes must not write one path at once.

    Raises:
        OSError: the folder is missing or cannot be written. Whatever `write` raises passes through; `path` is what it was.
    """
    path = Path(path)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.????????.partial"):
        leftover.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.partial")
    try:
        with temporary.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            os.chmod(temporary, path.stat().st_mode & 0o7777)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Brings the new name itself to the disk; network and virtual folders that cannot do so are left as they are."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(handle)
