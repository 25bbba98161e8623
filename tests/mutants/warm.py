"""Loaded once, before a process is forked for each mutant: what is slow to import or to compute, and starts no thread."""

import os
import resource

import ibis
import ibis.backends.duckdb  # noqa: F401
import pandas as pd  # noqa: F401
import pytest
from hypothesis import settings

from sanitizers.patterns import _spellings

settings.register_profile("mutants", max_examples=10, derandomize=True, database=None, deadline=None)
_spellings()
_left, _right = (ibis.table({"row": "int64", "text": "string"}, name=name) for name in "lr")
_joined = _left.filter(_left.row > 0).join(_right, "row").mutate(one=ibis.literal(1)).distinct()
ibis.to_sql(ibis.union(_joined, _joined).group_by("row").agg(most=ibis._.one.max()).order_by("row"), dialect="duckdb")

ENDLESS = 40  # seconds of a process's own time; all tests together take a fraction of it


def pytest_sessionstart(session: pytest.Session) -> None:
    """End a mutant that has no end: by its own time, for other work on the machine takes none of that."""
    if "__mutmut_" in os.environ.get("MUTANT_UNDER_TEST", ""):
        resource.setrlimit(resource.RLIMIT_CPU, (ENDLESS, ENDLESS + 1))
