"""Which engine a run uses: one that stands in this process, or a cluster that is named."""

from __future__ import annotations

import re
from pathlib import Path

from sanitizers.engine.contract import Engine
from sanitizers.engine.duckdb import DuckDB
from sanitizers.errors import ConfigurationError, Fault

DUCKDB = "duckdb"


def opened(name: str, scratch: Path | None = None) -> Engine:
    """Start an engine.

    Parameters
    ----------
    name
        ``duckdb``, or the address of a Spark master as ``spark://host:port``.
    scratch
        Private folder for what the engine spills; a temporary one if None.

    Raises
    ------
    ConfigurationError
        No such engine.
    EngineFailure
        It cannot be started: not installed, or no master or worker answers.

    Examples
    --------
    >>> with opened("duckdb") as engine:
    ...     print(engine.apart)
    False
    """
    if name == DUCKDB:
        return DuckDB(scratch)
    if re.fullmatch(r"spark://[^/:\s]+:[0-9]{1,5}", name):
        from sanitizers.engine.spark import Spark

        return Spark(name, scratch)
    raise ConfigurationError(Fault("no such engine", "write duckdb, or spark://host:port", column="--engine"))
