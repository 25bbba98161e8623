"""The synthetic city against its own truth, told twice: with the sealed arrests and without them.

The checks are plain Python over what stands in the files; nothing of the generator but `write_city` is used.
"""

from __future__ import annotations

import csv
import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from pipelines.city import records, write_city
from pipelines.city.__main__ import main

LAST_DAY = date(2019, 12, 31)
SUSPECT = ("suspect_age", "suspect_sex", "suspect_race", "suspect_height")
BY_ARRESTS = {*SUSPECT, "status", "cleared_by", "lineup", "narrative"}
FAVOURABLE = {"Dismissed", "Acquitted", "Declined to Prosecute", "ACD Dismissed"}
MISSING = {"N/A", "(null)", ""}
NUMBER = re.compile(r"[BKMQSbkmqs][- ]?\d\d[- ]?\d{6}")
SPELLINGS = {
    "compact": r"[BKMQS]\d{8}",
    "lower": r"[bkmqs]\d{8}",
    "dashed": r"[BKMQS]\d\d-\d{6}",
    "lower dashed": r"[bkmqs]\d\d-\d{6}",
    "spaced": r"[BKMQS] \d\d \d{6}",
    "padded": r" [BKMQS]\d{8} ",
    "full width": r"[ＢＫＭＱＳ][０-９]{8}",
}


def canonical(text: str) -> str:
    return re.sub("[^0-9A-Z]", "", unicodedata.normalize("NFKC", text).upper())


def photo(text: str) -> str:
    return re.sub(r"\D", "", text.removesuffix(".0")).zfill(10)


def rows_of(*paths: Path, **options: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for path in paths:
        if path.suffix == ".parquet":
            rows += [
                {name: None if cell != cell else cell for name, cell in row.items()}  # NaN is equal to nothing
                for row in pq.read_table(path).to_pylist()
            ]
        else:
            with path.open(encoding=options.get("encoding", "utf-8"), newline="") as file:
                rows += csv.DictReader(file, delimiter=options.get("delimiter", ","), quoting=csv.QUOTE_NONE)
    return rows


def read(out: Path) -> SimpleNamespace:
    raw = out / "raw"
    return SimpleNamespace(
        persons=rows_of(raw / "persons.csv"),
        arrests=rows_of(*sorted((raw / "arrests").iterdir())),
        charges=rows_of(raw / "charges.csv"),
        complaints=rows_of(raw / "complaints.parquet"),
        photos=rows_of(*sorted((raw / "photos").iterdir()), delimiter=";", encoding="cp1252"),
        stops=rows_of(raw / "stops.csv"),
        members=rows_of(raw / "pattern_members.csv"),
        feed=rows_of(out / "seal_feed.csv"),
        truth=rows_of(out / "truth.csv"),
    )


def files_of(out: Path) -> dict[str, str]:
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }


def sentences(narrative: str) -> list[str]:
    parts = narrative.split(". ")
    assert parts.pop() == ""
    return parts


@pytest.fixture(scope="module", params=[7, 8, 2**40])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """Return the city, its twin and what a plain reader of the city knows about its barred arrests."""
    out = tmp_path_factory.mktemp("pair")
    for name in ("city", "twin"):
        write_city(out / name, arrests=1500, seed=request.param, as_of=LAST_DAY, without_sealed=name == "twin")
    city, twin = read(out / "city"), read(out / "twin")
    barred = {row["arrest_number"] for row in city.truth if row["barred"] == "1"}
    of_arrest = {row["arrest_number"]: row for row in city.arrests}
    makers = defaultdict(set)
    for row in city.arrests:
        if row["onview_complaint"]:
            makers[row["onview_complaint"]].add(row["arrest_number"])
    return SimpleNamespace(
        city=city,
        twin=twin,
        out=out,
        barred=barred,
        barred_photos={
            f"{of_arrest[n]['photo_number']:010}" for n in barred if of_arrest[n]["photo_number"] is not None
        },
        gone_complaints={number for number, by in makers.items() if by <= barred},
    )


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    out = tmp_path_factory.mktemp("default")
    summary = write_city(out, arrests=4000, seed=7, as_of=LAST_DAY)
    return SimpleNamespace(summary=summary, **vars(read(out)))


# One seed, one city.


def test_equal_arguments_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_city(tmp_path / name, arrests=300, seed=3, as_of=LAST_DAY)
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")


def test_another_seed_gives_another_city(tmp_path: Path) -> None:
    for seed in (3, 4):
        write_city(tmp_path / str(seed), arrests=300, seed=seed, as_of=LAST_DAY)
    one, two = files_of(tmp_path / "3"), files_of(tmp_path / "4")
    assert one.keys() == two.keys()
    assert not any(one[name] == two[name] for name in one)


def test_the_day_decides_what_is_barred_and_nothing_else(tmp_path: Path) -> None:
    early = write_city(tmp_path / "early", arrests=300, seed=3, as_of=date(2016, 6, 30))
    late = write_city(tmp_path / "late", arrests=300, seed=3, as_of=LAST_DAY)
    assert 0 < early.barred < late.barred
    one, two = files_of(tmp_path / "early"), files_of(tmp_path / "late")
    assert {name for name in one if one[name] != two[name]} == {"truth.csv"}


def test_the_size_of_a_block_moves_no_row_in_or_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_city(tmp_path / "whole", arrests=300, seed=3, as_of=LAST_DAY, without_sealed=True)
    monkeypatch.setattr(records, "BLOCK", 37)
    write_city(tmp_path / "blocks", arrests=300, seed=3, as_of=LAST_DAY, without_sealed=True)
    whole, parts = vars(read(tmp_path / "whole")), vars(read(tmp_path / "blocks"))
    assert whole.pop("feed") == parts.pop("feed")  # in order, by the day of recording
    for table, rows in whole.items():
        assert Counter(map(str, rows)) == Counter(map(str, parts[table])), table


@pytest.mark.parametrize("arrests", [1, 21])
def test_a_tiny_city_has_every_file_and_every_header(tmp_path: Path, arrests: int) -> None:
    write_city(tmp_path / "tiny", arrests=arrests, seed=5, as_of=LAST_DAY, without_sealed=True)
    write_city(tmp_path / "small", arrests=300, seed=5, as_of=LAST_DAY)
    tiny, small = files_of(tmp_path / "tiny"), files_of(tmp_path / "small")
    assert tiny.keys() == small.keys()
    for name in tiny:
        one, two = tmp_path / "tiny" / name, tmp_path / "small" / name
        if one.suffix == ".csv":
            assert one.read_bytes().split(b"\n")[0] == two.read_bytes().split(b"\n")[0]
        else:
            assert pq.read_schema(one).equals(pq.read_schema(two))


@pytest.mark.parametrize("arrests", [0, 20_000_001])
def test_a_city_that_its_numbers_cannot_hold_is_refused(tmp_path: Path, arrests: int) -> None:
    with pytest.raises(ValueError, match="between 1 and 20,000,000"):
        write_city(tmp_path, arrests=arrests, seed=1, as_of=LAST_DAY)


def test_the_generator_knows_nothing_of_the_library() -> None:
    sources = Path(records.__file__).parent.rglob("*.py")
    assert not [path.name for path in sources if "sanitizers" in path.read_text(encoding="utf-8")]


def test_the_command_writes_the_city_that_the_function_writes(tmp_path: Path) -> None:
    arguments = ["--out", str(tmp_path / "by command"), "--arrests", "60", "--seed", "3", "--as-of", "2018-05-01"]
    answer = CliRunner().invoke(main, [*arguments, "--without-sealed"], catch_exceptions=False)
    write_city(tmp_path / "by call", arrests=60, seed=3, as_of=date(2018, 5, 1), without_sealed=True)
    assert answer.exit_code == 0
    assert files_of(tmp_path / "by command") == files_of(tmp_path / "by call")


# The twin.


def test_the_twin_has_the_same_files(pair: SimpleNamespace) -> None:
    assert files_of(pair.out / "city").keys() == files_of(pair.out / "twin").keys()


@pytest.mark.parametrize(
    ("table", "column"),
    [("arrests", "arrest_number"), ("charges", "arrest_number"), ("feed", "identifier"), ("truth", "arrest_number")],
)
def test_rows_of_barred_arrests_are_gone_and_nothing_else(pair: SimpleNamespace, table: str, column: str) -> None:
    rows = getattr(pair.city, table)
    expected = [row for row in rows if canonical(row[column]) not in pair.barred]
    same = getattr(pair.twin, table) == expected
    assert 0 < len(expected) < len(rows)
    assert same


def test_photos_of_barred_arrests_are_gone_and_nothing_else(pair: SimpleNamespace) -> None:
    same = pair.twin.photos == [row for row in pair.city.photos if photo(row["photo_number"]) not in pair.barred_photos]
    assert same


def test_persons_stay_exactly_while_an_arrest_of_theirs_does(pair: SimpleNamespace) -> None:
    known = {row["person_id"].upper() for row in pair.city.arrests if row["arrest_number"] not in pair.barred}
    same = pair.twin.persons == [row for row in pair.city.persons if row["person_id"] in known]
    assert 0 < len(pair.twin.persons) < len(pair.city.persons)
    assert same


def test_stops_differ_in_their_reference_to_a_barred_arrest_only(pair: SimpleNamespace) -> None:
    changed = 0
    for city, twin in zip(pair.city.stops, pair.twin.stops, strict=True):
        if canonical(city["suspect_arrest_number"]) in pair.barred:
            changed += 1
            assert twin["suspect_arrest_number"] in MISSING
            twin = {**twin, "suspect_arrest_number": city["suspect_arrest_number"]}
        same = city == twin
        assert same
    assert changed > 50


def test_complaints_are_gone_only_with_all_the_arrests_that_made_them(pair: SimpleNamespace) -> None:
    numbers = [row["complaint_number"] for row in pair.city.complaints]
    same = [row["complaint_number"] for row in pair.twin.complaints] == [
        n for n in numbers if n not in pair.gone_complaints
    ]
    assert len(pair.gone_complaints) > 10
    assert same


def test_complaints_lose_what_barred_arrests_wrote_and_nothing_else(pair: SimpleNamespace) -> None:
    twins = {row["complaint_number"]: row for row in pair.twin.complaints}
    changed: Counter[str] = Counter()
    for row in pair.city.complaints:
        if row["complaint_number"] in pair.gone_complaints:
            continue
        expected = dict(row)
        if row["cleared_by"] and canonical(row["cleared_by"]) in pair.barred:
            expected |= dict.fromkeys(SUSPECT) | {"cleared_by": None, "status": "OPEN"}
        if row["lineup"]:
            expected["lineup"] = [number for number in row["lineup"] if number not in pair.barred_photos]
        for sentence in sentences(row["narrative"]):
            if any(canonical(number) in pair.barred for number in NUMBER.findall(sentence)):
                expected["narrative"] = expected["narrative"].replace(f"{sentence}. ", "")
        same = twins[row["complaint_number"]] == expected
        assert same
        changed.update(column for column in row if row[column] != expected[column])
    assert changed.keys() == BY_ARRESTS
    assert min(changed.values()) > 20


def test_pattern_evidence_goes_with_its_arrest_or_its_complaint(pair: SimpleNamespace) -> None:
    with_arrest = [row for row in pair.city.members if canonical(row["evidence_arrest"]) not in pair.barred]
    expected = [row for row in with_arrest if row["complaint_number"] not in pair.gone_complaints]
    same = pair.twin.members == expected
    assert len(pair.city.members) > len(with_arrest) > len(expected) > 0
    assert same


def test_no_file_of_the_twin_names_what_is_barred(pair: SimpleNamespace) -> None:
    found: set[str] = set()
    for rows in vars(pair.twin).values():
        for row in rows:
            for name, cell in row.items():
                cells = cell if isinstance(cell, list) else [cell]
                found |= (
                    {photo(str(c)) for c in cells}
                    if name in ("photo_number", "lineup")
                    else set(map(canonical, map(str, cells)))
                )
                if name == "narrative":
                    found |= set(map(canonical, NUMBER.findall(cell)))
    leaked = len(found & (pair.barred | pair.barred_photos | pair.gone_complaints))
    kept = len(found & {row["arrest_number"] for row in pair.twin.arrests})
    assert leaked == 0
    assert kept == len(pair.twin.arrests)


# The truth.


def test_nearly_half_of_the_arrests_are_barred(default: SimpleNamespace) -> None:
    barred = sum(row["barred"] == "1" for row in default.truth)
    assert barred == default.summary.barred
    assert 0.42 <= barred / len(default.truth) <= 0.52


def test_the_truth_is_what_the_feed_says(default: SimpleNamespace) -> None:
    latest: dict[tuple[str, str, str], tuple[str, bool]] = {}
    for row in default.feed:
        if row["effective_on"] <= "2019-12-31":
            record = canonical(row["identifier"]), row["statute"], row["case"]
            event = row["effective_on"], row["action"] == "seal"  # on one date seal beats vacate
            latest[record] = max(latest.get(record, event), event)
    barred = {
        number
        for (number, statute, _), (_, sealed) in latest.items()
        if sealed and statute in ("CPL 160.50", "CPL 160.55")
    }
    wrong = len(barred ^ {row["arrest_number"] for row in default.truth if row["barred"] == "1"})
    assert wrong == 0


def test_the_feed_is_in_order_and_holds_every_kind_of_history(default: SimpleNamespace) -> None:
    feed = default.feed
    assert [row["recorded_on"] for row in feed] == sorted(row["recorded_on"] for row in feed)
    assert all(row["recorded_on"] >= row["effective_on"] for row in feed)
    assert len(set(map(str, feed))) == len(feed)
    histories = defaultdict(list)
    for row in sorted(feed, key=lambda row: row["effective_on"]):
        histories[canonical(row["identifier"])].append(row)
    seen = Counter(
        (*sorted(row["action"] for row in rows), len({row["statute"] for row in rows})) for rows in histories.values()
    )
    assert seen.keys() == {
        ("seal", 1),
        ("seal", "vacate", 1),
        ("seal", "seal", "vacate", 2),
        ("seal", "seal", "vacate", 1),
    }
    assert min(seen.values()) >= 10
    future = sum(rows[0]["effective_on"] > "2019-12-31" for rows in histories.values())
    assert 0.005 < future / len(default.arrests) < 0.02
    assert sum(row["statute"] == "CPL 160.59" for row in feed) > 0.02 * len(default.arrests)


def test_seals_follow_from_the_dispositions(default: SimpleNamespace) -> None:
    outcomes = defaultdict(set)
    for row in default.charges:
        outcomes[canonical(row["arrest_number"])].add(row["disposition"])
        assert (row["disposition"] == "Pending") == (row["disposition_date"] == "")
    first = {}
    for row in sorted(default.feed, key=lambda row: row["effective_on"]):
        first.setdefault(canonical(row["identifier"]), row["statute"])
    for arrest, ended in outcomes.items():
        if ended <= FAVOURABLE:
            assert first[arrest] == "CPL 160.50"
        elif ended <= FAVOURABLE | {"Convicted - Violation"}:
            assert first[arrest] == "CPL 160.55"
        else:
            assert first.get(arrest, "CPL 160.59") == "CPL 160.59"


# The shape of the records.


def test_numbers_are_unique_and_references_lead_somewhere(default: SimpleNamespace) -> None:
    for table, column in [
        ("persons", "person_id"),
        ("arrests", "arrest_number"),
        ("complaints", "complaint_number"),
        ("stops", "stop_id"),
        ("members", "member_id"),
    ]:
        rows = getattr(default, table)
        assert len({row[column] for row in rows}) == len(rows), table
    assert len({photo(row["photo_number"]) for row in default.photos}) == len(default.photos)
    arrests = {row["arrest_number"]: row for row in default.arrests}
    complaints = {row["complaint_number"] for row in default.complaints}
    photos = {f"{row['photo_number']:010}" for row in default.arrests if row["photo_number"] is not None}
    assert photos == {photo(row["photo_number"]) for row in default.photos}
    assert {row["person_id"].upper() for row in default.arrests} == {row["person_id"] for row in default.persons}
    assert {canonical(row["complaint_number"]) for row in default.arrests if row["complaint_number"]} <= complaints
    assert {row["complaint_number"] for row in default.members} <= complaints
    assert {canonical(row["suspect_arrest_number"]) for row in default.stops} <= arrests.keys() | {"NA", "NULL", ""}
    assert {canonical(row["evidence_arrest"]) for row in default.members} <= arrests.keys() | {""}


def test_shares_are_as_announced(default: SimpleNamespace) -> None:
    arrests, complaints = default.arrests, default.complaints
    dockets = Counter(row["docket"] for row in arrests if row["docket"])
    share = {
        "persons": (len(default.persons) / len(arrests), 0.50, 0.60),
        "photographed": (len(default.photos) / len(arrests), 0.83, 0.87),
        "complaints": (len(complaints) / len(arrests), 1.9, 2.1),
        "shared dockets": (sum(n > 1 for n in dockets.values()) / len(dockets), 0.06, 0.10),
        "on-view": (sum(row["onview_complaint"] is not None for row in arrests) / len(arrests), 0.05, 0.07),
        "stops with an arrest": (
            sum(row["suspect_arrest_number"] not in MISSING for row in default.stops) / len(default.stops),
            0.22,
            0.28,
        ),
    }
    assert not {name: value for name, (value, low, high) in share.items() if not low <= value <= high}


def test_a_lineup_shows_photos_of_earlier_arrests_none_twice(default: SimpleNamespace) -> None:
    taken = {photo(row["photo_number"]): row["taken_on"] for row in default.photos}
    lineups = [row for row in default.complaints if row["lineup"]]
    for row in lineups:
        assert len(set(row["lineup"])) == len(row["lineup"])
        assert all(taken[number] < row["reported_on"].isoformat() for number in row["lineup"])
    assert 0.05 < len(lineups) / len(default.complaints) < 0.15


def test_a_narrative_names_only_arrests_on_its_complaint(default: SimpleNamespace) -> None:
    of_complaint = defaultdict(set)
    for row in default.arrests:
        if row["complaint_number"]:
            of_complaint[canonical(row["complaint_number"])].add(row["arrest_number"])
    mentions = 0
    for row in default.complaints:
        parts = sentences(row["narrative"])
        named = [canonical(number) for number in NUMBER.findall(row["narrative"])]
        assert 2 <= len(parts) - len(named) <= 5
        assert len(set(named)) == len(named)
        assert set(named) <= of_complaint[row["complaint_number"]]
        assert not re.search(r"\d|\.", NUMBER.sub("", "".join(parts)))
        mentions += len(named)
    assert 0.55 < mentions / sum(map(len, of_complaint.values())) < 0.65


def test_every_spelling_occurs(default: SimpleNamespace) -> None:
    def missing(texts: list[str], *names: str) -> list[str]:
        return [name for name in names or SPELLINGS if not any(re.fullmatch(SPELLINGS[name], text) for text in texts)]

    assert not missing([row["identifier"] for row in default.feed])
    assert not missing([row["suspect_arrest_number"] for row in default.stops])
    assert not missing([row["evidence_arrest"] for row in default.members])
    in_text = [number for row in default.complaints for number in NUMBER.findall(row["narrative"])]
    assert not missing(in_text, "compact", "lower", "dashed", "spaced")
    assert not missing([row["cleared_by"] for row in default.complaints if row["cleared_by"]], "spaced")
    assert not missing([row["arrest_number"] for row in default.charges], "lower dashed")
    assert {row["suspect_arrest_number"] for row in default.stops} > MISSING
    photos = [row["photo_number"] for row in default.photos]
    for spelling in (r"0\d{9}", r"\d{2}-\d{4}-\d{4}", r"\d{7,9}\.0"):
        assert any(re.fullmatch(spelling, number) for number in photos), spelling
    assert any(row["docket"] < 10**9 for row in default.arrests if row["docket"])
    assert all(
        re.fullmatch(r"\d{4}-\d{4}-\d{4}", row["complaint_number"] or "2017-0123-4567") for row in default.arrests
    )
    assert all(re.fullmatch(r"\d{8}[a-z]", row["person_id"]) for row in default.arrests)


def test_patterns_stay_learnable_after_sealing(default: SimpleNamespace) -> None:
    barred = {row["arrest_number"] for row in default.truth if row["barred"] == "1"}
    crime = {row["complaint_number"]: row["crime_type"] for row in default.complaints}
    before, after, evidence = defaultdict(set), defaultdict(set), defaultdict(set)
    for row in default.members:
        before[row["pattern_id"]].add(row["complaint_number"])
        evidence[row["complaint_number"]].add(row["evidence"])
        if canonical(row["evidence_arrest"]) not in barred:
            after[row["pattern_id"]].add(row["complaint_number"])
    assert {len(members) for members in before.values()} == {4, 5, 6, 7, 8}
    assert all(len({crime[number] for number in members}) == 1 for members in before.values())
    left = Counter(crime[min(members)] for members in after.values() if len(members) > 1)
    assert left.keys() == {"BURGLARY", "ROBBERY", "GRAND LARCENY"}
    assert min(left.values()) >= 40
    assert 0.4 < sum(kinds == {"arrest"} for kinds in evidence.values()) / len(evidence) < 0.6
