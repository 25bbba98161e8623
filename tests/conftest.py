"""What all tests share: how many examples a property is tried on."""

import os

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.cluster import cluster, master

__all__ = ["cluster", "master"]

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DVC_NO_ANALYTICS", "1")

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
TRIED = [phase for phase in Phase if phase != Phase.explain]  # which traces every line, for minutes
settings.register_profile(
    "default", max_examples=100, deadline=None, print_blob=False, phases=TRIED, suppress_health_check=SLOW
)
settings.register_profile("soak", settings.get_profile("default"), max_examples=1000)
settings.load_profile("default")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "law: a property of design section 3; `make soak` tries it on 2,000 worlds")
    config.addinivalue_line("markers", "soak: only for `make soak`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "soak" not in config.option.markexpr:
        long = [item for item in items if item.get_closest_marker("soak")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
