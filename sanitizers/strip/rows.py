"""Raw batches → clean batches: rows that go are left out, columns that change are put in, all else passes as it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from sanitizers.engine.contract import ROW, Engine, Part
from sanitizers.engine.forms import RawFile, ahead
from sanitizers.engine.lines import LINE
from sanitizers.engine.places import ELEMENT, Place, lengths_of
from sanitizers.engine.types import plain
from sanitizers.errors import Fault, PublishFailure
from sanitizers.identifiers import published
from sanitizers.strip.edits import Edit, emptied
from sanitizers.strip.plan import Plan, changes

_WINDOW = 1 << 20  # rows of which the tokens are in memory together


def clean_schema(plan: Plan, part: Part) -> pa.Schema:
    """Names and types of a part's columns as they are published.

    Of JSON lines the whole line goes through as it is written, beside the columns in which anything may change.
    """
    types = plan.types(part.schema)
    if isinstance(part, RawFile) and part.form == "lines":
        types = {LINE: pa.large_binary()} | {name: types[name] for name in plan.changing}
    return pa.schema(types)


def clean_rows(
    engine: Engine, plan: Plan, part: Part, *, start: int, stop: int, names: Sequence[str] | None = None
) -> Iterator[pa.RecordBatch]:
    """The clean rows of one part, in source order.

    Parameters
    ----------
    start, stop
        The numbers of its rows.
    names
        The columns wanted; all of them if None.

    Raises
    ------
    PublishFailure
        The part no longer holds the rows that trace has read.
    """
    schema = clean_schema(plan, part)
    schema = schema if names is None else pa.schema([schema.field(name) for name in names])
    changed = changes(engine, plan, part, start=start, stop=stop)
    new = _Cells(engine, changed) if changed is not None else None
    tokens = _Tokens(engine, plan, stop)
    first = start
    read = [name for name in schema.names if name not in plan.tokens.values()] or schema.names[:1]
    for batch in ahead(part.batches(read)):
        last = first + batch.num_rows
        if last > stop:
            raise _other_rows(part)
        kept = np.flatnonzero(~plan.marks.gone[first:last])
        raw = batch if len(kept) == batch.num_rows else batch.filter(pa.array(~plan.marks.gone[first:last]))
        rows = _Rows(plan, raw, kept + first)
        rows.put_tokens(tokens)
        if new is not None:
            rows.put_cells(*new.of_rows(kept + first, part))
        rows.redact()
        yield rows.clean(schema)
        first = last
    if first != stop:
        raise _other_rows(part)


class _Rows:
    """Rows that stay, and what changes in them.

    Parameters
    ----------
    raw
        Their columns, those left out that are published as tokens as a whole.
    rows
        Their numbers.
    """

    def __init__(self, plan: Plan, raw: pa.RecordBatch, rows: np.ndarray) -> None:
        self._plan, self._raw, self._rows = plan, raw, rows
        self._source, self._marks = plan.reached.read.source, plan.marks
        self._edits: dict[str, Edit] = {}
        self._starts: dict[Place, np.ndarray] = {}

    def _at(self, place: Place) -> Edit:
        return self._edits.setdefault(place.column, Edit()).at(place)

    def put_tokens(self, tokens: _Tokens) -> None:
        """Put tokens in place of identifiers; an element that is nothing but an identifier goes where it has none."""
        tokens.go_to(self._rows)
        for number, ref in self._plan.published.items():
            place = self._plan.place(ref.parts[0])
            if place.list_ is None:
                there, cells = tokens.of_rows(number, self._rows)
            else:
                starts = self._starts_of(place.list_)
                there, cells = tokens.of_elements(number, self._rows, starts)
            edit = self._at(place)
            edit.cells = emptied(cells, ~there)
            if place.steps[-1:] == (ELEMENT,):
                edit.remove(~there)

    def put_cells(self, rows: np.ndarray, cells: dict[str, pa.Array]) -> None:
        """Put in texts that an engine has changed: numbers of rows among these, and their cells by name."""
        for name, column in cells.items():
            place = self._plan.place(name)
            order = np.full(len(self._rows), -1)
            order[rows] = np.arange(len(rows))
            raw = place.cells(self._raw).cast(column.type)
            edit = self._at(place)
            edit.cells = pa.compute.if_else(pa.array(order < 0), raw, column.take(pa.array(order, mask=order < 0)))

    def redact(self) -> None:
        """Union of what all references that hit do; `set` after `redact`, texts of touched rows cleared."""
        marks, rows = self._marks, self._rows
        for number, (column, text) in enumerate(self._source.text.items()):
            if text.on_seal == "clear":
                self._at(self._plan.place(column)).empty(marks.touched[rows] | marks.mentioned[number][rows])
        for number, ref in enumerate(self._source.references):
            redaction = ref.redaction
            if redaction is None or not marks.hit(number)[rows].any():
                continue
            own = self._plan.place(ref.parts[0])
            if ref.column.on_seal == "element" and own.list_:
                element = Place(own.column, (*own.list_.steps, ELEMENT))
                self._at(element).remove(self._hit(number, own, element))
            for name in redaction.redact:
                place = self._plan.place(name)
                self._at(place).empty(self._hit(number, own, place))
            for name, value in redaction.set.items():
                place = self._plan.place(name)
                self._at(place).given.append((self._hit(number, own, place), value))

    def _hit(self, number: int, own: Place, place: Place) -> np.ndarray:
        """Which cells of a place a seal reaches through a reference: in one list, those of the same element."""
        hit: np.ndarray = self._marks.hit(number)[self._rows]
        if place.list_ is None:
            return hit
        starts = self._starts_of(place.list_)
        if place.list_ != own.list_:
            return np.repeat(hit, np.diff(starts))
        row, pos = self._marks.places(number, int(self._rows[0]), int(self._rows[-1]) + 1)
        which = np.zeros(starts[-1], bool)
        which[_elements(self._rows, starts, row, pos)[1]] = True
        return which

    def _starts_of(self, list_: Place) -> np.ndarray:
        """Number of the first element of each row's list among the elements of all; last, how many there are."""
        if list_ not in self._starts:
            self._starts[list_] = np.concatenate([[0], np.cumsum(lengths_of(list_.cells(self._raw)))])
        return self._starts[list_]

    def clean(self, schema: pa.Schema) -> pa.RecordBatch:
        """The rows as they are published."""
        columns = []
        for field in schema:
            edit = self._edits.get(field.name, Edit())
            column = self._raw.column(field.name) if edit.cells is None else edit.cells
            edit.cells = _typed(column, plain(column.type) if edit.beneath else field.type)
            columns.append(_typed(edit.applied(edit.cells), field.type))
        return pa.record_batch(columns, schema=schema)


def _elements(
    rows: np.ndarray, starts: np.ndarray, row: np.ndarray, pos: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of places given by row and place in its list, which stand in rows that are there, and their numbers in these."""
    near = np.minimum(np.searchsorted(rows, row), len(rows) - 1)
    there = rows[near] == row
    return there, starts[near[there]] + pos[there]


class _Tokens:
    """Published tokens of a source's rows, some rows at a time."""

    def __init__(self, engine: Engine, plan: Plan, stop: int) -> None:
        self._engine, self._tokens, self._stop = engine, plan.reached.read.tokens, stop
        self._lists = {number: ref.elements for number, ref in plan.published.items()}
        self._first, self._last = 0, 0
        self._held: dict[int, tuple[np.ndarray, ...]] = {}

    def go_to(self, rows: np.ndarray) -> None:
        """Have the tokens of these rows, which follow those of the call before."""
        if self._lists and len(rows) and rows[-1] >= self._last:
            self._first, self._last = int(rows[0]), min(max(int(rows[0]) + _WINDOW, int(rows[-1]) + 1), self._stop)
            self._held = {number: self._read(number) for number in self._lists}

    def of_rows(self, number: int, rows: np.ndarray) -> tuple[np.ndarray, pa.Array]:
        """Which rows have a token of a reference, and the tokens."""
        if not len(rows):
            return np.zeros(0, bool), pa.array([], pa.string())
        there, hi, lo = (own[rows - self._first] for own in self._held[number])
        return there, published(hi, lo)

    def of_elements(self, number: int, rows: np.ndarray, starts: np.ndarray) -> tuple[np.ndarray, pa.Array]:
        """Which elements of the rows' lists have a token of a reference, and the tokens."""
        there = np.zeros(starts[-1], bool)
        hi, lo = np.zeros(len(there), np.uint64), np.zeros(len(there), np.uint64)
        if len(rows):
            row, pos, *halves = self._held[number]
            here = slice(*np.searchsorted(row, [rows[0], rows[-1] + 1]))
            own, place = _elements(rows, starts, row[here], pos[here])
            there[place], hi[place], lo[place] = True, halves[0][here][own], halves[1][here][own]
        return there, published(hi, lo)

    def _read(self, number: int) -> tuple[np.ndarray, ...]:
        own = self._tokens.filter(self._tokens.ref == number, self._tokens.row.between(self._first, self._last - 1))
        if self._lists[number]:
            table = self._engine.fetch(own.select("row", "pos", "hi", "lo"))
            order = np.argsort(table["row"].to_numpy(), kind="stable")
            return tuple(table[name].to_numpy()[order] for name in ("row", "pos", "hi", "lo"))
        table = self._engine.fetch(own.select("row", "hi", "lo"))
        place = table["row"].to_numpy() - self._first
        there = np.zeros(self._last - self._first, bool)
        hi, lo = np.zeros(len(there), np.uint64), np.zeros(len(there), np.uint64)
        there[place], hi[place], lo[place] = True, table["hi"].to_numpy(), table["lo"].to_numpy()
        return there, hi, lo


class _Cells:
    """The texts that change, held, and taken in step with the raw rows.

    They are no stream: tokens are asked for between them, and an engine that is asked for something else ends a stream.
    """

    def __init__(self, engine: Engine, changed: ir.Table) -> None:
        self._engine, self._held = engine, engine.hold(changed)

    def of_rows(self, numbers: np.ndarray, part: Part) -> tuple[np.ndarray, dict[str, pa.Array]]:
        """Which of some rows, given by their sorted numbers, change, and their cells."""
        if not len(numbers):
            return np.zeros(0, np.int64), {}
        row = self._held[ROW]
        own = self._engine.fetch(self._held.filter(row.between(int(numbers[0]), int(numbers[-1]))))
        places = np.searchsorted(numbers, own[ROW].to_numpy())
        if not np.array_equal(numbers[places], own[ROW].to_numpy()):
            raise _other_rows(part)
        return places, {name: own[name].combine_chunks() for name in own.column_names if name != ROW}


def _typed(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """The column without dictionaries, as the type that is published."""
    return column if column.type == kind else column.cast(kind)


def _other_rows(part: Part) -> PublishFailure:
    remedy = "strip again when nobody writes to it"
    return PublishFailure(Fault("changed while it was being stripped; nothing was published", remedy, where=part.name))
