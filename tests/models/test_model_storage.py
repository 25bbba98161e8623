"""Stored models: equal bytes in any process, nothing of the data in them, and a loader that runs nothing."""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression

from models.errors import StoredModelError
from models.linkage import PatternModel
from models.recidivism import LabelModel, fit_label
from models.storage import SCHEMA, load, save

ROOT = Path(__file__).parents[2]
CHILD = """
import sys
from pathlib import Path
import pandas as pd
from models.linkage import Params, fit
from models.storage import save
folder = Path(sys.argv[1])
complaints, pairs = (pd.read_parquet(folder / f"{name}.parquet") for name in ("complaints", "pairs"))
save(fit(complaints, pairs, params=Params(trees=40), n_jobs=2), folder / "child.skops")
"""


@pytest.fixture(scope="module")
def label_model() -> LabelModel:
    features = pd.DataFrame({"priors": np.arange(400) % 7, "age": np.arange(400) % 50 + 18})
    return fit_label(features, (features["priors"] > 3).astype(int))


@pytest.fixture
def stored(model: PatternModel, tmp_path: Path) -> Path:
    path = tmp_path / "model.skops"
    save(model, path)
    return path


def test_round_trip_keeps_every_score(
    stored: Path, model: PatternModel, complaints: pd.DataFrame, pairs: pd.DataFrame
) -> None:
    loaded = load(stored)
    assert isinstance(loaded, PatternModel)
    assert loaded.params == model.params
    assert loaded.skipped == model.skipped
    pd.testing.assert_series_equal(loaded.score(complaints, pairs), model.score(complaints, pairs), check_exact=True)


def test_label_model_round_trip(label_model: LabelModel, tmp_path: Path) -> None:
    save(label_model, tmp_path / "label.skops")
    features = pd.DataFrame({"priors": [0, 5, None], "age": [20, 30, 40]})
    pd.testing.assert_series_equal(load(tmp_path / "label.skops").score(features), label_model.score(features))


def test_saving_what_was_loaded_gives_the_same_bytes(stored: Path) -> None:
    again = stored.with_name("again.skops")
    save(load(stored), again)
    assert again.read_bytes() == stored.read_bytes()


def test_another_process_writes_equal_bytes(
    stored: Path, complaints: pd.DataFrame, pairs: pd.DataFrame, tmp_path: Path
) -> None:
    complaints.sample(frac=1, random_state=1).to_parquet(tmp_path / "complaints.parquet")
    pairs.sample(frac=1, random_state=2).to_parquet(tmp_path / "pairs.parquet")
    subprocess.run(  # noqa: S603 (our own interpreter on our own text)
        [sys.executable, "-c", CHILD, str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "PYTHONHASHSEED": "1"},
        check=True,
    )
    assert (tmp_path / "child.skops").read_bytes() == stored.read_bytes()


def test_file_holds_no_row_of_the_training_data(stored: Path, complaints: pd.DataFrame) -> None:
    with zipfile.ZipFile(stored) as archive:
        schema = archive.read(SCHEMA).decode()
        arrays = [np.load(io.BytesIO(archive.read(name))) for name in archive.namelist() if name != SCHEMA]
    texts = schema + " ".join(" ".join(array.astype(str)) for array in arrays if array.dtype.kind == "U")
    numbers = sum(number in texts for number in complaints["complaint_number"])
    narratives = sum(text in texts for text in complaints["narrative"].dropna())
    assert numbers == narratives == 0
    assert not any("record" in array for array in arrays if array.dtype.kind == "U")
    assert max(len(array) for array in arrays if array.ndim) < len(complaints)


def test_gaps_between_fields_hold_nothing(stored: Path) -> None:
    save(load(stored), stored)  # arrays that numpy has read hold whatever memory held before
    with zipfile.ZipFile(stored) as archive:
        contents = [archive.read(name) for name in archive.namelist() if name != SCHEMA]
    nodes = [(array, content) for content in contents if (array := np.load(io.BytesIO(content))).dtype.names]
    assert nodes
    for array, content in nodes:
        body = np.frombuffer(content[-array.nbytes :], np.uint8).reshape(len(array), -1)
        assert array.dtype.names[-1] == "missing_go_to_left"  # one byte at offset 56 of 64
        assert not body[:, 57:].any()


def forge(path: Path, change: Callable[[dict], dict]) -> None:
    """Apply `change` to every node of the schema."""
    with zipfile.ZipFile(path) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    entries[SCHEMA] = json.dumps(json.loads(entries[SCHEMA], object_hook=change)).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)


def test_a_foreign_type_is_refused_before_anything_is_built(stored: Path) -> None:
    def system(node: dict) -> dict:
        return node | {"__module__": "os", "__class__": "system"} if node.get("__class__") == "PatternModel" else node

    forge(stored, system)
    with pytest.raises(StoredModelError, match=r"os\.system"):
        load(stored)


@pytest.mark.parametrize("foreign", [LogisticRegression(), OrderedDict(a=1), np.random.default_rng(0), print])
def test_types_that_skops_trusts_and_no_model_needs_are_refused(foreign: object, tmp_path: Path) -> None:
    skops.io.dump(foreign, tmp_path / "foreign.skops")
    with pytest.raises(StoredModelError, match="which no model here is made of"):
        load(tmp_path / "foreign.skops")


def test_a_listed_type_that_is_no_model_is_refused(tmp_path: Path) -> None:
    skops.io.dump({"a": [1]}, tmp_path / "dict.skops")
    with pytest.raises(StoredModelError, match="not a stored model"):
        load(tmp_path / "dict.skops")


@pytest.mark.parametrize(
    ("field", "value"), [("left_child", 10**6), ("left_child", 0), ("right_child", -5), ("feature", 99)]
)
def test_a_tree_that_leads_out_of_itself_is_refused(field: str, value: int, stored: Path) -> None:
    with zipfile.ZipFile(stored) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    name, nodes = next(
        (name, array)
        for name, content in entries.items()
        if name != SCHEMA and (array := np.load(io.BytesIO(content))).dtype.names and len(array) > 5
    )
    nodes[field][0] = value
    buffer = io.BytesIO()
    np.save(buffer, nodes)
    with zipfile.ZipFile(stored, "w") as archive:
        for entry, content in (entries | {name: buffer.getvalue()}).items():
            archive.writestr(entry, content)
    with pytest.raises(StoredModelError, match="a tree leads out of itself"):
        load(stored)


@pytest.mark.parametrize("count", ["0", "-1"])
def test_a_tree_without_nodes_is_refused(count: str, stored: Path) -> None:
    def claim(node: dict) -> dict:
        return node | {"node_count": node["node_count"] | {"content": count}} if "node_count" in node else node

    forge(stored, claim)
    with pytest.raises(StoredModelError, match="a tree leads out of itself"):
        load(stored)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"not a zip"])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "broken.skops").write_bytes(content)
    with pytest.raises(StoredModelError, match=r"broken\.skops: damaged"):
        load(tmp_path / "broken.skops")
