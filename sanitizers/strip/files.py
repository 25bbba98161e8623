"""Files: find what a seal reaches, forget it, check, publish."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from sanitizers import publish
from sanitizers.engine.contract import Engine
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.forms import RawFile
from sanitizers.engine.writing import write
from sanitizers.errors import EngineFailure, Fault, PublishFailure
from sanitizers.identifiers import Key
from sanitizers.policy import Policy
from sanitizers.register.snapshot import Snapshot
from sanitizers.strip.plan import plan
from sanitizers.strip.receipt import RECEIPT, ROSTER, Receipt, SourceCounts, count, write_roster
from sanitizers.strip.rows import clean_rows, clean_schema
from sanitizers.trace import Reach, raw_files, trace

Progress = Callable[[str, int, int], None]


def strip_files(
    policy: Policy,
    *,
    snapshot: Snapshot,
    key: Key,
    out: Path,
    links: pa.Table | None = None,
    progress: Progress = lambda _step, _done, _of: None,
) -> Receipt:
    """Strip the raw sources of a policy into one folder, published whole or not at all.

    Parameters
    ----------
    out
        Folder of the clean sources, with ``receipt.json`` and ``roster.arrow``. Files keep the names that they have
        below the raw sources' common folder, their form, columns and row order.
    links
        Links that the register remembers.
    progress
        Called with a step's name, how many of its files are done, and how many there are.

    Returns
    -------
    Receipt
        With exact counts: the keeper's. The published one withholds small counts.

    Raises
    ------
    SealproofError
        Nothing was published; what stood in `out` before still stands.
    """
    policy.check_usable(snapshot)
    files = raw_files(policy)
    _apart(out, files)
    with publish.publishing(out, mark=RECEIPT, named=_named) as stage, DuckDB(stage.scratch) as engine:
        before = {file.path: file.path.stat() for own in files.values() for file in own}
        progress("find", 0, len(before))
        reach = trace(engine, policy, files, snapshot=snapshot, key=key, links=links)
        progress("find", len(before), len(before))
        settled = _forget(engine, policy, reach, snapshot, stage, progress)
        _unchanged({path: (stat.st_size, stat.st_mtime_ns) for path, stat in before.items()})
        write_roster(engine, reach.sources, stage.new / ROSTER)
        settled[ROSTER] = stage.settle(stage.new / ROSTER)
        counts = {name: count(engine, reached) for name, reached in reach.sources.items()}
        receipt = make_receipt(policy, snapshot, counts, {name: sha() for name, sha in sorted(settled.items())})
        (stage.new / RECEIPT).write_text(receipt.public().to_json(), encoding="utf-8")
    return receipt


def _named(path: Path) -> Iterable[str]:
    return Receipt.read(path).files


def make_receipt(policy: Policy, snapshot: Snapshot, counts: dict[str, SourceCounts], files: dict[str, str]) -> Receipt:
    """The receipt of one strip."""
    return Receipt(
        policy=policy.digest,
        purpose=policy.purpose,
        rules=snapshot.rules,
        basis=snapshot.basis,
        snapshot=snapshot.digest,
        key_fingerprint=snapshot.key_fingerprint,
        kinds=snapshot.kinds.digest,
        sources=counts,
        files=files,
    )


def _apart(out: Path, files: dict[str, tuple[RawFile, ...]]) -> None:
    """Raise unless `out` is apart from every raw source."""
    target = out.resolve()
    for file in (file for own in files.values() for file in own):
        for path in (file.path.resolve(), Path(os.path.normpath(file.path.absolute()))):
            if path.is_relative_to(target):
                raise PublishFailure(Fault("holds raw files", "name another folder with --out", where=str(out)))


def _forget(
    engine: Engine, policy: Policy, reach: Reach, snapshot: Snapshot, stage: publish.Stage, progress: Progress
) -> dict[str, Callable[[], str]]:
    """Write every clean file; what is returned tells each one's SHA-256 once it is on disk."""
    total = sum(len(reached.read.parts) for reached in reach.sources.values())
    settled: dict[str, Callable[[], str]] = {}
    for reached in reach.sources.values():
        prepared = plan(engine, reached, policy, snapshot.kinds)
        start = reached.read.tally.start
        for number, part in enumerate(reached.read.parts):
            assert isinstance(part, RawFile)  # noqa: S101 - files only here
            low, high = start[number], start[number + 1]
            rows = clean_rows(engine, prepared, part, start=low, stop=high)
            path, schema = stage.new / part.name, clean_schema(prepared, part)
            write(path, schema, rows, form=part.form, reading=part.written)
            _check(path, part, schema, high - low - len(reached.gone_between(low, high)))
            settled[part.name] = stage.settle(path)
            progress("forget", len(settled), total)
    return settled


def _check(path: Path, part: RawFile, schema: pa.Schema, rows: int) -> None:
    """Read back: the file must hold the columns that are published, by type, and the rows that stay."""
    clean = RawFile(path, part.name, part.reading)
    if part.form == "parquet":
        kept = pa.parquet.read_metadata(path).num_rows
    else:
        kept = sum(batch.num_rows for batch in clean.batches(clean.schema.names[:1]))
    if kept != rows or not clean.schema.equals(schema):
        raise EngineFailure(Fault("what was written is not what should stay; nothing was published", where=part.name))


def _unchanged(before: dict[Path, tuple[int, int]]) -> None:
    for path, seen in before.items():
        now = path.stat()
        if (now.st_size, now.st_mtime_ns) != seen:
            remedy = "strip again when nobody writes to it"
            problem = "changed while it was being stripped; nothing was published"
            raise PublishFailure(Fault(problem, remedy, where=str(path)))
