"""The command: what each face does, what it exits with, where its words go."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sanitizers.errors import (
    CLEAN,
    CONTAMINATED,
    COULD_NOT_CHECK,
    INTERRUPTED,
    NOTHING_CHECKED,
    USAGE,
    KeyFailure,
    NothingChecked,
    SealproofError,
)
from tests.cli_world import CANARY, SEALED, Outcome, World, department, world

__all__ = ["department", "world"]

ROOT = Path(__file__).parents[1]


def silent(outcome: Outcome) -> None:
    """No sealed identifier came out, in whatever form."""
    leaked = sum(text in outcome.told for text in (SEALED, SEALED.lower(), SEALED[1:], "ab" * 32))
    assert leaked == 0


def process(*arguments: str | Path, cwd: Path = ROOT, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    return subprocess.run(
        [sys.executable, "-m", "sanitizers", *map(str, arguments)],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


# -- keeper -----------------------------------------------------------------------------------------------------------


def test_keygen_writes_a_private_key_once(world: World) -> None:
    outcome = world.keygen()
    key = (world / "new.key").read_text().strip()
    assert (outcome.code, len(key)) == (CLEAN, 64)
    assert stat.S_IMODE((world / "new.key").stat().st_mode) == 0o600
    shown = key in outcome.told
    assert not shown
    again = world.keygen()
    assert again.code == USAGE
    assert "name a new file" in again.err
    assert (world / "new.key").read_text().strip() == key


def test_a_delivery_counts_once(world: World) -> None:
    outcome = world.add()
    assert (outcome.code, outcome.err.strip()) == (CLEAN, "1 events, 0 new, 1 delivered before")
    silent(outcome)


def test_a_delivery_without_events_keeps_the_register_fresh(world: World) -> None:
    world.write("feed.csv", "kind,identifier,action,statute,effective_on,recorded_on\n")
    assert world.add(delivered="2019-04-30").code == CLEAN
    assert world.snapshot("--as-of", "2019-05-01").code == CLEAN
    assert world.strip().code == CLEAN


def test_events_come_from_a_query_over_a_raw_source(world: World) -> None:
    world.write(
        "events.sql",
        "SELECT 'arrest_number' AS kind, arrest_number AS identifier, 'seal' AS action, 'CPL 160.55' AS statute,"
        " '2019-01-05' AS effective_on, '2019-01-06' AS recorded_on FROM arrests WHERE age > 40",
    )
    outcome = world.add("--query", world / "events.sql", "--source", f"arrests={world / 'raw/arrests.parquet'}")
    assert (outcome.code, outcome.err.strip()) == (CLEAN, "1 events, 1 new, 0 delivered before")


@pytest.mark.parametrize("given", [[], ["--feed", "feed.csv", "--query", "events.sql"]])
def test_a_delivery_is_a_feed_or_a_query(world: World, given: list[str]) -> None:
    outcome = world.run("register", "add", world / "register", *world.keeping, *given)
    assert outcome.code == USAGE
    assert "either --feed or --query" in outcome.err


def test_a_snapshot_is_closed_over_links_and_counts_are_told(world: World) -> None:
    outcome = world.snapshot()
    assert outcome.code == CLEAN
    assert "2 identifiers barred for predictive-model" in outcome.err  # the arrest, and its photo
    assert outcome.out == ""
    silent(outcome)


def test_a_quiet_day_changes_no_byte_of_the_snapshot(world: World) -> None:
    before = (world / "city.snap").read_bytes()
    assert world.snapshot("--as-of", "2019-03-02").code == CLEAN
    assert (world / "city.snap").read_bytes() == before


# -- everyday ---------------------------------------------------------------------------------------------------------


def test_policy_check_passes_a_policy_that_fits(world: World) -> None:
    outcome = world.check()
    assert (outcome.code, outcome.out) == (CLEAN, "")
    assert "fits its sources" in outcome.err


def test_policy_check_refuses_a_feature_that_reads_files(world: World) -> None:
    world.write("features/ages.sql", "SELECT 1 AS age, 2 AS arrests FROM read_csv('raw/photos.csv')")
    outcome = world.check()
    assert outcome.code == USAGE
    assert "ages.sql" in outcome.err


def test_strip_publishes_clean_sources_and_tells_counts_only(world: World) -> None:
    outcome = world.strip("--keeper", world / "keeper")
    assert (outcome.code, outcome.out) == (CLEAN, "")
    assert "photos: 2 rows kept, under 5 dropped" in outcome.err
    silent(outcome)
    published = sorted(path.name for path in (world / "clean").iterdir())
    assert published == ["arrests.parquet", "complaints.csv", "photos.csv", "receipt.json", "roster"]
    assert pq.read_table(world / "clean/arrests.parquet")["age"].to_pylist() == [22, 45, 19]
    clean = (world / "clean/complaints.csv").read_text()
    leaked = sum(text in clean for text in (SEALED, "201700000001", "was made"))
    assert leaked == 0
    assert len(clean.splitlines()) == 4
    public = json.loads((world / "clean/receipt.json").read_text())
    kept = json.loads((world / "keeper/receipt.json").read_text())
    assert (public["sources"]["photos"]["rows_dropped"], kept["sources"]["photos"]["rows_dropped"]) == ("under 5", 1)
    assert stat.S_IMODE((world / "keeper/receipt.json").stat().st_mode) == 0o600


def test_features_come_from_the_clean_folder(world: World) -> None:
    assert world.strip().code == CLEAN
    outcome = world.features()
    assert (outcome.code, outcome.out, outcome.err) == (CLEAN, "", "ages computed\n")
    assert pq.read_table(world / "features-out/ages.parquet")["age"].to_pylist() == [19, 22, 45]


def test_the_key_comes_from_an_option_or_the_environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["strip", *world.policy, "--out", world / "clean"]
    monkeypatch.setenv("SEALPROOF_KEY", "ab" * 32)
    assert world.run(*given).code == CLEAN
    monkeypatch.setenv("SEALPROOF_KEY_FILE", str(world / "other.key"))
    assert world.run(*given).code == COULD_NOT_CHECK
    monkeypatch.setenv("SEALPROOF_KEY_FILE", str(world / "key"))
    assert world.run(*given).code == CLEAN


# -- the gate ---------------------------------------------------------------------------------------------------------


def test_the_gate_passes_what_strip_and_features_made(world: World) -> None:
    assert world.strip().code == CLEAN
    assert world.features().code == CLEAN
    outcome = world.gate(world / "clean", world / "features-out")
    assert outcome.code == CLEAN, outcome.told
    assert "holds nothing barred for purpose predictive-model under rules us-ny" in outcome.out
    silent(outcome)


def test_the_gate_refuses_raw_sources_that_are_named_and_writes_the_verdict_first(world: World) -> None:
    raw = [world / "raw/arrests.parquet", world / "raw/complaints.csv"]
    outcome = world.gate(*raw, "--verdict", world / "out" / "verdict.json")
    assert outcome.code == CONTAMINATED
    verdict = json.loads((world / "out/verdict.json").read_text())
    assert (verdict["verdict"], verdict["exit_code"], verdict["claim"]) == ("contaminated", CONTAMINATED, "")
    silent(outcome)
    leaked = CANARY in outcome.told or CANARY in json.dumps(verdict)
    assert not leaked


def test_small_numbers_are_no_identifiers_that_lost_their_zeros(world: World) -> None:
    """Photo 0000000001 is barred; a count of 1 in a column that nobody declared is not that photo."""
    world.write("counts/counts.csv", "counted\n1\n3\n")
    world.write("counts/hidden.csv", "reference\n1234567\n")
    world.amend("feed.csv", f"arrest_number,{SEALED}", "photo_number,0001234567")
    assert world.add().code == CLEAN
    assert world.snapshot().code == CLEAN
    outcome = world.gate(world / "counts/counts.csv")
    assert outcome.code == NOTHING_CHECKED
    assert world.gate(world / "counts/hidden.csv").code == CONTAMINATED


def test_a_walk_lists_raw_sources_without_judging_them(world: World) -> None:
    outcome = world.gate(world / "raw")
    assert outcome.code == NOTHING_CHECKED
    assert outcome.out.count("raw, not judged") == 3


def test_some_checked_and_some_not_is_no_pass(world: World) -> None:
    assert world.strip().code == CLEAN
    world.write("clean-notes/notes.pkl", b"\x80\x04N.")
    assert world.gate(world / "clean", world / "clean-notes").code == COULD_NOT_CHECK


@pytest.mark.parametrize("form", ["json", "sarif", "junit"])
def test_machine_output_goes_to_stdout_alone(world: World, form: str) -> None:
    outcome = world.gate(world / "raw/arrests.parquet", "--format", form)
    assert outcome.code == CONTAMINATED
    assert outcome.err == ""
    silent(outcome)
    if form == "junit":
        assert 'failures="1"' in outcome.out
        return
    content = json.loads(outcome.out)
    if form == "sarif":
        assert [result["level"] for result in content["runs"][0]["results"]] == ["error"]
    else:
        assert content["targets"][0]["findings"][0]["count"] == 1


def test_a_stale_register_stops_the_gate(world: World) -> None:
    assert world.snapshot("--as-of", "2019-03-09").code == CLEAN
    assert world.gate(world / "raw").code == COULD_NOT_CHECK


def test_a_register_that_ages_is_warned_about(world: World) -> None:
    assert world.snapshot("--as-of", "2019-03-05").code == CLEAN
    outcome = world.gate(world / "raw")
    assert "received nothing for 5 days" in outcome.err


# -- outputs and report -----------------------------------------------------------------------------------------------


def test_filter_takes_a_barred_record_out_of_a_ranked_list(world: World) -> None:
    barred = "201700000002"
    world.amend("feed.csv", f"arrest_number,{SEALED}", f"complaint_number,{barred}")
    assert world.add().code == CLEAN
    assert world.snapshot().code == CLEAN
    world.write("scores.csv", f"rank,candidate\n1,201700000001\n2,{barred}\n3,201700000003\n")
    given = ["filter", world / "scores.csv", *world.keyed, "--output"]
    outcome = world.run(*given, "candidates", "--out", world / "out.csv")
    assert outcome.code == CLEAN, outcome.told
    leaked = barred in outcome.told or barred in (world / "out.csv").read_text()
    assert not leaked
    assert [line.split(",")[0] for line in (world / "out.csv").read_text().splitlines()] == ["rank", "1", "2"]
    unknown = world.run(*given, "nothing", "--out", world / "x.csv")
    assert unknown.code == USAGE
    assert "the policy has candidates" in unknown.err
    assert not (world / "x.csv").exists()


def test_report_writes_one_page_without_an_identity(world: World) -> None:
    assert world.strip().code == CLEAN
    assert world.features().code == CLEAN
    judged = world.gate(world / "clean", world / "features-out", "--verdict", world / "verdict.json")
    assert judged.code == CLEAN
    chain = ["--chain", world / "features-out/chain.json"]
    shown = ["--receipt", world / "clean/receipt.json", "--verdict", world / "verdict.json", *chain]
    outcome = world.run("report", *shown, *world.policy, "--out", world / "report.html")
    assert outcome.code == CLEAN, outcome.told
    page = (world / "report.html").read_text(encoding="utf-8")
    leaked = sum(text in page for text in (SEALED, SEALED[1:], CANARY))
    assert leaked == 0
    assert "predictive-model" in page


# -- exit codes -------------------------------------------------------------------------------------------------------


def test_every_deliberate_error_has_its_exit_code() -> None:
    def family(error: type[SealproofError]) -> set[type[SealproofError]]:
        return {error}.union(*(family(child) for child in error.__subclasses__()))

    codes = {error.__name__: error.exit_code for error in family(SealproofError)}
    assert {name for name, code in codes.items() if code == USAGE} >= {"ConfigurationError"}
    assert codes["NothingChecked"] == NothingChecked.exit_code == NOTHING_CHECKED
    assert KeyFailure.exit_code == COULD_NOT_CHECK
    assert set(codes.values()) == {USAGE, COULD_NOT_CHECK, NOTHING_CHECKED}


def test_an_interrupted_run_is_told_apart(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sanitizers.keeper.strip_with_register", interrupted)
    assert world.strip().code == INTERRUPTED


@pytest.mark.parametrize("arguments", [["--help"], ["gate", "-h"], ["register", "--help"]])
def test_help_ends_well(world: World, arguments: list[str]) -> None:
    outcome = world.run(*arguments)
    assert (outcome.code, outcome.err) == (CLEAN, "")
    assert outcome.out


def test_the_version_is_the_distributions(world: World) -> None:
    try:
        installed = version("sealproof")
    except PackageNotFoundError:
        pytest.skip("sealproof is run from its folder, not installed")
    outcome = world.run("--version")
    assert (outcome.code, outcome.out.split()[-1]) == (CLEAN, installed)


def test_the_process_exits_with_the_code(world: World) -> None:
    ended = process("gate", world / "raw/arrests.parquet", *world.keyed)
    assert ended.returncode == CONTAMINATED
    assert SEALED not in ended.stdout + ended.stderr
    assert process("policy", "check", "--kinds", "kinds.yaml", cwd=world.folder).returncode == CLEAN


def test_a_process_that_cannot_import_does_not_exit_1(world: World) -> None:
    world.write("broken/duckdb.py", f"raise RuntimeError('{CANARY}')")
    ended = process("strip", *world.keyed, "--out", world / "clean", PYTHONPATH=f"{world / 'broken'}{os.pathsep}{ROOT}")
    assert ended.returncode == COULD_NOT_CHECK
    assert CANARY not in ended.stdout + ended.stderr
