"""The few things done to files beside SQLite: creating, syncing, setting aside."""

import os
from pathlib import Path

KEPT_ASIDE = 5
"""Damaged databases that are kept; a card must not fill up with them."""

_SIDE_FILES = ("-wal", "-shm")


def create_file(path: Path) -> bool:
    """Make an empty file that only we may read (A01.FR.10); True when it was not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return False
    sync_directory(path.parent)
    return True


def has_less_than(directory: Path, size_bytes: int, part: float) -> bool:
    """Whether less space is free for us there than that, and than that part of the whole."""
    try:
        found = os.statvfs(directory)
    except OSError:
        return False
    free_bytes = found.f_bavail * found.f_frsize
    return free_bytes < min(size_bytes, part * found.f_blocks * found.f_frsize)


def sync_file(path: Path) -> None:
    _sync(path, os.O_RDWR)


def sync_directory(path: Path) -> None:
    """Make names in *path* durable: without it a power cut undoes a creation or a rename."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def set_aside(path: Path) -> Path:
    """Rename a damaged database and its side files to `<name>.corrupt-N`."""
    taken = _numbers_aside(path)
    aside = path.with_name(f"{path.name}.corrupt-{max(taken, default=0) + 1}")
    for number in taken[: max(0, len(taken) - KEPT_ASIDE + 1)]:
        _remove(path.with_name(f"{path.name}.corrupt-{number}"))
    for suffix in _SIDE_FILES:
        side = path.with_name(path.name + suffix)
        if side.exists():
            side.rename(aside.with_name(aside.name + suffix))
    if path.exists():
        path.rename(aside)
    sync_directory(path.parent)
    return aside


def copy_to_memory(path: Path) -> Path:
    """A copy of a database that cannot be opened where it is, in a new directory in memory."""
    import shutil
    import tempfile

    memory = Path("/dev/shm")  # noqa: S108 - a private directory is made inside
    directory = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
    copy = directory / path.name
    for suffix in ("", "-wal"):
        source = path.with_name(path.name + suffix)
        if source.exists():
            shutil.copyfile(source, copy.with_name(copy.name + suffix))
    return copy


def remove_copy(copy: Path) -> None:
    import shutil

    shutil.rmtree(copy.parent, ignore_errors=True)


def _numbers_aside(path: Path) -> list[int]:
    prefix = f"{path.name}.corrupt-"
    ends = (each.name[len(prefix) :] for each in path.parent.glob(f"{prefix}*"))
    return sorted(int(end) for end in ends if end.isdecimal())


def _remove(path: Path) -> None:
    for suffix in ("", *_SIDE_FILES):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _sync(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
