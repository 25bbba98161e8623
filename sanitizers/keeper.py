"""What the register keeper runs: a snapshot that knows the links, a strip that uses them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from sanitizers import publish
from sanitizers.engine.duckdb import DuckDB
from sanitizers.errors import Fault, PublishFailure
from sanitizers.identifiers import Key, Kinds
from sanitizers.policy import Policy
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules
from sanitizers.register.snapshot import Snapshot, load
from sanitizers.strip.files import Progress, strip_files
from sanitizers.strip.receipt import Receipt
from sanitizers.trace import links_of, raw_files, read


def take_snapshot(
    folder: Path, policy: Policy, *, kinds: Kinds, key: Key, as_of: dt.date, out: Path, known_at: dt.date | None = None
) -> Snapshot:
    """Remember the links that the raw sources hold, then write the snapshot of a day.

    Links come first: a photo is barred through its arrest, also after the arrest system has deleted the row.
    """
    register = Register(folder, kinds=kinds, key=key)
    rules = Rules.find(policy.rules, policy.folder)
    with DuckDB() as engine:
        if any(ref.column.carries for source in policy.sources.values() for ref in source.references):
            register.remember(links_of(engine, read(engine, policy, raw_files(policy), kinds, key)))
        register.snapshot(out, rules=rules, purpose=policy.purpose, as_of=as_of, known_at=known_at, engine=engine)
    return load(out)


def strip_with_links(
    policy: Policy,
    *,
    snapshot: Path,
    key: Key,
    register: Path | None,
    out: Path,
    keeper: Path | None,
    progress: Progress,
) -> Receipt:
    """Strip files with the links that a register remembers, and leave the keeper's receipt with the keeper.

    Raises
    ------
    PublishFailure
        As `strip_files`; or the keeper's receipt cannot be written, which is found out before anything is stripped.
    """
    if keeper is not None:
        _private(keeper, out)
    barred = load(snapshot)
    links = Register(register, kinds=barred.kinds, key=key).links() if register else None
    receipt = strip_files(policy, snapshot=barred, key=key, out=out, links=links, progress=progress)
    if keeper is not None:
        keeper.touch(mode=0o600)
        keeper.write_text(receipt.to_json(), encoding="utf-8")
    return receipt


def _private(path: Path, out: Path) -> None:
    """Make sure that a file can be written, stands apart from what is published, and only its owner can read it."""
    remedy = "name another file with --keeper; nothing was published"
    if path.resolve().is_relative_to(out.resolve()):
        raise PublishFailure(Fault("lies in the folder that is published", remedy, where=str(path)))
    publish.check_replaceable(path, marks=[b'"key_fingerprint"', b'"rows_kept"'], remedy=remedy)
    problem = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new = not path.exists()
        path.touch(mode=0o600)
        path.chmod(0o600)
        if new:
            path.unlink()
    except OSError as error:
        problem = f"cannot be written ({error.strerror})"
    if problem:
        raise PublishFailure(Fault(problem, remedy, where=str(path)))
