"""A strip that builds on the last one reads and writes what changed, and nothing else."""

from __future__ import annotations

import datetime as dt
import stat
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sanitizers.errors import PublishFailure
from sanitizers.identifiers import Kinds
from sanitizers.keeper import planned_strip, take_snapshot
from sanitizers.register.snapshot import load
from sanitizers.strip import strip_files
from sanitizers.strip.work import Work
from tests.department import DAY, KEY, Department

KINDS = Kinds.parse(
    "{arrest: {scope: record, pattern: '[BKMQS][0-9]{8}'}, photo: {scope: record, pattern: '[0-9]{10}', width: 10}}"
)
POLICY = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: x.snap}
sources:
  arrests:
    path: raw/arrests/*.parquet
    primary_key: arrest
    columns:
      arrest: {kind: arrest, on_seal: drop}
      photo: {kind: photo, on_seal: {redact: []}, carries: any}
  photos:
    path: raw/photos/*.parquet
    primary_key: photo
    columns: {photo: {kind: photo, on_seal: drop}}
  reports:
    path: raw/reports/*.parquet
    primary_key: number
    columns: {by: {kind: arrest, on_seal: {redact: []}}}
    text: {told: {mentions: [arrest], on_seal: sentence}}
"""
SOURCES = ("arrests", "photos", "reports")
ALL = {f"{source}/{month}.parquet" for source in SOURCES for month in (1, 2, 3)}


class World(Department):
    """Three sources in three monthly files each; the keeper remembers."""

    def month(self, month: int, photo: str | None = None) -> None:
        """The files of one month: arrests B17000010, B17000011 … with photos, and reports that mention them."""
        arrests = [f"B170000{month}{number}" for number in range(3)]
        photos = [photo or f"20170000{month}{number}" for number in range(3)]
        self.write(f"raw/arrests/{month}.parquet", arrest=arrests, photo=photos, n=[1, 2, 3])
        self.write(f"raw/photos/{month}.parquet", photo=photos, n=[1, 2, 3])
        told = [f"Fled. See {arrest} there. Calm." for arrest in arrests]
        self.write(f"raw/reports/{month}.parquet", number=[1, 2, 3], by=[None, arrests[1], None], told=told)

    def take(self) -> None:
        """Take a snapshot that knows every link."""
        take_snapshot(
            self.folder / "register", self.policy, kinds=KINDS, key=KEY, as_of=DAY, out=self.folder / "x.snap"
        )

    def plan(self) -> Work:
        """What the next strip has to do."""
        return planned_strip(self.policy, snapshot=self.folder / "x.snap", key=KEY, register=self.folder / "register",
                             out=self.clean, keeper=self.folder / "keeper")  # fmt: skip

    def build_on(self) -> None:
        """Strip with what the keeper remembers."""
        strip_files(self.policy, snapshot=load(self.folder / "x.snap"), key=KEY, out=self.clean,
                    register=self.register, keeper=self.folder / "keeper")  # fmt: skip

    def standing(self) -> dict[str, int]:
        """Inode of every clean file."""
        paths = [path for source in SOURCES for path in (self.clean / source).iterdir()]
        return {path.relative_to(self.clean).as_posix(): path.stat().st_ino for path in paths}

    def rewritten(self) -> set[str]:
        """What the next strip has written; it does what was planned, and no other than a first strip would."""
        before, plan = self.standing(), self.plan()
        self.build_on()
        after = self.standing()
        changed = {name for name in after if before.get(name) != after[name]}
        assert changed == {file.name for own in plan.rewrite.values() for file in own}
        full = self.folder / "full"
        strip_files(self.policy, snapshot=load(self.folder / "x.snap"), key=KEY, out=full, register=self.register)
        assert contents(self.clean) == contents(full)
        return changed


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "world", KINDS)
    for month in (1, 2, 3):
        world.month(month)
    (world.folder / "sealing.yaml").write_text(POLICY)
    world.seal(("arrest", "B17000010"), day=DAY - dt.timedelta(1))
    world.take()
    world.build_on()
    return world


def test_a_quiet_day_writes_nothing(world: World) -> None:
    assert world.rewritten() == set()


def test_a_new_seal_rewrites_the_files_that_hold_it_by_column_link_or_text(world: World) -> None:
    world.seal(("arrest", "B17000020"))
    world.take()
    assert world.rewritten() == {"arrests/2.parquet", "photos/2.parquet", "reports/2.parquet"}
    assert pq.read_table(world.clean / "photos/2.parquet").num_rows == 2


def test_a_vacated_seal_brings_rows_back_from_the_raw_source(world: World) -> None:
    world.event("vacate", ("arrest", "B17000010"))
    world.take()
    assert world.rewritten() == {"arrests/1.parquet", "photos/1.parquet", "reports/1.parquet"}
    assert pq.read_table(world.clean / "photos/1.parquet").num_rows == 3


def test_raw_files_that_changed_came_or_went_are_found(world: World) -> None:
    world.write("raw/photos/3.parquet", photo=["2017000035"], n=[9])
    world.write("raw/photos/4.parquet", photo=["2017000010", "2017000045"], n=[1, 2])
    (world.folder / "raw/reports/2.parquet").unlink()
    assert world.rewritten() == {"photos/3.parquet", "photos/4.parquet"}
    assert pq.read_table(world.clean / "photos/4.parquet").num_rows == 1  # the other is barred through its arrest
    assert not (world.clean / "reports/2.parquet").exists()


def test_a_file_that_only_looks_new_is_not_rewritten(world: World) -> None:
    path = world.folder / "raw/photos/3.parquet"
    path.write_bytes(path.read_bytes())
    assert world.rewritten() == set()


@pytest.mark.parametrize("name", ["photos/2.parquet", "roster/photos/2.parquet.arrow"])
def test_a_clean_file_that_somebody_altered_is_written_again(world: World, name: str) -> None:
    (world.clean / name).write_bytes(b"altered")
    assert world.rewritten() == {"photos/2.parquet"}


def test_links_that_the_snapshot_does_not_know_make_it_read_everything(world: World) -> None:
    world.month(2, photo="2017000010")
    assert "links" in world.plan().reason
    world.take()
    assert world.plan().reason == ""
    assert "arrests/2.parquet" in world.rewritten()


@pytest.mark.parametrize(
    ("alter", "reason"),
    [
        (lambda world: (world.folder / "keeper/memory.json").unlink(), "remembers no strip"),
        (lambda world: (world.folder / "keeper/memory.json").write_text("{}"), "remembers no strip"),
        (lambda world: (world.clean / "receipt.json").write_text("{}"), "is not the one that the keeper remembers"),
        (lambda world: (world.folder / "sealing.yaml").write_text(POLICY.replace("sentence", "clear")), "changed"),
    ],
)
def test_where_nothing_fits_everything_is_read(world: World, alter: object, reason: str) -> None:
    alter(world)  # type: ignore[operator]
    plan = world.plan()
    assert reason in plan.reason
    assert {file.name for own in plan.rewrite.values() for file in own} == ALL
    assert not plan.keep


def test_without_the_register_links_are_not_known(world: World) -> None:
    given = {"snapshot": load(world.folder / "x.snap"), "key": KEY}
    strip_files(world.policy, **given, out=world.folder / "other", keeper=world.folder / "other-keeper")
    plan = planned_strip(
        world.policy, snapshot=world.folder / "x.snap", key=KEY, register=None, out=world.folder / "other",
        keeper=world.folder / "other-keeper",
    )  # fmt: skip
    assert "did not know every link" in plan.reason


def test_what_the_keeper_remembers_is_the_keepers_alone(world: World) -> None:
    for path in [world.folder / "keeper", *(world.folder / "keeper").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


@pytest.mark.parametrize(("out", "keeper"), [("clean", "clean/keeper"), ("clean/a", "clean"), ("clean", "clean")])
def test_the_keepers_folder_and_the_published_one_lie_apart(world: World, out: str, keeper: str) -> None:
    given = {"snapshot": load(world.folder / "x.snap"), "key": KEY, "register": world.register}
    with pytest.raises(PublishFailure, match="lie in one another"):
        strip_files(world.policy, **given, out=world.folder / out, keeper=world.folder / keeper)
