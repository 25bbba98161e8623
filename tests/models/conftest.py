"""Synthetic series: every pattern has a signature, every complaint of it shows the signature through noise."""

import numpy as np
import pandas as pd
import pytest

from models.linkage import Params, PatternModel, fit

VALUES = {
    "premise": ["HOUSE", "FLAT", "SHOP", "BAR", "STREET"],
    "entry": ["DOOR", "WINDOW", "ROOF"],
    "weapon": ["GUN", "KNIFE", "BAR"],
    "method": ["PRY", "BREAK", "TRICK", "PUSH"],
    "stolen": ["CASH", "JEWELRY", "PHONE", "LAPTOP"],
}
WORDS = np.array([f"{first}{second}word" for first in "abcdefgh" for second in "klmnopqr"])


def _complaints(rng: np.random.Generator, *, crime_type: str, pattern: str | None, size: int) -> list[dict]:
    habit = {column: rng.choice(values) for column, values in VALUES.items()}
    place, day, hour = rng.uniform(0, 20_000, 2), int(rng.integers(0, 700)), int(rng.integers(0, 24))
    age, height, phrases = rng.integers(18, 60), rng.integers(155, 195), rng.choice(WORDS, 6)

    def once() -> dict:
        shown = {c: habit[c] if rng.random() < 0.4 else rng.choice(values) for c, values in VALUES.items()}
        seen, told = rng.random() < 0.5, rng.random() < 0.95
        mask = ["RECORD"] if rng.random() < 0.3 else []
        moment = pd.Timedelta(days=int(rng.integers(0, 200)), minutes=60 * hour + int(rng.integers(0, 480)))
        return {
            **{column: value if rng.random() < 0.9 else None for column, value in shown.items()},
            "crime_type": crime_type,
            "pattern": pattern,
            "occurred_at": pd.Timestamp("2020-01-01") + pd.Timedelta(days=day) + moment,
            "x": round(place[0] + rng.normal(0, 5000), 1),
            "y": round(place[1] + rng.normal(0, 5000), 1),
            "suspect_age": int(age + rng.integers(-4, 5)) if seen else None,
            "suspect_height": int(height + rng.integers(-6, 7)) if seen else None,
            "narrative": " ".join([*rng.choice(phrases, 2), *rng.choice(WORDS, 7), *mask]) if told else None,
            "precinct": int(rng.integers(1, 78)),
            "suspect_race": rng.choice(["A", "B", "C"]),
            "suspect_sex": rng.choice(["F", "M"]),
            "status": rng.choice(["OPEN", "CLOSED"]),
            "cleared_by": rng.choice(["K00000001", "K00000002"]),
            "lineup": rng.choice(["L1", "L2"]),
        }

    return [once() for _ in range(size)]


def make_complaints(*, patterns: dict[str, int], alone: int, seed: int = 0) -> pd.DataFrame:
    """Per crime type so many patterns of four complaints, and so many complaints in no pattern."""
    rng = np.random.default_rng(seed)
    rows = []
    for crime_type, count in patterns.items():
        for number in range(count):
            rows += _complaints(rng, crime_type=crime_type, pattern=f"{crime_type} {number}", size=4)
        for _ in range(alone):
            rows += _complaints(rng, crime_type=crime_type, pattern=None, size=1)
    frame = pd.DataFrame(rows).sample(frac=1, random_state=seed, ignore_index=True)
    frame["complaint_number"] = [f"{202000000000 + 7 * row:012d}" for row in range(len(frame))]
    frame["reported_on"] = frame["occurred_at"].dt.date
    return frame.astype({"suspect_age": "Int64", "suspect_height": "Int64"})


def make_pairs(complaints: pd.DataFrame, *, negatives: int, seed: int = 0) -> pd.DataFrame:
    """All pairs within patterns, and per crime type so many pairs across patterns."""
    known = complaints[complaints["pattern"].notna()][["complaint_number", "crime_type", "pattern"]]
    both = known.merge(known, on="crime_type", suffixes=("_a", "_b"))
    both = both[both["complaint_number_a"] < both["complaint_number_b"]]
    both = both.rename(columns={"complaint_number_a": "a", "complaint_number_b": "b"})
    both["label"] = (both["pattern_a"] == both["pattern_b"]).astype("int64")
    apart = both[both["label"] == 0].groupby("crime_type").sample(negatives, random_state=seed)
    return pd.concat([both[both["label"] == 1], apart], ignore_index=True)[["a", "b", "crime_type", "label"]]


@pytest.fixture(scope="session")
def complaints() -> pd.DataFrame:
    return make_complaints(patterns={"BURGLARY": 45, "ROBBERY": 45, "GRAND LARCENY": 2, "ARSON": 10}, alone=80)


@pytest.fixture(scope="session")
def pairs(complaints: pd.DataFrame) -> pd.DataFrame:
    return make_pairs(complaints[complaints["crime_type"] != "GRAND LARCENY"], negatives=400)


@pytest.fixture(scope="session")
def params() -> Params:
    return Params(trees=40)


@pytest.fixture(scope="session")
def model(complaints: pd.DataFrame, pairs: pd.DataFrame, params: Params) -> PatternModel:
    return fit(complaints, pairs, params=params)
