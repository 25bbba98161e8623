"""Dockets of the higher court, in a DuckDB file.

A docket is on record as long as an arrest on record bears its number; the arrests that do are a list of it.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipelines.city import bookings, spelling, words
from pipelines.city.forms import DuckDBFile
from pipelines.city.records import City
from pipelines.city.tables import System, Table, all_of, each_of, several
from pipelines.city.world import ARRESTS, COMPLAINTS, LAST_DAY, Days, Ids, World

_SCHEMA = pa.schema(
    [
        ("docket", pa.string()),
        ("filed_on", pa.date32()),
        ("court_part", pa.string()),
        ("severity", pa.string()),
        ("arrests", pa.list_(pa.string())),
    ]
)
_CASES = ARRESTS + COMPLAINTS  # per period: those of one arrest, those of a complaint


def _rows(city: City, events: Ids) -> pa.Table:
    world, cases = city.world, _cases(city.world, events)
    cases = cases[bookings.indicted(world, cases)]
    arrests = bearing(world, cases)
    held = city.knows(arrests)
    cases, arrests = cases[held.any(axis=1)], arrests[held.any(axis=1)]
    filed = _filed(world, cases)
    order = np.argsort(filed, kind="stable")
    cases, arrests, filed = cases[order], arrests[order], filed[order]
    held = city.knows(arrests)
    ends = pa.array(np.concatenate([[0], np.cumsum(held.sum(axis=1))]), pa.int32())
    part = world.stream("court part").below(cases, len(words.COURT_PARTS))
    return pa.table(
        {
            "docket": spelling.docket(world, cases),
            "filed_on": spelling.dates(filed),
            "court_part": spelling.named(words.COURT_PARTS, part),
            "severity": spelling.named(("F", "M"), world.stream("docket severity").pick(cases, [80, 20])),
            "arrests": pa.ListArray.from_arrays(ends, spelling.arrest_numbers(world, arrests[held]).compact()),
            all_of(): several(arrests),
            each_of("arrests"): pa.ListArray.from_arrays(ends, pa.array(arrests[held])),
        }
    )


def _cases(world: World, events: Ids) -> Ids:
    period, slot = np.divmod(events, _CASES)
    of_complaint = ARRESTS * world.periods + COMPLAINTS * period + slot - ARRESTS
    return np.where(slot < ARRESTS, ARRESTS * period + slot, of_complaint)


def bearing(world: World, cases: Ids) -> Ids:
    """Return the arrests that bear the docket number of each case, shape (n, 3), filled up with -1."""
    arrests = bookings.arrests_in(world, cases)
    return np.where(bookings.names_docket(world, arrests), arrests, -1)


def _filed(world: World, cases: Ids) -> Days:
    """Return the day on which a case was filed, which no single arrest of a shared one decides."""
    complaint = cases - ARRESTS * world.periods
    opened = np.where(
        complaint < 0, world.arrest_day(cases * (complaint < 0)), world.closing_day(np.maximum(complaint, 0))
    )
    return np.minimum(opened + 3 + world.stream("docket wait").below(cases, 45), LAST_DAY)


SYSTEM = System(
    "dockets",
    (
        Table(
            "raw/dockets.duckdb",
            _SCHEMA,
            events=lambda city: range(city.world.periods * _CASES),
            rows=_rows,
            key=("docket",),
            per_arrest=0.1,
            form=DuckDBFile("dockets"),
        ),
    ),
)
