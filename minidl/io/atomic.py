"""Writing a file so that a reader sees the old content or the new one, never a part."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterable

__all__ = ["write_atomically"]


def write_atomically(path: str | os.PathLike, chunks: Iterable[bytes | memoryview]) -> None:
    """Write `chunks` to `path`: into a temporary file beside it, flushed to the disk, then renamed over it.

    After a crash, a full disk, Ctrl-C or kill -9 at any point, `path` holds what it held before or all of the new content.
    A temporary file that a killed process leaves behind is named `.<name>.<random>.part`.

    Examples
    --------
    >>> import pathlib, tempfile
    >>> from minidl.io import write_atomically
    >>> path = pathlib.Path(tempfile.mkdtemp(), "note.txt")
    >>> write_atomically(path, [b"all ", b"or nothing"])
    >>> path.read_bytes()
    b'all or nothing'
    """
    path = os.path.realpath(path)  # a link keeps pointing to the file, whose content changes
    folder, name = os.path.split(path)
    part = os.path.join(folder, f".{name}.{secrets.token_hex(8)}.part")  # named before it exists: nothing can lose it
    try:
        with open(part, "xb", opener=_for_the_owner) as file:
            os.chmod(part, _mode(path))
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):  # a Ctrl-C can come just after the rename: then there is nothing to remove
            os.unlink(part)
        raise
    _sync_folder(folder)


def _for_the_owner(path: str, flags: int) -> int:
    """Open a file that only its owner may read until it has its permissions."""
    return os.open(path, flags, 0o600)


def _mode(path: str) -> int:
    """Return the permissions of the file that will be replaced, or those a new file would get."""
    try:
        return os.stat(path).st_mode & 0o777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _sync_folder(folder: str) -> None:
    """Make the rename durable, where the system lets a folder be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
