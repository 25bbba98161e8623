"""Which months of a table share a file.

A small city keeps a table in one file or a file per year. A large one parts it finer, as fine as leaves `ENOUGH` rows
to every file: readers pay for each file they open.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.city.world import FIRST_DAY, LAST_DAY, YEARS

YEAR = 12
FIRST_YEAR = YEARS[0]
ENOUGH = 200_000  # rows
_MONTHS = YEAR * len(YEARS)
_SPANS = (1, 2, 3, 6, 12)
_EDGE = (
    4  # months, first and last, that no file ends within: arrests begin in February, the last complaints are to come
)


@dataclass(frozen=True)
class Layout:
    """How a table is parted.

    Attributes
    ----------
    months : int
        How many months share a file.
    """

    months: int = _MONTHS

    @classmethod
    def of(cls, per_arrest: float, arrests: int, *, longest: int) -> Layout:
        """Return the finest layout whose files all have enough rows, or the coarsest there may be.

        Examples
        --------
        >>> Layout.of(1.0, 6_000_000, longest=84), Layout.of(1.0, 6_000, longest=84).files
        (Layout(months=3), 1)
        """
        rows = per_arrest * arrests * 0.99  # months differ a little
        for months in _SPANS:
            layout = cls(months)
            bounds = np.append(layout._starts, _MONTHS) + (FIRST_YEAR - 1970) * YEAR
            days = np.clip(bounds.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64), *_ACTIVE)
            if months <= longest and rows * np.diff(days).min() / (_ACTIVE[1] - _ACTIVE[0]) >= ENOUGH:
                return layout
        return cls(longest)

    @property
    def _starts(self) -> NDArray[np.int64]:
        starts = np.arange(0, _MONTHS, self.months)
        return starts[(starts == 0) | (starts >= _EDGE) & (starts <= _MONTHS - _EDGE)]

    @property
    def files(self) -> int:
        """How many files there are."""
        return len(self._starts)

    def file_of(self, months: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the file that each month, counted from the first January, belongs to."""
        return np.searchsorted(self._starts, months, side="right") - 1

    def paths(self, path: str) -> Iterator[str]:
        """Yield the path of each file: ``{part}`` becomes its first month, ``-2013-05``; ``{start}`` lacks the dash."""
        for start in self._starts.tolist():
            year, month = FIRST_YEAR + start // YEAR, start % YEAR + 1
            name = {YEAR: f"-{year}", _MONTHS: ""}.get(self.months, f"-{year}-{month:02}")
            yield path.format(part=name, start=name[1:])

    @staticmethod
    def clear(out: Path, pattern: str) -> None:
        """Delete what an earlier city, parted otherwise, has left below a folder."""
        for old in out.glob(pattern):
            old.unlink()


_ACTIVE = (FIRST_DAY + 52, LAST_DAY)  # days on which arrests are made
