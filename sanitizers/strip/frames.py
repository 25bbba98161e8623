"""Frames: strip pandas data frames in place of files.

The engine sees identifier and text columns and a row number only; it answers with positions to drop and cells to
change, and pandas applies them. What no seal reaches keeps dtype, index and attrs; what no cell has any more is not
kept beneath, see `sanitizers.engine.taking`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from sanitizers.documents import nearest_column
from sanitizers.engine.contract import Engine
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.taking import bare, take_rows
from sanitizers.errors import ConfigurationError, Faults
from sanitizers.identifiers import Key
from sanitizers.policy import Policy, Source
from sanitizers.register.snapshot import Snapshot
from sanitizers.strip.accounts import accounts
from sanitizers.strip.files import make_receipt
from sanitizers.strip.plan import Plan, plan
from sanitizers.strip.receipt import Receipt
from sanitizers.strip.rows import clean_rows
from sanitizers.trace import trace

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class FramePart:
    """The identifier and text columns of a frame, as the engine sees them."""

    name: str
    table: pa.Table

    def __repr__(self) -> str:
        return f"FramePart({self.name}, rows={self.table.num_rows})"

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns that the policy names."""
        return self.table.schema

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows in order, `columns` only."""
        yield from self.table.select(list(columns)).to_batches(max_chunksize=1 << 18)


def strip(
    frames: Mapping[str, pd.DataFrame],
    *,
    policy: Policy,
    snapshot: Snapshot,
    key: Key,
    links: Iterable[pa.RecordBatch] = (),
) -> tuple[dict[str, pd.DataFrame], Receipt]:
    """Strip data frames.

    Parameters
    ----------
    frames
        One frame for each source of the policy, by its name. They are not changed.
    links
        Links that the register remembers (`Register.links`), if it is at hand.

    Returns
    -------
    dict of str to DataFrame
        The clean frames: rows in their order, columns and what no seal reaches as they were. A redacted column keeps a
        type that can hold "nothing known"; identifiers are published as the policy says. A `RangeIndex` counts the rows
        that stay; any other index keeps its labels. Arrow dictionaries inside of lists, structs and maps are replaced
        by what they hold.
    Receipt
        With exact counts and without files.

    Raises
    ------
    SealproofError
        As `sanitizers.strip.files.strip_files`.

    Examples
    --------
    See ``README.md``.
    """
    policy.check_usable(snapshot)
    _same_names(policy, frames)
    faults = Faults()
    parts = {name: [_part(name, frames[name], source, faults)] for name, source in policy.sources.items()}
    faults.stop(ConfigurationError)
    with DuckDB() as engine:
        reach = trace(engine, policy, parts, snapshot=snapshot, key=key, links=links)
        plans = {name: plan(engine, reached, policy, snapshot.kinds) for name, reached in reach.sources.items()}
        clean = {name: _applied(engine, frames[name], prepared) for name, prepared in plans.items()}
        counts = {name: accounts(engine, own.reached, own.marks)[0].counts for name, own in plans.items()}
    return clean, make_receipt(policy, snapshot, counts, {})


def _same_names(policy: Policy, frames: Mapping[str, object]) -> None:
    import pandas as pd

    faults = Faults()
    for name in policy.sources.keys() - frames.keys():
        remedy = "give every source: seals pass from one to another"
        faults.say("no frame was given for this source", remedy, column=name)
    for name in frames.keys() - policy.sources.keys():
        faults.say("is no source of the policy", "declare it in sealing.yaml", column=name)
    for name in (name for name, frame in frames.items() if not isinstance(frame, pd.DataFrame)):
        faults.say("is no data frame", "give a pandas.DataFrame", column=name)
    faults.stop(ConfigurationError)


def _part(name: str, frame: pd.DataFrame, source: Source, faults: Faults) -> FramePart:
    columns = {}
    for level in set(frame.index.names) & {named.removesuffix("[]") for named in source.named}:
        faults.say("stands in the index as well", "call reset_index() first", where=name, column=str(level))
    for named in source.named:
        column = named if named in frame.columns else named.removesuffix("[]")
        if "." in column and column not in frame.columns:
            remedy = "give it columns of its own, for instance by pandas.json_normalize, or strip a Parquet file"
            faults.say("fields of dicts are not followed in frames", remedy, where=name, column=named)
            continue
        if column not in frame.columns:
            remedy = nearest_column(column, list(map(str, frame.columns)))
            faults.say("no such column", remedy, where=name, column=column)
            continue
        if list(frame.columns).count(column) > 1:
            faults.say("a column name stands twice", "rename one", where=name, column=column)
            continue
        try:
            cells = pa.array(frame[column], from_pandas=True)
            columns[column] = cells.cast(_of_nothing(column, source)) if pa.types.is_null(cells.type) else cells
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            faults.say(
                "holds values of several types, or none that a table can hold",
                "make it one type",
                where=name,
                column=column,
            )
    return FramePart(name, pa.table(columns))


def _of_nothing(column: str, source: Source) -> pa.DataType:
    """The type of a column that holds nothing: texts, or lists of them where the policy says so."""
    elements = any(f"{column}[]" in ref.parts for ref in source.references)
    return pa.list_(pa.string()) if elements else pa.string()


def _applied(engine: Engine, frame: pd.DataFrame, prepared: Plan) -> pd.DataFrame:
    reached = prepared.reached
    part, rows = reached.read.parts[0], reached.read.tally.rows
    kept = np.delete(np.arange(rows), reached.gone)
    clean = take_rows(frame, kept)
    assert isinstance(part, FramePart)  # noqa: S101 - frames only here
    if prepared.changing:
        given = part.table.select(prepared.changing).take(kept)
        batches = clean_rows(engine, prepared, part, start=0, stop=rows, names=prepared.changing)
        cells = pa.Table.from_batches(batches, pa.schema(prepared.types(given.schema)))
        for column in prepared.changing:
            before = given[column].combine_chunks()
            clean[column] = _changed(clean[column], before, cells[column].combine_chunks())
    return bare(clean)


def _changed(column: pd.Series[Any], before: pa.Array, after: pa.Array) -> pd.Series[Any]:
    """The column with the cells that differ put in; its dtype gives way only where it cannot hold them."""
    import pandas as pd

    if pa.types.is_dictionary(before.type):
        before = before.dictionary_decode()
    was_text = pa.types.is_string(before.type) or pa.types.is_large_string(before.type)
    if pa.types.is_string(after.type) and not was_text:
        return pd.Series(after.to_pandas().to_numpy(), index=column.index, name=column.name)  # numbers became tokens
    differs = _differs(before, after)
    if not differs.any():
        return column
    cells = np.empty(int(differs.sum()), dtype=object)
    for place, value in enumerate(after.filter(pa.array(differs)).to_pylist()):
        cells[place] = value
    roomy, places = _roomy(column, cells), np.flatnonzero(differs)
    empty = np.array([cell is None for cell in cells])
    if empty.any():  # or a null that is put nowhere would change the dtype
        roomy.iloc[places[empty]] = _nothing(column)
    if not empty.all():
        given = cells[~empty]
        roomy.iloc[places[~empty]] = given if roomy.dtype == object else pd.array(given.tolist(), dtype=roomy.dtype)
    return roomy


def _nothing(column: pd.Series[Any]) -> object:
    """How the column itself writes that nothing is known, so that an emptied cell looks like any other."""
    missing = column[column.isna().to_numpy()]
    return missing.iloc[0] if len(missing) else None


def _differs(before: pa.Array, after: pa.Array) -> np.ndarray:
    if pa.types.is_nested(before.type):
        return np.array([one != other for one, other in zip(before.to_pylist(), after.to_pylist(), strict=True)], bool)
    after = after.cast(before.type)
    nulls = pa.compute.xor(before.is_null(), after.is_null())
    other = pa.compute.not_equal(before, after)
    if pa.types.is_floating(before.type):
        other = pa.compute.and_not(other, pa.compute.and_(pa.compute.is_nan(before), pa.compute.is_nan(after)))
    return np.asarray(pa.compute.or_(nulls, other.fill_null(False)))


def _roomy(column: pd.Series[Any], cells: np.ndarray) -> pd.Series[Any]:
    """A copy whose dtype can hold the new cells."""
    import pandas as pd

    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        new = [cell for cell in dict.fromkeys(cells.tolist()) if cell is not None and cell not in dtype.categories]
        return column.cat.add_categories(new)
    if isinstance(dtype, np.dtype) and dtype.kind in "iub" and any(cell is None for cell in cells):
        nullable = "boolean" if dtype.kind == "b" else dtype.name.replace("uint", "UInt").replace("int", "Int")
        return column.astype(pd.api.types.pandas_dtype(nullable))
    return column.copy()
