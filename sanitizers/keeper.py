"""What the register keeper runs: a snapshot that knows the links, a strip that uses them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from sanitizers.engine.choice import DUCKDB, opened
from sanitizers.identifiers import Key, Kinds
from sanitizers.policy import Policy
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules
from sanitizers.register.snapshot import Snapshot, load
from sanitizers.strip.files import Progress, strip_files
from sanitizers.strip.memory import Memory
from sanitizers.strip.receipt import Receipt
from sanitizers.strip.work import Work, work_of
from sanitizers.trace import carrying, raw_parts, seen_links


def take_snapshot(
    folder: Path, policy: Policy, *, kinds: Kinds, key: Key, as_of: dt.date, out: Path, known_at: dt.date | None = None,
    engine: str = DUCKDB,
) -> Snapshot:  # fmt: skip
    """Remember the links that the raw sources hold, then write the snapshot of a day.

    Links come first: a photo is barred through its arrest, also after the arrest system has deleted the row.
    """
    register = Register(folder, kinds=kinds, key=key)
    rules = Rules.find(policy.rules, policy.folder)
    with opened(engine) as own:
        if carrying(policy):
            register.remember(seen_links(own, policy, raw_parts(own, policy), kinds=kinds, key=key), own)
        register.snapshot(out, rules=rules, purpose=policy.purpose, as_of=as_of, known_at=known_at, engine=own)
    return load(out)


def planned_strip(
    policy: Policy, *, snapshot: Path, key: Key, register: Path | None, out: Path, keeper: Path | None,
    engine: str = DUCKDB,
) -> Work:  # fmt: skip
    """What `strip_with_register` would do; nothing is written."""
    barred = load(snapshot)
    policy.check_usable(barred)
    barred.check_key(key)
    own = Register(register, kinds=barred.kinds, key=key) if register else None
    memory = Memory.recall(keeper) if keeper else None
    with opened(engine) as started:
        files = raw_parts(started, policy)
        return work_of(started, policy, files, memory, snapshot=barred, key=key, out=out, register=own)


def strip_with_register(
    policy: Policy,
    *,
    snapshot: Path,
    key: Key,
    register: Path | None,
    out: Path,
    keeper: Path | None,
    progress: Progress,
    engine: str = DUCKDB,
) -> Receipt:
    """Strip files with what a register remembers. See `strip_files`."""
    barred = load(snapshot)
    own = Register(register, kinds=barred.kinds, key=key) if register else None
    return strip_files(
        policy, snapshot=barred, key=key, out=out, register=own, keeper=keeper, engine=engine, progress=progress
    )
