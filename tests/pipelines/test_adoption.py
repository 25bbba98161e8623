"""Adoption: the five commands of docs/adopting.md, in a new repository and in an old one, with real git, DVC and MLflow.

The old repository is told in one story: adopted; a stage that writes a sealed record; stages moved to clean data.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.city import write_city
from sanitizers.check import check_policy
from sanitizers.gate import judge
from sanitizers.identifiers import Key, Kinds
from sanitizers.init import propose
from sanitizers.keeper import take_snapshot
from sanitizers.policy import Policy
from sanitizers.register.feed import read_feed
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules
from sanitizers.register.snapshot import load
from sanitizers.strip.files import strip_files
from sanitizers.strip.receipt import Receipt
from tests.old_repository import DVC_YAML, FEATURES, SEALED, arrest_numbers, write_feed, write_raw, write_work
from tests.pipelines.conftest import DAY, KEY

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/adopting.md").read_text(encoding="utf-8")
REGISTER_MODEL = """\
import mlflow
with mlflow.start_run() as run:
    mlflow.log_artifact("models/model.pkl", "model")
client = mlflow.MlflowClient()
client.create_registered_model("burglary")
client.create_model_version("burglary", f"{run.info.artifact_uri}/model", run.info.run_id)
"""
EXTENDED = {"dvc.yaml", "params.yaml", ".gitignore", ".dvcignore"}


def five(heading: str) -> list[str]:
    """The commands of one section of the page."""
    found = re.search(rf"^## {heading}\n.*?^```sh\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)
    assert found
    return found[1].splitlines()


@dataclass(frozen=True)
class Adopted:
    """A repository, and everything that was said in it."""

    folder: Path
    said: list[str] = field(default_factory=list)

    def __truediv__(self, name: str) -> Path:
        return self.folder / name

    def sh(self, line: str) -> int:
        """Run one line as people do."""
        ours = ("PYTHON", "SEALPROOF", "MLFLOW", "DVC", "GIT_")
        home = self.folder.parent / "home"
        home.mkdir(exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(home), "DVC_SITE_CACHE_DIR": str(home / "site"), "DVC_NO_ANALYTICS": "1",
            "MLFLOW_DISABLE_TELEMETRY": "true", "GIT_AUTHOR_NAME": "x", "GIT_AUTHOR_EMAIL": "x@example.invalid",
            "GIT_COMMITTER_NAME": "x", "GIT_COMMITTER_EMAIL": "x@example.invalid",
        }  # fmt: skip
        done = subprocess.run(  # noqa: S602 - the page's own lines
            line, shell=True, cwd=self.folder, env=environment, capture_output=True, text=True, check=False, timeout=600
        )
        self.said.append(done.stdout + done.stderr)
        return done.returncode

    def done(self, *lines: str) -> None:
        """Run lines of which each has to end well."""
        for line in lines:
            code = self.sh(line)
            assert code == 0, f"{line}: {code}"

    def verdict(self) -> Any:
        return json.loads((self / "sealproof/verdict.json").read_text())

    def judged(self, part: str = "targets") -> dict[str, str]:
        return {one["path"]: one["verdict"] for one in self.verdict()[part]}

    def silent(self) -> None:
        """No sealed number stands in what was said, in verdict or report, or in git's or DVC's files."""
        sealed = [arrest_numbers()[place] for place in SEALED]
        files = [self / name for name in ("sealing.yaml", "kinds.yaml", "legacy.yaml", "dvc.lock", "dvc.yaml")]
        files += [self / "sealproof/verdict.json", self / "sealproof/report.html"]
        told = "\n".join([*self.said, *(path.read_text() for path in files)])
        leaked = sum(number in told or number[1:] in told for number in sealed)
        assert leaked == 0


def content(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a repository, git's and DVC's own rooms left out."""
    files = [path for path in folder.rglob("*") if path.is_file() and not {".git", ".dvc"} & set(path.parts)]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def keeps(before: bytes, after: bytes) -> bool:
    """Whether a text has all its lines still, in their order; the last one may have got an end."""
    left = iter(after.splitlines())
    return all(line in left for line in before.splitlines())


# -- guesses ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("systems", [6, 14])
def test_the_guesses_hold_on_the_invented_city(systems: int, tmp_path: Path) -> None:
    """Nothing is left open, every file is read to its end, and no sealed arrest is in what is published as arrests."""
    write_city(tmp_path / "city", arrests=300, seed=11, as_of=DAY, systems=systems)
    for name in (".git", ".dvc"):
        (tmp_path / name).mkdir()
    propose(tmp_path, tmp_path / "city/raw").write()
    kinds = Kinds.load(tmp_path / "kinds.yaml")
    checked = check_policy(tmp_path / "sealing.yaml", kinds)
    assert (checked.findings, checked.unchecked) == ((), ())
    policy, key = Policy.load(tmp_path / "sealing.yaml"), Key(KEY)
    feed, register = read_feed(tmp_path / "city/seal_feed.csv"), Register(tmp_path / "register", kinds=kinds, key=key)
    register.add(feed, rules=Rules.find("us-ny", tmp_path), delivered_on=DAY)
    take_snapshot(tmp_path / "register", policy, kinds=kinds, key=key, as_of=DAY, out=tmp_path / "sealproof/barred.snap")
    snapshot = load(tmp_path / "sealproof/barred.snap")
    strip_files(policy, snapshot=snapshot, key=key, out=tmp_path / "clean", register=register)
    verdict = judge([tmp_path / "clean"], policy=policy, snapshot=snapshot, key=key)
    assert (verdict.verdict, len(verdict.legacy)) == ("clean", 2)
    counts = Receipt.read(tmp_path / "clean/receipt.json").sources["arrests"]
    assert isinstance(counts.rows_dropped, int)
    assert counts.rows_dropped > 50


# -- a new repository -------------------------------------------------------------------------------------------------


def test_five_commands_lead_a_new_repository_to_a_green_gate(tmp_path: Path) -> None:
    repository = Adopted(tmp_path / "new")
    shutil.copytree(ROOT / "docs/example/raw", repository / "raw")
    (tmp_path / "keeper").mkdir()
    shutil.copy(ROOT / "docs/example/feed.csv", tmp_path / "keeper/feed.csv")
    repository.done("git init --quiet", "dvc init --quiet")
    lines = five("A new repository")
    assert len(lines) == 5
    repository.done(*lines)
    assert repository.verdict()["exit_code"] == 0
    assert set(repository.judged().values()) == {"clean"}
    assert {"sealproof/clean/arrests.csv", "sealproof/clean/complaints.csv"} <= repository.judged().keys()
    assert repository.verdict()["legacy"] == []
    assert len((repository / "sealproof/clean/arrests.csv").read_text().splitlines()) == 3
    assert repository.sh("git add --all --dry-run | grep -E 'raw/|clean/.*csv|barred'") == 1  # git would take none


# -- an old one -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> tuple[Adopted, dict[str, bytes]]:
    """An old repository, adopted; and the bytes of what stood in it before."""
    place = tmp_path_factory.mktemp("old")
    repository = Adopted(place / "old")
    write_raw(repository / "data/raw")
    write_work(repository.folder)
    write_feed(place / "keeper/feed.csv")
    repository.done(
        "git init --quiet", "dvc init --quiet", f"dvc remote add --quiet -d storage {place / 'remote'}",
        "dvc add --quiet data/raw/arrests.csv data/raw/photos.csv data/raw/complaints.csv", "dvc repro --quiet",
    )  # fmt: skip
    (repository / "register_model.py").write_text(REGISTER_MODEL)
    repository.done("python register_model.py", "git add --all", "git commit --quiet -m old", "dvc push --quiet")
    before = {name: (repository / name).read_bytes() for name in content(repository.folder)}
    lines = five("An old repository")
    assert lines == five("A new repository")
    repository.said.clear()
    repository.done(*lines)
    return repository, before


def test_five_commands_lead_an_old_repository_to_a_green_gate(old: tuple[Adopted, dict[str, bytes]]) -> None:
    repository, _ = old
    verdict = repository.verdict()
    assert (verdict["verdict"], verdict["exit_code"]) == ("clean", 0)
    assert set(repository.judged().values()) == {"clean"}
    clean = {f"sealproof/clean/{name}.csv" for name in ("arrests", "photos", "complaints")}
    assert clean <= repository.judged().keys()
    assert "did not change" in repository.said[-1] or "didn't change" in repository.said[-1]  # their stages: not run
    repository.silent()


def test_what_stood_in_the_old_repository_stands_byte_for_byte(old: tuple[Adopted, dict[str, bytes]]) -> None:
    repository, before = old
    changed = {name for name, own in before.items() if (repository / name).read_bytes() != own}
    assert changed == EXTENDED | {"dvc.lock"}
    assert all(keeps(before[name], (repository / name).read_bytes()) for name in EXTENDED)
    text = (repository / "dvc.yaml").read_text()
    parts = text.partition("  # Proposed by `sealproof init`")
    assert DVC_YAML.startswith(parts[0])
    assert text.endswith(DVC_YAML.removeprefix(parts[0]))
    lock = yaml.safe_load((repository / "dvc.lock").read_text())["stages"]
    assert yaml.safe_load(before["dvc.lock"])["stages"].items() <= lock.items()
    assert b"\r\nsealproof:\r\n" in (repository / "params.yaml").read_bytes()


def test_the_guesses_read_the_messy_files_right(old: tuple[Adopted, dict[str, bytes]]) -> None:
    repository, _ = old
    kinds = yaml.safe_load((repository / "kinds.yaml").read_text())
    assert kinds["photo_number"] == {"scope": "record", "pattern": "[0-9]{10}", "width": 10}
    policy = yaml.safe_load((repository / "sealing.yaml").read_text())
    arrests = policy["sources"]["arrests"]
    assert arrests["read"] == {"delimiter": ";", "encoding": "cp1252"}
    assert arrests["missing"] == ["", "N/A"]
    assert arrests["columns"]["PHOTO_ID"] == {"kind": "photo_number", "on_seal": {"redact": []}, "carries": "any"}
    assert policy["sources"]["complaints"]["columns"]["cleared_by"]["on_seal"] == {"redact": ["suspect_age"]}
    params = yaml.safe_load((repository / "params.yaml").read_text())["sealproof"]
    assert params["raw"] == str(repository / "data/raw")


def test_sealed_rows_and_what_hangs_on_them_are_gone(old: tuple[Adopted, dict[str, bytes]]) -> None:
    repository, _ = old
    kept = [len((repository / f"sealproof/clean/{name}.csv").read_bytes().splitlines()) - 1
            for name in ("arrests", "photos", "complaints")]  # fmt: skip
    assert kept == [116, 116, 120]  # each sealed arrest has a photo, written without its zeros


def test_what_is_old_is_shown_apart_and_never_clean(old: tuple[Adopted, dict[str, bytes]]) -> None:
    repository, _ = old
    legacy = repository.judged("legacy")
    artifact = next(name for name in legacy if name.startswith("mlruns/"))
    assert artifact.endswith("model/model.pkl")
    named = {"data/features/arrests.csv", "explore.ipynb", "metrics.json", "models/model.pkl", artifact}
    assert legacy == dict.fromkeys(named, "legacy")
    assert not named & repository.judged().keys()
    found = {one["path"]: sum(own["count"] for own in one["findings"]) for one in repository.verdict()["legacy"]}
    assert (found["data/features/arrests.csv"], found["explore.ipynb"]) == (len(SEALED), 1)
    page = (repository / "sealproof/report.html").read_text()
    assert page.count("older than the first strip;") >= len(named)


def test_raw_files_that_dvc_tracks_are_told(old: tuple[Adopted, dict[str, bytes]]) -> None:
    repository, _ = old
    assert "3 raw file(s) are tracked by DVC" in repository.said[0]
    assert "(storage)" in repository.said[0]
    assert "stage features of dvc.yaml reads raw files" in repository.said[0]
    again = repository.sh("sealproof init --write")
    assert again == 0
    assert repository.said[-1].endswith("nothing is lacking\n")


def test_an_experiment_in_another_folder_finds_the_raw_files(old: tuple[Adopted, dict[str, bytes]]) -> None:
    """A relative path to files that git ignores would lead nowhere there."""
    repository, _ = old
    repository.done("git add --all", "git commit --quiet -m adopted")
    key = repository.folder.parent / "keeper/key"
    repository.done(f"SEALPROOF_KEY_FILE={key} dvc exp run --temp --force --single-item sealproof-snapshot")
    assert "identifiers barred" in repository.said[-1]


def test_a_sealed_record_in_what_the_pipeline_now_makes_turns_the_gate_red(
    old: tuple[Adopted, dict[str, bytes]],
) -> None:
    """The stage still reads raw files; once it writes other bytes, they are not old any more."""
    repository, _ = old
    source = repository / "src/features.py"
    source.write_text(FEATURES.format(raw="data/raw").replace('"ARREST_NO,AGE', '"number,AGE'))
    (repository / "src/train.py").write_text((repository / "src/train.py").read_text() + "# again\n")
    assert repository.sh("SEALPROOF_KEY_FILE=../keeper/key dvc repro") != 0
    assert repository.verdict()["exit_code"] == 1
    assert repository.judged()["data/features/arrests.csv"] == "contaminated"
    assert "data/features/arrests.csv" not in repository.judged("legacy")
    assert (repository / "sealproof/report.html").read_text().count("Holds records that are barred") == 1
    assert repository.sh("sealproof enforce sealproof/verdict.json") == 1
    repository.silent()


def test_stages_that_are_moved_to_clean_data_turn_it_green(old: tuple[Adopted, dict[str, bytes]]) -> None:
    repository, _ = old
    (repository / "src/features.py").write_text(FEATURES.format(raw="sealproof/clean"))
    pipeline = yaml.safe_load((repository / "dvc.yaml").read_text())
    example = next(block for block in re.findall(r"^```yaml\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL))
    pipeline["stages"] |= yaml.safe_load(example)["stages"]
    train = pipeline["stages"]["train"]
    made = "--made-by train --input data/features --output models/model.pkl --output metrics.json"
    train["cmd"] += f" && sealproof chain models/train.chain.json {made}"
    train["outs"].append("models/train.chain.json")
    (repository / "dvc.yaml").write_text(yaml.safe_dump(pipeline, sort_keys=False))
    repository.done("SEALPROOF_KEY_FILE=../keeper/key dvc repro")
    assert repository.verdict()["exit_code"] == 0
    judged = repository.judged()
    assert {judged[name] for name in ("data/features/arrests.csv", "models/model.pkl", "metrics.json")} == {"clean"}
    assert len(repository.judged("legacy")) == 2  # the notebook, and the model that MLflow keeps
