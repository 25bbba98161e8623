"""What the laws are tried with."""

from collections.abc import Iterator

import pytest

from tests.laws.running import Bench


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("laws"))
    yield bench
    bench.engine.stop()
