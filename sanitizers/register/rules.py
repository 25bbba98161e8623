"""Statutes as data: what seals, under what citation, and which purposes the seal bars.

Where a statute does not speak to a purpose, its seal bars it until a named person decides.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from sanitizers import documents
from sanitizers.documents import Strict, nearest
from sanitizers.errors import ConfigurationError, Fault


class Answer(Strict):
    """Whether a seal under a statute bars a purpose, and who says so."""

    bars: bool
    citation: str = Field(min_length=1)
    decided_by: str | None = None

    @model_validator(mode="after")
    def _somebody_decides(self) -> Answer:
        if not self.bars and not self.decided_by:
            raise ValueError("`bars: false` needs `decided_by`: a purpose is open only where a named office decided it")
        return self


class Statute(Strict):
    """One statute under which records are sealed."""

    title: str
    citation: str = Field(min_length=1)
    trigger: str
    police_use: Literal["barred", "allowed", "limited", "expunged"]
    review: bool = False
    purposes: dict[str, Answer] = {}


class Rules(Strict):
    """A rules file.

    Examples
    --------
    >>> rules = Rules.find("us-ny", Path())
    >>> rules.bars("CPL 160.50", "predictive-model")
    True
    """

    version: Literal[1]
    name: str
    jurisdiction: str
    basis: str
    statutes: dict[str, Statute] = Field(min_length=1)

    @classmethod
    def find(cls, name: str, folder: Path) -> Rules:
        """Read a shipped rules file by its name, or one's own by its path relative to `folder`.

        Raises
        ------
        ConfigurationError
            No such file, or it is not well formed.
        """
        shipped = files(__package__) / "rules"
        if not name.endswith((".yaml", ".yml")):
            known = sorted(entry.name.removesuffix(".yaml") for entry in shipped.iterdir())
            if name not in known:
                raise ConfigurationError(Fault("no shipped rules of that name", nearest(name, known), column="rules"))
            return documents.load(cls, Path(str(shipped / f"{name}.yaml")))
        return documents.load(cls, folder / name)

    def bars(self, statute: str, purpose: str) -> bool:
        """Whether a seal under `statute` bars `purpose`; True where the statute does not speak to it."""
        answer = self.statutes[statute].purposes.get(purpose)
        return answer is None or answer.bars
