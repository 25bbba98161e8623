"""Legacy: what is older than the first strip is shown and judged apart, never clean, and only as long as it is the same."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sanitizers import digest
from sanitizers.errors import CLEAN, CONTAMINATED, COULD_NOT_CHECK, NOTHING_CHECKED, USAGE, ConfigurationError
from sanitizers.legacy import Legacy
from tests.cli_world import CANARY, SEALED, World, department, world

__all__ = ["department", "world"]

OLD = f"arrest_number,age\n{SEALED},31\nK17000001,22\n"
SHA = "0" * 64


def listed(world: World, *names: str) -> None:
    """Write the list, and let the policy name it."""
    legacy = Legacy.of(world.folder, dict.fromkeys(names, "data"))
    world.write("legacy.yaml", legacy.to_yaml())
    world.amend("sealing.yaml", "sources:", "gate: {legacy: legacy.yaml}\n\nsources:")


@pytest.fixture
def adopted(world: World) -> World:
    """A world with old files on the list, stripped."""
    world.write("old/ages.csv", OLD)
    world.write("old/model.pkl", b"\x80\x04N.")
    listed(world, "old/ages.csv", "old/model.pkl")
    assert world.strip().code == CLEAN
    return world


# -- the list ---------------------------------------------------------------------------------------------------------


def test_a_list_is_read_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "naïve: model.pkl").write_bytes(b"old")
    legacy = Legacy.of(tmp_path, {"naïve: model.pkl": "model"})
    (tmp_path / "legacy.yaml").write_text(legacy.to_yaml(), encoding="utf-8")
    assert Legacy.load(tmp_path / "legacy.yaml") == legacy
    assert legacy.states() == {"naïve: model.pkl": "as listed"}
    assert Legacy.of(tmp_path, {}).to_yaml().endswith("files: {}\nversion: 1\n")


def test_a_file_is_off_the_list_when_its_bytes_change_or_it_is_gone(tmp_path: Path) -> None:
    for name in ("same", "changed", "gone", "folder"):
        (tmp_path / name).write_bytes(b"old")
    legacy = Legacy.of(tmp_path, dict.fromkeys(("same", "changed", "gone", "folder"), "data"))
    (tmp_path / "changed").write_bytes(b"new")
    (tmp_path / "gone").unlink()
    (tmp_path / "folder").unlink()
    (tmp_path / "folder").mkdir()
    assert legacy.states() == {"same": "as listed"}


@pytest.mark.parametrize(
    "text",
    [
        "", "- a\n", "version: 2\nfiles: {}\n", "files: {}\n", "version: 1\nfiles: [a]\n", "version: 1\nmore: 1\n",
        f"version: 1\nfiles: {{a: {{sha256: {SHA[:-1]}, what: data}}}}\n",
        f"version: 1\nfiles: {{a: {{sha256: '{SHA}'}}}}\n",
        f"version: 1\nfiles: {{a: {{sha256: '{SHA}', what: clean}}}}\n",
        f"version: 1\nfiles: {{/a: {{sha256: '{SHA}', what: data}}}}\n",
        f"version: 1\nfiles: {{b/../../a: {{sha256: '{SHA}', what: data}}}}\n",
        f"version: 1\nfiles:\n  a: {{sha256: '{SHA}', what: data}}\n  a: {{sha256: '{SHA}', what: data}}\n",
        "version: 1\nfiles: {a: \x00}\n",
    ],
)  # fmt: skip
def test_a_list_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "legacy.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match=r"legacy\.yaml"):
        Legacy.load(path)


# -- the gate ---------------------------------------------------------------------------------------------------------


def test_what_is_old_is_shown_in_a_green_verdict_and_is_no_part_of_it(adopted: World) -> None:
    outcome = adopted.gate(adopted / "clean", adopted / "old", "--verdict", adopted / "verdict.json")
    assert outcome.code == CLEAN, outcome.told
    verdict = json.loads((adopted / "verdict.json").read_text())
    assert [Path(one["path"]).name for one in verdict["legacy"]] == ["ages.csv", "model.pkl"]
    assert {one["verdict"] for one in verdict["legacy"]} == {"legacy"}
    assert not [one for one in verdict["targets"] if "/old/" in one["path"]]
    assert [one["count"] for one in verdict["legacy"][0]["findings"]] == [1]
    assert verdict["claim"].endswith("; this is not said of 2 file(s) older than the first strip")
    leaked = SEALED in outcome.told or CANARY in outcome.told
    assert not leaked


def test_it_is_shown_wherever_the_gate_looks(adopted: World) -> None:
    outcome = adopted.gate(adopted / "clean")
    assert outcome.code == CLEAN
    assert outcome.out.count("\nlegacy ") == 2


def test_nothing_but_old_files_is_nothing_checked(adopted: World) -> None:
    assert adopted.gate(adopted / "old").code == NOTHING_CHECKED
    assert adopted.gate(adopted / "old/ages.csv").code == NOTHING_CHECKED


def test_a_file_whose_bytes_have_changed_is_judged_like_any_other(adopted: World) -> None:
    adopted.amend("old/ages.csv", "age", "years")
    outcome = adopted.gate(adopted / "clean", adopted / "old", "--verdict", adopted / "verdict.json")
    assert outcome.code == CONTAMINATED
    assert [Path(one["path"]).name for one in json.loads((adopted / "verdict.json").read_text())["legacy"]] == [
        "model.pkl"
    ]
    adopted.write("old/ages.csv", "age\n22\n")
    assert adopted.gate(adopted / "clean", adopted / "old").code == COULD_NOT_CHECK


def test_a_copy_of_an_old_file_is_judged(adopted: World) -> None:
    adopted.write("old/copy.csv", OLD)
    assert adopted.gate(adopted / "clean", adopted / "old").code == CONTAMINATED


def test_purged_files_are_gone_from_the_verdict(adopted: World) -> None:
    (adopted / "old/ages.csv").unlink()
    outcome = adopted.gate(adopted / "clean", adopted / "old")
    assert (outcome.code, outcome.out.count("\nlegacy ")) == (CLEAN, 1)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_old_file_that_may_not_be_read_is_shown_and_no_pass(adopted: World) -> None:
    (adopted / "old/ages.csv").chmod(0)
    outcome = adopted.gate(adopted / "clean", adopted / "old")
    assert (outcome.code, outcome.out.count("\nlegacy ")) == (COULD_NOT_CHECK, 2)


def test_a_list_that_cannot_be_read_ends_the_run(adopted: World) -> None:
    adopted.write("legacy.yaml", "version: 1\nfiles: {")
    assert adopted.gate(adopted / "clean", "--verdict", adopted / "verdict.json").code == USAGE
    (adopted / "legacy.yaml").unlink()
    outcome = adopted.gate(adopted / "clean", "--verdict", adopted / "verdict.json")
    assert outcome.code == USAGE
    assert "legacy.yaml" in outcome.err
    assert not (adopted / "verdict.json").exists()


def test_a_barred_number_in_the_name_of_an_old_file_is_not_told(world: World) -> None:
    world.write(f"old/{SEALED}.csv", "age\n31\n")
    listed(world, f"old/{SEALED}.csv")
    assert world.strip().code == CLEAN
    outcome = world.gate(world / "clean", "--verdict", world / "verdict.json")
    assert outcome.code == CLEAN
    leaked = SEALED in outcome.told or SEALED in (world / "verdict.json").read_text()
    assert not leaked


@pytest.mark.parametrize("form", ["sarif", "junit"])
def test_machines_are_told_too(adopted: World, form: str) -> None:
    outcome = adopted.gate(adopted / "clean", "--format", form)
    if form == "junit":
        assert outcome.out.count("older than the first strip") == 2
        assert 'skipped="2"' in outcome.out
    else:
        results = json.loads(outcome.out)["runs"][0]["results"]
        assert [(one["ruleId"], one["level"]) for one in results] == [("legacy", "note")] * 2


def test_the_report_shows_what_is_old(adopted: World) -> None:
    assert adopted.gate(adopted / "clean", "--verdict", adopted / "verdict.json").code == CLEAN
    shown = ["--receipt", adopted / "clean/receipt.json", "--verdict", adopted / "verdict.json", *adopted.policy]
    assert adopted.run("report", *shown, "--out", adopted / "report.html").code == CLEAN
    page = (adopted / "report.html").read_text()
    assert page.count("Older than the first strip") == 1
    assert "2 file(s) are older than the first strip; the verdict is not about them." in page
    assert digest.of_file(adopted / "old/model.pkl") in page
