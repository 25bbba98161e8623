"""Prose: columns of running text, and the kinds that texts mention, told from a sample."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from sanitizers.identifiers import Kinds, as_text, canonical
from sanitizers.scan.columns import known_anywhere

FEWEST = 5
_WORD = r"\pL{2,}"


@dataclass(frozen=True)
class Prose:
    """A column of texts.

    Parameters
    ----------
    mentions
        The kinds that a text of the sample mentions; empty if it is only running text.
    """

    column: str
    mentions: tuple[str, ...]


def prose(kinds: Kinds, rows: pa.Table, *, missing: Iterable[str] = ()) -> list[Prose]:
    """Which columns hold texts: running text, or an identifier among other words.

    Running text has five words in most of its cells, five different cells at least, and half of its cells are
    different: a list of offences is none. A mention is looked for of kinds that are known anywhere, as it is written
    without blanks and signs.

    Examples
    --------
    >>> kinds = Kinds.parse("arrest_number: {scope: record, pattern: '[BKMQS][0-9]{8}'}")
    >>> prose(kinds, pa.table({"note": ["see M17654502", None], "arrest": ["M17654502", "K17000001"]}))
    [Prose(column='note', mentions=('arrest_number',))]
    """
    found = []
    for column in rows.column_names:
        kind = rows[column].type
        held = kind.value_type if pa.types.is_dictionary(kind) else kind
        if pa.types.is_string(held) or pa.types.is_large_string(held):
            texts = as_text(rows[column]).drop_nulls()
            texts = texts.filter(~texts.is_in(["", *missing]))
            mentions = tuple(name for name in known_anywhere(kinds) if _mentioned(texts.unique(), name, kinds))
            if mentions or _running(texts):
                found.append(Prose(column, mentions))
    return found


def _mentioned(texts: pl.Series, name: str, kinds: Kinds) -> bool:
    form = kinds[name].form
    written = texts.filter(texts.str.contains(form.compact)) if form else texts.clear()
    return bool(canonical(written, kinds[name]).null_count()) if len(written) else False


def _running(texts: pl.Series) -> bool:
    different = texts.n_unique()
    if different < FEWEST or 2 * different < len(texts):
        return False
    long = texts.str.count_matches(_WORD) >= FEWEST
    return bool(long.mean() > 0.5)  # type: ignore[operator]
