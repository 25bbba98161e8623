"""`sealproof policy check`: everything that a policy leaves open is found, and what is to be pasted mends it."""

from __future__ import annotations

import hashlib
import json
from copy import deepcopy
from functools import cache
from pathlib import Path

import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from sanitizers.check import Checked, check_policy
from sanitizers.errors import COULD_NOT_CHECK, USAGE
from sanitizers.identifiers import Kinds
from tests.cli_world import SEALED, World, department, world
from tests.open_policies import BAD, CANARY, PLANTS, Department, add_feature, departments
from tests.test_bad_input import refused

__all__ = ["department", "world"]


def silent(made: Department, checked: Checked) -> None:
    """Nothing of the data comes out."""
    told = checked.to_json() + "".join(str(one.fault) for one in checked.findings) + "".join(map(str, checked.unchecked))
    cells = {str(cell) for rows in made.rows.values() for row in rows for cell in row.values() if len(str(cell)) > 6}
    leaked = sum(cell in told for cell in cells if cell.strip().isalnum() or "-" in cell) + (CANARY in told)
    assert leaked == 0


def found(checked: Checked) -> set[tuple[str, str]]:
    return {(one.check, one.fault.column) for one in checked.findings}


@settings(max_examples=40, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(departments())
def test_nothing_is_said_of_a_policy_that_leaves_nothing_open(made: Department) -> None:
    checked = made.check()
    assert (found(checked), checked.unchecked, checked.exit_code) == (set(), (), 0)


@pytest.mark.parametrize("name", sorted(PLANTS))
@settings(max_examples=12, phases=(Phase.explicit, Phase.reuse, Phase.generate))  # rows hang on one number each
@given(data=st.data())
def test_what_is_left_open_is_found_and_what_is_to_be_pasted_mends_it(name: str, data: st.DataObject) -> None:
    made = data.draw(departments())
    planted = PLANTS[name](data.draw, made)
    checked = made.check()
    silent(made, checked)
    assert planted in found(checked)
    assert {check for check, _ in found(checked)} == {planted[0]}
    assert checked.exit_code == 2
    for finding in checked.findings:
        made.paste(data.draw(st.sampled_from(finding.proposals)))
    again = made.check()
    assert (found(again), again.unchecked) == (set(), ())


@settings(max_examples=15, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(data=st.data())
def test_everything_that_is_left_open_is_found_at_once(data: st.DataObject) -> None:
    made = data.draw(departments())
    link = data.draw(st.sampled_from(["unreachable", "never_barred", "carried_nowhere"]))
    others = ["undeclared", "undeclared_by_name", "running_text", "mention", "given_away", "bad_query"]
    planted = {PLANTS[name](data.draw, made) for name in (link, *others)}
    checked = made.check()
    silent(made, checked)
    assert planted <= found(checked)
    for _ in range(3):  # what is pasted for one may bring another to light: a text among the redacted columns
        for finding in checked.findings:
            made.paste(data.draw(st.sampled_from(finding.proposals)))
        checked = made.check()
    assert found(checked) == set()


@pytest.mark.parametrize("word", sorted(BAD))
def test_every_such_query_is_mended_by_what_is_to_be_pasted(word: str) -> None:
    made = departments_with("photos")
    add_feature(made, f"bad_{word}", *BAD[word])
    before = made.check()
    assert [one.check for one in before.findings] == ["order"]
    passage = "LIMIT" if word == "limit" else word
    assert before.findings[0].fault.line == 1 + BAD[word][0].partition(passage)[0].count("\n")
    made.paste(before.findings[0].proposals[0])
    assert made.check().findings == ()


def departments_with(*names: str) -> Department:
    """A department that is always the same."""
    return deepcopy(_drawn(frozenset(names)))


@cache
def _drawn(names: frozenset[str]) -> Department:
    return find(departments(), lambda made: names <= set(made.sources), settings=settings(database=None))


# -- what only the text of a query shows ------------------------------------------------------------------------------

KEYED = [
    "SELECT arrest_number, lag(age) OVER (PARTITION BY offense ORDER BY age, arrest_number) AS v FROM arrests",
    "SELECT a.arrest_number, lag(a.age) OVER (ORDER BY a.arrest_number) AS v FROM arrests AS a JOIN photos ON photos.photo_number = a.photo_number",
    "SELECT offense AS arrest_number, lag(count(*)) OVER (ORDER BY offense) AS v FROM arrests GROUP BY offense",
    "SELECT arrest_number, lag(v) OVER (ORDER BY arrest_number, v) AS v FROM (SELECT DISTINCT offense AS arrest_number, age AS v FROM arrests) AS d",
    "WITH one AS (SELECT arrest_number AS n, age FROM arrests WHERE age > 'x')\nSELECT n AS arrest_number, lag(age) OVER (ORDER BY n) AS v FROM one",
    "WITH arrests AS (SELECT offense, count(*) AS v FROM arrests GROUP BY offense)\nSELECT offense AS arrest_number, lag(v) OVER (ORDER BY offense) AS v FROM arrests",
]
UNKEYED = [
    "SELECT arrest_number, lag(age) OVER (PARTITION BY arrest_date ORDER BY offense) AS v FROM arrests",
    "SELECT a.arrest_number, lag(a.age) OVER (ORDER BY a.age) AS v FROM arrests AS a JOIN photos ON photos.photo_number = a.photo_number",
    "SELECT offense AS arrest_number, lag(count(*)) OVER (ORDER BY count(*)) AS v FROM arrests GROUP BY offense",
    "WITH one AS (SELECT arrest_number AS n, age FROM arrests WHERE age > 'x')\nSELECT n AS arrest_number, lag(age) OVER (ORDER BY age) AS v FROM one",
]


@pytest.mark.parametrize("sql", KEYED)
def test_an_order_that_tells_rows_apart_is_none_of_chance(sql: str) -> None:
    made = departments_with("photos")
    add_feature(made, "f", sql, {"arrest_number": "text", "v": "text"})
    assert {one.check for one in made.check().findings} <= {"setting"}


@pytest.mark.parametrize("sql", UNKEYED)
def test_an_order_that_leaves_rows_equal_is_found_and_mended(sql: str) -> None:
    made = departments_with("photos")
    add_feature(made, "f", sql, {"arrest_number": "text", "v": "text"})
    (tie,) = (one for one in made.check().findings if one.check == "order")
    assert tie.fault.column == "lag"
    made.paste(tie.proposals[0])
    assert {one.check for one in made.check().findings} <= {"setting"}


def test_a_passage_with_an_identifier_in_it_is_not_repeated() -> None:
    made = departments_with("photos")
    number = "K17654502"
    sql = "SELECT offense, first(CASE WHEN arrest_number = '?' THEN age END) AS v FROM arrests GROUP BY offense"
    add_feature(made, "f", sql.replace("?", number), {"offense": "text", "v": "text"})
    checked = made.check()
    assert [(one.check, one.fault.column) for one in checked.findings] == [("order", "first")]
    leaked = checked.to_json().count(number)
    assert leaked == 0


# -- the command ------------------------------------------------------------------------------------------------------


def checked_json(world: World) -> tuple[int, dict]:
    outcome = world.run("policy", "check", *world.policy, "--kinds", world / "kinds.yaml", "--format", "json")
    leaked = (CANARY in outcome.told) + (SEALED in outcome.told)
    assert leaked == 0
    return outcome.code, json.loads(outcome.out)


def test_the_command_says_nothing_of_a_policy_that_fits(world: World) -> None:
    assert checked_json(world) == (0, {"format": 1, "findings": [], "not_checked": []})


def test_a_source_that_no_seal_of_the_snapshot_gets_to_is_found(world: World) -> None:
    """A seal may name a photo, but none does, and none is carried there: the photo would stay."""
    world.amend("sealing.yaml", ", carries: any}", "}")
    refused(world.check(), USAGE, "sealing.yaml, line 13, sources.photos: no seal gets to this source", "carries: any")
    (world / "city.snap").unlink()  # without one, a seal may name any kind but a person's
    assert world.check().code == 0


def test_findings_are_told_with_their_lines_as_json(world: World) -> None:
    world.amend("sealing.yaml", "      cleared_by: {kind: arrest_number, on_seal: {redact: [suspect_age], set: {status: OPEN}}}\n", "")
    world.amend("sealing.yaml", "    text:\n      narrative: {mentions: [arrest_number], on_seal: clear}\n", "")
    code, told = checked_json(world)
    assert code == USAGE
    assert [(one["check"], one["line"], one["column"]) for one in told["findings"]] == [
        ("unreachable", 19, "sources.complaints"),
        ("undeclared", 22, "sources.complaints.columns.cleared_by"),
        ("text", 19, "sources.complaints.text.narrative"),
    ]
    line = "cleared_by: {kind: arrest_number, on_seal: {redact: []}}"
    proposal = {"file": str(world / "sealing.yaml"), "text": line, "under": ["sources", "complaints", "columns"], "instead_of": ""}
    assert told["findings"][1]["proposals"][0] == proposal


def test_raw_files_that_are_not_there_are_no_pass(world: World) -> None:
    (world / "raw/photos.csv").unlink()
    refused(world.check(), COULD_NOT_CHECK, "photos.csv: no such file (not checked)")
    code, told = checked_json(world)
    assert (code, told["findings"], len(told["not_checked"])) == (COULD_NOT_CHECK, [], 1)


def test_what_needs_no_raw_files_is_found_without_them(world: World) -> None:
    for path in (world / "raw").iterdir():
        path.unlink()
    world.write("features/ages.sql", "SELECT arrests.age, first(arrests.note) AS arrests FROM arrests GROUP BY arrests.age\n")
    refused(world.check(), USAGE, "features/ages.sql, line 1, first", "min(arrests.note)", "photos.csv: no such file (not checked)")


def test_sums_over_floats_are_found_before_anything_is_stripped(world: World) -> None:
    world.write("features/ages.sql", "SELECT arrests.age,\n  CAST(sum(arrests.age * 0.5e0) AS BIGINT) AS arrests\nFROM arrests GROUP BY arrests.age\n")
    refused(world.check(), USAGE, "features/ages.sql, line 2, sum", "sum(CAST(arrests.age * 0.5e0 AS DECIMAL(18, 6)))")


def test_settings_and_findings_are_told_together(world: World) -> None:
    world.amend("sealing.yaml", "redact: [suspect_age]", "redact: [suspect_aeg]")
    world.amend("sealing.yaml", "primary_key: photo_number\n    columns:\n      photo_number: {kind: photo_number, on_seal: drop}",
                "primary_key: photo_number\n    columns:\n      note: {kind: photo_number, on_seal: drop}")
    refused(world.check(), USAGE, "did you mean `suspect_age`?", "sources.photos.columns.photo_number: looks like photo_number")


def test_a_fault_of_the_base_is_told_where_it_stands(world: World) -> None:
    base = (world / "sealing.yaml").read_text().replace(", carries: any}", "}")
    world.write("base.yaml", base)
    world.write("sealing.yaml", f"extends: base.yaml@sha256:{hashlib.sha256(base.encode()).hexdigest()}\n")
    refused(world.check(), USAGE, f"{world / 'base.yaml'}, line 13, sources.photos")


def test_names_that_may_be_cells_are_not_told(world: World) -> None:
    path = world / "raw/photos.csv"
    world.write("raw/photos.csv", path.read_text().replace("photo_number;note", f"photo_number;{SEALED}", 1).replace(CANARY, "K17654502"))
    refused(world.check(), USAGE, "a name that may be a cell: looks like arrest_number")


# -- shipped examples -------------------------------------------------------------------------------------------------

ROOT = Path(__file__).parents[1]


def test_nothing_is_said_of_the_documented_example() -> None:
    folder = ROOT / "docs/example"
    checked = check_policy(folder / "sealing.yaml", Kinds.load(folder / "kinds.yaml"))
    assert checked == Checked(())


def test_nothing_is_said_of_the_small_city(tmp_path: Path) -> None:
    from pipelines.city.__main__ import main

    main(["--out", str(tmp_path / "build/city"), "--arrests", "1000"], standalone_mode=False)
    (tmp_path / "pipelines").symlink_to(ROOT / "pipelines")
    (tmp_path / "sealing.yaml").write_text((ROOT / "sealing.yaml").read_text())
    assert check_policy(tmp_path / "sealing.yaml", Kinds.load(ROOT / "pipelines/kinds.yaml")) == Checked(())


def test_nothing_is_said_of_the_real_example(tmp_path: Path) -> None:
    raw = ROOT / "../shared/data/suffolk/suff.csv"
    if not raw.exists():
        pytest.skip("the real file is not here")
    folder = tmp_path / "pipelines/examples/suffolk"
    folder.parent.mkdir(parents=True)
    (tmp_path / "build/suffolk/raw").mkdir(parents=True)
    (tmp_path / "build/suffolk/raw/suff.csv").symlink_to(raw.resolve())
    folder.mkdir()
    for name in ("sealing.yaml", "kinds.yaml", "rules.yaml"):
        (folder / name).write_bytes((ROOT / "pipelines/examples/suffolk" / name).read_bytes())
    (folder / "features").symlink_to(ROOT / "pipelines/examples/suffolk/features")
    checked = check_policy(folder / "sealing.yaml", Kinds.load(folder / "kinds.yaml"))
    counts = len(checked.findings), len(checked.unchecked)
    assert counts == (0, 0)
