"""The roster of a strip: per clean file and kind, the sorted 64-bit prefixes of the tokens that stayed.

It is compared with a snapshot without any key. Each clean file has a part of its own, below ``roster``, so that a strip
that leaves a file alone leaves its part alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyarrow as pa

from sanitizers.errors import Fault, SourceFailure
from sanitizers.register.snapshot import Snapshot

FORMAT = 2
ROSTER = "roster"
_SCHEMA = pa.schema([("prefix", pa.uint64())])


@dataclass(frozen=True, repr=False)
class Roster:
    """Per file and kind, sorted uint64 prefixes of tokens, each once."""

    files: Mapping[str, Mapping[str, np.ndarray]]

    def __repr__(self) -> str:
        return f"Roster({len(self.files)} files)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a roster is not pickled")

    @classmethod
    def read(cls, folder: Path, files: Iterable[str]) -> Roster:
        """Open the parts of a roster, memory-mapped.

        Parameters
        ----------
        folder
            Of the parts.
        files
            Names of the clean files.

        Raises
        ------
        SourceFailure
            A part is not there, or is none.
        """
        return cls({name: read_part(part_of(folder, name)) for name in files})

    def barred_by(self, snapshot: Snapshot) -> dict[str, dict[str, int]]:
        """How many barred prefixes stand in which file, per kind; empty when nothing barred is left."""
        found: dict[str, dict[str, int]] = {}
        for name, kinds in self.files.items():
            for kind, prefixes in kinds.items():
                hits = shared(prefixes, snapshot.barred[kind].hi) if kind in snapshot.barred else 0
                if hits:
                    found.setdefault(kind, {})[name] = hits
        return found


def part_of(folder: Path, name: str) -> Path:
    """Where the part of a file lies."""
    return folder / f"{name}.arrow"


def write_part(path: Path, kinds: Mapping[str, np.ndarray]) -> None:
    """Write the part of one file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"format": FORMAT, "kinds": list(kinds)}
    schema = _SCHEMA.with_metadata({"sealproof": json.dumps(header, sort_keys=True)})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        for prefixes in kinds.values():
            writer.write_batch(pa.record_batch([pa.array(prefixes)], schema=schema))


def read_part(path: Path) -> dict[str, np.ndarray]:
    """Open the part of one file, memory-mapped: kind → prefixes.

    Raises
    ------
    SourceFailure
        Not there, or not a part of a roster.
    """
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        header = json.loads((reader.schema.metadata or {})[b"sealproof"])
        if header["format"] == FORMAT:
            kinds = enumerate(header["kinds"])
            return {kind: reader.get_batch(place).column(0).to_numpy() for place, kind in kinds}
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException):
        pass
    raise SourceFailure(Fault("is not part of a roster", "run `sealproof strip` again", where=str(path)))


def shared(prefixes: np.ndarray, others: np.ndarray) -> int:
    """How many of the sorted prefixes are among the others, which are sorted as well.

    Examples
    --------
    >>> shared(np.array([1, 3, 5], np.uint64), np.array([3, 5, 5, 7], np.uint64))
    2
    """
    few, many = (prefixes, others) if len(prefixes) <= len(others) else (others, prefixes)
    places = np.searchsorted(many, few)
    inside = places < len(many)
    return len(np.unique(few[inside][many[places[inside]] == few[inside]]))
