"""Law 1 for the ready set of features, on a city whose truth is known; and each feature twice, from files in disorder."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipelines import snapshot, strip
from sanitizers import digest
from sanitizers.features import READY, compute
from sanitizers.policy import Policy
from sanitizers.strip.receipt import RECEIPT, Receipt
from tests.pipelines.conftest import REPO, Road, content_of, lay

NAMES = sorted(path.stem for path in READY.glob("*.sql"))


def _declared(road: Road) -> Policy:
    """The repository's sources with the ready set, copied as its page says."""
    sources = (REPO / "sealing.yaml").read_text().partition("\nfeatures:")[0]
    shutil.copytree(READY, road.folder / "features")
    (road.folder / "sealing.yaml").write_text(f"{sources}\n{(READY / 'features.yaml').read_text()}")
    return road.policy


def _stripped(folder: Path, *, arrests: int, seed: int, twin: bool) -> Road:
    road = lay(folder, arrests=arrests, seed=seed, without_sealed=twin)
    road.deliver(slice(0, 0) if twin else slice(None))
    road.run(snapshot, strip)
    return road


def _digests(road: Road, policy: Policy, out: str) -> dict[str, str]:
    compute(policy, clean=road.build / "clean", out=road.build / out)
    return {name: content_of(road.build / out / f"{name}.parquet") for name in NAMES}


def _disorder(clean: Path, seed: int) -> None:
    """Write the rows of the arrests and complaints in another order, over other files of other names."""
    for pattern in ("arrests/arrests-*.parquet", "complaints.parquet"):
        files = sorted(clean.glob(pattern))
        rows = pa.concat_tables([pq.read_table(path) for path in files])
        order = list(range(rows.num_rows))
        random.Random(seed).shuffle(order)
        names = [path.name.replace("-201", "-999") for path in reversed(files)]
        for path in files:
            path.unlink()
        for number, name in enumerate(names):
            pq.write_table(rows.take(order[number :: len(names)]), files[0].with_name(name))
    receipt = Receipt.read(clean / RECEIPT)
    published = {path: one for path, one in digest.of_folder(clean).items() if path != RECEIPT}
    receipt.files.clear()
    receipt.files.update(published)
    (clean / RECEIPT).write_text(receipt.to_json())


@pytest.mark.law
@pytest.mark.parametrize(("seed", "arrests"), [(1, 3000), (2, 1000), (3, 1000)])
def test_the_ready_set_equals_that_of_the_twin_and_that_of_files_in_disorder(
    seed: int, arrests: int, tmp_path: Path
) -> None:
    city = _stripped(tmp_path / "city", arrests=arrests, seed=seed, twin=False)
    twin = _stripped(tmp_path / "twin", arrests=arrests, seed=seed, twin=True)
    policy = _declared(city)
    ours = _digests(city, policy, "ready")
    unlike = {name for name, content in _digests(twin, _declared(twin), "ready").items() if ours[name] != content}
    assert unlike == set()
    for road in (city, twin):
        _disorder(road.build / "clean", seed)
    unlike = {name for name, content in _digests(city, policy, "again").items() if ours[name] != content}
    assert unlike == set()


def _shows(rows: pa.Table) -> bool:
    """Whether a feature tells rows apart at all."""
    return rows.num_rows > 50 and len(rows.drop_columns(rows.column_names[0]).group_by(rows.column_names[1:]).aggregate([])) > 1


@pytest.mark.law
def test_no_feature_of_the_ready_set_is_that_of_the_raw_city(tmp_path: Path) -> None:
    """Every class of feature tells of sealed arrests when they are not stripped: the twins are unlike, but for strip."""
    city = _stripped(tmp_path / "city", arrests=3000, seed=1, twin=False)
    whole = lay(tmp_path / "whole", arrests=3000, seed=1)
    whole.deliver(slice(0, 0))
    whole.run(snapshot, strip)
    ours, raw = (_digests(road, _declared(road), "ready") for road in (city, whole))
    assert {name for name in NAMES if ours[name] == raw[name]} == set()
    assert all(_shows(pq.read_table(city.build / f"ready/{name}.parquet")) for name in NAMES)
