"""What the city's courts deliver to the register keeper, and the truth that only tests may see."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from pipelines.city import bookings, justice, spelling
from pipelines.city.forms import Csv
from pipelines.city.justice import EVENTS, SEAL
from pipelines.city.records import City, blocks
from pipelines.city.tables import Table
from pipelines.city.world import Ids, World

_FEED = pa.schema(
    [
        ("kind", pa.string()),
        ("identifier", pa.string()),
        ("action", pa.string()),
        ("statute", pa.string()),
        ("effective_on", pa.date32()),
        ("recorded_on", pa.date32()),
        ("case", pa.string()),
    ]
)
_TRUTH = pa.schema([("arrest_number", pa.string()), ("barred", pa.int8())])


def _feed_events(city: City) -> Ids:
    """Return the ids of all events on record, three to an arrest, by the day of recording."""
    events, recorded = [], []
    for block in blocks(range(city.world.arrests)):
        arrests = block[city.knows(block)]
        seals = justice.seals(city.world, arrests)
        there = seals.action > 0
        found = (EVENTS * arrests[:, None] + np.arange(EVENTS))[there]
        events.append(found.astype(np.int32))
        recorded.append((seals.effective[there] + _delay(city.world, found)).astype(np.int32))
    return np.concatenate(events)[np.argsort(np.concatenate(recorded), kind="stable")]


def _feed_rows(city: City, events: Ids) -> pa.Table:
    world, arrests = city.world, events // EVENTS
    seals = justice.seals(world, arrests)
    cell = np.arange(len(events)), events % EVENTS
    effective = seals.effective[cell]
    return pa.table(
        {
            "kind": pa.repeat("arrest_number", len(events)),
            "identifier": spelling.spell_any(world, "feed spelling", events, arrests),
            "action": spelling.named(("vacate", "seal"), (seals.action[cell] == SEAL).astype(np.int64)),
            "statute": spelling.named(justice.STATUTES, seals.statute[cell]),
            "effective_on": spelling.dates(effective),
            "recorded_on": spelling.dates(effective + _delay(world, events)),
            "case": spelling.join("CR-", spelling.digits(bookings.docket(world, arrests), 10)),
        }
    )


def _delay(world: World, events: Ids) -> Ids:
    """Days from an event to its recording, no two alike for one arrest: the feed cannot contradict itself."""
    return EVENTS * world.stream("feed delay").below(events, 3) + events % EVENTS


def _truth_rows(city: City, events: Ids) -> pa.Table:
    arrests = city.by_day(events)
    number = spelling.arrest_numbers(city.world, arrests).compact()
    return pa.table({"arrest_number": number, "barred": city.barred[arrests].astype(np.int8)})


FEED = Table("seal_feed.csv", _FEED, events=_feed_events, rows=_feed_rows, form=Csv())
TRUTH = Table("truth.csv", _TRUTH, events=lambda city: range(city.world.arrests), rows=_truth_rows, form=Csv())
