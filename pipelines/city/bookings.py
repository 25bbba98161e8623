"""Arrests as they happened: who, where, for what, and the numbers they were given."""

from __future__ import annotations

import numpy as np

from pipelines.city import crimes, words
from pipelines.city.places import Places, choose, near, somewhere
from pipelines.city.world import ARRESTS, COMPLAINTS, ON_VIEW, Ids, Mask, World

PERSON_NUMBERS = 10**8
DOCKET_NUMBERS = PHOTO_NUMBERS = 10**10


def person(world: World, arrests: Ids) -> Ids:
    """Return who was arrested: the offender of a series, or anybody; some are arrested again and again."""
    complaint = world.complaint_of(arrests)
    series = np.where(complaint < 0, -1, world.series_of(complaint))
    series = np.where((arrests % ARRESTS == 9) | (arrests % ARRESTS == 10), -1, series)  # the offender's companions
    u = np.where(series < 0, world.stream("person").unit(arrests), world.stream("offender").unit(series))
    return world.stream("person order").permute((u * np.sqrt(u) * world.persons).astype(np.int64), world.persons)


def offense(world: World, arrests: Ids) -> Ids:
    """Return positions in ``words.CRIMES``: the crime of the complaint, where there is one."""
    complaint = world.complaint_of(arrests)
    alone = np.array(words.ALONE_CRIMES)[world.stream("offense").below(arrests, len(words.ALONE_CRIMES))]
    return np.where(complaint < 0, alone, crimes.crime(world, complaint))


def place(world: World, arrests: Ids) -> Places:
    """Return where arrests were made: not far from the complaint, where there is one."""
    complaint, borough = world.complaint_of(arrests), world.borough_of_arrest(arrests)
    scene, own = crimes.place(world, complaint), somewhere(world, "arrest", arrests, borough=borough)
    return near(world, "arrest near", arrests, place=choose(complaint < 0, own, scene), feet=900)


def on_view(world: World, arrests: Ids) -> Mask:
    """Say which arrests gave rise to their complaint."""
    complaint = world.complaint_of(arrests)
    return (complaint >= 0) & (complaint % COMPLAINTS == ON_VIEW)


def has_photo(world: World, arrests: Ids) -> Mask:
    """Say of which arrests a photo was taken."""
    return world.stream("has photo").chance(arrests, 0.85)


def photo(world: World, arrests: Ids) -> Ids:
    """Return photo numbers, ten digits."""
    return world.stream("photo number").permute(arrests, PHOTO_NUMBERS)


def case(world: World, arrests: Ids) -> Ids:
    """Return court cases; two thirds of the complaints bring all their arrests into one case.

    A case has the id of its arrest, or `arrests` of the whole city (rounded up) plus the id of its complaint.
    """
    complaint = world.complaint_of(arrests)
    shared = (complaint >= 0) & world.stream("docket shared").chance(complaint, 0.65)
    return np.where(shared, ARRESTS * world.periods + complaint, arrests)


def arrests_in(world: World, cases: Ids) -> Ids:
    """Return the arrests in each case, shape (n, 3), filled up with -1; none in a case that there is not."""
    complaint = cases - ARRESTS * world.periods
    shared = complaint >= 0
    alone = np.where(shared, -1, cases)[:, None] * np.array([1, 0, 0]) - np.array([0, 1, 1])
    arrests = np.where(shared[:, None], world.arrests_on(np.where(shared, complaint, 0)), alone)
    return np.where((arrests >= 0) & (arrests < world.arrests) & (case(world, arrests) == cases[:, None]), arrests, -1)


def docket_of_case(world: World, cases: Ids) -> Ids:
    """Return docket numbers of cases, ten digits."""
    return world.stream("docket").permute(cases, DOCKET_NUMBERS)


def docket(world: World, arrests: Ids) -> Ids:
    """Return docket numbers, ten digits."""
    return docket_of_case(world, case(world, arrests))


def names_docket(world: World, arrests: Ids) -> Mask:
    """Say which arrests bear their docket number."""
    return ~world.stream("docket missing").chance(arrests, 0.1)


def has_prints(world: World, arrests: Ids) -> Mask:
    """Say at which arrests fingerprints were taken, and a tracking number given by the state."""
    return world.stream("has prints").chance(arrests, 0.92)


def indicted(world: World, cases: Ids) -> Mask:
    """Say which cases went to the higher court, whose systems are its own."""
    return world.stream("indicted").chance(cases, np.where(cases < ARRESTS * world.periods, 0.03, 0.22))
