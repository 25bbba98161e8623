"""Feeds: events from a CSV or Parquet file, or from a query over raw sources that is never written down."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from sanitizers.documents import read_text
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.forms import FORMS, RawFile, Reading
from sanitizers.engine.interrupts import interruptible
from sanitizers.engine.scanned import quoted
from sanitizers.errors import ConfigurationError, Fault


def read_feed(path: Path, reading: Reading | None = None) -> pa.Table:
    """Read a feed of events.

    Raises
    ------
    ConfigurationError
        The file is neither CSV nor Parquet.
    SourceFailure
        It cannot be read to its end.
    """
    if path.suffix.lower() not in FORMS:
        raise ConfigurationError(Fault("is neither .csv nor .parquet", "convert the feed", where=str(path)))
    file = RawFile(path, path.name, reading or Reading())
    schema = file.schema
    return pa.Table.from_batches(list(file.batches(schema.names)), schema)


def query_feed(sql: Path, sources: Mapping[str, Path]) -> pa.Table:
    """Derive events from raw sources by a query, in memory.

    Parameters
    ----------
    sql
        File with one SELECT over the names in `sources` that answers the columns of a feed. CSV columns are texts.
    sources
        Name → CSV or Parquet file.

    Raises
    ------
    ConfigurationError
        The query fails. The engine's own words are withheld, because they may quote the data.
    """
    text = read_text(sql)
    kind = ""
    with DuckDB() as engine:
        held = {name: engine.hold(read_feed(path)) for name, path in sources.items()}
        connection = engine.confined()
        try:
            for name, table in held.items():
                connection.execute(f"CREATE TEMP VIEW {quoted(name)} AS FROM {table.get_name()}")
            with interruptible():
                return connection.execute(text).to_arrow_table()
        except duckdb.Error as error:
            kind = type(error).__name__
    remedy = "try the query on invented rows; the engine's message is withheld, because it may quote the data"
    raise ConfigurationError(Fault(f"the query failed ({kind})", remedy, where=str(sql)))
