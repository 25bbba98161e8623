"""Unfold: a column of any Arrow type as columns of texts, numbers and dates, which can be compared with identifiers.

A type that is not known here is named, never passed over: what nobody looks at is where a record would hide.
"""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

_IS = pa.types
LISTS = (_IS.is_list, _IS.is_large_list, _IS.is_fixed_size_list, _IS.is_list_view, _IS.is_large_list_view)
TEXTS = (_IS.is_string, _IS.is_large_string, _IS.is_binary, _IS.is_large_binary)
VIEWS = (_IS.is_string_view, _IS.is_binary_view)
DATES = (_IS.is_date, _IS.is_timestamp)
PLAIN = (_IS.is_string, _IS.is_large_string, _IS.is_integer, _IS.is_floating, _IS.is_decimal128, *DATES)
_BINARY = (_IS.is_binary, _IS.is_large_binary, _IS.is_fixed_size_binary)
_HOLD_NONE = (_IS.is_null, _IS.is_boolean, _IS.is_time, _IS.is_duration, _IS.is_interval)


def unfold(name: str, column: pa.Array) -> Iterator[tuple[str, pa.Array | None]]:
    """Take a column apart.

    Parameters
    ----------
    name
        How the column is called; parts of structs and maps are called after it.
    column
        Its cells.

    Yields
    ------
    tuple
        Name, and an array that `as_text` takes; None for a type that is not known. Types that cannot hold an identifier
        (null, bool, time, duration, interval) yield nothing.

    Examples
    --------
    >>> [name for name, part in unfold("m", pa.array([{"a": [1], "b": True}]))]
    ['m.a']
    """
    kind = column.type
    inside = _inside(column)
    if inside is not None:
        for part, child in inside:
            yield from unfold(f"{name}{part}", child)
    elif any(is_(kind) for is_ in _BINARY):
        yield name, pa.array([cell and cell.decode("utf-8", "replace") for cell in column.to_pylist()], pa.string())
    elif any(is_(kind) for is_ in PLAIN):
        yield name, column
    elif not any(is_(kind) for is_ in _HOLD_NONE):
        yield name, None


def _inside(column: pa.Array) -> list[tuple[str, pa.Array]] | None:
    """What a column is made of or stands for, with what is added to its name; None if it is made of nothing else."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return [("", column.storage)]
    if _IS.is_dictionary(kind):
        return [("", column.dictionary)]  # with the values that no row has any more
    if _IS.is_run_end_encoded(kind):
        return [("", column.values)]
    if _IS.is_map(kind):
        return [(".key", column.keys), (".value", column.items)]
    if any(is_(kind) for is_ in LISTS):
        return [("", column.flatten())]
    if _IS.is_struct(kind):
        return [(f".{kind.field(place).name}", part) for place, part in enumerate(column.flatten())]
    if _IS.is_string_view(kind):
        return [("", column.cast(pa.large_string()))]
    if _IS.is_binary_view(kind):
        return [("", column.cast(pa.large_binary()))]
    return None


def words_of(schema: pa.Schema) -> Iterator[str]:
    """What a schema says in words: names of columns and of what they are made of, and all metadata."""
    yield from _metadata(schema.metadata)
    for field in schema:
        yield from _words(field)


def _words(field: pa.Field) -> Iterator[str]:
    kind = field.type
    yield field.name
    yield from _metadata(field.metadata)
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if _IS.is_dictionary(kind):
        kind = kind.value_type
    for place in range(kind.num_fields):
        yield from _words(kind.field(place))


def _metadata(metadata: dict[bytes, bytes] | None) -> Iterator[str]:
    yield from (text.decode("utf-8", "replace") for pair in (metadata or {}).items() for text in pair)
