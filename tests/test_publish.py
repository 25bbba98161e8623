"""Publishing: the old version or the new one, whole, whatever happens; and nothing readable in what a kill leaves."""

import contextlib
import datetime as dt
import fcntl
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers import digest, publish
from sanitizers.engine.duckdb import DuckDB
from sanitizers.errors import PublishFailure
from sanitizers.identifiers import Key, Kinds
from sanitizers.publish import publishing
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules

ROOT = Path(__file__).parents[1]


def written(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def once(target: Path, text: str) -> None:
    with publishing(target, mark="deep/a.txt") as stage:
        (stage.new / "deep").mkdir()
        (stage.new / "deep" / "a.txt").write_text(text)
        (stage.scratch / "spill").write_text("private")


def private(target: Path) -> Path:
    return target.parent / f".{target.name}.sealproof"


def left(target: Path) -> list[str]:
    return sorted(path.name for path in private(target).iterdir())


# -- one process ------------------------------------------------------------------------------------------------------


def test_second_version_replaces_the_first_whole(tmp_path: Path) -> None:
    target = tmp_path / "a" / "clean"
    once(target, "one")
    (target / "stale.txt").write_text("of the first version")
    once(target, "two")
    assert written(target) == {"deep/a.txt": "two"}
    assert left(target) == ["lock"]


def test_published_files_have_ordinary_permissions_and_private_ones_do_not(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with publishing(tmp_path / "clean", mark="deep/a.txt") as stage:
            (stage.new / "a").touch(0o600)
            assert private(tmp_path / "clean").stat().st_mode & 0o777 == 0o700
            assert stage.scratch.stat().st_mode & 0o777 == 0o700
            assert stage.new.stat().st_mode & 0o777 == 0o700
    finally:
        os.umask(before)
    assert (tmp_path / "clean").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "clean" / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_run_that_fails_leaves_the_old_version(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "clean"
    once(target, "one")
    with pytest.raises(error), publishing(target, mark="deep/a.txt") as stage:
        (stage.new / "a.txt").write_text("half")
        raise error
    assert written(target) == {"deep/a.txt": "one"}
    assert left(target) == ["lock"]


def test_first_run_that_fails_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"), publishing(tmp_path / "clean", mark="deep/a.txt") as stage:
        (stage.new / "a.txt").write_text("half")
        raise ValueError("stop")
    assert not (tmp_path / "clean").exists()


def test_second_run_is_kept_out_while_the_first_writes(tmp_path: Path) -> None:
    target = tmp_path / "clean"
    with publishing(target, mark="deep/a.txt") as stage:
        (stage.new / "a.txt").write_text("first")
        with pytest.raises(PublishFailure, match="another run"), publishing(target, mark="deep/a.txt"):
            pass
        assert (stage.new / "a.txt").exists()
    assert written(target) == {"a.txt": "first"}


def test_lock_of_another_process_keeps_a_run_out(tmp_path: Path) -> None:
    target = tmp_path / "clean"
    once(target, "one")
    with (private(target) / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(PublishFailure, match="another run"):
            once(target, "two")
    once(target, "two")
    assert written(target) == {"deep/a.txt": "two"}


def test_what_a_killed_run_left_is_swept_by_the_next(tmp_path: Path) -> None:
    target = tmp_path / "clean"
    once(target, "one")
    for name in ("new", "scratch/spill"):
        (private(target) / name).mkdir(parents=True)
        (private(target) / name / "left").write_text("by a crash")
    once(target, "two")
    assert written(target) == {"deep/a.txt": "two"}
    assert left(target) == ["lock"]


def test_where_folders_cannot_be_exchanged_the_journalled_pair_of_renames_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publish, "_swap", lambda _one, _other: False)
    target = tmp_path / "clean"
    once(target, "one")
    once(target, "two")
    assert written(target) == {"deep/a.txt": "two"}
    assert left(target) == ["lock"]


def test_crash_between_the_two_renames_is_mended_by_the_next_start(tmp_path: Path) -> None:
    target = tmp_path / "clean"
    once(target, "one")
    target.rename(private(target) / "old")
    with pytest.raises(ValueError, match="stop"), publishing(target, mark="deep/a.txt"):
        assert written(target) == {"deep/a.txt": "one"}
        raise ValueError("stop")
    assert written(target) == {"deep/a.txt": "one"}


def test_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "clean").symlink_to(tmp_path / "disk")
    once(tmp_path / "clean", "one")
    assert (tmp_path / "clean").is_symlink()
    assert written(tmp_path / "disk") == {"deep/a.txt": "one"}


@pytest.mark.parametrize("place", ["file/clean", "file", "/proc/sealproof/clean"])
def test_place_that_cannot_be_written_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(PublishFailure) as caught:
        once(tmp_path / place, "one")
    assert caught.value.__context__ is None
    assert written(tmp_path) == {"file": "in the way"}


# -- a strip in a process of its own ----------------------------------------------------------------------------------

ZYGOTE = """
import os, resource, sys
from pathlib import Path
from sanitizers.engine import duckdb
from sanitizers.errors import SealproofError
from sanitizers.identifiers import Key
from sanitizers.policy import Policy
from sanitizers.register import snapshot
from sanitizers.strip.files import strip_files

def run(folder, memory, largest, clear):
    if memory != "-":
        duckdb.MEMORY = memory
    if largest != "-":
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(largest), int(largest)))
    if clear == "clear":
        execute = duckdb.DuckDB._raw.fget
        class Clear(duckdb.DuckDB):
            def __init__(self, scratch=None):
                super().__init__(scratch)
                self._raw.execute("SET temp_file_encryption = false")
        import sanitizers.strip.files as files
        files.opened = lambda _name, scratch: Clear(scratch)
    policy, taken = Policy.load(folder / "sealing.yaml"), snapshot.load(folder / "seals.snap")
    strip_files(policy, snapshot=taken, key=Key("ab" * 32), out=folder / "clean")

for line in sys.stdin:
    folder, memory, largest, clear = line.split()
    child = os.fork()
    if not child:
        try:
            run(Path(folder), memory, largest, clear)
        except SealproofError as error:
            os._exit(error.exit_code)
        except BaseException:
            os._exit(99)
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""
READABLE = re.compile(rb"[BKMQS]0{9}[0-9]{5}|HELD[A-J]{5}")  # hexadecimal digits of tokens never read so
KINDS = "arrest: {scope: record, pattern: '[BKMQS][0-9]{14}'}\nphoto: {scope: record, pattern: '[0-9]{10}', width: 10}"
POLICY = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: seals.snap}
sources:
  arrests:
    path: raw/arrests/*.parquet
    primary_key: arrest
    columns:
      arrest: {kind: arrest, on_seal: drop}
    text: {told: {mentions: [arrest], on_seal: clear}}
  photos:
    path: raw/photos/*.csv
    primary_key: photo
    columns: {photo: {kind: photo, on_seal: drop}}
"""


class Strips:
    """Strips of one folder in processes that can be killed; started from one that has imported everything."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mother = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", ZYGOTE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def start(self, memory: str = "-", largest: str = "-", clear: str = "-") -> int:
        assert self.mother.stdin is not None
        self.mother.stdin.write(f"{self.folder} {memory} {largest} {clear}\n")
        self.mother.stdin.flush()
        return int(self._line())

    def _line(self) -> str:
        assert self.mother.stdout is not None
        return self.mother.stdout.readline()

    def wait(self) -> int:
        """Exit code; negative if a signal ended it."""
        return os.waitstatus_to_exitcode(int(self._line()))

    def kill(self, child: int) -> int:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        return self.wait()

    def close(self) -> None:
        assert self.mother.stdin is not None
        assert self.mother.stdout is not None
        self.mother.stdin.close()
        self.mother.wait(60)
        self.mother.stdout.close()

    @property
    def out(self) -> Path:
        return self.folder / "clean"

    def published(self) -> str | None:
        """Digest of the snapshot whose version stands there, whole; None if nothing was ever published."""
        if not self.out.exists():
            return None
        receipt = json.loads((self.out / "receipt.json").read_text())
        files = digest.of_folder(self.out)
        del files["receipt.json"]
        assert files == receipt["files"]
        return receipt["snapshot"]

    def use(self, name: str) -> str:
        """Put one of the two snapshots in place; answers its digest."""
        for ending in (".snap", ".snap.json"):
            (self.folder / f"seals{ending}").write_bytes((self.folder / f"{name}{ending}").read_bytes())
        return digest.of_file(self.folder / "seals.snap")


def make(folder: Path, *, rows: int, width: int = 0) -> None:
    """Raw sources, the policy and the snapshots of two days; with a `width` a wide text, which the engine sorts."""
    numbers = [f"{'BKMQS'[n % 5]}{n:014d}" for n in range(rows)]
    table = pa.table(
        {
            "arrest": numbers,
            "told": [f"He was held. See {number}." for number in numbers],
        }
    )
    policy = POLICY
    if width:
        names = ["HELD" + f"{n:05d}".translate(str.maketrans("0123456789", "ABCDEFGHIJ")) for n in range(rows)]
        table = table.append_column("memo", pa.array([name + "." * width for name in names]))
        told = "told: {mentions: [arrest], on_seal: clear}"
        policy = policy.replace(told, f"{told}, memo: {{mentions: [photo], on_seal: clear}}")
    for name in ("arrests", "photos"):
        (folder / "raw" / name).mkdir(parents=True)
    pq.write_table(table, folder / "raw" / "arrests" / "0.parquet")
    lines = [f"{n:010d},{n % 7}" for n in range(rows)]
    (folder / "raw" / "photos" / "0.csv").write_text("\n".join(["photo,note", *lines, ""]))
    (folder / "sealing.yaml").write_text(policy)
    today, rules = dt.date(2019, 6, 2), Rules.find("us-ny", folder)
    register = Register(folder / "register", kinds=Kinds.parse(KINDS), key=Key("ab" * 32))
    for name, own in (("one", numbers[::10]), ("two", numbers[5::10])):
        day = ["2019-01-01"] * len(own)
        feed = {"kind": ["arrest"] * len(own), "identifier": own, "action": ["seal"] * len(own)}
        feed |= {"statute": ["CPL 160.50"] * len(own), "effective_on": day, "recorded_on": day}
        register.add(pa.table(feed), rules=rules, delivered_on=today)
        with DuckDB() as engine:
            register.snapshot(
                folder / f"{name}.snap", rules=rules, purpose="predictive-model", as_of=today, engine=engine
            )


@pytest.fixture
def strips(tmp_path: Path) -> Iterator[Strips]:
    strips = Strips(tmp_path)
    yield strips
    strips.close()


def readable(folder: Path) -> int:
    """How many files below a folder hold something that reads as an arrest number."""
    return sum(bool(READABLE.search(path.read_bytes())) for path in folder.rglob("*") if path.is_file())


def test_killed_at_any_moment_leaves_the_old_version_or_the_new(strips: Strips) -> None:
    make(strips.folder, rows=10_000)
    strips.use("one")
    strips.start()
    assert strips.wait() == 0
    began = time.monotonic()
    strips.start()
    assert strips.wait() == 0
    takes = time.monotonic() - began
    seen, chance = set(), random.Random(7)
    for number in range(20):
        before = strips.published()
        new = strips.use("two" if number % 2 == 0 else "one")
        child = strips.start()
        time.sleep(takes * (chance.random() if number % 4 else 0.9 + 0.2 * chance.random()))
        code = strips.kill(child)
        assert code in (0, -signal.SIGKILL)
        standing = strips.published()
        assert standing in (before, new)
        assert standing == new or code != 0
        found = readable(private(strips.out))
        assert found == 0
        seen.add(code)
    assert -signal.SIGKILL in seen
    strips.use("one")
    strips.start()
    assert strips.wait() == 0
    assert left(strips.out) == ["lock"]


def test_full_disk_leaves_the_old_version(strips: Strips) -> None:
    make(strips.folder, rows=5_000, width=100)
    old = strips.use("one")
    strips.start(largest="100000")
    assert strips.wait() == 3
    assert strips.published() is None
    strips.start()
    assert strips.wait() == 0
    strips.use("two")
    for largest in ("5000", "100000"):
        strips.start(largest=largest)
        assert strips.wait() == 3
        assert strips.published() == old
        assert left(strips.out) == ["lock"]


def test_killed_while_it_spills_leaves_nothing_readable(strips: Strips) -> None:
    make(strips.folder, rows=80_000, width=1500)
    strips.use("one")
    spill = private(strips.out) / "scratch" / "spill"

    def spilled() -> int:
        with contextlib.suppress(FileNotFoundError):
            return sum(path.stat().st_size for path in spill.iterdir())
        return 0

    def killed(clear: str, size: int) -> tuple[int, int]:
        """Kill a strip once it has spilled so much; its exit code, and how many files of the spill can be read."""
        shutil.rmtree(private(strips.out), ignore_errors=True)
        child = strips.start(memory="64MB", clear=clear)
        until = time.monotonic() + 60
        while time.monotonic() < until and (spilled() < size or (clear == "clear" and not readable(spill))):
            time.sleep(0.005)
        os.kill(child, signal.SIGSTOP)
        assert spilled() >= size
        return strips.kill(child), readable(spill)

    code, found = killed("clear", 1 << 18)
    assert (code, found > 0) == (-signal.SIGKILL, True)
    for megabytes in (1, 2, 4, 8, 12):
        code, found = killed("-", megabytes << 20)
        assert code == -signal.SIGKILL
        assert found == 0
    assert strips.published() is None
