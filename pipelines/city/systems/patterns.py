"""Crime patterns as analysts know them: one row per piece of evidence that a complaint belongs to a pattern.

About half of the members are known only because one person was arrested for several complaints within two days.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.city import crimes, spelling
from pipelines.city.forms import Csv
from pipelines.city.records import City
from pipelines.city.systems.complaints import makers
from pipelines.city.tables import System, Table, all_of, any_of, several
from pipelines.city.world import COMPLAINTS, LAST_DAY, MEMBERS, ON_VIEW, SERIES, Ids, Mask, World

_SCHEMA = pa.schema(
    [
        ("member_id", pa.string()),
        ("pattern_id", pa.string()),
        ("complaint_number", pa.string()),
        ("evidence", pa.string()),
        ("evidence_arrest", pa.string()),
        ("added_on", pa.date32()),
    ]
)
_EVIDENCE = ("print", "video", "confession", "analyst", "arrest")
_WEIGHTS = (30, 30, 10, 30)
_ARREST = 4
_PIECES = 3  # of evidence per member, at most: an arrest and two others


def _rows(city: City, events: Ids) -> pa.Table:
    world = city.world
    events = events[_given(world, events)]
    complaint, arrest = _complaint(world, events), _arrest(world, events)
    events = events[city.knows_complaint(complaint) & ((events % _PIECES > 0) | city.knows(arrest))]
    added = _added_on(world, events)
    order = np.argsort(added, kind="stable")
    events, added = events[order], added[order]
    complaint, arrest, by_arrest = _complaint(world, events), _arrest(world, events), events % _PIECES == 0
    kind = np.where(by_arrest, _ARREST, world.stream("evidence").pick(events, _WEIGHTS))
    reported = crimes.times(world, complaint).reported
    series = world.stream("pattern id").permute(events // (_PIECES * MEMBERS), 10**7)
    number = spelling.spell_any(world, "evidence spelling", events, arrest)
    return pa.table(
        {
            "member_id": spelling.join("E", spelling.digits(world.stream("member id").permute(events, 10**9), 9)),
            "pattern_id": spelling.join("P", spelling.digits(series, 7)),
            "complaint_number": spelling.complaint_number(world, complaint, reported),
            "evidence": spelling.named(_EVIDENCE, kind),
            "evidence_arrest": pc.if_else(by_arrest, number, ""),
            "added_on": spelling.dates(added),
            any_of(): np.where(by_arrest, arrest, -1),
            all_of(): several(makers(world, complaint)),
        }
    )


def _complaint(world: World, events: Ids) -> Ids:
    return world.complaint_of_member(events // (_PIECES * MEMBERS), events // _PIECES % MEMBERS)


def _arrest(world: World, events: Ids) -> Ids:
    return world.arrest_of_member(events // (_PIECES * MEMBERS), events // _PIECES % MEMBERS)


def _given(world: World, events: Ids) -> Mask:
    """Say which pieces of evidence there ever were."""
    arrested, piece = _arrest(world, events) >= 0, events % _PIECES
    in_the_act = _complaint(world, events) % COMPLAINTS == ON_VIEW
    first = world.stream("other evidence").chance(events, np.select([in_the_act, arrested], [0.6, 0.1], 1.0))
    second = world.stream("more evidence").chance(events, np.where(arrested, 0.0, 0.3))
    return (_complaint(world, events) >= 0) & np.select([piece == 0, piece == 1], [arrested, first], second)


def _added_on(world: World, events: Ids) -> Ids:
    after = world.stream("evidence wait").below(events, 35)
    noticed = crimes.times(world, _complaint(world, events)).reported + 3 + after
    booked = world.arrest_day(_arrest(world, events)) + after % 4
    return np.minimum(np.where(events % _PIECES == 0, booked, noticed), LAST_DAY)


SYSTEM = System(
    "patterns",
    (
        Table(
            "raw/pattern_members{part}.csv",
            _SCHEMA,
            events=lambda city: range(city.world.periods * SERIES * MEMBERS * _PIECES),
            rows=_rows,
            key=("member_id",),
            per_arrest=0.72,
            day_of="added_on",
            form=Csv(),
        ),
    ),
)
