"""The co-arrest graph: one edge for every two arrests that were made together, as an analyst has derived it.

An edge goes with either of its arrests.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.city import bookings, crimes, spelling
from pipelines.city.records import City
from pipelines.city.tables import System, Table, any_of, several
from pipelines.city.world import COMPLAINTS, ON_VIEW, Ids

_SCHEMA = pa.schema(
    [
        ("edge_id", pa.string()),
        ("arrest_a", pa.string()),
        ("arrest_b", pa.string()),
        ("person_a", pa.string()),
        ("person_b", pa.string()),
        ("complaint_number", pa.string()),
        ("together_on", pa.date32()),
        ("days_apart", pa.int16()),
    ]
)
_COMPLAINTS = 3  # per period: those that may have several arrests, from the on-view one on
_PAIRS = np.array([[0, 1], [0, 2], [1, 2]])


def _rows(city: City, events: Ids) -> pa.Table:
    world = city.world
    period, slot = np.divmod(events, _COMPLAINTS * len(_PAIRS))
    complaint = period * COMPLAINTS + ON_VIEW + slot // len(_PAIRS)
    arrests = np.take_along_axis(world.arrests_on(complaint), _PAIRS[slot % len(_PAIRS)], axis=1)
    there = city.knows(arrests).all(axis=1)
    events, complaint, arrests = events[there], complaint[there], arrests[there]
    days = world.arrest_day(arrests.ravel()).reshape(arrests.shape)
    order = np.argsort(days.max(axis=1), kind="stable")
    events, complaint, arrests, days = events[order], complaint[order], arrests[order], days[order]
    a, b = arrests.T
    reported = crimes.times(world, complaint).reported
    edge = world.stream("edge id").permute(events, 10**8)
    return pa.table(
        {
            "edge_id": spelling.join("G", spelling.digits(edge, 8)),
            "arrest_a": spelling.arrest_numbers(world, a).compact(),
            "arrest_b": spelling.arrest_numbers(world, b).dashed(),
            "person_a": spelling.person_id(world, bookings.person(world, a)),
            "person_b": pc.utf8_lower(spelling.person_id(world, bookings.person(world, b))),
            "complaint_number": spelling.complaint_number(world, complaint, reported),
            "together_on": spelling.dates(days.max(axis=1)),
            "days_apart": np.abs(days[:, 0] - days[:, 1]),
            any_of(): several(arrests),
        }
    )


SYSTEM = System(
    "coarrests",
    (
        Table(
            "raw/coarrests{part}.parquet",
            _SCHEMA,
            events=lambda city: range(city.world.periods * _COMPLAINTS * len(_PAIRS)),
            rows=_rows,
            key=("edge_id",),
            per_arrest=0.21,
            day_of="together_on",
        ),
    ),
)
