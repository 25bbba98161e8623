"""What a strip has to do: which files it reads and writes, and which it takes over from the last one as they stand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import ibis.expr.types as ir
import pyarrow as pa

from sanitizers.engine.contract import Engine
from sanitizers.engine.tables import Raw
from sanitizers.identifiers import Key
from sanitizers.policy import Policy
from sanitizers.register.history import Register
from sanitizers.register.snapshot import Snapshot
from sanitizers.strip.memory import Memory
from sanitizers.trace import carrying, seen_links

Files = Mapping[str, tuple[Raw, ...]]


@dataclass(frozen=True, repr=False)
class Work:
    """What a strip has to do.

    Parameters
    ----------
    rewrite
        Files of each source that are read and written.
    keep
        Names of files that are taken over as they stand.
    links
        Links to follow besides those of the files that are read; None where the snapshot is closed over all of them.
    reason
        Why everything is read; empty where the last strip is built on.
    """

    rewrite: Files
    keep: frozenset[str]
    links: Iterable[pa.RecordBatch] | None
    reason: str

    def __repr__(self) -> str:
        return f"Work({sum(map(len, self.rewrite.values()))} files, {len(self.keep)} kept)"

    def told(self) -> Iterator[str]:
        """The work in words, one line for each source and each file."""
        if self.reason:
            yield f"everything is read and written: {self.reason}"
        for name, files in self.rewrite.items():
            yield f"{name}: {len(files)} file(s) to read and write"
            yield from (f"  {file.name}" for file in files)
        yield f"{len(self.keep)} file(s) to take over as they stand"


def work_of(
    engine: Engine,
    policy: Policy,
    files: Files,
    memory: Memory | None,
    *,
    snapshot: Snapshot,
    key: Key,
    out: Path,
    register: Register | None,
) -> Work:
    """Decide what to do: a file is taken over where nothing changed in it and no new event reaches it."""
    reason = memory.misfit(policy, snapshot, key, out) if memory else "the keeper remembers no strip"
    if memory and not reason:
        same = memory.unchanged((file for own in files.values() for file in own), out)
        fresh = {name: tuple(file for file in own if file.name not in same) for name, own in files.items()}
        if _closed(engine, policy, fresh, snapshot=snapshot, key=key, register=register):
            keep = frozenset(same - memory.holding(same, memory.differing(snapshot.batches())))
            rewrite = {name: tuple(file for file in own if file.name not in keep) for name, own in files.items()}
            return Work(rewrite, keep, None, "")
        reason = "changed raw files bring links that the snapshot does not know"
    return Work(files, frozenset(), register.links() if register else (), reason)


def _closed(
    engine: Engine, policy: Policy, fresh: Files, *, snapshot: Snapshot, key: Key, register: Register | None
) -> bool:
    """Whether the snapshot is closed over every link of some files."""
    if not carrying(policy) or not any(fresh.values()):
        return True
    links = seen_links(engine, policy, fresh, kinds=snapshot.kinds, key=key)
    batches = known_in(engine, register, links)
    return batches is not None and snapshot.links >= batches


def known_in(engine: Engine, register: Register | None, links: ir.Table) -> int | None:
    """How many batches of links the register holds, if all of these are among them; None if not."""
    if register is None:
        return None if engine.fetch(links.limit(1)).num_rows else 0
    return register.link_batches if register.knows(links, engine) else None
