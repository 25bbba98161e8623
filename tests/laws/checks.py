"""The laws of design section 3 as plain functions: each raises AssertionError on a world in which the law does not hold."""

import datetime as dt
from dataclasses import replace
from typing import Any

from tests.laws import oracle
from tests.laws.oracle import Mention, Source, World
from tests.laws.running import TODAY, Bench, Clean, expected, expected_types, logical, sealed

LATER = dt.date(2019, 12, 1)


def reasons_of(world: World) -> dict[tuple[str, str], tuple]:
    """Every barred identifier of a world and the chain that explains it, in plain Python."""
    return oracle.barred(world, sealed(world.events))


def check_conservation(world: World, clean: Clean) -> None:
    """Rows in = rows kept + rows dropped; what no seal reaches keeps its place, value and logical type."""
    rows = oracle.stripped(world, reasons_of(world))
    for name, source in world.sources.items():
        counts = clean.receipt.sources[name]
        kept = sum(table.num_rows for table in clean.tables[name])
        assert counts.rows_in == len(source.rows)
        assert counts.rows_kept == kept == len(rows[name])
        assert counts.rows_in == counts.rows_kept + counts.rows_dropped
        types = {column: logical(kind) for column, kind in expected_types(world, name).items()}
        for table in clean.tables[name]:
            assert {field.name: logical(field.type) for field in table.schema} == types
        same = clean.rows(name) == expected(world, name, rows[name])
        assert same, f"{name}: the clean rows are not those of the oracle"


def check_nothing_else(world: World, clean: Clean) -> None:
    """Every dropped row and changed cell is explained by a chain of links from one seal; the receipt counts the links."""
    direct, reasons = sealed(world.events), reasons_of(world)
    pairs = {(carrier, carried) for _, carrier, carried, _ in oracle.links(world)}
    for chain in reasons.values():
        assert chain[0] in direct
        assert all(step in pairs for step in zip(chain, chain[1:], strict=False))
    for name, source in world.sources.items():
        staying = [row for row in source.rows if not oracle.goes(source, row, reasons)]
        assert len(clean.rows(name)) == len(staying)
        as_if = expected(world, name, [oracle.published(world, name, row) for row in staying])
        assert clean.receipt.sources[name].rows_changed == sum(_reached(source, row, reasons) for row in staying)
        for row, before, after in zip(staying, as_if, clean.rows(name), strict=True):
            explained = before == after or _reached(source, row, reasons)
            assert explained, f"{name}: a row changed that nothing reaches"
        for column, declared in source.columns.items():
            cells = [
                {(declared["kind"], token) in direct for _, token in oracle.tokens(source, row)[column]
                 if (declared["kind"], token) in reasons}
                for row in source.rows
            ]  # fmt: skip
            told = clean.receipt.sources[name].columns[column]["by_link"].values()
            assert max(told, default=0) <= sum(False in cell for cell in cells)
            assert sum(told) >= sum(cell == {False} for cell in cells)


def _reached(source: Source, row: dict[str, Any], reasons: dict) -> bool:
    pieces = [
        (piece, text["mentions"])
        for column, text in source.text.items()
        for sentence in (row[column].sentences if row[column] is not None else ())
        for piece in sentence
        if isinstance(piece, Mention)
    ]
    mentioned = any(piece.kind in kinds and piece[:2] in reasons for piece, kinds in pieces)
    return mentioned or any(oracle.hits(source, row, reasons).values())


def check_nullity(bench: Bench, world: World, clean: Clean) -> None:
    """A strip gives, file by file, what it gives on the raw sources without the sealed arrests when nothing is sealed."""
    other = replace(world, sources=_without(world))
    assert bench.strip(other, events=[]).digests_by_file == clean.digests_by_file


def check_nullity_in_any_order(bench: Bench, world: World, clean: Clean) -> None:
    """Nullity and order in one strip: the rows stand in another order and partition as well."""
    assert bench.strip(replace(world, sources=_reversed(_without(world))), events=[]).digests == clean.digests


def _without(world: World) -> dict[str, Source]:
    """The sources as the policy says they would stand had the sealed arrests not happened."""
    reasons = reasons_of(world)
    rows = oracle.forgotten(world, reasons)
    return {name: replace(s, rows=rows[name], cuts=_cuts(s, reasons)) for name, s in world.sources.items()}


def _reversed(sources: dict[str, Source]) -> dict[str, Source]:
    return {name: replace(s, rows=s.rows[::-1], cuts=(len(s.rows) // 2,)) for name, s in sources.items()}


def _cuts(source: Source, reasons: dict) -> tuple[int, ...]:
    """Where files end when the barred rows are gone."""
    gone = [oracle.goes(source, row, reasons) == "sealed" for row in source.rows]
    return tuple(cut - sum(gone[:cut]) for cut in source.cuts)


def check_indifference(bench: Bench, world: World, clean: Clean, *, links: bool = True) -> None:
    """What stands in a barred row, how many there are, or that they are deleted once traced, changes nothing.

    With `links` every second barred row is deleted and the register remembers what was traced; the others, or all,
    are altered and doubled.
    """
    reasons = reasons_of(world)
    sources = {}
    for name, source in world.sources.items():
        own = {part for column in source.columns for part in oracle.parts_of(column)}
        rows, cuts, barred = [], [], 0
        for number, row in enumerate(source.rows):
            cuts += [len(rows)] * source.cuts.count(number)
            if oracle.goes(source, row, reasons) != "sealed":
                rows.append(row)
                continue
            barred += 1
            if not links or barred % 2 == 0:
                other = next((r for r in source.rows if r is not row), dict.fromkeys(row))
                rows += [row | {column: other[column] for column in row if column not in own}, row]
        cuts += [len(rows)] * source.cuts.count(len(source.rows))
        sources[name] = replace(source, rows=rows, cuts=tuple(cuts))
    carrying = any("carries" in own for source in world.sources.values() for own in source.columns.values())
    remembering = world if links and carrying else None
    assert bench.strip(replace(world, sources=sources), remembering=remembering).sources == clean.sources


def check_idempotence(bench: Bench, world: World, clean: Clean) -> None:
    """Stripping what was stripped changes no byte."""
    assert bench.again(clean, world).sources == clean.sources


def check_repetition(bench: Bench, world: World, clean: Clean) -> None:
    """Equal input gives equal bytes."""
    assert bench.strip(world).files == clean.files


def check_order(bench: Bench, world: World, clean: Clean) -> None:
    """Neither the order of rows nor their partition changes a content digest."""
    assert bench.strip(replace(world, sources=_reversed(world.sources))).digests == clean.digests


def check_return(bench: Bench, world: World, clean: Clean) -> None:
    """Once the seals on a record are vacated, what no other seal reaches comes back."""
    found = sorted(sealed(world.events), key=lambda one: (not _stands(world, one), one))
    if not found:
        return
    own = [event for event in world.events if (event["kind"], _token(event)) == found[0]]
    after = replace(world, events=[*world.events, *_vacated(own)])
    assert found[0] not in sealed(after.events)
    again = bench.strip(after)
    check_conservation(after, again)
    for name in world.sources:
        assert len(again.rows(name)) >= len(clean.rows(name))


def _vacated(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Vacaturs of every state that the events speak of."""
    states = {(event["kind"], _token(event), event["statute"], event["case"]): event for event in events}
    return [{**event, "action": "vacate", "effective_on": TODAY, "recorded_on": LATER} for event in states.values()]


def check_return_by_delta(bench: Bench, world: World, clean: Clean) -> None:
    """What comes back is read from the raw source, also by a strip that builds on the one before."""
    after = replace(world, events=[*world.events, *_vacated(world.events)])
    again, full, work = bench.delta(after, len(world.events))
    assert not work.reason
    assert again.files == full.files
    assert again.digests == bench.strip(world, events=[]).digests


def check_delta(bench: Bench, world: World, _clean: Clean | None = None) -> None:
    """A strip that builds on the one before new events publishes what a first strip does, byte by byte."""
    again, full, work = bench.delta(world, len(world.events) // 2)
    assert not work.reason
    assert again.files == full.files


def _token(event: dict[str, Any]) -> str:
    return oracle.token_of(event["kind"], event["identifier"])


def _stands(world: World, identifier: tuple[str, str]) -> bool:
    return any(
        (source.columns[column]["kind"], token) == identifier
        for source in world.sources.values()
        for row in source.rows
        for column, found in oracle.tokens(source, row).items()
        for _, token in found
    )


def check_all(bench: Bench, world: World) -> None:
    """Every law on one world, with as few strips as show them all."""
    clean = bench.strip(world)
    check_conservation(world, clean)
    check_nothing_else(world, clean)
    check_nullity_in_any_order(bench, world, clean)
    check_indifference(bench, world, clean)
    check_idempotence(bench, world, clean)
    check_return(bench, world, clean)
