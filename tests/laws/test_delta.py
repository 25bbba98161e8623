"""Law 7 on generated worlds: a strip after new events equals a full one."""

import pytest
from hypothesis import given, settings

from tests.laws import checks
from tests.laws.oracle import World
from tests.laws.running import Bench
from tests.laws.strategies import worlds

pytestmark = pytest.mark.law


@settings(max_examples=2 * settings().max_examples)
@given(world=worlds())
def test_strip_after_new_events_equals_a_full_one(bench: Bench, world: World) -> None:
    checks.check_delta(bench, world)
