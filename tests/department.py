"""A department that a test builds through the library, with a register of its own: seal, snapshot, strip, judge."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sanitizers.engine.duckdb import DuckDB
from sanitizers.gate import judge
from sanitizers.identifiers import Key, Kinds
from sanitizers.policy import Policy
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules
from sanitizers.register.snapshot import load
from sanitizers.strip import strip_files
from sanitizers.verdict import Verdict

KEY = Key("5ea1" * 16)
DAY = dt.date(2020, 1, 1)


@dataclass
class Department:
    """A folder with ``sealing.yaml``; its snapshot is ``x.snap``, its clean sources lie in ``clean``."""

    folder: Path
    kinds: Kinds

    @property
    def clean(self) -> Path:
        return self.folder / "clean"

    @property
    def policy(self) -> Policy:
        return Policy.load(self.folder / "sealing.yaml")

    @property
    def register(self) -> Register:
        return Register(self.folder / "register", kinds=self.kinds, key=KEY)

    def write(self, name: str, **columns: object) -> Path:
        """Write a Parquet file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(columns), path)
        return path

    def seal(self, *identifiers: tuple[str, str], day: dt.date = DAY) -> None:
        """Deliver seals of ``(kind, identifier)``."""
        self.event("seal", *identifiers, day=day)

    def event(self, action: str, *identifiers: tuple[str, str], day: dt.date = DAY) -> None:
        """Deliver events of ``(kind, identifier)``."""
        same = {"action": action, "statute": "CPL 160.50", "effective_on": f"{day}", "recorded_on": f"{day}"}
        rows = [{"kind": kind, "identifier": identifier, **same} for kind, identifier in identifiers]
        self.register.add(pa.Table.from_pylist(rows), rules=Rules.find("us-ny", self.folder), delivered_on=day)

    def snapshot(self, day: dt.date = DAY, known_at: dt.date | None = None) -> None:
        """Take the snapshot of a day."""
        given = {"rules": Rules.find("us-ny", self.folder), "purpose": "predictive-model", "as_of": day}
        with DuckDB() as engine:
            self.register.snapshot(self.folder / "x.snap", **given, known_at=known_at, engine=engine)

    def strip(self, out: Path | None = None) -> Path:
        """Strip; returns the folder of the clean sources."""
        out = out or self.clean
        strip_files(self.policy, snapshot=load(self.folder / "x.snap"), key=KEY, out=out)
        return out

    def judge(self, *paths: Path, evidence: Sequence[Path] = ()) -> Verdict:
        """Judge files and folders."""
        return judge(paths, policy=self.policy, snapshot=load(self.folder / "x.snap"), key=KEY, evidence=evidence)
