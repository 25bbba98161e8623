"""The pipeline under DVC, as `make demo` runs it, on a small city in a repository of its own.

One story in four runs, each a fixture that goes on from the one before: the first run, a quiet day, the day on which a
seal falls due, a new event with a judge who is shown raw photos. Then the search: nothing sealed lies anywhere outside
the keeper's room and the raw sources. And `kill -9` while a strip runs.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import gzip
import io
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from pipelines import snapshot
from sanitizers import digest
from sanitizers.identifiers import Key, published, tokenise
from tests.pipelines.conftest import DAY, KEY, REPO, Road, lay

STAGES = list(yaml.safe_load((REPO / "dvc.yaml").read_text())["stages"])
NEXT_DAY = DAY + dt.timedelta(days=1)
CANARY = "QUETZALCOATLUS"
ARRESTS = 350


# -- a repository, and what was said in it ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Told:
    """How one command ended, and which stages it ran."""

    code: int
    out: str

    @property
    def ran(self) -> list[str]:
        return re.findall(r"^Running stage '(\w+)':$", self.out, re.MULTILINE)


@dataclass(frozen=True)
class Repository(Road):
    """A git and DVC repository laid out like this one, with a home and a temporary folder of its own beside it."""

    said: list[str] = field(default_factory=list)

    @property
    def beside(self) -> Path:
        return self.folder.parent

    @property
    def env(self) -> dict[str, str]:
        private = {name: str(self.beside / name) for name in ("home", "temp", "site")}
        for path in private.values():
            Path(path).mkdir(exist_ok=True)
        ours = ("PYTHON", "SEALPROOF", "MLFLOW", "DVC", "GIT_")
        return {
            **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONUNBUFFERED": "1",
            "HOME": private["home"],
            "TMPDIR": private["temp"],
            "DVC_SITE_CACHE_DIR": private["site"],
            "DVC_NO_ANALYTICS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "GX_ANALYTICS_ENABLED": "false",
        }

    def call(self, *command: str) -> Told:
        """Run a command and remember what it said."""
        done = subprocess.run(command, cwd=self.folder, env=self.env, capture_output=True, text=True, check=False)
        out = done.stdout + done.stderr
        self.said.append(out)
        return Told(done.returncode, out)

    def dvc(self, *arguments: str) -> Told:
        return self.call(sys.executable, "-m", "dvc", *arguments)

    def deliver_file(self, feed: Path) -> Told:
        """Take a feed into the register, as `make` does."""
        return self.call(
            sys.executable, "-m", "sanitizers", "register", "add", "build/keeper/register",
            "--key-file", "build/keeper/key", "--kinds", "pipelines/kinds.yaml",
            "--rules", "pipelines/rules.yaml", "--feed", str(feed), "--delivered-on", DAY.isoformat(),
        )  # fmt: skip

    def deliver_seal(self, number: str, effective_on: dt.date) -> Told:
        """Deliver one more seal of an arrest."""
        feed = self.build / f"keeper/{effective_on}-{number[0]}.csv"
        columns = "kind,identifier,action,statute,effective_on,recorded_on,case"
        feed.write_text(f"{columns}\narrest_number,{number},seal,CPL 160.50,{effective_on},{DAY},\n")
        return self.deliver_file(feed)

    def set(self, block: str, name: str, value: object) -> None:
        """Change one value of params.yaml."""
        path = self.folder / "params.yaml"
        params = yaml.safe_load(path.read_text())
        params[block][name] = value
        path.write_text(yaml.safe_dump(params))

    def runs(self) -> list[str]:
        """What MLflow recorded as verdict, oldest run first."""
        told = "SELECT tags.value FROM tags JOIN runs USING (run_uuid)"
        query = f"{told} WHERE tags.key = 'sealproof.verdict' ORDER BY runs.start_time"
        with contextlib.closing(sqlite3.connect(self.build / "mlflow.db")) as database:
            return [value for (value,) in database.execute(query)]

    def verdict(self) -> Any:
        return json.loads((self.build / "verdict.json").read_text())


def lay_repository(folder: Path) -> Repository:
    """Lay a city's folder and make it a repository; no environment of its own, no past."""
    lay(folder, arrests=ARRESTS, seed=7, trees=5)
    for name in ("dvc.yaml", ".dvcignore", ".gitignore"):
        shutil.copy(REPO / name, folder / name)
    for name in ("pipelines", "models", "sanitizers"):
        shutil.copytree(REPO / name, folder / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    repository = Repository(folder)
    repository.set("score", "asked", 10)
    repository.call("git", "init", "--quiet")
    repository.dvc("init", "--quiet")
    shutil.copy(REPO / ".dvc/config", folder / ".dvc/config")
    return repository


# -- what must not be found, and the search for it --------------------------------------------------------------------

Sought = dict[str, set[str]]

PATTERNS = {
    "arrest_number": "[BKMQS][ -]?[0-9]{2}[ -]?[0-9]{6}",
    "person_id": "[0-9]{8}[A-Z]",
    "complaint_number": "20[0-9]{2}-?[0-9]{4}-?[0-9]{4}",
    "photo_number": "[0-9]{2}-?[0-9]{4}-?[0-9]{4}",
    "short photo_number": "(?<![0-9])[0-9]{7,9}(?![0-9])",  # as a number, without its leading zeros
    "token": "[0-9A-F]{32}",
    "key": "[0-9A-F]{64}",
    "canary": f"{CANARY}[A-Z]+",
}


def texts(data: bytes) -> Iterator[str]:
    """Everything that a file's bytes can be read as: text in two encodings, packed members, tables cell by cell."""
    yield data.decode("utf-8", "ignore")
    if b"\0" in data:
        yield data.decode("utf-16-le", "ignore")
        yield data[1:].decode("utf-16-le", "ignore")
    if data[:4] == b"PAR1":
        with contextlib.suppress(pa.ArrowInvalid):  # a killed run leaves files without an end
            for column in pq.read_table(io.BytesIO(data)).columns:
                yield "\n".join(map(str, column.to_pylist()))
    elif data[:2] == b"\x1f\x8b":
        yield from texts(gzip.decompress(data))
    elif data[:4] == b"PK\3\4":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for name in archive.namelist():
                yield name
                yield from texts(archive.read(name))
    elif data[:1] == b"\x78":
        with contextlib.suppress(zlib.error):
            yield from texts(zlib.decompress(data))


def count(data: bytes, sought: Sought) -> Counter[str]:
    """How often something sought stands in some bytes, per kind, however it is spelled."""
    found: Counter[str] = Counter()
    for text in texts(data):
        shown = normal(text)
        for kind, wanted in sought.items():
            hits = re.findall(f"(?=({PATTERNS[kind]}))", shown)
            found[kind] += sum(re.sub("[ -]", "", hit) in wanted for hit in hits)
    return +found


def search(place: Path, sought: Sought) -> Counter[str]:
    """Search every file, and its name, below a place; counts per kind, never a hit itself. Equal files count once."""
    names, contents = [], {}
    for path in [place] if place.is_file() else place.rglob("*"):
        names.append(str(path.relative_to(place)))
        if path.is_file():
            contents[digest.of_file(path)] = path
    found = count("\n".join(names).encode(), sought)
    for path in contents.values():
        found += count(path.read_bytes(), sought)
    return found


def tokens(repository: Repository, numbers: set[str]) -> Sought:
    """Arrest numbers as clean files write them."""
    given = pl.Series(sorted(numbers))
    made = tokenise(given, name="arrest_number", kind=repository.kinds["arrest_number"], key=Key(KEY))
    return {"token": {token.removeprefix("tok_").upper() for token in published(made.hi, made.lo).to_pylist()}}


def plain(numbers: pd.Series) -> pd.Series:
    """Canonical forms of arrest numbers, person ids and complaint numbers."""
    return numbers.map(lambda text: re.sub("[^0-9A-Z]", "", normal(text)), na_action="ignore")


def normal(text: str) -> str:
    return unicodedata.normalize("NFKC", text).upper()


def read_arrests(raw: Path) -> pd.DataFrame:
    """All raw arrests, with canonical identifiers."""
    years = [pd.read_parquet(path) for path in sorted((raw / "arrests").iterdir())]
    arrests = pd.concat(years, ignore_index=True)
    for name in ("arrest_number", "person_id", "onview_complaint"):
        arrests[name] = plain(arrests[name])
    photos = arrests["photo_number"].dropna().astype("int64").astype(str).str.zfill(10)
    return arrests.drop(columns="photo_number").assign(photo_number=photos)


def sealed(repository: Repository, barred: set[str]) -> Sought:
    """What barred arrests bar: their numbers and photos, and persons and complaints that have no other arrest."""
    arrests = read_arrests(repository.build / "city/raw")
    mine = arrests["arrest_number"].isin(barred)
    photos = set(arrests.loc[mine, "photo_number"].dropna())
    return {
        "arrest_number": barred,
        "person_id": set(arrests.loc[mine, "person_id"]) - set(arrests.loc[~mine, "person_id"]),
        "complaint_number": set(arrests.loc[mine, "onview_complaint"].dropna())
        - set(arrests.loc[~mine, "onview_complaint"].dropna()),
        "photo_number": photos,
        "short photo_number": {number.lstrip("0") for number in photos if number[0] == "0"},
        "canary": {f"{CANARY}{where}" for where in ("OFFENSE", "CHARGE", "PHOTO", "NAME", "SENTENCE", "REPORT")},
    }


def plant_canaries(repository: Repository, barred: set[str]) -> None:
    """Write made-up words into cells that only barred records have."""
    raw, out = repository.build / "city/raw", sealed(repository, barred)
    for path in (raw / "arrests").iterdir():
        table = pq.read_table(path)
        rows = zip(table["arrest_number"].to_pylist(), table["offense"].to_pylist(), strict=True)
        rewrite(path, table, "offense", [f"{CANARY}OFFENSE" if number in barred else word for number, word in rows])
    plant_csv(raw / "charges.csv", "arrest_number", barred, "law_code", "CHARGE")
    plant_csv(raw / "persons.csv", "person_id", out["person_id"], "name", "NAME")
    for path in (raw / "photos").iterdir():
        plant_csv(path, "photo_number", out["photo_number"], "note", "PHOTO", sep=";", encoding="cp1252")
    path = raw / "complaints.parquet"
    table = pq.read_table(path)
    cleared_by = plain(table["cleared_by"].to_pandas()).isin(barred)
    reported = plain(table["complaint_number"].to_pandas()).isin(out["complaint_number"])
    narratives = table["narrative"].to_pandas().fillna("")
    narratives[cleared_by] += "Arrest " + table["cleared_by"].to_pandas() + f" spoke of {CANARY}SENTENCE. "
    narratives[reported] += f"{CANARY}REPORT. "
    rewrite(path, table, "narrative", narratives.tolist())


def rewrite(path: Path, table: pa.Table, column: str, cells: list[str]) -> None:
    """Write a table with one text column replaced."""
    at = table.schema.get_field_index(column)
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array(cells, pa.string())), path)


def plant_csv(path: Path, key: str, barred: set[str], column: str, where: str, **form: str) -> None:
    """Write a made-up word into one column of the rows whose key is barred."""
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, **form)  # type: ignore[call-overload]
    keys = plain(frame[key].str.removesuffix(".0")).str.zfill(10 if key == "photo_number" else 0)
    frame.loc[keys.isin(barred), column] = f"{CANARY}{where}"
    frame.to_csv(path, index=False, lineterminator="\n", **form)  # type: ignore[call-overload]


# -- the story --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scene:
    """One run of the pipeline and what it left, as far as later runs replace it."""

    told: Told
    verdict: str
    recorded: list[str]
    lawful: int
    tomorrow: int
    incidents: str


@dataclass(frozen=True)
class Story:
    """The repository, who is barred from the first day on, and whose seal takes effect on the next."""

    city: Repository
    barred: set[str]
    tomorrow: str

    def run(self) -> Scene:
        """Run the pipeline and look at what the next run will replace."""
        told, build = self.city.dvc("repro"), self.city.build
        assert "Running stage 'enforce'" in told.out or "Stage 'enforce' didn't change" in told.out, told.out[-2000:]
        return Scene(
            told,
            self.city.verdict()["verdict"],
            self.city.runs(),
            lawful=search(build / "clean", tokens(self.city, {self.lawful})).total(),
            tomorrow=search(build / "clean", tokens(self.city, {self.tomorrow})).total(),
            incidents=digest.of_file(build / "features/incidents.parquet"),
        )

    @property
    def lawful(self) -> str:
        numbers = pd.read_csv(self.city.build / "city/truth.csv").query("barred == 0")["arrest_number"]
        return min(set(numbers) - {self.tomorrow})


def on_the_eve(city: Repository, barred: set[str]) -> str:
    """Choose an arrest without any event that has a photo, clears a complaint and is evidence of a pattern."""
    raw = city.build / "city/raw"
    arrests = read_arrests(raw)
    photographed = set(arrests.loc[arrests["photo_number"].notna(), "arrest_number"])
    clearing = set(plain(pd.read_parquet(raw / "complaints.parquet")["cleared_by"]).dropna())
    evident = set(plain(pd.read_csv(raw / "pattern_members.csv")["evidence_arrest"]).dropna())
    known = set(plain(pd.read_csv(city.build / "city/seal_feed.csv")["identifier"]))
    return min((photographed & clearing & evident) - known - barred)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """A repository before its first run: two deliveries, the second with a seal that takes effect tomorrow."""
    city = lay_repository(tmp_path_factory.mktemp("dvc") / "city")
    truth = pd.read_csv(city.build / "city/truth.csv")
    barred = set(truth.loc[truth["barred"] == 1, "arrest_number"])
    plant_canaries(city, barred)
    story = Story(city, barred, on_the_eve(city, barred))
    delivered = [city.deliver_file(city.build / "city/seal_feed.csv"), city.deliver_seal(story.tomorrow, NEXT_DAY)]
    assert [told.code for told in delivered] == [0, 0]
    return story


@pytest.fixture(scope="module")
def first(story: Story) -> Scene:
    """The first run."""
    return story.run()


@pytest.fixture(scope="module")
def quiet(story: Story, first: Scene) -> Scene:
    """The feed is delivered again, and holds nothing new."""
    assert story.city.deliver_file(story.city.build / "city/seal_feed.csv").code == 0
    return story.run()


@pytest.fixture(scope="module")
def next_day(story: Story, quiet: Scene) -> Scene:
    """The clock moves on by a day, and nothing else."""
    story.city.set("snapshot", "as_of", NEXT_DAY.isoformat())
    return story.run()


@pytest.fixture(scope="module")
def red(story: Story, next_day: Scene) -> Scene:
    """An arrest is sealed that no source holds, so that no feature changes; and the judge is shown a raw file."""
    assert story.city.deliver_seal("Q19999999", DAY).code == 0
    made = yaml.safe_load((REPO / "params.yaml").read_text())["judge"]["targets"]
    story.city.set("judge", "targets", [*made, "city/raw/photos/photos-2017.csv"])
    return story.run()


@pytest.fixture(scope="module")
def pushed(story: Story, red: Scene) -> Path:
    """What was cached is handed to a remote."""
    remote = story.city.beside / "remote"
    remote.mkdir()
    told = [story.city.dvc("remote", "add", "--default", "store", str(remote)), story.city.dvc("push")]
    assert [one.code for one in told] == [0, 0]
    return remote


def test_first_run_goes_through_is_clean_reported_and_recorded(story: Story, first: Scene) -> None:
    assert first.told.code == 0, first.told.out[-2000:]
    assert first.told.ran == STAGES
    assert first.verdict == "clean"
    assert first.recorded == ["clean"]
    assert (story.city.build / "report.html").stat().st_size > 10_000


def test_quiet_day_runs_only_the_clock_and_the_judge(quiet: Scene) -> None:
    assert quiet.told.code == 0
    assert quiet.told.ran == ["snapshot", "judge"]
    assert quiet.recorded == ["clean"]


def test_seal_that_falls_due_runs_everything_behind_the_snapshot(first: Scene, next_day: Scene) -> None:
    assert next_day.told.code == 0, next_day.told.out[-2000:]
    assert next_day.told.ran == STAGES
    assert next_day.recorded == ["clean", "clean"]
    assert next_day.incidents != first.incidents


def test_arrest_whose_seal_falls_due_is_gone_from_clean(first: Scene, next_day: Scene) -> None:
    assert first.tomorrow > 0
    assert next_day.tomorrow == 0
    assert next_day.lawful == first.lawful
    assert first.lawful > 0


def test_new_event_runs_what_its_changes_reach(next_day: Scene, red: Scene) -> None:
    assert red.incidents == next_day.incidents
    assert red.told.ran == [name for name in STAGES if name not in ("train", "score")]


def test_red_verdict_is_recorded_reported_and_then_enforced(story: Story, red: Scene) -> None:
    assert red.verdict == "contaminated"
    assert red.recorded == ["clean", "clean", "contaminated"]
    assert "Holds records that are barred" in (story.city.build / "report.html").read_text()
    assert red.told.ran[-1] == "enforce"
    assert red.told.code != 0


def test_red_verdict_names_the_raw_file_and_nothing_else(story: Story, red: Scene) -> None:
    targets: list[dict[str, str]] = story.city.verdict()["targets"]
    told = [Path(target["path"]).name for target in targets if target["verdict"] == "contaminated"]
    assert told == ["photos-2017.csv"]


# -- silence ----------------------------------------------------------------------------------------------------------


def all_of(city: Repository, barred: set[str]) -> Sought:
    return {**sealed(city, barred), **tokens(city, barred), "key": {KEY.upper()}}


@pytest.fixture(scope="module")
def sought(story: Story) -> Sought:
    return all_of(story.city, story.barred | {story.tomorrow, "Q19999999"})


def test_search_finds_all_that_is_sealed_in_the_raw_sources(story: Story, sought: Sought) -> None:
    found = search(story.city.build / "city/raw", sought)
    assert set(found) == set(sought) - {"token", "key"}
    for word in sought["canary"]:
        assert search(story.city.build / "city/raw", {"canary": {word}}).total() > 0, word


def zipped(data: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("member", data)
    return stream.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress, zlib.compress, zipped])
def test_search_reads_every_spelling_and_packing(
    encoding: str, pack: Callable[[bytes], bytes], sought: Sought
) -> None:
    number = min(sought["arrest_number"])
    wide = "".join(chr(ord(sign) + 0xFEE0) for sign in number)
    dashed = f"{number[0]}{number[1:3]}-{number[3:]}"
    written = [number, number.lower(), dashed, dashed.lower(), f"{number[0]} {number[1:3]} {number[3:]}", wide]
    for text in written:
        found = count(pack(f"x{text}_".encode(encoding)), {"arrest_number": sought["arrest_number"]})
        assert found.total() > 0


def test_nothing_sealed_lies_outside_the_keepers_room_and_the_raw_sources(
    story: Story, pushed: Path, sought: Sought
) -> None:
    keepers = [story.city.build / "keeper", story.city.build / "city"]
    places = sorted(place for place in story.city.beside.iterdir() if place != story.city.folder)
    places += sorted(place for place in story.city.folder.iterdir() if place != story.city.build)
    places += sorted(place for place in story.city.build.iterdir() if place not in keepers)
    names = {place.name for place in places}
    assert names >= {"remote", "temp", "site", ".dvc", "dvc.lock", "mlflow.db", "mlflow.artifacts", "data-docs"}
    assert names >= {"report.html", "metrics", "plots", "clean", "features", "model", "scores", "outputs", "snapshot"}
    leaks = {place.name: search(place, sought) for place in places}
    leaked = sum(found.total() for found in leaks.values())
    assert leaked == 0, sorted((name, *found) for name, found in leaks.items() if found)


def test_no_command_said_anything_sealed(story: Story, pushed: Path, sought: Sought) -> None:
    assert len(story.city.said) >= 12
    leaked = sum(count(out.encode(), sought).total() for out in story.city.said)
    assert leaked == 0


def test_nothing_row_level_is_cached_or_pushed(story: Story, pushed: Path) -> None:
    numbers = pd.read_csv(story.city.build / "city/truth.csv")["arrest_number"]
    records = tokens(story.city, set(numbers))
    assert search(story.city.build / "clean", records).total() > 0
    for place in (story.city.folder / ".dvc", story.city.folder / "dvc.lock", story.city.beside / "site", pushed):
        cached = search(place, records).total()
        assert cached == 0
    files = [path for path in pushed.rglob("*") if path.is_file()]
    assert len(files) > 5


# -- kill -9 ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Killing:
    """A repository with two snapshots to strip by, and how long a strip under DVC takes."""

    city: Repository
    versions: list[Path]
    seconds: float = 0

    def start(self) -> subprocess.Popen[str]:
        """Start `dvc repro strip` by the other snapshot, in a process group of its own; return when the stage runs."""
        now = json.loads((self.city.build / "clean/receipt.json").read_text())["snapshot"]
        [other] = [folder for folder in self.versions if of_snapshot(folder) != now]
        shutil.copytree(other, self.city.build / "snapshot", dirs_exist_ok=True)
        process = subprocess.Popen(
            STRIP, cwd=self.city.folder, env=self.city.env, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout
        for line in process.stdout:
            if line.startswith("> python -m pipelines.strip"):
                return process
        raise AssertionError("the stage did not begin")

    def published(self) -> str:
        """The snapshot that the clean folder was stripped by; every file must be as its receipt says."""
        receipt = json.loads((self.city.build / "clean/receipt.json").read_text())
        files = digest.of_folder(self.city.build / "clean")
        files.pop("receipt.json")
        assert files == receipt["files"]
        return str(receipt["snapshot"])

    def mend_lock(self) -> None:
        """Do what the README says: DVC writes its lock file in place, and a kill may leave half of one."""
        lock = self.city.folder / "dvc.lock"
        content = yaml.safe_load(lock.read_text()) if lock.exists() else None
        if not isinstance(content, dict) or "schema" not in content:
            lock.unlink(missing_ok=True)


STRIP = (sys.executable, "-m", "dvc", "repro", "--single-item", "strip")


def of_snapshot(folder: Path) -> str:
    return str(json.loads((folder / "city.snap.json").read_text())["digest"])


@pytest.fixture(scope="module")
def killing(story: Story, first: Scene, tmp_path_factory: pytest.TempPathFactory) -> Killing:
    """The repository once more, with the snapshots of both days: one of them is what clean was stripped by."""
    beside = tmp_path_factory.mktemp("kill")
    city = Repository(beside / "city")
    past = shutil.ignore_patterns("tmp", "mlflow*", "data-docs", "__pycache__")
    shutil.copytree(story.city.folder, city.folder, ignore=past)
    versions = [beside / "eve", beside / "day"]
    for day, folder in zip((DAY, NEXT_DAY), versions, strict=True):
        city.set("snapshot", "as_of", day.isoformat())
        city.run(snapshot)
        shutil.copytree(city.build / "snapshot", folder)
    killing = Killing(city, versions)
    assert killing.published() in [of_snapshot(folder) for folder in versions]
    process = killing.start()
    begun = time.monotonic()
    process.communicate()
    assert process.returncode == 0
    assert killing.published() == of_snapshot(city.build / "snapshot")
    return Killing(city, versions, seconds=time.monotonic() - begun)


SOAK = [pytest.param(number, marks=pytest.mark.soak) for number in range(3, 20)]


@pytest.mark.parametrize("number", [0, 1, 2, *SOAK])
def test_killed_at_any_moment_clean_is_the_old_version_or_the_new(number: int, killing: Killing, story: Story) -> None:
    old = killing.published()
    process = killing.start()
    time.sleep(random.Random(number).uniform(0, killing.seconds))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    wanted = of_snapshot(killing.city.build / "snapshot")
    assert killing.published() in (old, wanted)
    sought = all_of(story.city, story.barred)  # the arrest of the next day lawfully stands in the eve's version
    left = [killing.city.build / ".clean.sealproof", killing.city.beside / "temp"]
    leaked = sum(search(place, sought).total() for place in left)
    assert leaked == 0
    killing.mend_lock()
    again = killing.city.call(*STRIP)
    assert again.code == 0, again.out[-2000:]
    assert killing.published() == wanted
    assert [path.name for path in (killing.city.build / ".clean.sealproof").iterdir()] == ["lock"]
