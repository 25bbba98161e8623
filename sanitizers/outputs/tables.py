"""Arrow tables and pandas frames behind one face: read a column, take rows.

Taking rows copies them, and categories that no row has any more go: a slice, a dictionary or an index level would
still hold what was filtered out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyarrow as pa

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
        return self.table[name].combine_chunks()

    def take(self, kept: np.ndarray, replaced: Mapping[str, np.ndarray]) -> pa.Table:
        taken = self.table.take(pa.array(kept))
        for place, field in enumerate(taken.schema):
            if field.name in replaced:
                numbers = pa.array(replaced[field.name])
                kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
                taken = taken.set_column(place, field, numbers.cast(kind).cast(field.type))
            elif pa.types.is_dictionary(field.type):
                taken = taken.set_column(place, field, _without_unused(taken.column(place).combine_chunks()))
        return taken


def _without_unused(column: pa.DictionaryArray) -> pa.DictionaryArray:
    """Put the same cells over a dictionary of the values that still occur, in their order.

    Examples
    --------
    >>> _without_unused(pa.array(["a", "b", "c"]).dictionary_encode().take([2, 0])).dictionary.to_pylist()
    ['a', 'c']
    """
    used = column.indices.drop_null().unique().sort()
    indices = pa.compute.index_in(column.indices, used.drop_null()).cast(column.type.index_type)
    return pa.DictionaryArray.from_arrays(indices, column.dictionary.take(used), ordered=column.type.ordered)


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
            column = pa.array(self.frame[name], from_pandas=True)
            return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        except (pa.ArrowException, TypeError):
            pass
        raise ConfigurationError(Fault("holds values of several types", "make it one type", column=name))

    def take(self, kept: np.ndarray, replaced: Mapping[str, np.ndarray]) -> pd.DataFrame:
        import pandas as pd

        taken = self.frame.iloc[kept].copy()
        if isinstance(self.frame.index, pd.RangeIndex):
            taken.index = pd.RangeIndex(len(taken), name=self.frame.index.name)
        elif isinstance(taken.index, pd.MultiIndex):
            taken.index = taken.index.remove_unused_levels()
        elif isinstance(taken.index, pd.CategoricalIndex):
            taken.index = taken.index.remove_unused_categories()
        for place, dtype in enumerate(taken.dtypes):  # by place: a name that the policy does not know may stand twice
            if isinstance(dtype, pd.CategoricalDtype):
                taken.isetitem(place, taken.iloc[:, place].cat.remove_unused_categories().array)
        for name, numbers in replaced.items():
            given = self.column(name).type
            text = pa.types.is_string(given) or pa.types.is_large_string(given)
            column = pd.Series(numbers.astype(str) if text else numbers, index=taken.index)
            taken[name] = column.astype(taken[name].dtype)
        return taken
