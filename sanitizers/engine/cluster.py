"""The session with a Spark cluster: configured so that nothing readable is left on disk or in logs."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa

from sanitizers.errors import EngineFailure, Fault

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

P = TypeVar("P")
R = TypeVar("R")
_ANSWER, _WORKER = 5, 60  # seconds in which a master and a worker must have answered
_LOOPBACK = "127.0.0.1"
_ENCRYPTED = "spark.io.encryption.enabled"
_MASTER = "look at the address, and whether a Spark 4.0 master runs there; `--engine duckdb` needs none"
_SQL = {"spark.sql.session.timeZone": "UTC", "spark.sql.ansi.enabled": "true"}
_WITHHELD = "its message is withheld, because it may quote the data"


class Cluster:
    """A session, and what one engine has in it.

    Parameters
    ----------
    session
        With encrypted files.
    own
        Whether the session ends with the engine.
    """

    def __init__(self, session: SparkSession, *, own: bool) -> None:
        self._whole, self._ends = session, own
        self.session = session.newSession()  # with names of its own: other engines may use the cluster too
        for name, value in _SQL.items():
            self.session.conf.set(name, value)
        self._frames: dict[str, DataFrame] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._frames

    def _keep(self, name: str, rows: DataFrame, shown: DataFrame | None = None) -> None:
        (rows if shown is None else shown).createOrReplaceTempView(name)
        self._frames[name] = rows

    def hold_mapped(self, name: str, work: Any, *, tasks: int, schema: pa.Schema) -> DataFrame:
        """Have the workers make rows, and keep them there; `work` maps batches of numbers of tasks to rows."""
        from pyspark.sql.pandas.types import from_arrow_schema

        numbers = self.session.range(0, tasks, 1, tasks)
        rows = numbers.mapInArrow(work, from_arrow_schema(schema, prefer_timestamp_ntz=True)).persist()
        self._keep(name, rows)
        return rows

    def hold_answer(self, name: str, sql: str) -> None:
        """Keep what a query answers, on the workers."""
        self._keep(name, self.session.sql(sql).persist())

    def show(self, name: str, paths: Sequence[str], columns: Sequence[str]) -> None:
        """Give a name to some columns of Parquet files, which are read where they are asked for."""
        reader = self.session.read.option("recursiveFileLookup", "true")  # no columns from names of folders
        self._keep(name, reader.parquet(*paths).select(*(f"`{column}`" for column in columns)))

    def send(self, name: str, table: pa.Table) -> None:
        """Send a table to every worker: what is joined with it stays where it is."""
        from pyspark.sql.functions import broadcast

        rows = self.session.createDataFrame(table)
        self._keep(name, rows, broadcast(rows))

    def fetch(self, sql: str) -> pa.Table:
        """Rows of a query."""
        return self.session.sql(sql).toArrow()

    def shared(self, work: Callable[[P], R], pieces: Sequence[P]) -> list[R]:
        """Have the workers do something to each piece."""
        if not pieces:
            return []
        return self.session.sparkContext.parallelize(pieces, len(pieces)).map(work).collect()

    def close(self) -> None:
        """Forget what the engine has in the session; end it if it is the engine's own."""
        if self._ends:
            self._whole.stop()
            return
        for name, rows in self._frames.items():
            self.session.catalog.dropTempView(name)
            rows.unpersist()
        self._frames.clear()


def _silence() -> None:
    """Keep pyspark from logging what Spark says of a query: it may quote the data."""
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logging.getLogger(name).disabled = True


def connected(master: str, scratch: Path) -> Cluster:
    """The cluster behind a master's address.

    Where this process has a session with it already, that one is used, and goes on.

    Raises
    ------
    EngineFailure
        Spark is not installed, no master or worker answers, or the session there is writes files that can be read.
    """
    if find_spec("pyspark") is None:
        raise EngineFailure(Fault("Spark is not installed", "pip install 'sealproof[spark]'", column="--engine"))
    from pyspark.sql import SparkSession

    _silence()
    local = _answering(master)
    active = SparkSession.getActiveSession()
    if active is None:
        return Cluster(started(master, settings(scratch, local=local)), own=True)
    problem = ""
    if active.sparkContext.master != master:
        problem = "this process has a Spark session with another master"
    elif active.sparkContext.getConf().get(_ENCRYPTED) != "true":
        problem = f"the Spark session of this process was started without {_ENCRYPTED}=true"
    if problem:
        raise EngineFailure(Fault(problem, "stop it: a new one is started", where=master))
    return Cluster(active, own=False)


def started(master: str, settings: dict[str, str]) -> SparkSession:
    """Start a session with a cluster.

    Raises
    ------
    EngineFailure
        See `connected`.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        raise EngineFailure(Fault("there is no Java", "install Java 17, as openjdk-17-jre-headless of Debian"))
    conf = SparkConf(loadDefaults=False).setMaster(master).setAll(list(settings.items()))
    failed = ""
    try:
        with _interrupts_kept():
            if SparkContext._gateway is None:  # its words go nowhere: they may quote the data
                nowhere = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
                SparkContext._gateway = launch_gateway(conf, nowhere)  # type: ignore[no-untyped-call]
                SparkContext._jvm = SparkContext._gateway.jvm
            session = SparkSession.builder.config(conf=conf).getOrCreate()
            session.sparkContext.pythonExec = sys.executable  # where the same sealproof is installed
            _await_worker(session, master)
    except errors() as error:
        failed = type(error).__name__
    if failed:
        raise EngineFailure(Fault(f"the master does not take the run ({failed})", _MASTER, where=master))
    return session


def settings(scratch: Path, *, local: bool) -> dict[str, str]:
    """How a session has to be configured; what is not named here is the cluster's own affair.

    Parameters
    ----------
    scratch
        Private folder for what the driver writes.
    local
        Whether the master is on this machine, and nobody else needs to reach the driver.
    """
    own = {
        "spark.app.name": "sealproof",
        _ENCRYPTED: "true",
        "spark.local.dir": str(scratch / "spark"),
        "spark.sql.warehouse.dir": str(scratch / "warehouse"),  # nothing is written to one
        "spark.sql.catalogImplementation": "in-memory",
        "spark.ui.enabled": "false",  # it shows plans, which hold literals
        "spark.eventLog.enabled": "false",
        "spark.log.level": "OFF",  # an exception of Spark's quotes cells
        "spark.executor.syncLogLevel.enabled": "true",
    }
    return own | ({"spark.driver.host": _LOOPBACK, "spark.driver.bindAddress": _LOOPBACK} if local else {})


def _answering(master: str) -> bool:
    """Whether the master, which has to answer, is on this machine."""
    host, _, port = master.removeprefix("spark://").rpartition(":")
    problem = ""
    try:
        with socket.create_connection((host, int(port)), timeout=_ANSWER) as connection:
            return str(connection.getpeername()[0]).startswith("127.")
    except (OSError, OverflowError) as error:
        problem = f"no Spark master answers ({type(error).__name__})"
    raise EngineFailure(Fault(problem, _MASTER, where=master, column="--engine"))


def _await_worker(session: SparkSession, master: str) -> None:
    tracker: Any = session.sparkContext._jsc.sc().statusTracker()
    end = time.monotonic() + _WORKER
    while len(tracker.getExecutorInfos()) < 2:  # noqa: PLR2004 - the first is the driver
        if time.monotonic() > end:
            session.stop()
            remedy = "start workers, or free cores and memory: `spark.executor.memory`, `spark.cores.max`"
            raise EngineFailure(Fault("no worker of the cluster takes the run", remedy, where=master))
        time.sleep(0.05)


@contextmanager
def _interrupts_kept() -> Iterator[None]:
    """Keep what Ctrl-C does: Spark puts something of its own in its place."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def errors() -> tuple[type[Exception], ...]:
    """What Spark and the way to it raise."""
    from py4j.protocol import Py4JError
    from pyspark.errors import PySparkException

    return (Py4JError, PySparkException, ConnectionError)


def failure(step: str, error: Exception) -> EngineFailure:
    """Our error for one of theirs, without its words."""
    return EngineFailure(Fault(f"{step}: Spark failed ({type(error).__name__})", _WITHHELD))
