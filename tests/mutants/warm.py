"""Loaded once, before a process is forked for each mutant: what is slow to import or to compute, and starts no thread."""

import ibis.backends.duckdb  # noqa: F401
import pandas as pd  # noqa: F401
from hypothesis import settings

from sanitizers.patterns import _spellings

settings.register_profile("mutants", max_examples=20, derandomize=True, database=None, deadline=None)
_spellings()
