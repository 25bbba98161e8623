"""Files: find what a seal reaches, forget it, check, publish.

Where the keeper remembers the last strip, files that no new event reaches are neither read nor written: the new folder
holds the same files.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import ibis.expr.types as ir

from sanitizers import digest, publish
from sanitizers.engine.choice import DUCKDB, opened
from sanitizers.engine.contract import Engine
from sanitizers.errors import Fault, PublishFailure
from sanitizers.identifiers import Key
from sanitizers.policy import Policy
from sanitizers.register.history import Register
from sanitizers.register.snapshot import Snapshot
from sanitizers.strip.forget import Forgotten, Task, There, forget, make_room, roster_of
from sanitizers.strip.memory import HELD, MEMORY, File, Memory, Seen, remembered, write_barred
from sanitizers.strip.receipt import RECEIPT, Receipt, SourceCounts, total
from sanitizers.strip.roster import part_of
from sanitizers.strip.work import Files, Work, known_in, work_of
from sanitizers.trace import check_columns, closed, databases, raw_files, raw_parts, seen_links, trace

Progress = Callable[[str, int, int], None]


def strip_files(
    policy: Policy,
    *,
    snapshot: Snapshot,
    key: Key,
    out: Path,
    register: Register | None = None,
    keeper: Path | None = None,
    engine: str = DUCKDB,
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
    engine
        Where it runs: see `opened`.
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
        opened_ = stack.enter_context(opened(engine, stage.scratch))
        files = raw_parts(opened_, policy)
        memory = Memory.recall(keeper) if keeper else None
        work = work_of(opened_, policy, files, memory, snapshot=snapshot, key=key, out=out, register=register)
        count = sum(map(len, work.rewrite.values()))
        progress("find", 0, count)
        run = _Run(policy, snapshot, stage, held=notes.new / HELD if notes else None)
        forget_all = run.forget_apart if opened_.apart else run.forget_here
        barred, links = forget_all(opened_, work, key, progress=progress)
        if memory and work.keep:
            run.take_over(memory, work.keep, out)
        receipt = run.receipt(files)
        if notes:
            linked = known_in(opened_, register, links)
            write_barred(notes.new, opened_.stream(barred))
            run.remember(notes, files, receipt, memory=memory if work.keep else None, linked=linked)
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

    def __init__(self, policy: Policy, snapshot: Snapshot, stage: publish.Stage, *, held: Path | None) -> None:
        self.policy, self.snapshot, self.stage = policy, snapshot, stage
        self.task = Task(policy, snapshot.kinds, stage.new, held)
        self.forgotten: dict[str, Forgotten] = {}
        self.taken: dict[str, File] = {}

    def forget_here(self, engine: Engine, work: Work, key: Key, *, progress: Progress) -> tuple[ir.Table, ir.Table]:
        """Write every clean file that is not taken over, with its part of the roster.

        Returns
        -------
        ir.Table
            The barred set, closed over links.
        ir.Table
            Links that were seen.
        """
        count = sum(map(len, work.rewrite.values()))
        reach = trace(engine, self.policy, work.rewrite, snapshot=self.snapshot, key=key, links=work.links)
        progress("find", count, count)
        ticks = itertools.count(1)
        for reached in reach.sources.values():
            tell = lambda: progress("forget", next(ticks), count)  # noqa: E731
            for done in forget(engine, reached, self.task, settle=self.stage.settle, tell=tell):
                self.forgotten[done.name] = done
        return reach.barred, reach.links

    def forget_apart(self, engine: Engine, work: Work, key: Key, *, progress: Progress) -> tuple[ir.Table, ir.Table]:
        """The same, by the engine's workers: first they look for links, then each finds and forgets in whole files."""
        policy, kinds, files = self.policy, self.snapshot.kinds, work.rewrite
        count = sum(map(len, files.values()))
        policy.against(kinds)
        check_columns(policy, files)
        seen = seen_links(engine, policy, files, kinds=kinds, key=key)
        barred = closed(engine, self.snapshot, work.links, seen)
        progress("find", count, count)
        pieces = [(name, file) for name, own in files.items() for file in own]
        for _, file in pieces:
            make_room(self.task, file.name)
        attempts = self.stage.scratch / "attempts"
        attempts.mkdir(mode=0o700)
        for done in engine.each(pieces, There(self.task, key.reveal(), engine.fetch(barred), attempts)):
            self.forgotten[done.name] = done
        progress("forget", count, count)
        return barred, seen

    def take_over(self, memory: Memory, names: frozenset[str], out: Path) -> None:
        """Link files of the last strip, which stand as it left them, into the new folder."""
        for name in sorted(names):
            self.taken[name] = memory.files[name]
            for own in (name, roster_of(name)):
                _link(out / own, self.stage.new / own)

    def receipt(self, files: Files) -> Receipt:
        """Write the public receipt; returns the exact one."""
        told: dict[str, str] = {}
        for done in self.forgotten.values():
            told |= done.digests()
        for name, file in self.taken.items():
            told |= {name: file.clean.sha256, roster_of(name): file.roster.sha256}
        counts = {name: total([self._counts(file.name) for file in own]) for name, own in files.items()}
        receipt = make_receipt(self.policy, self.snapshot, counts, dict(sorted(told.items())))
        (self.stage.new / RECEIPT).write_text(receipt.public().to_json(), encoding="utf-8")
        return receipt

    def _counts(self, name: str) -> SourceCounts:
        return self.forgotten[name].counts if name in self.forgotten else self.taken[name].counts

    def remember(
        self, notes: publish.Stage, files: Files, receipt: Receipt, *, memory: Memory | None, linked: int | None
    ) -> None:
        """Write what the keeper remembers of this strip."""
        (notes.new / RECEIPT).write_text(receipt.to_json(), encoding="utf-8")
        known = {}
        for file in (file for own in files.values() for file in own):
            name, roster = file.name, roster_of(file.name)
            own = self.taken.get(name)
            if own and memory:
                _link(part_of(memory.folder / HELD, name), part_of(notes.new / HELD, name))
            known[name] = File(
                raw=Seen.of(file, own.raw.sha256 if own else ""),
                clean=Seen.at(self.stage.new / name, receipt.files[name]),
                roster=Seen.at(self.stage.new / roster, receipt.files[roster]),
                counts=self._counts(name),
            )
        published = digest.of_file(self.stage.new / RECEIPT)
        Memory(receipt.policy, receipt.kinds, receipt.key_fingerprint, published, linked, known).write(notes.new)


def _link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system has no links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
