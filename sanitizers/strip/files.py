"""Files: find what a seal reaches, forget it, check, publish.

Where the keeper remembers the last strip, files that no new event reaches are neither read nor written: the new folder
holds the same files.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet

from sanitizers import digest, publish
from sanitizers.engine.contract import Engine
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.forms import RawFile
from sanitizers.engine.tables import Raw, Table
from sanitizers.engine.writing import write
from sanitizers.errors import EngineFailure, Fault, PublishFailure
from sanitizers.identifiers import Key
from sanitizers.policy import Policy
from sanitizers.register.history import Register
from sanitizers.register.snapshot import Snapshot
from sanitizers.strip.accounts import Account, accounts
from sanitizers.strip.memory import HELD, MEMORY, File, Memory, Seen, remembered, write_barred
from sanitizers.strip.plan import plan
from sanitizers.strip.receipt import RECEIPT, Receipt, SourceCounts, total
from sanitizers.strip.roster import ROSTER, part_of, write_part
from sanitizers.strip.rows import clean_rows, clean_schema
from sanitizers.strip.work import Files, known_in, work_of
from sanitizers.trace import Reach, databases, raw_files, raw_parts, trace

Progress = Callable[[str, int, int], None]


def strip_files(
    policy: Policy,
    *,
    snapshot: Snapshot,
    key: Key,
    out: Path,
    register: Register | None = None,
    keeper: Path | None = None,
    progress: Progress = lambda _step, _done, _of: None,
) -> Receipt:
    """Strip the raw sources of a policy into one folder, published whole or not at all.

    Parameters
    ----------
    out
        Folder of the clean sources, with ``receipt.json`` and ``roster``. Files keep the names that they have below the
        raw sources' common folder, their form, columns and row order.
    register
        The register, for the links that it remembers.
    keeper
        The keeper's own folder. It holds the exact receipt and what lets the next strip read and write only the files
        that new events reach.
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
    snapshot.check_key(key)
    before = {file.path: Seen.at(file.path) for own in raw_files(policy).values() for file in own}
    attached = [own.path for own in databases(policy).values() if own.path]
    _apart(out, keeper, [*before, *attached])
    with ExitStack() as stack:
        stage = stack.enter_context(publish.publishing(out, mark=RECEIPT, named=_named))
        notes = stack.enter_context(_notes(keeper)) if keeper else None
        engine = stack.enter_context(DuckDB(stage.scratch))
        files = raw_parts(engine, policy)
        memory = Memory.recall(keeper) if keeper else None
        work = work_of(engine, policy, files, memory, snapshot=snapshot, key=key, out=out, register=register)
        count = sum(map(len, work.rewrite.values()))
        progress("find", 0, count)
        reach = trace(engine, policy, work.rewrite, snapshot=snapshot, key=key, links=work.links)
        progress("find", count, count)
        run = _Run(policy, snapshot, stage, holding=notes is not None)
        run.forget(engine, reach, progress)
        if memory and work.keep:
            run.take_over(memory, work.keep, out)
        receipt = run.receipt(files)
        if notes:
            linked = known_in(engine, register, reach.links)
            run.remember(notes, engine, reach, files, receipt, memory=memory if work.keep else None, linked=linked)
        _unchanged(before)
    return receipt


def _notes(keeper: Path) -> AbstractContextManager[publish.Stage]:
    return publish.publishing(keeper, mark=MEMORY, named=remembered, option="--keeper", private=True)


def _unchanged(before: Mapping[Path, Seen]) -> None:
    for path, seen in before.items():
        if not seen.same(path):
            remedy = "strip again when nobody writes to it"
            problem = "changed while it was being stripped; nothing was published"
            raise PublishFailure(Fault(problem, remedy, where=str(path)))


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


def _apart(out: Path, keeper: Path | None, raw: Iterable[Path]) -> None:
    """Raise unless what is published, what the keeper keeps and every raw source are apart from each other."""
    for option, folder in (("--out", out), *([("--keeper", keeper)] if keeper else [])):
        for file in raw:
            for path in (file.resolve(), Path(os.path.normpath(file.absolute()))):
                if path.is_relative_to(folder.resolve()):
                    remedy = f"name another folder with {option}"
                    raise PublishFailure(Fault("holds raw files", remedy, where=str(folder)))
    if keeper and (keeper.resolve().is_relative_to(out.resolve()) or out.resolve().is_relative_to(keeper.resolve())):
        remedy = "name another folder with --keeper; nothing was published"
        raise PublishFailure(Fault("and the folder that is published lie in one another", remedy, where=str(keeper)))


class _Run:
    """The second half of a strip: files that are written or taken over, their digests and their accounts."""

    def __init__(self, policy: Policy, snapshot: Snapshot, stage: publish.Stage, *, holding: bool) -> None:
        self.policy, self.snapshot, self.stage, self.holding = policy, snapshot, stage, holding
        self.settled: dict[str, Callable[[], str]] = {}
        self.accounts: dict[str, Account] = {}
        self.taken: dict[str, File] = {}

    def forget(self, engine: Engine, reach: Reach, progress: Progress) -> None:
        """Write every clean file that is not taken over, with its part of the roster."""
        done, count = 0, sum(len(reached.read.parts) for reached in reach.sources.values())
        for reached in reach.sources.values():
            prepared = plan(engine, reached, self.policy, self.snapshot.kinds)
            start = reached.read.tally.start
            for number, part in enumerate(reached.read.parts):
                assert isinstance(part, RawFile | Table)  # noqa: S101 - no frames here
                low, high = start[number], start[number + 1]
                rows = clean_rows(engine, prepared, part, start=low, stop=high)
                path, schema = self.stage.new / part.name, clean_schema(prepared, part)
                write(path, schema, rows, form=part.form, reading=part.written, random=prepared.tokens.values())
                _check(path, part, schema, high - low - len(reached.gone_between(low, high)))
                self._settle(part.name)
                done += 1
                progress("forget", done, count)
            # Last, while the files are brought to disk.
            told = accounts(engine, reached, prepared.marks, holding=self.holding)
            for part, account in zip(reached.read.parts, told, strict=True):
                self.accounts[part.name] = account
                write_part(part_of(self.stage.new / ROSTER, part.name), account.stayed)
                self._settle(_roster_of(part.name))

    def _settle(self, name: str) -> None:
        self.settled[name] = self.stage.settle(self.stage.new / name)

    def take_over(self, memory: Memory, names: frozenset[str], out: Path) -> None:
        """Link files of the last strip, which stand as it left them, into the new folder."""
        for name in sorted(names):
            self.taken[name] = memory.files[name]
            for own in (name, _roster_of(name)):
                _link(out / own, self.stage.new / own)

    def receipt(self, files: Files) -> Receipt:
        """Write the public receipt; returns the exact one."""
        told = {name: settled() for name, settled in self.settled.items()}
        for name, file in self.taken.items():
            told |= {name: file.clean.sha256, _roster_of(name): file.roster.sha256}
        counts = {name: total([self._counts(file.name) for file in own]) for name, own in files.items()}
        receipt = make_receipt(self.policy, self.snapshot, counts, dict(sorted(told.items())))
        (self.stage.new / RECEIPT).write_text(receipt.public().to_json(), encoding="utf-8")
        return receipt

    def _counts(self, name: str) -> SourceCounts:
        return self.accounts[name].counts if name in self.accounts else self.taken[name].counts

    def remember(
        self, notes: publish.Stage, engine: Engine, reach: Reach, files: Files, receipt: Receipt, *,
        memory: Memory | None, linked: int | None,
    ) -> None:  # fmt: skip
        """Write what the keeper remembers of this strip."""
        (notes.new / RECEIPT).write_text(receipt.to_json(), encoding="utf-8")
        write_barred(notes.new, engine.stream(reach.barred))
        known = {}
        for file in (file for own in files.values() for file in own):
            name, roster = file.name, _roster_of(file.name)
            place = part_of(notes.new / HELD, name)
            own = self.taken.get(name)
            if own and memory:
                _link(part_of(memory.folder / HELD, name), place)
            else:
                write_part(place, self.accounts[name].held)
            known[name] = File(
                raw=Seen.of(file, own.raw.sha256 if own else ""),
                clean=Seen.at(self.stage.new / name, receipt.files[name]),
                roster=Seen.at(self.stage.new / roster, receipt.files[roster]),
                counts=self._counts(name),
            )
        published = digest.of_file(self.stage.new / RECEIPT)
        Memory(receipt.policy, receipt.kinds, receipt.key_fingerprint, published, linked, known).write(notes.new)


def _roster_of(name: str) -> str:
    return part_of(Path(ROSTER), name).as_posix()


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


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
