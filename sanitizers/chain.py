"""The chain: what the command and the pipeline's stages call, from files to files.

Each step leaves beside its output a ``chain.json`` that names the digests of what went in and what came out; by these
the gate goes back from a model to the strip it was computed from.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path

from sanitizers import digest
from sanitizers.engine.duckdb import DuckDB
from sanitizers.errors import ConfigurationError, Fault
from sanitizers.gate import CHAIN, FORMAT
from sanitizers.identifiers import Key, Kinds
from sanitizers.policy import Policy
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules
from sanitizers.register.snapshot import Snapshot, load
from sanitizers.strip.files import Progress, strip_files
from sanitizers.strip.receipt import Receipt
from sanitizers.trace import links_of, raw_files, read


def write_chain(path: Path, *, made_by: str, inputs: Mapping[str, Path], outputs: Mapping[str, Path]) -> None:
    """Write a chain: SHA-256 of every input and output of one step.

    Parameters
    ----------
    path
        ``chain.json``, or a name ending so, beside the outputs.
    inputs
        Name → file. Files ending in .py or .sql are code, the rest data that the gate must know.
    """
    content = {
        "format": FORMAT,
        "made_by": made_by,
        "inputs": {name: digest.of_file(file) for name, file in sorted(inputs.items())},
        "outputs": {name: digest.of_file(file) for name, file in sorted(outputs.items())},
    }
    if not path.name.endswith(CHAIN):
        raise ConfigurationError(Fault(f"a chain's name ends in {CHAIN}", where=str(path)))
    path.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


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
    policy: Policy, *, snapshot: Path, key: Key, register: Path | None, out: Path, keeper: Path | None, progress: Progress
) -> Receipt:
    """Strip files with the links that a register remembers, and leave the keeper's receipt with the keeper."""
    barred = load(snapshot)
    links = Register(register, kinds=barred.kinds, key=key).links() if register else None
    receipt = strip_files(policy, snapshot=barred, key=key, out=out, links=links, progress=progress)
    if keeper is not None:
        keeper.parent.mkdir(parents=True, exist_ok=True)
        keeper.write_text(receipt.to_json(), encoding="utf-8")
        keeper.chmod(0o600)
    return receipt


__all__ = ["filter_named", "strip_with_links", "take_snapshot", "write_chain"]


def filter_named(
    given: Path, name: str, *, policy_path: Path, snapshot: Path | None, key: Key, touched: Path | None, out: Path
) -> object:
    """Filter a file by the output of that name in the policy."""
    from sanitizers.outputs import filter_file

    policy = Policy.load(policy_path)
    if name not in policy.outputs:
        raise ConfigurationError(Fault("no such output", f"the policy has {', '.join(policy.outputs) or 'none'}", column=name))
    barred = load(snapshot or policy.resolve(policy.register_.snapshot))
    return filter_file(given, out, policy.outputs[name], snapshot=barred, key=key, touched=touched)
