"""Geometry of the report's one figure: how rows and files flow from the sources to the model.

Up to the clean sources a band is as wide as its share of the rows; from there on the chain goes by digests, and its
lines carry no number. The template draws what stands here, so that the page needs no script and prints as it looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from sanitizers.report.summary import STRIP, Step, Summary
from sanitizers.strip.receipt import SMALL, Count

BOX, GAP, ROOM, TOP = 150.0, 70.0, 16.0, 34.0
TALL, FLOW, THIN = 46.0, 220.0, 1.5


@dataclass(frozen=True)
class Box:
    """A labelled box; `kind` chooses its colour."""

    x: float
    y: float
    height: float
    kind: str
    name: str
    note: str

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + BOX

    @property
    def middle(self) -> float:
        """Half its height."""
        return self.y + self.height / 2


@dataclass(frozen=True)
class Band:
    """A band between two boxes, drawn as the outline of a filled shape."""

    outline: str
    kind: str
    title: str


@dataclass(frozen=True)
class Figure:
    """The drawing, in its own units."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    bands: tuple[Band, ...]
    heads: tuple[tuple[float, str], ...]


def size(count: Count) -> float:
    """A count as a number to draw; a withheld one lies between one and four.

    Examples
    --------
    >>> size(12), size("under 5")
    (12.0, 2.5)
    """
    return float(count) if isinstance(count, int) else SMALL / 2


def draw(summary: Summary) -> Figure:
    """Lay out the figure of a report."""
    flow = _Flow(summary)
    columns = [flow.sources, flow.outcomes, [flow.clean], *_layers(summary)]
    height = max(sum(box.height + ROOM for box in column) for column in columns)
    boxes = [list(_stacked(column, number, height)) for number, column in enumerate(columns)]
    heads = ["raw sources", "what seals did", "clean sources", *["made from them"] * (len(columns) > len(columns[:3]))]
    placed = {box.name: box for column in boxes for box in column}
    return Figure(
        width=len(columns) * (BOX + GAP) - GAP,
        height=height + TOP,
        boxes=tuple(placed.values()),
        bands=(*flow.bands(placed), *_lines(summary, placed)),
        heads=tuple((number * (BOX + GAP), head) for number, head in enumerate(heads)),
    )


def _stacked(column: Sequence[Box], number: int, height: float) -> Iterator[Box]:
    """Place the boxes of one column below each other, centred."""
    y = TOP + (height - sum(box.height + ROOM for box in column)) / 2
    for box in column:
        yield Box(number * (BOX + GAP), y, box.height, box.kind, box.name, box.note)
        y += box.height + ROOM


def _box(name: str, note: str, kind: str, height: float = TALL) -> Box:
    return Box(0, 0, max(height, TALL), kind, name, note)


def _rows(*counts: Count) -> str:
    told = sum(count for count in counts if isinstance(count, int))
    withheld = any(not isinstance(count, int) for count in counts)
    text = f"{told:,}" if told or not withheld else ""
    return f"{text}{' + ' if text and withheld else ''}{f'under {SMALL}' if withheld else ''} rows"


class _Flow:
    """Rows from the sources through kept and dropped to the clean sources."""

    def __init__(self, summary: Summary) -> None:
        self.counts = summary.receipt.sources
        total = sum(size(counts.rows_kept) + size(counts.rows_dropped) for counts in self.counts.values())
        self.scale = FLOW / max(total, 1)
        kept = [counts.rows_kept for counts in self.counts.values()]
        dropped = [counts.rows_dropped for counts in self.counts.values()]
        self.sources = [
            _box(name, _rows(c.rows_kept, c.rows_dropped), "source", self._wide(c.rows_kept) + self._wide(c.rows_dropped))
            for name, c in self.counts.items()
        ]
        self.outcomes = [
            _box("rows kept", _rows(*kept), "kept", sum(map(self._wide, kept))),
            _box("rows dropped", _rows(*dropped), "dropped", sum(map(self._wide, dropped))),
        ]
        self.clean = _box("clean sources", f"{len(summary.receipt.files):,} files", "kept", self.outcomes[0].height)

    def _wide(self, count: Count) -> float:
        return max(size(count) * self.scale, THIN) if size(count) else 0.0

    def bands(self, placed: dict[str, Box]) -> Iterator[Band]:
        """The bands of this part."""
        ends = {box.name: _entry(placed[box.name], box.height) for box in self.outcomes}
        into = {"rows kept": 0.0, "rows dropped": 0.0}
        for name, counts in self.counts.items():
            out = 0.0
            whole = self._wide(counts.rows_kept) + self._wide(counts.rows_dropped)
            start = placed[name].middle - whole / 2
            for outcome, count in (("rows kept", counts.rows_kept), ("rows dropped", counts.rows_dropped)):
                wide = self._wide(count)
                if wide:
                    kind = outcome.removeprefix("rows ")
                    at = (placed[name].right, start + out), (placed[outcome].x, ends[outcome] + into[outcome])
                    yield Band(_outline(*at, wide), kind, f"{name}: {_rows(count)} {kind}")
                out += wide
                into[outcome] += wide
        kept, clean = placed["rows kept"], placed["clean sources"]
        yield Band(_outline((kept.right, kept.y), (clean.x, clean.y), kept.height), "kept", "published as clean sources")


def _entry(box: Box, _height: float) -> float:
    return box.y


def _outline(start: tuple[float, float], end: tuple[float, float], wide: float) -> str:
    """A band that leaves and arrives level, `wide` at both ends; points are upper corners."""
    (x, y), (to_x, to_y) = start, end
    half = (x + to_x) / 2
    there = f"M{x:.1f},{y:.1f} C{half:.1f},{y:.1f} {half:.1f},{to_y:.1f} {to_x:.1f},{to_y:.1f}"
    back = f"L{to_x:.1f},{to_y + wide:.1f} C{half:.1f},{to_y + wide:.1f} {half:.1f},{y + wide:.1f} {x:.1f},{y + wide:.1f} Z"
    return f"{there} {back}"
