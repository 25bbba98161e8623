"""Calls to 911, parted by time.

A call may lead to a complaint, and to arrests on the spot. One that was radioed in writes the final code; the others
are a list.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.city import crimes, places, spelling, words
from pipelines.city.places import Places, choose
from pipelines.city.records import City
from pipelines.city.systems.complaints import makers
from pipelines.city.tables import System, Table, all_of, any_of, each_of, several
from pipelines.city.world import ARRESTS, COMPLAINTS, Days, Ids, Mask, World

_SCHEMA = pa.schema(
    [
        ("call_id", pa.string()),
        ("called_at", pa.timestamp("us")),
        ("radio_code", pa.string()),
        ("precinct", pa.int16()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("sector_car", pa.string()),
        ("minutes_to_scene", pa.int16()),
        ("complaint_number", pa.string()),
        ("final_code", pa.string()),
        ("arrest_number", pa.string()),
        ("other_arrests", pa.list_(pa.string())),
    ]
)
_CALLS = 84  # slots per period: one for each complaint, the others for calls that came to nothing
_MINUTE = 60 * 10**6


def _rows(city: City, events: Ids) -> pa.Table:
    world = city.world
    events = events[world.stream("call made").chance(events, np.where(events % _CALLS < COMPLAINTS, 0.7, 0.87))]
    complaint, lone = _complaint(events), _lone(world, events)
    own_day = world.day_in(events // _CALLS, world.stream("call day").unit(events))
    reported = crimes.times(world, complaint).reported
    day = np.select([complaint >= 0, lone >= 0], [reported, world.arrest_day(lone)], own_day)
    order = np.argsort(day, kind="stable")
    events, complaint, day, reported = events[order], complaint[order], day[order], reported[order]
    place, minute = _place(world, events, complaint), world.stream("call minute").below(events, 1440)
    radio = world.stream("call radio").below(events, len(words.RADIO_CODES))
    return pa.table(
        {
            "call_id": spelling.call_id(world, events),
            "called_at": pa.array((day * 1440 + minute) * _MINUTE).view(pa.timestamp("us")),
            "radio_code": spelling.named(words.RADIO_CODES, radio),
            "precinct": place.precinct,
            "x": place.x,
            "y": place.y,
            "sector_car": spelling.named(words.SECTOR_CARS, world.stream("car").below(events, len(words.SECTOR_CARS))),
            "minutes_to_scene": (2 + 40 * world.stream("call response").unit(events) ** 2).astype(np.int16),
            **_report(city, complaint, reported),
            **_arrests(city, events, complaint, day),
        }
    )


def _complaint(events: Ids) -> Ids:
    """Return the complaint that a call leads to, -1 for none."""
    period, slot = np.divmod(events, _CALLS)
    return np.where(slot < COMPLAINTS, COMPLAINTS * period + slot, -1)


def _lone(world: World, events: Ids) -> Ids:
    """Return the arrest without a complaint that a call leads to, -1 for none."""
    arrest = events // _CALLS * ARRESTS + world.stream("call lone arrest").below(events, ARRESTS)
    led = (events % _CALLS >= COMPLAINTS) & world.stream("call led to arrest").chance(events, 0.3)
    return np.where(led & (arrest < world.arrests) & (world.complaint_of(arrest) < 0), arrest, -1)


def _place(world: World, events: Ids, complaint: Ids) -> Places:
    own = places.somewhere(world, "call", events, borough=world.stream("call borough").below(events, 5))
    return choose(complaint < 0, own, crimes.place(world, complaint))


def _report(city: City, complaint: Ids, reported: Days) -> dict[str, pa.Array]:
    known = (complaint >= 0) & city.knows_complaint(complaint)
    number = spelling.complaint_number(city.world, complaint, reported)
    return {
        "complaint_number": pc.if_else(known, number, pa.scalar(None, pa.string())),
        all_of("complaint_number"): several(makers(city.world, complaint)),
    }


def _arrests(city: City, events: Ids, complaint: Ids, day: Days) -> dict[str, pa.Array]:
    """Return what arrests on the spot write: those on the complaint that were made by the next day, or a lone one."""
    world, lone = city.world, _lone(city.world, events)
    arrests = np.where((complaint >= 0)[:, None], world.arrests_on(complaint), -1)
    arrests = np.where(_soon(world, arrests, day), arrests, -1)
    primary = np.where(complaint < 0, lone, world.primary_arrest(complaint))
    arrests[:, 0] = np.where(complaint < 0, lone, arrests[:, 0])
    radioed = world.stream("arrest radioed").chance(events, 0.7) & (arrests == primary[:, None]).any(axis=1)
    primary = np.where(radioed, primary, -1)
    arrests = np.where(arrests == primary[:, None], -1, arrests)
    known, held = city.knows(primary), city.knows(arrests)
    code = spelling.named(words.FINAL_CODES, world.stream("call final").below(events, len(words.FINAL_CODES)))
    code = pc.if_else(primary < 0, code, words.REPORTED)
    ends = pa.array(np.concatenate([[0], np.cumsum(held.sum(axis=1))]), pa.int32())
    numbers = spelling.arrest_numbers(world, arrests[held]).compact()
    return {
        "final_code": pc.if_else(known, words.ARREST_MADE, code),
        "arrest_number": pc.if_else(
            known, spelling.arrest_numbers(world, primary).lower(), pa.scalar(None, pa.string())
        ),
        "other_arrests": pa.ListArray.from_arrays(ends, numbers),
        any_of("final_code", "arrest_number"): primary,
        each_of("other_arrests"): pa.ListArray.from_arrays(ends, pa.array(arrests[held])),
    }


def _soon(world: World, arrests: Ids, day: Days) -> Mask:
    return (arrests >= 0) & (world.arrest_day(arrests.ravel()).reshape(arrests.shape) <= day[:, None] + 1)


SYSTEM = System(
    "calls",
    (
        Table(
            "raw/calls/from={start}/calls.parquet",
            _SCHEMA,
            events=lambda city: range(city.world.periods * _CALLS),
            rows=_rows,
            key=("call_id",),
            per_arrest=3.3,
            day_of="called_at",
            longest=12,
        ),
    ),
)
