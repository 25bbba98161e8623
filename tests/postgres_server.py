"""A PostgreSQL server of the tests' own, on loopback, from Debian's packages; where there is none, tests skip."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import mkdtemp

import pytest

NOBODY = "postgres"  # the server refuses to run as root


def _programs() -> Path | None:
    """The folder with the server's programs."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


@dataclass
class Server:
    """A running server, and SQL for it."""

    programs: Path
    folder: Path
    port: int
    password: str = field(repr=False)

    @property
    def dsn(self) -> str:
        """How to connect to it."""
        return f"host=127.0.0.1 port={self.port} dbname=postgres user=keeper password={self.password}"

    def command(self, *options: str) -> list[str]:
        """The command that runs SQL."""
        return [str(self.programs / "psql"), self.dsn, "-qAtX", "-v", "ON_ERROR_STOP=1", *options]

    def sql(self, *statements: str) -> str:
        """Run statements, each in a transaction of its own; gives what they answer."""
        options = [word for statement in statements for word in ("-c", statement)]
        ended = subprocess.run(self.command(*options), capture_output=True, text=True, timeout=60, check=False)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()


def _as_nobody() -> dict[str, object]:
    """Who the server runs as: not root."""
    if os.geteuid():
        return {}
    own = pwd.getpwnam(NOBODY)
    return {"user": own.pw_uid, "group": own.pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """The server, started once and ended by its process."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed; `.ci/run` installs it from Debian's packages")
    folder, who = Path(mkdtemp(prefix="sealproof-postgres-")), _as_nobody()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(programs, folder, port, secrets.token_hex(12))
    (folder / "password").write_text(server.password, encoding="utf-8")
    for path in (folder, folder / "password"):
        if who:
            shutil.chown(path, NOBODY)
    options = ["--auth=scram-sha-256", "--username=keeper", f"--pwfile={folder / 'password'}", "--encoding=UTF8",
               "--locale=C.UTF-8", "--no-sync"]  # fmt: skip
    subprocess.run([programs / "initdb", "-D", folder / "data", *options], cwd=folder, capture_output=True, check=True, **who)  # type: ignore[call-overload]
    settings = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", "fsync=off"]
    flags = [word for setting in settings for word in ("-c", setting)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [programs / "postgres", "-D", folder / "data", *flags], cwd=folder, stdout=log, stderr=log, **who
        )  # type: ignore[call-overload]
    try:
        _wait(server, process)
        yield server
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(30)
        shutil.rmtree(folder)


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    ready = [str(server.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(server.port)]
    for _ in range(300):
        assert process.poll() is None, "the PostgreSQL server has not started"
        if subprocess.run(ready, check=False).returncode == 0:
            return
        time.sleep(0.2)
    raise AssertionError("the PostgreSQL server does not answer")
