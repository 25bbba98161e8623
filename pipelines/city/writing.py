"""Writes a whole city."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from types import MappingProxyType

from rich.console import Console
from rich.progress import Progress

from pipelines.city.records import BLOCK, City
from pipelines.city.sealing import FEED, TRUTH
from pipelines.city.systems import SYSTEMS
from pipelines.city.tables import write_table
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
        Rows per table, by its path; tables with a file per year count as one.
    """

    arrests: int
    barred: int
    rows: Mapping[str, int]


def write_city(out: Path, *, arrests: int, seed: int, as_of: date, without_sealed: bool = False) -> Summary:
    """Write a city whose truth is known: its record systems, its seal feed and the truth.

    Equal arguments give equal bytes. One seed gives the city and its twin *without* the arrests that a seal bars on
    `as_of`: in the twin everything that no such arrest wrote is the same, cell for cell and in the same order.

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

    Returns
    -------
    Summary
        Counts.

    Raises
    ------
    ValueError
        If `arrests` is out of range.
    """
    city = City.of(World(seed, arrests), as_of=as_of, without_sealed=without_sealed)
    tables = [table for system in SYSTEMS for table in system.tables] + [FEED, TRUTH]
    rows = {}
    with Progress(console=Console(stderr=True), disable=arrests <= BLOCK) as progress:
        for table in tables:
            task = progress.add_task(table.path, total=None)
            rows[table.path] = write_table(table, city, out, tick=partial(progress.advance, task))
            progress.update(task, total=progress.tasks[task].completed)
    return Summary(int(city.recorded.sum()), int(city.barred.sum()), MappingProxyType(rows))
