"""Law 7 on generated worlds: a strip after new events equals a full one."""

from collections.abc import Iterator

import pytest
from hypothesis import given

from tests.laws import checks
from tests.laws.oracle import World
from tests.laws.running import Bench
from tests.laws.strategies import worlds

pytestmark = pytest.mark.law


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    bench = Bench(tmp_path_factory.mktemp("delta"))
    yield bench
    bench.engine.stop()


@given(world=worlds())
def test_strip_after_new_events_equals_a_full_one(bench: Bench, world: World) -> None:
    checks.check_delta(bench, world, bench.strip(world))
