"""What a strip does to each file of a source: counts for the receipt, prefixes for the roster, never who.

Everything is told by file, so that a later strip can take over the accounts of the files that it leaves alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute

from sanitizers.engine.contract import Engine
from sanitizers.engine.places import placed, row_of
from sanitizers.policy import Reference
from sanitizers.strip.marks import Marks
from sanitizers.strip.receipt import SourceCounts
from sanitizers.trace import Reached, each_once

Prefixes = Mapping[str, np.ndarray]


@dataclass(frozen=True, repr=False)
class Account:
    """What a strip does to one file.

    Parameters
    ----------
    counts
        Exact counts.
    stayed
        Per kind, the sorted uint64 prefixes of the tokens that the clean file holds.
    held
        The same of the raw file, where it was asked for: tokens that go, and those that texts mention, are among them.
    """

    counts: SourceCounts
    stayed: Prefixes
    held: Prefixes

    def __repr__(self) -> str:
        return f"Account(rows={self.counts.rows_in})"


def accounts(engine: Engine, reached: Reached, marks: Marks, *, holding: bool = False) -> list[Account]:
    """The account of every file, or frame, of one source, in their order.

    Parameters
    ----------
    holding
        Whether to tell what the raw files hold, too.
    """
    return list(_Survey(engine, reached, marks, holding=holding).accounts())


class _Survey:
    """The files of one source, and what hits them."""

    def __init__(self, engine: Engine, reached: Reached, marks: Marks, *, holding: bool) -> None:
        self.engine, self.reached, self.read, self.marks = engine, reached, reached.read, marks
        self.holding, self.start = holding, np.array(reached.read.tally.start)

    def file_of(self, rows: np.ndarray) -> np.ndarray:
        """Number of the file that each row stands in."""
        return np.searchsorted(self.start[1:], rows, side="right")

    def by_file(self, rows: np.ndarray) -> list[int]:
        """How many of the rows each file holds."""
        files = len(self.start) - 1
        return [len(rows)] if files == 1 else np.bincount(self.file_of(rows), minlength=files).tolist()

    def split(self, rows: np.ndarray, values: np.ndarray) -> list[np.ndarray]:
        """Values of rows, file by file."""
        if len(self.start) == 2:
            return [values]
        files = self.file_of(rows)
        order = np.argsort(files, kind="stable")
        ends = np.searchsorted(files[order], np.arange(1, len(self.start) - 1))
        return np.split(values[order], ends)

    def share(self, files: list[list[np.ndarray]], rows: np.ndarray, values: np.ndarray) -> None:
        """Give each file the values of its rows."""
        for own, some in zip(files, self.split(rows, values), strict=True):
            if len(some):
                own.append(some)

    def accounts(self) -> Iterator[Account]:
        """See `accounts`."""
        references = self.read.source.references
        columns = [_Column(self, number, ref) for number, ref in enumerate(references)]
        marks, rows = self.marks, np.diff(self.start).tolist()
        changed = np.logical_or.reduce([marks.touched, *marks.mentioned]) & ~marks.gone
        dropped, altered = self.by_file(self.reached.gone), self.by_file(np.flatnonzero(changed))
        told_by = zip(self.read.source.text, marks.mentioned, strict=False)
        texts = dict.fromkeys(self.read.source.text, [0] * len(rows))
        texts |= {name: self.by_file(np.flatnonzero(own)) for name, own in told_by}
        told = self._told() if self.holding else []
        for file in range(len(rows)):
            counts = SourceCounts(
                rows_in=rows[file],
                rows_kept=rows[file] - dropped[file],
                rows_dropped=dropped[file],
                columns={column.ref.name: column.hits(file) for column in columns},
                texts={name: count[file] for name, count in texts.items()},
                missing={column.ref.name: column.missing(file) for column in columns},
                malformed=sum(len(own) for part, _, own in self.read.tally.malformed if part == file),
                rows_changed=altered[file],
            )
            stayed = _by_kind((column.ref.kind, column.stayed[file]) for column in columns)
            own = [(column.ref.kind, column.held[file]) for column in columns] if self.holding else []
            yield Account(counts, stayed, _by_kind([*own, *told[file]] if self.holding else []))

    def _told(self) -> list[list[tuple[str, np.ndarray]]]:
        """For each file, kinds and prefixes of everything that its texts mention."""
        files: list[list[tuple[str, np.ndarray]]] = [[] for _ in self.read.parts]
        if self.reached.told is not None:
            found = self.engine.fetch(self.reached.told.select("kind", "row", "hi"))
            for kind in pa.compute.unique(found["kind"]).to_pylist():
                own = found.filter(pa.compute.equal(found["kind"], kind))
                for file, prefixes in enumerate(self.split(own["row"].to_numpy(), own["hi"].to_numpy())):
                    files[file].append((kind, prefixes))
        return files


class _Column:
    """One identifier column of a source, file by file."""

    def __init__(self, survey: _Survey, number: int, ref: Reference) -> None:
        self.survey, self.ref = survey, ref
        marks = survey.marks
        own = marks.ref == number
        row, via = marks.row[own], marks.via[own]
        self.stayed, self.held, present = self._prefixes(number)
        if ref.elements:
            first = np.lexsort((via, row))  # a row of a list counts for its first link
            row, via = row[first], via[first]
            once = np.ones(len(row), bool)
            once[1:] = row[1:] != row[:-1]
            row, via = row[once], via[once]
        files, links = len(survey.start) - 1, len(marks.links)
        counted = np.bincount(survey.file_of(row) * links + via, minlength=files * links)
        self._hits = counted.reshape(files, links)
        self._absent = [count - len(own) for count, own in zip(present, self.stayed, strict=True)]

    def _prefixes(self, number: int) -> tuple[list[np.ndarray], list[np.ndarray], np.ndarray]:
        """Prefixes of the tokens that stay in each file, and of those that it held, where that was asked for.

        Returns
        -------
        list of array
            What stays.
        list of array
            What the file held.
        array
            How many cells of the column each clean file has, without those in lists that are null.
        """
        survey, tokens = self.survey, self.survey.read.tokens
        stayed: list[list[np.ndarray]] = [[] for _ in survey.read.parts]
        held: list[list[np.ndarray]] = [[] for _ in survey.read.parts]
        emptied, away = self._emptied()
        cleared, removed = self._emptied_places()
        present = self._without_token(number, away, removed)
        columns = ["hi", "row", "pos"] if self.ref.elements else ["hi", "row"]
        for batch in survey.engine.stream(tokens.filter(tokens.ref == number, tokens.row >= 0).select(*columns)):
            prefix, stands = batch["hi"].to_numpy(), batch["row"].to_numpy()
            stays = ~emptied[stands]
            if self.ref.elements:
                place = placed(stands, batch["pos"].to_numpy())
                stays &= ~np.isin(place, cleared)
                present += survey.by_file(stands[~away[stands] & ~np.isin(place, removed)])
            survey.share(stayed, stands[stays], prefix[stays])
            if survey.holding:
                survey.share(held, stands, prefix)
        return [_joined(own, np.uint64) for own in stayed], [_joined(own, np.uint64) for own in held], present

    def _without_token(self, number: int, away: np.ndarray, removed: np.ndarray) -> np.ndarray:
        """How many elements of each clean file have no token; where it is no list, how many rows it has."""
        survey = self.survey
        if not self.ref.elements:
            return np.array(survey.by_file(np.flatnonzero(~survey.marks.gone)))
        absent = _joined(survey.read.tally.missing.get(number, []), np.int64)
        rows = row_of(absent[~np.isin(absent, removed)])
        return np.array(survey.by_file(rows[~away[rows]]))

    def _emptied(self) -> tuple[np.ndarray, np.ndarray]:
        """Rows in which nothing of this column is left, and those in which the list that it stands in is not either."""
        marks, places = self.survey.marks, self.survey.read.places
        emptied, away = marks.gone.copy(), marks.gone.copy()
        list_ = places[self.ref.parts[0]].list_
        for number, other in enumerate(self.survey.read.source.references):
            names = [name for name in self._covering(other) if not self._same_list(other, name)]
            if names:
                emptied |= marks.hit(number)
            if list_ and any(places[name].covers(list_) for name in names):
                away |= marks.hit(number)
        return emptied, away

    def _emptied_places(self) -> tuple[np.ndarray, np.ndarray]:
        """Row and place (see `placed`) of each element in which a seal empties this column, and of those that go."""
        marks = self.survey.marks
        cleared: list[np.ndarray] = []
        removed: list[np.ndarray] = []
        for number, other in enumerate(self.survey.read.source.references):
            own = placed(marks.row[marks.ref == number], marks.pos[marks.ref == number])
            if other.column.on_seal == "element" and self._same_list(other, self.ref.parts[0]):
                removed.append(own)
            elif any(self._same_list(other, name) for name in self._covering(other)):
                cleared.append(own)
        return _joined([*cleared, *removed], np.int64), _joined(removed, np.int64)

    def _covering(self, other: Reference) -> list[str]:
        """What a reference redacts that this column lies in, or is."""
        places = self.survey.read.places
        return [name for name in other.redacted if any(places[name].covers(places[part]) for part in self.ref.parts)]

    def _same_list(self, other: Reference, name: str) -> bool:
        """Whether a reference and what it redacts stand in one list: then in the same element only."""
        places = self.survey.read.places
        list_ = places[name].list_
        return list_ is not None and list_ == places[other.parts[0]].list_

    def hits(self, file: int) -> dict[str, object]:
        """What the receipt tells of the column."""
        by_link = {via: int(rows) for via, rows in zip(self.survey.marks.links, self._hits[file], strict=True) if rows}
        return {
            "kind": self.ref.kind,
            "on_seal": self.ref.column.on_seal if isinstance(self.ref.column.on_seal, str) else "redact",
            "rows": sum(by_link.values()),
            "by_link": {via: rows for via, rows in sorted(by_link.items()) if via},
        }

    def missing(self, file: int) -> int:
        """Cells that hold no reference in the clean file, emptied ones among them: its file tells as much."""
        return int(self._absent[file])


def _joined(some: Sequence[np.ndarray], kind: type[np.integer[Any]]) -> np.ndarray:
    return np.concatenate([np.empty(0, kind), *some])


def _by_kind(found: Iterable[tuple[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Prefixes of each kind, sorted, each once."""
    kinds: dict[str, list[np.ndarray]] = {}
    for kind, prefixes in found:
        kinds.setdefault(kind, []).append(prefixes)
    return {kind: each_once(np.concatenate(own)) for kind, own in sorted(kinds.items())}
