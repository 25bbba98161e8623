"""No command replaces what another, or somebody, has written; and a snapshot of other rules does not publish."""

from __future__ import annotations

from pathlib import Path

import pytest

from sanitizers.errors import COULD_NOT_CHECK, USAGE
from tests.cli_world import Outcome, World, department, world
from tests.test_bad_input import refused, unpublished

__all__ = ["department", "world"]


def standing(world: World) -> dict[str, bytes]:
    """Everything in the department's folder but the private places of runs."""
    paths = [path for path in world.folder.rglob("*") if path.is_file() and ".sealproof" not in str(path)]
    return {str(path.relative_to(world.folder)): path.read_bytes() for path in paths if path.name != "lock"}


@pytest.mark.parametrize("out", ["raw", "register", "features", "mine"])
def test_features_never_replace_another_folder(world: World, out: str) -> None:
    assert world.strip().code == 0
    world.write("mine/precious.txt", "mine")
    before = standing(world)
    told = world.run("features", *world.policy, "--clean", world / "clean", "--out", world / out)
    refused(told, COULD_NOT_CHECK, out, "has not published it")
    assert standing(world) == before


def files_of_others(world: World) -> list[Path]:
    return [world / name for name in ("raw/complaints.csv", "sealing.yaml", "key", "feed.csv", "raw")]


def gate(world: World, path: Path) -> Outcome:
    return world.gate(world / "clean", "--verdict", path)


def report(world: World, path: Path) -> Outcome:
    known = ["--receipt", world / "clean/receipt.json", "--verdict", world / "verdict.json"]
    return world.run("report", *world.policy, *known, "--out", path)


def keepers(world: World, path: Path) -> Outcome:
    return world.strip("--keeper", path)


def snapshot(world: World, path: Path) -> Outcome:
    return world.snapshot("--out", path)


@pytest.mark.parametrize("command", [gate, report, keepers, snapshot])
def test_no_command_writes_over_a_file_of_another_make(world: World, command: object) -> None:
    assert world.strip().code == 0
    assert world.gate(world / "clean", "--verdict", world / "verdict.json").code == 0
    before = standing(world)
    modes = {path: path.stat().st_mode for path in files_of_others(world)}
    for path in files_of_others(world):
        told = command(world, path)  # type: ignore[operator]
        refused(told, COULD_NOT_CHECK, str(path))
        assert standing(world) == before
    assert {path: path.stat().st_mode for path in files_of_others(world)} == modes


@pytest.mark.parametrize("command", [gate, report, keepers, snapshot])
def test_a_command_writes_over_its_own_file(world: World, command: object) -> None:
    assert world.strip().code == 0
    assert world.gate(world / "clean", "--verdict", world / "verdict.json").code == 0
    for _ in range(2):
        assert command(world, world / "own.file").code == 0  # type: ignore[operator]


def test_a_keepers_receipt_does_not_lie_in_what_is_published(world: World) -> None:
    refused(world.strip("--keeper", world / "clean/keeper.json"), COULD_NOT_CHECK, "folder that is published")
    unpublished(world)


def test_a_value_in_place_of_an_identifier_is_refused(world: World) -> None:
    world.amend("sealing.yaml", "set: {status: OPEN}", "set: {cleared_by: GONE}")
    refused(world.strip(), USAGE, "cleared_by", "in place of the identifier")
    unpublished(world)


def test_a_snapshot_under_other_rules_neither_publishes_nor_judges(world: World) -> None:
    rules = (Path(__file__).parents[1] / "sanitizers/register/rules/us-ny.yaml").read_text()
    world.write("rules.yaml", rules.replace("name: us-ny", "name: elsewhere"))
    world.amend("sealing.yaml", "rules: us-ny", "rules: rules.yaml")
    for outcome in (world.strip(), world.gate(world / "raw")):
        refused(outcome, COULD_NOT_CHECK, "us-ny", "elsewhere")
    unpublished(world)
