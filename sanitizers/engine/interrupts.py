"""Ctrl-C while DuckDB works: DuckDB makes a `RuntimeError` of it, which would pass for a fault."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def interruptible() -> Iterator[None]:
    """Let what DuckDB tells of a Ctrl-C be a `KeyboardInterrupt` again.

    Raises
    ------
    KeyboardInterrupt
        The block was interrupted.

    Examples
    --------
    >>> try:
    ...     with interruptible():
    ...         raise RuntimeError("Query interrupted")
    ... except KeyboardInterrupt:
    ...     print("interrupted")
    interrupted
    """
    try:
        yield
    except RuntimeError as error:
        if str(error) != "Query interrupted":
            raise
    else:
        return
    raise KeyboardInterrupt
