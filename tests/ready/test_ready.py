"""The ready set of features: each against plain Python, point in time, and the same whatever the order of rows."""

from __future__ import annotations

import datetime as dt
from collections import Counter

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanitizers.features import READY, compute
from tests.ready.oracle import FEATURES, Row, World
from tests.ready.worlds import ARRESTS, COMPLAINTS, WORLDS, Asked, lay, numbered, publish


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    return Asked(lay(tmp_path_factory.mktemp("ready")))


def test_every_file_of_the_set_is_declared_and_has_its_oracle(asked: Asked) -> None:
    assert {path.stem for path in READY.glob("*.sql")} == asked.queries.keys() == FEATURES.keys()


@pytest.mark.parametrize("name", FEATURES)
def test_a_file_says_what_it_counts_as_of_when_and_what_null_means(name: str) -> None:
    lines = (READY / f"{name}.sql").read_text(encoding="utf-8").splitlines()
    told = " ".join(line.removeprefix("--").strip() for line in lines if line.startswith("--"))
    assert lines[0].startswith("-- ")
    assert all(word in told for word in ("Row: ", "As of: ", "Null: "))


@pytest.mark.law
@pytest.mark.parametrize("name", FEATURES)
@given(world=WORLDS)
def test_a_feature_is_what_plain_python_says(asked: Asked, name: str, world: World) -> None:
    assert Counter(asked.rows(name, world)) == Counter(FEATURES[name](world))


# -- point in time ----------------------------------------------------------------------------------------------------


def _known(name: str, world: World, rows: list[Row], day: dt.date) -> list[Row]:
    """Rows of which everything was known before `day`, or that belong to that day or an earlier one."""
    dated = {one.arrest_number: one.arrest_date for one in world.arrests}
    dated |= {one.complaint_number: one.reported_on for one in world.complaints}
    if name == "cells":
        return [row for row in rows if row[2] <= day]
    if name == "same_hand":
        return [row for row in rows if row[4] == 1 and row[3] < day]
    if name == "rearrested":
        return [row for row in rows if row[1] is not None and dated[row[0]] + dt.timedelta(days=730) < day]
    return [row for row in rows if dated[row[0]] <= day]


@pytest.mark.law
@pytest.mark.parametrize("name", FEATURES)
@given(world=WORLDS, arrests=st.lists(ARRESTS, min_size=1, max_size=5), complaints=st.lists(COMPLAINTS, max_size=3))
def test_what_comes_on_the_rows_day_or_later_changes_nothing_in_it(
    asked: Asked, name: str, world: World, arrests: list, complaints: list
) -> None:
    later = numbered(arrests, complaints, start=100)
    days = [one.arrest_date for one in later.arrests if one.arrest_date is not None]
    days += [one.reported_on for one in later.complaints if one.reported_on is not None]
    day = min(days, default=dt.date.max)
    grown = World(world.arrests + later.arrests, world.complaints + later.complaints)
    stood = Counter(_known(name, world, asked.rows(name, world), day))
    assert not stood - Counter(asked.rows(name, grown))


# -- order and partitions ---------------------------------------------------------------------------------------------


@pytest.mark.law
@settings(max_examples=4)
@given(
    world=st.builds(
        numbered,
        st.lists(ARRESTS, min_size=12, max_size=40),
        st.lists(COMPLAINTS, min_size=6, max_size=20),
    ),
    seed=st.integers(0, 2**32),
)
def test_the_set_is_the_same_from_other_files_in_another_order(
    tmp_path_factory: pytest.TempPathFactory, world: World, seed: int
) -> None:
    folder = tmp_path_factory.mktemp("order")
    policy = lay(folder)
    publish(folder, world)
    first = compute(policy, clean=folder / "clean", out=folder / "one")
    publish(folder, world, seed=seed)
    assert compute(policy, clean=folder / "clean", out=folder / "other") == first
    for name in FEATURES:
        rows = pq.read_table(folder / "one" / f"{name}.parquet")
        found = Counter(zip(*(column.to_pylist() for column in rows.columns), strict=True))
        assert found == Counter(FEATURES[name](world))
