"""What hits the rows of one source, as arrays of numbers: read from the engine once, asked for every file."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from sanitizers.engine.contract import Engine
from sanitizers.trace import Reached


class Marks:
    """Rows that go, and every hit of a barred identifier: reference, row, place in its list, link.

    Parameters
    ----------
    reached
        What a seal reaches in the source.

    Attributes
    ----------
    gone
        For each row of the source, whether it goes.
    ref, row, pos, via
        One entry for each hit; `via` is a number in `links`, the sorted names of the links that brought the seals.
    """

    def __init__(self, engine: Engine, reached: Reached) -> None:
        self._engine, self._reached = engine, reached
        self._rows = reached.read.tally.rows
        self.gone = self.marked(reached.gone)
        hits = engine.fetch(reached.hits.select("ref", "row", "pos", "via"))
        via = hits["via"].combine_chunks().dictionary_encode()
        names = via.dictionary.to_pylist()
        self.links: list[str] = sorted(names)
        self.via = np.array([self.links.index(name) for name in names], np.int64)[via.indices.to_numpy()]
        self.ref, self.row, self.pos = (hits[name].to_numpy() for name in ("ref", "row", "pos"))
        self._hit: dict[int, np.ndarray] = {}
        self._places: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def __repr__(self) -> str:
        return f"Marks({self._reached.read.name})"

    def marked(self, rows: np.ndarray) -> np.ndarray:
        """For each row of the source, whether it is one of these."""
        marks = np.zeros(self._rows, bool)
        marks[rows] = True
        return marks

    def hit(self, number: int) -> np.ndarray:
        """For each row of the source, whether a seal reaches it through a reference."""
        if number not in self._hit:
            self._hit[number] = self.marked(self.row[self.ref == number])
        return self._hit[number]

    def places(self, number: int, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows in ``range(start, stop)``, and the places in their lists, that a seal reaches through a reference."""
        if number not in self._places:
            own = self.ref == number
            order = np.argsort(self.row[own], kind="stable")
            self._places[number] = self.row[own][order], self.pos[own][order]
        row, pos = self._places[number]
        here = slice(*np.searchsorted(row, [start, stop]))
        return row[here], pos[here]

    @cached_property
    def touched(self) -> np.ndarray:
        """For each row of the source, whether a seal reaches it through a reference that does not drop it."""
        touched = np.zeros(self._rows, bool)
        for number, ref in enumerate(self._reached.read.source.references):
            if not ref.drops:
                touched |= self.hit(number)
        return touched

    @cached_property
    def mentioned(self) -> list[np.ndarray]:
        """For each text column and row of the source, whether the row stays and the text has a barred mention."""
        if self._reached.mentioned is None:
            return []
        found = self._engine.fetch(self._reached.mentioned.select("ref", "row"))
        ref, row = found["ref"].to_numpy(), found["row"].to_numpy()
        return [self.marked(row[ref == number]) for number in range(len(self._reached.read.source.text))]
