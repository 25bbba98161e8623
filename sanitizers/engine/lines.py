"""JSON lines: a file with one object a line, read as text and written again where it stood.

Readers of JSON keep neither how a number is spelled nor which keys are absent. So the text itself is kept: where each
value stands in it is found with arrays of bytes, and a clean line is the raw one with other values put in their place.
A cell is the text of a string, or what stands there for any other value; null and an absent key are no cell. A field of
an object is a cell too, by a name like ``person.sid``: the objects are lines of their own, within the lines.
"""

from __future__ import annotations

import codecs
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute

from sanitizers.errors import Fault, Faults, SourceFailure, gathered

LINE = "sealproof_line"
_BLOCK = 1 << 22  # bytes that are looked at together
_BLANK = np.isin(np.arange(256), list(b" \t\r\n"))
_BRACKETS = np.isin(np.arange(256), list(b"{}[]:,"))
_STEP = np.zeros(256, np.int32)
_STEP[list(b"{[")], _STEP[list(b"}]")] = 1, -1
_ESCAPED = {chr(code): json.dumps(chr(code))[1:-1] for code in [*range(32), ord('"'), ord("\\")]}


class Block:
    """Whole lines of a file. Blank ones are no rows.

    Parameters
    ----------
    content
        UTF-8, with an end after each line.
    where
        The file, for messages.
    first
        Number of the first line in it.
    numbers
        Number of every line, if they do not follow each other.

    Raises
    ------
    SourceFailure
        A line that is not UTF-8, or that is no object.
    """

    def __init__(self, content: bytes, *, where: str, first: int = 1, numbers: np.ndarray | None = None) -> None:
        self._content, self._where, self._first, self._numbers = content, where, first, numbers
        self._bytes = np.frombuffer(content, np.uint8)
        self._objects: dict[str, tuple[np.ndarray, Block]] = {}
        stops = np.flatnonzero(self._bytes == ord("\n"))
        starts = np.concatenate([[0], stops[:-1] + 1])[: len(stops)]
        opened, closed = self._trimmed(starts - 1, stops)
        full = closed > starts
        self._line, self._start, self._stop = np.flatnonzero(full), starts[full], stops[full]
        self._open, self._close = opened[full], closed[full] - 1
        self._check_utf8()
        self._places, self._depth = self._structure()

    def __repr__(self) -> str:
        return f"Block({self.rows} lines)"

    @property
    def rows(self) -> int:
        """How many rows it holds."""
        return len(self._start)

    @cached_property
    def _shown(self) -> np.ndarray:
        return np.flatnonzero(~_BLANK[self._bytes])

    def _check_utf8(self) -> None:
        bad = None
        try:
            codecs.decode(self._content, "utf-8")
        except UnicodeDecodeError as error:
            bad = self._content.count(b"\n", 0, error.start)
        if bad is not None:
            raise SourceFailure(self._fault(bad, "is not UTF-8", "write the file as UTF-8"))

    def _fault(self, line: int, problem: str, remedy: str) -> Fault:
        number = self._first + line if self._numbers is None else int(self._numbers[line])
        return Fault(problem, remedy, where=self._where, line=number)

    def _structure(self) -> tuple[np.ndarray, np.ndarray]:
        """Places of the brackets, colons and commas outside of texts, and how deep one is in after each."""
        quotes = self._quotes()
        told = np.searchsorted(quotes, self._stop)
        toggles = np.zeros(len(self._bytes), np.uint8)
        toggles[quotes] = 1
        within = np.cumsum(toggles, dtype=np.uint8) & 1
        places = np.flatnonzero(_BRACKETS[self._bytes] & (within == 0))
        depth = np.cumsum(_STEP[self._bytes[places]])
        ends = places[depth == 0]
        once = np.searchsorted(ends, self._stop) == np.arange(1, self.rows + 1)
        framed = (self._bytes[self._open] == ord("{")) & (self._bytes[self._close] == ord("}"))
        odd = np.flatnonzero(~(once & framed & (told % 2 == 0)))
        if len(odd):
            raise SourceFailure(self._no_object(int(odd[0])))
        return places, depth

    def _no_object(self, row: int) -> Fault:
        return self._fault(int(self._line[row]), "is no JSON object", "write one object on each line, closed in it")

    def _half(self, row: int) -> Fault:
        remedy = r"write characters beyond `\uffff` with both of their halves"
        return self._fault(int(self._line[row]), "holds half a character", remedy)

    def _quotes(self) -> np.ndarray:
        """Places of the quotes that begin or end a text: an even number of backslashes stands before them."""
        quotes = np.flatnonzero(self._bytes == ord('"'))
        if b"\\" not in self._content:
            return quotes
        strokes = np.flatnonzero(self._bytes == ord("\\"))
        first = strokes[np.diff(strokes, prepend=-2) > 1]  # of each run of them
        after = np.flatnonzero(self._bytes[quotes - 1] == ord("\\"))  # a text has begun before them
        length = quotes[after] - first[np.searchsorted(first, quotes[after]) - 1]
        real: np.ndarray = np.delete(quotes, after[length % 2 == 1])
        return real

    def check(self) -> None:
        """Raise SourceFailure for the first line that is no JSON, or has a key twice or half a character in one."""
        lines = self.lines.to_pylist()
        if not _sound(lines):
            raise SourceFailure(self._no_object(next(row for row, line in enumerate(lines) if not _sound([line]))))
        self._check_keys()

    def _check_keys(self) -> None:
        halved = [code for code, name in enumerate(self.names) if _halved(name)]
        if halved:
            raise SourceFailure(self._half(int(self._row[np.isin(self._code, halved)].min())))
        pairs = np.sort(self._row * len(self.names) + self._code)
        twice = pairs[1:][pairs[1:] == pairs[:-1]]
        if len(twice):
            line = int(self._line[twice[0] // len(self.names)])
            raise SourceFailure(self._fault(line, "has a key twice", "keep one, the right one, where it is written"))

    @cached_property
    def _members(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Places of the marks around each member: what stands before its key, the colon, what ends its value."""
        mark = self._bytes[self._places]
        level = (self._depth == 1) & np.isin(mark, list(b"{:,"))
        tops = self._places[level | (self._depth == 0)]
        colons = np.flatnonzero(self._bytes[tops] == ord(":"))
        return tops[colons - 1], tops[colons], tops[colons + 1]

    @cached_property
    def _row(self) -> np.ndarray:
        ends = np.searchsorted(self._members[1], self._stop)
        return np.repeat(np.arange(self.rows), np.diff(ends, prepend=0))

    @cached_property
    def _values(self) -> tuple[np.ndarray, np.ndarray]:
        """First and last place of each value, the last one excluded."""
        _, colon, end = self._members
        return self._trimmed(colon, end)

    def _trimmed(self, before: np.ndarray, after: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First and last place of what is no blank between two marks, the last excluded: equal where there is none."""
        start, end = before + 1, after.copy()
        if len(wide := np.flatnonzero(_BLANK[self._bytes[start]])):
            start[wide] = np.append(self._shown, 0)[np.searchsorted(self._shown, start[wide])]
        if len(wide := np.flatnonzero(_BLANK[self._bytes[end - 1]])):
            end[wide] = np.append(self._shown, -1)[np.searchsorted(self._shown, end[wide]) - 1] + 1
        return start, end

    @cached_property
    def _keyed(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Keys in order of appearance, and the number of each member's key."""
        start, end = self._trimmed(*self._members[:2])
        written = self._texts(start + 1, end - 1).dictionary_encode()
        spoken = _unescaped(written.dictionary.to_pylist())
        names = {name: number for number, name in enumerate(dict.fromkeys(spoken))}
        known = np.array([names[name] for name in spoken], np.int64)
        return tuple(names), known[written.indices.to_numpy()]

    @property
    def _code(self) -> np.ndarray:
        return self._keyed[1]

    @property
    def names(self) -> tuple[str, ...]:
        """The keys in order of appearance."""
        return self._keyed[0]

    def nested(self) -> set[str]:
        """Keys that have a list or an object somewhere."""
        first = self._bytes[self._values[0]]
        return {self.names[code] for code in np.unique(self._code[(first == ord("[")) | (first == ord("{"))])}

    def look(self, name: str) -> set[str]:
        """What stands at a field of objects, in words: see `Told`.

        ``there`` if one has it, ``lacking`` if there are some and none does, ``nested`` if it holds lists or objects,
        ``barred`` if a list or a value stands in place of an object.
        """
        head, dot, rest = name.partition(".")
        if not dot:
            told = {"there"} if name in self.names else {"lacking"} if self.rows else set()
            return told | ({"nested"} if name in self.nested() else set())
        first = self._bytes[self._values[0][self._members_of(head)]]
        barred = ((first != ord("{")) & (first != ord("n"))).any()
        _, inner = self._inner(head)
        inner._check_keys()
        return inner.look(rest) | ({"barred"} if barred else set())

    def _inner(self, name: str) -> tuple[np.ndarray, Block]:
        """Members of a key that are objects, and the objects as lines; looked at once, whatever is asked of them."""
        if name not in self._objects:
            self._objects[name] = self._objects_of(name)
        return self._objects[name]

    def _objects_of(self, name: str) -> tuple[np.ndarray, Block]:
        member = self._members_of(name)
        member = member[self._bytes[self._values[0][member]] == ord("{")]
        pieces = self._pieces(*(place[member] for place in self._values)).to_pylist()
        numbers = self._line[self._row[member]]
        numbers = self._first + numbers if self._numbers is None else self._numbers[numbers]
        return member, Block(b"".join(piece + b"\n" for piece in pieces), where=self._where, numbers=numbers)

    def _texts(self, start: np.ndarray, end: np.ndarray) -> pa.Array:
        return self._pieces(start, end).cast(pa.large_string())

    def _pieces(self, start: np.ndarray, end: np.ndarray) -> pa.Array:
        """What stands from each start to its end, which is not behind the next start."""
        marks = np.zeros(2 * len(start) + 1, np.int64)  # of what stands between them, too
        marks[1::2], marks[2::2] = start, end
        marks = np.maximum.accumulate(marks)  # nothing is read from elsewhere, whatever has become of the file
        buffers = [None, pa.py_buffer(marks), pa.py_buffer(self._content)]
        cut = pa.LargeBinaryArray.from_buffers(pa.large_binary(), 2 * len(start), buffers)
        return cut.take(pa.array(np.arange(1, 2 * len(start), 2)))

    @property
    def lines(self) -> pa.Array:
        """The rows as they are written, with their ends."""
        return self._pieces(self._start, self._stop + 1)

    def column(self, name: str) -> pa.Array:
        """The cells of a key, or of a field of the objects that it has, as texts.

        Raises
        ------
        SourceFailure
            A text holds half a character.
        """
        head, dot, rest = name.partition(".")
        if name not in self.names and dot and head in self.names:
            member, inner = self._inner(head)
            place = np.full(self.rows, -1)
            place[self._row[member]] = np.arange(len(member))
            return inner.column(rest).take(pa.array(place, mask=place < 0))
        member = self._members_of(name)
        start, end = (place[member] for place in self._values)
        first = self._bytes[start]
        quoted, said = first == ord('"'), first != ord("n")
        texts = self._texts(start + quoted, end - quoted)
        escaped = quoted & np.asarray(pa.compute.match_substring(texts, "\\"))
        if escaped.any():
            spoken = _unescaped(texts.filter(pa.array(escaped)).to_pylist())
            half = next((number for number, text in enumerate(spoken) if _halved(text)), None)
            if half is not None:
                raise SourceFailure(self._half(int(self._row[member][np.flatnonzero(escaped)[half]])))
            texts = pa.compute.replace_with_mask(texts, pa.array(escaped), pa.array(spoken, pa.large_string()))
        place = np.full(self.rows, -1)
        place[self._row[member][said]] = np.flatnonzero(said)
        return texts.take(pa.array(place, mask=place < 0)).cast(pa.string())

    def _members_of(self, name: str) -> np.ndarray:
        return np.flatnonzero(self._code == self.names.index(name)) if name in self.names else np.empty(0, np.int64)

    def with_cells(self, cells: Mapping[str, pa.Array]) -> bytes:
        """The lines with other cells put in where they differ; a key that a line lacks comes at its end.

        A line without any key gets none: no seal reaches it, as it has no identifier. Nor does an empty object.
        """
        flat = {name: column for name, column in cells.items() if name in self.names or "." not in name}
        within = {name.partition(".")[0] for name in cells if name not in flat}
        edits = [self._edits(name, column) for name, column in flat.items()]
        edits += [self._edits_within(head, cells) for head in sorted(within)]
        start, end, text = (np.concatenate(own) for own in zip(*edits, strict=True))
        order = np.argsort(start, kind="stable")
        start, end = start[order], end[order]
        between = self._pieces(np.concatenate([[0], end]), np.concatenate([start, [len(self._bytes)]])).to_pylist()
        written = [*text[order].tolist(), b""]
        return b"".join(itertools.chain.from_iterable(zip(between, written, strict=True)))

    def _edits_within(self, head: str, cells: Mapping[str, pa.Array]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where objects with other cells go, and how they are written."""
        member, inner = self._inner(head)
        rows = pa.array(self._row[member])
        fields = {name.removeprefix(f"{head}."): own for name, own in cells.items() if name.startswith(f"{head}.")}
        written = inner.with_cells({name: own.take(rows) for name, own in fields.items()}).split(b"\n")[:-1]
        start, end = (place[member] for place in self._values)
        other = np.array([one != was for one, was in zip(written, inner.lines.to_pylist(), strict=True)], bool)
        return start[other], end[other], np.array(written, object)[other]

    def _edits(self, name: str, column: pa.Array) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Where other cells of a key go, and what is written there."""
        raw = self.column(name)
        other = pa.compute.not_equal(raw, column).fill_null(False)
        rows = np.flatnonzero(pa.compute.or_(other, pa.compute.xor(raw.is_null(), column.is_null())))
        rows = rows[np.isin(rows, self._row)]
        member = self._members_of(name)
        there = np.full(self.rows, -1)
        there[self._row[member]] = member
        absent = there[rows] < 0
        start, end = (np.where(absent, self._close[rows], _at(place, there[rows])) for place in self._values)
        values = _written(column.take(pa.array(rows)))
        key = f", {json.dumps(name, ensure_ascii=False)}: "
        text = [f"{key}{value}" if new else value for value, new in zip(values, absent.tolist(), strict=True)]
        return start, end, np.array([one.encode() for one in text], object)


def _sound(lines: list[bytes]) -> bool:
    """Whether lines are JSON; how long a number is does not matter."""
    try:
        json.loads(b"[" + b",".join(lines) + b"]", parse_int=float)
    except (ValueError, RecursionError):
        return False
    return True


def _at(places: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Places by number; any where there is none."""
    return places[numbers] if len(places) else numbers


def _unescaped(texts: list[str]) -> list[str]:
    spoken: list[str] = json.loads('["' + '","'.join(texts) + '"]') if texts else []
    return spoken


def _halved(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


def _written(column: pa.Array) -> list[str]:
    """Cells as JSON: texts in quotes, null for none."""
    escaped = pl.Series(pl.from_arrow(column)).cast(pl.String).str.replace_many(_ESCAPED)
    return pl.select(pl.concat_str(pl.lit('"'), escaped, pl.lit('"')).fill_null("null")).to_series().to_list()


def blocks(path: Path) -> Iterator[Block]:
    """The file's lines, some at a time; a byte order mark is no part of them.

    Raises
    ------
    SourceFailure
        See `Block`.
        The file cannot be opened.
    """
    first, waiting = 1, b""
    with _opened(path) as stream:
        if stream.read(3) != codecs.BOM_UTF8:
            stream.seek(0)
        while some := stream.read(_BLOCK):
            head, end, tail = (waiting + some).rpartition(b"\n")
            if end:
                yield Block(head + end, where=str(path), first=first)
                first += head.count(b"\n") + 1
            waiting = tail
    if waiting:
        yield Block(waiting + b"\n", where=str(path), first=first)


def _opened(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    raise SourceFailure(Fault(problem, "name an existing file", where=str(path)))


def batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Cells of the rows in order; as `LINE` the rows as they are written."""
    for block in blocks(path):
        found = [block.lines if name == LINE else block.column(name) for name in columns]
        yield pa.record_batch(found, names=list(columns))


def line_of(path: Path, row: int) -> int | None:
    """Line of a row that is counted from 0; None where nobody knows."""
    with path.open("rb") as stream:
        full = (number for number, line in enumerate(stream, start=1) if line.strip(b" \t\r\n"))
        return next(itertools.islice(full, row, None), None)


def rewritten(rows: pa.RecordBatch) -> bytes:
    """Lines with the cells of the other columns put in."""
    lines = b"".join(rows.column(LINE).to_pylist())
    cells = {name: rows.column(name) for name in rows.schema.names if name != LINE}
    return Block(lines, where="").with_cells(cells) if lines and cells else lines


@dataclass(frozen=True, repr=False)
class Told:
    """What the lines of one file have.

    Parameters
    ----------
    names
        Keys in order of appearance.
    nested
        Keys that have a list or an object somewhere, and fields that were asked for.
    rows
        How many lines there are.
    fields
        Fields of objects that were asked for: a line has them, or every line has null in place of the object.
    barred
        Fields that were asked for, where a line has a list or a value in place of an object.
    """

    names: tuple[str, ...]
    nested: frozenset[str]
    rows: int
    fields: frozenset[str] = frozenset()
    barred: frozenset[str] = frozenset()

    @classmethod
    def by(cls, path: Path, named: Sequence[str] = ()) -> Told:
        """Read a file; raise SourceFailure for a line that is no object, is not UTF-8 or has a key twice.

        Parameters
        ----------
        named
            What to look for; names of fields have a dot.
        """
        found: dict[str, None] = {}
        nested: set[str] = set()
        looked: dict[str, set[str]] = {name: set() for name in named if "." in name}
        rows = 0
        for block in blocks(path):
            block.check()
            found |= dict.fromkeys(block.names)
            nested |= block.nested()
            rows += block.rows
            for name, told in looked.items():
                told |= block.look(name)
        nested |= {name for name, told in looked.items() if "nested" in told}
        barred = {name for name, told in looked.items() if "barred" in told}
        fields = {name for name, told in looked.items() if "there" in told}
        fields |= {name for name, told in looked.items() if not told and name.partition(".")[0] in found}
        return cls(tuple(found), frozenset(nested), rows, frozenset(fields), frozenset(barred))


@dataclass(frozen=True)
class Keys:
    """The keys that stand in the files of one source.

    Parameters
    ----------
    paths
        All files of the source, as their lines need not have the same keys.
    named
        Keys that the policy names; they are columns also where no line has them.
    """

    paths: tuple[Path, ...]
    named: tuple[str, ...] = ()

    @cached_property
    def files(self) -> dict[Path, Told]:
        """What each file has.

        Raises
        ------
        SourceFailure
            See `Told.by`; of all files together.
        """
        told = {}
        faults = Faults()
        for path in self.paths:
            with gathered(faults):
                told[path] = Told.by(path, self.named)
        faults.stop(SourceFailure)
        return told

    @property
    def schema(self) -> pa.Schema:
        """The columns, all text."""
        found = [name for told in self.files.values() for name in told.names]
        named = [name for name in self.named if "[]" not in name]
        return pa.schema([(name, pa.string()) for name in dict.fromkeys([*found, *named])])
