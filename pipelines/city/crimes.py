"""Complaints as they happened: type, traits, place and time.

An offender who commits a series keeps habits; each complaint of the series shows each habit with some probability and
is like any other complaint otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.city import words
from pipelines.city.places import Places, choose, near, somewhere
from pipelines.city.world import COMPLAINTS, FIRST_DAY, ON_VIEW, Days, Ids, World

# How often a member of a series shows its habit.
_FIDELITY = {"premise": 0.6, "entry": 0.6, "method": 0.55, "weapon": 0.6, "stolen": 0.5, "habit": 0.45}
_LONGEST_SERIES = 700  # days


@dataclass(frozen=True)
class Times:
    """When complaints happened and were reported."""

    day: Days
    minute: Ids
    reported: Days


def crime(world: World, complaints: Ids) -> Ids:
    """Return positions in ``words.CRIMES``; a series is of one type."""
    series = world.series_of(complaints)
    own = world.stream("crime").pick(complaints, words.CRIME_WEIGHTS)
    return np.where(series < 0, own, world.stream("series crime").below(series, words.SERIAL_CRIMES))


def trait(world: World, name: str, complaints: Ids, *, values: int) -> Ids:
    """Return one trait of each complaint, 0 to `values` - 1, low values being common."""
    series = world.series_of(complaints)
    kept = (series >= 0) & world.stream(f"{name} kept").chance(complaints, _FIDELITY[name])
    u = np.where(kept, world.stream(f"series {name}").unit(series), world.stream(name).unit(complaints))
    return (u * np.sqrt(u) * values).astype(np.int64)


def place(world: World, complaints: Ids) -> Places:
    """Return where complaints happened; a series stays mostly within a mile of its centre."""
    series, borough = world.series_of(complaints), world.borough_of_complaint(complaints)
    own = somewhere(world, "complaint", complaints, borough=borough)
    centre = somewhere(world, "series", series, borough=borough)
    around = near(world, "series member", complaints, place=centre, feet=3_500)
    kept = (series >= 0) & world.stream("place kept").chance(complaints, 0.65)
    return choose(kept, around, own)


def times(world: World, complaints: Ids) -> Times:
    """Return when complaints happened; an on-view complaint on the day of its arrests, any other not after them."""
    series, closing = world.series_of(complaints), world.closing_day(complaints)
    u, member = world.stream("age of complaint").unit(complaints), series >= 0
    v = world.stream("series spell").unit(series)
    spell = np.minimum(10 + v * v * _LONGEST_SERIES, closing - FIRST_DAY - 9)
    day = closing - np.where(member, 2 + (u * spell).astype(np.int64), (u * u * u * 45).astype(np.int64))
    to_weekday = (day + 3 - world.stream("series weekday").below(series, 7)) % 7
    day -= to_weekday * (member & world.stream("weekday kept").chance(complaints, 0.5))
    on_view = complaints % COMPLAINTS == ON_VIEW
    day = np.where(on_view, closing, day)
    reported = np.minimum(day + world.stream("report delay").pick(complaints, [70, 20, 10]), closing)
    return Times(day, _minute(world, complaints, series), reported)


def _minute(world: World, complaints: Ids, series: Ids) -> NDArray[np.int64]:
    own = 16 + 5 * world.stream("hour").normal(complaints)
    usual = 24 * world.stream("series hour").unit(series) + 2 * world.stream("hour in series").normal(complaints)
    kept = (series >= 0) & world.stream("hour kept").chance(complaints, 0.75)
    return (np.where(kept, usual, own) * 60).astype(np.int64) % 1440
