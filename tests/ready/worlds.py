"""Small worlds for the ready set: few people, few places, and dates that meet the edges of every window."""

from __future__ import annotations

import datetime as dt
import random
import shutil
from collections.abc import Sequence
from dataclasses import astuple, replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from sanitizers import digest
from sanitizers.features import READY
from sanitizers.policy import Policy
from sanitizers.queries import Query, queries
from sanitizers.strip.receipt import Receipt
from tests.ready.oracle import Arrest, Complaint, Row, World

FIRST = dt.date(2017, 1, 31)
EDGES = [0, 1, 2, 3, 7, 8, 28, 31, 89, 90, 91, 364, 365, 366, 367, 729, 730, 731]
PEOPLE = [None, "ann", "bob", "cy"]
NUMBERS = [None, "c1", "c2", "c3", "c4"]
OFFENSES = [None, "BURGLARY", "BURGLARY", "ROBBERY"]
PRECINCTS = [None, 1, 1, 2]
AGES = [None, 14, 15, 31, 60]
PLACES = [None, float("nan"), float("inf"), -0.5, 0.0, 999.5, 1000.0, 5e8]
NARRATIVES = [None, "", " ", "He ran.", "A GUN was seen. ", "No knife", "two  blanks", "firearm, begun"]
DATES = st.none() | st.builds(
    lambda one, other: FIRST + dt.timedelta(days=one + other), st.sampled_from(EDGES), st.sampled_from(EDGES)
)
ARRESTS = st.builds(
    Arrest,
    st.just(""),
    st.sampled_from(PEOPLE),
    st.sampled_from(NUMBERS),
    DATES,
    st.sampled_from(OFFENSES),
    st.sampled_from(PRECINCTS),
    st.sampled_from(PLACES),
    st.sampled_from(PLACES),
    st.sampled_from(AGES),
)
COMPLAINTS = st.builds(Complaint, st.just(""), DATES, st.sampled_from(PRECINCTS), st.sampled_from(NARRATIVES))
_ARRESTS = pa.schema(
    [(name, pa.string()) for name in ("arrest_number", "person_id", "complaint_number")]
    + [("arrest_date", pa.date32()), ("offense", pa.string()), ("precinct", pa.int16())]
    + [("x", pa.float64()), ("y", pa.float64()), ("age", pa.int16())]
)
_COMPLAINTS = pa.schema(
    [("complaint_number", pa.string()), ("reported_on", pa.date32()), ("precinct", pa.int16()), ("narrative", pa.string())]
)
_POLICY = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: ny.snap}
sources:
  arrests:
    path: raw/arrests/*.parquet
    primary_key: arrest_number
    columns: {arrest_number: {kind: arrest, on_seal: drop}}
  complaints:
    path: raw/complaints/*.parquet
    primary_key: complaint_number
    columns: {complaint_number: {kind: complaint, on_seal: drop}}
"""


def numbered(arrests: Sequence[Arrest], complaints: Sequence[Complaint], *, start: int = 0) -> World:
    """A world in which every row has a number of its own."""
    return World(
        tuple(replace(one, arrest_number=f"a{start + n}") for n, one in enumerate(arrests)),
        tuple(replace(one, complaint_number=f"r{start + n}") for n, one in enumerate(complaints)),
    )


WORLDS = st.builds(numbered, st.lists(ARRESTS, max_size=9), st.lists(COMPLAINTS, max_size=5))


def crowded(seed: int) -> World:
    """One world with more rows than hypothesis likes to draw, so that most edges are met in it."""
    pick = random.Random(seed)
    one, many = pick.choice, (9, 40, 30)[seed % 3]
    edges = [0, 1, 2, 3, 7] if many == 30 else EDGES

    def day() -> dt.date | None:
        return None if pick.random() < 0.1 else FIRST + dt.timedelta(days=one(edges) + one(edges))

    people, numbers = [*PEOPLE, "di", "ed"], [*NUMBERS, *"defghijk"]
    arrests = [
        Arrest("", one(people), one(numbers), day(), one(OFFENSES), one(PRECINCTS), one(PLACES), one(PLACES), one(AGES))
        for _ in range(many)
    ]
    return numbered(arrests, [Complaint("", day(), one(PRECINCTS), one(NARRATIVES)) for _ in range(many)])


def table(rows: Sequence[Arrest] | Sequence[Complaint], schema: pa.Schema) -> pa.Table:
    columns = zip(*map(astuple, rows), strict=True) if rows else [()] * len(schema)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)], schema=schema)


def tables(world: World) -> dict[str, pa.Table]:
    return {"arrests": table(world.arrests, _ARRESTS), "complaints": table(world.complaints, _COMPLAINTS)}


def lay(folder: Path) -> Policy:
    """Copy the set as its page says, and declare it."""
    shutil.copytree(READY, folder / "features")
    declared = (folder / "features/features.yaml").read_text(encoding="utf-8")
    (folder / "sealing.yaml").write_text(_POLICY + declared, encoding="utf-8")
    return Policy.load(folder / "sealing.yaml")


def publish(folder: Path, world: World, *, seed: int | None = None) -> None:
    """Write a world as a strip does; with a seed in another order, in other files."""
    shutil.rmtree(folder / "clean", ignore_errors=True)
    for name, rows in tables(world).items():
        (folder / "clean" / name).mkdir(parents=True)
        order, names = list(range(rows.num_rows)), ["0"]
        if seed is not None:
            random.Random(seed).shuffle(order)
            names = ["z", "b", "y"]
        for number, part in enumerate(names):
            pq.write_table(rows.take(order[number :: len(names)]), folder / "clean" / name / f"{part}.parquet")
    receipt = Receipt("", "", "", "", "", "", "", {}, digest.of_folder(folder / "clean"))
    (folder / "clean/receipt.json").write_text(receipt.to_json(), encoding="utf-8")


class Asked:
    """The queries as they run, on tables in memory."""

    def __init__(self, policy: Policy) -> None:
        self.queries: dict[str, Query] = queries(policy)
        self._connection = duckdb.connect(config={"threads": 1})

    def rows(self, name: str, world: World, *, sql: str | None = None) -> list[Row]:
        """What a feature answers; with `sql` what it would."""
        for source, rows in tables(world).items():
            self._connection.register("given", rows)
            self._connection.execute(f"CREATE OR REPLACE TABLE {source} AS FROM given")
        return self._connection.execute(sql or self.queries[name].cast).fetchall()
