"""Legacy: data and models older than the first strip, listed by digest, so that they are seen and not counted.

Whoever takes up sealproof in an old repository has data sets, models and notebooks that were made from raw rows. None
of them is clean, and none can be made clean but by being made again. They are listed once, each bound to its bytes;
the gate judges them apart and shows them in every verdict until they are made again or gone. What is not on the list,
or is on it with other bytes, is judged like any other file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

import yaml
from pydantic import Field, field_validator

from sanitizers import digest, documents
from sanitizers.documents import Strict
from sanitizers.errors import SealproofError

What = Literal["data", "model", "notebook", "registered model", "stage output"]
State = Literal["as listed", "unread"]
HEAD = """\
# Data and models older than the first strip, each with the SHA-256 of its bytes. The gate judges them apart, and shows
# them in every verdict until they are made again from clean data, or purged. Written once; add nothing by hand.
"""


class Listed(Strict):
    """One file of the list: the SHA-256 of its bytes, and what it is."""

    sha256: str
    what: What

    @field_validator("sha256")
    @classmethod
    def _is_a_digest(cls, sha256: str) -> str:
        if not re.fullmatch("[0-9a-f]{64}", sha256):
            raise ValueError("is not 64 lower-case hexadecimal characters")
        return sha256


class _List(Strict):
    """A whole list, as it is written."""

    version: Literal[1]
    files: dict[str, Listed] = Field(default={})

    @field_validator("files")
    @classmethod
    def _below(cls, files: dict[str, Listed]) -> dict[str, Listed]:
        if any(PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts for name in files):
            raise ValueError("a path leads out of the list's own folder")
        return files


@dataclass(frozen=True)
class Legacy:
    """Files that are older than the first strip.

    Parameters
    ----------
    folder
        The folder that their paths are relative to: the list's own.
    files
        By path.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "model.pkl").write_bytes(b"old")
    >>> legacy = Legacy.of(folder, {"model.pkl": "model"})
    >>> legacy.states()
    {'model.pkl': 'as listed'}
    >>> _ = (folder / "model.pkl").write_bytes(b"new")
    >>> legacy.states()
    {}
    """

    folder: Path
    files: Mapping[str, Listed]

    @classmethod
    def of(cls, folder: Path, files: Mapping[str, What]) -> Legacy:
        """List files by what they are now.

        Raises
        ------
        SourceFailure
            One cannot be read.
        """
        return cls(folder, {name: Listed(sha256=digest.of_file(folder / name), what=files[name]) for name in files})

    @classmethod
    def load(cls, path: Path) -> Legacy:
        """Read a list.

        Raises
        ------
        ConfigurationError
            It is not there, or is not one.
        """
        return cls(path.parent, documents.load(_List, path).files)

    def to_yaml(self) -> str:
        """The list as it is written, sorted."""
        content = _List(version=1, files=dict(self.files)).model_dump()
        written: str = yaml.safe_dump(content, sort_keys=True, allow_unicode=True, width=float("inf"))
        return HEAD + written

    def states(self) -> dict[str, State]:
        """The files that are still what they were when they were listed, and those of which that cannot be seen."""
        found = {name: self._state(name, listed) for name, listed in self.files.items()}
        return {name: state for name, state in found.items() if state}

    def _state(self, name: str, listed: Listed) -> State | None:
        path = self.folder / name
        try:
            return "as listed" if path.is_file() and digest.of_file(path) == listed.sha256 else None
        except (SealproofError, OSError):
            return "unread"
