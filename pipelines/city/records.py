"""What the record systems know of a world: all of its arrests, or all but those barred on a day."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pyarrow as pa

from pipelines.city import bookings, justice
from pipelines.city.world import ARRESTS, COMPLAINTS, ON_VIEW, Ids, Mask, World

BLOCK = 200_000  # events worked on at a time


def blocks(events: Sequence[int] | Ids) -> Iterator[Ids]:
    """Yield event ids in blocks that fit into memory."""
    for start in range(0, len(events), BLOCK):
        yield np.asarray(events[start : start + BLOCK], np.int64)


@dataclass(frozen=True)
class City:
    """A world and the arrests of it that are put on record.

    Attributes
    ----------
    world : World
        Everything that happened.
    as_of : date
        The day on which `barred` holds.
    barred : array of bool
        Per arrest id, whether a seal bars it; the last period is filled up with False.
    recorded : array of bool
        Per arrest id, whether the record systems know the arrest; filled up likewise.
    """

    world: World
    as_of: date
    barred: Mask
    recorded: Mask

    @classmethod
    def of(cls, world: World, *, as_of: date, without_sealed: bool) -> City:
        """Return the city with all of its arrests, or without those barred on a day."""
        barred = np.zeros(world.periods * ARRESTS, bool)
        recorded = np.arange(len(barred)) < world.arrests
        for block in blocks(range(world.arrests)):
            barred[block] = justice.barred(world, block, as_of=as_of)
        return cls(world, as_of, barred, recorded & ~barred if without_sealed else recorded)

    def knows(self, arrests: Ids) -> Mask:
        """Say which arrests are on record; -1 is none."""
        return (arrests >= 0) & self.recorded[arrests]

    def knows_complaint(self, complaints: Ids) -> Mask:
        """Say which complaints are on record: an on-view one needs one of its arrests."""
        return (complaints % COMPLAINTS != ON_VIEW) | self.knows(self.world.arrests_on(complaints)).any(axis=1)

    @cached_property
    def persons(self) -> Mask:
        """Per person, whether any arrest on record is theirs."""
        known = np.zeros(self.world.persons, bool)
        for block in blocks(range(self.world.arrests)):
            known[bookings.person(self.world, block[self.knows(block)])] = True
        return known

    def arrests_of(self, persons: Ids) -> pa.Array:
        """Return the arrests on record of each person, as lists."""
        return self._of_persons.take(pa.array(persons))

    @cached_property
    def _of_persons(self) -> pa.Array:
        own = np.empty(self.world.arrests, np.int32)
        for block in blocks(range(self.world.arrests)):
            own[block] = bookings.person(self.world, block)
        known = np.flatnonzero(self.recorded[: self.world.arrests])
        count = np.bincount(own[known], minlength=self.world.persons)
        ordered = known[np.argsort(own[known], kind="stable")]
        return pa.LargeListArray.from_arrays(np.concatenate([[0], np.cumsum(count)]), ordered)

    def by_day(self, arrests: Ids) -> Ids:
        """Return those of the arrests that are on record, by date, then id."""
        arrests = arrests[self.knows(arrests)]
        return arrests[np.argsort(self.world.arrest_day(arrests), kind="stable")]
