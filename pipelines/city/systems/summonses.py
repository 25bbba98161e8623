"""Criminal summonses, as JSON lines. One in seven was written along with an arrest, and names it and the person."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.city import bookings, places, spelling, words
from pipelines.city.forms import Lines
from pipelines.city.records import City
from pipelines.city.tables import System, Table, any_of
from pipelines.city.world import ARRESTS, Ids, World

_PLACE = pa.struct([("precinct", pa.int16()), ("x", pa.float64()), ("y", pa.float64())])
_SCHEMA = pa.schema(
    [
        ("summons_number", pa.string()),
        ("issued_on", pa.date32()),
        ("charge", pa.string()),
        ("age", pa.int16()),
        ("sex", pa.string()),
        ("place", _PLACE),
        ("status", pa.string()),
        ("arrest_number", pa.string()),
        ("person_id", pa.string()),
    ]
)
_SUMMONSES = 16  # per period


def _rows(city: City, events: Ids) -> pa.Table:
    world, arrest = city.world, _arrest(city.world, events)
    own_day = world.day_in(events // _SUMMONSES, world.stream("summons day").unit(events))
    day = np.where(arrest < 0, own_day, world.arrest_day(arrest))
    order = np.argsort(day, kind="stable")
    events, arrest, day = events[order], arrest[order], day[order]
    place = places.somewhere(world, "summons", events, borough=world.stream("summons borough").below(events, 5))
    charge = world.stream("summons charge").below(events, len(words.SUMMONS_CHARGES))
    return pa.table(
        {
            "summons_number": spelling.summons_number(world, events),
            "issued_on": spelling.dates(day),
            "charge": spelling.named(words.SUMMONS_CHARGES, charge),
            "age": 16 + world.stream("summons age").below(events, 55),
            "sex": spelling.named(words.SEXES, world.stream("summons sex").pick(events, words.SEX_WEIGHTS)),
            "place": pa.StructArray.from_arrays(
                [pa.array(place.precinct), pa.array(place.x), pa.array(place.y)], fields=list(_PLACE)
            ),
            **_along_with(city, events, arrest),
        }
    )


def _arrest(world: World, events: Ids) -> Ids:
    """Return the arrest that a summons was written along with, -1 for none."""
    arrest = events // _SUMMONSES * ARRESTS + world.stream("summons arrest").below(events, ARRESTS)
    along = world.stream("summons with arrest").chance(events, 0.15) & (arrest < world.arrests)
    return np.where(along, arrest, -1)


def _along_with(city: City, events: Ids, arrest: Ids) -> dict[str, pa.Array]:
    world, known, none = city.world, city.knows(arrest), pa.scalar(None, pa.string())
    own = world.stream("summons status").below(events, len(words.SUMMONS_STATUSES))
    status = spelling.named(words.SUMMONS_STATUSES, own)
    number = spelling.spell_any(world, "summons spelling", events, arrest)
    person = spelling.person_id(world, bookings.person(world, arrest))
    merged = pc.if_else(arrest < 0, status, "OPEN")
    return {
        "status": pc.if_else(known, "MERGED WITH ARREST", merged),
        "arrest_number": pc.if_else(known, number, none),
        "person_id": pc.if_else(known, pc.utf8_lower(person), none),
        any_of("status", "arrest_number", "person_id"): arrest,
    }


SYSTEM = System(
    "summonses",
    (
        Table(
            "raw/summonses{part}.jsonl",
            _SCHEMA,
            events=lambda city: range(city.world.periods * _SUMMONSES),
            rows=_rows,
            key=("summons_number",),
            per_arrest=0.8,
            day_of="issued_on",
            form=Lines(),
        ),
    ),
)
