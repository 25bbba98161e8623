"""Rows taken out of tables and frames in memory, so that nothing of the others is left beneath them.

Taking copies cells, but a dictionary, a category or an index level keeps values that no row has any more, and a slot
that says "nothing" may keep what stood there: a pickle, an IPC stream or a Feather file would carry both along.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from sanitizers.engine.types import plain, without_views
from sanitizers.errors import ConfigurationError, Fault

if TYPE_CHECKING:
    import pandas as pd


def take(column: pa.Array | pa.ChunkedArray, places: pa.Array, name: str) -> pa.Array | pa.ChunkedArray:
    """Take cells of an Arrow column.

    Parameters
    ----------
    places
        Which cells, counted from 0; a null place gives a null cell.
    name
        The column's name, for messages.

    Returns
    -------
    Array or ChunkedArray
        Of the column's type, but that dictionaries inside of lists, structs and maps are replaced by what they hold. A
        dictionary that is the column itself stays one, of the values that still occur.

    Raises
    ------
    ConfigurationError
        Arrow cannot take rows of this type, or would keep the others.

    Examples
    --------
    >>> names = pa.array(["a", "b", "c"]).dictionary_encode()
    >>> take(names, pa.array([2, None, 0]), "name").dictionary.to_pylist()
    ['a', 'c']
    """
    try:
        return _taken(column, places)
    except pa.ArrowException:
        pass
    problem = f"rows of type {column.type} cannot be taken without the others"
    raise ConfigurationError(Fault(problem, "cast it where it is written", column=str(name)))


def _taken(column: pa.Array | pa.ChunkedArray, places: pa.Array) -> pa.Array | pa.ChunkedArray:
    kind = column.type
    if pa.types.is_dictionary(kind) or pa.types.is_run_end_encoded(kind):
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if pa.types.is_dictionary(kind):
        return _encoded(column, places)
    if pa.types.is_run_end_encoded(kind):
        cells = _taken(pa.compute.run_end_decode(column), places)
        return pa.compute.run_end_encode(cells, run_end_type=kind.run_end_type)
    parts = list(_within(kind))
    if any(_keeps_others(part) for part in parts):
        raise pa.ArrowNotImplementedError
    if without_views(kind) == kind and not any(pa.types.is_dictionary(part) for part in parts):
        return column.take(places)
    result = plain(kind)
    return column.cast(without_views(result)).take(places).cast(result)


def _encoded(column: pa.DictionaryArray, places: pa.Array) -> pa.DictionaryArray:
    """Cells over a dictionary of the values that they have, in its order."""
    indices = column.indices.take(places)
    used = indices.unique().drop_null().sort()
    own = pa.compute.index_in(indices, used).cast(column.type.index_type)
    return pa.DictionaryArray.from_arrays(own, _taken(column.dictionary, used), ordered=column.type.ordered)


def _within(kind: pa.DataType) -> Iterator[pa.DataType]:
    """The type and every type that it is made of."""
    yield kind
    if pa.types.is_dictionary(kind):
        yield from _within(kind.value_type)
    for place in range(kind.num_fields):
        yield from _within(kind.field(place).type)


def _keeps_others(kind: pa.DataType) -> bool:
    """Whether cells that are taken may come with the values of others, or not at all."""
    if isinstance(kind, pa.BaseExtensionType):
        stored = list(_within(kind.storage_type))
        return any(pa.types.is_dictionary(one) or _keeps_others(one) for one in stored)
    tests = pa.types.is_list_view, pa.types.is_large_list_view, pa.types.is_union, pa.types.is_run_end_encoded
    return any(test(kind) for test in tests)


# -- pandas -----------------------------------------------------------------------------------------------------------


def take_rows(frame: pd.DataFrame, kept: np.ndarray) -> pd.DataFrame:
    """Take rows of a frame, copied.

    The columns still have the categories of all rows, which a change of cells may need: see `bare`.

    Returns
    -------
    DataFrame
        With its attrs. A `RangeIndex` counts the rows that were taken; any other index keeps their labels and no
        others, not even as levels or categories.

    Raises
    ------
    ConfigurationError
        See `take`.
    """
    import pandas as pd

    places, rows = pa.array(kept), frame.copy(deep=False)
    arrow = [place for place, dtype in enumerate(frame.dtypes) if isinstance(dtype, pd.ArrowDtype)]
    for place in arrow:  # pandas hands these to Arrow as they are, which cannot take all of them
        rows.isetitem(place, np.zeros(len(frame), np.int8))
    rows.index = pd.RangeIndex(len(frame))
    rows = rows.iloc[kept].copy()
    for place in arrow:
        rows.isetitem(place, _taken_array(frame.iloc[:, place].array, places, str(frame.columns[place])))
    rows.index = _taken_index(frame.index, kept)
    return rows


def _taken_index(index: pd.Index[Any], kept: np.ndarray) -> pd.Index[Any]:
    import pandas as pd

    if isinstance(index, pd.RangeIndex):  # what is left of it would tell which rows are gone
        return pd.RangeIndex(len(kept), name=index.name)
    if isinstance(index, pd.MultiIndex):
        taken = index.take(kept).remove_unused_levels()
        levels: list[Any] = [_bare_index(level) for level in taken.levels]
        return taken.set_levels(levels, verify_integrity=False)
    return _bare_index(index.take(kept))


def _bare_index(index: pd.Index[Any]) -> pd.Index[Any]:
    import pandas as pd

    given = index.array
    array = _bare(given, "index")
    own: pd.Index[Any] = index if array is given else pd.Index(array, name=index.name)
    return own


def bare(frame: pd.DataFrame) -> pd.DataFrame:
    """Rid the columns of a frame, in place, of categories and values that no cell has, and of what is beneath null."""
    for place, name in enumerate(frame.columns):  # by place: a name may stand twice
        given = frame.iloc[:, place].array
        array = _bare(given, str(name))
        if array is not given:
            frame.isetitem(place, array)
    return frame


def _bare(array: Any, name: str) -> Any:
    """The same cells in an array that holds nothing else; the array itself where its kind cannot hold more."""
    import pandas as pd

    if isinstance(array, pd.Categorical):
        return array.remove_unused_categories()
    if isinstance(array, pd.arrays.IntegerArray | pd.arrays.FloatingArray | pd.arrays.BooleanArray):
        dtype: Any = array.dtype
        cells = array.to_numpy(dtype=dtype.numpy_dtype, na_value=dtype.numpy_dtype.type())
        return type(array)(cells, array.isna())
    if isinstance(array, pd.arrays.ArrowExtensionArray | pd.arrays.ArrowStringArray):
        return _taken_array(array, pa.array(np.arange(len(array)), mask=np.asarray(array.isna())), name)
    return array


def _taken_array(array: Any, places: pa.Array, name: str) -> Any:
    """Cells of a column that pandas keeps as Arrow does."""
    import pandas as pd

    cells = take(array.__arrow_array__(), places, name)
    if isinstance(array.dtype, pd.ArrowDtype):
        return pd.arrays.ArrowExtensionArray(cells)
    return array.dtype.__from_arrow__(cells)
