"""Edits: what is put into columns, into their structs and lists too, while all else in them stays as it is.

A null struct stays null and a struct of nulls one of nulls; a list that loses its last element is empty, never null.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from sanitizers.engine.places import ELEMENT, Place, lengths_of


@dataclass
class Edit:
    """What changes at one place. Masks have one entry for each of its cells, in the order of the rows.

    Parameters
    ----------
    cells
        What stands there instead.
    emptied
        Which cells become null.
    given
        Values, and the cells that get them; a later one wins.
    removed
        Which cells go, of the elements of a list.
    beneath
        What changes in its structs and lists, by step.
    """

    cells: pa.Array | None = None
    emptied: np.ndarray | None = None
    given: list[tuple[np.ndarray, Any]] = field(default_factory=list)
    removed: np.ndarray | None = None
    beneath: dict[str, Edit] = field(default_factory=dict)

    def at(self, place: Place) -> Edit:
        """What changes at a place in this column."""
        edit = self
        for step in place.steps:
            edit = edit.beneath.setdefault(step, Edit())
        return edit

    def empty(self, which: np.ndarray) -> None:
        """Empty these cells too."""
        self.emptied = which if self.emptied is None else self.emptied | which

    def remove(self, which: np.ndarray) -> None:
        """Remove these elements too."""
        self.removed = which if self.removed is None else self.removed | which

    def applied(self, column: pa.Array) -> pa.Array:
        """The column as it is then."""
        column = column if self.cells is None else self.cells
        if self.beneath:
            column = self._with_list(column) if ELEMENT in self.beneath else self._with_fields(column)
        if self.emptied is not None:
            column = emptied(column, self.emptied)
        for which, value in self.given:
            given = str(value) if pa.types.is_string(column.type) and value is not None else value
            column = pa.compute.if_else(pa.array(which), pa.scalar(given, column.type), column)
        return column

    def _with_fields(self, column: pa.Array) -> pa.Array:
        cells, fields = column.flatten(), list(column.type)
        null = np.asarray(column.is_null())
        for step, edit in self.beneath.items():
            number = column.type.get_field_index(step)
            cells[number] = emptied(edit.applied(cells[number]), null)  # nothing is set where there is no struct
            fields[number] = fields[number].with_type(cells[number].type)
        return pa.StructArray.from_arrays(cells, fields=fields, mask=pa.array(null))

    def _with_list(self, column: pa.Array) -> pa.Array:
        edit, cells = self.beneath[ELEMENT], column.flatten()
        ends = np.concatenate([[0], np.cumsum(lengths_of(column))])
        new = edit.applied(cells)
        if edit.removed is not None:
            new = new.filter(pa.array(~edit.removed))
            ends = np.concatenate([[0], np.cumsum(~edit.removed)])[ends]
        item = column.type.value_field.with_type(new.type)
        large = pa.types.is_large_list(column.type)
        made, kind = (pa.LargeListArray, pa.large_list(item)) if large else (pa.ListArray, pa.list_(item))
        offsets = pa.array(ends, pa.int64() if large else pa.int32())
        return made.from_arrays(offsets, new, type=kind, mask=column.is_null())


def emptied(column: pa.Array, which: np.ndarray) -> pa.Array:
    """The column with null in some cells."""
    return column.take(pa.array(np.arange(len(column)), mask=which)) if which.any() else column
