"""Randomness that belongs to an event, not to a place in a sequence.

A value is a hash of (seed, stream name, event id). So an event draws the same values whether or not another event
happened before it, any value can be computed again anywhere, and a block of events is one numpy expression.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike, NDArray

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class Stream:
    """One named stream of independent draws, addressed by event id.

    Each method takes event ids (any integer array) and answers with an array of the same shape.

    Examples
    --------
    >>> ages = stream(7, "age")
    >>> bool((ages.below([3, 4, 5], 100)[1:] == ages.below([4, 5], 100)).all())
    True
    """

    key: int

    def bits(self, ids: ArrayLike) -> NDArray[np.uint64]:
        """Return 64 random bits per event: splitmix64 with the event id as counter."""
        z = np.asarray(ids).astype(np.uint64) * _GAMMA + np.uint64(self.key)
        z = (z ^ (z >> np.uint64(30))) * _FIRST
        z = (z ^ (z >> np.uint64(27))) * _SECOND
        return z ^ (z >> np.uint64(31))

    def unit(self, ids: ArrayLike) -> NDArray[np.float64]:
        """Return uniform draws from [0, 1)."""
        return (self.bits(ids) >> np.uint64(11)) * 2.0**-53

    def chance(self, ids: ArrayLike, probability: float | NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return True with the given probability."""
        return self.unit(ids) < probability

    def below(self, ids: ArrayLike, limit: int | NDArray[np.int64]) -> NDArray[np.int64]:
        """Return uniform integers from 0 to `limit` - 1; `limit` may differ from event to event."""
        return (self.unit(ids) * limit).astype(np.int64)

    def pick(self, ids: ArrayLike, weights: ArrayLike) -> NDArray[np.int64]:
        """Return positions into `weights`, each with a probability in proportion to its weight."""
        steps = np.cumsum(weights)
        return np.searchsorted(steps[:-1] / steps[-1], self.unit(ids), side="right")

    def normal(self, ids: ArrayLike) -> NDArray[np.float64]:
        """Return draws with mean 0 and deviation 1, nearly normal and within ±3.5.

        The sum of four uniforms: unlike logarithm and cosine it has the same bits on every machine.
        """
        lanes = self.bits(ids)[..., None] >> np.array([0, 16, 32, 48], np.uint64) & np.uint64(0xFFFF)
        return (lanes.sum(axis=-1) * 2.0**-16 - 2.0) * 3.0**0.5

    def permute(self, ids: ArrayLike, size: int) -> NDArray[np.int64]:
        """Map 0 … `size` - 1 one to one onto itself, so that numbers are unique but do not run.

        A Feistel network of four rounds over the next even number of bits; what falls outside goes round again. The
        answer for a negative id means nothing.
        """
        half = ((size - 1).bit_length() + 1) // 2
        numbers = self._feistel(np.asarray(ids, np.int64), half)
        while len(outside := np.flatnonzero(numbers >= size)):
            numbers[outside] = self._feistel(numbers[outside], half)
        return numbers

    def _feistel(self, numbers: NDArray[np.int64], half: int) -> NDArray[np.int64]:
        mask = (1 << half) - 1
        left, right = numbers >> half, numbers & mask
        for turn in range(4):
            left, right = right, left ^ (self.bits(right * 4 + turn).astype(np.int64) & mask)
        return left << half | right


@cache
def stream(seed: int, name: str) -> Stream:
    """Return the stream called `name` in the city of this seed."""
    return Stream(int.from_bytes(blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "big"))
