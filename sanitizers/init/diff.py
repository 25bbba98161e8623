"""Changes: files that are new, and texts that are extended; shown as one diff, and written without loss."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sanitizers.documents import parse_yaml, read_text
from sanitizers.errors import ConfigurationError, Fault, PublishFailure


@dataclass(frozen=True)
class Change:
    """What becomes of one file.

    Parameters
    ----------
    path
        Relative to the repository.
    before, after
        Its bytes; `before` is None for a new file.
    notes
        What has to be told of it, what was left among them.
    """

    path: str
    before: bytes | None
    after: bytes
    notes: tuple[str, ...] = ()

    @classmethod
    def new(cls, path: str, text: str) -> Change:
        """A file that was not there."""
        return cls(path, None, text.encode())

    @property
    def changes(self) -> bool:
        """Whether anything changes."""
        return (self.before or b"") != self.after

    def diff(self) -> str:
        r"""The change as a unified diff.

        Examples
        --------
        >>> print(Change("a", b"1\n", b"1\n2\n").diff(), end="")
        --- a/a
        +++ b/a
        @@ -1 +1,2 @@
         1
        +2
        """
        old, new = (_lines(content) for content in (self.before or b"", self.after))
        source = f"a/{self.path}" if self.before is not None else "/dev/null"
        told = difflib.unified_diff(old, new, source, f"b/{self.path}")
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in told)


def _lines(content: bytes) -> list[str]:
    return content.decode("utf-8", "replace").splitlines(keepends=True)


@dataclass(frozen=True)
class Proposed:
    """Everything that a repository lacks.

    Parameters
    ----------
    root
        The repository.
    changes
        In the order in which they are shown and written.
    notes
        What has to be told beside them.
    """

    root: Path
    changes: tuple[Change, ...]
    notes: tuple[str, ...]

    def diff(self) -> str:
        """One unified diff."""
        return "".join(change.diff() for change in self.changes)

    def write(self) -> None:
        """Apply all changes; what has appeared or changed since it was read is not touched.

        Raises
        ------
        PublishFailure
            A file is not as it was read, or cannot be written. Those before it are written; another run goes on.
        """
        for change in self.changes:
            _write(self.root, change)


def _write(root: Path, change: Change) -> None:
    path = root / change.path
    problem = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if change.before is None:
            with path.open("xb") as stream:
                stream.write(change.after)
        elif path.read_bytes() == change.before:
            _replace(path.resolve(), change.after)
        else:
            problem = "has changed since it was read"
    except FileExistsError:
        problem = "has appeared since it was looked for"
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
    if problem:
        raise PublishFailure(Fault(problem, "run `sealproof init` again", where=change.path))


def _replace(path: Path, content: bytes) -> None:
    """Replace a file in one step, with its permissions."""
    staged = path.with_name(f".{path.name}.new")
    try:
        with staged.open("xb") as stream:
            stream.write(content)
            os.fsync(stream.fileno())
        staged.chmod(path.stat().st_mode & 0o7777)
        staged.replace(path)
    finally:
        with suppress(OSError):
            staged.unlink(missing_ok=True)


def extended(before: bytes, lines: Sequence[str], place: int | None = None) -> bytes:
    r"""A text with some more lines; its own bytes are kept, and so is its way to end lines.

    Parameters
    ----------
    place
        How many of its own lines stand before them; all if None.

    Examples
    --------
    >>> extended(b"a\r\nb", ["c"]), extended(b"a\nb\n", ["c"], 1)
    (b'a\r\nb\r\nc\r\n', b'a\nc\nb\n')
    """
    end = b"\r\n" if b"\r\n" in before else b"\n"
    own = before.splitlines(keepends=True)
    first, rest = (own, []) if place is None else (own[:place], own[place:])
    between = [end] if first and not first[-1].endswith((b"\n", b"\r")) else []
    return b"".join([*first, *between, *(line.encode() + end for line in lines), *rest])


@dataclass(frozen=True)
class Standing:
    """A text file of YAML that may be there.

    Parameters
    ----------
    before
        Its bytes; None if it is not there.
    content
        What it says; nothing if it is not there, or holds nothing but comments.
    """

    name: str
    before: bytes | None
    content: dict[str, Any]

    @classmethod
    def of(cls, root: Path, name: str) -> Standing:
        """Read it.

        Raises
        ------
        ConfigurationError
            It cannot be read as YAML.
        """
        path = root / name
        text = read_text(path) if path.exists() else ""
        says = any(line.split("#")[0].strip() for line in text.splitlines())
        return cls(name, path.read_bytes() if path.exists() else None, parse_yaml(text, name) if says else {})

    @property
    def text(self) -> str:
        """Its text."""
        return (self.before or b"").decode()

    def left(self, *notes: str) -> Change:
        """No change."""
        return Change(self.name, self.before, self.before or b"", notes)

    def with_lines(
        self, lines: Sequence[str], wanted: dict[str, Any], *notes: str, place: int | None = None
    ) -> Change:
        """The change that puts lines in, if what it says then is what is wanted; else none, and the lines are told."""
        after = extended(self.before or b"", lines, place)
        good = False
        with suppress(ConfigurationError):
            good = parse_yaml(after.decode(), self.name) == wanted
        if good:
            return Change(self.name, self.before, after, notes)
        told = f"{self.name} is not written so that lines can be put into it: left as it is; write into it"
        return self.left(*notes, "\n".join([told, *lines]))
