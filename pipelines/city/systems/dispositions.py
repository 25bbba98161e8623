"""What became of the arrests on the higher court's dockets: in PostgreSQL where there is one, or in a Parquet file.

Dockets come as integers without their leading zeros. Half of the rows name no arrest, but its CJTN.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.city import bookings, justice, spelling
from pipelines.city.records import City
from pipelines.city.tables import System, Table, any_of
from pipelines.city.world import Ids

_SCHEMA = pa.schema(
    [
        ("disposition_id", pa.int64()),
        ("docket", pa.int64()),
        ("arrest_number", pa.string()),
        ("cjtn", pa.string()),
        ("outcome", pa.string()),
        ("disposed_on", pa.date32()),
        ("days", pa.int32()),
    ]
)
_OUTCOMES = ("FAVORABLE", "VIOLATION", "MISDEMEANOR", "FELONY", "COVERED BY OTHER CASE")


def _rows(city: City, events: Ids) -> pa.Table:
    world, arrests = city.world, events[city.knows(events)]
    cases = bookings.case(world, arrests)
    disposed = justice.disposed_day(world, arrests)
    ended = justice.ending(world, arrests, disposed=disposed)
    there = bookings.indicted(world, cases) & bookings.names_docket(world, arrests) & (ended != justice.Ending.OPEN)
    arrests, disposed = arrests[there], disposed[there]
    order = np.argsort(disposed, kind="stable")
    arrests, disposed = arrests[order], disposed[order]
    tracked, none = bookings.has_prints(world, arrests), pa.scalar(None, pa.string())
    named = ~tracked | world.stream("disposition names arrest").chance(arrests, 0.45)
    ended = justice.ending(world, arrests, disposed=disposed)
    return pa.table(
        {
            "disposition_id": world.stream("disposition id").permute(arrests, 10**9),
            "docket": bookings.docket(world, arrests),
            "arrest_number": pc.if_else(named, spelling.arrest_numbers(world, arrests).spaced(), none),
            "cjtn": pc.if_else(tracked, spelling.cjtn(world, arrests), none),
            "outcome": spelling.named(_OUTCOMES, ended),
            "disposed_on": spelling.dates(disposed),
            "days": np.where(ended == justice.Ending.FELONY, 90 + world.stream("days").below(arrests, 2_000), 0),
            any_of(): arrests,
        }
    )


SYSTEM = System(
    "dispositions",
    (
        Table(
            "raw/dispositions.parquet",
            _SCHEMA,
            events=lambda city: range(city.world.arrests),
            rows=_rows,
            key=("disposition_id",),
            per_arrest=0.1,
            server="dispositions",
        ),
    ),
)
