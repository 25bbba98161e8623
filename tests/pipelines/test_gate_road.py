"""The gate on the demo's road: what passes, what does not, and how a sealed arrest may try to hide."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from pipelines import filter_outputs, score, snapshot, strip, train
from sanitizers.cli import run
from sanitizers.digest import write_chain
from sanitizers.register.rules import Rules
from tests.pipelines.conftest import KEY, Road

MADE = ("clean", "features", "model", "scores", "outputs")


@pytest.fixture
def gate(road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run ``sealproof gate`` in the road's folder and return its exit code."""
    key = tmp_path / "key"
    key.write_text(KEY)
    monkeypatch.chdir(road.folder)
    monkeypatch.setenv("SEALPROOF_KEY_FILE", str(key))

    def call(*arguments: str | Path) -> int:
        return run(["gate", *map(str, arguments)])

    return call


def test_everything_that_was_made_from_clean_sources_passes(gate: Callable[..., int]) -> None:
    assert gate(*(f"build/{name}" for name in MADE)) == 0


@pytest.mark.parametrize("name", MADE)
def test_each_part_passes_alone_with_its_evidence(name: str, gate: Callable[..., int]) -> None:
    assert gate(f"build/{name}", *(part for other in MADE for part in ("--evidence", f"build/{other}"))) == 0


def test_raw_sources_together_are_contaminated(road: Road, gate: Callable[..., int]) -> None:
    raw = [path for path in sorted((road.build / "city/raw").rglob("*")) if path.is_file()]
    assert gate(*raw) == 1


def test_raw_photos_alone_are_contaminated(road: Road, gate: Callable[..., int]) -> None:
    assert gate(*sorted((road.build / "city/raw/photos").iterdir())) == 1


@pytest.mark.parametrize("name", ["persons", "charges", "complaints", "stops", "pattern_members", "arrests/arrests-2016"])
def test_any_single_raw_source_is_contaminated(name: str, road: Road, gate: Callable[..., int]) -> None:
    [path] = (road.build / "city/raw").glob(f"{name}.*")
    assert gate(path) == 1


def test_a_walk_lists_raw_sources_and_does_not_judge_them(gate: Callable[..., int]) -> None:
    assert gate("build/city/raw") == 4


def test_features_computed_from_raw_do_not_pass(road: Road, gate: Callable[..., int], tmp_path: Path) -> None:
    folder = tmp_path / "features"
    shutil.copytree(road.build / "features", folder)
    history = pd.read_parquet(folder / "person_history.parquet")
    history["arrests"] += 1
    history.to_parquet(folder / "person_history.parquet", index=False)
    assert gate(folder, "--evidence", "build/clean") not in (0,)


@pytest.fixture(scope="session")
def unstripped(road: Road, tmp_path_factory: pytest.TempPathFactory) -> Road:
    """The same road with nothing barred: features, model and outputs computed from raw."""
    folder = tmp_path_factory.mktemp("unstripped") / "city"
    shutil.copytree(road.folder, folder)
    raw = Road(folder)
    shutil.rmtree(raw.build / "keeper/register")
    raw.deliver(slice(0, 0))
    from pipelines import features

    raw.run(snapshot, strip, features, train, score, filter_outputs)
    return raw


@pytest.mark.parametrize("name", ["features", "model", "scores"])
def test_what_was_computed_from_raw_does_not_pass(name: str, unstripped: Road, gate: Callable[..., int]) -> None:
    assert gate(unstripped.build / name, *(p for n in MADE for p in ("--evidence", unstripped.build / n))) != 0
    assert gate(unstripped.build / name, "--evidence", "build/clean", "--evidence", "build/features") != 0


def test_an_empty_folder_is_nothing_checked(gate: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert gate(tmp_path / "empty") == 4


def test_a_wrong_key_could_not_check(gate: Callable[..., int], tmp_path: Path) -> None:
    (tmp_path / "wrong").write_text("ab" * 32)
    assert gate("build/clean", "--key-file", tmp_path / "wrong") == 3


def test_a_bad_option_is_usage(gate: Callable[..., int]) -> None:
    assert gate("build/clean", "--no-such-option") == 2


def _sealed_number(road: Road) -> str:
    truth = pd.read_csv(road.build / "city/truth.csv")
    return str(truth.loc[truth["barred"] == 1, "arrest_number"].iloc[0])


SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "with dashes": lambda number: f"{number[0]}-{number[1:3]}-{number[3:]}",
    "in lower case": str.lower,
    "full-width": lambda number: "".join(chr(ord(c) + 0xFEE0) for c in number),
    "with blanks": lambda number: f" {number[0]} {number[1:]} ",
    "in a sentence": lambda number: f"Perp held, see {number[0].lower()}-{number[1:]}, at the precinct.",
    "in brackets": lambda number: f"[{number}]",
    "after an underscore": lambda number: f"ref_{number}_x",
}


@pytest.mark.parametrize("column", ["arrest_number", "docket_id", "narrative"])
@pytest.mark.parametrize("ending", ["csv", "parquet", "json", "txt"])
def test_a_sealed_arrest_is_found_however_it_is_written(
    column: str, ending: str, road: Road, gate: Callable[..., int], tmp_path: Path
) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    for spelling, write in SPELLINGS.items():
        frame = pd.DataFrame({"n": [1, 2], column: ["", write(_sealed_number(road))]})
        path = planted / f"{spelling}.{ending}"
        if ending == "csv":
            frame.to_csv(path, index=False)
        elif ending == "parquet":
            frame.to_parquet(path, index=False)
        else:
            path.write_text(frame.to_json(force_ascii=False))
    verdict = tmp_path / "verdict.json"
    assert gate(planted, "--verdict", verdict) == 1
    missed = [Path(t["path"]).stem for t in json.loads(verdict.read_text())["targets"] if t["verdict"] != "contaminated"]
    assert missed == []


@pytest.mark.parametrize("write", ["float", "int", "text float", "padded", "dashes"])
@pytest.mark.parametrize("column", ["photo_number", "something"])
def test_a_photo_of_a_sealed_arrest_is_found_however_it_is_written(
    write: str, column: str, road: Road, gate: Callable[..., int], tmp_path: Path
) -> None:
    truth = pd.read_csv(road.build / "city/truth.csv")
    arrests = pd.concat(pd.read_parquet(path) for path in (road.build / "city/raw/arrests").iterdir())
    barred = set(truth.loc[truth["barred"] == 1, "arrest_number"])
    photos = arrests.loc[arrests["arrest_number"].isin(barred), "photo_number"].dropna().head(3).astype("int64")
    written = {
        "float": photos.astype("float64"),
        "int": photos,
        "text float": photos.astype(str) + ".0",
        "padded": photos.astype(str).str.zfill(10),
        "dashes": photos.astype(str).str.zfill(10).str.replace(r"(..)(....)(....)", r"\1-\2-\3", regex=True),
    }[write]
    pd.DataFrame({column: written}).to_parquet(tmp_path / "planted.parquet", index=False)
    assert gate(tmp_path / "planted.parquet") == 1


def test_without_the_output_filter_the_gate_is_red(road: Road, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "city"
    shutil.copytree(road.folder, folder)
    later = Road(folder)
    candidates = pd.read_parquet(later.build / "outputs/candidates.parquet")
    complaints = pd.read_parquet(later.build / "city/raw/complaints.parquet")["complaint_number"]
    _seal_one_that_is_named(later, candidates, complaints)
    later.run(snapshot)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SEALPROOF_KEY_FILE", str(folder / "build/keeper/key"))
    assert run(["gate", "build/outputs"]) == 1
    later.run(filter_outputs)
    assert run(["gate", "build/outputs"]) != 1
    assert run(["gate", "build/scores"]) == 1


def _seal_one_that_is_named(road: Road, candidates: pd.DataFrame, complaints: pd.Series) -> None:
    """Deliver a seal of a complaint that the filtered output names."""
    import polars as pl
    import pyarrow as pa

    from sanitizers.identifiers import Key, published, tokenise

    kind = road.kinds["complaint_number"]
    tokens = tokenise(pl.Series(complaints.tolist()), name="complaint_number", kind=kind, key=Key(KEY))
    by_token = dict(zip(published(tokens.hi, tokens.lo).to_pylist(), complaints, strict=True))
    day = dt.date(2019, 12, 30).isoformat()
    event = {"kind": "complaint_number", "identifier": by_token[candidates["candidate"].iloc[0]], "action": "seal",
             "statute": "CPL 160.50", "effective_on": day, "recorded_on": day, "case": ""}  # fmt: skip
    rules = Rules.find("pipelines/rules.yaml", road.folder)
    road.register.add(pa.table({name: [value] for name, value in event.items()}), rules=rules, delivered_on=dt.date(2019, 12, 31))


def test_sealed_rows_deleted_from_raw_change_no_photo_and_no_output(road: Road, tmp_path: Path) -> None:
    folder = tmp_path / "city"
    shutil.copytree(road.folder, folder)
    later = Road(folder)
    truth = pd.read_csv(later.build / "city/truth.csv")
    barred = set(truth.loc[truth["barred"] == 1, "arrest_number"])
    import pyarrow.parquet as pq

    for path in (later.build / "city/raw/arrests").iterdir():
        table = pq.read_table(path)
        keep = [number not in barred for number in table["arrest_number"].to_pylist()]
        pq.write_table(table.filter(keep), path)
    from pipelines import features

    later.run(snapshot, strip, features, train, score, filter_outputs)
    before, after = road.digests("clean", "outputs"), later.digests("clean", "outputs")
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    assert changed == set()


def test_a_hand_written_chain_to_unknown_inputs_does_not_vouch(road: Road, gate: Callable[..., int], tmp_path: Path) -> None:
    model, other = tmp_path / "model.skops", tmp_path / "other.parquet"
    shutil.copy(road.build / "model/model.skops", model)
    with model.open("ab") as stream:
        stream.write(b"\0")
    pd.DataFrame({"n": [1]}).to_parquet(other)
    write_chain(tmp_path / "chain.json", made_by="train", inputs={"other.parquet": other}, outputs={"model.skops": model})
    other.unlink()
    assert gate(model, "--evidence", "build/clean") != 0
