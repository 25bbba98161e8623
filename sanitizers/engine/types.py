"""Types of columns: which an engine gives back as it was given them, which hold a value, how each is published."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

_WHOLE = (
    pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(),
    pa.float32(), pa.float64(), pa.string(), pa.large_string(), pa.binary(), pa.large_binary(), pa.date32(),
    pa.timestamp("us"), pa.timestamp("ns"), pa.timestamp("us", tz="UTC"), pa.time64("us"),
)  # fmt: skip


def survives(kind: pa.DataType) -> bool:
    """Whether a Parquet column of this type comes out of the engine as it went in.

    Examples
    --------
    >>> survives(pa.int16()), survives(pa.float16()), survives(pa.list_(pa.string()))
    (True, False, True)
    """
    if pa.types.is_dictionary(kind):
        return survives(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return survives(kind.value_type)
    if pa.types.is_struct(kind):
        names = {field.name.casefold() for field in kind}
        return len(names) == kind.num_fields and all(survives(field.type) for field in kind)
    if pa.types.is_decimal128(kind):
        return True
    return kind in _WHOLE


def passes_spark(kind: pa.DataType) -> bool:
    """Whether a column of this type comes out of Spark as it went in: it knows no sign-less numbers, no nanoseconds.

    Examples
    --------
    >>> passes_spark(pa.int16()), passes_spark(pa.uint16()), passes_spark(pa.timestamp("ns"))
    (True, False, False)
    """
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_struct(kind):
        parts = [kind.field(place).type for place in range(kind.num_fields)]
        return survives(kind) and all(map(passes_spark, parts))
    if pa.types.is_dictionary(kind):
        return passes_spark(kind.value_type)
    changed = pa.types.is_unsigned_integer(kind) or pa.types.is_time(kind) or kind == pa.timestamp("ns")
    return survives(kind) and not changed


def holds(kind: pa.DataType, value: str | float | bool | None) -> bool:
    """Whether a column of this type holds a value whole; what would be rounded or cut is not held.

    Examples
    --------
    >>> holds(pa.int8(), 1), holds(pa.int8(), 1.5), holds(pa.int8(), 300), holds(pa.string(), 1)
    (True, False, False, False)
    """
    if pa.types.is_dictionary(kind):
        return holds(kind.value_type, value)
    fits = (
        ((pa.types.is_string(kind) or pa.types.is_large_string(kind)) and isinstance(value, str))
        or (pa.types.is_boolean(kind) and isinstance(value, bool))
        or (_is_number(kind) and isinstance(value, int | float) and not isinstance(value, bool))
        or value is None
    )
    try:
        held = pa.scalar(value, kind).as_py()
        return bool(fits and (held == value or pa.types.is_floating(kind)))
    except (pa.ArrowException, OverflowError):
        return False


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))


def readable_with_nulls(kind: pa.DataType) -> bool:
    """Whether Arrow reads a Parquet column of this type again once it holds nulls; it fails on lists of fixed size.

    Examples
    --------
    >>> readable_with_nulls(pa.list_(pa.int8())), readable_with_nulls(pa.list_(pa.int8(), 2))
    (True, False)
    """
    if pa.types.is_struct(kind):
        return all(readable_with_nulls(field.type) for field in kind)
    return not pa.types.is_fixed_size_list(kind)


def plain(kind: pa.DataType) -> pa.DataType:
    """The type with every dictionary replaced by what it holds: a dictionary keeps values that no row has any more.

    What a list or a struct is made of may be null in it, as it is where a seal empties the cell.

    Examples
    --------
    >>> plain(pa.list_(pa.dictionary(pa.int8(), pa.string())))
    ListType(list<item: string>)
    >>> plain(pa.map_(pa.string(), pa.dictionary(pa.int8(), pa.string())))
    MapType(map<string, string>)
    >>> plain(pa.struct([pa.field("age", pa.int8(), nullable=False)]))
    StructType(struct<age: int8>)
    """
    if pa.types.is_dictionary(kind):
        return plain(kind.value_type)
    passes = pa.types.is_map(kind) or pa.types.is_fixed_size_list(kind)  # no seal changes these
    return _with_parts(kind, lambda part: pa.field(part.name, plain(part.type), part.nullable or not passes))


def _with_parts(kind: pa.DataType, each: Callable[[pa.Field], pa.Field]) -> pa.DataType:
    """The type with `each` applied to what a list, a map or a struct is made of; other types as they are."""
    if pa.types.is_list(kind):
        return pa.list_(each(kind.value_field))
    if pa.types.is_large_list(kind):
        return pa.large_list(each(kind.value_field))
    if pa.types.is_fixed_size_list(kind):
        return pa.list_(each(kind.value_field), kind.list_size)
    if pa.types.is_map(kind):
        return pa.map_(each(kind.key_field), each(kind.item_field), keys_sorted=kind.keys_sorted)
    if pa.types.is_struct(kind):
        return pa.struct([each(field) for field in kind])
    return kind


def with_cells_of(kind: pa.DataType, steps: tuple[str, ...], cells: pa.DataType) -> pa.DataType:
    """The type with another one for what stands at a place in it.

    Examples
    --------
    >>> with_cells_of(pa.struct([("a", pa.int8())]), ("a",), pa.string())
    StructType(struct<a: string>)
    """
    if not steps:
        return cells
    in_list, first, rest = not pa.types.is_struct(kind), steps[0], steps[1:]

    def replaced(part: pa.Field) -> pa.Field:
        return part.with_type(with_cells_of(part.type, rest, cells)) if in_list or part.name == first else part

    return _with_parts(kind, replaced)


def without_views(kind: pa.DataType) -> pa.DataType:
    """The type with every view of text or bytes replaced by what it shows: few functions of Arrow take views.

    Examples
    --------
    >>> without_views(pa.list_(pa.string_view()))
    ListType(list<item: string>)
    """
    if pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_binary_view(kind):
        return pa.binary()
    return _with_parts(kind, lambda part: part.with_type(without_views(part.type)))
