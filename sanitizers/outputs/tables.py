"""Arrow tables and pandas frames behind one face: read a column, take rows.

What is taken holds nothing of the rows that are not; see `sanitizers.engine.taking`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute

from sanitizers.engine.taking import bare, take, take_rows
from sanitizers.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    import pandas as pd


class Rows(Protocol):
    """Rows of either kind."""

    @property
    def names(self) -> list[str]:
        """Names of the columns."""

    def __len__(self) -> int: ...

    def column(self, name: str) -> pa.Array:
        """One column."""

    def take(self, kept: np.ndarray, replaced: Mapping[str, np.ndarray]) -> Any:
        """Take some rows, as the kind of table that was given, with new numbers in some columns."""


def rows_of(frame: Any) -> Rows:
    """Put a table or frame behind the common face."""
    return _Arrow(frame) if isinstance(frame, pa.Table) else _Pandas(frame)


@dataclass(frozen=True, repr=False)
class _Arrow:
    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def names(self) -> list[str]:
        return list(self.table.column_names)

    def column(self, name: str) -> pa.Array:
        return _readable(self.table[name])

    def take(self, kept: np.ndarray, replaced: Mapping[str, np.ndarray]) -> pa.Table:
        places, columns, fields = pa.array(kept), [], []
        for field, column in zip(self.table.schema, self.table.columns, strict=True):
            given, name = replaced.get(field.name), field.name
            cells = take(column, places, name) if given is None else _numbered(given, field.type, name)
            columns.append(cells)
            fields.append(pa.field(name, cells.type, field.nullable))
        return pa.Table.from_arrays(columns, schema=pa.schema(fields))


@dataclass(frozen=True, repr=False)
class _Pandas:
    frame: pd.DataFrame

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def names(self) -> list[str]:
        return list(self.frame.columns)

    def column(self, name: str) -> pa.Array:
        try:
            return _readable(pa.array(self.frame[name], from_pandas=True))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            pass
        problem = "holds values of several types, or none that a table can hold"
        raise ConfigurationError(Fault(problem, "make it one type", column=name))

    def take(self, kept: np.ndarray, replaced: Mapping[str, np.ndarray]) -> pd.DataFrame:
        taken = take_rows(self.frame, kept)
        for name, numbers in replaced.items():
            cells = _numbered(numbers, self.column(name).type, name)
            taken[name] = _as_pandas(cells, self.frame[name].dtype, taken.index)
        return bare(taken)


def _readable(column: pa.Array | pa.ChunkedArray) -> pa.Array:
    """The same cells in an encoding that everybody reads."""
    if pa.types.is_run_end_encoded(column.type):
        column = pa.compute.run_end_decode(column)
    if pa.types.is_string_view(column.type):
        column = column.cast(pa.large_string())
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _numbered(numbers: np.ndarray, kind: pa.DataType, name: str) -> pa.Array:
    """Numbers as a column of this type."""
    try:
        return _as_type(numbers, kind)
    except pa.ArrowException:
        pass
    remedy = "give the column a wider type where it is written"
    raise ConfigurationError(Fault(f"a column of type {kind} cannot hold the new ranks", remedy, column=name))


def _as_type(numbers: np.ndarray, kind: pa.DataType) -> pa.Array:
    if not len(numbers):
        return pa.nulls(0, kind)
    if pa.types.is_dictionary(kind):
        values, places = np.unique(numbers, return_inverse=True)
        indices = pa.array(places).cast(kind.index_type)
        return pa.DictionaryArray.from_arrays(indices, _as_type(values, kind.value_type), ordered=kind.ordered)
    if pa.types.is_run_end_encoded(kind):
        return pa.compute.run_end_encode(_as_type(numbers, kind.value_type), run_end_type=kind.run_end_type)
    if pa.types.is_decimal(kind):  # Arrow wants room for 19 digits if it does not know how large they are
        return pa.array(numbers).cast(pa.decimal128(38, 0)).cast(kind)
    return pa.array(numbers).cast(kind)


def _as_pandas(cells: pa.Array, dtype: Any, index: pd.Index[Any]) -> pd.Series[Any]:
    """The cells as a column of a frame, of the dtype that is given."""
    import pandas as pd

    if isinstance(dtype, pd.ArrowDtype):
        return pd.Series(pd.arrays.ArrowExtensionArray(cells), index=index)
    if isinstance(dtype, pd.CategoricalDtype):
        own = pd.Index(cells.dictionary.to_pandas()).astype(dtype.categories.dtype)
        return pd.Series(pd.Categorical.from_codes(cells.indices.to_numpy(), own, ordered=dtype.ordered), index=index)
    return pd.Series(cells.to_pandas().array, index=index).astype(dtype)
