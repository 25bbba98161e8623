"""What two complaints have in common: five families of pair features.

Location, date and time, categories, suspect, free text, after Chohlas-Wood & Levine (2019). Every feature is symmetric
in the two complaints. Race, sex, precinct and the exact place are withheld: the first three are never read, and of the
place only the distance between two complaints. What an arrest writes afterwards (status, clearing arrest, line-up) is
not read either.

**Null means unknown, and unknown says nothing.** `suspect_age` and `suspect_height` are null where nobody is known, or
where a redaction took away what an arrest had written; a narrative is null where it was cleared. Were null a level of
its own, the forest would learn "both were solved by arrest" from it. `compare` therefore yields NaN, and the model puts
the typical difference of its training pairs in that place, a value that known pairs take too. Two unknown categories do
not agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse

from models.errors import InputError, numbers, require_columns

CATEGORIES = ("premise", "entry", "weapon", "method", "stolen")
WITHHELD = ("precinct", "suspect_race", "suspect_sex")
READ = (
    *("complaint_number", "crime_type", "occurred_at", "x", "y"),
    *CATEGORIES,
    *("suspect_age", "suspect_height", "narrative"),
)
FEATURES = (
    "metres_apart",
    *("days_apart", "hours_apart", "weekdays_apart", "same_weekday"),
    *(f"same_{column}" for column in CATEGORIES),
    *(f"rarity_{column}" for column in CATEGORIES),
    "rarity",
    *("age_apart", "height_apart"),
    "text_similarity",
)
WORD = r"[^\W\d_]{2,}"
HOURS_PER_DAY, DAYS_PER_WEEK = 24, 7


@dataclass(frozen=True, eq=False)
class Encoded:
    """Complaints as arrays, one entry per complaint, in the order of the frame they came from.

    Attributes
    ----------
    place : ndarray of shape (n, 2)
        Metres; NaN where unknown.
    hour : ndarray of shape (n,)
        Hours since 1970-01-01 00:00, local time.
    codes, weights : ndarray of shape (n, 5)
        Per category of `CATEGORIES` a code, equal for equal values and -1 for null, and the rarity of the value.
    person : ndarray of shape (n, 2)
        Age and height of the suspect; NaN where unknown.
    text : csr_array of shape (n, words)
        tf-idf rows of length 1.
    has_text : ndarray of shape (n,)
        False where the narrative is null.
    """

    place: np.ndarray
    hour: np.ndarray
    codes: np.ndarray
    weights: np.ndarray
    person: np.ndarray
    text: sparse.csr_array
    has_text: np.ndarray


@dataclass(frozen=True, eq=False)
class Encoder:
    """What is learnt from all complaints of one crime type: how rare a value or a word is. Holds no complaint.

    Attributes
    ----------
    rarity : dict of str to dict of str to float
        Per category, ``log(n / count)`` of each value that stands in at least `min_count` complaints.
    ceiling : float
        The rarity of every other value, ``log(n / min_count)``: rare values share one weight and are not stored.
    words : ndarray of str
        The tf-idf vocabulary in alphabetical order: words of letters that stand in at least `min_count` of the
        (clean) narratives, without the masking word. Numbers are never words.
    idf : ndarray of float
        ``log((1 + n) / (1 + count)) + 1`` per word.
    """

    rarity: dict[str, dict[str, float]] = field(repr=False)
    ceiling: float
    words: np.ndarray = field(repr=False)
    idf: np.ndarray = field(repr=False)

    def encode(self, complaints: pd.DataFrame) -> Encoded:
        """Turn checked complaints (see `check`) into arrays."""
        occurred = complaints["occurred_at"].dt.tz_localize(None).to_numpy().astype("datetime64[s]")
        columns = [self._category(complaints[column]) for column in CATEGORIES]
        return Encoded(
            place=_floats(complaints, ("x", "y")),
            hour=occurred.astype(np.int64) / 3600,
            codes=np.column_stack([codes for codes, _ in columns]),
            weights=np.column_stack([weights for _, weights in columns]),
            person=_floats(complaints, ("suspect_age", "suspect_height")),
            text=self._text(complaints["narrative"]),
            has_text=complaints["narrative"].notna().to_numpy(),
        )

    def _category(self, column: pd.Series) -> tuple[np.ndarray, np.ndarray]:
        codes, values = pd.factorize(column)
        known = self.rarity[str(column.name)]
        weights = np.array([known.get(str(value), self.ceiling) for value in values] + [0.0])  # the last for code -1
        return codes, weights[codes]

    def _text(self, narrative: pd.Series) -> sparse.csr_array:
        tokens = _tokens(narrative)
        words = pd.Index(self.words).get_indexer(tokens["word"])
        rows, words = tokens["row"].to_numpy()[words >= 0], words[words >= 0]
        counts = sparse.csr_array((np.ones(len(rows)), (rows, words)), shape=(len(narrative), len(self.words)))
        weighted = counts.multiply(self.idf)
        length = np.sqrt(weighted.power(2).sum(axis=1))
        return sparse.csr_array(weighted.multiply(1 / np.where(length > 0, length, 1)[:, None]))


def check(complaints: pd.DataFrame) -> None:
    """Refuse complaints that cannot be compared.

    Raises
    ------
    MissingColumnError
        If a column of `READ` is not there.
    InputError
        If a complaint number is null or stands twice, or a time of occurrence is null or no timestamp.
    """
    require_columns(complaints, READ, name="complaints")
    if not complaints["complaint_number"].is_unique or complaints["complaint_number"].isna().any():
        raise InputError("complaints.complaint_number: null, or not unique; keep one row per complaint")
    if not pd.api.types.is_datetime64_any_dtype(complaints["occurred_at"]):
        raise InputError("complaints.occurred_at: not a timestamp; cast it where complaints is built")
    if complaints["occurred_at"].isna().any():
        raise InputError("complaints.occurred_at: holds nulls; drop these rows where complaints is built")


def learn(complaints: pd.DataFrame, *, min_count: int, mask_word: str) -> Encoder:
    """Count values and words over the complaints of one crime type.

    Only counts are taken, so the order of the rows does not matter. `mask_word` is what stands in place of every
    identifier: left in, it would be a perfect sign of "an arrest is mentioned here".
    """
    total = max(len(complaints), 1)
    counts = {column: complaints[column].value_counts() for column in CATEGORIES}
    documents = _tokens(complaints["narrative"]).drop_duplicates()["word"].value_counts().sort_index()
    kept = documents[(documents >= min_count) & (documents.index != mask_word.lower())]
    texts = int(complaints["narrative"].notna().sum())
    return Encoder(
        rarity={
            column: {str(value): float(np.log(total / n)) for value, n in sorted(count.items()) if n >= min_count}
            for column, count in counts.items()
        },
        ceiling=float(np.log(max(total / min_count, 1.0))),
        words=kept.index.to_numpy(dtype=str),
        idf=np.log((1 + texts) / (1 + kept.to_numpy(dtype=float))) + 1,
    )


def compare(complaints: Encoded, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Compute the features of the pairs ``(left[i], right[i])``, given as positions.

    Returns
    -------
    ndarray of float32, shape (pairs, len(FEATURES))
        Columns as in `FEATURES`: whole metres, days and hours to two decimals (hours around the clock, 0 to 12),
        weekdays around the week (0 to 3), 0/1, rarity where equal and else 0, years, centimetres, cosine to two
        decimals. NaN where one side is unknown.
    """
    agree = (complaints.codes[left] == complaints.codes[right]) & (complaints.codes[left] >= 0)
    rarity = np.where(agree, complaints.weights[left], 0.0)
    columns = [
        np.round(np.hypot(*(complaints.place[left] - complaints.place[right]).T)),
        _time(complaints.hour[left], complaints.hour[right]),
        agree,
        rarity,
        rarity.sum(axis=1),
        np.abs(complaints.person[left] - complaints.person[right]),
        _similarity(complaints, left, right),
    ]
    return np.column_stack(columns).astype(np.float32)


def _time(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    days = np.round(np.abs(left - right) / HOURS_PER_DAY, 2)
    hours = np.round(_around(left - right, HOURS_PER_DAY), 2)
    weekdays = _around(left // HOURS_PER_DAY - right // HOURS_PER_DAY, DAYS_PER_WEEK)
    return np.column_stack([days, hours, weekdays, weekdays == 0])


def _around(difference: np.ndarray, circle: int) -> np.ndarray:
    """Return the shorter way around a circle."""
    ahead = difference % circle
    return np.where(ahead <= circle / 2, ahead, circle - ahead)


def _similarity(complaints: Encoded, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    cosine = np.asarray(complaints.text[left].multiply(complaints.text[right]).sum(axis=1)).ravel()
    known = complaints.has_text[left] & complaints.has_text[right]
    return np.where(known, np.round(cosine, 2), np.nan)


def _floats(complaints: pd.DataFrame, columns: tuple[str, ...]) -> np.ndarray:
    return np.column_stack([numbers(complaints[column], name="complaints") for column in columns])


def _tokens(narrative: pd.Series) -> pd.DataFrame:
    """One row per word of each narrative: the row position, and the word in lower case."""
    text = narrative.reset_index(drop=True).dropna().astype("str")
    words = text.str.lower().str.findall(WORD).explode().dropna()
    return pd.DataFrame({"row": words.index.to_numpy(dtype=np.int64), "word": words.to_numpy(dtype=object)})
