"""Crime complaints.

A complaint writes its own row; arrests write few of its cells:

- the primary arrest writes the four suspect cells, ``status`` and ``cleared_by``;
- an arrest whose photo was shown to a witness writes its element of ``lineup``;
- an arrest on the complaint may append one sentence to ``narrative``.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.city import bookings, crimes, people, spelling, words
from pipelines.city.narrative import authors, narratives
from pipelines.city.records import City
from pipelines.city.tables import System, Table, all_of, any_of, each_of, several
from pipelines.city.world import COMPLAINTS, ON_VIEW, Days, Ids, World

_SCHEMA = pa.schema(
    [
        ("complaint_number", pa.string()),
        ("reported_on", pa.date32()),
        ("occurred_at", pa.timestamp("us")),
        ("crime_type", pa.string()),
        ("premise", pa.string()),
        ("entry", pa.string()),
        ("weapon", pa.string()),
        ("method", pa.string()),
        ("stolen", pa.string()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("precinct", pa.int16()),
        ("suspect_age", pa.int16()),
        ("suspect_sex", pa.string()),
        ("suspect_race", pa.string()),
        ("suspect_height", pa.int16()),
        ("status", pa.string()),
        ("cleared_by", pa.string()),
        ("lineup", pa.list_(pa.string())),
        ("narrative", pa.string()),
    ]
)
_TRAITS = {
    "premise": words.PREMISES,
    "entry": words.ENTRIES,
    "weapon": words.WEAPONS,
    "method": words.METHODS,
    "stolen": words.STOLEN,
}
_SOLUTION = ("suspect_age", "suspect_sex", "suspect_race", "suspect_height", "status", "cleared_by")
_MINUTE = 60 * 10**6
_LINEUP = 6  # photos
_REACH = 3_000  # arrests back from which a lineup is drawn


def _rows(city: City, events: Ids) -> pa.Table:
    world, complaints = city.world, events[city.knows_complaint(events)]
    reported = crimes.times(world, complaints).reported
    order = np.argsort(reported, kind="stable")
    complaints, reported = complaints[order], reported[order]
    place = crimes.place(world, complaints)
    return pa.table(
        {
            "complaint_number": spelling.complaint_number(world, complaints, reported),
            **_what(world, complaints),
            "x": place.x,
            "y": place.y,
            "precinct": place.precinct,
            **_solution(city, complaints),
            **_lineup(city, complaints, reported),
            "narrative": narratives(city, complaints),
            any_of("narrative"): several(authors(world, complaints)),
            all_of(): several(makers(world, complaints)),
        }
    )


def makers(world: World, complaints: Ids) -> Ids:
    """Return the arrests that made each complaint, shape (n, 3), filled up with -1: none but of an on-view one."""
    return np.where((complaints % COMPLAINTS == ON_VIEW)[:, None], world.arrests_on(complaints), -1)


def _what(world: World, complaints: Ids) -> dict[str, pa.Array]:
    times, crime = crimes.times(world, complaints), crimes.crime(world, complaints)
    traits = {}
    for name, table in _TRAITS.items():
        values = len(table[0])
        value = crimes.trait(world, name, complaints, values=values)
        traits[name] = spelling.named(sum(table, ()), values * crime + value)
    return {
        "reported_on": spelling.dates(times.reported),
        "occurred_at": pa.array((times.day * 1440 + times.minute) * _MINUTE).view(pa.timestamp("us")),
        "crime_type": spelling.named(words.CRIMES, crime),
        **traits,
    }


def _solution(city: City, complaints: Ids) -> dict[str, pa.Array]:
    """Return what the primary arrest writes; null where it is not on record."""
    world, arrest = city.world, city.world.primary_arrest(complaints)
    solved, person = city.knows(arrest), bookings.person(world, arrest)
    age = spelling.years(world.arrest_day(arrest)) - people.birth_year(world, person)
    number = spelling.arrest_numbers(world, arrest).spaced()
    return {
        "suspect_age": pa.array(age, mask=~solved),
        "suspect_sex": spelling.named(words.SEXES, people.sex(world, person), present=solved),
        "suspect_race": spelling.named(words.RACES, people.race(world, person), present=solved),
        "suspect_height": pa.array(people.height(world, person), mask=~(solved & bookings.has_photo(world, arrest))),
        "status": spelling.named(("OPEN", "CLOSED"), solved.astype(np.int64)),
        "cleared_by": pc.if_else(solved, number, pa.scalar(None, pa.string())),
        any_of(*_SOLUTION): arrest,
    }


def _lineup(city: City, complaints: Ids, reported: Days) -> dict[str, pa.Array]:
    """Return the photos shown to a witness: of arrests before the report, none twice."""
    world = city.world
    earlier = world.arrests_before(reported)
    shown = world.stream("lineup").chance(complaints, 0.1) & (earlier >= _LINEUP)
    complaints, earlier, position = complaints[shown, None], earlier[shown, None], np.arange(_LINEUP)
    width = np.minimum(earlier, _REACH) // _LINEUP
    within = world.stream("lineup photo").below(_LINEUP * complaints + position, width)
    arrests = earlier - 1 - (position * width + within)
    held = city.knows(arrests) & bookings.has_photo(world, arrests)
    count = np.zeros(len(shown), np.int32)
    count[shown] = held.sum(axis=1)
    ends, none = pa.array(np.concatenate([[0], np.cumsum(count)]), pa.int32()), pa.array(~shown)
    photos = spelling.photo_number(world, arrests[held])
    return {
        "lineup": pa.ListArray.from_arrays(ends, photos, mask=none),
        each_of("lineup"): pa.ListArray.from_arrays(ends, pa.array(arrests[held]), mask=none),
    }


SYSTEM = System(
    "complaints",
    (
        Table(
            "raw/complaints{part}.parquet",
            _SCHEMA,
            events=lambda city: range(city.world.periods * COMPLAINTS),
            rows=_rows,
            key=("complaint_number",),
            per_arrest=2.0,
            day_of="reported_on",
        ),
    ),
)
