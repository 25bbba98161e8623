"""Warrants, in a SQLite file: bench warrants on a docket, and warrants for a person, whom an arrest may bring in.

A bench warrant goes with its docket. A warrant for a person stays; it knows the person's number as long as an arrest of
that person is on record, and is active again once the arrest that executed it is not.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.city import bookings, spelling, words
from pipelines.city.forms import SqliteFile
from pipelines.city.records import City
from pipelines.city.systems.dockets import bearing
from pipelines.city.tables import System, Table, all_of, any_of, several
from pipelines.city.world import ARRESTS, LAST_DAY, Ids, Mask, World

_SCHEMA = pa.schema(
    [
        ("warrant_number", pa.string()),
        ("warrant_type", pa.string()),
        ("docket", pa.int64()),
        ("person_id", pa.string()),
        ("reason", pa.string()),
        ("issued_on", pa.string()),
        ("status", pa.string()),
        ("executed_by", pa.string()),
        ("executed_on", pa.string()),
    ]
)
_WARRANTS = 2  # per period: one on a docket, one for a person


def _rows(city: City, events: Ids) -> pa.Table:
    world = city.world
    events = events[_arrest(world, events) >= 0]
    on_docket = events % _WARRANTS == 0
    dockets = bearing(world, bookings.case(world, _arrest(world, events)))
    events = events[~on_docket | city.knows(dockets).any(axis=1)]
    arrest = _arrest(world, events)
    wait = world.stream("warrant wait").below(events, 60)
    issued = np.minimum(world.arrest_day(arrest) + np.where(events % _WARRANTS == 0, 10 + wait, -1 - wait), LAST_DAY)
    order = np.argsort(issued, kind="stable")
    events, arrest, issued = events[order], arrest[order], issued[order]
    on_docket = events % _WARRANTS == 0
    cases = bookings.case(world, arrest)
    reason = 1 + world.stream("warrant reason").below(events, len(words.WARRANT_REASONS) - 1)
    return pa.table(
        {
            "warrant_number": spelling.warrant_number(world, events),
            "warrant_type": spelling.named(("ARREST", "BENCH"), on_docket.astype(np.int64)),
            "docket": pa.array(bookings.docket_of_case(world, cases), mask=~on_docket),
            "reason": spelling.named(words.WARRANT_REASONS, np.where(on_docket, 0, reason)),
            "issued_on": spelling.dates(issued).cast(pa.string()),
            all_of(): several(np.where(on_docket[:, None], bearing(world, cases), -1)),
            **_person(city, arrest, on_docket),
            **_execution(city, events, arrest, on_docket),
        }
    )


def _arrest(world: World, events: Ids) -> Ids:
    """Return the arrest whose docket a bench warrant is on, or whose person a warrant is for; -1 for none."""
    arrest = events // _WARRANTS * ARRESTS + world.stream("warrant arrest").below(events, ARRESTS)
    return np.where(arrest < world.arrests, arrest, -1)


def _person(city: City, arrest: Ids, on_docket: Mask) -> dict[str, pa.Array]:
    person = bookings.person(city.world, arrest)
    known = ~on_docket & city.persons[person]
    none = pa.scalar(None, pa.string())
    return {
        "person_id": pc.if_else(known, spelling.person_id(city.world, person), none),
        all_of("person_id"): city.arrests_of(person),
    }


def _execution(city: City, events: Ids, arrest: Ids, on_docket: Mask) -> dict[str, pa.Array]:
    """Return what the arrest writes that executed a warrant: three in five were."""
    world, none = city.world, pa.scalar(None, pa.string())
    executed = ~on_docket & world.stream("warrant executed").chance(events, 0.6)
    known = executed & city.knows(arrest)
    day = spelling.dates(world.arrest_day(arrest)).cast(pa.string())
    return {
        "status": spelling.named(("ACTIVE", "EXECUTED"), known.astype(np.int64)),
        "executed_by": pc.if_else(known, spelling.spell_any(world, "warrant spelling", events, arrest), none),
        "executed_on": pc.if_else(known, day, none),
        any_of("status", "executed_by", "executed_on"): np.where(executed, arrest, -1),
    }


SYSTEM = System(
    "warrants",
    (
        Table(
            "raw/warrants.sqlite",
            _SCHEMA,
            events=lambda city: range(city.world.periods * _WARRANTS),
            rows=_rows,
            key=("warrant_number",),
            per_arrest=0.1,
            form=SqliteFile("warrants"),
        ),
    ),
)
