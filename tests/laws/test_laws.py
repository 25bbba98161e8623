"""The laws of design section 3 on generated worlds, and on what generated worlds seldom hold."""

import datetime as dt
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sanitizers.engine import duckdb, forms, writing
from sanitizers.errors import (
    ConfigurationError,
    EngineFailure,
    KeyFailure,
    PublishFailure,
    RegisterFailure,
    SealproofError,
    SourceFailure,
)
from sanitizers.identifiers import Key, Kinds
from sanitizers.policy import Policy
from sanitizers.register import snapshot
from sanitizers.register.history import Register
from sanitizers.strip.files import strip_files
from tests.laws import checks, oracle
from tests.laws.oracle import Source, Spelled, World
from tests.laws.running import RULES, TODAY, Bench, feed, write_lines, written
from tests.laws.strategies import worlds

pytestmark = pytest.mark.law


# -- every law on generated worlds ------------------------------------------------------------------------------------


@settings(max_examples=2 * settings().max_examples)
@given(world=worlds())
def test_nullity_indifference_idempotence_order_conservation_return_and_nothing_else(
    bench: Bench, world: World
) -> None:
    checks.check_all(bench, world)


# -- fixed worlds -----------------------------------------------------------------------------------------------------


def seal(kind: str, identifier: str, **other: object) -> dict:
    given = {
        "action": "seal",
        "statute": "CPL 160.50",
        "effective_on": dt.date(2019, 1, 1),
        "recorded_on": dt.date(2019, 1, 1),
    }
    return {"kind": kind, "identifier": identifier, **given, "case": None, **other}


def text(*sentences: tuple) -> oracle.Text:
    return oracle.Text(sentences)


def mention(kind: str, identifier: str, written_as: str) -> oracle.Mention:
    return oracle.Mention(kind, oracle.token_of(kind, identifier), written_as)


ARRESTS = Source(
    form="parquet",
    types={"arrest": pa.string(), "photo": pa.float64(), "person": pa.string(), "x": pa.float64()},
    rows=[
        {"arrest": "m17-654502", "photo": 42.0, "person": "12345678a", "x": 0.0},
        {"arrest": "K17000001", "photo": None, "person": "12345678A", "x": -0.0},
        {"arrest": "Ｂ17000002", "photo": 1.0, "person": "99999999B", "x": float("nan")},
    ],
    columns={
        "arrest": {"kind": "arrest", "on_seal": "drop"},
        "photo": {"kind": "photo", "on_seal": {"redact": []}, "carries": "any"},
        "person": {"kind": "person", "on_seal": {"redact": []}, "carries": "all"},
    },
)
PHOTOS = Source(
    form="csv",
    types={"photo": pa.string(), "note": pa.string()},
    rows=[{"photo": "00-0000-0042", "note": "a"}, {"photo": "1.0", "note": 'b;"c"\n'}, {"photo": None, "note": ""}],
    columns={"photo": {"kind": "photo", "on_seal": "drop"}},
    read={"delimiter": ";"},
)
COMPLAINTS = Source(
    form="parquet",
    types={"by": pa.string(), "age": pa.int64(), "status": pa.string(), "photos": pa.list_(pa.string()), "t": pa.string()},
    rows=[
        {"by": "M 17654502", "age": 30, "status": "CLOSED", "photos": ["42", "1"],
         "t": text(("He ran. ",), ("See ", mention("arrest", "M17654502", "m17-654 502"), " there! "), ("End",))},
        {"by": None, "age": 2**63 - 1, "status": "CLOSED", "photos": ["0000000001", "7"], "t": None},
        {"by": "k17000001", "age": None, "status": "OPEN", "photos": [],
         "t": text(("See ", mention("arrest", "K17000001", "K17000001"), "."))},
    ],
    columns={
        "by": {"kind": "arrest", "on_seal": {"redact": ["age"], "set": {"status": "OPEN"}}},
        "photos[]": {"kind": "photo", "on_seal": "element"},
    },
    text={"t": {"mentions": ["arrest"], "on_seal": "sentence"}},
)  # fmt: skip
PERSONS = Source(
    form="csv",
    types={"person": pa.string(), "name": pa.string()},
    rows=[{"person": "12345678A", "name": "x"}, {"person": "99999999B", "name": "y"}],
    columns={"person": {"kind": "person", "on_seal": "drop"}},
)
CALLS = Source(
    form="jsonl",
    types={"call": pa.string(), "by": pa.string(), "age": pa.string(), "status": pa.string(), "x": pa.string()},
    rows=[
        {"call": Spelled("5"), "by": "b17000002", "age": Spelled("1.50"), "status": None, "x": None},
        {"call": Spelled("1.0"), "by": "K17000001", "age": Spelled("1.50"), "status": "CLOSED", "x": "\U0001f600"},
        {"call": "0000000007", "by": None, "age": None, "status": "CLOSED", "x": Spelled("1.50")},
    ],
    columns={
        "call": {"kind": "photo", "on_seal": "drop"},
        "by": {"kind": "arrest", "on_seal": {"redact": ["age"], "set": {"status": "OPEN"}}},
    },
    absent=frozenset({"x"}),
)
CHARGE = pa.struct([("arrest", pa.string()), ("photo", pa.string()), ("law", pa.string()), ("x", pa.float64())])
CASES = Source(
    form="parquet",
    types={"person": pa.struct([("sid", pa.string()), ("name", pa.string())]), "charges": pa.list_(CHARGE)},
    rows=[
        {"person": {"sid": "M17654502", "name": "a"}, "charges": [
            {"arrest": "m17654502", "photo": "42", "law": "A", "x": -0.0},
            {"arrest": "K17000001", "photo": "7", "law": "B", "x": float("nan")}]},
        {"person": None, "charges": [{"arrest": "B17000002", "photo": "42", "law": None, "x": 0.0}]},
        {"person": {"sid": None, "name": None}, "charges": None},
        {"person": {"sid": "K17000001", "name": ""}, "charges": [None, {"arrest": "K17000001", "photo": "1"}]},
    ],
    columns={
        "person.sid": {"kind": "arrest", "on_seal": {"redact": ["person.name"]}},
        "charges[].arrest": {"kind": "arrest", "on_seal": {"redact": ["charges[].law", "charges[].photo"]}},
        "charges[].photo": {"kind": "photo", "on_seal": {"redact": []}},
    },
)  # fmt: skip
VISITS = Source(
    form="jsonl",
    types={"visitor": pa.struct([("sid", pa.string()), ("age", pa.string())]), "x": pa.string()},
    rows=[
        {"visitor": {"sid": "m17-654502", "age": "30"}, "x": Spelled("1.50")},
        {"visitor": {"sid": "K17000001", "age": "31"}, "x": Spelled("1.50")},
        {"visitor": None, "x": None},
    ],
    columns={"visitor.sid": {"kind": "arrest", "on_seal": {"redact": ["visitor.age"]}}},
)
CITY = World(
    {
        "arrests": ARRESTS, "photos": PHOTOS, "complaints": COMPLAINTS, "persons": PERSONS, "calls": CALLS,
        "cases": CASES, "visits": VISITS,
    },
    plain=frozenset({"person", "case"}),
    events=[seal("arrest", "M17654502"), seal("arrest", "B17-000002")],
)


def test_every_law_holds_in_a_small_city(bench: Bench) -> None:
    checks.check_all(bench, CITY)
    clean = bench.strip(CITY)
    checks.check_nullity(bench, CITY, clean)
    checks.check_order(bench, CITY, clean)
    checks.check_repetition(bench, CITY, clean)
    checks.check_indifference(bench, CITY, clean, links=False)
    dropped = {name: counts.rows_dropped for name, counts in clean.receipt.sources.items()}
    assert dropped == {"arrests": 2, "photos": 2, "complaints": 0, "persons": 1, "calls": 1, "cases": 0, "visits": 0}


def test_ends_of_batches_and_row_groups_tell_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (duckdb, forms, writing):
        monkeypatch.setattr(module, "ROWS", 2)
    clean = bench.strip(CITY)
    checks.check_conservation(CITY, clean)
    checks.check_indifference(bench, CITY, clean, links=False)


def test_set_comes_after_redact_whichever_column_is_declared_first(bench: Bench) -> None:
    row = {"a": "M17654502", "b": "K17000001", "x": "CLOSED"}
    sets = {"kind": "arrest", "on_seal": {"redact": [], "set": {"x": "OPEN"}}}
    empties = {"kind": "arrest", "on_seal": {"redact": ["x"]}}
    types = dict.fromkeys(row, pa.string())
    for columns in ({"a": sets, "b": empties}, {"a": empties, "b": sets}):
        source = Source("parquet", types, [row], columns)
        world = World({"s": source}, frozenset({"case"}), [seal("arrest", "M17654502"), seal("arrest", "K17000001")])
        clean = bench.strip(world)
        assert clean.rows("s") == [("None", "None", "'OPEN'")]
        checks.check_conservation(world, clean)


def test_what_a_redaction_empties_is_not_in_the_roster(bench: Bench) -> None:
    row = {"a": "M17654502", "b": "0000000042"}
    columns = {"a": {"kind": "arrest", "on_seal": {"redact": ["b"]}}, "b": {"kind": "photo", "on_seal": {"redact": []}}}
    source = Source("parquet", dict.fromkeys(row, pa.string()), [row], columns)
    world = World({"s": source}, frozenset({"case"}), [seal("arrest", "M17654502")])
    clean = bench.strip(world)
    with pa.ipc.open_file(pa.BufferReader(clean.files["roster/0.parquet.arrow"])) as reader:
        assert reader.read_all().num_rows == 0


def test_a_list_that_a_redaction_empties_is_not_in_the_roster(bench: Bench) -> None:
    row = {"a": "M17654502", "b": ["0000000042", None]}
    columns = {
        "a": {"kind": "arrest", "on_seal": {"redact": ["b"]}},
        "b[]": {"kind": "photo", "on_seal": "element"},
    }
    types = {"a": pa.string(), "b": pa.list_(pa.string())}
    world = World({"s": Source("parquet", types, [row], columns)}, frozenset({"case"}), [seal("arrest", "M17654502")])
    clean = bench.strip(world)
    with pa.ipc.open_file(pa.BufferReader(clean.files["roster/0.parquet.arrow"])) as reader:
        assert reader.read_all().num_rows == 0
    checks.check_idempotence(bench, world, clean)
    assert clean.receipt.sources["s"].missing == {"a": 1, "b[]": 0}


def test_chain_of_links_reaches_through_three_sources(bench: Bench) -> None:
    def pair(one: str, two: str, carries: str, rows: list[tuple]) -> Source:
        columns = {one: {"kind": one, "on_seal": "drop"}, two: {"kind": two, "on_seal": "drop", "carries": carries}}
        rows_ = [dict(zip((one, two), row, strict=True)) for row in rows]
        return Source("csv", {one: pa.string(), two: pa.string()}, rows_, columns)

    world = World(
        {
            "s1": pair("arrest", "photo", "any", [("M17654502", "1"), ("K17000001", "42")]),
            "s2": pair("photo", "docket", "all", [("1", "2019KN0001"), ("42", "2019KN0002"), ("1", "2019KN0002")]),
            "s3": pair("docket", "person", "all", [("2019KN0001", "12345678A"), ("2019KN0002", "99999999B")]),
        },
        frozenset({"case"}),
        [seal("arrest", "M17654502")],
    )
    checks.check_all(bench, world)
    longest = max(len(chain) for chain in checks.reasons_of(world).values())
    assert longest == 4


# -- fail closed ------------------------------------------------------------------------------------------------------


def stale(world: World, folder: Path, bench: Bench) -> snapshot.Snapshot:
    return of_register(world, folder, bench, delivered_on=TODAY - dt.timedelta(8))


def of_register(
    world: World, folder: Path, bench: Bench, *, delivered_on: dt.date = TODAY, kinds: dict | None = None,
    known_at: dt.date | None = None, purpose: str = "predictive-model", events: list | None = None,
) -> snapshot.Snapshot:  # fmt: skip
    register = Register(folder / "own", kinds=Kinds.parse(json.dumps(kinds or oracle.KINDS)), key=Key(oracle.KEY))
    register.add(feed(world.events if events is None else events), rules=RULES, delivered_on=delivered_on)
    given = {"rules": RULES, "purpose": purpose, "as_of": TODAY, "known_at": known_at}
    with bench.engine as engine:
        register.snapshot(folder / "own.snap", **given, engine=engine)
    return snapshot.load(folder / "own.snap")


def historical(world: World, folder: Path, bench: Bench) -> snapshot.Snapshot:
    late = seal("arrest", "Q18000003", recorded_on=TODAY)
    return of_register(world, folder, bench, known_at=dt.date(2019, 2, 1), events=[late])


def other_purpose(world: World, folder: Path, bench: Bench) -> snapshot.Snapshot:
    return of_register(world, folder, bench, purpose="model-output")


def other_kinds(world: World, folder: Path, bench: Bench) -> snapshot.Snapshot:
    used = {own["kind"] for source in world.sources.values() for own in source.columns.values()}
    kinds = {name: kind for name, kind in oracle.KINDS.items() if name != min(used)}
    return of_register(world, folder, bench, kinds=kinds, events=[])


def never_filled(world: World, folder: Path, bench: Bench) -> snapshot.Snapshot:
    register = Register(folder / "own", kinds=Kinds.parse(oracle.kinds_yaml()), key=Key(oracle.KEY))
    with bench.engine as engine:
        register.snapshot(folder / "own.snap", rules=RULES, purpose="predictive-model", as_of=TODAY, engine=engine)
    return snapshot.load(folder / "own.snap")


def altered(world: World, folder: Path, bench: Bench) -> snapshot.Snapshot:
    of_register(world, folder, bench)
    path = folder / "own.snap"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return snapshot.load(path)


def truncated(world: World, folder: Path, bench: Bench) -> snapshot.Snapshot:
    of_register(world, folder, bench)
    path = folder / "own.snap"
    path.write_bytes(path.read_bytes()[:-9])
    return snapshot.load(path)


def without_dates(world: World, folder: Path, bench: Bench) -> snapshot.Snapshot:
    of_register(world, folder, bench)
    (folder / "own.snap.json").unlink()
    return snapshot.load(folder / "own.snap")


def without_sentinels(world: World, folder: Path, bench: Bench) -> snapshot.Snapshot:
    taken = of_register(world, folder, bench)
    empty = snapshot.Barred(np.empty(0, np.uint64), np.empty(0, np.uint64), np.empty(0, np.uint16))
    return taken.__class__(**{**taken.__dict__, "barred": dict.fromkeys(taken.barred, empty)})


def good(world: World, folder: Path, bench: Bench) -> snapshot.Snapshot:
    return bench.snapshot(world.events)


def first_file(world: World, folder: Path) -> tuple[Source, Path]:
    name, source = next(iter(world.sources.items()))
    return source, folder / "raw" / name / f"0.{source.form}"


def rewritten(world: World, folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Change the first raw file of a world as a table."""
    source, path = first_file(world, folder)
    if source.form == "parquet":
        pq.write_table(change(pq.read_table(path)), path)
        return
    if source.form == "jsonl":
        renamed = change(pa.table({name: pa.array([], pa.string()) for name in source.types})).column_names
        source = replace(source, types=dict.fromkeys(renamed), absent=frozenset())
        write_lines(source, [dict(zip(renamed, row.values(), strict=True)) for row in source.rows] or [dict.fromkeys(renamed)], path)
        return
    mark, encoding = source.read.get("delimiter", ","), source.read.get("encoding", "utf-8")
    columns = change(pa.table({name: pa.array([], pa.string()) for name in source.types})).column_names
    lines = path.read_text(encoding=encoding).split("\n")
    path.write_text("\n".join([mark.join(columns), *lines[1:]]), encoding=encoding)


def missing_column(world: World, folder: Path) -> None:
    part = oracle.parts_of(next(iter(next(iter(world.sources.values())).columns)))[0]
    rewritten(
        world, folder, lambda table: table.rename_columns([f"{c}_old" if c == part else c for c in table.column_names])
    )


def damaged(world: World, folder: Path) -> None:
    source, path = first_file(world, folder)
    if source.form == "parquet":
        path.write_bytes(path.read_bytes()[:-30])
    elif source.form == "jsonl":
        path.write_bytes(path.read_bytes() + b'{"never closed\n')
    else:
        path.write_bytes(path.read_bytes() + b'"never closed\n' + b"," * 99 + b";" * 99 + b"\t" * 99 + b"\n")


def gone(world: World, folder: Path) -> None:
    shutil.rmtree(first_file(world, folder)[1].parent)


def misfit(world: World, folder: Path) -> None:
    source, path = first_file(world, folder)
    name, declared = next(iter(source.columns.items()))
    if source.malformed == "drop" or name.startswith("[") or "." in name:
        gone(world, folder)
        return
    column, wrong = oracle.parts_of(name)[0], "surely wrong"
    if source.form == "parquet":
        table = pq.read_table(path)
        kind = source.types[column]
        textual = pa.types.is_string(kind) or pa.types.is_dictionary(kind)
        cell = [wrong] if name.endswith("[]") else wrong if textual else 99_999_999_999
        row = {c: pa.array([cell if c == column else None], k) for c, k in source.types.items()}
        pq.write_table(pa.concat_tables([table, pa.table(row, schema=table.schema)]), path)
    elif source.form == "jsonl":
        with path.open("a") as stream:
            stream.write(json.dumps({c: wrong if c == column else None for c in source.types}) + "\n")
    else:
        mark = source.read.get("delimiter", ",")
        with path.open("ab") as stream:
            stream.write(mark.join(wrong if c == column else "" for c in source.types).encode() + b"\n")


def untouched(world: World, folder: Path) -> None:
    pass


def wrong_setting(world: World, folder: Path) -> None:
    path = folder / "sealing.yaml"
    path.write_text(path.read_text() + "gates: {}\n")


SNAPSHOTS = [
    stale,
    historical,
    other_purpose,
    other_kinds,
    never_filled,
    altered,
    truncated,
    without_dates,
    without_sentinels,
]
RAW = [missing_column, damaged, gone, misfit, wrong_setting]
WAYS = [(taken, untouched) for taken in SNAPSHOTS] + [(good, change) for change in RAW]
OTHER_KEY = "cd" * 32


def standing(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@given(
    world=worlds(most_sources=2),
    way=st.sampled_from(WAYS),
    key=st.sampled_from([oracle.KEY] * 6 + [OTHER_KEY]),
    first=st.booleans(),
)
def test_what_cannot_be_checked_publishes_nothing(
    bench: Bench, world: World, way: tuple, key: str, first: bool
) -> None:
    take, change = way
    with bench.place() as folder:
        written(world, folder)
        out = folder / "clean"
        if not first:
            out.mkdir()
            (out / "older.csv").write_text("what stood there before\n")
        before = standing(out)
        change(world, folder)
        with pytest.raises(SealproofError):
            strip_files(
                Policy.load(folder / "sealing.yaml"), snapshot=take(world, folder, bench), key=Key(key), out=out
            )
        assert standing(out) == before
        assert out.exists() != first
        left = [path.name for path in folder.glob(".clean.sealproof/*")]
        assert left in ([], ["lock"])


def refused(
    error: type[SealproofError], world: World, folder: Path, taken: snapshot.Snapshot, key: str = oracle.KEY
) -> str:
    with pytest.raises(error) as caught:
        strip_files(Policy.load(folder / "sealing.yaml"), snapshot=taken, key=Key(key), out=folder / "clean")
    assert not (folder / "clean").exists()
    return str(caught.value)


def test_refusals_name_their_cause(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "a"
    folder.mkdir()
    written(CITY, folder)
    taken = bench.snapshot(CITY.events)
    assert "8 days" in refused(RegisterFailure, CITY, folder, stale(CITY, folder, bench))
    assert "sentinel" in refused(RegisterFailure, CITY, folder, without_sentinels(CITY, folder, bench))
    assert "not the one" in refused(KeyFailure, CITY, folder, taken, OTHER_KEY)
    with pytest.raises(RegisterFailure, match="never received a feed"):
        never_filled(CITY, tmp_path / "b", bench)
    misfit(CITY, folder)
    assert "row 4" in refused(SourceFailure, CITY, folder, taken)
    damaged(CITY, folder)
    assert "truncated or damaged" in refused(SourceFailure, CITY, folder, taken)
    wrong_setting(CITY, folder)
    assert "did you mean `gate`" in refused(ConfigurationError, CITY, folder, taken)


def test_day_seven_still_publishes_and_day_eight_does_not(bench: Bench, tmp_path: Path) -> None:
    policy = written(CITY, tmp_path)
    for days, fresh in ((7, True), (8, False)):
        folder = tmp_path / str(days)
        taken = of_register(CITY, folder, bench, delivered_on=TODAY - dt.timedelta(days))
        if fresh:
            bench.strip_folder(tmp_path, policy, taken)
        else:
            with pytest.raises(RegisterFailure, match="8 days"):
                bench.strip_folder(tmp_path, policy, taken)


def test_raw_file_that_changes_meanwhile_publishes_nothing(bench: Bench, tmp_path: Path) -> None:
    policy = written(CITY, tmp_path)
    path = tmp_path / "raw" / "persons" / "0.csv"

    def progress(step: str, done: int, _of: int) -> None:
        if step == "forget" and done == 1:
            path.write_text(path.read_text() + "00000001C,z\n")

    with pytest.raises((PublishFailure, EngineFailure)):
        strip_files(
            policy, snapshot=bench.snapshot(CITY.events), key=Key(oracle.KEY), out=tmp_path / "clean", progress=progress
        )
    assert not (tmp_path / "clean").exists()


def test_folder_that_holds_raw_files_is_never_published_over(bench: Bench, tmp_path: Path) -> None:
    policy = written(CITY, tmp_path)
    before = standing(tmp_path / "raw")
    for out in ("raw", "raw/arrests", "."):
        with pytest.raises(PublishFailure, match="holds raw files"):
            strip_files(policy, snapshot=bench.snapshot(CITY.events), key=Key(oracle.KEY), out=tmp_path / out)
    assert standing(tmp_path / "raw") == before
