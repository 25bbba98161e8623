"""Arrests, one file per year, and the charges brought on them.

Three of its identifiers come damaged: person ids in lower case, photo numbers as integers and dockets as floats, both
without their leading zeros.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.city import bookings, crimes, justice, people, spelling, words
from pipelines.city.forms import Csv
from pipelines.city.records import City
from pipelines.city.tables import System, Table, any_of
from pipelines.city.world import LAST_DAY, Ids, World

_ARRESTS = pa.schema(
    [
        ("arrest_number", pa.string()),
        ("person_id", pa.string()),
        ("complaint_number", pa.string()),
        ("onview_complaint", pa.string()),
        ("photo_number", pa.int64()),
        ("docket", pa.float64()),
        ("arrest_date", pa.date32()),
        ("offense", pa.string()),
        ("precinct", pa.int16()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("age", pa.int16()),
    ]
)
_CHARGES = pa.schema(
    [
        ("arrest_number", pa.string()),
        ("charge_no", pa.int16()),
        ("law_code", pa.string()),
        ("severity", pa.string()),
        ("disposition", pa.string()),
        ("disposition_date", pa.date32()),
    ]
)


def _arrest_rows(city: City, events: Ids) -> pa.Table:
    world, arrests = city.world, city.by_day(events)
    person, day, place = bookings.person(world, arrests), world.arrest_day(arrests), bookings.place(world, arrests)
    return pa.table(
        {
            "arrest_number": spelling.arrest_numbers(world, arrests).compact(),
            "person_id": pc.utf8_lower(spelling.person_id(world, person)),
            **_references(world, arrests),
            "arrest_date": spelling.dates(day),
            "offense": spelling.named(words.CRIMES, bookings.offense(world, arrests)),
            "precinct": place.precinct,
            "x": place.x,
            "y": place.y,
            "age": spelling.years(day) - people.birth_year(world, person),
            any_of(): arrests,
        }
    )


def _references(world: World, arrests: Ids) -> dict[str, pa.Array]:
    complaint = world.complaint_of(arrests)
    reported = crimes.times(world, complaint).reported
    none = pa.scalar(None, pa.string())
    dashed = spelling.complaint_number(world, complaint, reported, dashes=True)
    plain = spelling.complaint_number(world, complaint, reported)
    return {
        "complaint_number": pc.if_else(complaint >= 0, dashed, none),
        "onview_complaint": pc.if_else(bookings.on_view(world, arrests), plain, none),
        "photo_number": pa.array(bookings.photo(world, arrests), mask=~bookings.has_photo(world, arrests)),
        "docket": pa.array(np.where(bookings.names_docket(world, arrests), bookings.docket(world, arrests), np.nan)),
    }


def _charge_rows(city: City, events: Ids) -> pa.Table:
    world, booked = city.world, city.by_day(events)
    count = justice.charges(world, booked)
    row = np.repeat(np.arange(len(booked)), count)
    arrests, charge = booked[row], np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
    disposed = justice.disposed_day(world, booked)
    ended = justice.ending(world, booked, disposed=disposed)[row]
    disposition = justice.dispositions(world, arrests, charge, ended=ended)
    day = np.minimum(disposed[row], LAST_DAY)
    pending = disposition == justice.PENDING
    law = 4 * bookings.offense(world, booked)[row] + world.stream("law code").below(4 * arrests + charge, 4)
    return pa.table(
        {
            "arrest_number": spelling.arrest_numbers(world, booked).lower_dashed().take(pa.array(row)),
            "charge_no": charge + 1,
            "law_code": spelling.named(sum(words.LAW_CODES, ()), law),
            "severity": spelling.named(sum(words.SEVERITIES, ()), law),
            "disposition": spelling.named(justice.DISPOSITIONS, disposition),
            "disposition_date": pc.if_else(pending, pa.scalar(None, pa.date32()), spelling.dates(day)),
            "booked_on": spelling.dates(world.arrest_day(arrests)),
            any_of(): arrests,
        }
    )


SYSTEM = System(
    "arrests",
    (
        Table(
            "raw/arrests/arrests{part}.parquet",
            _ARRESTS,
            events=lambda city: range(city.world.arrests),
            rows=_arrest_rows,
            key=("arrest_number",),
            per_arrest=1.0,
            day_of="arrest_date",
            longest=12,
        ),
        Table(
            "raw/charges{part}.csv",
            _CHARGES,
            events=lambda city: range(city.world.arrests),
            rows=_charge_rows,
            key=("arrest_number", "charge_no"),
            per_arrest=1.88,
            day_of="booked_on",
            form=Csv(),
        ),
    ),
)
