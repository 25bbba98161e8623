"""No command replaces what another, or somebody, has written; and a snapshot of other rules does not publish."""

from __future__ import annotations

import datetime as dt
import errno
from pathlib import Path

import pytest

from sanitizers.errors import COULD_NOT_CHECK, USAGE
from tests.cli_world import DAY, Outcome, World, department, world
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


def test_what_somebody_put_into_a_published_folder_is_not_lost(world: World) -> None:
    for command, folder in ((world.strip, "clean"), (world.features, "features-out")):
        assert command().code == 0
        world.write(f"{folder}/mine/notes.md", "mine")
        refused(command(), COULD_NOT_CHECK, folder, "holds 1 file(s)", "move them out")
        (world / f"{folder}/mine/notes.md").unlink()
        assert command().code == 0


@pytest.mark.parametrize("taken", [["--as-of", "2019-01-20"], [*DAY, "--known-at", "2019-01-11"]])
def test_a_snapshot_that_is_not_the_latest_filters_nothing(world: World, taken: list[str]) -> None:
    world.write("ranked.csv", "candidate,rank\n201700000001,1\n201700000002,2\n")
    assert world.snapshot("--out", world / "old.snap", *taken).code == 0
    given = ["--output", "candidates", "--out", world / "filtered.csv", "--snapshot", world / "old.snap"]
    refused(world.run("filter", world / "ranked.csv", *world.keyed, *given), COULD_NOT_CHECK, "only the latest snapshot")
    assert not (world / "filtered.csv").exists()


def test_a_delivery_of_tomorrow_is_refused(world: World) -> None:
    before = standing(world)
    refused(world.add(delivered=f"{dt.date.today() + dt.timedelta(2)}"), USAGE, "--delivered-on", "in the future")
    assert standing(world) == before


def test_a_register_that_cannot_be_written_is_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sanitizers.register.history.os.fsync", full)
    refused(world.add(), COULD_NOT_CHECK, "register", "cannot be written")
