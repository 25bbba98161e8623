"""Crime-pattern linking: the probability that two complaints belong to one pattern.

One random forest per crime type over the pair features of `models.features`, after Patternizr (Chohlas-Wood & Levine,
INFORMS Journal on Applied Analytics, 2019). Labels come from outside, and only from standing evidence: a pair is
positive when its complaints share a pattern, negative when they sit in two different ones, and everything else is no
pair at all.

**Equal input, equal model.** The seed is fixed, pairs are sorted before the fit, and neither `n_jobs` nor the order of
rows leaves a trace in the model, so that "retrained from clean data" can be checked by digest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from joblib import Parallel, delayed
from sklearn.ensemble import RandomForestClassifier

from models.errors import InputError, require_columns
from models.features import FEATURES, Encoded, Encoder, check, compare, learn

PAIRS = ("a", "b", "crime_type")
RANKED = ("asked", "crime_type", "rank", "candidate", "score")
DECIMALS = 6
BLOCK = 100_000


@dataclass(frozen=True)
class Params:
    """How the model is fitted.

    Attributes
    ----------
    crime_types : tuple of str
        The types that are modelled; complaints of any other type are ignored.
    trees, min_leaf : int
        Size of each forest, and the fewest training pairs that a leaf stands on.
    min_pairs : int
        A crime type with fewer positive or fewer negative pairs is skipped.
    min_count : int
        A category or word in fewer complaints is not stored.
    mask_word : str
        The word that stands in place of every identifier in the narratives; never learnt.
    seed : int
        Of the forests.
    """

    crime_types: tuple[str, ...] = ("BURGLARY", "ROBBERY", "GRAND LARCENY")
    trees: int = 100
    min_leaf: int = 5
    min_pairs: int = 20
    min_count: int = 5
    mask_word: str = "RECORD"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class CrimeModel:
    """The model of one crime type.

    Attributes
    ----------
    encoder : Encoder
        How rare values and words are.
    typical : ndarray of shape (len(FEATURES),)
        The middle value of each feature among the training pairs where it is known, put where it is not.
    forest : RandomForestClassifier
        Over `FEATURES`.
    """

    encoder: Encoder
    typical: np.ndarray = field(repr=False)
    forest: RandomForestClassifier

    def score(self, complaints: Encoded, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Score pairs, given as positions, in one thread: trees are summed in a fixed order."""
        features = _filled(compare(complaints, left, right), self.typical)
        probability: np.ndarray = self.forest.predict_proba(features)[:, 1]
        return probability.round(DECIMALS)


@dataclass(frozen=True, eq=False)
class PatternModel:
    """A fitted model. It holds counts, thresholds and a vocabulary, and no row of the training data.

    Attributes
    ----------
    params : Params
        What it was fitted with.
    types : dict of str to CrimeModel
        Per crime type.
    skipped : dict of str to str
        Crime types without a model, and why.
    """

    params: Params
    types: dict[str, CrimeModel]
    skipped: dict[str, str]

    def score(self, complaints: pd.DataFrame, pairs: pd.DataFrame, *, n_jobs: int = 1) -> pd.Series:
        """Score pairs of complaints.

        Returns
        -------
        Series of float64
            On the index of `pairs`: the probability of one pattern, to six decimals; NaN where the crime type has no
            model.

        Raises
        ------
        InputError
            If a column is missing, or a pair names a complaint that is not there.
        """
        check(complaints)
        require_columns(pairs, PAIRS, name="pairs")
        scores = np.full(len(pairs), np.nan)
        for crime_type, model in self.types.items():
            rows = np.flatnonzero(pairs["crime_type"] == crime_type)
            of_type = complaints[complaints["crime_type"] == crime_type]
            left, right = _positions(of_type, pairs.iloc[rows])
            encoded = model.encoder.encode(of_type)
            blocks = np.array_split(np.arange(len(rows)), len(rows) // BLOCK + 1)
            jobs = (delayed(model.score)(encoded, left[block], right[block]) for block in blocks if len(block))
            scores[rows] = np.concatenate([*Parallel(n_jobs=n_jobs, prefer="threads")(jobs), np.empty(0)])
        return pd.Series(scores, index=pairs.index, name="score")


def fit(
    complaints: pd.DataFrame, pairs: pd.DataFrame, *, params: Params | None = None, n_jobs: int = 1
) -> PatternModel:
    """Fit one forest per crime type.

    Parameters
    ----------
    complaints : DataFrame
        Clean complaints with the columns `models.features.READ`; others are ignored.
    pairs : DataFrame
        Columns a, b (complaint numbers, ``a < b``), crime_type and label (1 or 0), in any order.
    params : Params, optional
        Defaults to ``Params()``.
    n_jobs : int
        Threads; changes nothing but the time taken.

    Raises
    ------
    InputError
        If a column is missing or unusable, a pair stands twice or names a complaint that is not there.
    """
    params = params or Params()
    check(complaints)
    _check_pairs(pairs)
    types, skipped = {}, {}
    for crime_type in params.crime_types:
        labelled = pairs[pairs["crime_type"] == crime_type].sort_values(["a", "b"])
        positives = int(labelled["label"].sum())
        if min(positives, len(labelled) - positives) < params.min_pairs:
            skipped[crime_type] = f"fewer than {params.min_pairs} positive or negative pairs"
        else:
            of_type = complaints[complaints["crime_type"] == crime_type]
            types[crime_type] = _fit_type(of_type, labelled, params=params, n_jobs=n_jobs)
    return PatternModel(params=params, types=types, skipped=skipped)


def rank(
    model: PatternModel, complaints: pd.DataFrame, *, asked: Collection[str], depth: int = 10, n_jobs: int = 1
) -> pd.DataFrame:
    """Rank, for each complaint asked about, all earlier complaints of its crime type.

    Earlier is by (occurred_at, complaint_number); equal scores stand in the order of complaint numbers. Work is done in
    blocks: memory grows with the number of complaints, never with the number of pairs.

    Returns
    -------
    DataFrame
        Columns `RANKED`: rank is 1, 2, … up to `depth`; rows stand in the order of (asked, rank). A number that is not
        among `complaints`, or whose type has no model, has no rows: it answers like a number that never existed.
    """
    check(complaints)
    found = [
        _rank_type(
            of_type, complaints[complaints["crime_type"] == crime_type], asked=asked, depth=depth, n_jobs=n_jobs
        ).assign(crime_type=crime_type)
        for crime_type, of_type in model.types.items()
    ]
    empty = pd.DataFrame({"asked": [], "crime_type": [], "candidate": []}, dtype="str").assign(rank=0, score=0.0)
    ranked = pd.concat([frame for frame in found if len(frame)] or [empty], ignore_index=True)
    return ranked.sort_values(["asked", "rank"], ignore_index=True)[list(RANKED)]


def _fit_type(complaints: pd.DataFrame, pairs: pd.DataFrame, *, params: Params, n_jobs: int) -> CrimeModel:
    encoder = learn(complaints, min_count=params.min_count, mask_word=params.mask_word)
    features = compare(encoder.encode(complaints), *_positions(complaints, pairs))
    typical = _typical(features)
    forest = RandomForestClassifier(
        params.trees,
        min_samples_leaf=params.min_leaf,
        class_weight="balanced",
        random_state=params.seed,
        n_jobs=n_jobs,
    )
    forest.fit(_filled(features, typical), pairs["label"].to_numpy(dtype=np.int64))
    return CrimeModel(encoder=encoder, typical=typical, forest=forest.set_params(n_jobs=1))


def _typical(features: np.ndarray) -> np.ndarray:
    """Return the middle known value of each column, one that a pair has and no mean of two; 0 if none is known."""
    known = ~np.isnan(features)
    ordered = np.sort(features, axis=0)  # NaN last
    middle = np.maximum(known.sum(axis=0) - 1, 0) // 2
    return np.where(known.any(axis=0), ordered[middle, np.arange(len(FEATURES))], 0)


def _filled(features: np.ndarray, typical: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(features), typical, features)


def _check_pairs(pairs: pd.DataFrame) -> None:
    require_columns(pairs, (*PAIRS, "label"), name="pairs")
    if not pairs["label"].isin([0, 1]).all():
        raise InputError("pairs.label: holds something else than 0 and 1; leave unlabelled pairs out")
    if not (pairs["a"] < pairs["b"]).all() or pairs.duplicated(["a", "b"]).any():
        raise InputError("pairs.a, pairs.b: not one row per pair with a < b; order and deduplicate them")


def _positions(complaints: pd.DataFrame, pairs: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    index = pd.Index(complaints["complaint_number"])
    left, right = index.get_indexer(pairs["a"]), index.get_indexer(pairs["b"])
    if (left < 0).any() or (right < 0).any():
        raise InputError("pairs.a, pairs.b: name complaints that are not there, or of another type; rebuild pairs")
    return left, right


def _rank_type(
    model: CrimeModel, complaints: pd.DataFrame, *, asked: Collection[str], depth: int, n_jobs: int
) -> pd.DataFrame:
    in_time = complaints.sort_values(["occurred_at", "complaint_number"])
    numbers = in_time["complaint_number"].to_numpy(dtype=object)
    encoded = model.encoder.encode(in_time)
    name_order = np.argsort(np.argsort(numbers))

    def best(block: np.ndarray) -> pd.DataFrame:
        later = np.repeat(block, block)
        earlier = np.arange(len(later)) - np.repeat(np.cumsum(block) - block, block)
        score = model.score(encoded, earlier, later)
        order = np.lexsort((name_order[earlier], -score, later))
        place = earlier + 1  # within one complaint asked, positions 0, 1, … also count its rows
        kept, place = order[place <= depth], place[place <= depth]
        return pd.DataFrame(
            {"asked": numbers[later[kept]], "rank": place, "candidate": numbers[earlier[kept]], "score": score[kept]}
        )

    blocks = _blocks(np.flatnonzero(in_time["complaint_number"].isin(set(asked))))
    found = Parallel(n_jobs=n_jobs, prefer="threads")(delayed(best)(block) for block in blocks)
    return pd.concat(found, ignore_index=True) if found else pd.DataFrame()


def _blocks(positions: np.ndarray) -> Iterator[np.ndarray]:
    """Split positions so that each block has about `BLOCK` pairs; the complaint at position p has p earlier ones."""
    positions = positions[positions > 0]
    cuts = np.flatnonzero(np.diff(np.cumsum(positions) // BLOCK)) + 1
    return (block for block in np.split(positions, cuts) if len(block))
