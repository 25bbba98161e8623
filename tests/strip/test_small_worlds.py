"""Strips of worlds that one can check by eye: what stands in files and frames afterwards, in the receipt, in the roster."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers import digest
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.forms import RawFile
from sanitizers.errors import ConfigurationError, KeyFailure, PublishFailure, RegisterFailure
from sanitizers.identifiers import Key, Kinds, sentinel_tokens
from sanitizers.policy import Policy
from sanitizers.register.links import LINK_SCHEMA
from sanitizers.register.snapshot import Barred, Snapshot
from sanitizers.strip import strip, strip_files
from sanitizers.strip.memory import Memory
from sanitizers.strip.plan import plan
from sanitizers.strip.receipt import RECEIPT, Receipt
from sanitizers.strip.roster import ROSTER, Roster
from sanitizers.strip.rows import clean_rows
from sanitizers.trace import raw_files, trace
from tests.identifiers import plain

DAY = dt.date(2020, 1, 1)
SECRET = "5ea1" * 16
KEY = Key(SECRET)
KINDS = Kinds.parse(
    "{arrest: {scope: record, pattern: '[BKMQS][0-9]{8}'}, photo: {scope: record, pattern: '[0-9]{6}', width: 6},"
    " case: {scope: shared, pattern: 'C[0-9]{4}'}}"
)
POLICY = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: x.snap}
publish: {photo: plain}
sources:
  arrests:
    path: raw/arrests/*.parquet
    primary_key: arrest
    columns:
      arrest: {kind: arrest, on_seal: drop}
      photo: {kind: photo, on_seal: {redact: []}, carries: any}
  photos:
    path: raw/photos.csv
    read: {delimiter: ";", encoding: cp1252}
    missing: ["", "N/A"]
    malformed: drop
    primary_key: photo
    columns: {photo: {kind: photo, on_seal: drop}}
  calls:
    path: raw/calls.jsonl
    primary_key: id
    columns: {by: {kind: arrest, on_seal: {redact: [age]}}}
  reports:
    path: raw/reports/*.parquet
    primary_key: number
    columns:
      by: {kind: arrest, on_seal: {redact: [age, charges, seen, "lots[].a"], set: {status: OPEN}}}
      "lineup[]": {kind: photo, on_seal: element}
      "also[]": {kind: arrest, on_seal: element}
      "charges[].arrest": {kind: arrest, on_seal: {redact: ["charges[].code"], set: {"charges[].n": 0, pending: 1}}}
      seen.photo: {kind: photo, on_seal: {redact: [seen.by]}}
    text:
      told: {mentions: [arrest], on_seal: sentence}
      memo: {mentions: [arrest, case], on_seal: clear}
"""
A, B, C, D = "M17000001", "B17000002", "K17000003", "Q17000004"
SEALED = {"arrest": [B]}  # photo 000002 goes with it


def token(identifier: str, kind: str = "arrest") -> str:
    return "tok_" + plain.token(SECRET, kind, identifier)


def snapshot(sealed: Mapping[str, Iterable[str]], **other: Any) -> Snapshot:
    """A snapshot in which these identifiers are sealed, each itself."""
    barred = {}
    for name, kind in KINDS.items():
        own = plain_halves(plain.token(SECRET, name, identifier) for identifier in sealed.get(name, ()))
        guard = sentinel_tokens(name, kind, KEY)
        hi, lo = (np.concatenate(halves).astype(np.uint64) for halves in zip(own, (guard.hi, guard.lo), strict=True))
        order = np.lexsort((lo, hi))
        barred[name] = Barred(hi[order], lo[order], np.zeros(len(hi), np.uint16))
    given = {"purpose": "predictive-model", "kinds": KINDS, "key_fingerprint": KEY.fingerprint, "digest": "d" * 64,
             "via": ("",), "barred": barred, "as_of": DAY, "known_at": DAY, "last_delivery": DAY, "rules": "us-ny",
             "basis": "b" * 64}  # fmt: skip
    return Snapshot(**given | other)


def plain_halves(tokens: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
    some = list(tokens)
    return np.array([int(t[:16], 16) for t in some], np.uint64), np.array([int(t[16:], 16) for t in some], np.uint64)


CHARGES = pa.list_(pa.struct([("arrest", pa.string()), ("code", pa.string()), ("n", pa.int8())]))
LOTS = pa.list_(pa.struct([("a", pa.int64()), ("b", pa.int64())]))
SEEN = pa.struct([("photo", pa.string()), ("by", pa.string())])


def charge(arrest: str | None, code: str, n: int) -> dict[str, Any]:
    return {"arrest": arrest, "code": code, "n": n}


def raw_sources() -> dict[str, pa.Table | bytes]:
    """The raw sources, by file."""
    reports = [
        {"number": 1, "by": A, "lineup": ["1", "2"], "charges": [charge(A, "x", 1), charge(B, "y", 2)],
         "seen": {"photo": "000001", "by": "ann"}, "also": [A, B, None], "lots": [{"a": 1, "b": 2}], "age": 30, "status": "CLOSED", "pending": 5,
         "told": f"Calm. See {A} there. Fine.", "memo": "Nothing."},
        {"number": 2, "by": "b17-000002", "lineup": None, "charges": [charge(C, "z", 3)],
         "seen": {"photo": "000005", "by": "bob"}, "also": [], "lots": [{"a": 3, "b": 4}, None, {"a": 5, "b": 6}], "age": 40, "status": None, "pending": 6,
         "told": f"Ran. Then {B} came! Fine.", "memo": "Calm."},
        {"number": 3, "by": None, "lineup": ["3", None], "charges": [], "seen": None, "also": None, "lots": [], "age": None, "status": "HELD",
         "pending": 7, "told": f"{B} ran. Calm.", "memo": f"Of {B}."},
        {"number": 4, "by": C, "lineup": ["2"], "charges": None, "seen": {"photo": "2", "by": "cy"}, "also": [D], "lots": None, "age": 50,
         "status": "HELD", "pending": 8, "told": f"{B}.", "memo": f"Of {C} in c-1234."},
    ]  # fmt: skip
    schema = pa.schema(
        [("number", pa.int64()), ("by", pa.string()), ("lineup", pa.list_(pa.string())), ("charges", CHARGES),
         ("seen", SEEN), ("also", pa.list_(pa.string())), ("lots", LOTS), ("age", pa.int16()), ("status", pa.string()), ("pending", pa.int64()), ("told", pa.string()),
         ("memo", pa.string())]
    )  # fmt: skip
    return {
        "arrests/1.parquet": pa.table({"arrest": [A, B], "photo": ["1", "000002"], "n": [1.5, 2.5]}),
        "arrests/2.parquet": pa.table({"arrest": [C, D], "photo": [None, "000004"], "n": [3.5, 4.5]}),
        "arrests/3.parquet": pa.table({"arrest": [B], "photo": ["2"], "n": [5.5]}),
        "calls.jsonl": f'{{"id": "1",  "by": "{A}", "age": 3, "x": [1]}}\n{{"id":"2","by":"{B}","age":4}}\n'.encode(),
        "photos.csv": "photo;what\n1;é\n2;b\nN/A;c\nCANARY;d\n000004;e\n".encode("cp1252"),
        "reports/1.parquet": pa.Table.from_pylist(reports[:3], schema),
        "reports/2.parquet": pa.Table.from_pylist(reports[3:], schema),
    }


CLEAN = {
    "arrests/1.parquet": [{"arrest": token(A), "photo": "1", "n": 1.5}],
    "arrests/2.parquet": [
        {"arrest": token(C), "photo": None, "n": 3.5},
        {"arrest": token(D), "photo": "000004", "n": 4.5},
    ],
    "arrests/3.parquet": [],
    "calls.jsonl": f'{{"id": "1",  "by": "{token(A)}", "age": 3, "x": [1]}}\n{{"id":"2","by":null,"age":null}}\n'.encode(),
    "photos.csv": "photo;what\n1;é\nN/A;c\n000004;e\n".encode("cp1252"),
    "reports/1.parquet": [
        {"number": 1, "by": token(A), "lineup": ["1"], "charges": [charge(token(A), "x", 1), {"arrest": None, "code": None, "n": 0}],
         "seen": {"photo": "000001", "by": "ann"}, "also": [token(A)], "lots": [{"a": 1, "b": 2}], "age": 30, "status": "CLOSED", "pending": 1,
         "told": "Calm. See RECORD there. Fine.", "memo": None},
        {"number": 2, "by": None, "lineup": None, "charges": None, "seen": None, "age": None,
         "also": [], "lots": [{"a": None, "b": 4}, None, {"a": None, "b": 6}], "status": "OPEN", "pending": 6, "told": "Ran. Fine.", "memo": None},
        {"number": 3, "by": None, "lineup": ["3", None], "charges": [], "seen": None, "also": None, "lots": [], "age": None, "status": "HELD",
         "pending": 7, "told": "Calm.", "memo": None},
    ],
    "reports/2.parquet": [
        {"number": 4, "by": token(C), "lineup": [], "charges": None, "seen": {"photo": None, "by": None}, "also": [token(D)], "lots": None, "age": 50,
         "status": "HELD", "pending": 8, "told": None, "memo": None},
    ],
}  # fmt: skip
STAYED = {
    "arrests/1.parquet": {"arrest": [A], "photo": ["000001"]},
    "arrests/2.parquet": {"arrest": [C, D], "photo": ["000004"]},
    "arrests/3.parquet": {"arrest": [], "photo": []},
    "calls.jsonl": {"arrest": [A]},
    "photos.csv": {"photo": ["000001", "000004"]},
    "reports/1.parquet": {"arrest": [A], "photo": ["000001", "000003"]},
    "reports/2.parquet": {"arrest": [C, D], "photo": []},
}
HELD = {
    "arrests/1.parquet": {"arrest": [A, B], "photo": ["000001", "000002"]},
    "arrests/2.parquet": {"arrest": [C, D], "photo": ["000004"]},
    "arrests/3.parquet": {"arrest": [B], "photo": ["000002"]},
    "calls.jsonl": {"arrest": [A, B]},
    "photos.csv": {"photo": ["000001", "000002", "000004"]},
    "reports/1.parquet": {"arrest": [A, B, C], "case": [], "photo": ["000001", "000002", "000003", "000005"]},
    "reports/2.parquet": {"arrest": [B, C, D], "case": ["C1234"], "photo": ["000002"]},
}


def hit(kind: str, on_seal: str, rows: int, **by_link: int) -> dict[str, Any]:
    links = {via.replace("_", "."): count for via, count in by_link.items()}
    return {"kind": kind, "on_seal": on_seal, "rows": rows, "by_link": links}


COUNTS: dict[str, dict[str, Any]] = {
    "arrests": {
        "rows_in": 5, "rows_kept": 3, "rows_dropped": 2, "rows_changed": 0, "malformed": 0, "texts": {},
        "columns": {"arrest": hit("arrest", "drop", 2), "photo": hit("photo", "redact", 2, arrests_photo=2)},
        "missing": {"arrest": 0, "photo": 1},
    },
    "photos": {
        "rows_in": 5, "rows_kept": 3, "rows_dropped": 2, "rows_changed": 0, "malformed": 1, "texts": {},
        "columns": {"photo": hit("photo", "drop", 1, arrests_photo=1)}, "missing": {"photo": 1},
    },
    "calls": {
        "rows_in": 2, "rows_kept": 2, "rows_dropped": 0, "rows_changed": 1, "malformed": 0, "texts": {},
        "columns": {"by": hit("arrest", "redact", 1)}, "missing": {"by": 1},
    },
    "reports": {
        "rows_in": 4, "rows_kept": 4, "rows_dropped": 0, "rows_changed": 4, "malformed": 0, "texts": {"told": 3, "memo": 1},
        "columns": {
            "by": hit("arrest", "redact", 1), "lineup[]": hit("photo", "element", 2, arrests_photo=2),
            "also[]": hit("arrest", "element", 1),
            "charges[].arrest": hit("arrest", "redact", 1), "seen.photo": hit("photo", "redact", 1, arrests_photo=1),
        },
        "missing": {"by": 2, "lineup[]": 1, "also[]": 1, "charges[].arrest": 1, "seen.photo": 3},
    },
}  # fmt: skip


class World:
    """Raw files and a policy in a folder."""

    def __init__(self, folder: Path, policy: str = POLICY, raw: Mapping[str, pa.Table | bytes] | None = None) -> None:
        self.folder, self.clean, self.keeper = folder, folder / "clean", folder / "keeper"
        for name, content in (raw_sources() if raw is None else raw).items():
            self.write(name, content)
        (folder / "sealing.yaml").write_text(policy)
        self.policy = Policy.load(folder / "sealing.yaml")

    def write(self, name: str, content: pa.Table | bytes) -> Path:
        path = self.folder / "raw" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            pq.write_table(content, path)
        return path

    def strip(self, sealed: Mapping[str, Iterable[str]] = SEALED, **given: Any) -> Receipt:
        steps: list[tuple[str, int, int]] = []
        self.steps = steps
        given = {"key": KEY, "out": self.clean, "progress": lambda *told: steps.append(told)} | given
        return strip_files(self.policy, snapshot=given.pop("snapshot", None) or snapshot(sealed), **given)

    def standing(self, folder: Path | None = None) -> dict[str, Any]:
        """What stands in each clean file."""
        folder = folder or self.clean
        paths = [path for path in folder.rglob("*") if path.is_file() and path.suffix in (".parquet", ".csv", ".jsonl")]
        return {
            path.relative_to(folder).as_posix(): pq.read_table(path).to_pylist() if path.suffix == ".parquet" else path.read_bytes()
            for path in paths
        }


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def prefixes(stayed: Mapping[str, Iterable[str]]) -> dict[str, list[int]]:
    """What a part of a roster holds, in plain Python."""
    return {
        kind: sorted(int(plain.token(SECRET, kind, identifier)[:16], 16) for identifier in own)
        for kind, own in stayed.items()
    }


def plainly(kinds: Mapping[str, np.ndarray]) -> dict[str, list[int]]:
    return {kind: own.tolist() for kind, own in kinds.items()}


def test_what_a_seal_reaches_goes_from_every_file_and_nothing_else_does(world: World) -> None:
    receipt = world.strip(keeper=world.keeper)
    standing = world.standing()
    assert standing.keys() == CLEAN.keys()
    wrong = [name for name in CLEAN if standing[name] != CLEAN[name]]
    assert wrong == []
    for name, told in COUNTS.items():
        assert receipt.sources[name].__dict__ == told
    public = Receipt.read(world.clean / RECEIPT)
    assert public == receipt.public()
    assert Receipt.read(world.keeper / RECEIPT) == receipt
    memory = Memory.recall(world.keeper)
    assert memory is not None
    assert memory.linked is None  # there are links, and no register that knows them
    assert receipt.files == {
        path.relative_to(world.clean).as_posix(): digest.of_file(path)
        for path in world.clean.rglob("*")
        if path.is_file() and path.name != RECEIPT
    }
    assert list(receipt.files) == sorted(receipt.files)
    roster, held = Roster.read(world.clean / ROSTER, CLEAN), Roster.read(world.keeper / "held", CLEAN)
    for name in CLEAN:
        assert plainly(roster.files[name]) == prefixes(STAYED[name])
        assert plainly(held.files[name]) == prefixes(HELD[name])
    assert (world.keeper.stat().st_mode & 0o77, world.clean.stat().st_mode & 0o55) == (0, 0o55)
    assert world.steps == [("find", 0, 7), ("find", 7, 7), *(("forget", n, 7) for n in range(1, 8))]
    assert (receipt.policy, receipt.purpose, receipt.rules) == (world.policy.digest, "predictive-model", "us-ny")
    assert (receipt.basis, receipt.snapshot, receipt.kinds) == ("b" * 64, "d" * 64, KINDS.digest)
    assert receipt.key_fingerprint == KEY.fingerprint


def test_where_nothing_is_sealed_texts_are_masked_and_tokens_put_in_and_no_more(world: World) -> None:
    receipt = world.strip({})
    tables = {name: content.to_pylist() for name, content in raw_sources().items() if not isinstance(content, bytes)}
    for name, rows in tables.items():
        for row in rows:
            for column in row.keys() & {"arrest", "by"}:
                row[column] = row[column] and token(plain.canonical(row[column], KINDS["arrest"].model_dump(exclude_none=True)))
            for column in row.keys() & {"told", "memo"}:
                for mention in (A, B, C, "c-1234"):
                    row[column] = row[column] and row[column].replace(mention, "RECORD")
            if row.get("also"):
                row["also"] = [token(one) for one in row["also"] if one]
            for one in row.get("charges") or ():
                one["arrest"] = token(one["arrest"])
        assert world.standing()[name] == rows
    assert world.standing()["photos.csv"] == raw_sources()["photos.csv"].replace(b"CANARY;d\n", b"")
    assert {name: own.rows_dropped for name, own in receipt.sources.items()} == {"arrests": 0, "photos": 1, "calls": 0, "reports": 0}
    assert {own.rows_changed for own in receipt.sources.values()} == {0}


# -- frames -----------------------------------------------------------------------------------------------------------

FRAMES = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: x.snap}
publish: {photo: plain}
sources:
  arrests:
    path: a.parquet
    primary_key: arrest
    columns:
      arrest: {kind: arrest, on_seal: drop}
      photo: {kind: photo, on_seal: {redact: []}, carries: any}
  reports:
    path: r.parquet
    primary_key: number
    columns:
      by: {kind: arrest, on_seal: {redact: [age, tall, flag, kind, big, note], set: {status: OPEN, small: 7}}}
      "lineup[]": {kind: photo, on_seal: element}
    text: {told: {mentions: [arrest], on_seal: clear}}
"""


@pytest.fixture
def framed(tmp_path: Path) -> Policy:
    (tmp_path / "sealing.yaml").write_text(FRAMES)
    return Policy.load(tmp_path / "sealing.yaml")


def frames() -> dict[str, pd.DataFrame]:
    arrests = pd.DataFrame({"arrest": [A, B, C], "photo": [1, 2, None], "n": [1, 2, 3]}, index=["x", "y", "z"])
    reports = pd.DataFrame(
        {
            "number": [1, 2, 3],
            "by": pd.Categorical([A, B, None]),
            "lineup": [["1", "2", "3"], ["2"], None],
            "age": np.array([1, 2, 3], "uint8"),
            "big": np.array([1, 2, 3], "int64"),
            "tall": [1.5, 2.5, np.nan],
            "flag": [True, False, True],
            "kind": pd.Categorical(["x", "y", "x"]),
            "status": pd.Categorical(["A", None, "B"]),
            "small": np.array([1, 2, 3], "int8"),
            "told": pd.Series(["Calm.", np.nan, f"Of {B} and {A}."], dtype=object),
            "note": pd.Series(["x", "y", np.nan], dtype=object),
        }
    )
    return {"arrests": arrests, "reports": reports}


def test_frames_lose_what_files_lose(framed: Policy) -> None:
    given = frames()
    # The register remembers a photo of an arrest that the arrest system has deleted.
    clean, receipt = strip(given, policy=framed, snapshot=snapshot(SEALED), key=KEY, links=link(B, "000003"))
    arrests, reports = clean["arrests"], clean["reports"]
    assert arrests.index.tolist() == ["x", "z"]
    assert arrests["arrest"].tolist() == [token(A), token(C)]
    pd.testing.assert_series_equal(arrests["photo"], given["arrests"]["photo"].iloc[[0, 2]])
    assert reports["by"].tolist()[0] == token(A)
    assert reports["by"].isna().tolist() == [False, True, True]
    assert reports["lineup"].tolist() == [["1"], [], None]
    for name, dtype in {"age": "UInt8", "big": "Int64", "tall": "float64", "flag": "boolean", "kind": "category"}.items():
        assert reports[name].isna().tolist() == [False, True, name == "tall"]
        assert reports[name].dtype == dtype
        assert reports[name][0] == given["reports"][name][0]
    assert reports["kind"].cat.categories.tolist() == ["x"]
    assert reports["note"].iloc[1] is reports["note"].iloc[2]  # nothing is written as the column writes it
    assert reports["status"].tolist() == ["A", "OPEN", "B"]
    assert (reports["small"].tolist(), reports["small"].dtype) == ([1, 7, 3], np.dtype("int8"))
    assert reports["told"].isna().tolist() == [True, True, True]
    counts = {name: own.__dict__ for name, own in receipt.sources.items()}
    assert counts["arrests"]["columns"] == {"arrest": hit("arrest", "drop", 1), "photo": hit("photo", "redact", 1, arrests_photo=1)}
    assert (counts["arrests"]["rows_in"], counts["arrests"]["rows_dropped"]) == (3, 1)
    assert counts["reports"]["columns"] == {"by": hit("arrest", "redact", 1), "lineup[]": hit("photo", "element", 2, arrests_photo=2)}
    assert counts["reports"]["missing"] == {"by": 2, "lineup[]": 0}
    assert (counts["reports"]["texts"], counts["reports"]["rows_changed"]) == ({"told": 1}, 3)
    assert receipt.files == {}
    assert receipt.policy == framed.digest


def link(arrest: str, photo: str) -> pa.Table:
    (from_hi, from_lo), (hi, lo) = (
        plain_halves([plain.token(SECRET, kind, identifier)]) for kind, identifier in (("arrest", arrest), ("photo", photo))
    )
    row = ["any", "arrests.photo", "arrest", from_hi[0], from_lo[0], "photo", hi[0], lo[0]]
    return pa.Table.from_pylist([dict(zip(LINK_SCHEMA.names, row, strict=True))], LINK_SCHEMA)


# -- what stops a strip -----------------------------------------------------------------------------------------------


def test_another_key_a_lost_sentinel_an_old_or_foreign_snapshot_stop_a_strip_of_files_and_frames(
    world: World, framed: Policy
) -> None:
    good = snapshot(SEALED)
    without = {name: Barred(own.hi[:0], own.lo[:0], own.via[:0]) for name, own in good.barred.items()}
    wrong: list[tuple[type[Exception], dict[str, Any]]] = [
        (KeyFailure, {"key": Key("0" * 64)}),
        (RegisterFailure, {"snapshot": snapshot(SEALED, barred=without)}),
        (RegisterFailure, {"snapshot": snapshot(SEALED, purpose="other")}),
        (RegisterFailure, {"snapshot": snapshot(SEALED, as_of=DAY - dt.timedelta(1))}),
    ]
    for error, given in (wrong[0], *wrong[2:]):
        with pytest.raises(error):
            world.strip(**given)
        assert not world.clean.exists()
    for error, given in wrong:
        with pytest.raises(error):
            strip(frames(), policy=framed, **{"snapshot": good, "key": KEY} | given)


def test_a_file_that_changes_between_find_and_forget_is_refused(world: World) -> None:
    """More rows or fewer than trace has read, in the first file of its source or the second."""
    files = raw_files(world.policy)
    with DuckDB() as engine:
        reach = trace(engine, world.policy, files, snapshot=snapshot(SEALED), key=KEY)
        prepared = plan(engine, reach.sources["arrests"], world.policy, KINDS)
        start = reach.sources["arrests"].read.tally.start
        for number, part in enumerate(files["arrests"]):
            rows, between = pq.read_table(part.path), {"start": start[number], "stop": start[number + 1]}
            for other in (pa.concat_tables([rows, rows[:1]]), rows[:-1]):
                pq.write_table(other, part.path)
                with pytest.raises(PublishFailure, match="changed while it was being stripped"):
                    list(clean_rows(engine, prepared, RawFile(part.path, part.name, part.reading), **between))


def test_frames_that_do_not_fit_the_policy_are_refused_together(framed: Policy) -> None:
    given = frames()
    given["reports"] = given["reports"].rename(columns={"by": "byy"}).assign(age=[1, "x", None])
    given["reports"] = pd.concat([given["reports"], given["reports"][["tall", "told"]]], axis=1).rename_axis("lineup")
    given["arrests"] = given["arrests"].set_index("photo", drop=False)
    with pytest.raises(ConfigurationError) as caught:
        strip(given, policy=framed, snapshot=snapshot(SEALED), key=KEY)
    told = {(fault.where, fault.column, fault.problem) for fault in caught.value.faults}
    assert told == {
        ("reports", "by", "no such column"),
        ("reports", "age", "holds values of several types, or none that a table can hold"),
        ("reports", "tall", "a column name stands twice"),
        ("reports", "told", "a column name stands twice"),
        ("reports", "lineup", "stands in the index as well"),
        ("arrests", "photo", "stands in the index as well"),
    }


def test_every_source_and_no_other_is_given_as_a_frame(framed: Policy) -> None:
    given: dict[str, Any] = frames()
    del given["arrests"]
    given |= {"other": given["reports"], "reports": None}
    with pytest.raises(ConfigurationError) as caught:
        strip(given, policy=framed, snapshot=snapshot(SEALED), key=KEY)
    assert {(fault.column, fault.problem) for fault in caught.value.faults} == {
        ("arrests", "no frame was given for this source"),
        ("other", "is no source of the policy"),
        ("reports", "is no data frame"),
    }


def test_fields_of_dicts_are_refused_in_frames_and_names_with_dots_are_not(tmp_path: Path) -> None:
    (tmp_path / "sealing.yaml").write_text(FRAMES.replace("[age, tall, flag, kind, big, note]", '["a.b", "c.d"]').replace(", small: 7", ""))
    given = frames()
    given["reports"] = given["reports"].assign(**{"a.b": 1, "c": [{"d": 1}] * 3})
    with pytest.raises(ConfigurationError) as caught:
        strip(given, policy=Policy.load(tmp_path / "sealing.yaml"), snapshot=snapshot(SEALED), key=KEY)
    assert [(fault.column, fault.problem) for fault in caught.value.faults] == [("c.d", "fields of dicts are not followed in frames")]


def test_frames_of_nothing_stay_as_they_are(framed: Policy) -> None:
    given = {name: frame.iloc[:0] for name, frame in frames().items()}
    given["reports"] = given["reports"].assign(told=pd.Series([], dtype=object), lineup=pd.Series([], dtype=object))
    clean, receipt = strip(given, policy=framed, snapshot=snapshot(SEALED), key=KEY)
    assert [len(frame) for frame in clean.values()] == [0, 0]
    assert [own.rows_in for own in receipt.sources.values()] == [0, 0]
