"""Fingerprints, four impressions to a card, parted by time.

Only the first impression of a card names the arrest and the number under which the state tracks it (CJTN); the others
bear the card's number and the person's alone.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.city import bookings, spelling, words
from pipelines.city.records import City
from pipelines.city.tables import System, Table, any_of
from pipelines.city.world import Ids

_SCHEMA = pa.schema(
    [
        ("card_number", pa.string()),
        ("impression", pa.string()),
        ("arrest_number", pa.string()),
        ("cjtn", pa.string()),
        ("person_id", pa.string()),
        ("taken_on", pa.date32()),
        ("quality", pa.int8()),
        ("minutiae", pa.int16()),
        ("terminal", pa.string()),
    ]
)
_CARD = len(words.IMPRESSIONS)


def _rows(city: City, events: Ids) -> pa.Table:
    world, arrests = city.world, events // _CARD
    there = city.knows(arrests) & bookings.has_prints(world, arrests)
    events, arrests = events[there], arrests[there]
    day = world.arrest_day(arrests)
    order = np.argsort(day, kind="stable")
    events, arrests, day = events[order], arrests[order], day[order]
    first, none = events % _CARD == 0, pa.scalar(None, pa.string())
    quality = world.stream("print quality").unit(events)
    terminal = world.stream("print terminal").below(arrests, len(words.TERMINALS))
    return pa.table(
        {
            "card_number": spelling.card_number(world, arrests),
            "impression": spelling.named(words.IMPRESSIONS, events % _CARD),
            "arrest_number": pc.if_else(first, spelling.arrest_numbers(world, arrests).dashed(), none),
            "cjtn": pc.if_else(first, spelling.cjtn(world, arrests), none),
            "person_id": spelling.person_id(world, bookings.person(world, arrests)),
            "taken_on": spelling.dates(day),
            "quality": (100 * np.sqrt(quality)).astype(np.int8),
            "minutiae": 20 + world.stream("print minutiae").below(events, 90),
            "terminal": spelling.named(words.TERMINALS, terminal),
            any_of(): arrests,
        }
    )


SYSTEM = System(
    "fingerprints",
    (
        Table(
            "raw/fingerprints/from={start}/prints.parquet",
            _SCHEMA,
            events=lambda city: range(city.world.arrests * _CARD),
            rows=_rows,
            key=("card_number", "impression"),
            per_arrest=3.68,
            day_of="taken_on",
            longest=12,
        ),
    ),
)
