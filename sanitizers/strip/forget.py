"""Forget: clean files and their parts of the roster, written from raw files and what a seal reaches in them.

Once the barred set is closed over links, nothing has to be joined over several files. An engine with workers gives each
file to one of them, where the same is done as on one machine.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute
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
from sanitizers.strip.rows import clean_rows, clean_schema
from sanitizers.trace import Reached, reached_in, read_alone


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
        told = clean.told
        kept, same = told.rows, set(told.names) <= set(part.schema.names)
    else:
        kept = sum(batch.num_rows for batch in clean.batches(clean.schema.names[:1]))
        same = clean.schema.equals(schema)
    if kept != rows or not same:
        raise EngineFailure(Fault("what was written is not what should stay; nothing was published", where=part.name))


# -- on workers -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, repr=False)
class There:
    """What a worker needs to know beside a part: with the key, it finds by itself what a seal reaches.

    Parameters
    ----------
    barred
        Rows of `BARRED_SCHEMA`, closed over links.
    attempts
        Private folder of the run. Each attempt writes into a folder of its own there: of two on one file, which may be
        when a worker is lost, neither spoils the other's.
    """

    task: Task
    secret: str
    barred: pa.Table
    attempts: Path

    def __repr__(self) -> str:
        return "There()"

    def __call__(self, engine: Engine, piece: tuple[str, Part]) -> Forgotten:
        """Find and forget in one file, and put it where it is published from in one step."""
        name, part = piece
        own, key, task = self.attempts / uuid.uuid4().hex, Key(self.secret), self.task
        kinds = pa.array({ref.kind for ref in task.policy.sources[name].references} | _mentioned(task.policy, name))
        barred = engine.hold(self.barred.filter(pa.compute.is_in(self.barred["kind"], kinds)))
        read_ = read_alone(engine, task.policy, name, part, kinds=task.kinds, key=key)[name]
        reached = reached_in(engine, read_, barred, kinds=task.kinds, key=key)
        there = Task(task.policy, task.kinds, own / "new", own / "held" if task.held else None)
        with ThreadPoolExecutor(2) as background:
            [done] = forget(engine, reached, there, settle=Stage(there.new, own, background).settle)
            digests = done.digests()
        for made in digests:
            (there.new / made).replace(task.new / made)
        if there.held and task.held:
            part_of(there.held, done.name).replace(part_of(task.held, done.name))
        return Forgotten(done.name, done.counts, _Known(digests))


def _mentioned(policy: Policy, name: str) -> set[str]:
    return {kind for text in policy.sources[name].text.values() for kind in text.mentions}


@dataclass(frozen=True)
class _Known:
    """Digests that are known: unlike a function they can be sent."""

    digests: dict[str, str]

    def __call__(self) -> dict[str, str]:
        return self.digests


def make_room(task: Task, name: str) -> None:
    """Make the folders that a file is put into: where a run has ended, no late worker makes them."""
    for path in (task.new / name, task.new / roster_of(name)):
        path.parent.mkdir(parents=True, exist_ok=True)
    if task.held:
        part_of(task.held, name).parent.mkdir(parents=True, exist_ok=True)


__all__ = ["Forgotten", "Task", "There", "forget", "make_room", "roster_of"]
