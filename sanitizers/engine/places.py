"""Places: where cells stand within columns that hold structs and lists.

A name like ``person.sid`` is a field of a struct, ``charges[].arrest_id`` a field of every element of a list. A column
whose own name holds a dot is read as that column; a name that can be read in two ways is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

ELEMENT = "[]"


@dataclass(frozen=True)
class Place:
    """A column, or what stands in its structs and lists.

    Parameters
    ----------
    column
        Name of the column.
    steps
        Names of fields, and `ELEMENT` for the elements of a list.
    """

    column: str
    steps: tuple[str, ...] = ()

    @property
    def list_(self) -> Place | None:
        """The list that it stands in; None if it has one cell in each row."""
        return Place(self.column, self.steps[: self.steps.index(ELEMENT)]) if ELEMENT in self.steps else None

    def covers(self, other: Place) -> bool:
        """Whether the other is this one or lies in it."""
        return self.column == other.column and other.steps[: len(self.steps)] == self.steps

    def type_in(self, schema: pa.Schema) -> pa.DataType:
        """Type of the cells."""
        kind = schema.field(self.column).type
        for step in self.steps:
            kind = kind.value_type if step == ELEMENT else kind.field(kind.get_field_index(step)).type
        return kind

    def cells(self, batch: pa.RecordBatch) -> pa.Array:
        """The cells of a batch, in the order of the rows; null where a struct on the way is null."""
        cells = batch.column(self.column)
        for step in self.steps:
            cells = cells.flatten() if step == ELEMENT else cells.flatten()[cells.type.get_field_index(step)]
        return cells


def is_list(kind: pa.DataType) -> bool:
    """Whether a type is a list whose elements are read one by one."""
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind))


def place_of(name: str, schema: pa.Schema) -> Place | None:
    """The place that a name means; None if there is none, or if the name can be read in two ways.

    Examples
    --------
    >>> charges = pa.field("charges", pa.list_(pa.struct([("arrest_id", pa.string())])))
    >>> place_of("charges[].arrest_id", pa.schema([charges]))
    Place(column='charges', steps=('[]', 'arrest_id'))
    """
    ways = readings(name, schema)
    return ways[0] if len(ways) == 1 else None


def readings(name: str, schema: pa.Schema) -> list[Place]:
    """Every place that a name may mean."""
    if "." not in name and ELEMENT not in name:
        return [Place(name)] if name in schema.names else []
    return [Place(way[0], tuple(way[1:])) for way in _ways(name, list(schema))]


def _ways(name: str, fields: list[pa.Field]) -> Iterator[list[str]]:
    """Every way to read a name."""
    for field in fields:
        if name.startswith(field.name):
            yield from ([field.name, *rest] for rest in _rests(name.removeprefix(field.name), field.type))


def _rests(rest: str, kind: pa.DataType) -> Iterator[list[str]]:
    """Every way to read what follows the name of a field."""
    if not rest:
        yield []
    elif rest.startswith(ELEMENT) and is_list(kind):
        yield from ([ELEMENT, *more] for more in _rests(rest.removeprefix(ELEMENT), kind.value_type))
    elif rest.startswith(".") and pa.types.is_struct(kind):
        yield from _ways(rest[1:], [kind.field(place) for place in range(kind.num_fields)])


def names_in(schema: pa.Schema) -> list[str]:
    """Names of all columns and of what stands in them, as a policy writes them.

    Examples
    --------
    >>> names_in(pa.schema([("tags", pa.struct([("photos", pa.list_(pa.string()))]))]))
    ['tags', 'tags.photos', 'tags.photos[]']
    """
    return [name for field in schema for name in _names(field.name, field.type)]


def _names(name: str, kind: pa.DataType) -> Iterator[str]:
    yield name
    if is_list(kind):
        yield from _names(f"{name}{ELEMENT}", kind.value_type)
    elif pa.types.is_struct(kind):
        for place in range(kind.num_fields):
            yield from _names(f"{name}.{kind.field(place).name}", kind.field(place).type)


def leaves_of(field: pa.Field) -> Iterator[Place]:
    """Places of everything in a column that is made of nothing else, in order."""
    return (Place(field.name, steps) for steps in _leaves(field.type))


def _leaves(kind: pa.DataType) -> Iterator[tuple[str, ...]]:
    kind = kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
    if not kind.num_fields:
        yield ()
    for place in range(kind.num_fields):
        own = kind.field(place)
        step = own.name if pa.types.is_struct(kind) else ELEMENT
        yield from ((step, *more) for more in _leaves(own.type))


def exploded(cells: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """For each element of lists, the number of its list and its place in it, both from 0."""
    lengths = lengths_of(cells)
    ends = np.cumsum(lengths)
    place = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
    return np.repeat(np.arange(len(cells)), lengths), place


def lengths_of(cells: pa.Array) -> np.ndarray:
    """How many elements each list has; none where it is null."""
    lengths: np.ndarray = cells.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    return lengths


def placed(row: np.ndarray, place: np.ndarray) -> np.ndarray:
    """One number for a row and a place in its list; the row is what `row_of` gives back."""
    numbers: np.ndarray = (row.astype(np.int64) << 24) + place
    return numbers


def row_of(numbers: np.ndarray) -> np.ndarray:
    """Rows of numbers that `placed` has given."""
    rows: np.ndarray = numbers >> 24
    return rows
