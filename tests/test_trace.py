"""Trace: which files a source has, which columns are refused by name, which identifiers and links are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.forms import RawFile, Reading
from sanitizers.engine.tables import Database
from sanitizers.errors import ConfigurationError, SealproofError, SourceFailure
from sanitizers.identifiers import Key, Kinds
from sanitizers.policy import Policy
from sanitizers.strip.frames import FramePart
from sanitizers.trace import (
    Reached,
    check_columns,
    clean_files,
    databases,
    each_once,
    links_of,
    lookups,
    raw_files,
    raw_parts,
    read,
)
from tests.identifiers import plain

SECRET = "5ea1" * 16
KINDS = Kinds.parse(
    "{arrest: {scope: record, pattern: '[BKM][0-9]{3}'}, photo: {scope: record, pattern: '[0-9]{4}', width: 4},"
    " person: {scope: person, pattern: 'P[0-9]'}, case: {scope: shared, parts: [who, day]}}"
)
HEAD = "version: 1\nrules: us-ny\npurpose: predictive-model\nregister: {snapshot: x.snap}\npublish: {case: plain, arrest: plain, photo: plain, person: plain}\n"
ARRESTS = "  arrests: {path: raw/arrests/*.csv, primary_key: id, columns: {id: {kind: arrest, on_seal: drop}}}\n"
Said = set[tuple[str, str, str]]


@pytest.fixture
def policy(tmp_path: Path) -> Callable[..., Policy]:
    """A policy with these sources; what stands in its folder otherwise is the test's own."""

    def load(sources: str, more: str = "", **environment: str) -> Policy:
        path = tmp_path / "sealing.yaml"
        path.write_text(f"{HEAD}{more}sources:\n{sources}")
        return Policy.load(path, environment)

    return load


def touch(folder: Path, *names: str, text: str = "id\nB001\n") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def said(error: SealproofError) -> Said:
    return {(fault.where, fault.column, fault.problem) for fault in error.faults}


# -- files ------------------------------------------------------------------------------------------------------------


def test_raw_files_are_named_below_the_common_folder_of_all_sources(tmp_path: Path, policy: Callable[..., Policy]) -> None:
    touch(tmp_path, "raw/arrests/2.csv", "raw/arrests/1.csv", "raw/deep/er/b.csv", "raw/arrests/1.txt")
    notes = "  notes: {path: raw/deep/er/b.csv, read: {delimiter: ';'}, primary_key: id, columns: {id: {kind: arrest, on_seal: drop}}}\n"
    found = raw_files(policy(ARRESTS + notes))
    assert {name: [file.name for file in own] for name, own in found.items()} == {
        "arrests": ["arrests/1.csv", "arrests/2.csv"],
        "notes": ["deep/er/b.csv"],
    }
    assert [file.path for file in found["arrests"]] == [tmp_path / "raw/arrests/1.csv", tmp_path / "raw/arrests/2.csv"]
    assert (found["arrests"][0].reading, found["notes"][0].reading) == (Reading(), Reading(delimiter=";"))
    only = raw_files(policy(ARRESTS))
    assert [file.name for file in only["arrests"]] == ["1.csv", "2.csv"]


def test_a_policy_of_tables_only_has_no_raw_files(policy: Callable[..., Policy]) -> None:
    told = policy("  t: {database: d, table: t, primary_key: id, columns: {id: {kind: arrest, on_seal: drop}}}\n", "databases: {d: {sqlite: d.db}}\n")
    assert raw_files(told) == {}


def test_every_source_without_a_file_is_told(tmp_path: Path, policy: Callable[..., Policy]) -> None:
    touch(tmp_path, "raw/c.xlsx")
    other = "  {0}: {{path: raw/{0}.*, primary_key: id, columns: {{id: {{kind: arrest, on_seal: drop}}}}}}\n"
    with pytest.raises(SourceFailure) as caught:
        raw_files(policy(ARRESTS + other.format("b") + other.format("c")))
    assert {Path(str(where)).name for where, _, _ in said(caught.value)} == {"*.csv", "b.*", "c.xlsx"}


def test_a_file_belongs_to_one_source_whatever_it_is_called(tmp_path: Path, policy: Callable[..., Policy]) -> None:
    touch(tmp_path, "raw/arrests/1.csv", "raw/arrests/2.csv")
    (tmp_path / "raw/arrests/3.csv").symlink_to("1.csv")
    again = "  again: {path: raw/arrests/3.csv, primary_key: id, columns: {id: {kind: arrest, on_seal: drop}}}\n"
    with pytest.raises(SourceFailure) as caught:
        raw_files(policy(ARRESTS + again))
    assert said(caught.value) == {(str(tmp_path / "raw/arrests/3.csv"), "sources.again", "belongs to two sources")}


def test_clean_files_are_found_by_the_patterns_of_the_raw_ones(tmp_path: Path, policy: Callable[..., Policy]) -> None:
    touch(tmp_path, "clean/arrests/2.csv", "clean/arrests/1.csv", "clean/b.csv", "clean/rest.csv")
    pq.write_table(pa.table({"id": ["B001"]}), tmp_path / "clean/t.parquet")
    own = "primary_key: id, columns: {id: {kind: arrest, on_seal: drop}}"
    table, notes = f"  t: {{database: d, table: t, {own}}}\n", f"  notes: {{path: ./raw/../raw/b.csv, {own}}}\n"
    told = policy(ARRESTS + notes + table, "databases: {d: {sqlite: d.db}}\n")
    found = clean_files(told, tmp_path / "clean")
    assert {name: [file.name for file in some] for name, some in found.items()} == {
        "arrests": ["arrests/1.csv", "arrests/2.csv"], "notes": ["b.csv"], "t": ["t.parquet"],
    }  # fmt: skip
    assert list(clean_files(told, tmp_path / "clean", ["notes"])) == ["notes"]
    assert clean_files(told, tmp_path / "clean", []) == {}
    with pytest.raises(SourceFailure) as caught:
        clean_files(told, tmp_path / "other")
    assert len(caught.value.faults) == 3


def test_clean_files_are_read_as_the_policy_reads_raw_ones(tmp_path: Path, policy: Callable[..., Policy]) -> None:
    touch(tmp_path, "clean/b.csv", text="id;x\nB001;1\n")
    notes = "  notes: {path: raw/b.csv, read: {delimiter: ';'}, primary_key: id, columns: {id: {kind: arrest, on_seal: drop}}}\n"
    found = clean_files(policy(notes), tmp_path / "clean")
    assert found["notes"][0].schema.names == ["id", "x"]


def test_databases_are_known_by_their_file_or_by_what_a_variable_says(tmp_path: Path, policy: Callable[..., Policy]) -> None:
    own = "primary_key: id, columns: {id: {kind: arrest, on_seal: drop}}"
    sources = "".join(f"  {name}: {{database: {name}, table: x, {own}}}\n" for name in ("c", "b", "a"))
    more = "databases: {a: {sqlite: x/a.db}, b: {duckdb: b.duckdb}, c: {postgres: WHERE}, unread: {sqlite: u.db}}\n"
    found = databases(policy(sources, more, WHERE="host=nowhere"))
    assert found == {
        "a": Database("a", "sqlite", str(tmp_path / "x/a.db")),
        "b": Database("b", "duckdb", str(tmp_path / "b.duckdb")),
        "c": Database("c", "postgres", "host=nowhere"),
    }
    assert list(found) == ["a", "b", "c"]
    with pytest.raises(ConfigurationError) as caught:
        databases(policy(sources, more))
    assert said(caught.value) == {("databases.c", "", "the environment variable is not set")}


def test_files_and_tables_come_in_the_order_of_the_policy(tmp_path: Path, policy: Callable[..., Policy]) -> None:
    import duckdb

    with duckdb.connect(str(tmp_path / "d.duckdb")) as database:
        database.execute("CREATE TABLE t AS SELECT unnest(['B001', 'B002', 'B003']) AS id")
    own = "primary_key: id, columns: {id: {kind: arrest, on_seal: drop}}"
    table = f"  t: {{database: d, table: t, {own}}}\n"
    touch(tmp_path, "raw/arrests/1.csv", "raw/arrests/T.parquet")
    with DuckDB() as engine:
        found = raw_parts(engine, policy(table + ARRESTS, "databases: {d: {duckdb: d.duckdb}}\n"))
        assert {name: [file.name for file in some] for name, some in found.items()} == {"t": ["t.parquet"], "arrests": ["1.csv"]}
        assert list(found) == ["t", "arrests"]
        assert sum(batch.num_rows for batch in found["t"][0].batches(["id"])) == 3
    with DuckDB() as engine:
        few = raw_parts(engine, policy(table, "databases: {d: {duckdb: d.duckdb}}\n"), most=2)
        assert sum(batch.num_rows for batch in few["t"][0].batches(["id"])) == 2
    both = policy(ARRESTS.replace("*.csv", "*.jsonl") + table, "databases: {d: {postgres: NOWHERE}}\n")
    with DuckDB() as engine, pytest.raises(SealproofError) as missing:
        raw_parts(engine, both)
    assert [Path(fault.where or "").name for fault in missing.value.faults] == ["*.jsonl", "databases.d"]
    pq.write_table(pa.table({"id": ["B001"]}), tmp_path / "raw/arrests/T.parquet")
    with DuckDB() as engine, pytest.raises(SourceFailure) as caught:
        raw_parts(engine, policy(table + ARRESTS.replace("*.csv", "*.parquet"), "databases: {d: {duckdb: d.duckdb}}\n"))
    assert said(caught.value) == {("sources.t", "", "a raw file is published as t.parquet")}


# -- columns ----------------------------------------------------------------------------------------------------------

RICH = """
  s:
    path: s.parquet
    primary_key: key
    columns:
      id: {kind: arrest, on_seal: drop}
      "[who, day]": {kind: case, on_seal: {redact: [age], set: {status: OPEN, level: 3}}}
      "tags[]": {kind: photo, on_seal: element}
      in.by: {kind: arrest, on_seal: {redact: [in.note]}}
    text: {told: {mentions: [arrest], on_seal: clear}}
    not_identifiers: {plate: a plate}
"""
COLUMNS: dict[str, pa.Array] = {
    "key": pa.array([1]), "id": pa.array(["B001"]), "who": pa.array(["P1"]), "day": pa.array(["x"]), "age": pa.array([3], pa.int8()),
    "status": pa.array(["X"]).dictionary_encode(), "level": pa.array([1], pa.int8()), "tags": pa.array([["1"]]),
    "in": pa.array([{"by": "B001", "note": "x"}]), "told": pa.array(["x"]), "plate": pa.array(["x"]),
}  # fmt: skip


def refused(policy: Policy, *tables: pa.Table) -> Said:
    """What `check_columns` says of a source's parts."""
    parts = [FramePart(f"{number}", table) for number, table in enumerate(tables)]
    try:
        check_columns(policy, {name: parts for name in policy.sources})
    except ConfigurationError as error:
        return said(error)
    return set()


def but(**other: Any) -> pa.Table:
    """The columns with some replaced, added, or left out where None is given."""
    columns = {**COLUMNS, **{name.rstrip("_"): own for name, own in other.items()}}
    return pa.table({name: own for name, own in columns.items() if own is not None})


def test_columns_that_are_there_and_fit_are_not_refused(policy: Callable[..., Policy]) -> None:
    told = policy(RICH)
    assert refused(told, but()) == set()
    assert refused(told, but(), but()) == set()
    assert refused(told) == set()
    assert refused(told, but(more=pa.array([1], pa.float16()), told=pa.array(["x"], pa.large_string()))) == set()
    assert refused(told, but(told=pa.array(["x"]).dictionary_encode())) == set()


@pytest.mark.parametrize(
    ("gone", "where"),
    [
        ("id", "sources.s.columns.id"), ("day", "sources.s.columns.[who, day]"), ("age", "sources.s.columns.[who, day]"),
        ("status", "sources.s.columns.[who, day]"), ("told", "sources.s"), ("plate", "sources.s"), ("key", "sources.s.primary_key"),
    ],
)  # fmt: skip
def test_every_column_that_is_named_must_be_there(policy: Callable[..., Policy], gone: str, where: str) -> None:
    assert refused(policy(RICH), but(**{gone: None})) == {(where, gone, "no such column")}


def test_fields_and_lists_must_be_there_as_they_are_named(policy: Callable[..., Policy]) -> None:
    told = policy(RICH)
    lone = pa.array([{"by": "B001"}])
    assert refused(told, but(in_=lone)) == {("sources.s.columns.in.by", "in.note", "no such column")}
    assert refused(told, but(tags=pa.array(["1"]))) == {("sources.s.columns.tags[]", "tags[]", "is no list")}
    listed = refused(told, but(in_=pa.array([[{"by": "B001", "note": "x"}]])))
    assert listed == {("sources.s.columns.in.by", name, "stands in a list") for name in ("in.by", "in.note")}
    both = refused(told, but(**{"in.note": pa.array(["x"])}))
    assert both == {("sources.s.columns.in.by", "in.note", "names a column and a field")}


def test_remedies_name_the_column_that_was_meant(policy: Callable[..., Policy]) -> None:
    told = policy(RICH)
    for table, remedy in (
        (but(age=None, agee=COLUMNS["age"]), "did you mean `agee`?"),
        (but(tags=pa.array(["1"])), "write `tags`"),
        (pa.table({"key;id;who": ["x"]}), "the header has one column; write `read: {delimiter: ';'}`"),
        (pa.table({"key\tid": ["x"]}), 'the header has one column; write `read: {delimiter: "\\t"}`'),
    ):
        with pytest.raises(ConfigurationError) as caught:
            check_columns(told, {"s": [FramePart("0", table)]})
        assert remedy in {fault.remedy for fault in caught.value.faults}


def test_what_set_gives_must_be_held_by_its_column(policy: Callable[..., Policy]) -> None:
    told = policy(RICH)
    assert refused(told, but(level=pa.array([True]))) == {("sources.s", "level", "`set` gives a value that is no bool")}
    assert refused(told, but(status=pa.array([1]))) == {("sources.s", "status", "`set` gives a value that is no int64")}
    # An identifier that is published as a token becomes a text, whatever it was.
    own = "{kind: photo, on_seal: {redact: []}}"
    sources = f"  s: {{path: s.parquet, primary_key: id, columns: {{id: {{kind: arrest, on_seal: {{redact: [], set: {{n: none}}}}}}, n: {own}}}}}\n"
    table = pa.table({"id": ["B001"], "n": [1]})
    assert refused(policy(sources), table) == {("sources.s", "n", "`set` gives a value that is no int64")}
    assert refused(policy(sources).model_copy(update={"publish": {}}), table) == set()


def test_texts_are_texts(policy: Callable[..., Policy]) -> None:
    assert refused(policy(RICH), but(told=pa.array([1]))) == {("sources.s.text.told", "", "holds no text")}


def test_types_that_an_engine_would_change_are_refused_where_they_travel(policy: Callable[..., Policy]) -> None:
    told = pa.array(["x"]).view(pa.string()).cast(pa.string_view())
    where = ("s", "told", "the engine would change a column of type string_view")
    assert where in refused(policy(RICH), but(told=told))


def test_names_that_cannot_be_told_apart_or_that_the_engine_needs_are_refused(policy: Callable[..., Policy]) -> None:
    told = policy(RICH)
    assert refused(told, but(ID=pa.array(["x"]))) == {
        ("s", name, "differs from another column in case only") for name in ("id", "ID")
    }
    for name in ("sealproof_row", "sealproof_line", "file_row_number"):
        assert refused(told, but(**{name: pa.array([1])})) == {("s", name, "is a name that the engine needs for itself")}
    # A header that may be a line of cells is not told.
    cells = refused(told, but(B001=pa.array(["x"]), b001=pa.array(["x"])))
    assert cells == {("s", f"column {number}", "differs from another column in case only") for number in (12, 13)}


def test_lists_of_fixed_size_are_refused_where_a_cell_may_be_emptied(policy: Callable[..., Policy]) -> None:
    fixed = pa.array([[1, 2]], pa.list_(pa.int8(), 2))
    problem = "is a list of fixed size: nobody could read the file once a cell is empty"
    assert refused(policy(RICH), but(age=fixed)) == {("sources.s", "age", problem)}
    assert refused(policy(RICH), but(more=fixed)) == set()


def test_files_of_one_source_have_the_same_columns(policy: Callable[..., Policy]) -> None:
    problem = "has other columns than the first file of its source"
    assert refused(policy(RICH), but(), but(), but(more=pa.array([1])), but(age=pa.array([1]))) == {
        ("s: 2", "", problem), ("s: 3", "", problem),
    }  # fmt: skip


def test_faults_of_all_sources_are_told_together(policy: Callable[..., Policy]) -> None:
    told = policy(RICH + RICH.replace("  s:", "  t:"))
    assert {where for where, _, _ in refused(told, but(told=None, plate=None))} == {"sources.s", "sources.t"}


# -- keys of JSON lines -----------------------------------------------------------------------------------------------

LINES = """
  s:
    path: s.jsonl
    primary_key: id
    columns:
      id: {kind: arrest, on_seal: {redact: [in], set: {status: X}}}
      in.by: {kind: arrest, on_seal: {redact: []}}
    text: {told: {mentions: [arrest], on_seal: clear}}
"""
LINE = '{"id": "B001", "status": "X", "told": "x", "in": {"by": "B001"}}\n'


def lines(policy: Policy, text: str) -> Said:
    (policy.folder / "s.jsonl").write_text(text)
    try:
        check_columns(policy, raw_files(policy))
    except SealproofError as error:
        return {(column or "", problem, "") for _, column, problem in said(error)}
    return set()


def test_keys_and_fields_of_json_lines_must_stand_in_a_line(policy: Callable[..., Policy]) -> None:
    plain_ = policy(LINES.replace("redact: [in]", "redact: []"))
    assert lines(plain_, LINE) == set()
    assert lines(plain_, LINE + '{"id": "B002"}\n') == set()
    assert ("told", "no line has this key", "") in lines(plain_, LINE.replace("told", "tell"))
    assert lines(plain_, LINE.replace('"x"', '["x"]')) == {("told", "holds a list or an object", "")}
    assert ("in.by", "is no field of an object in some lines", "") in lines(plain_, LINE + '{"id": "B002", "in": 5}\n')
    assert ("in.by", "names a key and a field", "") in lines(plain_, LINE.replace('"told"', '"in.by": "x", "told"'))
    assert ("in", "holds a field that is named as well", "") in lines(policy(LINES), LINE)
    listed = policy(LINES.replace("in.by: {kind: arrest, on_seal: {redact: []}}", '"in[]": {kind: arrest, on_seal: element}').replace("[in]", "[]"))
    assert ("in[]", "lists in JSON lines are not followed", "") in lines(listed, LINE)


def test_a_file_without_lines_has_whatever_keys_are_named(policy: Callable[..., Policy]) -> None:
    assert lines(policy(LINES.replace("redact: [in]", "redact: []")), "") == set()


# -- identifiers and links --------------------------------------------------------------------------------------------


def test_lookups_are_the_declared_columns_in_order(policy: Callable[..., Policy]) -> None:
    found = lookups(policy(RICH.replace("    path: s.parquet", "    path: s.parquet\n    missing: ['', 'N/A']")).sources["s"], KINDS)
    assert [(own.index, own.name, own.columns, own.elements, own.kind_name) for own in found] == [
        (0, "id", ("id",), False, "arrest"), (1, "[who, day]", ("who", "day"), False, "case"),
        (2, "tags[]", ("tags[]",), True, "photo"), (3, "in.by", ("in.by",), False, "arrest"),
    ]  # fmt: skip
    assert all(own.kind == KINDS[own.kind_name] and own.missing == frozenset(["", "N/A"]) for own in found)


LINKED = """
  s:
    path: s.parquet
    primary_key: id
    malformed: {0}
    columns:
      id: {{kind: arrest, on_seal: drop}}
      photo: {{kind: photo, on_seal: {{redact: []}}, carries: any}}
      of: {{kind: person, on_seal: {{redact: []}}, carries: all}}
      seen: {{kind: photo, on_seal: {{redact: []}}}}
  t:
    path: t.parquet
    primary_key: photo
    columns: {{photo: {{kind: photo, on_seal: drop}}}}
"""


def test_links_lead_from_what_drops_a_row_to_what_it_carries_each_once(policy: Callable[..., Policy]) -> None:
    told = policy(LINKED.format("drop"))
    rows = [("B001", "1", "P1", "9"), ("b-001", "0001", "P1", None), ("B002", "", "P1", "9"), ("?", "3", "P2", None), ("B003", "?", "", "1")]
    table = pa.Table.from_pylist([dict(zip(("id", "photo", "of", "seen"), row, strict=True)) for row in rows])
    parts = {"s": [FramePart("s", table)], "t": [FramePart("t", pa.table({"photo": ["1"]}))]}
    with DuckDB() as engine:
        sources = read(engine, told, parts, KINDS, Key(SECRET))
        links = engine.fetch(links_of(engine, sources))
    kind_of = {"B001": "arrest", "B002": "arrest", "0001": "photo", "P1": "person"}

    def row(mode: str, via: str, carrier: str, carried: str) -> dict[str, Any]:
        from_, to = (plain.token(SECRET, kind_of[one], one) for one in (carrier, carried))
        return {"mode": mode, "via": f"s.{via}", "from_kind": "arrest", "from_hi": int(from_[:16], 16), "from_lo": int(from_[16:], 16),
                "kind": kind_of[carried], "hi": int(to[:16], 16), "lo": int(to[16:], 16)}  # fmt: skip

    expected = [row("any", "photo", "B001", "0001"), row("all", "of", "B001", "P1"), row("all", "of", "B002", "P1")]
    key = lambda link: sorted(map(str, link.items()))  # noqa: E731
    differ = sorted(map(key, links.to_pylist())) != sorted(map(key, expected))
    assert not differ
    assert [own.tally.rows for own in sources.values()] == [5, 1]
    assert repr(sources["s"]) == "Read(s, rows=5)"
    assert set(sources["s"].places) >= {"id", "photo", "of", "seen"}


def test_what_does_not_fit_is_told_of_all_sources_together(policy: Callable[..., Policy]) -> None:
    told = policy(LINKED.format("error"))
    table = pa.table({"id": ["B001", "CANARY"], "photo": ["x", "y"], "of": ["P1", None], "seen": ["1", ""]})
    parts = {"s": [FramePart("s", table)], "t": [FramePart("t", pa.table({"photo": ["12345"]}))]}
    with DuckDB() as engine, pytest.raises(SourceFailure) as caught:
        read(engine, told, parts, KINDS, Key(SECRET))
    assert {(where, column) for where, column, _ in said(caught.value)} == {("s: s", "id"), ("s: s", "photo"), ("t: t", "photo")}


def test_a_source_of_which_nothing_is_read_is_left_out(policy: Callable[..., Policy]) -> None:
    told = policy(LINKED.format("error"))
    with DuckDB() as engine:
        sources = read(engine, told, {"s": [], "t": [FramePart("t", pa.table({"photo": ["1"]}))]}, KINDS, Key(SECRET))
        assert list(sources) == ["t"]
        assert engine.fetch(links_of(engine, sources)).num_rows == 0


# -- numbers of rows --------------------------------------------------------------------------------------------------


@given(st.lists(st.integers(-5, 5)))
def test_each_once_is_what_a_sorted_set_is(numbers: list[int]) -> None:
    assert each_once(np.array(numbers, np.int64)).tolist() == sorted(set(numbers))


@given(st.sets(st.integers(0, 12)), st.integers(0, 13), st.integers(0, 13))
def test_rows_that_go_are_counted_between_two_numbers(gone: set[int], start: int, stop: int) -> None:
    reached = Reached(None, None, np.array(sorted(gone), np.int64), None, None)  # type: ignore[arg-type] # of rows only
    assert reached.gone_between(start, max(start, stop)).tolist() == [row for row in sorted(gone) if start <= row < stop]


def test_raw_files_read_parquet_as_it_is(tmp_path: Path) -> None:
    pq.write_table(but(), tmp_path / "s.parquet")
    assert RawFile(tmp_path / "s.parquet", "s.parquet", Reading()).schema.names == list(COLUMNS)
