"""Street stops. A quarter led to an arrest and name it; the others bear one of three marks for "none"."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.city import bookings, places, spelling, words
from pipelines.city.forms import Csv
from pipelines.city.records import City
from pipelines.city.tables import System, Table, any_of
from pipelines.city.world import ARRESTS, STOPS, Ids, World

_SCHEMA = pa.schema(
    [
        ("stop_id", pa.string()),
        ("stop_date", pa.date32()),
        ("precinct", pa.int16()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("reason", pa.string()),
        ("frisked", pa.string()),
        ("suspect_arrest_number", pa.string()),
    ]
)
_MISSING = ("N/A", "(null)", "")


def _rows(city: City, events: Ids) -> pa.Table:
    world, arrest = city.world, _arrest(city.world, events)
    own_day = world.day_in(events // STOPS, world.stream("stop day").unit(events))
    day = np.where(arrest < 0, own_day, world.arrest_day(arrest))
    order = np.argsort(day, kind="stable")
    stops, arrest, day = events[order], arrest[order], day[order]
    own = places.somewhere(world, "stop", stops, borough=world.stream("stop borough").below(stops, 5))
    place = places.choose(arrest < 0, own, bookings.place(world, arrest))
    reason = world.stream("stop reason").below(stops, len(words.STOP_REASONS))
    missing = spelling.named(_MISSING, world.stream("stop missing").below(stops, len(_MISSING)))
    number = spelling.spell_any(world, "stop spelling", stops, arrest)
    return pa.table(
        {
            "stop_id": spelling.join("T", spelling.digits(world.stream("stop id").permute(stops, 10**9), 9)),
            "stop_date": spelling.dates(day),
            "precinct": place.precinct,
            "x": place.x,
            "y": place.y,
            "reason": spelling.named(words.STOP_REASONS, reason),
            "frisked": spelling.named(("N", "Y"), world.stream("stop frisked").below(stops, 2)),
            "suspect_arrest_number": pc.if_else(city.knows(arrest), number, missing),
            any_of("suspect_arrest_number"): arrest,
        }
    )


def _arrest(world: World, stops: Ids) -> Ids:
    """Return the arrest that a stop led to, -1 for none."""
    arrest = stops // STOPS * ARRESTS + world.stream("stop arrest").below(stops, ARRESTS)
    led = world.stream("stop led to arrest").chance(stops, 0.25) & (arrest < world.arrests)
    return np.where(led, arrest, -1)


SYSTEM = System(
    "stops",
    (
        Table(
            "raw/stops{part}.csv",
            _SCHEMA,
            events=lambda city: range(city.world.periods * STOPS),
            rows=_rows,
            key=("stop_id",),
            per_arrest=0.6,
            day_of="stop_date",
            form=Csv(),
        ),
    ),
)
