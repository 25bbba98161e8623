"""What is old: data sets, models, notebooks and registered models that are there before the first strip."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from sanitizers.documents import parse_yaml
from sanitizers.errors import SealproofError
from sanitizers.init.repository import LEGACY, OWN, POLICY, Repository
from sanitizers.legacy import Legacy, What

DATA = {
    ".csv", ".tsv", ".parquet", ".feather", ".arrow", ".jsonl", ".ndjson", ".xlsx", ".xls", ".npy", ".npz", ".sqlite",
    ".sqlite3", ".db", ".duckdb", ".dta", ".sas7bdat", ".sav", ".rds", ".rdata", ".zip", ".gz", ".tar", ".7z",
}  # fmt: skip
MODELS = {
    ".pkl", ".pickle", ".joblib", ".skops", ".onnx", ".pt", ".pth", ".h5", ".hdf5", ".keras", ".cbm", ".safetensors",
    ".pmml", ".ubj", ".bin", ".model",
}  # fmt: skip
RECEIPT = f"{OWN}/clean/receipt.json"
_STORE = ("mlflow.db", "mlruns.db")


@dataclass(frozen=True)
class Old:
    """The text of the legacy list, and what has to be told of it."""

    text: str
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Version:
    """A version of a registered model, and where its files lie."""

    name: str
    version: str
    place: str


def legacy_of(repository: Repository, raw: Path) -> Old:
    """List what is older than the first strip; nothing once a strip has been published.

    Raises
    ------
    SourceFailure
        A file cannot be read.
    """
    if repository.has(LEGACY):
        return Old("", ())
    if repository.has(RECEIPT):
        return Old("", (f"{RECEIPT} is there: after the first strip nothing is listed as older than it",))
    found: dict[str, What] = {}
    notes: list[str] = []
    files = [path for path in repository.files if not path.is_relative_to(raw)]
    for path in files:
        what = _what(repository, path)
        if what and path.is_file():
            found[repository.name_of(path)] = what
    for version in _registered(repository, notes):
        _take(repository, version, found, notes)
    away = [out.text for out in repository.pointers]
    if away:
        notes.append(f"{len(away)} thing(s) that DVC tracks are not here, and not listed: pull them first")
    if found:
        notes.append(f"{len(found)} file(s) are older than the first strip: listed in {LEGACY}, and judged apart")
    if repository.has(POLICY):
        notes.append(f"let the gate know the list: write `gate: {{legacy: {LEGACY}}}` in {POLICY}")
    return Old(Legacy.of(repository.root, found).to_yaml(), tuple(notes))


def _what(repository: Repository, path: Path) -> What | None:
    """What an old file is; None for what holds no data."""
    ending = path.suffix.lower()
    if ending == ".dvc" or path.name in _STORE:
        return None
    if ending == ".ipynb":
        return "notebook" if _has_outputs(path) else None
    if ending in MODELS:
        return "model"
    if ending in DATA:
        return "data"
    if any(out.holds(path) for out in repository.outs):
        return "stage output" if repository.made(path) else "data"
    return None


def _has_outputs(path: Path) -> bool:
    """Whether a notebook shows anything; one that cannot be read may."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        return any(cell.get("outputs") or cell.get("attachments") for cell in cells)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return True


# -- models that MLflow has registered --------------------------------------------------------------------------------


def _registered(repository: Repository, notes: list[str]) -> Iterator[_Version]:
    """Versions of registered models, in stores of either make; MLflow itself is not needed."""
    for path in repository.files:
        if path.name in _STORE:
            yield from _in_database(repository, path, notes)
        elif path.name == "meta.yaml" and re.fullmatch(r"version-[0-9]+", path.parent.name):
            try:
                content: dict[str, Any] = parse_yaml(path.read_text("utf-8", "replace"), str(path))
            except (SealproofError, OSError):
                notes.append(f"{repository.name_of(path)} cannot be read: look for its model by hand")
                continue
            place = content.get("storage_location") or content.get("source") or ""
            yield _Version(path.parent.parent.name, path.parent.name.removeprefix("version-"), str(place))


def _in_database(repository: Repository, path: Path, notes: list[str]) -> Iterator[_Version]:
    told = repository.name_of(path)
    notes.append(f"{told} is an MLflow store: names and figures of old runs stay in it, whatever is stripped")
    rows: list[tuple[Any, ...]] = []
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as store:
            query = "SELECT name, version, COALESCE(storage_location, source, '') FROM model_versions"
            rows = store.execute(query).fetchall()
    except sqlite3.Error:
        notes.append(f"{told} cannot be read: look for its registered models by hand")
    yield from (_Version(str(name), str(version), str(place)) for name, version, place in rows)


def _take(repository: Repository, version: _Version, found: dict[str, What], notes: list[str]) -> None:
    """List the files of a registered model; what lies elsewhere is told."""
    told = f"registered model {version.name}, version {version.version}"
    parts = urlsplit(version.place)
    folder = Path(unquote(parts.path)) if parts.scheme in ("", "file") else None
    folder = repository.root / folder if folder is not None else None
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder and version.place else []
    inside = [path for path in files if path.is_relative_to(repository.root)]
    found.update({repository.name_of(path): "registered model" for path in inside})
    if not inside:
        notes.append(f"{told} lies outside of this repository, or is not there: not listed; look at it by hand")
