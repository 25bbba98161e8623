"""What the keeper remembers of the last strip, so that the next one reads and writes only what changed.

A folder of the keeper's own: the exact receipt, the barred set, and for each raw file its digest, its counts and the
prefixes of the tokens that it holds. It fits one published folder, whose receipt it names; where it does not fit, the
next strip reads everything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import polars as pl
import pyarrow as pa
from pydantic import ConfigDict, TypeAdapter

from sanitizers import digest
from sanitizers.engine.tables import Raw, Table
from sanitizers.identifiers import Key
from sanitizers.policy import Policy
from sanitizers.register.links import BARRED_SCHEMA
from sanitizers.register.snapshot import Snapshot
from sanitizers.strip.receipt import RECEIPT, SourceCounts
from sanitizers.strip.roster import ROSTER, part_of, read_part, shared

FORMAT = 1
_EXACT = ConfigDict(extra="forbid")
MEMORY, HELD, BARRED = "memory.json", "held", "barred.arrow"


@dataclass(frozen=True)
class Seen:
    """A file as it was seen: size in bytes, time of its last change in ns, and SHA-256 where it was asked for.

    A table of a database is known by its content alone; size and time are 0.
    """

    size: int
    changed: int
    sha256: str = ""

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    @classmethod
    def at(cls, path: Path, sha256: str = "") -> Seen:
        """The file as it is now."""
        stat = path.stat()
        return cls(stat.st_size, stat.st_mtime_ns, sha256)

    @classmethod
    def of(cls, raw: Raw, sha256: str = "") -> Seen:
        """A raw file or table as it is now, with its SHA-256 if that is known already."""
        if isinstance(raw, Table):
            return cls(0, 0, sha256 or raw.content)
        return cls.at(raw.path, sha256 or digest.of_file(raw.path))

    def same(self, path: Path) -> bool:
        """Whether size and time are what they were."""
        return path.is_file() and (self.size, self.changed) == (path.stat().st_size, path.stat().st_mtime_ns)

    def still(self, path: Path) -> bool:
        """Whether the file holds what it held; equal times spare the digest."""
        return self.same(path) or (
            path.is_file() and path.stat().st_size == self.size and digest.of_file(path) == self.sha256
        )

    def still_of(self, raw: Raw) -> bool:
        """Whether a raw file or table holds what it held."""
        return self.sha256 == raw.content if isinstance(raw, Table) else self.still(raw.path)


@dataclass(frozen=True)
class File:
    """One raw file, the clean file made of it, and its part of the roster."""

    raw: Seen
    clean: Seen
    roster: Seen
    counts: SourceCounts

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT


@dataclass(frozen=True, repr=False)
class Memory:
    """The last strip.

    Parameters
    ----------
    policy, kinds, key_fingerprint, receipt
        What it was made with, and the SHA-256 of the receipt that it published.
    linked
        Batches of links in the register when it held every link of the raw files; None if it did not.
    files
        By name.
    """

    policy: str
    kinds: str
    key_fingerprint: str
    receipt: str
    linked: int | None
    files: Mapping[str, File]
    folder: Path = Path()

    __pydantic_config__: ClassVar[ConfigDict] = _EXACT

    def __repr__(self) -> str:
        return f"Memory({len(self.files)} files)"

    @classmethod
    def recall(cls, folder: Path) -> Memory | None:
        """Read what is remembered; None where nothing is, or nothing of this release."""
        try:
            told = json.loads((folder / MEMORY).read_text(encoding="utf-8"))
            if told["format"] == FORMAT:
                del told["format"]
                return TypeAdapter(cls).validate_python({**told, "folder": folder})
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def write(self, folder: Path) -> None:
        """Write the memory's own file."""
        told = {"format": FORMAT, **asdict(self)}
        told.pop("folder")
        (folder / MEMORY).write_text(json.dumps(told, indent=1, sort_keys=True), encoding="utf-8")

    def misfit(self, policy: Policy, snapshot: Snapshot, key: Key, out: Path) -> str:
        """Why the published folder cannot be taken over; empty where it can."""
        receipt = out / RECEIPT
        if not receipt.is_file() or digest.of_file(receipt) != self.receipt:
            return "the published folder is not the one that the keeper remembers"
        if (self.policy, self.kinds, self.key_fingerprint) != (policy.digest, snapshot.kinds.digest, key.fingerprint):
            return "the policy, the kinds or the key changed"
        if self.linked is None:
            return "the register did not know every link of the raw files"
        return "the snapshot is closed over fewer links than there were" if snapshot.links < self.linked else ""

    def unchanged(self, files: Iterable[Raw], out: Path) -> set[str]:
        """Names of raw files that hold what they held, and whose clean file and roster still do."""
        return {
            file.name
            for file in files
            if (own := self.files.get(file.name))
            and own.raw.still_of(file)
            and own.clean.still(out / file.name)
            and own.roster.still(part_of(out / ROSTER, file.name))
        }

    def holding(self, names: Iterable[str], tokens: Mapping[str, np.ndarray]) -> set[str]:
        """Those of the files that hold one of the tokens, given by kind as sorted prefixes."""
        return {
            name
            for name in names
            if any(kind in tokens and shared(held, tokens[kind]) for kind, held in self.held(name).items())
        }

    def held(self, name: str) -> dict[str, np.ndarray]:
        """Prefixes of the tokens that a raw file holds, by kind."""
        return read_part(part_of(self.folder / HELD, name))

    def differing(self, barred: Iterable[pa.RecordBatch]) -> dict[str, np.ndarray]:
        """Prefixes, by kind, of what is barred now and was not, or was and is not, or for another reason."""
        with pa.ipc.open_file(pa.memory_map(str(self.folder / BARRED))) as reader:
            before, now = (
                pl.from_arrow(table) for table in (reader.read_all(), pa.Table.from_batches(barred, BARRED_SCHEMA))
            )
        assert isinstance(before, pl.DataFrame) and isinstance(now, pl.DataFrame)  # noqa: S101, PT018 - for the type checker
        names = BARRED_SCHEMA.names
        both = pl.concat([before.join(now, on=names, how="anti"), now.join(before, on=names, how="anti")])
        kinds = both.group_by("kind", maintain_order=True)
        return {str(kind): own["hi"].unique().sort().to_numpy() for (kind,), own in kinds}


def remembered(path: Path) -> list[str]:
    """Names of the files that stand beside a memory's own file."""
    memory = Memory.recall(path.parent)
    held = [part_of(Path(HELD), name).as_posix() for name in memory.files] if memory else []
    return [RECEIPT, BARRED, *held]


def write_barred(folder: Path, barred: Iterable[pa.RecordBatch]) -> None:
    """Keep the barred set."""
    with pa.OSFile(str(folder / BARRED), "wb") as sink, pa.ipc.new_file(sink, BARRED_SCHEMA) as writer:
        for batch in barred:
            writer.write_batch(batch.cast(BARRED_SCHEMA))
