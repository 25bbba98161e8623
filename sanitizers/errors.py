"""Every deliberate error of sealproof, and what the process exits with.

::

    SealproofError                 3   could not check (also the root; anything uncaught ends the same way)
     ├── ConfigurationError        2   an option, kinds.yaml, sealing.yaml, a rules or feature file says something wrong
     ├── KeyFailure                3   the key is missing, malformed or not the one that made the snapshot
     ├── RegisterFailure           3   a feed, the history or a snapshot cannot be used, or is too old
     ├── SourceFailure             3   a raw source cannot be read as the policy describes it
     ├── EngineFailure             3   the engine under us failed
     ├── PublishFailure            3   the output could not be written; what stood there before still stands
     └── NothingChecked            4   there was nothing that could be judged

A message names the file, the column, the line and the remedy. It never quotes a cell.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

CLEAN, CONTAMINATED, USAGE, COULD_NOT_CHECK, NOTHING_CHECKED, INTERRUPTED = 0, 1, 2, 3, 4, 130


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, and what mends it.

    Parameters
    ----------
    problem
        What is wrong, without any value taken from the data.
    remedy
        What to do, where possible a line to paste.
    where
        File or section the fault is in.
    column
        Column or setting, if there is one.
    line
        1-based line of ``where``, if known.

    Examples
    --------
    >>> print(Fault("unknown setting", "delete it", where="sealing.yaml", column="purpos", line=3))
    sealing.yaml, line 3, purpos: unknown setting
        -> delete it
    """

    problem: str
    remedy: str = ""
    where: str = ""
    column: str = ""
    line: int | None = None

    def __str__(self) -> str:
        line = f"line {self.line}" if self.line is not None else ""
        place = ", ".join(part for part in (self.where, line, self.column) if part)
        told = f"{place}: {self.problem}" if place else self.problem
        return f"{told}\n    -> {self.remedy}" if self.remedy else told


class SealproofError(Exception):
    """Root of the deliberate errors.

    Parameters
    ----------
    *faults
        All faults that one run has found; a plain string is a fault without a place.
    """

    exit_code = COULD_NOT_CHECK

    def __init__(self, *faults: Fault | str) -> None:
        self.faults = tuple(Fault(fault) if isinstance(fault, str) else fault for fault in faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))


class ConfigurationError(SealproofError):
    """An option or a configuration file says something that cannot be meant."""

    exit_code = USAGE


class KeyFailure(SealproofError):
    """The key is missing, malformed, or another one than the snapshot was made with."""


class RegisterFailure(SealproofError):
    """A feed, the history or a snapshot cannot be used."""


class SourceFailure(SealproofError):
    """A raw source cannot be read as the policy describes it."""


class EngineFailure(SealproofError):
    """The engine failed; its own words are withheld, because they may quote the data."""


class PublishFailure(SealproofError):
    """The output could not be written. What stood there before still stands."""


class NothingChecked(SealproofError):
    """Nothing that could be judged was found."""

    exit_code = NOTHING_CHECKED


class Faults(list[Fault]):
    """Faults of one run, gathered so that they can be told together."""

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        super().__init__(faults)
        self._gathered: dict[type[SealproofError], int] = {}

    def gather(self, error: SealproofError) -> None:
        """Add the faults of an error."""
        self.extend(error.faults)
        self._gathered[type(error)] = self._gathered.get(type(error), 0) + len(error.faults)

    def say(
        self, problem: str, remedy: str = "", *, where: str = "", column: str = "", line: int | None = None
    ) -> None:
        """Add one fault."""
        self.append(Fault(problem, remedy, where=where, column=column, line=line))

    def stop(self, error: type[SealproofError]) -> None:
        """Raise `error` with all faults, if there are any; if errors of one class brought them all, that class."""
        if self:
            alone = [kind for kind, count in self._gathered.items() if count == len(self)]
            raise (alone[0] if alone else error)(*self)


@contextmanager
def gathered(faults: Faults) -> Iterator[None]:
    """Collect the faults of a deliberate error raised inside the block instead of letting it pass.

    Examples
    --------
    >>> faults = Faults()
    >>> with gathered(faults):
    ...     raise SourceFailure("no such file")
    >>> len(faults)
    1
    """
    try:
        yield
    except SealproofError as error:
        faults.gather(error)
