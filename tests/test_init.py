"""`sealproof init`: what it reads, guesses and proposes; that it loses nothing; what bad input gets."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from sanitizers.check import check_policy
from sanitizers.errors import (
    COULD_NOT_CHECK,
    NOTHING_CHECKED,
    USAGE,
    ConfigurationError,
    NothingChecked,
    PublishFailure,
    SealproofError,
)
from sanitizers.identifiers import Kind, Kinds, canonical
from sanitizers.init import Change, Proposed, propose
from sanitizers.init.diff import extended
from sanitizers.init.kinds import pattern_of
from sanitizers.legacy import Legacy
from sanitizers.policy import Policy
from tests.cli_world import CANARY, SEALED, World
from tests.old_repository import DVC_YAML, arrest_numbers, notebook, write_feed, write_raw, write_work

OWN = [f"sealproof-{name}" for name in ("snapshot", "strip", "gate", "report", "enforce")]
NEW = {"kinds.yaml", "sealing.yaml", "legacy.yaml", ".github/workflows/sealproof.yml"}


def bare(folder: Path) -> Path:
    """A repository with nothing in it, as far as init sees."""
    for name in (".git", ".dvc"):
        (folder / name).mkdir(parents=True)
    (folder / ".git/HEAD").write_text("ref: refs/heads/trunk\n")
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with raw files."""
    folder = bare(tmp_path / "repository")
    write_raw(folder / "data/raw")
    return folder


def texts(proposed: Proposed) -> dict[str, str]:
    return {change.path: change.after.decode() for change in proposed.changes}


def policy_of(folder: Path) -> Any:
    return yaml.safe_load(texts(propose(folder))["sealing.yaml"])


def everything(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def told(proposed: Proposed) -> str:
    return "\n".join([proposed.diff(), *proposed.notes])


def silent(text: str) -> None:
    """No number of an arrest, with its letter or without it."""
    leaked = sum(number in text or number[1:] in text for number in [*arrest_numbers(), SEALED]) + (CANARY in text)
    assert leaked == 0


# -- what is proposed -------------------------------------------------------------------------------------------------


def test_what_is_proposed_is_a_policy_of_which_nothing_is_left_open(repository: Path) -> None:
    proposed = propose(repository)
    silent(told(proposed))
    assert texts(proposed).keys() == NEW | {"dvc.yaml", "params.yaml", ".gitignore", ".dvcignore"}
    proposed.write()
    checked = check_policy(repository / "sealing.yaml", Kinds.load(repository / "kinds.yaml"))
    assert (checked.findings, checked.unchecked) == ((), ())
    assert Policy.load(repository / "sealing.yaml").gate.legacy == "legacy.yaml"
    assert all("# guess: " in line for line in (repository / "sealing.yaml").read_text().splitlines() if "kind:" in line)


def test_nothing_is_written_unless_asked_for(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything(repository)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        outcome = World(repository, capsys).run("init")
        assert (outcome.code, everything(repository)) == (0, before)
        assert outcome.out.startswith("--- /dev/null\n+++ b/kinds.yaml\n")
        assert "sealproof init --write" in outcome.err
        silent(outcome.told)
        written = World(repository, capsys).run("init", "--write")
        assert (written.code, written.out) == (0, "")
        again = World(repository, capsys).run("init")
    assert (again.code, again.out) == (0, "")
    assert again.err.endswith("nothing is lacking\n")


def test_the_diff_is_what_is_written(repository: Path, tmp_path: Path) -> None:
    """git applies it to the same end."""
    write_work(repository)
    (repository / ".git").rename(tmp_path / "put away")
    os.system(f"git -C {repository} init --quiet")  # noqa: S605 - a real repository
    proposed = propose(repository)
    (tmp_path / "proposed.diff").write_bytes(proposed.diff().encode())
    assert os.system(f"cd {repository} && git apply {tmp_path / 'proposed.diff'}") == 0  # noqa: S605
    applied = {change.path: (repository / change.path).read_bytes() for change in proposed.changes}
    assert applied == {change.path: change.after for change in proposed.changes}


def test_columns_with_no_name_for_a_number_are_known_by_their_cells(repository: Path) -> None:
    columns = policy_of(repository)["sources"]["complaints"]["columns"]
    assert columns["cleared_by"]["kind"] == "arrest_number"


def test_a_number_that_only_looks_like_one_carries_no_seal(repository: Path) -> None:
    """A telephone number has as many digits as a photo."""
    rows = [f"P{place:08d},{'2125550000'[: 10 - len(str(place))]}{place}\n" for place in range(100, 140)]
    (repository / "data/raw/shops.csv").write_text("arrest_no,telephone\n" + "".join(rows))
    assert "carries" not in policy_of(repository)["sources"]["shops"]["columns"].get("telephone", {})


def test_files_that_differ_in_digits_only_are_one_source(tmp_path: Path) -> None:
    folder = bare(tmp_path)
    for year in (2018, 2019):
        for path in (f"arrests/arrests-{year}.parquet", f"photos/year={year}/part-0.parquet"):
            numbers = [f"K{year % 100}{place:06d}" for place in range(20)]
            (folder / "raw" / path).parent.mkdir(parents=True, exist_ok=True)
            pq.write_table(pa.table({"arrest_number": numbers, "year": [year] * 20}), folder / "raw" / path)
    pq.write_table(pa.table({"arrest_number": ["K19000001"], "other": [1]}), folder / "raw/arrests/arrests-2020.parquet")
    paths = {name: source["path"] for name, source in policy_of(folder)["sources"].items()}
    assert sorted(paths.values()) == [
        "arrests/arrests-2018.parquet", "arrests/arrests-2019.parquet", "arrests/arrests-2020.parquet",
        "photos/year=*/part-*.parquet",
    ]  # fmt: skip


def test_lists_and_json_lines_are_read(tmp_path: Path) -> None:
    folder = bare(tmp_path)
    numbers = [f"K{place:08d}" for place in range(30)]
    (folder / "raw").mkdir()
    pq.write_table(pa.table({"arrest_number": numbers, "with": [[one] for one in numbers]}), folder / "raw/a.parquet")
    rows = [{"complaint_number": f"2017{place:08d}", "arrest_no": one} for place, one in enumerate(numbers)]
    (folder / "raw/complaints.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    sources = policy_of(folder)["sources"]
    assert sources["a"]["columns"]["with[]"] == {"kind": "arrest_number", "on_seal": "element"}
    assert sources["complaints"]["columns"].keys() == {"complaint_number", "arrest_no"}


def test_files_that_are_no_source_are_told(repository: Path) -> None:
    (repository / "data/raw/zones.csv").write_text("zone,name\n1,north\n2,south\n")
    (repository / "data/raw/sheet.xlsx").write_bytes(b"PK")
    (repository / "data/raw/cad.sqlite").write_bytes(b"SQLite format 3\0")
    notes = "\n".join(propose(repository).notes)
    assert "zones.csv holds no column that looks like an identifier" in notes
    assert "sheet.xlsx is not read, and no source of the policy; convert it" in notes
    assert "cad.sqlite is not read, and no source of the policy; declare it under `databases`" in notes


def test_another_raw_folder_can_be_named(repository: Path, tmp_path: Path) -> None:
    write_raw(tmp_path / "far away")
    proposed = texts(propose(repository, tmp_path / "far away"))
    assert yaml.safe_load(proposed["sealing.yaml"])["raw"] == str(tmp_path / "far away")
    assert yaml.safe_load(proposed["params.yaml"])["sealproof"]["raw"] == str(tmp_path / "far away")
    assert "far away" not in proposed[".gitignore"]
    assert "data/raw/arrests.csv" in yaml.safe_load(proposed["legacy.yaml"])["files"]


def test_ci_has_a_job_without_key_and_actions_by_name(repository: Path) -> None:
    text = texts(propose(repository))[".github/workflows/sealproof.yml"]
    content = yaml.safe_load(text)
    jobs = content["jobs"]
    assert "KEY" not in json.dumps(jobs["pull-request"])
    assert "SEALPROOF_KEY_FILE" in json.dumps(jobs["full"])
    assert "self-hosted" in jobs["full"]["runs-on"]
    assert jobs["full"]["if"] == "github.event_name == 'push'"
    assert content[True]["push"]["branches"] == ["trunk"]  # YAML 1.1 reads `on` so
    assert "://" not in text
    assert all(step["uses"].startswith("actions/") for job in jobs.values() for step in job["steps"] if "uses" in step)


@given(st.lists(st.from_regex(r"\A[A-Z]{0,2}[0-9]{1,9}\Z"), min_size=1, max_size=30, unique=True), st.booleans())
def test_a_pattern_takes_nine_in_ten_of_the_numbers_that_it_was_told_from(forms: list[str], plain: bool) -> None:
    forms = [form.lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for form in forms] if plain else forms
    pattern, width = pattern_of(forms)
    fitting = canonical(pl.Series(forms), Kind(scope="record", pattern=pattern, width=width))
    assert fitting.null_count() <= len(forms) // 10


@given(st.integers(1, 12), st.lists(st.integers(0, 10**12 - 1), min_size=2, max_size=20))
def test_numbers_that_lost_their_zeros_meet_those_that_kept_them(width: int, numbers: list[int]) -> None:
    kept = [f"{number % 10**width:0{width}d}" for number in numbers]
    lost = [text.lstrip("0") or "0" for text in kept]
    pattern, found = pattern_of([*kept, *lost])
    kind = Kind(scope="record", pattern=pattern, width=found)
    assert canonical(pl.Series(lost), kind).to_list() == canonical(pl.Series(kept), kind).to_list() == kept


# -- what stands there stays ------------------------------------------------------------------------------------------

PIPELINES = {
    "nothing": "",
    "comments": "# nothing yet\n",
    "stages alone": "stages:\n",
    "as written": DVC_YAML,
    "no end of line": "stages:\n  a:\n    cmd: true # done",
    "four blanks": "vars:\n    - a: 1\nstages:\n    a:\n        cmd: echo\n        # its end\n\n\n# then\nmetrics: [m.json]\n",
    "other order": "plots:\n  - m.json\n\n\nstages:   # all of them\n  a: {cmd: echo}\n  # no more\n",
    "windows": "stages:\r\n  a:\r\n    cmd: |\r\n      echo\r\n\r\nmetrics: [m.json]\r\n",
    "long text": "stages:\n  a:\n    cmd: |\n      echo\n      # no comment\n\n",
    "templates": "stages:\n  a:\n    foreach: [x, y]\n    do: {cmd: 'echo ${item}', outs: ['${item}.csv']}\n",
}


def together(before: bytes, after: bytes) -> int:
    """How many bytes two texts have in common at their starts and ends."""
    ends = [os.path.commonprefix([before, after]), os.path.commonprefix([before[::-1], after[::-1]])]
    return sum(map(len, ends))


@pytest.mark.parametrize("text", PIPELINES.values(), ids=PIPELINES)
def test_a_pipeline_keeps_every_byte_in_its_order(repository: Path, text: str) -> None:
    (repository / "dvc.yaml").write_bytes(text.encode())
    change = next(one for one in propose(repository).changes if one.path == "dvc.yaml")
    before, after = yaml.safe_load(text) or {}, yaml.safe_load(change.after)
    assert list(after["stages"]) == [*(before.get("stages") or {}), *OWN]
    assert after | {"stages": None} == before | {"stages": None}
    assert (before.get("stages") or {}).items() <= after["stages"].items()
    assert together(text.encode(), change.after) >= len(text)
    assert change.after.replace(b"\r\n", b"").count(b"\n") == (0 if "\r\n" in text else change.after.count(b"\n"))


@pytest.mark.parametrize("text", ["stages: {a: {cmd: echo}}\n", "{stages: {a: {cmd: echo}}}\n", "{vars: [a.yaml]}\n"])
def test_a_pipeline_that_cannot_be_extended_is_left_and_the_lines_are_told(repository: Path, text: str) -> None:
    (repository / "dvc.yaml").write_text(text)
    proposed = propose(repository)
    assert "dvc.yaml" not in texts(proposed)
    assert any("dvc.yaml is not written so" in note and "sealproof-strip:" in note for note in proposed.notes)


def test_a_stage_of_the_same_name_is_left_and_told(repository: Path) -> None:
    (repository / "dvc.yaml").write_text("stages:\n  sealproof-strip:\n    cmd: my own\n")
    (repository / "params.yaml").write_text("sealproof: mine\n")
    (repository / ".gitignore").write_text("# mine\n/sealproof/clean/*")
    proposed = propose(repository)
    after = yaml.safe_load(texts(proposed)["dvc.yaml"])["stages"]
    assert after["sealproof-strip"] == {"cmd": "my own"}
    assert set(after) == set(OWN)
    assert "params.yaml" not in texts(proposed)
    assert texts(proposed)[".gitignore"].count("/sealproof/clean/*\n") == 1
    for thing in ("stage sealproof-strip", "sealproof"):
        assert any(note.startswith(f"{thing} is there already in") for note in proposed.notes)


@pytest.mark.parametrize("name", sorted(NEW))
def test_a_file_that_is_there_is_left_and_told(repository: Path, name: str) -> None:
    given = {
        "kinds.yaml": 'arrest_number: {scope: record, pattern: "[BKMQS][0-9]{8}"}\n',
        "sealing.yaml": "version: 1\nrules: us-ny\npurpose: predictive-model\nraw: data/raw\nregister: {snapshot: my.snap}\n"
        "sources:\n  a: {path: arrests.csv, primary_key: x, columns: {x: {kind: arrest_number, on_seal: drop}}}\n",
        "legacy.yaml": "version: 1\nfiles: {}\n",
    }
    path = repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(given.get(name, "mine"))
    proposed = propose(repository)
    assert name not in texts(proposed)
    assert f"{name} is there already: left as it is" in proposed.notes
    if name == "kinds.yaml":
        used = yaml.safe_load(texts(proposed)["sealing.yaml"])["sources"]
        assert {one["kind"] for source in used.values() for one in source["columns"].values()} == {"arrest_number"}
    if name == "sealing.yaml":
        assert "kinds.yaml" not in texts(proposed)
        outs = yaml.safe_load(texts(proposed)["dvc.yaml"])["stages"]["sealproof-snapshot"]["outs"]
        assert [next(iter(out)) for out in outs] == ["my.snap", "my.snap.json"]


def test_what_has_changed_in_between_is_not_touched(repository: Path) -> None:
    (repository / "params.yaml").write_text("a: 1\n")
    proposed = propose(repository)
    (repository / "kinds.yaml").write_text("mine")
    with pytest.raises(PublishFailure, match="has appeared"):
        proposed.write()
    assert (repository / "kinds.yaml").read_text() == "mine"
    (repository / "kinds.yaml").unlink()
    (repository / "params.yaml").write_text("a: 2\n")
    with pytest.raises(PublishFailure, match="has changed"):
        proposed.write()
    assert (repository / "params.yaml").read_text() == "a: 2\n"


def test_what_is_extended_keeps_its_permissions_and_links(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("*.pyc\n")
    (tmp_path / "shared").chmod(0o640)
    (repository / ".gitignore").symlink_to(tmp_path / "shared")
    propose(repository).write()
    assert (repository / ".gitignore").is_symlink()
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "shared").read_text().startswith("*.pyc\n/")


@given(st.binary(max_size=60), st.lists(st.from_regex(r"\A[a-z]{1,4}\Z"), min_size=1, max_size=3))
@example(b"a\r\nb", ["c"])
def test_extending_a_text_keeps_it(before: bytes, lines: list[str]) -> None:
    after = extended(before, lines)
    assert after.startswith(before)
    assert after.splitlines()[-len(lines) :] == [line.encode() for line in lines]


def test_a_diff_tells_what_ends_without_a_line() -> None:
    assert Change("a", b"1", b"1\n2\n").diff().splitlines()[3:] == ["-1", "\\ No newline at end of file", "+1", "+2"]


# -- what is old ------------------------------------------------------------------------------------------------------


def test_data_models_and_notebooks_with_outputs_are_old(repository: Path) -> None:
    write_work(repository)
    for name in ("a.parquet", "deep/er/b.joblib", "notes.md", "src/c.npy", "metrics.json", "data/features/d.txt"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_bytes(b"x")
    for name in ("broken.ipynb", ".venv/x.pkl", "env/pyvenv.cfg", "env/x.pkl", "__pycache__/x.pkl"):
        (repository / name).parent.mkdir(parents=True, exist_ok=True)
        (repository / name).write_bytes(b"{")
    proposed = propose(repository)
    proposed.write()
    files = Legacy.load(repository / "legacy.yaml").files
    assert {name: own.what for name, own in files.items()} == {
        "a.parquet": "data", "deep/er/b.joblib": "model", "src/c.npy": "data", "metrics.json": "stage output",
        "data/features/d.txt": "stage output", "explore.ipynb": "notebook", "broken.ipynb": "notebook",
    }  # fmt: skip


def test_after_the_first_strip_nothing_is_listed(repository: Path) -> None:
    (repository / "model.pkl").write_bytes(b"x")
    (repository / "sealproof/clean").mkdir(parents=True)
    (repository / "sealproof/clean/receipt.json").write_text("{}")
    proposed = propose(repository)
    assert "legacy.yaml" not in texts(proposed)
    assert any("after the first strip nothing is listed" in note for note in proposed.notes)


def test_registered_models_are_found_in_folders_too(repository: Path, tmp_path: Path) -> None:
    """MLflow's older store of files; one model lies in the repository, one in a bucket."""
    inside = repository / "mlruns/0/run/artifacts/model"
    inside.mkdir(parents=True)
    (inside / "weights.txt").write_text("1 2 3")
    places = {"1": inside.as_uri(), "2": "s3://bucket/model", "3": (tmp_path / "gone").as_uri()}
    for number, place in places.items():
        path = repository / f"mlruns/models/burglary/version-{number}/meta.yaml"
        path.parent.mkdir(parents=True)
        path.write_text(yaml.safe_dump({"name": "burglary", "source": place, "storage_location": place}))
    proposed = propose(repository)
    files = yaml.safe_load(texts(proposed)["legacy.yaml"])["files"]
    assert {name: own["what"] for name, own in files.items()} == {"mlruns/0/run/artifacts/model/weights.txt": "registered model"}
    away = [note for note in proposed.notes if note.startswith("registered model burglary, version")]
    assert [note.split()[4] for note in away] == ["2", "3"]


def test_raw_files_in_git_and_in_dvc_are_told(repository: Path) -> None:
    (repository / ".dvc/config").write_text("[core]\n    remote = far\n['remote \"far\"']\n    url = s3://bucket\n")
    (repository / "data/raw.dvc").write_text("outs:\n- md5: 0f.dir\n  path: raw\n")
    (repository / "dvc.yaml").write_text("stages:\n  old:\n    cmd: x\n    deps: [data/raw]\n    outs: [o.csv]\n")
    notes = propose(repository).notes
    assert any("3 raw file(s) are tracked by DVC (data/raw.dvc)" in note and "(far)" in note for note in notes)
    assert any(note.startswith("stage old of dvc.yaml reads raw files") for note in notes)
    assert "/data/raw/" not in texts(propose(repository))[".gitignore"].splitlines()


def test_raw_files_that_a_stage_fetches_are_raw_and_not_judged(repository: Path) -> None:
    fetch = "stages:\n  fetch:\n    cmd: get\n    outs: [data/raw]\n  ages:\n    cmd: x\n    deps: [data/raw]\n    outs: ['${out}']\n"
    (repository / "dvc.yaml").write_text(fetch)
    (repository / "params.yaml").write_text("out: ages.csv\n")
    (repository / "ages.csv").write_text("age\n1\n")
    proposed = propose(repository)
    assert any("tracked by DVC (dvc.yaml)" in note for note in proposed.notes)
    stages = yaml.safe_load(texts(proposed)["dvc.yaml"])["stages"]
    assert stages["sealproof-gate"]["cmd"].split(" --")[0] == "sealproof gate sealproof/clean ${out}"
    assert yaml.safe_load(texts(proposed)["legacy.yaml"])["files"].keys() == {"ages.csv"}


# -- what bad input gets ----------------------------------------------------------------------------------------------


def _no_git(folder: Path) -> None:
    (folder / ".git/HEAD").unlink()
    (folder / ".git").rmdir()


def _no_dvc(folder: Path) -> None:
    (folder / ".dvc").rmdir()


def _empty(folder: Path) -> None:
    for path in (folder / "data/raw").iterdir():
        path.unlink()


def _pointers(folder: Path) -> None:
    _empty(folder)
    for name in ("arrests", "photos"):
        (folder / f"data/raw/{name}.csv.dvc").write_text(f"outs:\n- md5: 0f\n  path: {name}.csv\n")


def _lfs_pointers(folder: Path) -> None:
    for path in (folder / "data/raw").iterdir():
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def _one_pointer(folder: Path) -> None:
    (folder / "data/raw/photos.csv").unlink()
    (folder / "data/raw/photos.csv.dvc").write_text("outs:\n- md5: 0f\n  path: photos.csv\n")


def _write(name: str, content: bytes) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / name).write_bytes(content)

    return write


def _at_the_top(folder: Path) -> None:
    for path in (folder / "data/raw").iterdir():
        path.rename(folder / path.name)


def _no_identifiers(folder: Path) -> None:
    _empty(folder)
    (folder / "data/raw/zones.csv").write_text("zone,name\n1,north\n")


BAD = {
    "no git": (_no_git, USAGE, "git init"),
    "no dvc": (_no_dvc, USAGE, "dvc init"),
    "no raw files": (_empty, NOTHING_CHECKED, "no raw files are here"),
    "only pointers": (_pointers, NOTHING_CHECKED, "dvc pull"),
    "only pointers of LFS": (_lfs_pointers, NOTHING_CHECKED, "only a pointer is here"),
    "one pointer": (_one_pointer, COULD_NOT_CHECK, "photos.csv: only a pointer is here"),
    "broken dvc.yaml": (_write("dvc.yaml", b"stages:\n  a: {cmd: [\n"), USAGE, "dvc.yaml, line"),
    "a list for a pipeline": (_write("dvc.yaml", b"- a\n"), USAGE, "dvc.yaml"),
    "stages that are a list": (_write("dvc.yaml", b"stages: [a]\n"), USAGE, "stages: is no mapping"),
    "a stage that is none": (_write("dvc.yaml", b"stages: {a: 1}\n"), USAGE, "stages.a: is no stage"),
    "outs that are none": (_write("dvc.yaml", b"stages: {a: {outs: 1}}\n"), USAGE, "is no list of paths"),
    "binary dvc.yaml": (_write("dvc.yaml", b"\xff\xfe\x00"), USAGE, "dvc.yaml"),
    "broken pointer": (_write("data/x.dvc", b"outs: {\n"), USAGE, "data/x.dvc, line"),
    "broken params.yaml": (_write("params.yaml", b"a: [\n"), USAGE, "params.yaml, line"),
    "broken kinds.yaml": (_write("kinds.yaml", b"a: {scope: no}\n"), USAGE, "kinds.yaml"),
    "broken sealing.yaml": (_write("sealing.yaml", b"version: 1\n"), USAGE, "sealing.yaml"),
    "raw files at the top": (_at_the_top, USAGE, "at the top of the repository"),
    "no identifiers": (_no_identifiers, NOTHING_CHECKED, "looks like an identifier"),
    "truncated Parquet": (_write("data/raw/x.parquet", b"PAR1"), COULD_NOT_CHECK, "x.parquet: cannot be read"),
    "an empty file": (_write("data/raw/x.csv", b""), COULD_NOT_CHECK, "x.csv: the file is empty"),
    "lines that are none": (_write("data/raw/x.jsonl", b"[1]\n"), COULD_NOT_CHECK, "x.jsonl"),
    "no header": (
        _write("data/raw/x.csv", f"{SEALED},31\nK17000001,22\n".encode()), COULD_NOT_CHECK, "the header is missing",
    ),
    "a column twice": (_write("data/raw/x.csv", b"a,a\n1,2\n"), COULD_NOT_CHECK, "has a column name twice"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_with_a_reason_and_nothing_is_written(
    repository: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, code, words = BAD[name]
    spoil(repository)
    before = everything(repository)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(repository)
        outcome = World(repository, capsys).run("init", "--write")
    assert outcome.code == code, outcome.err
    assert words in outcome.err
    assert everything(repository) == before
    silent(outcome.told)


def test_faults_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as met:
        propose(tmp_path)
    assert len(met.value.faults) == 2
    write_raw(bare(tmp_path / "a") / "raw")
    (tmp_path / "a/raw/x.parquet").write_bytes(b"PAR1")
    (tmp_path / "a/raw/y.csv").write_bytes(b"")
    with pytest.raises(SealproofError) as two:
        propose(tmp_path / "a")
    assert len(two.value.faults) == 2


def test_a_raw_folder_that_is_none_is_refused(repository: Path) -> None:
    with pytest.raises(ConfigurationError, match="is no folder"):
        propose(repository, repository / "nowhere")
    (repository / "void").mkdir()
    with pytest.raises(NothingChecked, match="holds no"):
        propose(repository, repository / "void")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_told(repository: Path) -> None:
    (repository / "data/raw/arrests.csv").chmod(0)
    with pytest.raises(SealproofError, match="cannot be read"):
        propose(repository)
    (repository / "data/raw/arrests.csv").chmod(0o600)
    (repository / "closed").mkdir(mode=0)
    with pytest.raises(SealproofError, match="may not be read"):
        propose(repository)
    (repository / "closed").chmod(0o700)


def test_a_loop_of_links_is_walked_once(repository: Path) -> None:
    (repository / "data/again").symlink_to(repository)
    assert policy_of(repository)["sources"].keys() == {"arrests", "photos", "complaints"}


def test_nothing_of_the_cells_comes_out(repository: Path) -> None:
    """Names of columns that are cells, texts with a canary, a file that is half a header."""
    rows = "".join(f"K1700000{place},5550{place}777,{CANARY},{CANARY} was here too\n" for place in range(9))
    for name in ("odd", "other"):
        (repository / f"data/raw/{name}.csv").write_text(f"arrest_no,no {SEALED},x,note\n{rows}")
    write_feed(repository / "feed.csv")
    (repository / "seen.ipynb").write_text(notebook(SEALED))
    silent(told(propose(repository)))
