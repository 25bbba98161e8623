"""MLflow: record a run — model, measures, data sets by our own digests, and the verdict, green or red.

Nothing is logged by itself: no autologging, no input examples, no rows, no user name. MLflow's own digest of a data set
covers its first rows only, so ours is given in its place, and whole in a tag. The model is stored as the file it is:
nothing is pickled, and loading it runs no code of MLflow's.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from sanitizers import digest
from sanitizers.errors import ConfigurationError, Fault, PublishFailure, SourceFailure
from sanitizers.strip.receipt import Receipt

if TYPE_CHECKING:
    from mlflow import MlflowClient

_TOLD = ("verdict", "purpose", "rules", "basis", "policy", "snapshot", "as_of", "known_at")
_DIGEST_LENGTH = 36


def record(
    *,
    tracking_uri: str,
    experiment: str,
    run_name: str,
    receipt: Path,
    verdict: Path,
    datasets: Mapping[str, tuple[Path, str]],
    model_file: Path | None = None,
    metrics: Mapping[str, float] | None = None,
    params: Mapping[str, Any] | None = None,
    artifacts: Sequence[Path] = (),
) -> str:
    """Record a run.

    Parameters
    ----------
    tracking_uri
        ``sqlite:///…`` or an ``http(s)://`` tracking server. Beside a SQLite file, artifacts go to a folder of the
        file's own name.
    experiment, run_name
        Where it is recorded; the experiment is made if needed.
    receipt, verdict
        The files that strip and gate wrote. What the verdict says is in the tags ``sealproof.*``; a red one is recorded
        as a green one is.
    datasets
        Name → path and SHA-256 of the file.
    model_file
        The model as it was stored; recorded as a logged model and as an artifact of the run.
    metrics, params
        By name.
    artifacts
        Further files; each below the name of its folder.

    Returns
    -------
    str
        The run's id.

    Raises
    ------
    SourceFailure
        Receipt, verdict or model cannot be read, or a data set is not the file that its digest was taken from.
    ConfigurationError
        A metric is not a number.
    PublishFailure
        MLflow could not record the run; what was begun is marked as failed.
    """
    tags = _tags(receipt, verdict)
    inputs = {name: (path, _checked(path, sha)) for name, (path, sha) in datasets.items()}
    numbers = {name: _number(name, value) for name, value in (metrics or {}).items()}
    model = digest.of_file(model_file) if model_file is not None else ""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"  # read when the library is imported
    os.environ["MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT"] = "true"
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException

    try:
        client = MlflowClient(tracking_uri=tracking_uri)
        place = _experiment(client, experiment, tracking_uri)
        run: str = client.create_run(place, run_name=run_name, tags=tags).info.run_id
        done = False
        try:
            _log_numbers(client, run, numbers, params or {})
            _log_inputs(client, run, inputs)
            _log_files(client, run, [receipt, verdict], artifacts)
            if model_file is not None:
                _log_model(client, run, place, model_file, {**tags, "sealproof.sha256": model})
            done = True
        finally:
            client.set_terminated(run, "FINISHED" if done else "FAILED")
        return run
    except (MlflowException, OSError) as error:
        problem = f"MLflow could not record the run ({type(error).__name__})"
    raise PublishFailure(Fault(problem, "is the server up, and the folder writable?", where=_place(tracking_uri)))


def _place(tracking_uri: str) -> str:
    """Tell an address without the password that it may hold."""
    parts = urlsplit(tracking_uri)
    return f"{parts.scheme}://{parts.hostname or ''}{parts.path}"


def _tags(receipt: Path, verdict: Path) -> dict[str, str]:
    """Tag the run with the verdict's words and the digests of both files."""
    Receipt.read(receipt)
    told: dict[str, Any] = {}
    try:
        content = json.loads(verdict.read_text(encoding="utf-8"))
        told = {f"sealproof.{name}": str(content[name]) for name in _TOLD}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    if not told:
        remedy = "run `sealproof gate` again"
        raise SourceFailure(Fault("is not a verdict of this release", remedy, where=str(verdict)))
    return {**told, "sealproof.receipt": digest.of_file(receipt), "sealproof.verdict_file": digest.of_file(verdict)}


def _checked(path: Path, sha: str) -> str:
    if digest.of_file(path) != sha:
        fault = Fault("is not the file that its digest was taken from", "run the stage that writes it", where=str(path))
        raise SourceFailure(fault)
    return sha


def _number(name: str, value: Any) -> float:
    if isinstance(value, int | float):
        return float(value)
    raise ConfigurationError(Fault("is not a number", "leave it out, or log it as a parameter", column=name))


def _experiment(client: MlflowClient, name: str, tracking_uri: str) -> str:
    known = client.get_experiment_by_name(name)
    if known is not None:
        return str(known.experiment_id)
    location = None
    if tracking_uri.startswith("sqlite:///"):
        location = Path(tracking_uri.removeprefix("sqlite:///")).absolute().with_suffix(".artifacts").as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def _log_numbers(client: MlflowClient, run: str, metrics: Mapping[str, float], params: Mapping[str, Any]) -> None:
    for name, value in metrics.items():
        client.log_metric(run, name, value)
    for name, value in params.items():
        client.log_param(run, name, value)


def _log_inputs(client: MlflowClient, run: str, datasets: Mapping[str, tuple[Path, str]]) -> None:
    """Log the data sets as files with our digest; no schema, no profile, no rows."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = [
        DatasetInput(
            Dataset(name, sha[:_DIGEST_LENGTH], "local", json.dumps({"uri": path.as_posix()})),
            [InputTag("mlflow.data.context", "training"), InputTag("sealproof.sha256", sha)],
        )
        for name, (path, sha) in datasets.items()
    ]
    if inputs:
        client.log_inputs(run, inputs)


def _log_files(client: MlflowClient, run: str, evidence: Sequence[Path], artifacts: Sequence[Path]) -> None:
    for path in evidence:
        client.log_artifact(run, str(path), "sealproof")
    for path in artifacts:
        if path not in evidence:
            client.log_artifact(run, str(path), path.absolute().parent.name)


def _log_model(client: MlflowClient, run: str, experiment: str, path: Path, tags: Mapping[str, str]) -> None:
    """Log the model file as it is: an artifact of the run, and a logged model that the verdict's tags go with."""
    client.log_artifact(run, str(path), "model")
    name = f"sealproof-{path.stem}"  # of another name than the folder: MLflow would list the two as one
    logged = client.create_logged_model(experiment, name=name, source_run_id=run, tags=dict(tags), model_type="skops")
    client.log_model_artifact(logged.model_id, str(path))
    client.finalize_logged_model(logged.model_id, "READY")
