"""What somebody in a hurry does in the first hour: each mishap ends as it should, and says what mends it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from sanitizers import gate
from sanitizers.engine import contract, writing
from sanitizers.errors import CONTAMINATED, COULD_NOT_CHECK, INTERRUPTED, USAGE
from sanitizers.identifiers import Key
from sanitizers.outputs import filter_output
from sanitizers.policy import Policy
from sanitizers.register.snapshot import load
from sanitizers.strip import strip
from tests.cli_world import ARRESTS, CANARY, FEED, SEALED, Outcome, World, department, world

__all__ = ["department", "world"]


def refused(outcome: Outcome, code: int, *words: str) -> None:
    """The run ended with `code`, its message holds `words`, and nothing of the data came out."""
    leaked = sum(secret in outcome.told for secret in (SEALED, SEALED.lower(), CANARY))
    assert leaked == 0
    assert outcome.code == code, outcome.err
    for word in words:
        assert word in outcome.err
    assert "fault of its own" not in outcome.err


def unpublished(world: World) -> None:
    """Strip has left no folder, and no file of its run."""
    assert not (world / "clean").exists()
    left = world / ".clean.sealproof"
    assert not left.exists() or [path.name for path in left.iterdir()] == ["lock"]


def as_csv(world: World, rows: str | bytes, read: str = "{}") -> None:
    """The arrests come as CSV."""
    world.write("raw/arrests.csv", rows)
    world.amend("sealing.yaml", "path: raw/arrests.parquet", f"path: raw/arrests.csv\n    read: {read}")


ROWS = f"{SEALED},0000000001,{CANARY},31\nK17000001,,plain,22\n"
HEADER = "arrest_number,photo_number,note,age\n"


# -- a header that is missing -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rows", [ROWS, f"{SEALED},{SEALED.lower()},arrest_numbr,31\n"])
def test_cells_that_stand_where_a_header_is_missing_are_not_told(world: World, rows: str) -> None:
    as_csv(world, rows)
    for outcome in (world.strip(), world.check()):
        refused(outcome, USAGE, "arrest_number", "none of its 4 columns; is the header missing?")
        told = sum(cell in outcome.err for cell in ("arrest_numbr", "K17000001", "0000000001"))
        assert told == 0
    unpublished(world)


def test_an_output_without_header_shows_none_of_its_cells(world: World) -> None:
    world.write("ranked.csv", f"201700000001,{SEALED},1\n201700000002,x,2\n")
    given = ["--output", "candidates", "--out", world / "filtered.csv"]
    outcome = world.run("filter", world / "ranked.csv", *world.keyed, *given)
    refused(outcome, USAGE, "candidate", "is the header missing?")
    told = "201700000001" in outcome.err
    assert not told


# -- Ctrl-C -----------------------------------------------------------------------------------------------------------


def interrupting(genuine: Callable[..., Any]) -> Callable[..., Any]:
    """Press Ctrl-C on the way, and let the engine notice."""

    def pressed(*given: Any, **named: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.5)
        return genuine(*given, **named)

    return pressed


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is heard also where the tests run in the background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("heard")
@pytest.mark.parametrize(("room", "step"), [(contract, "_tokens_of"), (contract, "mentions_of"), (writing, "_kept")])
def test_ctrl_c_while_the_engine_works_is_no_fault(
    world: World, monkeypatch: pytest.MonkeyPatch, room: Any, step: str
) -> None:
    monkeypatch.setattr(room, step, interrupting(getattr(room, step)))
    outcome = world.strip()
    assert (outcome.code, outcome.err.strip()) == (INTERRUPTED, "interrupted")
    unpublished(world)


def test_ctrl_c_while_features_are_computed_is_no_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world.strip().code == 0
    long = "SELECT arrests.age, count(*) AS arrests FROM arrests, arrests AS b" + ", arrests AS {}" * 25
    world.write("features/ages.sql", long.format(*(f"t{n}" for n in range(25))) + " GROUP BY arrests.age\n")
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    signal.setitimer(signal.ITIMER_REAL, 1.5)
    try:
        outcome = world.features()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert (outcome.code, outcome.err.strip()) == (INTERRUPTED, "interrupted")
    assert not (world / "features-out").exists()


# -- files without rows -----------------------------------------------------------------------------------------------


def test_an_empty_file_is_called_empty(world: World) -> None:
    for name in ("raw/photos.csv", "raw/arrests.parquet"):
        world.write(name, "")
    for outcome in (world.strip(), world.check()):
        refused(outcome, COULD_NOT_CHECK, "photos.csv: the file is empty", "arrests.parquet: the file is empty")
        refused(outcome, COULD_NOT_CHECK, "deliver the file again")
    unpublished(world)


def test_an_empty_file_among_several_is_called_empty(world: World) -> None:
    world.amend("sealing.yaml", "raw/photos.csv", "raw/photos*.csv")
    world.write("raw/photos-2.csv", "")
    refused(world.strip(), COULD_NOT_CHECK, "photos-2.csv: the file is empty")
    unpublished(world)


def test_an_empty_feed_is_called_empty(world: World) -> None:
    world.write("feed.csv", "")
    refused(world.add(), COULD_NOT_CHECK, "feed.csv: the file is empty")


def test_an_empty_output_is_called_empty(world: World) -> None:
    world.write("ranked.csv", "")
    given = ["--output", "candidates", "--out", world / "filtered.csv"]
    refused(world.run("filter", world / "ranked.csv", *world.keyed, *given), COULD_NOT_CHECK, "the file is empty")


def test_a_first_line_without_names_is_no_header(world: World) -> None:
    world.write("raw/photos.csv", "\n\n")
    refused(world.strip(), COULD_NOT_CHECK, "photos.csv, line 1: has no header")
    unpublished(world)


# -- columns without a name -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        (f',arrest_number,age\n0,{SEALED},31\n1,K17000001,\n2,Q17000003,"§,;"""\n', (0, 2, 3)),
        (f"arrest_number,age,\n{SEALED},31,\nK17000001,22,\n", (0, 2)),
    ],
)
def test_a_column_without_a_name_passes_as_it_is(
    world: World, raw: str, clean: tuple[int, ...], delimiter: str, encoding: str
) -> None:
    raw = raw.replace(",", "\0").replace(";", ",").replace("\0", delimiter)
    as_csv(world, raw.encode(encoding), f'{{delimiter: "{delimiter}", encoding: {encoding}}}')
    world.amend("sealing.yaml", "      photo_number:  {kind: photo_number, on_seal: {redact: []}, carries: any}\n", "")
    world.amend(
        "sealing.yaml", "purpose: predictive-model", "purpose: predictive-model\npublish: {arrest_number: plain}"
    )
    refused(world.check(), USAGE, "sources.photos: no seal gets to this source")  # the link to it is gone
    outcome = world.strip()
    assert outcome.code == 0, outcome.err
    lines = raw.splitlines(keepends=True)
    expected = "".join(lines[number] for number in clean)
    assert (world / "clean/arrests.csv").read_bytes().decode(encoding) == expected
    world.write("features/ages.sql", "SELECT CAST(arrests.age AS BIGINT) AS age, count(*) AS arrests FROM arrests "
                "WHERE arrests.age <> '' AND length(arrests.age) = 2 GROUP BY arrests.age\n")  # fmt: skip
    assert world.features().code == 0


def test_names_that_differ_in_case_only_are_refused_before_anything_is_read(world: World) -> None:
    as_csv(world, f"arrest_number,photo_number,age,AGE\n{SEALED},,31,{CANARY}\n")
    refused(world.strip(), USAGE, "arrests, AGE: differs from another column in case only")
    refused(world.check(), USAGE, "age", "in case only")
    unpublished(world)


# -- byte order marks -------------------------------------------------------------------------------------------------

BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "UTF8"])
@pytest.mark.parametrize("mark", [b"", BOM])
@pytest.mark.parametrize("quote", ["", '"'])
def test_a_byte_order_mark_is_no_name_and_is_kept_as_it_is(
    world: World, encoding: str, mark: bytes, quote: str
) -> None:
    header = HEADER.replace("arrest_number", f"{quote}arrest_number{quote}")
    as_csv(world, mark + f"{header}{ROWS}".encode(), f"{{encoding: {encoding}}}")
    world.amend(
        "sealing.yaml", "purpose: predictive-model", "purpose: predictive-model\npublish: {arrest_number: plain}"
    )
    assert world.check().code == 0
    outcome = world.strip()
    assert outcome.code == 0, outcome.err
    assert (world / "clean/arrests.csv").read_bytes() == mark + f"{HEADER}K17000001,,plain,22\n".encode()
    assert world.gate(world / "clean/arrests.csv").code == 0
    assert world.gate(world / "raw/arrests.csv").code == CONTAMINATED


def test_a_feed_and_an_output_may_start_with_a_byte_order_mark(world: World) -> None:
    world.write("feed.csv", BOM + (world / "feed.csv").read_bytes())
    assert world.add().code == 0
    world.write("ranked.csv", BOM + b"candidate,rank\n201700000002,1\n")
    outcome = world.run(
        "filter", world / "ranked.csv", *world.keyed, "--output", "candidates", "--out", world / "f.csv"
    )
    assert outcome.code == 0, outcome.err
    assert (world / "f.csv").read_bytes() == (world / "ranked.csv").read_bytes()


# -- a header and nothing else ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", BOM])
def test_a_header_alone_is_a_table_without_rows(world: World, end: str, mark: bytes) -> None:
    as_csv(world, mark + HEADER.strip().encode() + end.encode())
    assert world.check().code == 0
    outcome = world.strip()
    assert outcome.code == 0, outcome.err
    assert (world / "clean/arrests.csv").read_bytes() == mark + HEADER.encode()


def test_a_header_that_breaks_off_in_a_quote_is_refused(world: World) -> None:
    as_csv(world, 'arrest_number,photo_number,note,"age')
    refused(world.strip(), COULD_NOT_CHECK, "arrests.csv")
    unpublished(world)


# -- a name that stands twice -----------------------------------------------------------------------------------------


def test_a_parquet_file_with_a_column_name_twice_is_refused(world: World) -> None:
    rows = pa.table([*ARRESTS.values(), [1, 2, 3, 4]], [*ARRESTS, "age"])
    world.write("raw/arrests.parquet", rows)
    refused(world.strip(), COULD_NOT_CHECK, "arrests.parquet: has a column name twice", "rename one")
    refused(world.check(), COULD_NOT_CHECK, "has a column name twice")
    unpublished(world)


def test_a_frame_may_have_a_name_twice_that_the_policy_does_not_know(world: World) -> None:
    arrests = pd.DataFrame(ARRESTS)
    note = arrests[["note"]].astype("category")
    given = {
        "arrests": pd.concat([arrests, arrests[["age"]], note], axis=1),
        "photos": pd.read_csv(world / "raw/photos.csv", sep=";", dtype=str),
        "complaints": pd.read_csv(world / "raw/complaints.csv", dtype=str),
    }
    policy, key = Policy.load(world / "sealing.yaml"), Key.load(world / "key")
    clean, _ = strip(given, policy=policy, snapshot=load(world / "city.snap"), key=key)
    assert list(clean["arrests"].columns) == [*ARRESTS, "age", "note"]
    assert clean["arrests"]["age"].to_numpy().tolist() == [[22, 22], [45, 45], [19, 19]]
    assert list(clean["arrests"].iloc[:, -1].cat.categories) == ["", "plain", CANARY]


def test_a_filtered_frame_may_have_a_name_twice_that_the_policy_does_not_know(world: World) -> None:
    output = Policy.load(world / "sealing.yaml").outputs["candidates"]
    ranked = pd.DataFrame({"candidate": ["201700000001", "201700000002"], "rank": [1, 2]})
    twice = pd.DataFrame([["a", "b"], ["c", "d"]], columns=["why", "why"]).astype("category")
    given = pd.concat([ranked, twice], axis=1)
    kept, _ = filter_output(given, output, snapshot=load(world / "city.snap"), key=Key.load(world / "key"))
    assert kept.equals(given)


# -- a delimiter that cannot be one -----------------------------------------------------------------------------------


@pytest.mark.parametrize("delimiter", ["'\"'", '"\\n"', '"\\r"', '"\\0"', "§"])
def test_a_delimiter_that_cannot_part_cells_is_refused(world: World, delimiter: str) -> None:
    world.amend("sealing.yaml", 'read: {delimiter: ";"}', f"read: {{delimiter: {delimiter}}}")
    for outcome in (world.strip(), world.check()):
        refused(outcome, USAGE, "sealing.yaml, line 15, sources.photos.read.delimiter", "write the character that does")
    unpublished(world)


# -- the register's first delivery, the gate's first verdict ----------------------------------------------------------


@pytest.mark.parametrize("mark", [";", "\t", "|"])
def test_a_feed_with_another_delimiter_is_told_once(world: World, mark: str) -> None:
    world.write("feed.csv", FEED.replace(",", mark))
    outcome = world.add()
    refused(outcome, COULD_NOT_CHECK, "feed.csv, line 1: the header has one column", "with `,` between the cells")
    assert "is missing" not in outcome.err


@pytest.mark.parametrize("written", [str.title, str.upper])
def test_a_feed_with_capitals_in_its_header_is_told_the_names(world: World, written: Callable[[str], str]) -> None:
    header, row = FEED.splitlines()
    world.write("feed.csv", f"{written(header)}\n{row}\n")
    words = (f"did you mean `{written(name)}`?" for name in header.split(","))
    refused(world.add(), COULD_NOT_CHECK, "kind: is missing", *words)


def test_a_feed_without_header_shows_none_of_its_cells(world: World) -> None:
    world.write("feed.csv", FEED.splitlines()[1] + "\n")
    refused(world.add(), COULD_NOT_CHECK, "identifier: is missing", "is the header missing?")


def test_a_feed_in_the_place_of_the_register_is_refused(world: World) -> None:
    delivery = ["--delivered-on", "2019-02-28", "--feed", world / "feed.csv"]
    outcome = world.run("register", "add", world / "feed.csv", *world.keeping, *delivery)
    refused(outcome, USAGE, "feed.csv: is a file and no register", "--feed")
    refused(world.strip("--register", world / "feed.csv"), USAGE, "is a file and no register")
    unpublished(world)


@pytest.mark.parametrize("name", ["raw", "key/verdict.json"])
def test_a_verdict_that_cannot_be_written_is_refused_before_anything_is_judged(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(gate, "judge", lambda *_given, **_named: pytest.fail("judged"))
    outcome = world.gate(world / "raw", "--verdict", world / name)
    refused(outcome, COULD_NOT_CHECK, str(world / name), "cannot be written")
    assert outcome.out == ""


# -- identifiers that do not fit --------------------------------------------------------------------------------------


def test_a_cell_that_does_not_fit_is_named_by_its_line(world: World) -> None:
    broken = '201700000003,,,"OPEN\n\nfor now",\n\n'
    world.amend("raw/complaints.csv", "201700000003,Q", f"{broken}201700000004,X")
    outcome = world.strip()
    refused(outcome, COULD_NOT_CHECK, "complaints.csv, line 8, cleared_by: 1 cell(s)", "row 4", "malformed: drop")
    lines = (world / "raw/complaints.csv").read_text().splitlines()
    assert lines[7].startswith("201700000004,X")
    unpublished(world)


def test_a_row_of_parquet_has_no_line(world: World) -> None:
    numbers = [SEALED, "K17000001", "K1", "Q17000003"]
    world.write("raw/arrests.parquet", pa.table({**ARRESTS, "arrest_number": numbers}))
    outcome = world.strip()
    refused(outcome, COULD_NOT_CHECK, "arrests.parquet, arrest_number: 1 cell(s)", "row 3")
    assert "line" not in outcome.err


@pytest.mark.parametrize("cell", ["2.01905E+14", "2,01905E+14", "2E+11", " 2.017e11"])
def test_numbers_that_a_spreadsheet_has_rounded_must_be_exported_again(world: World, cell: str) -> None:
    world.amend("raw/complaints.csv", "201700000003", f'"{cell}"')
    outcome = world.strip()
    refused(outcome, COULD_NOT_CHECK, "complaints.csv, line 4, complaint_number", "lost digits; export the file again")
    told = sum(word in outcome.err for word in ("malformed: drop", "missing:", cell))
    assert told == 0
    unpublished(world)
