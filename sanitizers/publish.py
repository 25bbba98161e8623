"""Publishing: stage, check, exchange. A reader sees the old version or the new one, whole, whatever happens.

Everything that a run publishes stands in one folder that is exchanged with the one before by a single system call. A
lock file keeps a second run out. The run's private files (spill included) lie in a folder of its own that only the
owner can enter; what a killed run left behind is swept by the next.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from sanitizers import digest
from sanitizers.errors import Fault, PublishFailure

_EXCHANGE = 2
_AT_FDCWD = -100 if sys.platform == "linux" else -2


@dataclass(frozen=True)
class Stage:
    """Where a run may write before it publishes.

    Parameters
    ----------
    new
        Folder that becomes the published one.
    scratch
        Private folder for spill and intermediate files; gone when the run ends.
    background
        Brings finished files to disk while the run goes on.
    """

    new: Path
    scratch: Path
    background: Executor

    def settle(self, path: Path) -> Callable[[], str]:
        """Bring a finished file to disk in the background; what is returned waits for that and tells its SHA-256."""
        synced = self.background.submit(_sync, path)
        told = self.background.submit(digest.of_file, path)

        def settled() -> str:
            synced.result()
            return told.result()

        return settled


@contextmanager
def publishing(
    target: Path,
    *,
    mark: str,
    named: Callable[[Path], Iterable[str]] | None = None,
    option: str = "--out",
    private: bool = False,
) -> Iterator[Stage]:
    """Stage a folder; publish it if the block ends well, leave the old one untouched if not.

    Parameters
    ----------
    target
        Folder to publish. Its parent is made if needed.
    mark
        A file that every folder of this make holds: one without it is somebody else's, and is never replaced.
    named
        Reads the mark, and tells the files that stand beside it. A folder that holds others is never replaced.
    option
        By which option the folder is named, for messages.
    private
        Whether the owner alone may enter it.

    Raises
    ------
    PublishFailure
        The folder is not of this make, or somebody put a file into it; another run holds the lock; the disk refuses
        (not writable, full). Nothing was published.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "clean"
    >>> with publishing(target, mark="a.txt") as stage:
    ...     _ = (stage.new / "a.txt").write_text("done")
    >>> [path.name for path in target.iterdir()]
    ['a.txt']
    """
    if target.exists() and not target.is_dir():
        raise PublishFailure(Fault("is a file", f"name a folder with {option}", where=str(target)))
    if target.is_dir() and not (target / mark).is_file() and any(target.iterdir()):
        told = f"is a folder without {mark}: this command has not published it"
        raise PublishFailure(Fault(told, f"name a new folder with {option}", where=str(target)))
    if named and (target / mark).is_file():
        known = {mark, *named(target / mark)}
        standing = [path.relative_to(target).as_posix() for path in target.rglob("*") if not path.is_dir()]
        others = len(set(standing) - known)
        if others:
            told = f"holds {others} file(s) that this command has not published, and would lose them"
            raise PublishFailure(Fault(told, "move them out of it", where=str(target)))
    problem = None
    target = target.resolve()
    place = target.parent / f".{target.name}.sealproof"
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(place / "lock", target), ThreadPoolExecutor(2) as background:
            _recover(place, target)
            stage = Stage(place / "new", place / "scratch", background)
            stage.new.mkdir(mode=0o700)
            stage.scratch.mkdir(mode=0o700)
            try:
                yield stage
                _flush(stage.new, private=private)
                _exchange(place, target)
            finally:
                _sweep(place)
    except OSError as error:
        problem = Fault(
            f"cannot be written ({os.strerror(error.errno) if error.errno else type(error).__name__})",
            f"free space or name a writable folder with {option}; the old version still stands",
            where=str(target),
        )
    if problem:
        failure = PublishFailure(problem)
        try:
            raise failure
        finally:
            failure.__context__ = None  # the error that was thrown into the block would come along


def replace_file(path: Path, content: bytes, *, marks: Sequence[bytes]) -> None:
    """Write one file in one step: readers see the old content or the new, whole.

    Parameters
    ----------
    marks
        What every file of this make holds: one without them is somebody else's, and is never replaced.

    Raises
    ------
    PublishFailure
        The file is not of this make, or the disk refuses; the old content still stands.
    """
    check_replaceable(path, marks=marks)
    staged = path.with_name(f".{path.name}.new")
    problem = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with staged.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        staged.replace(path)
    except OSError as error:
        problem = f"cannot be written ({os.strerror(error.errno) if error.errno else type(error).__name__})"
        with suppress(OSError):
            staged.unlink(missing_ok=True)
    if problem:
        raise PublishFailure(
            Fault(problem, "free space or name a writable file; the old one still stands", where=str(path))
        )


def check_replaceable(path: Path, *, marks: Sequence[bytes], remedy: str = "name another file") -> None:
    """Raise PublishFailure unless a file is new, empty, or holds all the marks of its make."""
    problem = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        content = path.read_bytes() if path.exists() else b""
        if content and not all(mark in content for mark in marks):
            problem = "is a file that this command has not written"
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
    if problem:
        raise PublishFailure(Fault(problem, remedy, where=str(path)))


@contextmanager
def locked(path: Path, target: Path) -> Iterator[None]:
    """Hold a lock file as long as the block runs.

    Raises
    ------
    PublishFailure
        Another run holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    busy = False
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            busy = True
        if busy:
            raise PublishFailure(Fault("another run is writing here", "wait until it has ended", where=str(target)))
        yield
    finally:
        os.close(descriptor)


def _recover(private: Path, target: Path) -> None:
    """Complete or undo what a killed run left, then sweep its files.

    Where two folders cannot be exchanged in one step, the old one is first moved to ``old``: if only that happened,
    the old version is put back.
    """
    if (private / "old").exists() and not target.exists():
        (private / "old").rename(target)
    _sweep(private)


def _sweep(private: Path) -> None:
    for path in private.iterdir():
        if path.name != "lock":
            shutil.rmtree(path)


def _flush(folder: Path, *, private: bool) -> None:
    """Bring the staged files to disk and give them the permissions of ordinary files, or of private ones."""
    umask = os.umask(0o022)
    os.umask(umask)
    umask = 0o077 if private else umask
    for path in [folder, *folder.rglob("*")]:
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exchange(private: Path, target: Path) -> None:
    new, old = private / "new", private / "old"
    if not target.exists():
        new.rename(target)
    elif not _swap(new, target):
        target.rename(old)
        new.rename(target)
    _sync(target.parent)


def _swap(one: Path, other: Path) -> bool:
    """Exchange two paths in one step; False where the system or its file system cannot."""
    library = ctypes.CDLL(None, use_errno=True)
    rename = getattr(library, "renameat2" if sys.platform == "linux" else "renameatx_np", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP):
        return False
    raise OSError(number, os.strerror(number))
