"""Photographs of arrested persons, one file per year, without any arrest number.

An older system: semicolons, code page 1252, and photo numbers in three spellings.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.city import bookings, people, spelling, words
from pipelines.city.forms import Csv
from pipelines.city.records import City
from pipelines.city.tables import System, Table, any_of
from pipelines.city.world import Ids, World

_SCHEMA = pa.schema(
    [
        ("photo_number", pa.string()),
        ("taken_on", pa.date32()),
        ("height_cm", pa.int16()),
        ("camera", pa.string()),
        ("note", pa.string()),
    ]
)


def _rows(city: City, events: Ids) -> pa.Table:
    world, arrests = city.world, city.by_day(events)
    arrests = arrests[bookings.has_photo(world, arrests)]
    height = people.height(world, bookings.person(world, arrests))
    measured = np.round(height + 1.5 * world.stream("photo height").normal(arrests)).astype(np.int16)
    camera = world.stream("photo camera").below(arrests, len(words.CAMERAS))
    note = world.stream("photo note").below(arrests, len(words.PHOTO_NOTES))
    return pa.table(
        {
            "photo_number": _spelled(world, arrests),
            "taken_on": spelling.dates(world.arrest_day(arrests)),
            "height_cm": measured,
            "camera": spelling.named(words.CAMERAS, camera),
            "note": spelling.named(words.PHOTO_NOTES, note),
            any_of(): arrests,
        }
    )


def _spelled(world: World, arrests: Ids) -> pa.Array:
    number = bookings.photo(world, arrests)
    chosen = world.stream("photo spelling").pick(arrests, [60, 25, 15])
    dashed = spelling.join(
        spelling.digits(number // 10**8, 2),
        "-",
        spelling.digits(number // 10**4 % 10**4, 4),
        "-",
        spelling.digits(number % 10**4, 4),
    )
    as_float = spelling.join(pa.array(number).cast(pa.string()), ".0")
    return pc.choose(pa.array(chosen), spelling.photo_number(world, arrests), dashed, as_float)


SYSTEM = System(
    "photos",
    (
        Table(
            "raw/photos/photos{part}.csv",
            _SCHEMA,
            events=lambda city: range(city.world.arrests),
            rows=_rows,
            key=("photo_number",),
            per_arrest=0.85,
            day_of="taken_on",
            longest=12,
            form=Csv(delimiter=";", encoding="cp1252"),
        ),
    ),
)
