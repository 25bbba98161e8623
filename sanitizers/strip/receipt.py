"""The receipt of one strip: counts and the SHA-256 of every published file, never who.

Counts from one to four are not told; the keeper's copy has them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, ConfigDict, TypeAdapter

from sanitizers.errors import Fault, SourceFailure

FORMAT = 1
SMALL = 5
HIDDEN, WITHHELD = f"under {SMALL}", "withheld"
RECEIPT = "receipt.json"
Count = int | str
_COLUMN: dict[str, Any] = {"kind": str, "on_seal": str, "rows": Count, "by_link": dict}


def _column(told: dict[str, Any]) -> dict[str, Any]:
    """What a receipt that was read tells of a column, and no more."""
    fits = told.keys() == _COLUMN.keys() and all(isinstance(told[name], kind) for name, kind in _COLUMN.items())
    if not fits or not all(isinstance(rows, Count) for rows in told["by_link"].values()):
        raise ValueError("is not what a receipt tells of a column")
    return told


@dataclass(frozen=True)
class SourceCounts:
    """What happened to one source.

    Parameters
    ----------
    rows_in, rows_kept, rows_dropped
        Rows; in = kept + dropped.
    rows_changed
        Rows that stay and lose cells, list elements or a text.
    columns
        Per identifier column: its kind, what a seal does, rows hit, and how many of these came in by which link.
    texts
        Per text column: texts with a barred mention.
    missing
        Per identifier column: cells that hold no reference in the clean source, emptied ones among them.
    malformed
        Rows dropped because an identifier does not fit its kind (only with `malformed: drop`).
    """

    rows_in: Count
    rows_kept: Count
    rows_dropped: Count
    columns: dict[str, Annotated[dict[str, Any], AfterValidator(_column)]]
    texts: dict[str, Count]
    missing: dict[str, Count]
    malformed: Count = 0
    rows_changed: Count = 0

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Receipt:
    """What one strip did. Says who did what to which files, and no identity."""

    policy: str
    purpose: str
    rules: str
    basis: str
    snapshot: str
    key_fingerprint: str
    kinds: str
    sources: dict[str, SourceCounts]
    files: dict[str, str] = field(default_factory=dict)
    format: int = FORMAT

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def public(self) -> Receipt:
        """The receipt with counts from one to four withheld, and what would give them away."""
        return replace(self, sources={name: _public(counts) for name, counts in self.sources.items()})

    def to_json(self) -> str:
        """JSON, sorted and indented: equal receipts give equal bytes."""
        return json.dumps(asdict(self), indent=1, sort_keys=True) + "\n"

    @classmethod
    def read(cls, path: Path) -> Receipt:
        """Read a receipt.

        Raises
        ------
        SourceFailure
            Not there, or not a receipt of this format.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            if content["format"] == FORMAT:
                return TypeAdapter(cls).validate_python(content)
        except (OSError, ValueError, KeyError, TypeError):
            pass
        raise SourceFailure(Fault("is not a receipt of this release", "run `sealproof strip` again", where=str(path)))


def _small(count: Count) -> Count:
    return HIDDEN if isinstance(count, int) and 0 < count < SMALL else count


def _public(counts: SourceCounts) -> SourceCounts:
    columns = {name: _public_column(told) for name, told in counts.columns.items()}
    dropping = {name for name, told in columns.items() if told["on_seal"] == "drop"}

    def union(total: Count, names: Iterable[str], others: Iterable[Count]) -> Count:
        withheld = any(columns[name]["rows"] == WITHHELD for name in names)
        told = _union(total, [*(counts.columns[name]["rows"] for name in names), *others])
        return WITHHELD if withheld and told != HIDDEN else told

    dropped = union(counts.rows_dropped, dropping, [counts.malformed])
    return replace(
        counts,
        rows_in=counts.rows_in if isinstance(dropped, int) else dropped,
        rows_dropped=dropped,
        columns=columns,
        texts={name: _small(count) for name, count in counts.texts.items()},
        malformed=_small(counts.malformed),
        rows_changed=union(counts.rows_changed, columns.keys() - dropping, counts.texts.values()),
    )


def _union(total: Any, causes: Sequence[Any]) -> Count:
    """A count of rows that several causes share, withheld where what the causes leave of it is a small count."""
    apart = [total - cause for cause in causes] + [sum(causes) - total]
    tells = any(_small(count) == HIDDEN for count in [*causes, *apart])
    return WITHHELD if tells and total >= SMALL else _small(total)


def _public_column(told: dict[str, Any]) -> dict[str, Any]:
    """Counts of one column; the total is withheld where what the links leave of it would give a small count away."""
    links = {via: _small(rows) for via, rows in told["by_link"].items()}
    direct = told["rows"] - sum(told["by_link"].values())
    tells = bool(links) and (0 < direct < SMALL or HIDDEN in links.values())
    return {**told, "rows": WITHHELD if tells else _small(told["rows"]), "by_link": links}


def total(counts: Sequence[SourceCounts]) -> SourceCounts:
    """The counts of a source from those of its files, of which there is at least one."""
    sums: dict[str, Any] = {}
    for name in ("rows_in", "rows_kept", "rows_dropped", "malformed", "rows_changed"):
        sums[name] = sum(getattr(own, name) for own in counts)
    for name in ("texts", "missing"):
        sums[name] = _summed([getattr(own, name) for own in counts])
    columns = {}
    for name, told in counts[0].columns.items():
        own = [count.columns[name] for count in counts]
        rows, by_link = sum(one["rows"] for one in own), _summed([one["by_link"] for one in own])
        columns[name] = {**told, "rows": rows, "by_link": dict(sorted(by_link.items()))}
    return SourceCounts(columns=columns, **sums)


def _summed(counts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    summed: dict[str, Any] = {}
    for own in counts:
        for name, count in own.items():
            summed[name] = summed.get(name, 0) + count
    return summed


__all__ = ["HIDDEN", "RECEIPT", "SMALL", "WITHHELD", "Receipt", "SourceCounts", "total"]
