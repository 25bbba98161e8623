"""Columns: cells that look like identifiers, compared with what is barred, whatever the column is called.

A declared column is compared as what it is declared. Every other column and text is searched for the kinds with at
least 10**7 possible values, and a hit counts only where hits exceed what chance gives: with `n` distinct cells that fit
a kind of `N` possible values, `b` of them barred, about ``n * b / N`` hits come by chance. Hits count when a Poisson
variable of that mean reaches them with a probability below 10**-3; fewer are *ambiguous*, and do not pass either.

A kind with a `width` takes any small number for an identifier that lost its zeros, so that a count of 7 would be number
0000000007: in undeclared columns and in texts such numbers are compared only from seven characters on, where 10**7
values are possible again.

In the plain bytes of a file, where anything may touch anything, only whole words count, and only those that no cell
has shown.

Without a snapshot, `likenesses` tells from names and from a sample of cells which columns look like identifiers at all.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import polars as pl
import pyarrow as pa

from sanitizers.documents import maybe_cell
from sanitizers.engine.contract import Lookup, mentions_of
from sanitizers.engine.places import ELEMENT, Place, is_list, place_of
from sanitizers.identifiers import (
    TOKEN_PREFIX,
    Key,
    Kind,
    Kinds,
    Tokens,
    as_text,
    canonical,
    join_parts,
    tokenise,
)
from sanitizers.register.snapshot import Snapshot, among
from sanitizers.scan.escapes import with_escapes
from sanitizers.scan.unfold import unfold

LARGE = 10**7
CHANCE = 1e-3
SHORTEST = 7
BYTES = "plain bytes of the file"
UNTOLD = "a name that may be a cell"
_NUMBER = r"\d+(?:\.\d*)+|[\pL\pN]*\d{7}[\pL\pN]*"  # a number with its fraction, or a word with enough digits
_NAME = re.compile(r"[\w.\[\] #:/-]{0,64}")
_SOME = 0.1
_DATE = r"^\s*(?:\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}|\d{1,2}:\d{2})"
_NUMBERS = frozenset({"number", "no", "num", "nr", "nbr", "id", "key"})
_WRITTEN = (
    pa.types.is_string, pa.types.is_large_string, pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal128,
    pa.types.is_null,
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """Barred identifiers of one kind in one column.

    Parameters
    ----------
    count
        Distinct barred identifiers.
    expected
        How many chance gives; 0 for a declared column.
    certain
        Whether the hits exceed what chance gives.
    """

    column: str
    kind: str
    count: int
    expected: float
    certain: bool


@dataclass
class _Seen:
    fitting: set[int] = field(default_factory=set)
    hits: set[int] = field(default_factory=set)


class Search:
    """A search for barred identifiers through the cells of one file.

    Parameters
    ----------
    snapshot, key
        What is barred, and the key it was made with.
    declared
        Columns that are known to hold a kind.
    innocent
        Names of columns that are known to hold no identifiers.

    Attributes
    ----------
    misfits
        Declared columns that are not there, or hold cells that do not fit their kind.
    compared
        Cells of declared columns that were compared.
    unsearched
        Columns and pieces that could not be searched.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        key: Key,
        *,
        declared: Sequence[Lookup] = (),
        innocent: Iterable[str] = (),
    ) -> None:
        self._snapshot, self._key, self._declared = snapshot, key, declared
        self._innocent = set(map(_unfolded, innocent))
        self.compared = 0
        self._seen: dict[tuple[str, str, bool], _Seen] = {}
        self._excused: Search | None = Search(snapshot, key) if self._innocent else None
        self.misfits: set[str] = set()
        self.unsearched: set[str] = set()

    def take(self, rows: pa.RecordBatch, *, strict: bool = False) -> None:
        """Search some rows; with `strict`, a declared column that they lack counts as a misfit."""
        known = set(self._innocent)
        for lookup in self._declared:
            places = [place for name in lookup.columns if (place := _place(name, rows.schema))]
            if len(places) == len(lookup.columns):
                fits = self._declared_column(rows, lookup, places)
                known.update(map(_unfolded, lookup.columns) if fits and not lookup.kind.parts else ())
            elif strict:
                self.misfits.add(lookup.name)
        for name in rows.schema.names:
            if name not in known:
                self._undeclared_column(name, rows.column(name), known)
        if self._excused and any(seen.hits for (column, _, _), seen in self._seen.items() if column == BYTES):
            tops = [name for name in rows.schema.names if any(_within(one, name) for one in self._innocent)]
            self._excused.take(rows.select(tops))

    def take_words(self, words: pa.Array) -> None:
        """Search words of a file's plain bytes, before its cells: what those show is excused."""
        texts = as_text(words).unique()
        for kind, own in self._searched().items():
            whole = texts.filter(texts.str.to_uppercase().str.contains(f"^(?:{own.pattern})$"))
            self._note(BYTES, kind, _tokens(whole, kind, self._snapshot.kinds, self._key), declared=False)

    def _searched(self) -> dict[str, Kind]:
        """Kinds with so many identifiers that they are known wherever they stand."""
        return known_anywhere(self._snapshot.kinds)

    def findings(self) -> list[Finding]:
        """What was found, most certain first."""
        found = []
        for (column, kind, declared), seen in self._seen.items():
            hits = seen.hits - self._shown_by_cells(kind) if column == BYTES else seen.hits
            if not hits:
                continue
            expected = 0.0 if declared else self._expected(kind, len(seen.fitting))
            count = len(hits)
            told = column if declared else shown(column)
            found.append(Finding(told, kind, count, expected, declared or chance_of(count, expected) < CHANCE))
        return sorted(found, key=lambda finding: (not finding.certain, finding.column, finding.kind))

    def _shown_by_cells(self, kind: str) -> set[int]:
        searches = [self, self._excused] if self._excused else [self]
        seen = [seen.hits for one in searches for (column, own, _), seen in one._seen.items()
                if own == kind and column != BYTES]  # fmt: skip
        return set().union(*seen)

    def _expected(self, kind: str, fitting: int) -> float:
        return fitting * (len(self._snapshot.barred[kind].hi) - 1) / self._snapshot.kinds[kind].possible

    def _declared_column(self, rows: pa.RecordBatch, lookup: Lookup, places: Sequence[Place]) -> bool:
        """Compare a declared column; whether every cell fits its kind."""
        texts = [as_text(place.cells(rows), lookup.name) for place in places]
        texts = [join_parts(texts)] if lookup.kind.parts else texts
        own = _tokens(texts[0], lookup.kind_name, self._snapshot.kinds, self._key, missing=lookup.missing)
        self.compared += len(own.row)
        if len(own.malformed):
            self.misfits.add(lookup.name)
        self._note(lookup.name, lookup.kind_name, own, declared=True)
        return not len(own.malformed)

    def _undeclared_column(self, name: str, column: pa.Array, known: set[str]) -> None:
        for part, cells in unfold(name, column):
            if any(_within(part, one) for one in known):
                continue
            if cells is None:
                self.unsearched.add(part)
            else:
                self._cells(part, cells)

    def _cells(self, name: str, column: pa.Array) -> None:
        texts = as_text(column, name).drop_nulls().unique()
        written = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        kinds = self._searched()
        long = texts.filter(texts.str.replace(r"\.0*$", "").str.count_matches(r"[\pL\pN]") >= SHORTEST)
        for kind, own in kinds.items():
            cells = texts if own.width is None else long
            self._note(name, kind, _tokens(cells, kind, self._snapshot.kinds, self._key), declared=False)
        if written:
            texts = with_escapes(texts)
            self._mentions(name, texts, kinds)
            self._short_numbers(name, texts, kinds)

    def _short_numbers(self, name: str, texts: pl.Series, kinds: Mapping[str, Kind]) -> None:
        """Compare numbers in texts that may have lost their leading zeros."""
        widths = {kind: own.width for kind, own in kinds.items() if own.width and own.width > SHORTEST}
        some = texts.filter(texts.str.contains(r"\d{7}")) if widths else texts.clear()
        numbers = some.str.extract_all(_NUMBER).explode().drop_nulls().unique()
        for kind, width in widths.items():
            short = numbers.str.extract(rf"^(\d{{{SHORTEST},{width - 1}}})(?:\.0*)?$", 1).drop_nulls()
            self._note(name, kind, _tokens(short, kind, self._snapshot.kinds, self._key), declared=False)

    def _mentions(self, name: str, texts: pl.Series, kinds: Mapping[str, Kind]) -> None:
        array = texts.str.replace_all(rf"{TOKEN_PREFIX}[0-9a-f]{{32}}", " ").to_arrow()
        for kind in kinds:
            for batch in mentions_of(array, {kind: self._snapshot.kinds[kind]}, self._key):
                own = Tokens(np.empty(0), batch["hi"].to_numpy(), batch["lo"].to_numpy(), np.empty(0), 0)
                self._note(name, kind, own, declared=False)
        written = pl.DataFrame({"t": texts}).select(
            pl.col("t").str.extract_all(rf"{TOKEN_PREFIX}[0-9a-f]{{32}}").alias("t")
        )
        tokens = written["t"].explode().drop_nulls().unique()
        for kind in self._snapshot.kinds if len(tokens) else ():
            own = tokenise(tokens, name=kind, kind=self._snapshot.kinds[kind], key=self._key)
            self._note(name, kind, own, declared=True)

    def _note(self, column: str, kind: str, tokens: Tokens, *, declared: bool) -> None:
        barred = self._snapshot.barred[kind]
        hits = tokens.hi[among(tokens.hi, tokens.lo, barred.hi, barred.lo)]
        seen = self._seen.setdefault((column, kind, declared), _Seen())
        seen.hits.update(hits.tolist())
        if not declared:
            seen.fitting.update(tokens.hi.tolist())


def _place(name: str, schema: pa.Schema) -> Place | None:
    """The place of a declared column; of a list in a file that holds no lists, its column."""
    return place_of(name, schema) or place_of(name.removesuffix(ELEMENT), schema)


def _unfolded(name: str) -> str:
    """What `unfold` calls the place that a policy names."""
    return name.replace(ELEMENT, "")


def _within(part: str, name: str) -> bool:
    return part == name or part.startswith(f"{name}.")


def known_anywhere(kinds: Kinds) -> dict[str, Kind]:
    """Kinds with so many identifiers that one is known wherever it stands."""
    return {name: kind for name, kind in kinds.items() if kind.form is not None and kind.possible >= LARGE}


# -- what columns look like -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Likeness:
    """A column that looks like identifiers of a kind.

    Parameters
    ----------
    column
        Its name as a policy writes it: ``a[]`` for the elements of a list.
    why
        What tells: its name, its values, or both.
    share
        Share of its distinct filled cells, of those that were looked at, that fit the kind; between 0 and 1.
    """

    column: str
    kind: str
    why: Literal["name", "values", "name and values"]
    share: float


def likenesses(
    kinds: Kinds, rows: pa.Table, *, names: Mapping[str, str] | None = None, missing: Iterable[str] = ()
) -> list[Likeness]:
    """Which columns look like identifiers of which kind, the likeliest kind of a column first.

    A name tells if it has the words of the kind's name. Values tell if a tenth of the distinct cells fit the kind as
    they are written, no zeros put back, and are no dates; of kinds with fewer than 10**7 possible identifiers only the
    name tells. A name that no value bears out does not tell, unless there are no values. Kinds with parts are not
    looked for.

    Parameters
    ----------
    kinds
        The kinds to look for.
    rows
        What `sanitizers.scan.sample.sample` has taken from a source.
    names
        Columns of other sources that are known to hold a kind, by name.
    missing
        Texts that mean "no reference".

    Examples
    --------
    >>> kinds = Kinds.parse("arrest_number: {scope: record, pattern: '[BKMQS][0-9]{8}'}")
    >>> rows = pa.table({"ARREST_NO": [None, None], "ref": ["m17-654502", "x"], "age": [31, 22]})
    >>> [(found.column, found.kind, found.why, found.share) for found in likenesses(kinds, rows)]
    [('ARREST_NO', 'arrest_number', 'name', 0.0), ('ref', 'arrest_number', 'values', 0.5)]
    """
    found = []
    for column in rows.column_names:
        cells = _looked_at(rows[column], frozenset(missing))
        if cells is not None:
            name, texts = cells
            own = [_likeness(f"{column}{name}", texts, kind, kinds[kind], (names or {}).get(column)) for kind in kinds]
            found += sorted((one for one in own if one), key=lambda one: (one.why == "values", -one.share))
    return found


def _looked_at(column: pa.ChunkedArray, missing: frozenset[str]) -> tuple[str, pl.Series] | None:
    """Distinct texts of a column, or of the elements of its lists with ``[]``; None where it holds no identifiers."""
    whole: pa.Array = column.combine_chunks()
    mark = ""
    if is_list(whole.type):
        whole, mark = whole.flatten(), "[]"
    held = whole.type.value_type if pa.types.is_dictionary(whole.type) else whole.type
    if not any(is_(held) for is_ in _WRITTEN):
        return None
    texts = as_text(whole).drop_nulls().unique()
    return mark, texts.filter(~texts.is_in(["", *missing]))


def _likeness(column: str, texts: pl.Series, name: str, kind: Kind, known: str | None) -> Likeness | None:
    if kind.form is None:
        return None
    named = known == name or name_words(name) <= name_words(column)
    cells = texts.filter(~texts.str.contains(_DATE))
    forms = canonical(cells, kind if named else kind.model_copy(update={"width": None}))
    share = (len(forms) - forms.null_count()) / len(texts) if len(texts) else 0.0
    if named and (share or not len(texts)):
        return Likeness(column, name, "name and values" if share else "name", share)
    if named or kind.possible < LARGE or share < _SOME:
        return None
    return Likeness(column, name, "values", share)


def name_words(name: str) -> frozenset[str]:
    """Words of a name; what only says that it is a number is one word.

    Examples
    --------
    >>> name_words("ArrestNo") == name_words("arrest_number") == name_words("ARREST NUMBER")
    True
    """
    words = (word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+", name))
    return frozenset("number" if word in _NUMBERS else word for word in words)


def shown(name: str) -> str:
    """The name of a column or of a piece of a file as it is told; where a header is missing, it is a cell.

    Examples
    --------
    >>> shown("suspect_age"), shown("K17000001")
    ('suspect_age', 'a name that may be a cell')
    """
    return name if _NAME.fullmatch(name) and not maybe_cell(name) else UNTOLD


def _tokens(texts: pl.Series, kind: str, kinds: Kinds, key: Key, missing: frozenset[str] = frozenset()) -> Tokens:
    return tokenise(texts, name=kind, kind=kinds[kind], key=key, missing=missing)


def chance_of(hits: int, expected: float) -> float:
    """Probability that a Poisson variable of mean `expected` is at least `hits`.

    Examples
    --------
    >>> round(chance_of(1, 0.5), 4), chance_of(600, 600.0) > 0.4, chance_of(3, 0.0)
    (0.3935, True, 0.0)
    """
    if expected <= 0:
        return 0.0 if hits else 1.0
    if hits > 10 * expected + 100:  # noqa: PLR2004 - far out: the first term bounds it
        return math.exp(hits * math.log(expected) - expected - math.lgamma(hits + 1)) * 2
    below = sum(math.exp(k * math.log(expected) - expected - math.lgamma(k + 1)) for k in range(hits))
    return max(0.0, 1.0 - below)
