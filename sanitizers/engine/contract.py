"""What an engine does: read, without, hold, fetch, stream, close, and what every engine shares, tokens and mentions.

Everything between these verbs is an Ibis expression, so that one plan runs on every engine. Tokens and mentions work on
Arrow batches in file order: each identifier cell is made canonical and hashed once; only plain keys are joined after.
"""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

import ibis
import ibis.expr.types as ir
import numpy as np
import polars as pl
import pyarrow as pa

from sanitizers.engine.forms import RawFile
from sanitizers.engine.places import Place, exploded, place_of, placed
from sanitizers.engine.tables import Table, Wanted
from sanitizers.errors import ConfigurationError, Fault, Faults, SourceFailure
from sanitizers.identifiers import Key, Kind, Tokens, as_text, join_parts, sentinel_tokens, tokenise
from sanitizers.patterns import Pattern

P = TypeVar("P")
R = TypeVar("R")
ROW = "sealproof_row"
_EXPONENT = r"^\s*[+-]?[0-9]+(?:[.,][0-9]*[Ee][+-]?|[Ee][+-])[0-9]+\s*$"
THREADS = 2
_PIECE = 256  # characters of a run that are looked at together
_PIECES = 1 << 11  # pieces of runs that are in memory together

TOKEN_SCHEMA = pa.schema(
    [("ref", pa.int16()), ("row", pa.int64()), ("pos", pa.int32()), ("hi", pa.uint64()), ("lo", pa.uint64())]
)
MENTION_SCHEMA = pa.schema(
    [("ref", pa.int16()), ("kind", pa.string()), ("row", pa.int64()), ("hi", pa.uint64()), ("lo", pa.uint64()),
     ("written", pa.string())]
)  # fmt: skip


class Part(Protocol):
    """A file of a source, or a frame: rows in order, as Arrow batches."""

    @property
    def name(self) -> str:
        """Path below the published folder, or the frame's name."""

    @property
    def schema(self) -> pa.Schema:
        """Names and types of the columns."""

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """The rows in order, `columns` only."""


def cells_in(part: Part, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """The rows of a part, in order, with the columns in which places of these names stand.

    Parquet files read of them only what stands at these places.
    """
    if isinstance(part, RawFile):
        return part.batches(names)
    return part.batches(list(dict.fromkeys(found(name, part.schema).column for name in names)))


def found(name: str, schema: pa.Schema) -> Place:
    """The place that a name means, which is known to be there."""
    place = place_of(name, schema)
    assert place is not None, "every name was looked for"  # noqa: S101 - trace has refused others
    return place


@dataclass(frozen=True)
class Lookup:
    """An identifier column to be looked up: where it stands and how it is read.

    Parameters
    ----------
    index
        Its number in the source.
    name
        Its name in the policy, for messages.
    columns
        Names of the columns, or of the places in them, that it is read from.
    elements
        Whether they stand in a list: there may be several in a row.
    kind_name, kind
        Its kind.
    missing
        Texts that mean "no reference".
    """

    index: int
    name: str
    columns: tuple[str, ...]
    elements: bool
    kind_name: str
    kind: Kind
    missing: frozenset[str]


@dataclass
class Tally:
    """What reading one source found, apart from the tokens themselves.

    Rows are numbered through the source: part `i` holds the rows from ``start[i]`` to ``start[i + 1]``. `missing` has,
    for identifiers in lists, row and place (see `placed`) of every element that has none; elsewhere a row without a
    token says it.
    `rounded` has part and number of each column with malformed cells like ``2.0E+14``: a spreadsheet has been there.
    """

    start: list[int] = field(default_factory=lambda: [0])
    missing: dict[int, list[np.ndarray]] = field(default_factory=dict)
    malformed: list[tuple[int, int, np.ndarray]] = field(default_factory=list)
    rounded: set[tuple[int, int]] = field(default_factory=set)

    @property
    def rows(self) -> int:
        """Rows of all parts together."""
        return self.start[-1]


class Engine(ABC):
    """The contract. An engine is used for one run and closed; it is a context manager."""

    @abstractmethod
    def read(self, part: Part, *, start: int, columns: Sequence[str] | None = None) -> ir.Table:
        """All rows of a part with their number, counted from `start`, as column `ROW`; readable once."""

    @abstractmethod
    def without(self, table: ir.Table, gone: np.ndarray, *, column: str = ROW) -> ir.Table:
        """Rows of a table but those whose number stands in `gone`; a part that was read keeps its order.

        Parameters
        ----------
        gone
            Sorted int64 numbers of rows.
        column
            Where `table` has the numbers.
        """

    @abstractmethod
    def hold(self, what: ir.Expr | pa.Table | Iterable[pa.RecordBatch], schema: pa.Schema | None = None) -> ir.Table:
        """Keep rows for the run, out of core; what is spilled is encrypted."""

    @abstractmethod
    def fetch(self, expression: ir.Expr) -> pa.Table:
        """Rows of an expression, in memory."""

    @abstractmethod
    def stream(self, expression: ir.Table) -> Iterator[pa.RecordBatch]:
        """Rows of an ordered expression, batch by batch; nothing else is asked of the engine until they end."""

    def attach(self, wanted: Sequence[Wanted], *, most: int | None = None) -> dict[str, Table]:
        """Hold tables of databases, by source: all that is wanted of one database as it is at one moment.

        Only an engine that attaches databases has tables to give; any other refuses them by name.

        Parameters
        ----------
        most
            How many rows of each are enough, any of them; all if None.

        Raises
        ------
        ConfigurationError, SourceFailure
            A table that is not there, cannot be read, or whose types or cells cannot be kept; all together.
        """
        remedy = "run it on DuckDB, or export the table to Parquet and name the file with `path`"
        problem = f"{type(self).__name__} reads files only, and this source is a table of a database"
        faults = Faults(Fault(problem, remedy, where=f"sources.{own.source}") for own in wanted)
        faults.stop(ConfigurationError)
        return {}

    @abstractmethod
    def close(self) -> None:
        """Forget everything held."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def tokens(self, parts: Sequence[Part], lookups: Sequence[Lookup], key: Key, tally: Tally) -> ir.Table:
        """Tokens of a source's identifier columns, held: ``ref, row, pos, hi, lo``.

        For each column and part the sentinel is looked up as well, as row -1 of the first part, -2 of the second.

        Raises
        ------
        SourceFailure
            A part cannot be read.
        """
        return with_same(self.hold(found_tokens(parts, lookups, key, tally), token_schema(lookups)), lookups)

    def mentions(
        self, parts: Sequence[Part], texts: dict[int, tuple[str, dict[str, Kind]]], key: Key, tally: Tally
    ) -> ir.Table:
        """Identifiers mentioned in a source's text columns, held: ``ref, kind, row, hi, lo, written``.

        Parameters
        ----------
        texts
            Number of the text column → its name and the kinds to look for.
        """
        return self.hold(found_mentions(parts, texts, key, tally), MENTION_SCHEMA)

    def each(self, pieces: Sequence[P], work: Callable[[Engine, P], R]) -> Iterator[R]:
        """Do some work on each piece, none of which needs another; what it comes to, in their order.

        An engine with workers gives each of them an engine of its own, and whole pieces: see `apart`.
        """
        return (work(self, piece) for piece in pieces)

    @property
    def apart(self) -> bool:
        """Whether `each` works somewhere else: pieces and work then have to be such as can be sent there."""
        return False


def _same_in_all(lookups: Sequence[Lookup]) -> dict[str, int]:
    """What is the same in every token; it is not held: a tenth of the time."""
    same = {"ref": lookups[0].index} if len(lookups) == 1 else {}
    return same | ({} if any(lookup.elements for lookup in lookups) else {"pos": 0})


def token_schema(lookups: Sequence[Lookup]) -> pa.Schema:
    """Columns of tokens as they are held."""
    same = _same_in_all(lookups)
    return pa.schema([field for field in TOKEN_SCHEMA if field.name not in same])


def with_same(held: ir.Table, lookups: Sequence[Lookup]) -> ir.Table:
    """Tokens that are held, with the columns that `token_schema` leaves out."""
    types = ibis.Schema.from_pyarrow(TOKEN_SCHEMA)
    same = {name: ibis.literal(value, type=types[name]) for name, value in _same_in_all(lookups).items()}
    return held.mutate(**same).select(*TOKEN_SCHEMA.names)


def found_tokens(
    parts: Sequence[Part], lookups: Sequence[Lookup], key: Key, tally: Tally
) -> Iterator[pa.RecordBatch]:
    """Tokens of a source's identifier columns as they are found, sentinels among them: see `Engine.tokens`."""
    columns = sorted({column for lookup in lookups for column in lookup.columns})

    def work(batch: pa.RecordBatch, base: int) -> _Found:
        return _tokens_of(batch, base, lookups, key)

    def last(number: int) -> Iterator[pa.RecordBatch]:
        for lookup in lookups:
            own = sentinel_tokens(lookup.kind_name, lookup.kind, key)
            yield _token_batch(lookup.index, np.array([-1 - number]), np.array([0]), own)

    names = token_schema(lookups).names
    return (batch.select(names) for batch in _stream(parts, columns, work, tally, last))


def found_mentions(
    parts: Sequence[Part], texts: dict[int, tuple[str, dict[str, Kind]]], key: Key, tally: Tally
) -> Iterator[pa.RecordBatch]:
    """Identifiers mentioned in a source's texts as they are found: see `Engine.mentions`."""
    columns = sorted({name for name, _ in texts.values()})

    def work(batch: pa.RecordBatch, base: int) -> _Found:
        told = [
            mentions_of(found(name, batch.schema).cells(batch), kinds, key, ref=ref, base=base)
            for ref, (name, kinds) in texts.items()
        ]
        return _Found(list(itertools.chain.from_iterable(told)))

    return _stream(parts, columns, work, tally, lambda _: iter(()))


@dataclass
class _Found:
    batches: list[pa.RecordBatch]
    rounded: set[int] = field(default_factory=set)
    missing: dict[int, np.ndarray] = field(default_factory=dict)
    malformed: list[tuple[int, np.ndarray]] = field(default_factory=list)


def _stream(
    parts: Sequence[Part], columns: Sequence[str], work: Any, tally: Tally, last: Any
) -> Iterator[pa.RecordBatch]:
    """Run `work` on every batch of every part, two at a time, and yield what it finds in order."""
    with ThreadPoolExecutor(THREADS) as pool:
        for number, part in enumerate(parts):
            waiting: list[Future[_Found]] = []
            base = tally.start[-1]
            for batch in cells_in(part, columns):
                waiting.append(pool.submit(work, batch, base))
                base += batch.num_rows
                if len(waiting) > 2 * THREADS:
                    yield from _settle(waiting.pop(0).result(), number, tally)
            for future in waiting:
                yield from _settle(future.result(), number, tally)
            yield from last(number)
            tally.start.append(base)


def _settle(found: _Found, part: int, tally: Tally) -> Iterator[pa.RecordBatch]:
    for ref, rows in found.missing.items():
        tally.missing.setdefault(ref, []).append(rows)
    tally.rounded.update((part, ref) for ref in found.rounded)
    tally.malformed.extend((part, ref, rows) for ref, rows in found.malformed if len(rows))
    yield from found.batches


def _tokens_of(batch: pa.RecordBatch, base: int, lookups: Sequence[Lookup], key: Key) -> _Found:
    told = _Found([])
    for lookup in lookups:
        places = [found(name, batch.schema) for name in lookup.columns]
        row, pos = np.arange(base, base + batch.num_rows), None
        if list_ := places[0].list_:
            own, pos = exploded(list_.cells(batch))
            row = row[own]
        texts = [as_text(place.cells(batch), lookup.name) for place in places]
        cells = join_parts([_present(text, lookup.missing) for text in texts]) if lookup.kind.parts else texts[0]
        tokens = tokenise(cells, name=lookup.kind_name, kind=lookup.kind, key=key, missing=lookup.missing)
        place = np.zeros(len(tokens.row), np.int32) if pos is None else pos[tokens.row]
        told.batches.append(_token_batch(lookup.index, row[tokens.row], place, tokens))
        if pos is not None:
            told.missing[lookup.index] = np.delete(placed(row, pos), np.concatenate([tokens.row, tokens.malformed]))
        told.malformed.append((lookup.index, row[tokens.malformed]))
        if len(tokens.malformed) and cells.gather(tokens.malformed).str.contains(_EXPONENT).any():
            told.rounded.add(lookup.index)
    return told


def _present(texts: pl.Series, missing: frozenset[str]) -> pl.Series:
    """Texts with null for what means "no reference"."""
    cell = pl.col("c")
    absent = cell.is_in(list(missing)) if missing else pl.lit(value=False)
    return pl.DataFrame({"c": texts}).select(pl.when(~absent).then(cell).alias("c"))["c"]


def _token_batch(ref: int, row: np.ndarray, pos: np.ndarray, tokens: Tokens) -> pa.RecordBatch:
    refs = np.full(len(row), ref, np.int16)
    columns = [refs, row.astype(np.int64), pos.astype(np.int32), tokens.hi, tokens.lo]
    return pa.record_batch([pa.array(column) for column in columns], schema=TOKEN_SCHEMA)


def mentions_of(
    column: pa.Array, kinds: dict[str, Kind], key: Key, *, ref: int = 0, base: int = 0
) -> Iterator[pa.RecordBatch]:
    """Every identifier of the given kinds that a column of texts mentions, with its row and how it is written there."""
    texts = as_text(column)
    frame = pl.DataFrame({"row": np.arange(base, base + len(texts)), "text": texts}).drop_nulls()
    for name, kind in kinds.items():
        assert kind.form is not None  # noqa: S101 - the policy has refused texts that mention composite kinds
        for found in _candidates(frame, kind.form):
            bare = found["written"].str.normalize("NFKC").str.to_uppercase().str.replace_all(r"[^0-9A-Z]", "")
            tokens = tokenise(bare, name=name, kind=kind, key=key)
            hit = found[tokens.row]
            yield pa.record_batch(
                [
                    pa.array(np.full(len(hit), ref, np.int16)),
                    pa.array([name] * len(hit), pa.string()),
                    hit["row"].to_arrow().cast(pa.int64()),
                    pa.array(tokens.hi),
                    pa.array(tokens.lo),
                    hit["written"].to_arrow().cast(pa.string()),
                ],
                schema=MENTION_SCHEMA,
            )


def _candidates(frame: pl.DataFrame, form: Pattern) -> Iterator[pl.DataFrame]:
    """What may be an identifier in the texts, from every start and of every length: others before it hide none."""
    runs = (
        frame.select("row", pl.col("text").str.extract_all(form.joined).alias("written"))
        .filter(pl.col("written").list.len() > 0)
        .explode("written")
        .unique()
    )
    if form.apart:
        yield runs
    else:
        yield from _starting(runs, form.span, form.starts)
    if form.crowded:
        rare = frame.filter(pl.col("text").str.contains(form.crowded)).rename({"text": "written"})
        yield from _starting(rare, form.span, form.crowded_starts, holding=form.crowded)


def _starting(texts: pl.DataFrame, span: int, patterns: Sequence[str], *, holding: str = "") -> Iterator[pl.DataFrame]:
    """What fits one of the patterns, from every character of the texts; what holds a certain one only, where given."""
    # In two steps, so that a long text is not walked again from its start for every character.
    pieces = _windows(texts, _PIECE + span, step=_PIECE)
    for some in pieces.iter_slices(_PIECES):
        windows = _windows(some, span, step=1).filter(pl.col("written").str.contains(holding))
        found = [windows.select("row", pl.col("written").str.extract(f"({pattern})", 1)) for pattern in patterns]
        yield pl.concat(found).drop_nulls().unique()


def _windows(frame: pl.DataFrame, length: int, *, step: int) -> pl.DataFrame:
    """What stands from every `step`-th character of the texts, up to `length` characters."""
    starts = pl.int_ranges(0, pl.col("written").str.len_chars(), step).alias("start")
    placed = frame.with_columns(starts).explode("start")
    return placed.select("row", pl.col("written").str.slice(pl.col("start"), length))


def malformed_faults(parts: Sequence[Part], lookups: Sequence[Lookup], tally: Tally, where: str) -> Faults:
    """One fault for each column that holds identifiers which do not fit their kind."""
    counts: dict[tuple[int, int], list[int]] = {}
    for part, ref, rows in tally.malformed:
        first, count = counts.get((part, ref), [int(rows[0]), 0])
        counts[part, ref] = [min(first, int(rows[0])), count + len(rows)]
    named = {lookup.index: lookup for lookup in lookups}
    faults = Faults()
    for (part, ref), (first, count) in sorted(counts.items()):
        kind, row, given = named[ref].kind_name, first - tally.start[part], parts[part]
        problem = f"{count} cell(s) do not fit the kind {kind}; the first is row {row + 1}"
        remedy = "mend them, list what means no reference in `missing: [...]`, or write `malformed: drop`"
        if (part, ref) in tally.rounded:
            remedy = (
                "a spreadsheet has written numbers with an exponent and lost digits; export the file again, as text"
            )
        line = given.line_of(row) if isinstance(given, RawFile) else None
        faults.append(Fault(problem, remedy, where=f"{where}: {given.name}", column=named[ref].name, line=line))
    return faults


__all__ = [
    "ROW", "Engine", "Lookup", "Part", "SourceFailure", "Tally", "malformed_faults", "mentions_of",
]  # fmt: skip
