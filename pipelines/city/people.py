"""Persons: everything about them comes from their own streams, and no arrest changes it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipelines.city import words
from pipelines.city.world import Ids, World


def birth_year(world: World, persons: Ids) -> NDArray[np.int16]:
    """Return years of birth, 1950 to 1999, more of them late than early."""
    u = world.stream("birth year").unit(persons)
    return (1999 - (50 * u * np.sqrt(u)).astype(np.int64)).astype(np.int16)


def sex(world: World, persons: Ids) -> Ids:
    """Return positions in ``words.SEXES``."""
    return world.stream("sex").pick(persons, words.SEX_WEIGHTS)


def race(world: World, persons: Ids) -> Ids:
    """Return positions in ``words.RACES``."""
    return world.stream("race").pick(persons, words.RACE_WEIGHTS)


def height(world: World, persons: Ids) -> NDArray[np.int16]:
    """Return heights in centimetres."""
    return (176 - 12 * sex(world, persons) + 7 * world.stream("height").normal(persons)).astype(np.int16)
