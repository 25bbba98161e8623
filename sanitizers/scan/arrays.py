"""Arrays: a stored numpy array of any type as texts and whole numbers; objects, which are pickles, are refused."""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO

import numpy as np

_SAFE_BITS = 53  # of the largest float that identifiers are taken from


def read_array(stream: IO[bytes]) -> np.ndarray:
    """Read an ``.npy`` file to its end.

    Raises
    ------
    ValueError
        It is none, is damaged, holds objects, or goes on after the array.
    """
    array: np.ndarray = np.lib.format.read_array(stream, allow_pickle=False)
    if stream.read(1):
        raise ValueError
    return array


def unfold_array(array: np.ndarray) -> Iterator[np.ndarray]:
    """What an array holds that may be an identifier: arrays of texts, and of distinct whole numbers as uint64.

    Names of fields count as texts. Truths and durations hold no identifier.

    Examples
    --------
    >>> [part.tolist() for part in unfold_array(np.array([[1.0, 0.5, 3.0], [3.0, np.nan, -1.0]]))]
    [[1, 3]]
    """
    flat = array.ravel()
    kind = flat.dtype.kind
    if flat.dtype.names is not None:
        yield np.array(flat.dtype.names, np.str_)
        for name in flat.dtype.names:
            yield from unfold_array(flat[name])
    elif kind == "V":
        yield np.array([cell.tobytes().decode("utf-8", "replace") for cell in flat], np.str_)
    elif kind == "S":
        yield np.char.decode(flat, "utf-8", "replace")
    elif kind == "U":
        yield flat
    elif kind == "M":
        yield np.datetime_as_string(flat)
    elif kind == "c":
        yield from unfold_array(flat.real)
        yield from unfold_array(flat.imag)
    elif kind in "iuf":
        yield _whole(flat)
    elif kind not in "bm":
        raise ValueError


def _whole(flat: np.ndarray) -> np.ndarray:
    """The distinct numbers that may be identifiers: whole, not negative, and exact in their type."""
    if flat.dtype.kind == "f":
        exact = 2.0 ** min(np.finfo(flat.dtype).nmant + 1, _SAFE_BITS)
        flat = flat.astype(np.float64) if flat.dtype.itemsize < np.dtype(np.float64).itemsize else flat
        flat = flat[np.isfinite(flat) & (flat < exact) & (flat == np.floor(flat))]
    return np.unique(flat[flat >= 0].astype(np.uint64))
