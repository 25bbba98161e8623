"""A real Spark cluster on loopback: a master and two workers of one core each, from the pyspark wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

LOOPBACK = "127.0.0.1"


@dataclass
class Running:
    """A cluster that runs.

    Parameters
    ----------
    folder
        Where its files are: logs, the applications' own folders, and in ``local`` what executors spill.
    """

    master: str
    folder: Path
    workers: list[subprocess.Popen] = field(default_factory=list)


def _environment(folder: Path) -> dict[str, str]:
    import pyspark

    return os.environ | {
        "SPARK_HOME": str(Path(pyspark.__file__).parent),
        "SPARK_LOCAL_IP": LOOPBACK,
        "SPARK_LOCAL_DIRS": str(folder / "local"),
        "SPARK_WORKER_DIR": str(folder / "work"),
        "SPARK_DAEMON_MEMORY": "128m",
    }


def _start(folder: Path, name: str, what: str, *arguments: str) -> subprocess.Popen:
    environment = _environment(folder)
    program = Path(environment["SPARK_HOME"]) / "bin/spark-class"
    with (folder / f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [program, f"org.apache.spark.deploy.{what}", "--host", LOOPBACK, "--webui-port", "0", *arguments],
            env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip


def _told(folder: Path, name: str, pattern: str) -> str:
    """Wait until a log says something."""
    for _ in range(600):
        if found := re.search(pattern, (folder / f"{name}.log").read_text(errors="replace")):
            return found[1]
        time.sleep(0.1)
    raise TimeoutError(name)


def add_worker(cluster: Running, memory: str = "1g") -> subprocess.Popen:
    """Start one more worker of one core."""
    name = f"worker{len(cluster.workers)}"
    given = ["--cores", "1", "--memory", memory, cluster.master]
    cluster.workers.append(_start(cluster.folder, name, "worker.Worker", *given))
    _told(cluster.folder, name, "(Successfully registered)")
    return cluster.workers[-1]


@contextmanager
def running(memory: str = "1g") -> Iterator[Running]:
    """A cluster that runs as long as the block does; each worker has so much memory for its executor."""
    if shutil.which("java") is None:
        pytest.skip("no Java: .ci/run installs Debian's")
    pytest.importorskip("pyspark")
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    (folder / "local").mkdir(mode=0o700)
    master = _start(folder, "master", "master.Master", "--port", "0")
    cluster = Running("", folder)
    try:
        cluster.master = _told(folder, "master", r"Starting Spark master at (spark://\S+)")
        for _ in range(2):
            add_worker(cluster, memory)
        yield cluster
    finally:
        for process in [*cluster.workers, master]:
            process.terminate()
        for process in [*cluster.workers, master]:
            process.wait(timeout=30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Running]:
    """The cluster of the tests of one module."""
    with running() as own:
        yield own


@pytest.fixture(scope="module")
def master(cluster: Running) -> Iterator[str]:
    """Address of the cluster, with one small session that all its engines share."""
    from sanitizers.engine import cluster as engine

    scratch = cluster.folder / "driver"
    scratch.mkdir(mode=0o700)
    small = {"spark.executor.memory": "512m", "spark.sql.shuffle.partitions": "2"}
    session = engine.started(cluster.master, engine.settings(scratch, local=True) | small)
    yield cluster.master
    session.stop()
