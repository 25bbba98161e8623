"""A small invented department on disk, for tests that run the command. `CANARY` stands in every file of it."""

from __future__ import annotations

import shutil
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers import cli

SEALED = "M17654502"
CANARY = "zebrafinch"
KEY, OTHER_KEY = "ab" * 32, "cd" * 32
KINDS = """\
arrest_number: {scope: record, pattern: "[BKMQS][0-9]{8}"}
photo_number: {scope: record, pattern: "[0-9]{10}", width: 10}
complaint_number: {scope: shared, pattern: "[0-9]{12}"}
"""
FEED = f"""\
kind,identifier,action,statute,effective_on,recorded_on
arrest_number,{SEALED},seal,CPL 160.50,2019-01-10,2019-01-12
"""
ARRESTS = {
    "arrest_number": [SEALED, "K17000001", "B17000002", "Q17000003"],
    "photo_number": ["0000000001", None, "0000000003", "0000000004"],
    "note": [CANARY, "plain", CANARY, ""],
    "age": [31, 22, 45, 19],
}
PHOTOS = f"photo_number;note\n0000000001;{CANARY}\n0000000003;b\n0000000004;{CANARY}\n"
COMPLAINTS = f"""\
complaint_number,cleared_by,suspect_age,status,narrative
201700000001,{SEALED},31,CLOSED,Arrest {SEALED} was made. A {CANARY} was taken.
201700000002,,,OPEN,Nobody was seen.
201700000003,Q17000003,19,CLOSED,A {CANARY} again.
"""
POLICY = """\
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: city.snap, warn_after: 3d, error_after: 7d}

sources:
  arrests:
    path: raw/arrests.parquet
    primary_key: arrest_number
    columns:
      arrest_number: {kind: arrest_number, on_seal: drop}
      photo_number:  {kind: photo_number, on_seal: {redact: []}, carries: any}
  photos:
    path: raw/photos.csv
    read: {delimiter: ";"}
    primary_key: photo_number
    columns:
      photo_number: {kind: photo_number, on_seal: drop}
  complaints:
    path: raw/complaints.csv
    primary_key: complaint_number
    columns:
      complaint_number: {kind: complaint_number, on_seal: drop}
      cleared_by: {kind: arrest_number, on_seal: {redact: [suspect_age], set: {status: OPEN}}}
    text:
      narrative: {mentions: [arrest_number], on_seal: clear}

features:
  ages:
    sql: features/ages.sql
    columns: {age: int64, arrests: int64}

outputs:
  candidates:
    columns: {candidate: {kind: complaint_number, on_seal: drop, on_touched: keep_redacted}}
    keep: 2
"""
FEATURE = "SELECT arrests.age, count(*) AS arrests FROM arrests GROUP BY arrests.age\n"
DAY = ["--as-of", "2019-03-01"]


@dataclass
class Outcome:
    """What one run of the command came to."""

    code: int
    out: str
    err: str
    errors: list[BaseException] = field(default_factory=list)

    @property
    def told(self) -> str:
        """Everything that the user or a log can see, and everything that an exception carries along."""
        chain = "".join("".join(traceback.format_exception(one)) + repr(one.args) for one in self._chain())
        return f"{self.out}\n{self.err}\n{chain}"

    def _chain(self) -> list[BaseException]:
        seen: list[BaseException] = []
        waiting = list(self.errors)
        while waiting:
            one = waiting.pop()
            if one not in seen:
                seen.append(one)
                waiting += [other for other in (one.__context__, one.__cause__) if other is not None]
        return seen


@dataclass(frozen=True)
class World:
    """The department's folder, and the command run on it."""

    folder: Path
    capsys: pytest.CaptureFixture[str] | None = None

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def write(self, name: str, content: str | bytes | pa.Table) -> Path:
        """Write a file of the world."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, str):
            path.write_text(content, encoding="utf-8", newline="")
        elif isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pq.write_table(content, path)
        return path

    def amend(self, name: str, old: str, new: str) -> Path:
        """Replace one passage of a text file; it must be there."""
        text = (self.folder / name).read_text(encoding="utf-8")
        assert old in text, f"{name} holds no such passage"
        return self.write(name, text.replace(old, new))

    def run(self, *arguments: str | Path) -> Outcome:
        """Run the command in this process."""
        met: list[BaseException] = []
        genuine = cli.cli.main

        def main(**given: object) -> object:
            try:
                return genuine(**given)  # type: ignore[call-overload]
            except BaseException as error:
                met.append(error)
                raise

        if self.capsys:
            self.capsys.readouterr()
        with patch.object(cli.cli, "main", main):
            code = cli.run([str(argument) for argument in arguments])
        out, err = self.capsys.readouterr() if self.capsys else ("", "")
        return Outcome(code, out, err, met)

    # -- the commands, with what they need --------------------------------------------------------------------------

    @property
    def policy(self) -> list[str | Path]:
        """Option of the policy."""
        return ["--policy", self / "sealing.yaml"]

    @property
    def keyed(self) -> list[str | Path]:
        """Options of policy and key."""
        return [*self.policy, "--key-file", self / "key"]

    @property
    def keeping(self) -> list[str | Path]:
        """Options of kinds and key."""
        return ["--kinds", self / "kinds.yaml", "--key-file", self / "key"]

    def keygen(self) -> Outcome:
        """Make a key."""
        return self.run("register", "keygen", "--key-file", self / "new.key")

    def add(self, *more: str | Path, delivered: str = "2019-02-28") -> Outcome:
        """Deliver the feed."""
        given = more or ("--feed", self / "feed.csv")
        return self.run("register", "add", self / "register", *self.keeping, "--delivered-on", delivered, *given)

    def snapshot(self, *more: str | Path) -> Outcome:
        """Write the snapshot."""
        return self.run("register", "snapshot", self / "register", "--kinds", self / "kinds.yaml", *self.keyed,
                        *(more or DAY))  # fmt: skip

    def check(self) -> Outcome:
        """Check the policy."""
        return self.run("policy", "check", *self.policy, "--kinds", self / "kinds.yaml")

    def strip(self, *more: str | Path) -> Outcome:
        """Strip into ``clean``."""
        return self.run("strip", *self.keyed, "--register", self / "register", "--out", self / "clean", *more)

    def features(self) -> Outcome:
        """Compute features into ``features-out``."""
        return self.run("features", *self.policy, "--clean", self / "clean", "--out", self / "features-out")

    def gate(self, *targets: str | Path) -> Outcome:
        """Judge."""
        return self.run("gate", *self.keyed, *targets)


def build(folder: Path) -> World:
    """Write the department, up to a snapshot of 1 March 2019."""
    world = World(folder)
    world.write("key", KEY + "\n")
    world.write("other.key", OTHER_KEY + "\n")
    world.write("kinds.yaml", KINDS)
    world.write("feed.csv", FEED)
    world.write("sealing.yaml", POLICY)
    world.write("features/ages.sql", FEATURE)
    world.write("raw/arrests.parquet", pa.table(ARRESTS))
    world.write("raw/photos.csv", PHOTOS)
    world.write("raw/complaints.csv", COMPLAINTS)
    for outcome in (world.add(), world.snapshot()):
        assert outcome.code == 0
    return world


def copy(world: World, folder: Path, capsys: pytest.CaptureFixture[str]) -> World:
    """A world of one's own, cheaply: paths in it are relative."""
    shutil.copytree(world.folder, folder)
    return World(folder, capsys)


@pytest.fixture(scope="session")
def department(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The department, built once."""
    return build(tmp_path_factory.mktemp("department") / "world")


@pytest.fixture
def world(department: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> World:
    """The department, for one test to spoil."""
    return copy(department, tmp_path / "world", capsys)
