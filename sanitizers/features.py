"""Features: SQL over clean sources only, so that a feature holds nothing that the clean sources do not hold.

One file, one query, in DuckDB's dialect. A query reads clean sources and other features and nothing else, and calls only
the functions listed here: no readers, no clock, no chance, nothing whose answer depends on the order of rows. What was
checked is what runs: the engine gets the checked tree, written out anew, on a connection that can reach nothing but the
clean files. The answer is cast to the columns and types that the policy declares.

A function joins `FUNCTIONS` when engines agree on what it answers.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from sqlglot import ErrorLevel, exp
from sqlglot.dialects.duckdb import DuckDB as Dialect
from sqlglot.errors import ParseError, SqlglotError
from sqlglot.parsers.duckdb import DuckDBParser

from sanitizers import digest, documents, publish
from sanitizers.documents import nearest
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.forms import ROWS, RawFile, files_of, fixed_folder
from sanitizers.errors import ConfigurationError, EngineFailure, Fault, Faults, PublishFailure, SourceFailure, gathered
from sanitizers.policy import Feature, Policy
from sanitizers.strip.receipt import RECEIPT, Receipt

FORMAT = 1
CHAIN = "chain.json"

FUNCTIONS = frozenset(
    """
    count count_if sum avg min max bool_and bool_or
    rank dense_rank row_number lag lead first_value last_value
    coalesce ifnull nullif greatest least
    abs ceil ceiling floor round trunc sign sqrt
    lower upper trim ltrim rtrim length substring substr left right replace starts_with ends_with contains
    lpad rpad strpos
    year quarter month day hour minute isodow date_trunc date_diff datediff make_date strptime try_strptime strftime
    len list_contains unnest range generate_series
    """.split()
)
"""What a query may call."""

