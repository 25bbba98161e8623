"""Forget: clean files and their parts of the roster, written from raw files and what a seal reaches in them.

Nothing here joins what stands in several files. An engine with workers sends each file, with what a seal reaches in it,
to one of them, where the same is done as on one machine.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from sanitizers.engine.contract import Engine, Part
from sanitizers.engine.forms import RawFile
from sanitizers.engine.tables import Raw, Table
from sanitizers.engine.writing import write
from sanitizers.errors import EngineFailure, Fault
from sanitizers.identifiers import Key, Kinds
from sanitizers.policy import Policy
from sanitizers.publish import Stage
from sanitizers.strip.accounts import accounts
from sanitizers.strip.plan import plan
from sanitizers.strip.receipt import SourceCounts
from sanitizers.strip.roster import ROSTER, part_of, write_part
from sanitizers.strip.rows import clean_rows, clean_schema, other_rows
from sanitizers.trace import Reached, read, told_in


@dataclass(frozen=True)
class Task:
    """What is the same for every file.

    Parameters
    ----------
    new
        Folder that becomes the published one.
    held
        The keeper's folder for what raw files hold; None where that was not asked for.
    """

    policy: Policy
    kinds: Kinds
    new: Path
    held: Path | None


@dataclass(frozen=True)
class Forgotten:
    """One file that was written: its name, what happened to it, and SHA-256 of it and of its part of the roster."""

    name: str
    counts: SourceCounts
    digests: Callable[[], dict[str, str]]


def roster_of(name: str) -> str:
    """Name of a file's part of the roster below the published folder."""
    return part_of(Path(ROSTER), name).as_posix()


def forget(
    engine: Engine, reached: Reached, task: Task, *, settle: Callable[[Path], Callable[[], str]],
    tell: Callable[[], None] = lambda: None,
) -> Iterator[Forgotten]:  # fmt: skip
    """Write the clean files of one source, with their parts of the roster.

    Parameters
    ----------
    settle
        Brings a file to disk in the background; see `Stage.settle`.
    tell
        Called after each file.
    """
    prepared = plan(engine, reached, task.policy, task.kinds)
    start = reached.read.tally.start
    settled: dict[str, Callable[[], str]] = {}
    for number, part in enumerate(reached.read.parts):
        assert isinstance(part, RawFile | Table)  # noqa: S101 - no frames here
        low, high = start[number], start[number + 1]
        rows = clean_rows(engine, prepared, part, start=low, stop=high)
        path, schema = task.new / part.name, clean_schema(prepared, part)
        write(path, schema, rows, form=part.form, reading=part.written, random=prepared.tokens.values())
        _check(path, part, schema, high - low - len(reached.gone_between(low, high)))
        settled[part.name] = settle(path)
        tell()
    # Last, while the files are brought to disk.
    told = accounts(engine, reached, prepared.marks, holding=task.held is not None)
    for part, account in zip(reached.read.parts, told, strict=True):
        roster = roster_of(part.name)
        write_part(task.new / roster, account.stayed)
        if task.held:
            write_part(part_of(task.held, part.name), account.held)
        own = {part.name: settled[part.name], roster: settle(task.new / roster)}
        yield Forgotten(part.name, account.counts, _digests(own))


def _digests(settled: dict[str, Callable[[], str]]) -> Callable[[], dict[str, str]]:
    return lambda: {name: own() for name, own in settled.items()}


def _check(path: Path, part: Raw, schema: pa.Schema, rows: int) -> None:
    """Read back: the file must hold the columns that are published, by type, and the rows that stay.

    JSON lines must hold no key that the raw source does not have or the policy name.
    """
    clean = RawFile(path, part.name, part.reading)
    if part.form == "parquet":
        kept, same = pa.parquet.read_metadata(path).num_rows, clean.schema.equals(schema)
    elif part.form == "lines":
        kept, same = clean.told.rows, set(clean.told.names) <= set(part.schema.names)
    else:
        kept = sum(batch.num_rows for batch in clean.batches(clean.schema.names[:1]))
        same = clean.schema.equals(schema)
    if kept != rows or not same:
        raise EngineFailure(Fault("what was written is not what should stay; nothing was published", where=part.name))


# -- on workers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class Piece:
    """One file, and what a seal reaches in it, with rows counted from its first: all that a worker is told.

    Parameters
    ----------
    source
        Name of the source.
    gone, hits, mentioned
        See `Reached`.
    """

    source: str
    part: Part
    rows: int
    gone: np.ndarray
    hits: pa.Table
    mentioned: pa.Table | None

    def __repr__(self) -> str:
        return f"Piece({self.part.name})"


def pieces_of(engine: Engine, reached: Reached) -> Iterator[Piece]:
    """What workers are told of a source, file by file."""
    start = reached.read.tally.start
    hits = engine.fetch(reached.hits.select("ref", "row", "pos", "via")).sort_by("row")
    told = reached.mentioned
    mentioned = engine.fetch(told.select("ref", "row", "written", "via")).sort_by("row") if told is not None else None
    for number, part in enumerate(reached.read.parts):
        low, high = start[number], start[number + 1]
        yield Piece(
            source=reached.read.name,
            part=part,
            rows=high - low,
            gone=reached.gone_between(low, high) - low,
            hits=_between(hits, low, high),
            mentioned=_between(mentioned, low, high) if mentioned is not None else None,
        )


def _between(found: pa.Table, low: int, high: int) -> pa.Table:
    """Those of the rows that stand in one file, with its own numbers; copied, or all others would be sent along."""
    rows = found["row"].to_numpy()
    first, last = np.searchsorted(rows, [low, high])
    own = found.slice(first, last - first)
    own = own.set_column(own.schema.get_field_index("row"), "row", pa.array(rows[first:last] - low))
    return own.take(pa.array(np.arange(own.num_rows)))


def forget_piece(engine: Engine, piece: Piece, *, task: Task, secret: str, attempts: Path) -> Forgotten:
    """Forget one file on a worker, and put it where it is published from in one step.

    Parameters
    ----------
    attempts
        Private folder of the run. Each attempt writes into a folder of its own there: of two on one file, which may be
        when a worker is lost, neither spoils the other's.
    """
    own = attempts / uuid.uuid4().hex
    new, held = own / "new", own / "held" if task.held else None
    there = Task(task.policy, task.kinds, new, held)
    with ThreadPoolExecutor(2) as background:
        stage = Stage(new, own, background)
        reached = _restored(engine, piece, task, Key(secret))
        [done] = forget(engine, reached, there, settle=stage.settle)
        digests = done.digests()
    for name in digests:
        (new / name).replace(task.new / name)
    if held and task.held:
        part_of(held, done.name).replace(part_of(task.held, done.name))
    return Forgotten(done.name, done.counts, _Known(digests))


@dataclass(frozen=True)
class _Known:
    """Digests that are known: unlike a function they can be sent."""

    digests: dict[str, str]

    def __call__(self) -> dict[str, str]:
        return self.digests


def make_room(task: Task, piece: Piece) -> None:
    """Make the folders that the files of a piece are put into: where a run has ended, no late worker makes them."""
    for path in (task.new / piece.part.name, task.new / roster_of(piece.part.name)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if task.held:
        part_of(task.held, piece.part.name).parent.mkdir(parents=True, exist_ok=True)


def _restored(engine: Engine, piece: Piece, task: Task, key: Key) -> Reached:
    """What a seal reaches in one file, as an engine there holds it."""
    alone = dict.fromkeys(task.policy.sources, ()) | {piece.source: (piece.part,)}
    own = read(engine, task.policy, alone, task.kinds, key)[piece.source]
    if own.tally.rows != piece.rows:
        raise other_rows(piece.part)
    told = told_in(engine, own, kinds=task.kinds, key=key) if task.held and own.source.text else None
    mentioned = engine.hold(piece.mentioned) if piece.mentioned is not None else None
    return Reached(own, engine.hold(piece.hits), piece.gone, mentioned, told)


__all__ = ["Forgotten", "Piece", "Task", "forget", "forget_piece", "make_room", "pieces_of", "roster_of"]
