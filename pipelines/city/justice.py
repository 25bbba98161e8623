"""How arrests ended in court, which of them a seal reached, and which are barred: the truth about the city.

An arrest all of whose charges ended favourably is sealed under CPL 160.50; one whose worst outcome is conviction of a
violation under CPL 160.55; some convictions under CPL 160.59, which in this city bars no police use. (The ten years
that 160.59 asks for are cut short, or seven years of records would never show it.)
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from pipelines.city.world import LAST_DAY, Days, Ids, Mask, World

DISPOSITIONS = (
    "Dismissed",
    "Acquitted",
    "Declined to Prosecute",
    "ACD Dismissed",
    "Convicted - Violation",
    "Convicted - Misdemeanor",
    "Convicted - Felony",
    "Dismissed - Covered By Other Case",
    "Pending",
)
PENDING = len(DISPOSITIONS) - 1


class Ending(IntEnum):
    """How the whole arrest ended."""

    FAVOURABLE = 0
    VIOLATION = 1
    MISDEMEANOR = 2
    FELONY = 3
    COVERED = 4
    OPEN = 5


_ENDING_WEIGHTS = (40.5, 12.5, 21, 12, 6, 8)
# Per ending: what one charge, the lead, is drawn from, and what the others are.
_LEAD = np.array([[0, 0, 0, 1, 2, 3], [4] * 6, [5] * 6, [6] * 6, [7] * 6, [8] * 6])
_OTHERS = np.array(
    [
        [0, 0, 0, 1, 2, 3],
        [0, 0, 3, 2, 4, 4],
        [0, 0, 3, 4, 5, 5],
        [0, 0, 4, 5, 6, 6],
        [0, 0, 3, 2, 7, 7],
        [8, 8, 8, 0, 3, 2],
    ]
)

STATUTES = ("", "CPL 160.50", "CPL 160.55", "CPL 160.59")
_BARRING = 2  # the statutes up to this one bar police use


class History(IntEnum):
    """What happened to a seal."""

    PLAIN = 0
    VACATED = 1  # the seal was undone
    LATE = 2  # it takes effect after the city's last day
    OVERLAP = 3  # sealed under two statutes, one of which was undone
    RENEWED = 4  # undone and sealed again on one day


_HISTORY_WEIGHTS = (94, 2, 2, 2, 1)
EVENTS = 3  # per arrest, at most
SEAL, VACATE = 1, 2
_ACTIONS = np.array([[SEAL, 0, 0], [SEAL, VACATE, 0], [SEAL, 0, 0], [SEAL, SEAL, VACATE], [SEAL, VACATE, SEAL]])


@dataclass(frozen=True)
class Seals:
    """What was done about each arrest, in up to three events.

    Attributes
    ----------
    action : array of int, shape (n, 3)
        ``SEAL``, ``VACATE`` or 0 for no event.
    statute : array of int, shape (n, 3)
        Position in ``STATUTES``.
    effective : array of int, shape (n, 3)
        Day on which the event takes effect.
    history : array of int, shape (n,)
        A `History`, of no meaning where nothing was done.
    """

    action: Ids
    statute: Ids
    effective: Days
    history: Ids


def disposed_day(world: World, arrests: Ids) -> Days:
    """Return the day on which the last charge would be disposed of; after the city's last day it is pending."""
    u = world.stream("disposed after").unit(arrests)
    return world.arrest_day(arrests) + 2 + (u * u * 400).astype(np.int64)


def ending(world: World, arrests: Ids, *, disposed: Days) -> Ids:
    """Return how each arrest had ended by the city's last day, as `Ending`."""
    drawn = world.stream("ending").pick(arrests, _ENDING_WEIGHTS)
    return np.where(disposed > LAST_DAY, Ending.OPEN, drawn)


def charges(world: World, arrests: Ids) -> Ids:
    """Return the number of charges, 1 to 4."""
    return 1 + world.stream("charges").pick(arrests, [45, 30, 17, 8])


def dispositions(world: World, arrests: Ids, charge: Ids, *, ended: Ids) -> Ids:
    """Return the disposition of charge 0, 1 … of arrests that ended so, as positions in ``DISPOSITIONS``."""
    lead = charge == world.stream("lead charge").below(arrests, charges(world, arrests))
    drawn = world.stream("disposition").below(4 * arrests + charge, 6)
    return np.where(lead, _LEAD[ended, drawn], _OTHERS[ended, drawn])


def seals(world: World, arrests: Ids) -> Seals:
    """Return what was done about each arrest."""
    disposed = disposed_day(world, arrests)
    ended = ending(world, arrests, disposed=disposed)
    petition = world.stream("petition").chance(arrests, 0.1)
    by_petition = petition & ((ended == Ending.MISDEMEANOR) | (ended == Ending.FELONY))
    statute = np.select([ended == Ending.FAVOURABLE, ended == Ending.VIOLATION, by_petition], [1, 2, 3], 0)
    drawn = world.stream("seal history").pick(arrests, _HISTORY_WEIGHTS)
    history = np.where(statute > _BARRING, History.PLAIN, drawn)
    return Seals(
        action=_ACTIONS[history] * (statute > 0)[:, None],
        statute=_statutes(world, arrests, statute=statute, history=history),
        effective=_effective(world, arrests, disposed=disposed, statute=statute, history=history),
        history=history,
    )


def _statutes(world: World, arrests: Ids, *, statute: Ids, history: Ids) -> Ids:
    overlap, other = history == History.OVERLAP, 3 - statute
    second = np.where(overlap, other, statute)
    third = np.where(overlap & world.stream("other undone").chance(arrests, 0.5), other, statute)
    return np.stack([statute, second, third], axis=1)


def _effective(world: World, arrests: Ids, *, disposed: Days, statute: Ids, history: Ids) -> Days:
    def after(name: str, first: int, days: int) -> NDArray[np.int64]:
        return first + world.stream(name).below(arrests, days)

    sealed = disposed + np.where(statute > _BARRING, after("petition wait", 100, 300), after("seal wait", 0, 6))
    sealed = np.where(history == History.LATE, LAST_DAY + after("late wait", 15, 300), sealed)
    overlap = history == History.OVERLAP
    second = sealed + np.where(overlap, after("overlap wait", 1, 30), after("vacate wait", 9, 190))
    third = np.where(overlap, sealed + after("undone wait", 40, 200), second)
    return np.stack([sealed, second, third], axis=1)


def barred(world: World, arrests: Ids, *, as_of: date) -> Mask:
    """Say which arrests a seal under CPL 160.50 or 160.55 bars on a day.

    Only a vacated seal ever stops to bar: an overlap keeps one of its two, a renewed seal starts on the day it ends,
    and on one day seal beats vacate.
    """
    day, done = np.datetime64(as_of).astype(int), seals(world, arrests)
    sealed, vacated = (done.effective[:, :2] <= day).T
    barring = (done.statute[:, 0] > 0) & (done.statute[:, 0] <= _BARRING)
    return barring & sealed & ~(vacated & (done.history == History.VACATED))
