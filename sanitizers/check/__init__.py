"""Check: what a policy leaves open, found before anything is written, and what to paste to mend it.

Beside what cannot be meant at all (a column that is not there, a kind that nobody knows) six things are looked for:
sources that no seal reaches, columns that look like identifiers and are not declared, links that lead nowhere, texts
that are not declared, redactions that a remaining column gives away, and feature queries whose answer depends on the
order of rows. Columns are judged by a bounded sample of the raw files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import pyarrow as pa

from sanitizers.check.columns import column_findings
from sanitizers.check.findings import Checked, Finding, Places, Proposal
from sanitizers.check.order import order_findings
from sanitizers.check.reach import reach_findings
from sanitizers.check.tells import tell_findings
from sanitizers.engine.contract import Engine
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.tables import Raw
from sanitizers.errors import ConfigurationError, Faults, SealproofError, gathered
from sanitizers.identifiers import Kinds
from sanitizers.policy import Policy
from sanitizers.register.rules import Rules
from sanitizers.register.snapshot import Snapshot, load
from sanitizers.scan.sample import ROWS, sample
from sanitizers.strip.plan import published_types
from sanitizers.trace import check_columns, raw_parts

__all__ = ["Checked", "Finding", "Proposal", "check_policy"]


def check_policy(
    path: Path, kinds: Kinds, environment: Mapping[str, str] | None = None, *, raw: Path | None = None
) -> Checked:
    """Check a policy against kinds, raw sources and feature queries.

    Parameters
    ----------
    path
        The policy.
    kinds
        The register's kinds.
    environment, raw
        See `Policy.load`.

    Returns
    -------
    Checked
        All findings together. What needs raw files that are not there, or cannot be read, is told as unchecked.

    Raises
    ------
    ConfigurationError
        The policy is not one: see `Policy.load`.
    """
    policy = Policy.load(path, environment, raw=raw)
    places = Places(path, policy.resolve(policy.extends.partition("@")[0]) if policy.extends else None)
    faults, unchecked = Faults(), Faults()
    with gathered(faults):
        Rules.find(policy.rules, policy.folder)
    with gathered(faults):
        policy.against(kinds)
    if faults:
        return Checked(tuple(Finding("setting", fault) for fault in faults))
    snapshot = _snapshot(policy, unchecked)
    with DuckDB() as engine:
        schemas, rows = _looked_at(engine, policy, faults, unchecked)
    found = [Finding("setting", fault) for fault in faults]
    found += reach_findings(policy, kinds, places, snapshot)
    found += column_findings(policy, kinds, places, rows)
    found += tell_findings(policy, kinds, places, rows)
    found += order_findings(policy, kinds, schemas)
    return Checked(tuple(found), tuple(unchecked))


def _snapshot(policy: Policy, unchecked: Faults) -> Snapshot | None:
    """The policy's snapshot, if it has been made."""
    path = policy.resolve(policy.register_.snapshot)
    if path.exists():
        with gathered(unchecked):
            return load(path)
    return None


def _looked_at(
    engine: Engine, policy: Policy, faults: Faults, unchecked: Faults
) -> tuple[dict[str, pa.Schema], dict[str, pa.Table]]:
    """Columns of the clean files, and sampled rows of the raw parts, of each source that fits the policy."""
    schemas, rows = {}, {}
    for name, parts in _parts(engine, policy, faults, unchecked):
        try:
            check_columns(policy, dict.fromkeys(policy.sources, ()) | {name: parts})
            rows[name] = sample(parts)
            schemas[name] = pa.schema(published_types(policy, name, parts[0].schema))
        except ConfigurationError as error:
            faults.gather(error)
        except SealproofError as error:
            unchecked.gather(error)
    return schemas, rows


def _parts(engine: Engine, policy: Policy, faults: Faults, unchecked: Faults) -> Iterator[tuple[str, tuple[Raw, ...]]]:
    """The raw parts of each source that has them; of a table some rows."""
    try:
        whole = raw_parts(engine, policy, most=ROWS)
    except ConfigurationError as error:
        faults.gather(error)
    except SealproofError as error:
        unchecked.gather(error)
    else:
        yield from whole.items()
        return
    for name, source in policy.sources.items():
        with suppress(SealproofError):
            yield from raw_parts(engine, policy.model_copy(update={"sources": {name: source}}), most=ROWS).items()
