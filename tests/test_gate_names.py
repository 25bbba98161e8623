"""Names that hold a sealed number, and what cannot be opened, in a folder that is judged."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sanitizers.verdict import to_junit, to_sarif
from tests.test_gate_attacks import OPEN, PHOTO, SEALED, World, world

__all__ = ["world"]


def test_the_name_of_a_file_is_searched_and_not_told(world: World) -> None:
    for name in (f"{SEALED}.txt", f"arrest b17-000002 of {OPEN}.bin", f"{PHOTO}.parquet.txt"):
        target = world.chained(name, lambda path: path.write_text("calm"))
        told = any(number in repr(target).upper() for number in (SEALED, "B17-000002", PHOTO))
        assert (target.verdict, told) == ("contaminated", False)
        assert "a name that may be a cell" in target.path


def test_the_name_of_a_folder_is_not_told_whatever_the_verdict(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "photos" / SEALED
    folder.mkdir(parents=True)
    (folder / "a.txt").write_text("calm")
    (folder / "b.csv.dvc").write_text("")
    (folder / "chain.json").write_text("[]")
    (folder / "receipt.json").write_text("{}")
    (folder / "damaged.parquet").write_text("PAR1")
    verdict = world.judged(tmp_path / "photos")
    told = verdict.to_json() + to_sarif(verdict) + to_junit(verdict)
    leaked = SEALED in told
    assert not leaked
    assert (verdict.exit_code, len(verdict.targets)) == (1, 5)
    assert verdict.warnings


def test_names_with_dates_and_digests_are_told(world: World, tmp_path: Path) -> None:
    names = {"arrests-2016-01-31.txt", "run_20170101_120000.txt", f"{'b17000002' * 4}.txt", f"{OPEN}.txt"}
    for name in names:
        (tmp_path / name).write_text("calm")
    verdict = world.judged(tmp_path)
    assert {Path(target.path).name for target in verdict.targets} == names
    assert {target.verdict for target in verdict.targets} == {"not checked"}


def test_what_cannot_be_opened_is_not_checked(world: World, tmp_path: Path) -> None:
    (tmp_path / "nowhere.csv").symlink_to(tmp_path / "gone")
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    (tmp_path / "chain.json").symlink_to(tmp_path / "gone")
    os.mkfifo(tmp_path / "pipe.csv")
    verdict = world.judged(tmp_path)
    assert len(verdict.targets) == 4
    assert {(target.verdict, target.reason) for target in verdict.targets} == {
        ("not checked", "may not be read, or is a link that leads nowhere; ask for access, or bring what it stands for")
    }


def test_what_may_not_be_read_is_not_checked(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.csv").write_text("n\n1\n")
    monkeypatch.setattr("os.access", lambda path, mode: (Path(path).name, mode) != ("a.csv", os.R_OK))
    [target] = world.judged(tmp_path).targets
    assert (target.verdict, "may not be read" in target.reason) == ("not checked", True)
