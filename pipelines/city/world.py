"""Which event belongs to which: pure arithmetic on event ids.

A city is written in *periods*, all arranged alike: 20 arrests, 40 complaints, 2 crime series and 12 stops. Who hangs on
whom follows from an event's id and its own streams, in both directions, so nothing is stored, and leaving arrests out
moves nothing else.

==========================  =================================  ===========================================
slot of the complaint       what it is                         slots of its arrests
==========================  =================================  ===========================================
0-7, 8-15                   members of the two series          0-3, 4-7: the offender, for the first members
16                          on-view, made by its arrests       8-10: one to three
17, 18, 19-22               solved                             11-13, 14-15, 16-19
23-39                       never solved                       none
==========================  =================================  ===========================================

A series has four to eight members; sometimes its last is the on-view complaint: caught in the act. Complaint slots
that a series does not use are unconnected crimes, arrest slots that are not used are arrests without a complaint.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.city.streams import Stream, stream

Ids = NDArray[np.int64]
Mask = NDArray[np.bool_]
Days = NDArray[np.int64]  # days since 1970-01-01

FIRST_DAY, LAST_DAY = (int(np.datetime64(day).astype(int)) for day in ("2013-01-01", "2019-12-31"))
YEARS = range(2013, 2020)
BOROUGHS = "BKMQS"

ARRESTS, COMPLAINTS, SERIES, STOPS = 20, 40, 2, 12  # per period
MEMBERS = 8  # per series, at most
ON_VIEW = 16
LARGEST_CITY = 20_000_000  # arrests, beyond which arrest numbers would repeat

_LEAD = 52  # days that a series needs before its arrests
_LAG = 3  # days that co-arrests may follow

# The complaint slot that each arrest slot hangs on.
_COMPLAINT_OF = np.array([*range(4), *range(8, 12), *[16] * 3, *[17] * 3, *[18] * 2, 19, 20, 21, 22])
# The arrest slots of each complaint slot, filled up with -1.
_ARRESTS_ON = np.array(
    [
        *[[slot, -1, -1] for slot in range(4)],
        *[[-1] * 3] * 4,
        *[[slot, -1, -1] for slot in range(4, 8)],
        *[[-1] * 3] * 4,
        [8, 9, 10],
        [11, 12, 13],
        [14, 15, -1],
        *[[slot, -1, -1] for slot in range(16, 20)],
        *[[-1] * 3] * 17,
    ]
)
# Complaint slots that share a borough.
_NEIGHBOURHOOD = np.array([*[0] * 8, *[8] * 8, 0, *range(17, COMPLAINTS)])


@dataclass(frozen=True)
class World:
    """A city before anybody writes it down.

    Parameters
    ----------
    seed : int
        Names the city.
    arrests : int
        Arrests that happen in it, 1 to 20 million.
    """

    seed: int
    arrests: int

    def __post_init__(self) -> None:
        """Refuse a city that is too large for its numbers."""
        if not 1 <= self.arrests <= LARGEST_CITY:
            raise ValueError(f"arrests must lie between 1 and {LARGEST_CITY:,}, not {self.arrests:,}")

    @property
    def periods(self) -> int:
        """Number of periods; the last one may hold fewer arrests."""
        return -(-self.arrests // ARRESTS)

    @property
    def persons(self) -> int:
        """Number of people who might be arrested; about half of them are."""
        return self.arrests * 6 // 5

    def stream(self, name: str) -> Stream:
        """Return a stream of this world."""
        return stream(self.seed, name)

    # Series.

    def series_size(self, series: Ids) -> Ids:
        """Return how many complaints a series has."""
        return 4 + self.stream("series size").below(series, MEMBERS - 3)

    def series_arrests(self, series: Ids) -> Ids:
        """Return for how many of a series' members, from the first on, the offender is arrested."""
        return (self.series_size(series) + 1) // 2

    def caught_in_the_act(self, series: Ids) -> Mask:
        """Say whether the last member of a series is its period's on-view complaint."""
        return (series % SERIES == 0) & self.stream("series caught").chance(series, 0.3)

    def complaint_of_member(self, series: Ids, member: Ids) -> Ids:
        """Return the complaint that is a member of a series, -1 for a member that there is not."""
        size = self.series_size(series)
        slot = MEMBERS * (series % SERIES) + member
        slot = np.where(self.caught_in_the_act(series) & (member == size - 1), ON_VIEW, slot)
        return np.where(member < size, COMPLAINTS * (series // SERIES) + slot, -1)

    def arrest_of_member(self, series: Ids, member: Ids) -> Ids:
        """Return the offender's arrest for a member of a series, -1 where there was none."""
        slot = np.where(member < self.series_arrests(series), 4 * (series % SERIES) + member, -1)
        slot = np.where(self.caught_in_the_act(series) & (member == self.series_size(series) - 1), 8, slot)
        return np.where(slot < 0, -1, ARRESTS * (series // SERIES) + slot)

    def series_of(self, complaints: Ids) -> Ids:
        """Return the series that a complaint is a member of, -1 for none."""
        period, slot = np.divmod(complaints, COMPLAINTS)
        series = SERIES * period + (slot >= MEMBERS) * (slot < ON_VIEW)
        last = self.series_size(series) - self.caught_in_the_act(series)
        member = np.where(slot == ON_VIEW, self.caught_in_the_act(series), (slot < ON_VIEW) & (slot % MEMBERS < last))
        return np.where(member, series, -1)

    # Arrests and complaints.

    def complaint_of(self, arrests: Ids) -> Ids:
        """Return the complaint that an arrest hangs on, -1 for none."""
        period, slot = np.divmod(arrests, ARRESTS)
        complaint = COMPLAINTS * period + _COMPLAINT_OF[slot]
        offender = slot % 4 < self.series_arrests(SERIES * period + slot // 4 % SERIES)
        on_view = slot - 8 < self.stream("on-view arrests").pick(complaint, [85, 10, 5]) + 1
        return np.where(np.where(slot < 8, offender, (slot > 10) | on_view), complaint, -1)

    def arrests_on(self, complaints: Ids) -> Ids:
        """Return the arrests on each complaint, shape (n, 3), filled up with -1."""
        period, slot = np.divmod(complaints, COMPLAINTS)
        slots = _ARRESTS_ON[slot]
        arrests = np.where(slots < 0, -1, ARRESTS * period[:, None] + slots)
        return np.where(self.complaint_of(arrests) == complaints[:, None], arrests, -1)

    def primary_arrest(self, complaints: Ids) -> Ids:
        """Return the one arrest that may write suspect and status of a complaint, -1 for none."""
        arrests = self.arrests_on(complaints)
        chosen = self.stream("primary arrest").below(complaints, (arrests >= 0).sum(axis=1))
        return arrests[np.arange(len(arrests)), chosen]

    # Time and place.

    def day_in(self, period: Ids, fraction: NDArray[np.float64]) -> Days:
        """Return the day on which a fraction of a period has passed."""
        span = LAST_DAY - _LAG - FIRST_DAY - _LEAD
        return FIRST_DAY + _LEAD + ((period + fraction) * (span / self.periods)).astype(np.int64)

    def arrests_before(self, days: Days) -> Ids:
        """Return a number n such that the arrests 0 … n - 1 all lie before the day."""
        span = LAST_DAY - _LAG - FIRST_DAY - _LEAD
        passed = (days - _LAG - FIRST_DAY - _LEAD - 1) * (self.periods / span)
        return np.minimum(np.maximum(passed.astype(np.int64) - 1, 0) * ARRESTS, self.arrests)

    def closing_day(self, complaints: Ids) -> Days:
        """Return the day on which arrests on a complaint begin; the members of a series share it."""
        series = self.series_of(complaints)
        first = COMPLAINTS * (series // SERIES) + MEMBERS * (series % SERIES)
        event = np.where(series < 0, complaints, first)
        return self.day_in(complaints // COMPLAINTS, self.stream("closing day").unit(event))

    def arrest_day(self, arrests: Ids) -> Days:
        """Return the day of an arrest: for a series within two days, for co-arrests within three."""
        complaint, slot = self.complaint_of(arrests), arrests % ARRESTS
        alone = self.day_in(arrests // ARRESTS, self.stream("arrest day").unit(arrests))
        day = np.where(complaint < 0, alone, self.closing_day(complaint))
        return day + self.stream("arrest lag").below(arrests, np.select([slot < 8, slot < 11], [2, 1], _LAG))

    def borough_of_complaint(self, complaints: Ids) -> Ids:
        """Return the borough of a complaint, as a position in ``BOROUGHS``."""
        period, slot = np.divmod(complaints, COMPLAINTS)
        return self._borough(period, _NEIGHBOURHOOD[slot])

    def borough_of_arrest(self, arrests: Ids) -> Ids:
        """Return the borough of an arrest: that of its complaint, where it has one."""
        period, slot = np.divmod(arrests, ARRESTS)
        return self._borough(period, _NEIGHBOURHOOD[_COMPLAINT_OF[slot]])

    def serial_of_arrest(self, arrests: Ids) -> Ids:
        """Return six digits, unique within a borough and a year.

        Of five periods in a row each has another borough at the same slot (see `_borough`), so (five periods, slot)
        counts the arrests of one borough; it starts again only after some years.
        """
        fives, slot = arrests // (5 * ARRESTS), arrests % ARRESTS
        return self.stream("arrest number").permute((fives * ARRESTS + slot) % 10**6, 10**6)

    def _borough(self, period: Ids, neighbourhood: Ids) -> Ids:
        return (period + self.stream("borough").below(period // 5 * COMPLAINTS + neighbourhood, 5)) % 5
