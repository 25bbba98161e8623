"""`sealproof policy check`: everything that a policy leaves open is found, and what is to be pasted mends it."""

from __future__ import annotations

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from sanitizers.check import Checked
from tests.cli_world import department, world
from tests.open_policies import CANARY, PLANTS, Department, departments

__all__ = ["department", "world"]


def silent(made: Department, checked: Checked) -> None:
    """Nothing of the data comes out."""
    told = checked.to_json() + "".join(str(one.fault) for one in checked.findings) + "".join(map(str, checked.unchecked))
    cells = {str(cell) for rows in made.rows.values() for row in rows for cell in row.values() if len(str(cell)) > 6}
    leaked = sum(cell in told for cell in cells if cell.strip().isalnum() or "-" in cell) + (CANARY in told)
    assert leaked == 0


def found(checked: Checked) -> set[tuple[str, str]]:
    return {(one.check, one.fault.column) for one in checked.findings}


@settings(max_examples=40, phases=(Phase.explicit, Phase.reuse, Phase.generate))
@given(departments())
def test_nothing_is_said_of_a_policy_that_leaves_nothing_open(made: Department) -> None:
    checked = made.check()
    assert (found(checked), checked.unchecked, checked.exit_code) == (set(), (), 0)


@pytest.mark.parametrize("name", sorted(PLANTS))
@settings(max_examples=12, phases=(Phase.explicit, Phase.reuse, Phase.generate))  # rows hang on one number each
@given(data=st.data())
def test_what_is_left_open_is_found_and_what_is_to_be_pasted_mends_it(name: str, data: st.DataObject) -> None:
    made = data.draw(departments())
    planted = PLANTS[name](data.draw, made)
    checked = made.check()
    silent(made, checked)
    assert planted in found(checked)
    assert {check for check, _ in found(checked)} == {planted[0]}
    assert checked.exit_code == 2
    for finding in checked.findings:
        made.paste(data.draw(st.sampled_from(finding.proposals)))
    again = made.check()
    assert (found(again), again.unchecked) == (set(), ())
