"""Ways of bringing a sealed arrest past the gate in what a chain vouches for, each closed for good (law 11)."""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather as pf
import pyarrow.parquet as pq
import pytest

from sanitizers.digest import write_chain
from sanitizers.errors import RegisterFailure
from sanitizers.identifiers import Kinds
from sanitizers.verdict import Target, Verdict, to_junit, to_sarif
from tests.department import DAY, Department

KINDS = Kinds.parse(
    "{arrest: {scope: record, pattern: '[BKMQS][0-9]{8}'}, photo: {scope: record, pattern: '[0-9]{10}', width: 10}}"
)
SEALED, PHOTO, OPEN = "B17000002", "2017000001", "M17654502"
POLICY = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: x.snap}
sources:
  arrests: {path: raw/arrests.parquet, primary_key: arrest, columns: {arrest: {kind: arrest, on_seal: drop}}}
  wide: {path: raw/wide.csv, primary_key: photo, columns: {photo: {kind: photo, on_seal: drop}}}
features:
  ages: {sql: n.sql, columns: {photo_no: int64}}
  made: {stage: featurize}
"""


class World(Department):
    """A department with two sources, and what a train stage may have made from them."""

    def judged(self, *paths: Path) -> Verdict:
        """Judge with the clean sources as evidence."""
        return self.judge(*paths, evidence=[self.clean])

    def chained(self, name: str, write: Callable[[Path], object]) -> Target:
        """What the gate says of a file that a chain leads back to the strip."""
        path = self.folder / "made" / name
        path.parent.mkdir(exist_ok=True)
        write(path)
        inputs = {"arrests.parquet": self.clean / "arrests.parquet"}
        write_chain(path.parent / f"{name}-chain.json", made_by="train", inputs=inputs, outputs={name: path})
        [target] = self.judged(path).targets
        return target


def lay(folder: Path, header: str = "photo,n") -> World:
    (folder / "raw").mkdir(parents=True)
    (folder / "sealing.yaml").write_text(POLICY)
    (folder / "n.sql").write_text("SELECT count(*) AS photo_no FROM arrests")
    pq.write_table(pa.table({"arrest": [SEALED, OPEN], "who": ["a", "b"]}), folder / "raw/arrests.parquet")
    (folder / "raw/wide.csv").write_text(f"{header}\n2017000009,1\n")
    return World(folder, KINDS)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A world that was stripped; each test adds files of its own names."""
    world = lay(tmp_path_factory.mktemp("world"))
    world.seal(("arrest", SEALED), ("photo", PHOTO))
    world.snapshot()
    world.strip()
    return world


def table(**columns: object) -> Callable[[Path], object]:
    return lambda path: pq.write_table(pa.table(columns), path)


def text(content: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(content)


# -- columns of any type ----------------------------------------------------------------------------------------------

ODD = {
    "map": pa.array([[("co-arrest", SEALED)], []], pa.map_(pa.string(), pa.string())),
    "map keys": pa.array([[(SEALED, 1)], []], pa.map_(pa.string(), pa.int8())),
    "fixed-size binary": pa.array([SEALED.encode()], pa.binary(9)),
    "fixed-size list": pa.array([[SEALED], ["x"]], pa.list_(pa.string(), 1)),
    "text view": pa.array([SEALED], pa.string_view()),
    "binary view": pa.array([SEALED.encode()], pa.binary_view()),
    "JSON": pa.array([f'{{"a": "{SEALED}"}}'], pa.json_()),
    "list of maps": pa.array([[[("a", SEALED)]]], pa.list_(pa.map_(pa.string(), pa.string()))),
    "list of fixed-size binary": pa.array([[SEALED.encode()]], pa.list_(pa.binary(9))),
    "dictionary of large text": pa.array([SEALED]).cast(pa.large_string()).dictionary_encode(),
    "field of a struct": pa.array([{"a": {SEALED: 1}}]),
}


@pytest.mark.parametrize("name", ODD)
def test_a_column_of_any_type_is_searched(name: str, world: World) -> None:
    assert world.chained(f"{name}.parquet", table(m=ODD[name])).verdict == "contaminated"


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[SEALED]], pa.list_view(pa.string())),
        pa.array([[SEALED]], pa.large_list_view(pa.string())),
        pa.RunEndEncodedArray.from_arrays([2], [SEALED]),
    ],
    ids=["list view", "large list view", "runs"],
)
def test_a_column_that_only_arrow_files_hold_is_searched(column: pa.Array, world: World) -> None:
    def write(path: Path) -> None:
        batch = pa.record_batch({"m": column})
        with pa.ipc.new_file(str(path), batch.schema) as writer:
            writer.write_batch(batch)

    assert world.chained("odd.arrow", write).verdict == "contaminated"


def test_a_column_that_cannot_be_searched_is_not_checked_by_name(world: World) -> None:
    unknown = world.chained("unknown.parquet", table(amount=pa.array([1], pa.decimal256(50, 0))))
    assert (unknown.verdict, "amount" in unknown.reason) == ("not checked", True)


def test_types_that_hold_no_identifier_pass(world: World) -> None:
    times = {"t": pa.array([1], pa.time64("us")), "d": pa.array([1], pa.duration("s"))}
    assert world.chained("times.parquet", table(n=pa.nulls(1), b=[True], **times)).verdict == "clean"


# -- names and metadata -----------------------------------------------------------------------------------------------

NAMED: dict[str, Callable[[Path], object]] = {
    "name.csv": text(f"{SEALED}\n1\n"),
    "name.tsv": text(f"a\t{SEALED}\n1\t2\n"),
    "name.feather": lambda path: pf.write_feather(pa.table({SEALED: [1]}), path),
    "meta.feather": lambda path: pf.write_feather(pa.table({"m": [1]}).replace_schema_metadata({"note": SEALED}), path),
    "struct.parquet": table(m=pa.array([], pa.list_(pa.struct([(SEALED, pa.int8())])))),
}


def with_note(path: Path) -> None:
    schema = pa.schema([pa.field("m", pa.int64(), metadata={"note": SEALED})])
    pq.write_table(pa.table({"m": [1]}, schema=schema), path)


NAMED["field.parquet"] = with_note


@pytest.mark.parametrize("name", NAMED)
def test_names_and_metadata_are_searched(name: str, world: World) -> None:
    assert world.chained(name, NAMED[name]).verdict == "contaminated"


def test_the_header_of_a_clean_source_is_searched(tmp_path: Path) -> None:
    world = lay(tmp_path / "world", header=f"photo,{SEALED}")
    world.seal(("arrest", SEALED))
    world.snapshot()
    world.strip()
    assert world.judged(world.clean).exit_code == 1


# -- what a chain, a name or a snapshot excuses -----------------------------------------------------------------------


@pytest.mark.parametrize("name", [".gitignore", ".gitkeep", ".gitattributes"])
def test_housekeeping_is_searched_before_it_is_ignored(name: str, world: World, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text("*.pyc\n")
    assert world.judged(path).targets[0].verdict == "ignored"
    path.write_text(f"Arrest {SEALED}, Roe, Jane.\n")
    assert world.judged(path).targets[0].verdict == "contaminated"


@pytest.mark.parametrize("content", [b"Roe\0Jane", b"Roe, Ren\xe9e"], ids=["NUL", "no UTF-8"])
def test_housekeeping_that_is_no_text_is_not_checked(content: bytes, world: World, tmp_path: Path) -> None:
    (tmp_path / ".gitkeep").write_bytes(content)
    assert world.judged(tmp_path).targets[0].verdict == "not checked"


def test_what_a_desktop_leaves_behind_is_no_housekeeping(world: World, tmp_path: Path) -> None:
    (tmp_path / ".DS_Store").write_text("Roe, Jane")
    assert world.judged(tmp_path).exit_code == 4


def test_a_chain_from_a_query_alone_goes_back_to_no_strip(tmp_path: Path) -> None:
    world = lay(tmp_path / "world")
    world.seal(("arrest", SEALED))
    world.snapshot()
    made, query = world.folder / "made/model.parquet", world.folder / "n.sql"
    made.parent.mkdir()
    pq.write_table(pa.table({"who": ["Roe, Jane"]}), made)
    write_chain(made.parent / "chain.json", made_by="train", inputs={"n.sql": query}, outputs={made.name: made})
    assert world.judged(made.parent).exit_code == 4


def test_queries_of_the_policy_stand_beside_clean_inputs_of_a_chain(world: World, tmp_path: Path) -> None:
    made, query = tmp_path / "model.parquet", world.folder / "n.sql"
    pq.write_table(pa.table({"n": [1]}), made)
    inputs = {"n.sql": query, "arrests": world.clean / "arrests.parquet"}
    write_chain(tmp_path / "chain.json", made_by="train", inputs=inputs, outputs={made.name: made})
    assert world.judged(tmp_path).exit_code == 0
    assert world.judged(query).exit_code == 0


def test_a_snapshot_that_looks_back_judges_nothing(tmp_path: Path) -> None:
    world, before = lay(tmp_path / "world"), DAY - dt.timedelta(days=1)
    world.seal(("arrest", "S19000001"), day=before)
    world.seal(("arrest", SEALED))
    world.snapshot(before, known_at=before)
    with pytest.raises(RegisterFailure, match="only the latest snapshot may publish or judge"):
        world.judged(world.folder / "raw/arrests.parquet")


def test_only_a_parquet_column_of_the_declared_type_is_excused_as_a_feature(world: World) -> None:
    assert world.chained("ages.csv", text(f"photo_no\n{PHOTO}\n")).verdict == "contaminated"
    assert world.chained("ages.parquet", table(photo_no=[PHOTO])).verdict == "contaminated"
    assert world.chained("ages.parquet", table(photo_no=[1])).decided_by == "recomputed"


# -- texts, arrays and archives ---------------------------------------------------------------------------------------


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def table_bytes(ending: str) -> bytes:
    sink = io.BytesIO()
    content = pa.table({"who": ["a"], "n": [int(PHOTO)]})
    if ending == "parquet":
        pq.write_table(content, sink)
    elif ending == "feather":
        pf.write_feather(content, sink)
    else:
        sink.write(f'who;n\n"a;b";{PHOTO}.0\n'.encode())
    return sink.getvalue()


def array_bytes(array: np.ndarray) -> bytes:
    sink = io.BytesIO()
    np.save(sink, array)
    return sink.getvalue()


TEXTS = {
    "broken.txt": "see B17-\n000002 there",
    "indented.md": "see B17\r\n   000002 there",
    "escaped.json": json.dumps({"a": SEALED}).replace("B1", "\\u0042\\u0031"),
    "escaped.jsonl": '{"a": 1}\n{"a": "B17\\n000002"}\n',
    "twice.json": json.dumps(json.dumps({"a": SEALED}).replace("B", "\\u0042")),
    "pair.json": json.dumps({"a": SEALED.replace("7", "\N{MATHEMATICAL BOLD DIGIT SEVEN}")}),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_searched_across_line_ends_and_escapes(name: str, world: World) -> None:
    assert world.chained(name, text(TEXTS[name])).verdict == "contaminated"


def test_an_identifier_that_two_readings_of_a_long_text_share_is_found(world: World) -> None:
    filler = "x" * 79 + "\n"
    for lines in (12_498, 12_499, 12_500):  # the text is read a million characters at a time
        assert world.chained("long.txt", text(filler * lines + "see B17-\n000002 there")).verdict == "contaminated"


def test_escapes_in_the_cells_of_a_table_are_searched(world: World) -> None:
    assert world.chained("cells.parquet", table(m=['{"a": "\\u004217000002"}'])).verdict == "contaminated"


ARRAYS = {
    "float64": np.array([[float(PHOTO), 0.5]]),
    "whole": np.array([int(PHOTO)], np.uint64),
    "text": np.array([PHOTO]),
    "bytes": np.array([PHOTO.encode()]),
    "void": np.array([np.void(SEALED.encode())]),
    "complex": np.array([complex(0, float(PHOTO))]),
    "structured": np.array([(PHOTO, 1)], dtype=[("p", "U10"), ("n", "i4")]),
    "field name": np.array([(1, 1)], dtype=[(SEALED, "i4"), ("n", "i4")]),
    "nested": np.array([((int(PHOTO), 1), 1)], dtype=[("p", [("q", "i8"), ("r", "i1")]), ("n", "i4")]),
    "part": np.array([([1, int(PHOTO)],)], dtype=[("p", "i8", (2,))]),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_of_any_type_are_searched(name: str, world: World) -> None:
    assert world.chained(f"{name}.npy", lambda path: np.save(path, ARRAYS[name])).verdict == "contaminated"
    assert world.chained(f"{name}.npz", lambda path: np.savez(path, a=ARRAYS[name])).verdict == "contaminated"


def test_arrays_without_identifiers_pass(world: World) -> None:
    arrays = {"a": np.array([[0.5, 3.0, np.nan, np.inf]]), "b": np.array([True]), "c": np.array([], "U1")}
    assert world.chained("plain.npz", lambda path: np.savez(path, **arrays)).verdict == "clean"


def test_an_array_of_objects_is_not_checked(world: World) -> None:
    objects = np.array([OPEN, None], dtype=object)
    assert world.chained("objects.npy", lambda path: np.save(path, objects)).verdict == "not checked"
    inside = world.chained("objects.npz", lambda path: np.savez(path, a=objects))
    assert (inside.verdict, "a.npy" in inside.reason) == ("not checked", True)


MEMBERS = {
    "Parquet": zipped(**{"a/t.parquet": table_bytes("parquet")}),
    "Feather": zipped(**{"t.feather": table_bytes("feather")}),
    "CSV": zipped(**{"t.csv": table_bytes("csv")}),
    "member name": zipped(**{f"{SEALED}.json": b"{}"}),
    "folder name": zipped(**{f"{SEALED}/": b""}),
    "archive": zipped(**{"inner.zip": zipped(**{"t.parquet": table_bytes("parquet")})}),
    "text": zipped(**{"notes": b"see B17-\r\n000002"}),
    "beside what is not searched": zipped(**{"a.bin": b"\0\xff", "t.csv": table_bytes("csv")}),
}


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("ending", ["zip", "skops"])
def test_members_of_an_archive_are_searched(name: str, ending: str, world: World) -> None:
    target = world.chained(f"{name}.{ending}", lambda path: path.write_bytes(MEMBERS[name]))
    assert target.verdict == "contaminated"


def test_a_comment_of_an_archive_is_searched(world: World) -> None:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.comment = SEALED.encode()

    assert world.chained("comment.zip", write).verdict == "contaminated"


UNSEARCHED = {
    "bytes": zipped(**{"a.bin": b"\0\xff"}),
    "a pickle": zipped(**{"a.pkl": b"\x80\x04N."}),
    "a damaged table": zipped(**{"t.parquet": b"PAR1 PAR1"}),
    "a damaged array": zipped(**{"t.npy": b"\x93NUMPY"}),
    "a damaged archive": zipped(**{"t.zip": b"PK"}),
}


@pytest.mark.parametrize("name", UNSEARCHED)
def test_a_member_that_cannot_be_searched_is_not_checked_by_name(name: str, world: World) -> None:
    target = world.chained(f"{name}.zip", lambda path: path.write_bytes(UNSEARCHED[name]))
    [member] = zipfile.ZipFile(io.BytesIO(UNSEARCHED[name])).namelist()
    assert (target.verdict, member in target.reason) == ("not checked", True)


def test_archives_in_archives_without_end_are_not_checked(world: World) -> None:
    content = zipped(**{"t.txt": b"calm"})
    assert world.chained("once.zip", lambda path: path.write_bytes(content)).verdict == "clean"
    for _ in range(20):
        content = zipped(**{"inner.zip": content})
    assert world.chained("deep.zip", lambda path: path.write_bytes(content)).verdict == "not checked"


def test_a_header_that_is_missing_shows_none_of_its_cells(world: World) -> None:
    path = world.folder / "headerless.csv"
    path.write_text(f"{OPEN},31\n{SEALED},22\n")
    verdict = world.judged(path)
    assert verdict.exit_code == 1
    told = verdict.to_json() + to_sarif(verdict) + to_junit(verdict)
    leaked = sum(number in told for number in (SEALED, OPEN))
    assert leaked == 0
