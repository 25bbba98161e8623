"""What each feature of the ready set says, in plain Python: one row at a time, over all rows."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Row = tuple[Any, ...]


@dataclass(frozen=True)
class Arrest:
    """A row of the arrest system."""

    arrest_number: str
    person_id: str | None
    complaint_number: str | None
    arrest_date: dt.date | None
    offense: str | None
    precinct: int | None
    x: float | None
    y: float | None
    age: int | None


@dataclass(frozen=True)
class Complaint:
    """A row of the complaint system."""

    complaint_number: str
    reported_on: dt.date | None
    precinct: int | None
    narrative: str | None


@dataclass(frozen=True)
class World:
    """What is on record."""

    arrests: tuple[Arrest, ...]
    complaints: tuple[Complaint, ...]


def days(earlier: dt.date, later: dt.date) -> int:
    return (later - earlier).days


def rows_of(world: World) -> list[Arrest]:
    return [one for one in world.arrests if one.person_id is not None and one.arrest_date is not None]


def before(world: World, row: Arrest) -> list[Arrest]:
    """The person's arrests before the day of the row."""
    return [one for one in rows_of(world) if one.person_id == row.person_id and one.arrest_date < row.arrest_date]


def same_offense(arrests: list[Arrest], row: Arrest) -> list[Arrest]:
    return [one for one in arrests if one.offense == row.offense]


def counts(world: World) -> list[Row]:
    found = []
    for row in rows_of(world):
        earlier = before(world, row)
        ago = [days(one.arrest_date, row.arrest_date) for one in earlier]
        same = None if row.offense is None else len(same_offense(earlier, row))
        found.append((row.arrest_number, len(ago), sum(n <= 730 for n in ago), sum(n <= 90 for n in ago), same))
    return found


def rates(world: World) -> list[Row]:
    found: list[Row] = []
    for row in rows_of(world):
        earlier = before(world, row)
        if not earlier:
            found.append((row.arrest_number, None, None))
            continue
        since = max(days(one.arrest_date, row.arrest_date) for one in earlier)
        same = None if row.offense is None else len(same_offense(earlier, row)) / len(earlier)
        found.append((row.arrest_number, same, 365 * len(earlier) / since))
    return found


def extrema(world: World) -> list[Row]:
    found = []
    for row in rows_of(world):
        ages = [one.age for one in before(world, row) if one.age is not None]
        found.append((row.arrest_number, min(ages, default=None), max(ages, default=None)))
    return found


def recency(world: World) -> list[Row]:
    found = []
    for row in rows_of(world):
        earlier = before(world, row)
        ago = [days(one.arrest_date, row.arrest_date) for one in earlier]
        same = [days(one.arrest_date, row.arrest_date) for one in same_offense(earlier, row)]
        since_same = None if row.offense is None else min(same, default=None)
        found.append((row.arrest_number, min(ago, default=None), max(ago, default=None), since_same))
    return found


def trend(world: World) -> list[Row]:
    found = []
    for row in rows_of(world):
        ago = [days(one.arrest_date, row.arrest_date) for one in before(world, row)]
        found.append((row.arrest_number, sum(n <= 365 for n in ago) - sum(365 < n <= 730 for n in ago)))
    return found


def rearrested(world: World) -> list[Row]:
    last = max((one.arrest_date for one in world.arrests if one.arrest_date is not None), default=None)
    found = []
    for row in rows_of(world):
        after = [days(row.arrest_date, one.arrest_date) for one in rows_of(world) if one.person_id == row.person_id]
        again = int(any(0 < n <= 730 for n in after))
        found.append((row.arrest_number, again if days(row.arrest_date, last) >= 730 else None))
    return found


def same_hand(world: World) -> list[Row]:
    hands = [one for one in rows_of(world) if one.complaint_number is not None and one.offense is not None]
    known: dict[Row, list[dt.date]] = {}
    for one in hands:
        for other in hands:
            by_one = one.person_id == other.person_id and one.offense == other.offense
            ordered = one.complaint_number < other.complaint_number
            if by_one and ordered and abs(days(one.arrest_date, other.arrest_date)) <= 2:
                pair = (one.complaint_number, other.complaint_number, one.offense)
                known.setdefault(pair, []).append(max(one.arrest_date, other.arrest_date))
    positive = {pair: min(dates) for pair, dates in known.items()}
    found = {(*pair, known_on, 1) for pair, known_on in positive.items()}
    for one in hands:
        for other in hands:
            a, b, offense = one.complaint_number, other.complaint_number, one.offense
            stands_a = [day for pair, day in positive.items() if a in pair[:2] and pair[2] == offense]
            stands_b = [day for pair, day in positive.items() if b in pair[:2] and pair[2] == offense]
            met = one.precinct is not None and one.precinct == other.precinct and offense == other.offense
            near = one.arrest_date.isocalendar()[:2] == other.arrest_date.isocalendar()[:2]
            on_a = {hand.person_id for hand in hands if hand.complaint_number == a}
            on_b = {hand.person_id for hand in hands if hand.complaint_number == b}
            if a < b and met and near and stands_a and stands_b and not on_a & on_b:
                found.add((a, b, offense, max(min(stands_a), min(stands_b)), 0))
    return list(found)


def co_arrests(world: World) -> list[Row]:
    arrests = rows_of(world)
    found = []
    for row in arrests:
        others = set()
        for one in before(world, row):
            for other in arrests:
                together = one.complaint_number is not None and one.complaint_number == other.complaint_number
                if together and other.person_id != row.person_id and other.arrest_date < row.arrest_date:
                    others.add(other.person_id)
        exposure = sum(
            one.person_id in others and 1 <= days(one.arrest_date, row.arrest_date) <= 365 for one in arrests
        )
        found.append((row.arrest_number, len(others), exposure))
    return found


def cells(world: World) -> list[Row]:
    dated = [one for one in world.arrests if one.arrest_date is not None]
    placed = [one for one in dated if all(at is not None and abs(at) <= 10_000_000 for at in (one.x, one.y))]
    if not placed:
        return []
    last = max(one.arrest_date for one in dated)
    found = []
    for cell in {(math.floor(one.x / 1000), math.floor(one.y / 1000)) for one in placed}:
        inside = [one.arrest_date for one in placed if (math.floor(one.x / 1000), math.floor(one.y / 1000)) == cell]
        month = min(inside).replace(day=1)
        while month <= last:
            year_ago = month.replace(year=month.year - 1)
            month_ago = (month - dt.timedelta(days=1)).replace(day=1)
            year_before = sum(year_ago <= day < month for day in inside)
            if year_before:
                found.append((*cell, month, sum(month_ago <= day < month for day in inside), year_before))
            month = (month + dt.timedelta(days=31)).replace(day=1)
    return found


def texts(world: World) -> list[Row]:
    def weapon(narrative: str | None) -> int | None:
        if narrative is None:
            return None
        return int(any(word in narrative.lower() for word in ("gun", "knife", "firearm")))

    found = []
    for row in world.complaints:
        if row.reported_on is None:
            continue
        near = [one for one in world.complaints if one.reported_on is not None and one.precinct == row.precinct]
        named = [one for one in near if 1 <= days(one.reported_on, row.reported_on) <= 90 and weapon(one.narrative)]
        told = None if row.narrative is None else row.narrative.strip(" ")
        words = None if told is None else told.count(" ") + 1 if told else 0
        found.append((row.complaint_number, words, weapon(told), None if row.precinct is None else len(named)))
    return found


FEATURES: dict[str, Callable[[World], list[Row]]] = {
    feature.__name__: feature
    for feature in (counts, rates, extrema, recency, trend, rearrested, same_hand, co_arrests, cells, texts)
}
