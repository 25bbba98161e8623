"""Law 1, nullity, on a city whose truth is known: T(city, S) = T(the city had the sealed arrests not happened, ∅)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipelines import filter_outputs, snapshot, strip
from sanitizers.errors import ConfigurationError, SealproofError
from tests.pipelines.conftest import ALL, REPO, Road, lay

MADE = ("clean", "features", "model", "scores", "outputs")


def _twin(folder: Path, *, arrests: int, seed: int) -> Road:
    twin = lay(folder, arrests=arrests, seed=seed, without_sealed=True)
    twin.deliver(slice(0, 0))
    return twin


def _unlike(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name for name in one.keys() | other.keys() if one.get(name) != other.get(name)}


def test_data_features_labels_model_and_outputs_equal_those_of_the_twin_seed_1(road: Road, tmp_path: Path) -> None:
    twin = _twin(tmp_path / "twin", arrests=1500, seed=1)
    twin.run(*ALL)
    ours = road.digests(*MADE)
    assert len(ours) > 20
    assert _unlike(ours, twin.digests(*MADE)) == set()


@pytest.mark.parametrize("seed", [2, 3])
def test_data_features_labels_model_and_outputs_equal_those_of_the_twin(seed: int, tmp_path: Path) -> None:
    city = lay(tmp_path / "city", arrests=1000, seed=seed)
    city.deliver()
    twin = _twin(tmp_path / "twin", arrests=1000, seed=seed)
    for road in (city, twin):
        road.run(*ALL)
    assert _unlike(city.digests(*MADE), twin.digests(*MADE)) == set()


POLICY = (REPO / "sealing.yaml").read_text().splitlines()
# Comments do nothing, and `not_identifiers` answers a question of policy check.
LINES = [n for n, line in enumerate(POLICY) if line.strip() and not line.strip().startswith(("#", "not_identifiers"))]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> tuple[Road, dict[str, str], dict[str, str]]:
    """A small city with its snapshot, what its twin makes of the data, and its own outputs."""
    folder = tmp_path_factory.mktemp("lines")
    twin = _twin(folder / "twin", arrests=600, seed=5)
    twin.run(snapshot, strip)
    city = lay(folder / "city", arrests=600, seed=5, trees=5)
    city.deliver()
    city.run(*ALL)
    return city, twin.digests("clean"), city.digests("outputs")


def test_the_small_city_equals_its_twin(small: tuple[Road, dict[str, str], dict[str, str]]) -> None:
    city, data, _ = small
    assert _unlike(city.digests("clean"), data) == set()


@pytest.mark.parametrize("number", LINES, ids=lambda number: f"line {number + 1}")
def test_taking_any_one_line_out_of_the_policy_is_seen(
    number: int, small: tuple[Road, dict[str, str], dict[str, str]], tmp_path: Path
) -> None:
    city, data, outputs = small
    shutil.copytree(city.folder, tmp_path / "city")
    cut = Road(tmp_path / "city")
    shutil.rmtree(cut.build / "keeper/register/links")
    (cut.folder / "sealing.yaml").write_text("\n".join([*POLICY[:number], *POLICY[number + 1 :]]) + "\n")
    try:
        policy = cut.policy
        whole = set(policy.outputs) == {"candidates"} and set(policy.features) == set(city.policy.features)
        if not whole:
            return  # a feature or output is gone, and with it what is made of it
        cut.run(snapshot, strip, filter_outputs)
    except (ConfigurationError, SealproofError):
        return  # refused
    seen = _unlike(cut.digests("clean"), data) | _unlike(cut.digests("outputs"), outputs)
    assert len(seen) > 0
