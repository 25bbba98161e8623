"""Tokens of a column that may hold identifiers or published tokens, with a key or without, and where they stand."""

from __future__ import annotations

import numpy as np
import polars as pl

from sanitizers.documents import nearest
from sanitizers.errors import ConfigurationError, Fault, KeyFailure, RegisterFailure, SourceFailure
from sanitizers.identifiers import TOKEN_PREFIX, Key, Kind, sentinel_tokens, tokenise
from sanitizers.register.snapshot import Snapshot, among

Halves = tuple[np.ndarray, np.ndarray]
_PUBLISHED = rf"^{TOKEN_PREFIX}[0-9a-f]{{32}}$"


def tokens_of(texts: pl.Series, *, column: str, name: str, kind: Kind, key: Key | None) -> Halves:
    """Find the token of every cell; each must have one.

    Parameters
    ----------
    texts
        One text per row: an identifier in any spelling, or a published token.
    column
        The column's name, for messages.
    name, kind
        The kind.
    key
        The register's key; not needed where every cell is a published token.

    Raises
    ------
    SourceFailure
        A cell is empty or does not fit its kind.
    KeyFailure
        A cell is not a published token, and no key was given.
    """
    if texts.null_count():
        problem = f"{texts.null_count()} cell(s) are empty"
        raise SourceFailure(Fault(problem, "every row must name a record", column=column))
    cells = pl.DataFrame({"c": texts}).select(
        ready=pl.col("c").str.contains(_PUBLISHED),
        hi=pl.col("c").str.slice(4, 16).str.to_integer(base=16, dtype=pl.UInt64, strict=False).fill_null(0),
        lo=pl.col("c").str.slice(20, 16).str.to_integer(base=16, dtype=pl.UInt64, strict=False).fill_null(0),
    )
    hi, lo = cells["hi"].to_numpy(writable=True), cells["lo"].to_numpy(writable=True)
    plain = np.flatnonzero(~cells["ready"].to_numpy())
    if len(plain) and key is None:
        remedy = "name the key with --key-file, or use published tokens"
        raise KeyFailure(Fault("holds identifiers that are no tokens, and no key was given", remedy, column=column))
    if len(plain) and key is not None:
        own = tokenise(texts.gather(plain), name=name, kind=kind, key=key)
        if len(own.malformed):
            problem = f"{len(own.malformed)} cell(s) do not fit the kind {name}"
            raise SourceFailure(Fault(problem, "mend what writes the column", column=column))
        hi[plain], lo[plain] = own.hi, own.lo
    return hi, lo


def check_kind(name: str, snapshot: Snapshot, key: Key | None) -> None:
    """Raise unless the snapshot knows a kind and, with the key, finds its own sentinel.

    Raises
    ------
    ConfigurationError
        The snapshot does not know the kind.
    KeyFailure, RegisterFailure
        The key is not the snapshot's, or the sentinel is not there.
    """
    if name not in snapshot.kinds:
        raise ConfigurationError(Fault("is no kind of this register", nearest(name, list(snapshot.kinds)), column=name))
    barred = snapshot.barred[name]
    found = bool(len(barred.hi))
    if key is not None:
        snapshot.check_key(key)
        guard = sentinel_tokens(name, snapshot.kinds[name], key)
        found = bool(among(guard.hi, guard.lo, barred.hi, barred.lo).all())
    if not found:
        remedy = "make a new one with the register's own key"
        raise RegisterFailure(Fault(f"the sentinel of {name} is not in the snapshot", remedy))
