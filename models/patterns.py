"""Whether the linkage model finds patterns that it has not seen.

A pattern is a connected component of positive pairs. Patterns go whole to one side of the split, a negative pair that
would straddle it is left out, and vocabulary and rarities are counted without the complaints of the test patterns.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse import csgraph

from models.errors import require_columns
from models.evaluation import auc_interval, draw, roc_points, true_positive_rate
from models.linkage import PAIRS, Params, PatternModel, fit, rank


@dataclass(frozen=True)
class Split:
    """Pairs for training and for testing, and how many straddled and were left out."""

    train: pd.DataFrame
    test: pd.DataFrame
    left_out: int


@dataclass(frozen=True)
class Evaluation:
    """How a model did on patterns that it had not seen.

    Attributes
    ----------
    measures : DataFrame
        One row per crime type: crime_type, pairs, positives, auc, auc_low, auc_high (95 %, bootstrap over patterns),
        true_positive_rate (at 5 % false positives), patterns, rebuilt (share found whole), rebuilt_in_part (share of
        which at least one more complaint was found); see `rebuilt`.
    curves : DataFrame
        crime_type, false_positive_rate, true_positive_rate: 101 points per type.
    skipped : dict of str to str
        Crime types that were not measured, and why.
    """

    measures: pd.DataFrame
    curves: pd.DataFrame
    skipped: dict[str, str]


def pattern_of(pairs: pd.DataFrame) -> pd.Series:
    """Map every complaint of `pairs` to its pattern, named after the smallest complaint number in it."""
    require_columns(pairs, (*PAIRS, "label"), name="pairs")
    codes, numbers = pd.factorize(pd.concat([pairs["a"], pairs["b"]], ignore_index=True), sort=True)
    left, right = codes.reshape(2, -1)[:, pairs["label"].to_numpy() == 1]
    edges = sparse.csr_array((np.ones(len(left)), (left, right)), shape=(len(numbers), len(numbers)))
    component = csgraph.connected_components(edges, directed=False)[1]
    _, smallest = np.unique(component, return_index=True)
    return pd.Series(numbers[smallest[component]], index=numbers, name="pattern")


def split_patterns(pairs: pd.DataFrame, *, test_share: float = 0.3, seed: int = 0) -> Split:
    """Split pairs, per crime type, so that no pattern and no complaint stands on both sides."""
    patterns = pattern_of(pairs)
    a, b = pairs["a"].map(patterns), pairs["b"].map(patterns)
    held_back: set[str] = set()
    for _, rows in pairs.groupby("crime_type"):
        names = np.unique(pd.concat([a.loc[rows.index], b.loc[rows.index]]).to_numpy(dtype=str))
        held_back.update(names[draw(names, seed=seed) < test_share])
    in_a, in_b = a.isin(held_back), b.isin(held_back)
    return Split(train=pairs[~in_a & ~in_b], test=pairs[in_a & in_b], left_out=int((in_a ^ in_b).sum()))


def evaluate(
    complaints: pd.DataFrame,
    pairs: pd.DataFrame,
    *,
    params: Params | None = None,
    test_share: float = 0.3,
    depth: int = 10,
    n_jobs: int = 1,
) -> Evaluation:
    """Hold patterns back, fit on the rest, and measure per crime type.

    Split and bootstrap are drawn with ``params.seed``; `depth` is how many candidates an analyst reads per complaint.
    """
    params = params or Params()
    split = split_patterns(pairs, test_share=test_share, seed=params.seed)
    patterns = pattern_of(split.test)
    model = fit(
        complaints[~complaints["complaint_number"].isin(patterns.index)], split.train, params=params, n_jobs=n_jobs
    )
    scored = split.test.assign(
        score=model.score(complaints, split.test, n_jobs=n_jobs),
        pattern_a=split.test["a"].map(patterns),
        pattern_b=split.test["b"].map(patterns),
    )
    found = rebuilt(model, complaints, patterns, depth=depth, n_jobs=n_jobs)
    measures, curves, skipped = [], [], dict(model.skipped)
    for crime_type in model.types:
        rows = scored[scored["crime_type"] == crime_type]
        if rows["label"].nunique() < 2:
            skipped[crime_type] = "test pairs of one label only"
            continue
        measures.append({"crime_type": crime_type, **_measure(rows, params.seed), **_shares(rows, found)})
        curves.append(roc_points(rows["label"].to_numpy(), rows["score"].to_numpy()).assign(crime_type=crime_type))
    columns = pd.concat(curves, ignore_index=True) if curves else pd.DataFrame()
    return Evaluation(pd.DataFrame(measures), columns, skipped)


def rebuilt(
    model: PatternModel, complaints: pd.DataFrame, patterns: pd.Series, *, depth: int = 10, n_jobs: int = 1
) -> pd.Series:
    """Return the share of each pattern's other complaints that is found by walking back from its latest one.

    The latest complaint is asked about; of the first `depth` candidates (out of all earlier complaints of its type)
    those of the pattern are kept and asked about in turn, until nothing new is found. 1.0: rebuilt whole; above 0: in
    part.

    Returns
    -------
    Series of float64
        On the names of the patterns with at least two complaints.
    """
    in_time = complaints.sort_values(["occurred_at", "complaint_number"])["complaint_number"]
    members = in_time[in_time.isin(patterns.index)]
    pattern = members.map(patterns)
    several = pattern.duplicated(keep=False).to_numpy()
    members, pattern = members[several], pattern[several]
    ranked = rank(model, complaints, asked=set(members), depth=depth, n_jobs=n_jobs)
    steps = ranked[ranked["asked"].map(patterns) == ranked["candidate"].map(patterns)]
    reached = _reached(members, latest=members[~pattern.duplicated(keep="last")], steps=steps)
    found = pd.Series(reached).groupby(pattern.to_numpy()).agg(["sum", "size"])
    return (found["sum"] - 1) / (found["size"] - 1)


def _reached(members: pd.Series, *, latest: pd.Series, steps: pd.DataFrame) -> np.ndarray:
    """Tell for each member whether a chain of steps leads to it from a latest one."""
    index, source = pd.Index(members), len(members)
    origin = np.concatenate([index.get_indexer(steps["asked"]), np.full(len(latest), source)])
    target = np.concatenate([index.get_indexer(steps["candidate"]), index.get_indexer(latest)])
    graph = sparse.csr_array((np.ones(len(origin)), (origin, target)), shape=(source + 1, source + 1))
    visited = csgraph.breadth_first_order(graph, source, return_predecessors=False)
    return np.isin(np.arange(source), visited)


def _measure(rows: pd.DataFrame, seed: int) -> dict[str, float]:
    label, score = rows["label"].to_numpy(), rows["score"].to_numpy()
    auc = auc_interval(label, score, groups=rows[["pattern_a", "pattern_b"]].to_numpy(dtype=str), seed=seed)
    return {
        "pairs": len(rows),
        "positives": int(label.sum()),
        "auc": auc.value,
        "auc_low": auc.low,
        "auc_high": auc.high,
        "true_positive_rate": true_positive_rate(label, score),
    }


def _shares(rows: pd.DataFrame, found: pd.Series) -> dict[str, float]:
    names = pd.concat([rows["pattern_a"], rows["pattern_b"]]).unique()
    share = found[found.index.isin(names)]
    return {
        "patterns": len(share),
        "rebuilt": float((share == 1).mean()),
        "rebuilt_in_part": float((share > 0).mean()),
    }
