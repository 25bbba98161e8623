"""What the stages of somebody else's pipeline call: a raw folder of the run's own, chains, a gate that goes on, enforce."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sanitizers.errors import CLEAN, CONTAMINATED, COULD_NOT_CHECK, NOTHING_CHECKED, USAGE
from sanitizers.policy import Policy
from tests.cli_world import SEALED, World, department, world

__all__ = ["department", "world"]


# -- where the raw files lie ------------------------------------------------------------------------------------------


def test_paths_of_sources_are_relative_to_the_raw_folder(world: World) -> None:
    text = (world / "sealing.yaml").read_text()
    world.write("sealing.yaml", text.replace("path: raw/", "path: ").replace("purpose:", "raw: ./raw\npurpose:"))
    assert world.check().code == CLEAN
    assert world.strip().code == CLEAN
    clean = {path.name: path.read_bytes() for path in (world / "clean").iterdir() if path.suffix in (".csv", ".parquet")}
    walked = world.gate(world / "clean", world / "raw")
    assert (walked.code, walked.out.count("raw, not judged")) == (CLEAN, 3)
    assert world.gate(world / "raw/arrests.parquet").code == CONTAMINATED

    (world / "raw").rename(world / "elsewhere")
    assert world.strip().code == COULD_NOT_CHECK
    moved = ["--raw", world / "elsewhere"]
    assert world.run("policy", "check", *world.policy, "--kinds", world / "kinds.yaml", *moved).code == CLEAN
    assert world.snapshot("--as-of", "2019-03-01", *moved).code == CLEAN
    assert world.strip(*moved).code == CLEAN
    again = {path.name: path.read_bytes() for path in (world / "clean").iterdir() if path.name in clean}
    assert again == clean
    assert world.gate(world / "clean").code == CLEAN  # the receipt stands: where the files lie is not the policy's word


def test_the_raw_folder_of_a_run_is_no_part_of_the_digest(world: World) -> None:
    path = world / "sealing.yaml"
    assert Policy.load(path, raw=Path("/other")).digest == Policy.load(path).digest
    assert Policy.load(path, raw=Path("/other")).resolve_raw("a.csv") == Path("/other/a.csv")


# -- a verdict that a pipeline goes on from ---------------------------------------------------------------------------


def test_a_red_verdict_is_written_and_enforced_later(world: World) -> None:
    outcome = world.gate(world / "raw/arrests.parquet", "--verdict", world / "verdict.json", "--exit-zero")
    assert outcome.code == CLEAN
    assert json.loads((world / "verdict.json").read_text())["exit_code"] == CONTAMINATED
    enforced = world.run("enforce", world / "verdict.json", *world.policy)
    assert (enforced.code, enforced.out, enforced.err) == (CONTAMINATED, "", "contaminated\n")
    leaked = SEALED in outcome.told + enforced.told
    assert not leaked


def test_every_code_is_enforced(world: World) -> None:
    assert world.strip().code == CLEAN
    world.write("other/notes.txt", "nothing")
    targets = {CLEAN: ["clean"], COULD_NOT_CHECK: ["clean", "other"], NOTHING_CHECKED: ["other"]}
    for code, names in targets.items():
        given = [world / name for name in names]
        assert world.gate(*given, "--verdict", world / "verdict.json", "--exit-zero").code == CLEAN
        assert world.run("enforce", world / "verdict.json", *world.policy).code == code


def test_a_gate_that_reaches_no_verdict_does_not_end_well(world: World) -> None:
    (world / "city.snap").write_bytes(b"")
    assert world.gate(world / "raw", "--verdict", world / "verdict.json", "--exit-zero").code == COULD_NOT_CHECK
    assert not (world / "verdict.json").exists()


def test_exit_zero_needs_a_place_for_the_verdict(world: World) -> None:
    outcome = world.gate(world / "raw/arrests.parquet", "--exit-zero")
    assert outcome.code == USAGE
    assert "--verdict" in outcome.err


@pytest.mark.parametrize(
    "change",
    [
        {"exit_code": 0}, {"verdict": "clean"}, {"exit_code": False, "verdict": "clean"}, {"verdict": "fine"},
        {"format": 2}, {"exit_code": None}, {"verdict": ["clean"]},
    ],
)  # fmt: skip
def test_a_verdict_that_does_not_agree_with_itself_is_no_pass(world: World, change: dict[str, object]) -> None:
    world.gate(world / "raw/arrests.parquet", "--verdict", world / "verdict.json")
    content = json.loads((world / "verdict.json").read_text())
    world.write("verdict.json", json.dumps(content | change))
    assert world.run("enforce", world / "verdict.json", *world.policy).code == COULD_NOT_CHECK


@pytest.mark.parametrize("text", ["", "{}", "[]", "3", "\x00", None])
def test_what_is_no_verdict_is_no_pass(world: World, text: str | None) -> None:
    if text is not None:
        world.write("verdict.json", text)
    outcome = world.run("enforce", world / "verdict.json", *world.policy)
    assert outcome.code == COULD_NOT_CHECK
    assert "verdict.json" in outcome.err


def test_a_verdict_under_another_policy_is_no_pass(world: World) -> None:
    assert world.strip().code == CLEAN
    assert world.gate(world / "clean", "--verdict", world / "verdict.json").code == CLEAN
    world.amend("sealing.yaml", "on_seal: clear", "on_seal: sentence")
    outcome = world.run("enforce", world / "verdict.json", *world.policy)
    assert outcome.code == COULD_NOT_CHECK
    assert "another policy" in outcome.err


# -- steps of one's own -----------------------------------------------------------------------------------------------


def chained(world: World, *more: str | Path) -> int:
    given = ["--made-by", "train", "--input", world / "clean", "--output", world / "made/model.bin", *more]
    return world.run("chain", world / "made/train.chain.json", *given).code


def test_a_step_that_read_clean_data_goes_back_to_the_strip(world: World) -> None:
    assert world.strip().code == CLEAN
    world.write("made/model.bin", b"weights")
    assert world.gate(world / "clean", world / "made").code == COULD_NOT_CHECK
    assert chained(world) == CLEAN
    assert chained(world) == CLEAN  # written again
    assert world.gate(world / "clean", world / "made").code == CLEAN
    world.write("scored/scores.csv", "score\n1\n")
    step = ["--made-by", "score", "--input", world / "made", "--output", world / "scored"]
    assert world.run("chain", world / "scored/chain.json", *step).code == CLEAN
    assert world.gate(world / "clean", world / "made", world / "scored").code == CLEAN


def test_a_step_that_read_raw_data_too_does_not(world: World) -> None:
    assert world.strip().code == CLEAN
    world.write("made/model.bin", b"weights")
    assert chained(world, "--input", world / "raw/photos.csv") == CLEAN
    assert world.gate(world / "clean", world / "made").code == COULD_NOT_CHECK


def test_a_chain_does_not_hide_what_its_output_holds(world: World) -> None:
    assert world.strip().code == CLEAN
    world.write("made/model.bin", f"weights of {SEALED}")
    assert chained(world) == CLEAN
    assert world.gate(world / "clean", world / "made").code == CONTAMINATED


def test_a_chain_of_what_is_not_there_is_refused(world: World) -> None:
    assert world.strip().code == CLEAN
    assert chained(world) == COULD_NOT_CHECK
    world.write("made/model.bin", b"weights")
    (world / "nothing").mkdir()
    assert chained(world, "--input", world / "nothing") == COULD_NOT_CHECK
    assert not (world / "made/train.chain.json").exists()
    step = ["--made-by", "train", "--input", world / "clean", "--output", world / "made/model.bin"]
    assert world.run("chain", world / "made/notes.json", *step).code == USAGE
    world.write("made/my.chain.json", "my notes")
    assert world.run("chain", world / "made/my.chain.json", *step).code == COULD_NOT_CHECK
    assert (world / "made/my.chain.json").read_text() == "my notes"
