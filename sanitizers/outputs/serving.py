"""The filter of a running service: a new snapshot takes effect with the next request."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pyarrow as pa

from sanitizers.errors import Fault, RegisterFailure
from sanitizers.identifiers import Key
from sanitizers.outputs.filter import FilterCounts, Frame, OutputFilter
from sanitizers.policy import Output
from sanitizers.register import snapshot


class ServedFilter:
    """An `OutputFilter` that follows the snapshot file.

    Each request looks at the file's date, which takes microseconds; a snapshot that was replaced is read before the
    request is answered. A snapshot that cannot be read, or that is too old, answers nothing.

    Parameters
    ----------
    output, key, touched
        See `OutputFilter`.
    path
        The ``.snap`` file.
    error_after
        How old the register may be; see ``register:`` in the policy.
    today
        Tells the day.
    """

    def __init__(
        self,
        output: Output,
        path: Path,
        *,
        key: Key | None = None,
        touched: pa.Table | None = None,
        error_after: dt.timedelta,
        today: Callable[[], dt.date] = dt.date.today,
    ) -> None:
        self._output, self._path, self._key, self._touched = output, path, key, touched
        self._error_after, self._today = error_after, today
        self._ready = self._load()

    def __repr__(self) -> str:
        return f"ServedFilter({self._path.name})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a filter is not pickled")

    def __call__(self, frame: Frame) -> tuple[Frame, FilterCounts]:
        """Filter the answer to one request; see `OutputFilter`.

        Raises
        ------
        RegisterFailure
            The snapshot cannot be read or is too old.
        """
        if self._stamp() != self._ready[0]:
            self._ready = self._load()
        _, loaded, apply = self._ready
        age = loaded.age(self._today())
        if age > self._error_after:
            problem = f"the register has received nothing for {age.days} days, {self._error_after.days} are allowed"
            raise RegisterFailure(Fault(problem, "put a new snapshot in place", where=str(self._path)))
        return apply(frame)

    def _stamp(self) -> tuple[int, int, int]:
        """Tell one snapshot from the next: its dated half is the one that is written last."""
        problem = ""
        try:
            stat = self._path.with_name(f"{self._path.name}.json").stat()
            return stat.st_mtime_ns, stat.st_size, stat.st_ino
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        raise RegisterFailure(Fault(problem, "put the snapshot back in place", where=str(self._path)))

    def _load(self) -> tuple[tuple[int, int, int], snapshot.Snapshot, OutputFilter]:
        stamp = self._stamp()
        loaded = snapshot.load(self._path)
        loaded.check_latest()
        return stamp, loaded, OutputFilter(self._output, snapshot=loaded, key=self._key, touched=self._touched)
