"""Where things happen: five square boroughs, each of three by five precincts, measured in feet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.city.world import Ids, Mask, World

_SIDE = 36_000.0
_WEST = np.array([1_000_000.0, 985_000.0, 960_000.0, 1_030_000.0, 930_000.0])  # in the order of BOROUGHS
_SOUTH = np.array([240_000.0, 155_000.0, 200_000.0, 190_000.0, 130_000.0])
_FIRST_PRECINCT = np.array([40, 60, 1, 100, 120])
PRECINCTS = 15
_HOT_SPOTS = 8  # per borough


@dataclass(frozen=True)
class Places:
    """Points within a borough: `east` and `north` of its corner, in feet."""

    borough: Ids
    east: NDArray[np.float64]
    north: NDArray[np.float64]

    @property
    def x(self) -> NDArray[np.float64]:
        """Feet on the city's grid, to the foot."""
        return np.round(_WEST[self.borough] + self.east)

    @property
    def y(self) -> NDArray[np.float64]:
        """Feet on the city's grid, to the foot."""
        return np.round(_SOUTH[self.borough] + self.north)

    @property
    def precinct(self) -> NDArray[np.int16]:
        """Number of the precinct."""
        column, row = (self.east / _SIDE * 5).astype(np.int64), (self.north / _SIDE * 3).astype(np.int64)
        return (_FIRST_PRECINCT[self.borough] + 3 * column + row).astype(np.int16)


def choose(first: Mask, one: Places, other: Places) -> Places:
    """Take `one` where `first` holds and `other` elsewhere."""
    return Places(
        np.where(first, one.borough, other.borough),
        np.where(first, one.east, other.east),
        np.where(first, one.north, other.north),
    )


def somewhere(world: World, name: str, ids: Ids, *, borough: Ids) -> Places:
    """Put each event anywhere in its borough, most of them near a hot spot."""
    spot = borough * _HOT_SPOTS + world.stream(f"{name} spot").below(ids, _HOT_SPOTS)
    hot = world.stream(f"{name} hot").chance(ids, 0.75)
    east = np.where(hot, world.stream("spot east").unit(spot), world.stream(f"{name} east").unit(ids))
    north = np.where(hot, world.stream("spot north").unit(spot), world.stream(f"{name} north").unit(ids))
    return near(world, f"{name} offset", ids, place=Places(borough, east * _SIDE, north * _SIDE), feet=2_000)


def near(world: World, name: str, ids: Ids, *, place: Places, feet: float) -> Places:
    """Move each event some feet away, but not out of its borough."""
    east = place.east + feet * world.stream(f"{name} east").normal(ids)
    north = place.north + feet * world.stream(f"{name} north").normal(ids)
    return Places(place.borough, np.clip(east, 0, _SIDE - 1), np.clip(north, 0, _SIDE - 1))


def precinct_of_home(world: World, ids: Ids) -> NDArray[np.int16]:
    """Return any precinct of the city, for each person."""
    borough = world.stream("home borough").below(ids, 5)
    return (_FIRST_PRECINCT[borough] + world.stream("home precinct").below(ids, PRECINCTS)).astype(np.int16)
