"""What bad input gets: an exit code, a message that names the place, no value of the data, and nothing published."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers.errors import COULD_NOT_CHECK, NOTHING_CHECKED, USAGE
from tests.cli_world import ARRESTS, CANARY, KINDS, OTHER_KEY, SEALED, Outcome, World, department, world

__all__ = ["department", "world"]

HARRIS = Path(__file__).parents[1] / ".." / "shared" / "data" / "harris"
SECRETS = (SEALED, SEALED.lower(), CANARY, "ab" * 8, OTHER_KEY[:16])


def refused(outcome: Outcome, code: int, *words: str) -> None:
    """The run ended with `code`, its message holds `words`, and nothing of the data came out."""
    leaked = sum(secret in outcome.told for secret in SECRETS)
    assert leaked == 0
    assert outcome.code == code, outcome.err
    for word in words:
        assert word in outcome.err
    assert outcome.out == ""


def unpublished(world: World) -> None:
    """Strip has left no folder, and no file of its run."""
    assert not (world / "clean").exists()
    left = world / ".clean.sealproof"
    assert not left.exists() or [path.name for path in left.iterdir()] == ["lock"]


# -- the key ----------------------------------------------------------------------------------------------------------


def test_without_a_key_nothing_runs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SEALPROOF_KEY", raising=False)
    monkeypatch.delenv("SEALPROOF_KEY_FILE", raising=False)
    refused(world.run("strip", *world.policy, "--out", world / "clean"), COULD_NOT_CHECK, "no key", "--key-file")
    unpublished(world)


@pytest.mark.parametrize("content", ["abab", "AB" * 32, "ab" * 33, "", "zz" * 32, "\udcff"])
def test_a_malformed_key_is_refused(world: World, content: str) -> None:
    world.write("key", content.encode("utf-8", "surrogateescape"))
    refused(world.strip(), COULD_NOT_CHECK, "key")
    unpublished(world)


def test_a_key_file_that_is_not_there_is_named(world: World) -> None:
    (world / "key").unlink()
    refused(world.strip(), COULD_NOT_CHECK, str(world / "key"), "cannot be read")
    unpublished(world)


def test_another_key_is_not_the_snapshots(world: World) -> None:
    world.write("key", OTHER_KEY)
    refused(world.strip(), COULD_NOT_CHECK, "register was made with another key")
    refused(world.run("strip", *world.keyed, "--out", world / "clean"), COULD_NOT_CHECK, "not the one the snapshot")
    refused(world.gate(world / "raw"), COULD_NOT_CHECK, "not the one the snapshot")
    unpublished(world)


# -- register and snapshot --------------------------------------------------------------------------------------------


def test_a_register_of_other_kinds_is_refused(world: World) -> None:
    world.write("kinds.yaml", KINDS.replace("[0-9]{12}", "[0-9]{11}"))
    refused(world.snapshot(), COULD_NOT_CHECK, "other kinds")


def test_a_snapshot_of_other_kinds_does_not_go_with_the_register(world: World) -> None:
    world.write("kinds.yaml", KINDS.replace("[0-9]{12}", "[0-9]{11}"))
    common = world.keeping
    delivery = ["--feed", world / "feed.csv", "--delivered-on", "2019-02-28"]
    added = world.run("register", "add", world / "second", *common, *delivery)
    assert added.code == 0
    world.write("raw/complaints.csv", (world / "raw/complaints.csv").read_text().replace("2017000", "201700"))
    made = world.run("register", "snapshot", world / "second", *common, *world.policy, "--as-of", "2019-03-01")
    assert made.code == 0, made.err
    refused(world.strip(), COULD_NOT_CHECK, "other kinds")
    unpublished(world)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("alter", [flip, truncate, empty, Path.unlink])
@pytest.mark.parametrize("name", ["city.snap", "city.snap.json"])
def test_an_altered_snapshot_is_refused(world: World, name: str, alter: Callable[[Path], None]) -> None:
    if (name, alter) == ("city.snap.json", flip):
        world.amend(name, '"digest": "', '"digest": "0')
    else:
        alter(world / name)
    refused(world.strip(), COULD_NOT_CHECK, "snapshot")
    unpublished(world)


def test_a_stale_register_is_refused(world: World) -> None:
    assert world.snapshot("--as-of", "2019-03-09").code == 0
    refused(world.strip(), COULD_NOT_CHECK, "nothing for 9 days", "register add")
    unpublished(world)


def test_a_snapshot_for_looking_back_does_not_publish(world: World) -> None:
    assert world.snapshot("--as-of", "2019-03-01", "--known-at", "2019-01-11").code == 0
    refused(world.strip(), COULD_NOT_CHECK, "only the latest snapshot may publish")
    unpublished(world)


def test_a_register_that_never_received_a_feed_makes_no_snapshot(world: World) -> None:
    given = ["--kinds", world / "kinds.yaml", *world.keyed, "--as-of", "2019-03-01", "--out", world / "new.snap"]
    refused(world.run("register", "snapshot", world / "empty", *given), COULD_NOT_CHECK, "never received a feed")
    assert not (world / "new.snap").exists()


@pytest.mark.parametrize("alter", [flip, truncate, empty])
def test_an_altered_delivery_stops_the_register(world: World, alter: Callable[[Path], None]) -> None:
    world.write("second.csv", (world / "feed.csv").read_text().replace(SEALED, "K17000001"))
    assert world.add("--feed", world / "second.csv").code == 0
    alter(world / "register/batches/000001.parquet")
    refused(world.snapshot(), COULD_NOT_CHECK, "restore the register")


# -- feeds ------------------------------------------------------------------------------------------------------------

HEADER = "kind,identifier,action,statute,effective_on,recorded_on"
GOOD = "arrest_number,K17000009,seal,CPL 160.50,2019-01-01,2019-01-02"


@pytest.mark.parametrize(
    ("row", "column"),
    [
        (f"arrest_number,{SEALED},seal,CPL 999.99,2019-01-01,2019-01-02", "statute"),
        (f"arrest_number,{SEALED},seal,CPL 160.50,2019-02-30,2019-01-02", "effective_on"),
        (f"arrest_number,{SEALED},seal,CPL 160.50,01/02/2019,2019-01-02", "effective_on"),
        (f"arrest_number,{SEALED},seal,CPL 160.50,2019-01-01,9999-12-31", "recorded_on"),
        (f"arrest_number,{SEALED},seal,CPL 160.50,,2019-01-02", "effective_on"),
        (f"arrest_number,{SEALED},unseal,CPL 160.50,2019-01-01,2019-01-02", "action"),
        (f"arrest,{SEALED},seal,CPL 160.50,2019-01-01,2019-01-02", "kind"),
        (f"arrest_number,{CANARY},seal,CPL 160.50,2019-01-01,2019-01-02", "identifier"),
        ("arrest_number,,seal,CPL 160.50,2019-01-01,2019-01-02", "identifier"),
    ],
)
def test_a_feed_row_that_cannot_be_meant_is_named_by_line_and_column(world: World, row: str, column: str) -> None:
    world.write("feed.csv", f"{HEADER}\n{GOOD}\n{row}\n{GOOD}\n")
    refused(world.add(), COULD_NOT_CHECK, str(world / "feed.csv"), "line 3", column)
    assert len(list((world / "register/batches").iterdir())) == 1


def test_contradictory_events_are_refused_with_their_line(world: World) -> None:
    both = [f"arrest_number,{SEALED},{action},CPL 160.50,2019-02-01,2019-02-02" for action in ("seal", "vacate")]
    rows = [GOOD, *both]
    world.write("feed.csv", "\n".join([HEADER, *rows, ""]))
    refused(world.add(), COULD_NOT_CHECK, "line 3", "action")
    assert len(list((world / "register/batches").iterdir())) == 1


def test_several_faults_of_a_feed_are_told_together(world: World) -> None:
    first = f"arrest_number,{SEALED},seal,CPL 999.99,2019-01-01,2019-01-02"
    rows = [first, f"arrest,{SEALED},seal,CPL 160.50,2019-13-01,x"]
    world.write("feed.csv", "\n".join([HEADER, *rows, ""]))
    refused(world.add(), COULD_NOT_CHECK, "statute", "kind", "effective_on", "recorded_on")


def test_a_feed_without_a_column_is_refused(world: World) -> None:
    header = "kind,identifier,action,effective_on,recorded_on"
    world.write("feed.csv", f"{header}\narrest_number,{SEALED},seal,2019-01-01,2019-01-01\n")
    refused(world.add(), COULD_NOT_CHECK, "statute", "is missing")


def test_a_feed_query_that_fails_shows_nothing_of_the_data(world: World) -> None:
    world.write("events.sql", "SELECT CAST(note AS INTEGER) AS kind FROM arrests")
    given = ["--query", world / "events.sql", "--source", f"arrests={world / 'raw/arrests.parquet'}"]
    refused(world.add(*given), USAGE, "events.sql", "withheld")


# -- the policy -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("purpose: predictive-model", "purpos: predictive-model", 3, ["purpos", "did you mean `purpose`?"]),
        ("delimiter:", "delimeter:", 15, ["delimeter", "did you mean `delimiter`?"]),
        ("primary_key: photo_number", "primarykey: photo_number", 16, ["primarykey", "did you mean `primary_key`?"]),
        ("on_seal: clear", "on_seal: keep", 26, ["on_seal"]),
        ("keep: 2", "kep: 2", 36, ["kep", "did you mean `keep`?"]),
        ("error_after: 7d", "error_after: soon", 4, ["error_after", "7d"]),
        ("version: 1", "version: 2", 1, ["version"]),
        ("version: 1", "version: 1\nversion: 1", 2, ["stands twice"]),
        ("sources:", "sources: [", None, ["sealing.yaml"]),
    ],
)
def test_an_unknown_setting_is_named_with_its_line_and_the_nearest(
    world: World, old: str, new: str, line: int | None, words: list[str]
) -> None:
    world.amend("sealing.yaml", old, new)
    refused(world.strip(), USAGE, *words, *([f"line {line}"] if line else []))
    refused(world.check(), USAGE, *words)
    unpublished(world)


def test_on_touched_has_no_default(world: World) -> None:
    world.amend("sealing.yaml", ", on_touched: keep_redacted", "")
    refused(world.strip(), USAGE, "on_touched", "is missing")
    unpublished(world)


def test_a_column_that_is_not_there_is_named_with_the_nearest(world: World) -> None:
    world.amend("sealing.yaml", "cleared_by: {", "clearedby: {")
    refused(world.strip(), USAGE, "clearedby", "did you mean `cleared_by`?", "sources.complaints")
    refused(world.check(), USAGE, "clearedby", "did you mean `cleared_by`?")
    unpublished(world)


def test_a_kind_that_the_register_does_not_know_is_refused(world: World) -> None:
    world.amend("sealing.yaml", "cleared_by: {kind: arrest_number", "cleared_by: {kind: arest_number")
    refused(world.strip(), USAGE, "arrest_number", "no kind of this register", "cleared_by")
    unpublished(world)


def test_any_onto_a_shared_kind_is_refused(world: World) -> None:
    shared = "status: {kind: complaint_number, on_seal: {redact: []}, carries: any}"
    world.amend("sealing.yaml", "set: {status: OPEN}}}", f"set: {{status: OPEN}}}}}}\n      {shared}")
    refused(world.strip(), USAGE, "`any` onto the shared kind complaint_number", "carries: all")
    unpublished(world)


def test_several_faults_of_one_run_are_told_together(world: World) -> None:
    world.amend("sealing.yaml", "cleared_by: {", "clearedby: {")
    world.amend("sealing.yaml", "narrative: {", "narative: {")
    world.amend("sealing.yaml", 'read: {delimiter: ";"}', "read: {}")
    refused(world.strip(), USAGE, "clearedby", "narative", "sources.photos", "delimiter: ';'")
    unpublished(world)


# -- raw sources ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["2.01905E+14", f"{CANARY}", "2017000000031", "-1", "201700000003.5", "?"])
def test_an_identifier_that_does_not_fit_is_named_by_file_column_and_row(world: World, cell: str) -> None:
    world.amend("raw/complaints.csv", "201700000003", cell)
    outcome = world.strip()
    refused(outcome, COULD_NOT_CHECK, "complaints.csv", "complaint_number", "row 3")
    told = len(cell) > 2 and cell in outcome.told
    assert not told
    unpublished(world)


def test_floats_that_a_spreadsheet_has_rounded_are_refused(world: World) -> None:
    world.write("raw/photos.csv", f"photo_number;note\n2.01905E+14;{CANARY}\n0000000003;b\n")
    refused(world.strip(), COULD_NOT_CHECK, "photos.csv", "photo_number", "row 1")
    unpublished(world)


def test_misfits_of_several_sources_are_told_together(world: World) -> None:
    world.amend("raw/complaints.csv", "Q17000003", CANARY)
    world.amend("raw/photos.csv", "0000000003", CANARY)
    refused(world.strip(), COULD_NOT_CHECK, "complaints.csv", "cleared_by", "photos.csv", "photo_number")
    unpublished(world)


ODD = pytest.mark.parametrize(
    ("kind", "cells"),
    [
        (pa.float16(), [1.0, 2.0, 3.0, -0.0]),
        (pa.duration("s"), [1, 2, 3, 4]),
        (pa.timestamp("ms"), [1, 2, 3, 4]),
        (pa.timestamp("us", tz="America/New_York"), [1, 2, 3, 4]),
        (pa.list_(pa.int8(), 1), [[1], [2], [3], [4]]),
        (pa.map_(pa.string(), pa.int8()), [[], [("a", 1)], [("b", None)], None]),
        (pa.time32("ms"), [1, 2, 3, 4]),
        (pa.decimal256(50, 2), [1, 2, 3, 4]),
        (pa.struct([("a", pa.decimal256(50, 2))]), [{"a": 1}, {"a": 2}, None, {"a": None}]),
    ],
)


@ODD
def test_a_column_that_no_seal_changes_keeps_a_type_that_the_engine_would_change(
    world: World, kind: pa.DataType, cells: list[object]
) -> None:
    raw = pa.table({**ARRESTS, "odd_one": pa.array(cells, kind)})
    world.write("raw/arrests.parquet", raw)
    assert world.strip().code == 0
    clean = pq.read_table(world / "clean/arrests.parquet")["odd_one"]
    assert clean.equals(raw["odd_one"][1:])


def test_a_list_of_fixed_size_cannot_be_emptied(world: World) -> None:
    sizes = pa.array([[1], [2], [3], [4]], pa.list_(pa.int8(), 1))
    world.write("raw/arrests.parquet", pa.table({**ARRESTS, "odd_one": sizes}))
    world.amend("sealing.yaml", "on_seal: {redact: []}", "on_seal: {redact: [odd_one]}")
    refused(world.strip(), USAGE, "odd_one", "list of fixed size")
    refused(world.check(), USAGE, "odd_one")
    unpublished(world)


@ODD
def test_a_seal_empties_cells_of_any_type(world: World, kind: pa.DataType, cells: list[object]) -> None:
    if pa.types.is_fixed_size_list(kind):
        pytest.skip("is refused, see above")
    raw = pa.table({**ARRESTS, "photo_number": ["0000000001", "0000000001", None, None], "odd_one": pa.array(cells, kind)})
    world.write("raw/arrests.parquet", raw)  # the second arrest stays, with a photo that is barred
    world.amend("sealing.yaml", "on_seal: {redact: []}", "on_seal: {redact: [odd_one]}")
    assert world.strip().code == 0
    clean = pq.read_table(world / "clean/arrests.parquet")["odd_one"]
    assert clean.is_valid().to_pylist() == [False, *raw["odd_one"][2:].is_valid().to_pylist()]
    assert clean[1:].equals(raw["odd_one"][2:])


def test_a_list_of_a_type_that_cannot_hold_an_identifier_is_refused_by_name(world: World) -> None:
    lineup = pa.array([[1], [2], None, []], pa.list_(pa.decimal256(20, 0)))
    world.write("raw/arrests.parquet", pa.table({**ARRESTS, "lineup": lineup}))
    photo = "photo_number:  {kind: photo_number, on_seal: {redact: []}, carries: any}"
    world.amend("sealing.yaml", photo, '"lineup[]": {kind: photo_number, on_seal: element}')
    refused(world.strip(), USAGE, "lineup", "cannot hold an identifier")
    unpublished(world)


def test_a_column_that_cannot_hold_an_identifier_is_refused_by_name(world: World) -> None:
    world.write("raw/arrests.parquet", pa.table({**ARRESTS, "photo_number": [True, None, False, True]}))
    refused(world.strip(), USAGE, "photo_number", "cannot hold an identifier")
    unpublished(world)


@pytest.mark.parametrize("alter", [truncate, empty])
def test_a_damaged_parquet_file_is_refused(world: World, alter: Callable[[Path], None]) -> None:
    alter(world / "raw/arrests.parquet")
    refused(world.strip(), COULD_NOT_CHECK, "arrests.parquet", "deliver the file again")
    unpublished(world)


def test_parquet_that_breaks_in_its_middle_is_refused(world: World) -> None:
    count, path = 20_000, world / "raw/arrests.parquet"
    numbers = [f"K{number:08d}" for number in range(count)]
    photos = pa.nulls(count, pa.string())
    rows = pa.table({"arrest_number": numbers, "photo_number": photos, "note": [CANARY] * count, "age": [1] * count})
    pq.write_table(rows, path, row_group_size=5_000)
    content = bytearray(path.read_bytes())
    content[60_000:70_000] = b"\xff" * 10_000
    path.write_bytes(content)
    refused(world.strip(), COULD_NOT_CHECK)
    unpublished(world)


def test_a_wrong_encoding_is_named_with_its_line(world: World) -> None:
    world.write("raw/photos.csv", f"photo_number;note\n0000000001;b\n0000000003;{CANARY} §\n".encode("cp1252"))
    refused(world.strip(), COULD_NOT_CHECK, "photos.csv", "line 3", "encoding: cp1252")
    unpublished(world)


def test_an_encoding_that_does_not_exist_is_refused(world: World) -> None:
    world.amend("sealing.yaml", 'read: {delimiter: ";"}', 'read: {delimiter: ";", encoding: utf-9}')
    refused(world.strip(), USAGE, "no such encoding")
    unpublished(world)


def test_a_ragged_csv_file_is_named_with_its_line(world: World) -> None:
    world.write("raw/photos.csv", f"photo_number;note\n0000000001;b\n0000000003;{CANARY};{CANARY}\n")
    refused(world.strip(), COULD_NOT_CHECK, "photos.csv", "line 3", "3 fields")
    unpublished(world)


def test_a_csv_file_with_another_delimiter_gets_a_line_to_paste(world: World) -> None:
    world.amend("sealing.yaml", 'read: {delimiter: ";"}', "missing: ['']")
    refused(world.strip(), USAGE, "photo_number", "read: {delimiter: ';'}")
    unpublished(world)


@pytest.mark.parametrize("content", ["", "photo_number;photo_number\n1;2\n"])
def test_a_csv_file_without_a_sound_header_is_refused(world: World, content: str) -> None:
    world.write("raw/photos.csv", content)
    outcome = world.strip()
    refused(outcome, outcome.code, "photo")
    assert outcome.code in (USAGE, COULD_NOT_CHECK)
    unpublished(world)


def test_a_source_without_files_is_refused(world: World) -> None:
    (world / "raw/photos.csv").unlink()
    refused(world.strip(), COULD_NOT_CHECK, "photos.csv", "no such file")
    unpublished(world)


def test_a_form_that_is_not_read_is_refused(world: World) -> None:
    world.write("raw/photos.json", f'{{"photo_number": "{CANARY}"}}')
    world.amend("sealing.yaml", "raw/photos.csv", "raw/photos.json")
    refused(world.strip(), COULD_NOT_CHECK, "photos.json", "none of .parquet, .csv, .jsonl and .ndjson")
    unpublished(world)


def test_files_of_one_source_with_different_columns_are_refused(world: World) -> None:
    world.write("raw/more/a.parquet", pa.table(ARRESTS))
    world.write("raw/more/b.parquet", pa.table({**ARRESTS, "extra": [CANARY] * 4}))
    world.amend("sealing.yaml", "raw/arrests.parquet", "raw/more/*.parquet")
    refused(world.strip(), USAGE, "b.parquet", "other columns")
    unpublished(world)


def test_a_source_without_any_identifier_is_refused(world: World) -> None:
    files = sorted(HARRIS.glob("*.csv"))
    if not files:
        pytest.skip("../shared/data/harris is not here")
    world.write("raw/photos.csv", files[0].read_bytes())
    world.amend("sealing.yaml", 'read: {delimiter: ";"}', "missing: ['']")
    refused(world.strip(), USAGE, "photo_number", "no such column")
    world.amend("sealing.yaml", "columns:\n      photo_number: {kind: photo_number, on_seal: drop}", "columns: {}")
    refused(world.strip(), USAGE, "sources.photos.columns")
    unpublished(world)


# -- where it goes ----------------------------------------------------------------------------------------------------


def test_a_file_in_the_place_of_the_output_folder_stays(world: World) -> None:
    world.write("clean", "mine")
    refused(world.strip(), COULD_NOT_CHECK, str(world / "clean"))
    assert (world / "clean").read_text() == "mine"
    assert not (world / ".clean.sealproof").exists()


def test_an_output_below_a_file_is_refused(world: World) -> None:
    world.write("file", "mine")
    outcome = world.run("strip", *world.keyed, "--out", world / "file" / "clean")
    refused(outcome, COULD_NOT_CHECK, "cannot be written")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_that_is_not_writable_is_refused(world: World) -> None:
    (world / "locked").mkdir(mode=0o500)
    outcome = world.run("strip", *world.keyed, "--out", world / "locked" / "clean")
    refused(outcome, COULD_NOT_CHECK, "cannot be written")


def test_a_disk_that_refuses_leaves_the_old_version(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.strip().code == 0
    before = {path: path.read_bytes() for path in (world / "clean").rglob("*") if path.is_file()}

    def full(_descriptor: int) -> None:
        raise OSError(28, CANARY)

    monkeypatch.setattr("sanitizers.publish.os.fsync", full)
    refused(world.strip(), COULD_NOT_CHECK, "No space left", "old version still stands")
    assert {path: path.read_bytes() for path in (world / "clean").rglob("*") if path.is_file()} == before


def test_a_keepers_receipt_that_cannot_be_written_stops_the_run_before_it_publishes(world: World) -> None:
    world.write("file", "mine")
    refused(world.strip("--keeper", world / "file" / "receipt.json"), COULD_NOT_CHECK, "file/receipt.json", "--keeper")
    unpublished(world)


def test_a_link_in_the_place_of_the_output_folder_stays_a_link(world: World) -> None:
    (world / "elsewhere").mkdir()
    (world / "clean").symlink_to(world / "elsewhere")
    for _ in range(2):
        assert world.strip().code == 0
    assert (world / "clean").is_symlink()
    assert (world / "elsewhere" / "receipt.json").exists()


def test_an_output_folder_that_holds_raw_files_is_refused(world: World) -> None:
    refused(world.run("strip", *world.keyed, "--out", world / "raw"), COULD_NOT_CHECK, "holds raw files")
    assert (world / "raw/arrests.parquet").exists()


def test_a_failing_run_leaves_the_last_version(world: World) -> None:
    assert world.strip().code == 0
    before = {path: path.read_bytes() for path in (world / "clean").rglob("*") if path.is_file()}
    world.amend("raw/complaints.csv", "201700000003", CANARY)
    refused(world.strip(), COULD_NOT_CHECK, "complaint_number")
    assert {path: path.read_bytes() for path in (world / "clean").rglob("*") if path.is_file()} == before


# -- the gate ---------------------------------------------------------------------------------------------------------


def test_an_empty_folder_is_no_pass(world: World) -> None:
    (world / "nothing").mkdir()
    outcome = world.gate(world / "nothing")
    assert (outcome.code, outcome.out.strip()) == (NOTHING_CHECKED, "nothing checked")


def test_pointers_alone_are_no_pass(world: World) -> None:
    world.write("pointers/model.dvc", "outs:\n- path: model\n")
    world.write("pointers/large.parquet", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n")
    outcome = world.gate(world / "pointers")
    assert outcome.code == NOTHING_CHECKED
    assert outcome.out.count("pull the data first") == 2


def test_a_target_that_is_not_there_is_a_usage_fault(world: World) -> None:
    refused(world.gate(world / "absent"), USAGE, "no such file or folder")


# -- faults of its own ------------------------------------------------------------------------------------------------


def test_an_uncaught_exception_is_no_verdict_and_its_text_is_not_shown(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError(f"could not convert {SEALED} {CANARY}")

    monkeypatch.setattr("sanitizers.keeper.strip_with_register", broken)
    monkeypatch.setattr("sanitizers.gate.judge", broken)
    for outcome in (world.strip(), world.gate(world / "raw")):
        assert outcome.code == COULD_NOT_CHECK
        leaked = sum(secret in outcome.out + outcome.err for secret in SECRETS)
        assert leaked == 0
        assert "ValueError" in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [["strip"], ["strip", "--nonsense"], ["nonsense"], ["register", "add"], ["gate"], ["report"], ["filter", "x"],
     ["register", "snapshot", "x", "--kinds", "k", "--as-of", "tomorrow"], ["gate", "x", "--format", "pdf"]],
)  # fmt: skip
def test_a_bad_option_is_a_usage_fault(world: World, arguments: list[str]) -> None:
    refused(world.run(*arguments), USAGE)
