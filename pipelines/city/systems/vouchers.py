"""Property vouchers: what was taken at an arrest, and what was found and may be matched to an arrest later.

An arrest's own vouchers go with it. A found thing stays when the arrest that it was matched to is gone, and is held
again.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.city import crimes, spelling, words
from pipelines.city.forms import Csv
from pipelines.city.records import City
from pipelines.city.systems.complaints import makers
from pipelines.city.tables import System, Table, all_of, any_of, several
from pipelines.city.world import ARRESTS, COMPLAINTS, LAST_DAY, ON_VIEW, Days, Ids, World

_SCHEMA = pa.schema(
    [
        ("voucher_number", pa.string()),
        ("vouchered_on", pa.date32()),
        ("category", pa.string()),
        ("item", pa.string()),
        ("quantity", pa.int16()),
        ("value", pa.int32()),
        ("arrest_number", pa.string()),
        ("complaint_number", pa.string()),
        ("status", pa.string()),
        ("matched_arrest", pa.string()),
        ("matched_on", pa.date32()),
        ("remarks", pa.string()),
    ]
)
_VOUCHERS, _TAKEN = 12, 8  # per period: all, and those of arrests
_CATEGORIES = ("ARREST EVIDENCE", "FORFEITURE", "FOUND PROPERTY", "INVESTIGATORY", "SAFEKEEPING")
_NOTHING, _COMPLAINT, _MATCHED = range(3)  # what a found thing is connected with


def _rows(city: City, events: Ids) -> pa.Table:
    world = city.world
    events = events[(events % _VOUCHERS >= _TAKEN) | city.knows(_arrest(world, events))]
    day = _day(world, events)
    order = np.argsort(day, kind="stable")
    events, day = events[order], day[order]
    taken, kind = events % _VOUCHERS < _TAKEN, world.stream("voucher category")
    category = np.where(taken, kind.below(events, 2), 2 + kind.below(events, 3))
    return pa.table(
        {
            "voucher_number": spelling.voucher_number(world, events),
            "vouchered_on": spelling.dates(day),
            "category": spelling.named(_CATEGORIES, category),
            "item": spelling.named(words.ITEMS, world.stream("voucher item").below(events, len(words.ITEMS))),
            "quantity": 1 + world.stream("voucher quantity").pick(events, [80, 12, 5, 3]),
            "value": (2_000 * world.stream("voucher value").unit(events) ** 4).astype(np.int64),
            **_reasons(city, events, taken),
            **_match(city, events, day, taken),
        }
    )


def _arrest(world: World, events: Ids) -> Ids:
    """Return the arrest that a thing was taken at or is matched to later, -1 for one that there is not."""
    arrest = events // _VOUCHERS * ARRESTS + world.stream("voucher arrest").below(events, ARRESTS)
    return np.where(arrest < world.arrests, arrest, -1)


def _day(world: World, events: Ids) -> Days:
    found = world.day_in(events // _VOUCHERS, world.stream("voucher day").unit(events))
    booked = world.arrest_day(_arrest(world, events)) + world.stream("voucher wait").below(events, 3)
    return np.minimum(np.where(events % _VOUCHERS < _TAKEN, booked, found), LAST_DAY)


def _connection(world: World, events: Ids) -> Ids:
    return world.stream("voucher connection").pick(events, [30, 30, 40])


def _reasons(city: City, events: Ids, taken: Ids) -> dict[str, pa.Array]:
    """Return the arrest that brought a thing in, and the complaint that a found thing belongs to."""
    world, arrest = city.world, _arrest(city.world, events)
    complaint = events // _VOUCHERS * COMPLAINTS + ON_VIEW + world.stream("voucher complaint").below(events, 7)
    told = ~taken & (_connection(world, events) == _COMPLAINT)
    reported = crimes.times(world, complaint).reported
    number = spelling.complaint_number(world, complaint, reported, dashes=True)
    return {
        "arrest_number": pc.if_else(taken, spelling.spell_any(world, "voucher spelling", events, arrest), ""),
        "complaint_number": pc.if_else(told & city.knows_complaint(complaint), number, ""),
        any_of(): np.where(taken, arrest, -1),
        all_of("complaint_number"): several(np.where(told[:, None], makers(world, complaint), -1)),
    }


def _match(city: City, events: Ids, day: Days, taken: Ids) -> dict[str, pa.Array]:
    """Return what the arrest writes that a found thing is matched to; a remark of their own have only lone things."""
    world, arrest = city.world, _arrest(city.world, events)
    matched = ~taken & (_connection(world, events) == _MATCHED)
    known = matched & city.knows(arrest)
    later = np.minimum(
        np.maximum(day, world.arrest_day(arrest)) + world.stream("match wait").below(events, 40), LAST_DAY
    )
    number = spelling.spell_any(world, "match spelling", events, arrest)
    sentence = spelling.join("Matched to arrest ", spelling.arrest_numbers(world, arrest).dashed(), " by the clerk. ")
    alone = ~taken & (_connection(world, events) == _NOTHING)
    remark = world.stream("voucher remark").below(events, len(words.VOUCHER_REMARKS))
    own = pc.if_else(alone, spelling.named(words.VOUCHER_REMARKS, remark), "")
    return {
        "status": spelling.named(("HELD", "MATCHED"), known.astype(np.int64)),
        "matched_arrest": pc.if_else(known, number, ""),
        "matched_on": pc.if_else(known, spelling.dates(later), pa.scalar(None, pa.date32())),
        "remarks": pc.if_else(known, sentence, own),
        any_of("status", "matched_arrest", "matched_on", "remarks"): np.where(matched, arrest, -1),
    }


SYSTEM = System(
    "vouchers",
    (
        Table(
            "raw/vouchers{part}.csv",
            _SCHEMA,
            events=lambda city: range(city.world.periods * _VOUCHERS),
            rows=_rows,
            key=("voucher_number",),
            per_arrest=0.6,
            day_of="vouchered_on",
            form=Csv(),
        ),
    ),
)
