"""Recording in MLflow: what is told, what is never told, and that a server takes it as a file does."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from sanitizers.errors import ConfigurationError, PublishFailure, SourceFailure
from sanitizers.integrations.mlflow import record
from sanitizers.strip.receipt import Receipt

mlflow = pytest.importorskip("mlflow")

PATIENCE = 150.0
RECEIPT = Receipt("p" * 64, "predictive-model", "us-ny", "a basis", "s" * 64, "f" * 16, "k" * 64, sources={})
VERDICT = {
    "verdict": "contaminated",
    "purpose": "predictive-model",
    "rules": "us-ny",
    "basis": "a basis",
    "policy": "p" * 64,
    "snapshot": "s" * 64,
    "as_of": "2020-01-01",
    "known_at": "2020-01-02",
    "targets": [],
}
CANARY = "M17654502"


def digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Run:
    """Everything that one run records, as files."""

    folder: Path

    def __post_init__(self) -> None:
        (self.folder / "features").mkdir()
        (self.folder / "model").mkdir()
        (self.folder / "receipt.json").write_text(RECEIPT.to_json())
        (self.folder / "verdict.json").write_text(json.dumps(VERDICT))
        (self.folder / "pairs.csv").write_text(f"arrest\n{CANARY}\n")
        (self.folder / "model" / "model.skops").write_bytes(b"a model")
        for name in ("features", "model"):
            (self.folder / name / "chain.json").write_text(json.dumps({"made_by": name}))

    def record(self, tracking_uri: str, **also: object) -> str:
        pairs = self.folder / "pairs.csv"
        given = {
            "experiment": "city",
            "run_name": "2020-01-01",
            "receipt": self.folder / "receipt.json",
            "verdict": self.folder / "verdict.json",
            "datasets": {"features/pairs.csv": (pairs, digest(pairs))},
            "model_file": self.folder / "model" / "model.skops",
            "metrics": {"auc.burglary": 0.93, "pairs": 12},
            "params": {"trees": 100},
            "artifacts": [self.folder / name / "chain.json" for name in ("features", "model")],
        }
        return record(tracking_uri=tracking_uri, **{**given, **also})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tmp_path / "run"
    folder.mkdir()
    return Run(folder)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A SQLite store; its tables are made once."""
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'mlflow.db'}"


def check(tracking_uri: str, run: Run, run_id: str) -> None:
    """Compare what a store holds with what was recorded."""
    client = mlflow.MlflowClient(tracking_uri=tracking_uri)
    held = client.get_run(run_id)
    assert held.info.status == "FINISHED"
    assert held.data.metrics == {"auc.burglary": 0.93, "pairs": 12.0}
    assert held.data.params == {"trees": "100"}
    tags = {name: value for name, value in held.data.tags.items() if name.startswith("sealproof.")}
    expected = {f"sealproof.{name}": value for name, value in VERDICT.items() if name != "targets"}
    files = {"receipt": "receipt.json", "verdict_file": "verdict.json"}
    assert tags == expected | {f"sealproof.{name}": digest(run.folder / file) for name, file in files.items()}
    (given,) = held.inputs.dataset_inputs
    sha = digest(run.folder / "pairs.csv")
    assert given.dataset.digest == sha[:36]
    assert {tag.key: tag.value for tag in given.tags}["sealproof.sha256"] == sha
    assert not given.dataset.profile
    assert not given.dataset.schema
    stored = {
        f"{folder}/{entry.path.rsplit('/', 1)[1]}"
        for folder in ("sealproof", "model", "features")
        for entry in client.list_artifacts(run_id, folder)
    }
    assert stored == {
        "sealproof/receipt.json",
        "sealproof/verdict.json",
        "model/model.skops",
        "model/chain.json",
        "features/chain.json",
    }
    (model,) = client.search_logged_models([held.info.experiment_id], filter_string=f"source_run_id = '{run_id}'")
    assert model.name == "sealproof-model"
    assert model.tags["sealproof.verdict"] == "contaminated"
    assert model.tags["sealproof.sha256"] == sha256(b"a model").hexdigest()


def test_a_red_run_is_recorded_whole_in_sqlite(run, store, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    check(store, run, run.record(store))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_no_row_reaches_the_store(run, store):
    run.record(store)
    files = [path for path in Path(store.removeprefix("sqlite:///")).parent.rglob("*") if path.is_file()]
    held = b"".join(path.read_bytes() for path in files)
    assert b"sealproof.sha256" in held
    leaked = CANARY.encode() in held
    assert not leaked


def test_nothing_but_what_was_given_is_told(run, store):
    held = mlflow.MlflowClient(tracking_uri=store).get_run(run.record(store, model_file=None, artifacts=[], metrics={}))
    others = {name for name in held.data.tags if not name.startswith("sealproof.")}
    assert others == {"mlflow.runName"}
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"


def test_a_file_that_is_another_than_its_digest_says_is_refused(run, store):
    pairs = run.folder / "pairs.csv"
    with pytest.raises(SourceFailure, match="not the file"):
        run.record(store, datasets={"pairs": (pairs, "0" * 64)})


def test_a_verdict_or_receipt_that_is_something_else_is_refused(run, store):
    (run.folder / "verdict.json").write_text("{}")
    with pytest.raises(SourceFailure, match="not a verdict"):
        run.record(store)
    (run.folder / "receipt.json").write_text("{}")
    with pytest.raises(SourceFailure, match="not a receipt"):
        run.record(store)


def test_a_metric_that_is_no_number_is_refused(run, store):
    with pytest.raises(ConfigurationError, match="auc"):
        run.record(store, metrics={"auc": "high"})


def test_a_run_that_breaks_off_is_marked_and_told_without_the_password(run, store):
    with pytest.raises(PublishFailure, match="could not record") as caught:
        run.record(store, artifacts=[run.folder / "nowhere.json"], experiment="broken")
    assert caught.value.__context__ is None
    client = mlflow.MlflowClient(tracking_uri=store)
    (held,) = client.search_runs([client.get_experiment_by_name("broken").experiment_id])
    assert held.info.status == "FAILED"
    with pytest.raises(PublishFailure) as caught:
        run.record("nonsense://user:secret@host/x")
    assert "secret" not in str(caught.value)


# -- a tracking server ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory):
    """Address of a tracking server on loopback, ended with its process group."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += [
        "--backend-store-uri",
        f"sqlite:///{folder / 'mlflow.db'}",
        "--artifacts-destination",
        str(folder / "a"),
    ]
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    environment = {**os.environ, **quiet}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True, cwd=folder)
    address = f"http://127.0.0.1:{port}"
    try:
        _wait(port, process)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def _wait(port: int, process: subprocess.Popen) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end and process.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == http.client.OK:
                return
        except OSError:
            time.sleep(0.5)
        finally:
            connection.close()
    pytest.skip(f"mlflow server did not start within {PATIENCE:.0f} s")


def test_a_tracking_server_takes_the_same_run(run, server, capsys):
    run_id = run.record(server)
    assert capsys.readouterr().out == ""
    check(server, run, run_id)
