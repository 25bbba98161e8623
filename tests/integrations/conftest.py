"""Warnings of other people's code, by message, in one place; and a register to test with."""

from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from sanitizers.identifiers import Key, Kinds, tokenise
from sanitizers.register import snapshot
from sanitizers.register.links import BARRED_SCHEMA

THIRD_PARTY = {
    "great_expectations": [],
    "mlflow": [r"The ``noload`` loader strategy is deprecated"],  # mlflow 3.17 with sqlalchemy 2.1
}
KINDS = Kinds.parse(
    "arrest_number: {scope: record, pattern: '[BKMQS][0-9]{8}'}\n"
    "docket: {scope: shared, pattern: '[0-9]{10}', width: 10}"
)
KEY = Key("ab" * 32)
SEALED = ["M17654502", "B17000002"]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the tests of an integration pass over the warnings that its tool is known to give."""
    for item in items:
        for tool, messages in THIRD_PARTY.items():
            if tool in item.path.name:
                for message in messages:
                    item.add_marker(pytest.mark.filterwarnings(f"ignore:{message}"))


def write_snapshot(path: Path, numbers: list[str]) -> Path:
    own = tokenise(pl.Series(numbers, dtype=pl.String), name="arrest_number", kind=KINDS["arrest_number"], key=KEY)
    barred = pa.table([["arrest_number"] * len(numbers), own.hi, own.lo, [""] * len(numbers)], schema=BARRED_SCHEMA)
    day = dict.fromkeys(["as_of", "known_at", "last_delivery"], "2020-01-01")
    dated = {**day, "historical": False, "not_barred": {}, "basis": "", "rules": "us-ny"}
    snapshot.write(path, purpose="predictive-model", kinds=KINDS, key=KEY, barred=barred, dated=dated)
    return path


@pytest.fixture(scope="session")
def register(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Paths of a snapshot that bars `SEALED`, of one that bars nothing, and of the key."""
    folder = tmp_path_factory.mktemp("register")
    key = folder / "key"
    key.write_text(KEY.reveal())
    return {
        "snapshot": write_snapshot(folder / "full.snap", SEALED),
        "empty": write_snapshot(folder / "empty.snap", []),
        "key": key,
    }
