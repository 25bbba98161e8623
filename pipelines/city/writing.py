"""Writes a whole city."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import partial
from pathlib import Path
from types import MappingProxyType

from rich.console import Console
from rich.progress import Progress

from pipelines.city.forms import Postgres
from pipelines.city.layout import Layout
from pipelines.city.record import PATH, write_record
from pipelines.city.records import BLOCK, City
from pipelines.city.sealing import FEED, TRUTH
from pipelines.city.systems import SIX, SYSTEMS
from pipelines.city.tables import Table, write_table
from pipelines.city.world import World


@dataclass(frozen=True)
class Summary:
    """What was written.

    Attributes
    ----------
    arrests : int
        Arrests on record.
    barred : int
        Arrests of the city that are barred on the day, on record or not.
    rows : mapping of str to int
        Rows per table, by the pattern of its files, or its name in a PostgreSQL database.
    """

    arrests: int
    barred: int
    rows: Mapping[str, int]


def write_city(
    out: Path,
    *,
    arrests: int,
    seed: int,
    as_of: date,
    without_sealed: bool = False,
    systems: int = 6,
    record: bool = False,
    postgres: str = "",
) -> Summary:
    """Write a city whose truth is known: its record systems, its seal feed and the truth.

    Equal arguments give equal content, and equal bytes of all but databases. One seed gives the city and its twin
    *without* the arrests that a seal bars on `as_of`: in the twin everything that no such arrest wrote is the same,
    cell for cell and in the same order.

    Parameters
    ----------
    out : Path
        The folder; files of an earlier city in it are replaced.
    arrests : int
        How many arrests happen, 1 to 20 million.
    seed : int
        Names the city.
    as_of : date
        The day on which the truth, and what the twin leaves out, are taken. Later seals still stand in the
        feed.
    without_sealed : bool
        Write the twin.
    systems : int
        6 or 14. The six of fourteen hold the same rows; a large city of fourteen parts them finer.
    record : bool
        Write the event record, too: what the twin lacks, and the arrests that explain it.
    postgres : str
        DSN of a PostgreSQL database for what is kept in one; a Parquet file holds it if empty.

    Returns
    -------
    Summary
        Counts.

    Raises
    ------
    ValueError
        If `arrests` or `systems` is out of range.
    DatabaseFailure
        A database cannot be written.
    """
    if systems not in SYSTEMS:
        raise ValueError(f"systems must be one of {', '.join(map(str, SYSTEMS))}, not {systems}")
    world = World(seed, arrests)
    city = City.of(world, as_of=as_of, without_sealed=without_sealed)
    own = [_placed(table, postgres) for system in SYSTEMS[systems] for table in system.tables]
    rows = {}
    with Progress(console=Console(stderr=True), disable=arrests <= BLOCK) as progress:
        for table in [*own, FEED, TRUTH]:
            task = progress.add_task(table.pattern, total=None)
            finest = Layout.of(table.per_arrest, arrests, longest=table.longest)
            layout = finest if systems > len(SIX) and table.day_of else Layout(table.longest)
            told = f"postgres: {table.server}" if isinstance(table.form, Postgres) else table.pattern
            rows[told] = write_table(table, city, out, layout=layout, tick=partial(progress.advance, task))
            progress.update(task, total=progress.tasks[task].completed)
    if record:
        rows[PATH] = write_record(own, City.of(world, as_of=as_of, without_sealed=False), out)
    return Summary(int(city.recorded.sum()), int(city.barred.sum()), MappingProxyType(rows))


def _placed(table: Table, postgres: str) -> Table:
    return replace(table, form=Postgres(postgres, table.server)) if postgres and table.server else table
