"""Each way of breaking a query of the ready set is seen: a test that cannot fail shows nothing."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from sanitizers.features import READY
from tests.ready.oracle import FEATURES
from tests.ready.worlds import Asked, crowded, lay

pytestmark = pytest.mark.law
WORLDS = [crowded(seed) for seed in range(75)]
BREAKS = [
    ("counts", "AND 1 PRECEDING", "AND CURRENT ROW"),
    ("counts", "730 PRECEDING", "731 PRECEDING"),
    ("counts", "730 PRECEDING", "729 PRECEDING"),
    ("counts", "90 PRECEDING", "89 PRECEDING"),
    ("counts", "person_id IS NOT NULL AND ", ""),
    ("counts", " AND arrest_date IS NOT NULL", ""),
    ("counts", "PARTITION BY person_id, offense", "PARTITION BY person_id"),
    ("counts", "CASE WHEN offense IS NOT NULL THEN", "CASE WHEN TRUE THEN"),
    ("rates", "earlier > 0 AND offense IS NOT NULL", "earlier > 0"),
    ("rates", "365 * earlier", "366 * earlier"),
    ("rates", "min(day)", "max(day)"),
    ("rates", "AND 1 PRECEDING", "AND UNBOUNDED FOLLOWING"),
    ("extrema", "min(age)", "max(age)"),
    ("extrema", "AND 1 PRECEDING", "AND CURRENT ROW"),
    ("extrema", "AND 1 PRECEDING", "AND UNBOUNDED FOLLOWING"),
    ("recency", "AND 1 PRECEDING", "AND CURRENT ROW"),
    ("recency", "day - max(day)", "day - min(day)"),
    ("recency", "PARTITION BY person_id, offense", "PARTITION BY person_id"),
    ("recency", "CASE WHEN offense IS NOT NULL THEN", "CASE WHEN TRUE THEN"),
    ("trend", "365 PRECEDING AND 1 PRECEDING", "365 PRECEDING AND CURRENT ROW"),
    ("trend", "AND 366 PRECEDING", "AND 365 PRECEDING"),
    ("trend", "730 PRECEDING", "731 PRECEDING"),
    ("rearrested", "1 FOLLOWING AND", "0 FOLLOWING AND"),
    ("rearrested", "730 FOLLOWING", "731 FOLLOWING"),
    ("rearrested", "+ 730 >", "+ 730 >="),
    ("rearrested", "WHEN followed.day + 730 > ending.last_day THEN NULL", ""),
    ("rearrested", "FROM dated\n)", "FROM dated WHERE person_id IS NOT NULL\n)"),
    ("same_hand", "one.day - 2 AND", "one.day - 1 AND"),
    ("same_hand", "AND one.day + 2", "AND one.day + 3"),
    ("same_hand", "AND other.week = one.week", ""),
    ("same_hand", "AND other.offense = one.offense\n        AND other.complaint_number", "AND other.complaint_number"),
    ("same_hand", "min(greatest(", "max(greatest("),
    ("same_hand", "greatest(one.known_on, other.known_on)", "least(one.known_on, other.known_on)"),
    ("same_hand", "WHERE common.a IS NULL", ""),
    ("same_hand", "    JOIN standing ON", "    LEFT JOIN standing ON"),
    ("co_arrests", "tie.day < arrest.day", "tie.day <= arrest.day"),
    ("co_arrests", "min(greatest(one.day, other.day))", "min(least(one.day, other.day))"),
    ("co_arrests", " AND other.person_id <> one.person_id", ""),
    ("co_arrests", "known.day - 365", "known.day - 366"),
    ("co_arrests", "AND known.day - 1", "AND known.day"),
    ("co_arrests", "count(other.arrest_number)", "count(*)"),
    ("co_arrests", "count(DISTINCT known.other_id)", "count(known.other_id)"),
    ("cells", "seen.months = 1", "seen.months <= 2"),
    ("cells", ", (12)", ""),
    ("cells", "<= ending.last_month", "< ending.last_month"),
    ("cells", "monthly.made_in + ahead.months", "monthly.made_in + ahead.months - 1"),
    ("cells", "floor(CAST(x AS DOUBLE) / 1000)", "trunc(CAST(x AS DOUBLE) / 1000)"),
    ("texts", "90 PRECEDING", "91 PRECEDING"),
    ("texts", "AND 1 PRECEDING", "AND CURRENT ROW"),
    ("texts", "lower(narrative) LIKE '%gun%'", "narrative LIKE '%gun%'"),
    ("texts", "WHEN length(narrative) = 0 THEN 0", ""),
    ("texts", "WHEN narrative IS NULL THEN NULL\n            WHEN", "WHEN"),
    ("texts", "CASE WHEN precinct IS NOT NULL THEN", "CASE WHEN TRUE THEN"),
    ("texts", "trim(narrative)", "narrative"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "whole", "broken"), BREAKS)
def test_a_broken_query_is_seen(name: str, whole: str, broken: str, tmp_path: Path) -> None:
    policy = lay(tmp_path)
    text = (READY / f"{name}.sql").read_text(encoding="utf-8")
    assert whole in text
    (tmp_path / f"features/{name}.sql").write_text(text.replace(whole, broken), encoding="utf-8")
    asked = Asked(policy)
    seen = any(Counter(asked.rows(name, world)) != Counter(FEATURES[name](world)) for world in WORLDS)
    assert seen, "no world shows the break"


@pytest.mark.parametrize("name", FEATURES)
def test_a_whole_query_is_what_plain_python_says_of_crowded_worlds(name: str, tmp_path: Path) -> None:
    asked = Asked(lay(tmp_path))
    for world in WORLDS:
        assert Counter(asked.rows(name, world)) == Counter(FEATURES[name](world))
