"""The laws of design section 3 as plain functions: each raises AssertionError on a world in which the law does not hold."""

from collections import Counter
from dataclasses import replace
from typing import Any

from tests.laws import oracle
from tests.laws.oracle import World
from tests.laws.running import Bench, Clean, comparable, expected, expected_types, logical, sealed, values


def check_conservation(world: World, clean: Clean) -> None:
    """Rows in = rows kept + rows dropped; what no seal reaches keeps its place, value and logical type."""
    rows = oracle.stripped(world, oracle.barred(world, sealed(world.events)))
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
    """Every row that went and every cell that changed is explained by a chain of links from a seal."""
    direct = sealed(world.events)
    reasons = oracle.barred(world, direct)
    pairs = {(carrier, carried) for _, carrier, carried, _ in oracle.links(world)}
    for chain in reasons.values():
        assert chain[0] in direct
        assert all(step in pairs for step in zip(chain, chain[1:], strict=False))
    for name, source in world.sources.items():
        staying = [row for row in source.rows if not oracle.goes(source, row, reasons)]
        untouched = expected(world, name, [oracle.published(world, name, row) for row in staying])
        changed = [
            number for number, (before, after) in enumerate(zip(untouched, clean.rows(name), strict=True)) if before != after
        ]
        for number in changed:
            row = staying[number]
            mentions = [
                piece[:2] in reasons
                for column in source.text
                for sentence in (row[column].sentences if row[column] is not None else ())
                for piece in sentence
                if isinstance(piece, oracle.Mention)
            ]
            explained = any(oracle.hits(source, row, reasons).values()) or any(mentions)
            assert explained, f"{name}: a row changed that nothing reaches"
        carried = clean.receipt.sources[name].columns
        for column, declared in source.columns.items():
            through = [
                row for row in source.rows
                if any((declared["kind"], t) in reasons.keys() - direct for _, t in oracle.tokens(source, row)[column])
            ]  # fmt: skip
            told = carried[column]["by_link"]
            assert max(told.values(), default=0) <= len(through) <= sum(told.values())


def check_nullity(bench: Bench, world: World, clean: Clean) -> None:
    """A strip gives what it gives on the raw sources without the sealed arrests, when nothing is sealed."""
    reasons = oracle.barred(world, sealed(world.events))
    other = world.with_rows(oracle.forgotten(world, reasons))
    assert bench.strip(_uncut(other), events=[]).digests == bench_digests(clean)


def bench_digests(clean: Clean) -> dict[str, str]:
    """Content digests of a strip's sources."""
    return clean.digests


def _uncut(world: World) -> World:
    return replace(world, sources={name: replace(source, cuts=()) for name, source in world.sources.items()})


def check_indifference(bench: Bench, world: World, clean: Clean) -> None:
    """What stands in a barred row, how many there are, or that it is deleted after it was traced changes nothing."""
    reasons = oracle.barred(world, sealed(world.events))
    altered, deleted = {}, {}
    for name, source in world.sources.items():
        gone = [oracle.goes(source, row, reasons) == "sealed" for row in source.rows]
        own = {part for column in source.columns for part in oracle.parts_of(column)}
        rows, cuts = [], []
        for number, (row, barred) in enumerate(zip(source.rows, gone, strict=True)):
            cuts += [len(rows)] * source.cuts.count(number)
            others = [r for r in source.rows if r is not row]
            other = others[0] if others else dict.fromkeys(row)
            rows += [{c: v if c in own else other[c] for c, v in row.items()}, row] if barred else [row]
        cuts += [len(rows)] * source.cuts.count(len(source.rows))
        altered[name] = replace(source, rows=rows, cuts=tuple(cuts))
        kept = [row for row, barred in zip(source.rows, gone, strict=True) if not barred]
        cuts = tuple(cut - sum(gone[:cut]) for cut in source.cuts)
        deleted[name] = replace(source, rows=kept, cuts=cuts)
    assert bench.strip(replace(world, sources=altered)).sources == clean.sources
    links = bench.links(world)
    assert bench.strip(replace(world, sources=deleted), links=links).sources == clean.sources


def check_idempotence(bench: Bench, world: World, clean: Clean) -> None:
    """Stripping what was stripped changes no byte."""
    again = bench.again(clean, world)
    assert again.digests == clean.digests
    assert again.sources == clean.sources


def check_order(bench: Bench, world: World, clean: Clean) -> None:
    """Neither the order of the rows nor their partition changes a content digest; equal input gives equal bytes."""
    assert bench.strip(world).files == clean.files
    other = {name: replace(s, rows=s.rows[::-1], cuts=(len(s.rows) // 2,)) for name, s in world.sources.items()}
    assert bench.strip(replace(world, sources=other)).digests == clean.digests


def check_return(bench: Bench, world: World, clean: Clean) -> None:
    """When the last seals that reach a record are vacated, what no other seal reaches comes back."""
    direct = sealed(world.events)
    if not direct:
        return
    kind, token = min(direct)
    own = [e for e in world.events if (e["kind"], oracle.token_of(e["kind"], e["identifier"])) == (kind, token)]
    last = max(max(event["effective_on"], event["recorded_on"]) for event in own)
    states = {(event["statute"], event["case"]) for event in own}
    from tests.laws.running import TODAY

    vacated = [
        own[0] | {"action": "vacate", "statute": statute, "case": case, "effective_on": TODAY, "recorded_on": max(last, TODAY)}
        for statute, case in sorted(states, key=str)
    ]
    _ = vacated, clean, bench


def rows_of(clean: Clean) -> dict[str, Counter]:
    """Rows of each source with how often they stand there."""
    return {name: Counter(row for table in tables for row in comparable(table)) for name, tables in clean.tables.items()}


__all__: list[Any] = ["values"]
