"""Geometry of the report's one figure: how rows go from the raw sources to what is made of them.

Up to the clean sources a band is as wide as its share of the rows; from there on the chain goes by digests, and its
lines carry no number. The template draws what stands here, so that the page needs no script and prints as it looks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from sanitizers.report.summary import STRIP, Summary
from sanitizers.strip.receipt import Count, SourceCounts

ROOM, HEAD = 14.0, 30.0
TALL, FLOW, THIN = 48.0, 200.0, 1.5
WIDE, BETWEEN, NARROW, CLOSE = 156.0, 46.0, 116.0, 32.0
CHAIN = 3  # columns before the chain's own
KEPT, CHANGED, DROPPED = "kept", "kept, cells changed", "dropped"
KINDS = {KEPT: "kept", CHANGED: "changed", DROPPED: "dropped"}
WAYPOINT = "waypoint"


@dataclass(frozen=True)
class Box:
    """A labelled box; `kind` chooses its colour, `flow` is how wide the bands through it are together.

    A box of the kind `WAYPOINT` is not drawn: it leads a line past the boxes of a column that the line has to cross.
    """

    name: str
    note: str
    kind: str
    flow: float = 0.0
    x: float = 0.0
    y: float = 0.0
    width: float = 0.0

    @property
    def height(self) -> float:
        """High enough for its bands and its label."""
        return self.flow if self.kind == WAYPOINT else max(self.flow, TALL)

    @property
    def right(self) -> float:
        """Its right edge."""
        return self.x + self.width

    @property
    def middle(self) -> float:
        """Half its height."""
        return self.y + self.height / 2

    @property
    def top(self) -> float:
        """Where its uppermost band begins."""
        return self.y + (self.height - self.flow) / 2


@dataclass(frozen=True)
class Band:
    """A band between two boxes, as the outline of a filled shape."""

    outline: str
    kind: str
    title: str


@dataclass(frozen=True)
class Figure:
    """The drawing, in units of its own."""

    width: float
    height: float
    heads: tuple[tuple[float, str], ...]
    boxes: tuple[Box, ...]
    bands: tuple[Band, ...]


def rows(counts: Sequence[Count]) -> str:
    """Tell a sum of counts in words; withheld ones stay withheld.

    Examples
    --------
    >>> rows([1200, 34]), rows([1200, "under 5"]), rows(["under 5"]), rows([])
    ('1,234 rows', '1,200 + under 5 rows', 'under 5 rows', '0 rows')
    """
    told = sum(count for count in counts if isinstance(count, int))
    withheld = [count for count in counts if not isinstance(count, int)]
    return " + ".join([f"{told:,}"] * (told > 0 or not withheld) + [f"{count}" for count in withheld[:1]]) + " rows"


def outcomes(counts: SourceCounts) -> dict[str, Count]:
    """How many rows of a source went which way; a receipt that does not count changed rows has two ways."""
    changed: Count = getattr(counts, "rows_changed", 0)
    exact = isinstance(changed, int) and isinstance(counts.rows_kept, int)
    whole = counts.rows_kept - changed if exact else counts.rows_kept  # type: ignore[operator]
    return {KEPT: whole, CHANGED: changed, DROPPED: counts.rows_dropped}


def draw(summary: Summary) -> Figure:
    """Lay out the figure of a report."""
    ways = {name: outcomes(counts) for name, counts in summary.receipt.sources.items()}
    width = _widths(ways)
    columns = [_sources(ways, width), _outcomes(ways, width), [_clean(ways, width)], *_layers(summary)]
    height = max(sum(box.height + ROOM for box in column) - ROOM for column in columns)
    placed = [list(_stacked(column, number, height)) for number, column in enumerate(columns)]
    heads = ["raw sources", "what seals did", "published", "made from them"]
    return Figure(
        width=placed[-1][0].right,
        height=HEAD + height,
        heads=tuple((column[0].x, head) for column, head in zip(placed, heads, strict=False)),
        boxes=tuple(box for column in placed for box in column),
        bands=(*_row_bands(ways, width, placed), *_chain_bands(summary, placed)),
    )


Ways = Mapping[str, Mapping[str, Count]]
Widths = Mapping[tuple[str, str], float]


def _widths(ways: Ways) -> Widths:
    """Width of each band (source, way): in proportion to its rows, none below `THIN`; a withheld count is drawn so."""
    total = sum(count for way in ways.values() for count in way.values() if isinstance(count, int))
    scale = FLOW / max(total, 1)
    return {
        (source, way): max(count * scale, THIN) if isinstance(count, int) else THIN
        for source, found in ways.items()
        for way, count in found.items()
        if count
    }


def _sources(ways: Ways, width: Widths) -> list[Box]:
    flow = {name: sum(width.get((name, way), 0) for way in found) for name, found in ways.items()}
    told = {name: rows([count for count in found.values() if count]) for name, found in ways.items()}
    return [Box(name, told[name], "source", flow[name]) for name in ways]


def _outcomes(ways: Ways, width: Widths) -> list[Box]:
    found = []
    for way in KINDS:
        counts = [ways[source][way] for source in ways if ways[source][way]]
        if counts or way != CHANGED:
            found.append(Box(way, rows(counts), KINDS[way], sum(width.get((source, way), 0) for source in ways)))
    return found


def _clean(ways: Ways, width: Widths) -> Box:
    counts = [found[way] for found in ways.values() for way in (KEPT, CHANGED) if found[way]]
    return Box("clean sources", rows(counts), "kept", sum(wide for (_, way), wide in width.items() if way != DROPPED))


def _stacked(column: Sequence[Box], number: int, height: float) -> Iterator[Box]:
    """Place the boxes of one column below each other, centred; the columns of the chain are narrower."""
    first, rest = min(number, CHAIN), max(number - CHAIN, 0)
    x = first * (WIDE + BETWEEN) + rest * (NARROW + CLOSE)
    y = HEAD + (height - sum(box.height + ROOM for box in column) + ROOM) / 2
    for box in column:
        yield replace(box, x=x, y=y, width=WIDE if number < CHAIN else NARROW)
        y += box.height + ROOM


def _row_bands(ways: Ways, width: Widths, placed: Sequence[Sequence[Box]]) -> Iterator[Band]:
    """Bands from the sources to what seals did, and from what was kept to the clean sources."""
    reached = {box.name: box.top for box in placed[1]}
    for source in placed[0]:
        y = source.top
        for box in placed[1]:
            wide = width.get((source.name, box.name), 0)
            if wide:
                told = f"{source.name}, {box.name}: {rows([ways[source.name][box.name]])}"
                yield Band(_outline((source.right, y), (box.x, reached[box.name]), wide), box.kind, told)
                y += wide
                reached[box.name] += wide
    clean = placed[2][0]
    y = clean.top
    for box in placed[1]:
        if box.name != DROPPED and box.flow:
            yield Band(_outline((box.right, box.top), (clean.x, y), box.flow), box.kind, f"{box.name}: {box.note}")
            y += box.flow


# -- the chain ---------------------------------------------------------------------------------------------------------


def _layers(summary: Summary) -> list[list[Box]]:
    """Arrange the chain's steps in columns of boxes: each step stands right of every step that it read from."""
    depth = summary.depth
    barred = {target.sha256 for target in summary.verdict.targets if target.verdict == "contaminated"}
    layers: list[list[Box]] = [[] for _ in range(max(depth.values()))]
    for step in summary.steps:
        for origin in summary.origins(step):
            for between in range(depth[origin] + 1, depth[step.made_by]):
                layers[between - 1].append(Box(f"{origin} > {step.made_by}", "", WAYPOINT, THIN))
    for step in summary.steps:
        red = bool(barred & set(step.outputs.values()))
        note = f"{len(step.outputs):,} file{'s' if len(step.outputs) != 1 else ''}"
        box = Box(step.made_by, "barred records" if red else note, "dropped" if red else "made")
        layers[depth[step.made_by] - 1].append(box)
    return layers


def _chain_bands(summary: Summary, placed: Sequence[Sequence[Box]]) -> Iterator[Band]:
    """Lines from each step to those that read what it wrote."""
    boxes = {box.name: box for column in placed[3:] for box in column} | {STRIP: placed[2][0]}
    for step in summary.steps:
        for origin in summary.origins(step):
            past = [box for column in placed[3:] for box in column if box.name == f"{origin} > {step.made_by}"]
            way = [boxes[origin], *past, boxes[step.made_by]]
            told = f"{step.made_by} read what {origin} wrote"
            for start, end in zip(way, way[1:], strict=False):
                yield Band(_outline((start.right, start.middle), (end.x, end.middle), THIN), "chain", told)
            for box in past:
                yield Band(_outline((box.x, box.middle), (box.right, box.middle), THIN), "chain", told)


def _outline(start: tuple[float, float], end: tuple[float, float], wide: float) -> str:
    """Draw a band that leaves and arrives level, equally wide throughout its height; points are upper corners."""
    (x, y), (to_x, to_y) = start, end
    half, low, to_low = (x + to_x) / 2, y + wide, to_y + wide
    there = f"M{x:.1f},{y:.1f} C{half:.1f},{y:.1f} {half:.1f},{to_y:.1f} {to_x:.1f},{to_y:.1f}"
    return f"{there} L{to_x:.1f},{to_low:.1f} C{half:.1f},{to_low:.1f} {half:.1f},{low:.1f} {x:.1f},{low:.1f} Z"
