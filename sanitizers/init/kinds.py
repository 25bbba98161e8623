"""Kinds of the identifiers that raw files hold, told from names of columns and from the shapes of cells."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import polars as pl
import pyarrow as pa

from sanitizers.errors import ConfigurationError, SourceFailure
from sanitizers.identifiers import as_text
from sanitizers.init.raw import MISSING, Found
from sanitizers.scan.columns import name_words, shown

NUMBER = "number"
# What is numbered in the record systems of police, prosecutors and courts.
PERSONS = {"person", "people", "nysid", "sid", "suspect", "defendant", "offender", "victim", "individual"}
SHARED = {
    "complaint", "cmplnt", "case", "docket", "incident", "report", "crime", "warrant", "call", "cad", "event",
    "indictment", "summons",
}  # fmt: skip
RECORDS = {
    "arrest", "booking", "photo", "mugshot", "fingerprint", "voucher", "citation", "ticket", "disposition",
}  # fmt: skip
# What is numbered and names no record: who worked on it, where, and in which row.
OTHERS = {
    "officer", "badge", "shield", "precinct", "beat", "sector", "district", "zip", "phone", "year", "age", "row",
    "index", "line", "seq", "sequence", "code", "count",
}  # fmt: skip
ALONE = {"docket", "nysid", "sid", "cad"}
SEALED = ("arrest", "booking", "case", "docket")  # what a seal names, the likeliest first
_LONGEST, _MOST = 40, 0.9
_FEW, _MANY = 8, 10  # letters that numbers begin with, and how many numbers of each show that there are no others
_FEWEST = 4  # characters from which on a number tells records apart, and not the lines of one
_HEX = 16  # characters from which on a text of hexadecimal digits is taken for a random one


@dataclass(frozen=True)
class Looked:
    """A column that looks like identifiers.

    Parameters
    ----------
    column
        As a policy writes it.
    words
        What is numbered, and ``number``.
    forms
        Its distinct cells, upper case, without signs.
    """

    source: str
    column: str
    words: frozenset[str]
    forms: tuple[str, ...]


@dataclass(frozen=True)
class Guess:
    """A kind as it is proposed."""

    name: str
    scope: Literal["record", "shared", "person"]
    pattern: str
    width: int | None
    columns: tuple[Looked, ...]

    @cached_property
    def line(self) -> str:
        """Its line of ``kinds.yaml``."""
        width = f", width: {self.width}" if self.width else ""
        told = ", ".join(dict.fromkeys(f"{one.source}.{one.column}" for one in self.columns))
        return f'{self.name}: {{scope: {self.scope}, pattern: "{self.pattern}"{width}}}  # guess: told from {told}'


def guesses(sources: Sequence[Found]) -> list[Guess]:
    """The kinds that raw files hold.

    A column counts if its name says that it holds a number of something, and nine tenths of its cells look like one. It
    makes a kind if two sources have it, or if records of that sort are sealed by their number; and where a source would
    have none, if it tells the rows of its source apart.
    """
    looked = [one for source in sources for one in _looked_at(source)]
    by_words: dict[frozenset[str], list[Looked]] = {}
    for one in sorted(looked, key=lambda one: len(one.words)):
        known = [words for words, own in by_words.items() if words <= one.words and _alike(own[0], one)]
        by_words.setdefault(known[0] if known else one.words, []).append(one)
    some = [words for words, own in by_words.items() if _is_kind(words, own)]
    served = {one.source for words in some for one in by_words[words]}
    some += [words for words, own in by_words.items()
             if words not in some and own[0].source not in served and _tells_apart(sources, own[0])]  # fmt: skip
    return [_guess(sources, words, by_words[words]) for words in some]


def _is_kind(words: frozenset[str], own: Sequence[Looked]) -> bool:
    long = max((len(form) for one in own for form in one.forms), default=_FEWEST) >= _FEWEST
    shared = len({one.source for one in own}) > 1
    return long and (shared or bool(words & (SHARED | RECORDS) and not words & PERSONS))


def _guess(sources: Sequence[Found], words: frozenset[str], own: Sequence[Looked]) -> Guess:
    pattern, width = pattern_of([form for one in own for form in one.forms])
    name = "_".join([*sorted(words - {NUMBER}), NUMBER])
    keys = [one for one in own if _tells_apart(sources, one)]
    return Guess(name, _scope(words, keys), pattern, width, tuple(own))


def _alike(known: Looked, other: Looked) -> bool:
    """Whether two columns may hold numbers of one kind, by their shapes; a column without cells may hold any."""
    if not (known.forms and other.forms):
        return True
    (shape, longest), (own, length) = (
        (Counter(map(_runs, one.forms)).most_common(1)[0][0], max(map(len, one.forms))) for one in (known, other)
    )
    return shape == own and 2 * min(longest, length) > max(longest, length)


def _scope(words: frozenset[str], keys: Sequence[Looked]) -> Literal["record", "shared", "person"]:
    if words & PERSONS:
        return "person"
    return "record" if words & RECORDS or (keys and not words & SHARED) else "shared"


def _looked_at(source: Found) -> Iterator[Looked]:
    """Columns whose names say that they hold numbers, and that do."""
    for name in source.rows.column_names:
        words = frozenset(word for word in name_words(name) if not word.isdigit())
        if not can_be_named(name) or words & OTHERS or not (NUMBER in words or words & ALONE):
            continue
        texts = cells(source.rows[name])
        if texts is None:
            continue
        mark = "[]" if pa.types.is_list(source.rows[name].type) else ""
        forms = tuple(dict.fromkeys(map(_form, texts.unique(maintain_order=True).to_list())))
        fits = sum(bool(form) and len(form) <= _LONGEST and any(map(str.isdigit, form)) for form in forms)
        if forms and fits < _MOST * len(forms):
            continue
        subject = words - {NUMBER} or name_words(_singular(source.name))
        yield Looked(source.name, f"{name}{mark}", frozenset(subject | {NUMBER}), tuple(filter(None, forms)))


def can_be_named(column: str) -> bool:
    """Whether a policy can name a column as it is called, and whether its name may be told."""
    return shown(column) == column and not set("[],") & set(column)


def cells(column: pa.ChunkedArray) -> pl.Series | None:
    """Filled cells of a column, or of the elements of its lists, as texts; None where it cannot hold identifiers."""
    whole: pa.Array = column.combine_chunks()
    if pa.types.is_list(whole.type) or pa.types.is_large_list(whole.type):
        whole = whole.flatten()
    if pa.types.is_date(whole.type) or pa.types.is_timestamp(whole.type):
        return None
    try:
        texts = as_text(whole).drop_nulls()
    except (ConfigurationError, SourceFailure):
        return None
    return texts.filter(~texts.is_in(["", *MISSING]))


def missing_words(columns: Iterable[pa.ChunkedArray]) -> list[str]:
    """Which words some columns write for "nothing here", in the order of `MISSING`."""
    seen: set[str] = set()
    for column in columns:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            seen.update(as_text(column).drop_nulls().unique().to_list())
    return [word for word in MISSING if word in seen]


def _form(text: str) -> str:
    whole = re.sub(r"^\s*([0-9]+)\.0*\s*$", r"\1", text)
    return re.sub(r"[^0-9A-Z]", "", unicodedata.normalize("NFKC", whole).upper())


def _runs(form: str) -> str:
    return re.sub("[A-Z]+", "A", re.sub("[0-9]+", "9", form))


def _singular(name: str) -> str:
    return name.removesuffix("s") if len(name) > 3 else name  # noqa: PLR2004


def _tells_apart(sources: Sequence[Found], one: Looked) -> bool:
    source = next(source for source in sources if source.name == one.source)
    return not one.column.endswith("[]") and is_key(source.rows, [one.column])


def is_key(rows: pa.Table, columns: Sequence[str]) -> bool:
    """Whether columns tell sampled rows apart, and are filled in all of them."""
    if not rows.num_rows or not all(_flat(rows[name].type) for name in columns):
        return False
    own = rows.select(list(columns))
    filled = not any(own[name].null_count for name in columns)
    return filled and own.group_by(list(columns)).aggregate([]).num_rows == rows.num_rows


def _flat(kind: pa.DataType) -> bool:
    return not pa.types.is_nested(kind) and not pa.types.is_null(kind) and not pa.types.is_floating(kind)


def pattern_of(forms: Sequence[str]) -> tuple[str, int | None]:
    """A pattern for canonical forms, and the width that lost zeros are put back to.

    Digits of several lengths have lost their zeros: to read a serial number so does no harm, but a register that writes
    the zeros and a file that does not would never meet.

    Examples
    --------
    >>> pattern_of(["M17654502", "K17000001"]), pattern_of(["0001234567", "17"]), pattern_of(["A1", "AB12"])
    (('[A-Z][0-9]{8}', None), ('[0-9]{10}', 10), ('[A-Z]{1,2}[0-9]{1,2}', None))
    >>> pattern_of([f"{letter}{number}" for letter in "KQM" for number in range(100, 200)])
    ('[KMQ][0-9]{3}', None)
    """
    runs = Counter(map(_runs, forms))
    usual, count = runs.most_common(1)[0] if runs else ("9", 0)
    own = [form for form in forms if _runs(form) == usual]
    longest, shortest = max(map(len, forms), default=1), min(map(len, forms), default=1)
    if all(re.fullmatch(f"[0-9A-F]{{{_HEX},}}", form) for form in forms) and len(runs) > 1:
        return f"[0-9A-F]{_times(shortest, longest)}", None
    if not forms or count < _MOST * len(forms) or len(usual) > 5:  # noqa: PLR2004
        return f"[0-9A-Z]{_times(shortest, longest)}", None
    if usual == "9":
        lengths = {len(form) for form in own}
        return f"[0-9]{_times(max(lengths), max(lengths))}", max(lengths) if len(lengths) > 1 else None
    pieces = [re.findall("[A-Z]+|[0-9]+", form) for form in own]
    spans = [[len(piece) for piece in column] for column in zip(*pieces, strict=True)]
    written = ["[0-9]" if mark == "9" else _letters(pieces, place) for place, mark in enumerate(usual)]
    return "".join(one + _times(min(span), max(span)) for one, span in zip(written, spans, strict=True)), None


def _letters(pieces: Sequence[list[str]], place: int) -> str:
    """The letters that a place takes: where a great many numbers begin with a few, just these."""
    seen = {letter for own in pieces for letter in own[place]}
    few = len(seen) <= _FEW and len(pieces) >= _MANY * len(seen)
    return f"[{''.join(sorted(seen))}]" if few else "[A-Z]"


def _times(least: int, most: int) -> str:
    if least == most:
        return f"{{{least}}}" if least > 1 else ""
    return f"{{{least},{most}}}"
