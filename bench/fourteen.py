"""A department of fourteen systems for the benches: its city, laid out as its policy expects, its register, its seals."""

from __future__ import annotations

import datetime as dt
import re
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import arrests
import duckdb
import numpy as np
import polars as pl
import pyarrow as pa

from pipelines.city import write_city
from sanitizers.identifiers import Kinds
from sanitizers.keeper import strip_with_register, take_snapshot
from sanitizers.policy import Policy
from sanitizers.register.feed import read_feed
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules
from sanitizers.strip.receipt import Receipt

DAY, SEED = dt.date(2019, 12, 31), 7
_REPO = Path(__file__).parents[1]


def city_of(folder: Path, size: int) -> Path:
    """The city of so many arrests below a folder, which is written unless it is there."""
    city = folder / str(size)
    if not city.exists():
        writing = folder / f"{size}.part"
        write_city(writing, arrests=size, seed=SEED, as_of=DAY, systems=14)
        writing.rename(city)
    return city


@dataclass(frozen=True)
class Department:
    """A city in a folder that looks like the repository.

    Attributes
    ----------
    folder
        Of the bench: everything that it writes stands there.
    """

    folder: Path

    @classmethod
    def lay(cls, folder: Path, city: Path) -> Department:
        """Lay out policies, link to the city, deliver its seals and take the day's snapshot."""
        home = folder / "pipelines/fourteen"
        shutil.copytree(_REPO / "pipelines/fourteen", home)
        shutil.copy(_REPO / "pipelines/rules.yaml", home.parent)
        told = re.sub(r"features:\n(  .*\n)+", "", (home / "sealing.yaml").read_text())
        (home / "token.yaml").write_text(told)
        plain = ", ".join(f"{kind}: plain" for kind in Kinds.load(home / "kinds.yaml"))
        (home / "plain.yaml").write_text(f"{told}publish: {{{plain}}}\n")
        (folder / "build/fourteen").mkdir(parents=True)
        (folder / "build/fourteen/city").symlink_to(city.absolute())
        own = cls(folder)
        own.deliver(read_feed(city / "seal_feed.csv"))
        truth = f"SELECT arrest_number FROM '{city}/truth.csv' WHERE barred = 1"
        duckdb.sql(f"COPY ({truth}) TO '{own.sealed}'")
        return own

    @property
    def raw(self) -> Path:
        """The raw sources."""
        return self.folder / "build/fourteen/city/raw"

    @property
    def sealed(self) -> Path:
        """The plain numbers of what was barred at first, as Parquet."""
        return self.folder / "sealed.parquet"

    @property
    def snapshot(self) -> Path:
        """The latest snapshot."""
        return self.folder / "build/fourteen/city.snap"

    @property
    def register(self) -> Path:
        """The register."""
        return self.folder / "register"

    def policy(self, form: str = "token") -> Policy:
        """The policy that publishes identifiers in a form, token or plain."""
        return Policy.load(self.folder / f"pipelines/fourteen/{form}.yaml")

    @cached_property
    def kinds(self) -> Kinds:
        """The register's kinds."""
        return Kinds.load(self.folder / "pipelines/fourteen/kinds.yaml")

    def deliver(self, feed: pa.Table) -> None:
        """Add events to the register and take a snapshot, which remembers all links first."""
        policy = self.policy()
        register = Register(self.register, kinds=self.kinds, key=arrests.KEY)
        register.add(feed, rules=Rules.find(policy.rules, policy.folder), delivered_on=DAY)
        take_snapshot(self.register, policy, kinds=self.kinds, key=arrests.KEY, as_of=DAY, out=self.snapshot)

    def strip(self, out: Path, *, form: str = "token", keeper: Path | None = None) -> Receipt:
        """Strip as the command does."""
        return strip_with_register(
            self.policy(form), snapshot=self.snapshot, key=arrests.KEY, register=self.register, out=out, keeper=keeper,
            progress=lambda _step, _done, _of: None,
        )  # fmt: skip

    @property
    def open(self) -> pl.DataFrame:
        """Numbers and days of the arrests that nothing barred at first, by day."""
        booked = pl.read_parquet(self.raw / "arrests/*.parquet", columns=["arrest_number", "arrest_date"])
        return booked.join(pl.read_parquet(self.sealed), on="arrest_number", how="anti").sort("arrest_date", "arrest_number")


def drawn(booked: pl.DataFrame, count: int, random: np.random.Generator, *, months: int | None) -> pl.DataFrame:
    """Arrests drawn from some that stand by day: of consecutive months, or of any."""
    if months:
        month = pl.col("arrest_date").dt.year().cast(pl.Int32) * 12 + pl.col("arrest_date").dt.month()
        first, last = booked.select(month.min()).item() + 1, booked.select(month.max()).item()  # whole months
        start = first + int(random.integers(0, last - first - months))
        booked = booked.filter(month.is_between(start, start + months - 1))
    return booked[np.sort(random.choice(len(booked), count, replace=False))]


def seals(numbers: pl.Series) -> pa.Table:
    """A delivery of seals on arrests."""
    day = DAY.isoformat()
    same = {"kind": "arrest_number", "action": "seal", "statute": "CPL 160.50", "effective_on": day, "recorded_on": day}
    constant = {name: pa.array([text] * len(numbers)) for name, text in same.items()}
    return pa.table({"identifier": numbers.to_arrow(), **constant})
