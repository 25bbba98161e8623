"""The demo's road on small cities, with and without the sealed arrests: raw → clean → features → model → outputs."""

from __future__ import annotations

import datetime as dt
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from pipelines import features, filter_outputs, score, snapshot, strip, train
from pipelines.city import write_city
from sanitizers import digest
from sanitizers.engine.forms import RawFile, Reading
from sanitizers.identifiers import Key, Kinds
from sanitizers.policy import Policy
from sanitizers.register.feed import read_feed
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules

REPO = Path(__file__).parents[2]
DAY = dt.date(2019, 12, 31)
KEY = "5ea1" * 16


@dataclass(frozen=True)
class Road:
    """One city and everything that was made from it, in a folder of its own that looks like the repository."""

    folder: Path

    @property
    def build(self) -> Path:
        return self.folder / "build"

    @property
    def policy(self) -> Policy:
        return Policy.load(self.folder / "sealing.yaml")

    @property
    def register(self) -> Register:
        return Register(self.build / "keeper/register", kinds=self.kinds, key=Key(KEY))

    @property
    def kinds(self) -> Kinds:
        return Kinds.load(self.folder / "pipelines/kinds.yaml")

    def deliver(self, feed_rows: slice = slice(None)) -> None:
        """Take the city's seal feed into the register."""
        feed = read_feed(self.build / "city/seal_feed.csv")
        start, stop, _ = feed_rows.indices(feed.num_rows)
        rules = Rules.find("pipelines/rules.yaml", self.folder)
        self.register.add(feed.slice(start, stop - start), rules=rules, delivered_on=DAY)

    def run(self, *stages: object) -> None:
        """Run stages as DVC does, in the road's folder."""
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            patch.setattr("sys.argv", ["stage"])
            patch.delenv("SEALPROOF_KEY_FILE", raising=False)
            for stage in stages:
                stage.main()  # type: ignore[attr-defined]

    def digests(self, *names: str) -> dict[str, str]:
        """Content digest of every table, SHA-256 of every other file, below some folders of ``build``."""
        found = {}
        for name in names:
            for path in sorted((self.build / name).rglob("*")):
                if path.suffix in (".parquet", ".csv"):
                    found[str(path.relative_to(self.build))] = content_of(path)
                elif path.suffix == ".skops":
                    found[str(path.relative_to(self.build))] = digest.of_file(path)
        return found


def content_of(path: Path) -> str:
    """Content digest of one table."""
    photos = path.name.startswith("photos-")
    file = RawFile(path, path.name, Reading(delimiter=";", encoding="cp1252") if photos else Reading())
    return digest.of_content(file.schema, file.batches(file.schema.names))


def lay(folder: Path, *, arrests: int, seed: int, without_sealed: bool = False, trees: int = 20) -> Road:
    """Lay a road's folder: the repository's policy, rules and queries, a small city, a key."""
    (folder / "pipelines").mkdir(parents=True)
    for name in ("sealing.yaml", "pipelines/rules.yaml", "pipelines/kinds.yaml"):
        shutil.copy(REPO / name, folder / name)
    shutil.copytree(REPO / "pipelines/features", folder / "pipelines/features")
    params = yaml.safe_load((REPO / "params.yaml").read_text())
    params["train"]["trees"] = trees
    params["score"]["asked"] = 40
    params["snapshot"]["as_of"] = DAY.isoformat()
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    write_city(folder / "build/city", arrests=arrests, seed=seed, as_of=DAY, without_sealed=without_sealed)
    (folder / "build/keeper").mkdir()
    (folder / "build/keeper/key").write_text(KEY)
    return Road(folder)


ALL = (snapshot, strip, features, train, score, filter_outputs)


@pytest.fixture(scope="session")
def road(tmp_path_factory: pytest.TempPathFactory) -> Road:
    """A whole road, to be read and not changed."""
    road = lay(tmp_path_factory.mktemp("road") / "city", arrests=1500, seed=1)
    road.deliver()
    road.run(*ALL)
    return road
