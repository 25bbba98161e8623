"""The history: an append-only chain of deliveries, in which identifiers stand as tokens.

Each delivery is one file that names the digest of the one before. An event that was delivered already counts once.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet

from sanitizers import digest, publish
from sanitizers.documents import nearest, nearest_column, other_delimiter
from sanitizers.engine.contract import Engine
from sanitizers.errors import ConfigurationError, Fault, Faults, RegisterFailure
from sanitizers.identifiers import Key, Kind, Kinds, as_text, tokenise
from sanitizers.register import snapshot
from sanitizers.register.links import BARRED_SCHEMA, LINK_SCHEMA, closure
from sanitizers.register.rules import Rules

FORMAT = 1
ACTIONS = ("seal", "vacate", "correct")
REQUIRED = ("kind", "identifier", "action", "statute", "effective_on", "recorded_on")
EARLIEST, LATEST = dt.date(1900, 1, 1), dt.date(2200, 1, 1)
_CASE = Kind(scope="shared", pattern="[0-9A-Z]+")
_EVENT = ["kind", "hi", "lo", "action", "statute", "case_hi", "case_lo", "effective_on", "recorded_on"]
_STATE = ["kind", "hi", "lo", "statute", "case_hi", "case_lo"]


@dataclass(frozen=True)
class Delivery:
    """What one delivery brought."""

    events: int
    new: int
    repeated: int


class Register:
    """The history and links of one department.

    Parameters
    ----------
    folder
        Where it lies; made on the first delivery.
    kinds
        Its kinds. They never change under a register: tokens made with other forms would match nothing.
    key
        Its key.

    Raises
    ------
    ConfigurationError
        The folder is a file.
    RegisterFailure, KeyFailure
        The folder belongs to other kinds or another key, or a delivery is missing or was altered.
    """

    def __init__(self, folder: Path, *, kinds: Kinds, key: Key) -> None:
        self.folder, self.kinds, self.key = folder, kinds, key
        self._identity = {"format": FORMAT, "kinds": kinds.digest, "key": key.fingerprint}
        if folder.is_file():
            remedy = "name the register's folder there, and the feed with --feed"
            raise ConfigurationError(Fault("is a file and no register", remedy, where=str(folder)))
        own = folder / "register.json"
        if own.exists() and json.loads(own.read_text()) != self._identity:
            fault = Fault("the register was made with another key or other kinds", "use its own", where=str(folder))
            raise RegisterFailure(fault)
        self._check_chain()

    def __repr__(self) -> str:
        return f"Register({len(self._files('batches'))} deliveries)"

    def _files(self, kind: str) -> list[Path]:
        return sorted((self.folder / kind).glob("*.parquet"))

    def _check_chain(self) -> None:
        for kind in ("batches", "links"):
            previous = ""
            for number, path in enumerate(self._files(kind), start=1):
                told = self._told(path)
                if path.stem != f"{number:06d}" or told["previous"] != previous:
                    fault = Fault(
                        "a delivery before it is missing or was altered", "restore the register", where=str(path)
                    )
                    raise RegisterFailure(fault)
                previous = digest.of_file(path)

    @staticmethod
    def _told(path: Path) -> dict[str, Any]:
        fault = None
        try:
            metadata = pa.parquet.read_schema(path).metadata or {}
            return json.loads(metadata[b"sealproof"])  # type: ignore[no-any-return]
        except (OSError, pa.ArrowException, KeyError, ValueError):
            fault = Fault("is not a delivery of this register", "restore the register", where=str(path))
        raise RegisterFailure(fault)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other writers out: of two deliveries at once, one would be lost."""
        problem = ""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with publish.locked(self.folder / "lock", self.folder):
                self._check_chain()
                yield
        except OSError as error:
            problem = f"cannot be written ({error.strerror})"
        if problem:
            raise RegisterFailure(Fault(problem, "free space, or ask for access", where=str(self.folder)))

    def _append(self, kind: str, table: pa.Table, told: dict[str, Any]) -> None:
        (self.folder / kind).mkdir(exist_ok=True, mode=0o700)
        own = self.folder / "register.json"
        if not own.exists():
            own.write_text(json.dumps(self._identity))
        files = self._files(kind)
        told = {"format": FORMAT, "previous": digest.of_file(files[-1]) if files else "", **told}
        path = self.folder / kind / f"{len(files) + 1:06d}.parquet"
        staged = path.with_suffix(".new")
        pa.parquet.write_table(table.replace_schema_metadata({"sealproof": json.dumps(told)}), staged)
        with staged.open("rb") as stream:
            os.fsync(stream.fileno())
        staged.replace(path)

    def events(self) -> pl.DataFrame:
        """All events, as tokens."""
        files = self._files("batches")
        if not files:
            remedy = "deliver one with `sealproof register add` (a delivery without events is fine)"
            raise RegisterFailure(Fault("the register never received a feed", remedy, where=str(self.folder)))
        return pl.concat([_frame(pa.parquet.read_table(path)) for path in files])

    def add(self, feed: pa.Table, *, rules: Rules, delivered_on: dt.date, where: str = "feed") -> Delivery:
        """Take in one delivery.

        Parameters
        ----------
        feed
            Rows ``kind, identifier, action, statute, effective_on, recorded_on`` and optionally ``case``. Parts of a
            composite identifier are separated by ``|``. Dates read YYYY-MM-DD.
        delivered_on
            Day of the delivery, by which the register's age is told.
        where
            What to call the feed in messages.

        Raises
        ------
        RegisterFailure
            All faults of the feed together; nothing is taken in.
        """
        events = _events(feed, kinds=self.kinds, rules=rules, key=self.key, where=where)
        unique = events.unique()
        told = {"delivered_on": delivered_on.isoformat(), "events": len(events), "rules": rules.name}
        with self._alone():
            known = self.events() if self._files("batches") else None
            new = unique if known is None else unique.join(known, on=_EVENT, how="anti")
            self._append("batches", new.sort(_EVENT).to_arrow(), told)
        return Delivery(len(events), len(new), len(events) - len(new))

    # -- links --------------------------------------------------------------------------------------------------------

    def links(self) -> Iterator[pa.RecordBatch]:
        """All remembered links, rows of `LINK_SCHEMA`: many more than fit in memory."""
        for path in self._files("links"):
            with pa.parquet.ParquetFile(path) as file:
                for batch in file.iter_batches():
                    yield batch.replace_schema_metadata(None)

    @property
    def link_batches(self) -> int:
        """How many batches of links the register holds; it only grows."""
        return len(self._files("links"))

    def knows(self, links: ir.Table, engine: Engine) -> bool:
        """Whether all of these links, which the engine holds, are remembered."""
        return not engine.fetch(self._unknown(links, engine).limit(1)).num_rows

    def remember(self, links: ir.Table, engine: Engine) -> int:
        """Remember links, which the engine holds; returns how many are new."""
        with self._alone():
            new = engine.fetch(self._unknown(links, engine).distinct().order_by(LINK_SCHEMA.names)).cast(LINK_SCHEMA)
            if new.num_rows:
                self._append("links", new, {})
        return int(new.num_rows)

    def _unknown(self, links: ir.Table, engine: Engine) -> ir.Table:
        known = engine.hold(self.links(), LINK_SCHEMA)
        return links.anti_join(known, LINK_SCHEMA.names)

    # -- snapshots ----------------------------------------------------------------------------------------------------

    def snapshot(
        self, path: Path, *, rules: Rules, purpose: str, as_of: dt.date, known_at: dt.date | None = None, engine: Engine
    ) -> str:
        """Write the snapshot of one date.

        Parameters
        ----------
        path
            The ``.snap`` file to write.
        as_of
            Seals in force on this day.
        known_at
            As known on this day; everything recorded if None. Only the latest may publish.

        Returns
        -------
        str
            Digest of the snapshot.
        """
        events = self.events()
        known = events if known_at is None else events.filter(pl.col("recorded_on") <= known_at)
        state = _in_force(known, as_of)
        bars = {name: rules.bars(name, purpose) for name in rules.statutes}
        unknown = sorted(set(state["statute"].unique()) - set(bars))
        if unknown:
            fault = f"statutes in the register are not in the rules {rules.name}: {', '.join(unknown)}"
            raise RegisterFailure(Fault(fault))
        barring = state.filter(pl.col("statute").replace_strict(bars, return_dtype=pl.Boolean))
        direct = barring.select("kind", "hi", "lo").unique().with_columns(pl.lit("").alias("via"))
        sealed, links = engine.hold(direct.to_arrow().cast(BARRED_SCHEMA)), engine.hold(self.links(), LINK_SCHEMA)
        closed = closure(engine, sealed, links)
        spared = state.join(direct, on=["kind", "hi", "lo"], how="anti")
        counts = spared.group_by("statute").agg(pl.struct("kind", "hi", "lo").n_unique().alias("n")).sort("statute")
        deliveries = [dt.date.fromisoformat(self._told(file)["delivered_on"]) for file in self._files("batches")]
        dated = {
            "as_of": as_of.isoformat(),
            "known_at": (known_at or max([as_of, *deliveries])).isoformat(),
            "last_delivery": max(deliveries).isoformat(),
            "historical": len(known) < len(events) or as_of < max(deliveries),
            "not_barred": dict(counts.iter_rows()),
            "basis": rules.basis,
            "rules": rules.name,
            "links": self.link_batches,
        }
        barred = engine.fetch(closed)
        return snapshot.write(path, purpose=purpose, kinds=self.kinds, key=self.key, barred=barred, dated=dated)


def _frame(table: pa.Table) -> pl.DataFrame:
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101 - for the type checker
    return frame


def _in_force(events: pl.DataFrame, as_of: dt.date) -> pl.DataFrame:
    """States (record, statute, case) whose seal is in force on a day.

    A correction replaces what was recorded about its state before it. The event with the latest effective date
    decides; on one date the seal beats the vacatur, in whatever order they were recorded (deliveries come late).
    """
    corrected = pl.col("recorded_on").filter(pl.col("action") == "correct").max().over(_STATE)
    standing = events.filter(corrected.is_null() | (pl.col("recorded_on") >= corrected))
    standing = standing.filter(
        (pl.col("action") == "correct")
        | ~((pl.col("action") == "correct").any().over(_STATE) & (pl.col("recorded_on") == corrected))
    )
    reached = standing.filter(pl.col("effective_on") <= as_of).with_columns(seals=pl.col("action") != "vacate")
    last = reached.sort("effective_on", "seals").group_by(_STATE, maintain_order=True).last()
    return last.filter("seals").select(_STATE)


# -- reading a feed ---------------------------------------------------------------------------------------------------


def _events(feed: pa.Table, *, kinds: Kinds, rules: Rules, key: Key, where: str) -> pl.DataFrame:
    lacking = [name for name in REQUIRED if name not in feed.column_names]
    if lacking:
        raise RegisterFailure(*_lacking(lacking, feed.column_names, where))
    names = [*REQUIRED, *(["case"] if "case" in feed.column_names else [])]
    texts = pl.DataFrame([as_text(feed[name], name).alias(name) for name in names])
    texts = texts.with_columns(
        pl.col("effective_on", "recorded_on").str.to_date("%Y-%m-%d", strict=False),
        line=pl.int_range(2, len(texts) + 2),
    )
    faults = Faults()
    _refuse(faults, texts, ~pl.col("kind").is_in(list(kinds)), "kind", nearest("", list(kinds)), where)
    persons = [name for name in kinds if kinds[name].scope == "person"]
    person = pl.col("kind").is_in(persons).fill_null(value=False)
    _refuse(faults, texts, person, "kind", "seal the person's records, not the person", where)
    _refuse(faults, texts, ~pl.col("action").is_in(ACTIONS), "action", f"one of {', '.join(ACTIONS)}", where)
    _refuse(faults, texts, ~pl.col("statute").is_in(list(rules.statutes)), "statute", f"add it to {rules.name}", where)
    for name in ("effective_on", "recorded_on"):
        sound = pl.col(name).is_between(EARLIEST, LATEST)
        _refuse(faults, texts, ~sound.fill_null(value=False), name, "a date that exists, as YYYY-MM-DD", where)
    known = texts.filter(pl.col("kind").is_in(list(kinds)).fill_null(value=False))
    events = _tokens(known, kinds=kinds, key=key, faults=faults, where=where)
    faults.stop(RegisterFailure)
    both = (pl.col("action") == "seal").any() & (pl.col("action") == "vacate").any()
    same = [*_STATE, "effective_on", "recorded_on"]
    contradicting = events.filter(both.over(same))
    remedy = "one of a seal and a vacatur of one state, dated and recorded alike"
    _refuse(faults, contradicting, pl.lit(value=True), "action", remedy, where)
    faults.stop(RegisterFailure)
    return events.select(_EVENT)


def _lacking(lacking: Sequence[str], names: Sequence[str], where: str) -> list[Fault]:
    if other_delimiter(names):
        remedy = "write it again with `,` between the cells"
        return [
            Fault("the header has one column: something else than `,` parts its cells", remedy, where=where, line=1)
        ]
    return [Fault("is missing", nearest_column(name, names), where=where, column=name) for name in lacking]


def _refuse(faults: Faults, rows: pl.DataFrame, wrong: pl.Expr, column: str, remedy: str, where: str) -> None:
    lines = rows.filter(wrong.fill_null(value=True))["line"]
    if len(lines):
        faults.say(f"{len(lines)} row(s) cannot be taken in", remedy, where=where, column=column, line=int(lines[0]))


def _tokens(texts: pl.DataFrame, *, kinds: Kinds, key: Key, faults: Faults, where: str) -> pl.DataFrame:
    pieces = [texts.head(0).with_columns(hi=pl.lit(0, pl.UInt64), lo=pl.lit(0, pl.UInt64))]
    for (name,), rows in texts.group_by("kind", maintain_order=True):
        kind = str(name)
        own = tokenise(rows["identifier"].fill_null(""), name=kind, kind=kinds[kind], key=key)
        if len(own.malformed):
            line = int(rows["line"][int(own.malformed[0])])
            faults.say(
                f"{len(own.malformed)} identifier(s) do not fit the kind {kind}",
                "mend the feed",
                where=where,
                column="identifier",
                line=line,
            )
        pieces.append(rows[own.row].with_columns(hi=pl.lit(pl.Series(own.hi)), lo=pl.lit(pl.Series(own.lo))))
    events = pl.concat(pieces)
    case_hi, case_lo = np.zeros(len(events), np.uint64), np.zeros(len(events), np.uint64)
    if "case" in events.columns:
        own = tokenise(events["case"], name="case", kind=_CASE, key=key, missing=frozenset({""}))
        if len(own.malformed):
            line = int(events["line"].gather(own.malformed).min())  # type: ignore[arg-type]
            faults.say(
                f"{len(own.malformed)} row(s) cannot be taken in",
                "letters and digits, or nothing",
                where=where,
                column="case",
                line=line,
            )
        case_hi[own.row], case_lo[own.row] = own.hi, own.lo
    return events.with_columns(case_hi=pl.lit(pl.Series(case_hi)), case_lo=pl.lit(pl.Series(case_lo)))
