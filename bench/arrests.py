"""Invented arrests for the benches: a table of nine columns, seals on it, and the register that knows them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from sanitizers.engine.duckdb import DuckDB
from sanitizers.identifiers import Key, Kinds
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules

KINDS = Kinds.parse("arrest_number: {scope: record, pattern: '[BKMQS][0-9]{8}'}")
DAY = dt.date(2020, 1, 1)
KEY = Key("0123456789abcdef" * 4)


def policy(path: str, form: str) -> str:
    """A policy for arrests that lie at `path`, published as `form`."""
    return f"""
version: 1
rules: us-ny
purpose: predictive-model
register: {{snapshot: bench.snap}}
publish: {{arrest_number: {form}}}
sources:
  arrests:
    path: {path}
    primary_key: arrest_number
    columns: {{arrest_number: {{kind: arrest_number, on_seal: drop}}}}
"""


def raw_table(rows: int) -> pa.Table:
    """Arrests of 3,000 days, in no order."""
    random = np.random.default_rng(7)
    number = random.permutation(rows)
    borough = np.array(list("BKMQS"))[number % 5]
    arrest = pd.Series(borough).str.cat(pd.Series(number).astype(str).str.zfill(8))
    return pa.table(
        {
            "arrest_number": pa.array(arrest, pa.string()),
            "arrest_date": pa.array(random.integers(15_000, 18_000, rows).astype(np.int32), pa.date32()),
            "offense": pa.array(np.array(["ROBBERY", "BURGLARY", "ASSAULT", "DRUG", "FARE"])[random.integers(0, 5, rows)]),
            "precinct": random.integers(1, 124, rows).astype(np.int16),
            "x": random.normal(1e6, 2e4, rows),
            "y": random.normal(2e5, 2e4, rows),
            "age": random.integers(16, 80, rows).astype(np.int16),
            "sex": pa.array(np.array(["F", "M"])[random.integers(0, 2, rows)]),
            "officer": random.integers(10_000, 60_000, rows),
        }
    )


def seal(folder: Path, chosen: pa.Array) -> None:
    """Deliver seals into the folder's register, and take the day's snapshot."""
    day = DAY.isoformat()
    constant = {"kind": "arrest_number", "action": "seal", "statute": "CPL 160.50", "effective_on": day, "recorded_on": day}
    feed = pa.table({"identifier": chosen, **{name: pa.array([text] * len(chosen)) for name, text in constant.items()}})
    rules, register = Rules.find("us-ny", folder), Register(folder / "register", kinds=KINDS, key=KEY)
    register.add(feed, rules=rules, delivered_on=DAY)
    with DuckDB() as engine:
        register.snapshot(folder / "bench.snap", rules=rules, purpose="predictive-model", as_of=DAY, engine=engine)
