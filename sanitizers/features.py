"""Features: SQL over clean sources only, so that a feature holds nothing that the clean sources do not hold.

One file, one query, in DuckDB's dialect. A query may read clean sources and other features, nothing else, and may call
only the functions listed here: no readers, no clock, no chance, nothing whose answer depends on the order of rows. Its
columns and their types are declared in the policy. What has been checked is what runs: the engine gets the checked tree
written out anew, on a connection that can reach nothing but the clean files.

A function joins `FUNCTIONS` when engines agree on what it answers.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from sqlglot.errors import SqlglotError
from sqlglot.parsers.duckdb import DuckDBParser

from sanitizers import digest, documents, publish
from sanitizers.documents import nearest
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.forms import ROWS, RawFile, files_of, fixed_folder
from sanitizers.errors import (
    ConfigurationError, EngineFailure, Fault, Faults, PublishFailure, SourceFailure, gathered,
)  # fmt: skip
from sanitizers.policy import Feature, Policy
from sanitizers.strip.receipt import RECEIPT, Receipt
