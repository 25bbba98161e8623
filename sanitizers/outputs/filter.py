"""Filter one output: a ranked list or table, held in memory, whole or the answer to one request.

A barred record that is asked about is answered like one that never existed; one that would be named leaves the list,
and what stood below it moves up. Ranks are numbered again, because a gap would tell that somebody stood there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, NoReturn, TypeVar

import numpy as np
import polars as pl
import pyarrow as pa

from sanitizers.documents import nearest_column
from sanitizers.errors import ConfigurationError, Fault, Faults, SourceFailure
from sanitizers.identifiers import Key, as_text, join_parts
from sanitizers.outputs.tables import Rows, rows_of
from sanitizers.outputs.tokens import Halves, check_kind, tokens_of
from sanitizers.policy import Asked, Column, Named, Output, Reference
from sanitizers.register.snapshot import Snapshot, among

if TYPE_CHECKING:
    import pandas as pd

Frame = TypeVar("Frame", pa.Table, "pd.DataFrame")


@dataclass(frozen=True)
class FilterCounts:
    """What one filter did, for the keeper: told to the one who asked, `unknown` would give a barred record away.

    Parameters
    ----------
    rows_in, rows_out
        Rows; in = out + unknown + barred + touched + beyond.
    unknown
        Rows that answered for a barred record.
    barred
        Rows that named one.
    touched
        Rows that named a touched record, where the policy drops these.
    beyond
        Rows below the last place that is kept.
    short
        Lists that lost rows and, the list given not being deep enough, ended up shorter than what is kept.
    """

    rows_in: int
    rows_out: int
    unknown: int
    barred: int
    touched: int
    beyond: int
    short: int

    def __str__(self) -> str:
        return ", ".join(f"{field.name}: {getattr(self, field.name)}" for field in fields(self))


class OutputFilter:
    """The filter of one output, with what is barred at hand: made once, applied to many tables or requests.

    Parameters
    ----------
    output
        What the policy says about it.
    snapshot
        What is barred.
    key
        The register's key; not needed where every identifier is a published token. Nothing in a token shows which key
        it was made with: compare the fingerprints of the clean sources' receipt and of the snapshot.
    touched
        Rows ``kind, hi, lo``: the tokens of the records that the keeper's strip has touched. Needed where the policy
        says ``on_touched: drop``.

    Raises
    ------
    ConfigurationError
        A kind that the snapshot does not know, or touched records are to be dropped and none were given.
    KeyFailure, RegisterFailure
        The key is not the snapshot's, or the snapshot cannot find its own sentinel.
    """

    def __init__(
        self, output: Output, *, snapshot: Snapshot, key: Key | None = None, touched: pa.Table | None = None
    ) -> None:
        self.output, self._snapshot, self._key = output, snapshot, key
        named: list[Asked | Named] = [*output.asked_by.values(), *output.columns.values()]
        for kind in sorted({column.kind for column in named}):
            check_kind(kind, snapshot, key)
        drops = [column for column, named in output.columns.items() if named.on_touched == "drop"]
        if drops and touched is None:
            remedy = "give the keeper's list of touched tokens, or write `on_touched: keep_redacted`"
            fault = "touched records are to be dropped, and nothing tells which these are"
            raise ConfigurationError(*(Fault(fault, remedy, column=name) for name in drops))
        self._touched = _by_kind(touched) if drops and touched is not None else {}

    def __repr__(self) -> str:
        return f"OutputFilter({', '.join([*self.output.asked_by, *self.output.columns])})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a filter is not pickled")

    def __call__(self, frame: Frame) -> tuple[Frame, FilterCounts]:
        """Filter a table.

        Parameters
        ----------
        frame
            Rows in the order of their rank, or in any order with the rank in the column that the policy names; deeper
            than what is kept, so that the list can be refilled. It is not changed.

        Returns
        -------
        Table or DataFrame
            The rows that stay, in the order given, ranked 1, 2, … within each list; other columns as they were, but
            that categories which no row has any more are gone, and dictionaries inside of lists, structs and maps are
            replaced by what they hold. Metadata of an Arrow schema go: they may tell how many rows there were.
        FilterCounts
            For the keeper.

        Raises
        ------
        ConfigurationError
            A column is missing, or of a type that cannot hold an identifier or the new ranks, or of which rows cannot
            be taken without the others.
        KeyFailure
            An identifier is not a published token, and no key was given.
        SourceFailure
            A cell is empty or does not fit its kind, or a rank is no number.
        """
        rows = rows_of(frame)
        asked = self._tokens(rows, self.output.asked_by)
        named = self._tokens(rows, self.output.columns)
        unknown, barred, touched = (np.zeros(len(rows), bool) for _ in range(3))
        for kind, token in asked.values():
            unknown |= self._is_barred(kind, token)
        for column, (kind, token) in named.items():
            barred |= self._is_barred(kind, token)
            if self.output.columns[column].on_touched == "drop" and kind in self._touched:
                touched |= among(*token, *self._touched[kind])
        gone = unknown | barred | touched
        kept, rank, short = _ranked(rows, self.output, [token for _, token in asked.values()], gone, unknown)
        counts = FilterCounts(
            rows_in=len(rows),
            rows_out=len(kept),
            unknown=int(unknown.sum()),
            barred=int((barred & ~unknown).sum()),
            touched=int((touched & ~barred & ~unknown).sum()),
            beyond=int((~gone).sum()) - len(kept),
            short=short,
        )
        filtered: Frame = rows.take(kept, {self.output.rank: rank} if self.output.rank in rows.names else {})
        return filtered, counts

    def _is_barred(self, kind: str, token: Halves) -> np.ndarray:
        barred = self._snapshot.barred[kind]
        return among(*token, barred.hi, barred.lo)

    def _tokens(self, rows: Rows, declared: Mapping[str, Asked] | Mapping[str, Named]) -> dict[str, tuple[str, Halves]]:
        """Kind and tokens of each declared column."""
        faults = Faults()
        found = {}
        for name, column in declared.items():
            reference = Reference.of(name, Column(kind=column.kind, on_seal="drop"))
            for part in [part for part in reference.parts if rows.names.count(part) != 1]:
                faults.say("no such column, or more than one", nearest_column(part, rows.names), column=part)
            if not faults:
                texts = [as_text(rows.column(part), part) for part in reference.parts]
                text = join_parts(texts) if len(texts) > 1 else texts[0]
                kind = self._snapshot.kinds[column.kind]
                found[name] = column.kind, tokens_of(text, column=name, name=column.kind, kind=kind, key=self._key)
        faults.stop(ConfigurationError)
        return found


def filter_output(
    frame: Frame, output: Output, *, snapshot: Snapshot, key: Key | None = None, touched: pa.Table | None = None
) -> tuple[Frame, FilterCounts]:
    """Filter one table once; see `OutputFilter`.

    Examples
    --------
    >>> import datetime as dt, tempfile
    >>> from pathlib import Path
    >>> from sanitizers.identifiers import Kinds, tokenise
    >>> from sanitizers.register import snapshot
    >>> from sanitizers.register.links import BARRED_SCHEMA
    >>> kinds = Kinds.parse("complaint: {scope: shared, pattern: '[0-9]{4}'}")
    >>> key, path, today = Key("ab" * 32), Path(tempfile.mkdtemp()) / "x.snap", dt.date(2020, 1, 1).isoformat()
    >>> sealed = tokenise(pl.Series(["0002"]), name="complaint", kind=kinds["complaint"], key=key)
    >>> barred = pa.table([["complaint"], sealed.hi, sealed.lo, [""]], schema=BARRED_SCHEMA)
    >>> dated = dict.fromkeys(["as_of", "known_at", "last_delivery"], today)
    >>> dated |= {"historical": False, "not_barred": {}, "basis": "", "rules": "us-ny"}
    >>> _ = snapshot.write(path, purpose="model-output", kinds=kinds, key=key, barred=barred, dated=dated)
    >>> named = {"candidate": {"kind": "complaint", "on_seal": "drop", "on_touched": "keep_redacted"}}
    >>> output = Output(asked_by={"asked": {"kind": "complaint"}}, columns=named, keep=2)
    >>> ranked = pa.table({"asked": ["0009"] * 4, "candidate": ["0001", "00-02", "0003", "0004"], "rank": [1, 2, 3, 4]})
    >>> filtered, counts = filter_output(ranked, output, snapshot=snapshot.load(path), key=key)
    >>> filtered.to_pydict()
    {'asked': ['0009', '0009'], 'candidate': ['0001', '0003'], 'rank': [1, 2]}
    >>> print(counts)
    rows_in: 4, rows_out: 2, unknown: 0, barred: 1, touched: 0, beyond: 1, short: 0
    """
    return OutputFilter(output, snapshot=snapshot, key=key, touched=touched)(frame)


def _by_kind(touched: pa.Table) -> dict[str, Halves]:
    """Sorted tokens of the touched records, by kind."""
    if not {"kind", "hi", "lo"} <= set(touched.column_names):
        fault = Fault("the list of touched records has no columns kind, hi, lo", "take the keeper's own")
        raise ConfigurationError(fault)
    frame = pl.DataFrame(pl.from_arrow(touched.select(["kind", "hi", "lo"]))).sort("hi", "lo")
    return {
        str(kind): (own["hi"].cast(pl.UInt64).to_numpy(), own["lo"].cast(pl.UInt64).to_numpy())
        for (kind,), own in frame.group_by("kind", maintain_order=True)
    }


def _ranked(
    rows: Rows, output: Output, asked: Sequence[Halves], gone: np.ndarray, unknown: np.ndarray
) -> tuple[np.ndarray, np.ndarray, int]:
    """Which rows are kept, what rank each then has, and how many lists ended up short."""
    halves = [half for token in asked for half in token] or [np.zeros(len(rows), np.uint64)]
    lists = pl.DataFrame({f"list{i}": half for i, half in enumerate(halves)})
    own = lists.columns
    order = _order(rows, output.rank)
    frame = lists.with_columns(order=order, gone=pl.Series(gone), unknown=pl.Series(unknown)).with_row_index("row")
    staying = frame.filter(~pl.col("gone")).with_columns(rank=pl.col("order").rank("ordinal").over(own))
    kept = staying if output.keep is None else staying.filter(pl.col("rank") <= output.keep)
    short = 0
    if output.keep is not None:
        answered = frame.filter(~pl.col("unknown")).group_by(own)
        left = answered.agg(rows=(~pl.col("gone")).sum(), lost=pl.col("gone").any())
        short = len(left.filter(pl.col("lost") & (pl.col("rows") < output.keep)))
    return kept["row"].to_numpy(), kept["rank"].cast(pl.Int64).to_numpy(), short


def _order(rows: Rows, column: str) -> pl.Series:
    """Tell what the rows are ranked by: the rank column where there is one, else the order they stand in."""
    if column not in rows.names:
        return pl.Series(np.arange(len(rows)))
    if rows.names.count(column) > 1:
        raise ConfigurationError(Fault("more than one column of this name", "rename one", column=column))
    ranks = as_text(rows.column(column), column).cast(pl.Int64, strict=False)
    if ranks.null_count():
        raise SourceFailure(Fault("a rank is empty or no whole number", "mend what writes the output", column=column))
    return ranks
