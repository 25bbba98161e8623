"""What a filtered output still holds of the rows that left it, and how it keeps everything else as it was given."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers.errors import ConfigurationError, SealproofError
from sanitizers.identifiers import Kinds
from sanitizers.outputs import filter_file, filter_output
from sanitizers.policy import Output
from sanitizers.register.snapshot import Snapshot, load
from tests.department import KEY, Department

SEALED = "B17000002"
ARRESTS = ["M17654502", SEALED, "K17000001", "K17000003"]
STAYING = [0, 2, 3]
OUTPUT = Output(columns={"arrest": {"kind": "arrest", "on_seal": "drop", "on_touched": "keep_redacted"}})


@pytest.fixture(scope="module")
def barring(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder: Path = tmp_path_factory.mktemp("traces")
    made = Department(folder, Kinds.parse("arrest: {scope: record, pattern: '[BKMQS][0-9]{8}'}"))
    made.seal(("arrest", SEALED))
    made.snapshot()
    return load(folder / "x.snap")


def filtered(frame: Any, barring: Snapshot) -> Any:
    return filter_output(frame, OUTPUT, snapshot=barring, key=KEY)[0]


def stream(table: pa.Table) -> bytes:
    """The table as it travels between processes: dictionaries and all."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def words() -> pa.DictionaryArray:
    return pa.array(ARRESTS).dictionary_encode()


def each(kind: Any, offset: pa.DataType, cells: pa.Array) -> pa.Array:
    """A list of one cell in each row."""
    return kind.from_arrays(pa.array(range(len(cells) + 1), offset), cells)


def mapped(values: pa.Array) -> pa.Array:
    return pa.MapArray.from_arrays(pa.array(range(5), pa.int32()), ["k"] * 4, values)


def structured(cells: pa.Array) -> pa.Array:
    return pa.StructArray.from_arrays([cells], ["number"])


NESTED = [
    words(),
    each(pa.ListArray, pa.int32(), words()),
    each(pa.LargeListArray, pa.int64(), words()),
    pa.FixedSizeListArray.from_arrays(words(), 1),
    structured(words()),
    mapped(words()),
    pa.MapArray.from_arrays(pa.array(range(5), pa.int32()), words(), [1] * 4),
    each(pa.ListArray, pa.int32(), structured(words())),
    mapped(each(pa.ListArray, pa.int32(), words())),
    pa.DictionaryArray.from_arrays(pa.array(range(4), pa.int8()), structured(words())),
    pa.DictionaryArray.from_arrays(pa.array(range(4), pa.int8()), pa.array(ARRESTS, pa.string_view())),
    pa.array(ARRESTS, pa.string_view()),
    pa.array([number.encode() for number in ARRESTS], pa.binary_view()),
    each(pa.ListArray, pa.int32(), pa.array(ARRESTS, pa.string_view())),
    mapped(pa.array(ARRESTS, pa.string_view())),
    pa.compute.run_end_encode(pa.array(ARRESTS)),
]


@pytest.mark.parametrize("cells", NESTED, ids=lambda cells: str(cells.type))
def test_a_table_holds_nothing_of_rows_that_left(barring: Snapshot, cells: pa.Array) -> None:
    given = pa.table({"arrest": ARRESTS, "also": cells})
    table = filtered(given, barring)
    assert table["also"].to_pylist() == [cells.to_pylist()[place] for place in STAYING]
    held = stream(given).count(SEALED.encode()), stream(table).count(SEALED.encode())
    assert held[0] > 1
    assert held[1] == 0


@pytest.mark.parametrize("cells", NESTED, ids=lambda cells: str(cells.type))
def test_a_frame_holds_nothing_of_rows_that_left(barring: Snapshot, cells: pa.Array) -> None:
    given = pd.DataFrame({"arrest": ARRESTS, "also": pd.arrays.ArrowExtensionArray(cells)})
    frame = filtered(given, barring)
    assert pa.array(frame["also"]).to_pylist() == [cells.to_pylist()[place] for place in STAYING]
    held = pickle.dumps(given).count(SEALED.encode()), pickle.dumps(frame).count(SEALED.encode())
    assert held[0] > 1
    assert held[1] == 0


@pytest.mark.parametrize(
    "cells", [one for one in NESTED if pa.types.is_nested(one.type)], ids=lambda cells: str(cells.type)
)
def test_a_file_has_the_values_and_not_their_dictionary(barring: Snapshot, tmp_path: Path, cells: pa.Array) -> None:
    given, out = tmp_path / "given.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table({"arrest": ARRESTS, "also": cells}), given)
    filter_file(given, out, OUTPUT, snapshot=barring, key=KEY)
    read = pq.read_table(out)
    assert read["also"].to_pylist() == [cells.to_pylist()[place] for place in STAYING]
    held = stream(pq.read_table(given)).count(SEALED.encode()), stream(read).count(SEALED.encode())
    assert held[0] > 1
    assert held[1] == 0


def test_types_that_hold_no_others_stay_as_they_are(barring: Snapshot) -> None:
    kinds = [
        pa.string_view(),
        pa.run_end_encoded(pa.int32(), pa.string()),
        pa.dictionary(pa.int8(), pa.string(), ordered=True),
        pa.list_(pa.field("one", pa.string(), nullable=False)),
        pa.struct([pa.field("one", pa.int64(), nullable=False)]),
        pa.map_(pa.string(), pa.int64()),
        pa.uuid(),
        pa.null(),
    ]
    given = pa.table([ARRESTS, *(pa.nulls(4, kind) for kind in kinds)], names=["arrest", *map(str, range(len(kinds)))])
    assert filtered(given, barring).schema.equals(given.schema)


@pytest.mark.parametrize(
    "cells",
    [
        pa.ListViewArray.from_arrays(pa.array(range(4), pa.int32()), pa.array([1] * 4, pa.int32()), pa.array(ARRESTS)),
        pa.UnionArray.from_sparse(pa.array([0] * 4, pa.int8()), [words()]),
        each(pa.ListArray, pa.int32(), pa.compute.run_end_encode(pa.array(ARRESTS))),
    ],
    ids=lambda cells: str(cells.type),
)
def test_a_column_whose_rows_cannot_be_told_apart_is_refused_by_name(barring: Snapshot, cells: pa.Array) -> None:
    with pytest.raises(ConfigurationError, match="also: rows of type .* cannot be taken") as caught:
        filtered(pa.table({"arrest": ARRESTS, "also": cells}), barring)
    assert caught.value.__context__ is None


def test_a_table_of_views_is_filtered_by_them(barring: Snapshot) -> None:
    given = pa.table(pl.DataFrame({"arrest": ARRESTS, "rank": ["1", "2", "3", "4"]}))
    assert pa.types.is_string_view(given.schema.field("arrest").type)
    table = filtered(given, barring)
    assert table.schema.equals(given.schema)
    assert table.to_pydict() == {"arrest": [ARRESTS[place] for place in STAYING], "rank": ["1", "2", "3"]}


# -- metadata ---------------------------------------------------------------------------------------------------------


def test_nothing_beside_the_table_tells_how_many_rows_left(barring: Snapshot, tmp_path: Path) -> None:
    given = pa.Table.from_pandas(pd.DataFrame({"arrest": ARRESTS}), preserve_index=None)
    field = pa.field("arrest", pa.string(), metadata={"rows": "4"})
    given = given.cast(pa.schema([field], metadata=given.schema.metadata))
    assert b'"stop": 4' in given.schema.metadata[b"pandas"]
    table = filtered(given, barring)
    assert table.schema.metadata is None
    assert table.schema.field("arrest").metadata is None
    path, out = tmp_path / "given.parquet", tmp_path / "out.parquet"
    pq.write_table(given, path)
    filter_file(path, out, OUTPUT, snapshot=barring, key=KEY)
    assert pq.read_schema(out).metadata is None
    assert out.read_bytes().count(b"stop") == 0


def test_an_index_that_counts_counts_what_stays(barring: Snapshot) -> None:
    for places in ([0, 1, 2, 3], [1, 0, 2], [0, 1, 2]):
        frame = filtered(pd.DataFrame({"arrest": [ARRESTS[place] for place in places]}), barring)
        pd.testing.assert_index_equal(frame.index, pd.RangeIndex(len(places) - 1), exact=True)


@pytest.mark.parametrize(
    "level", [pd.Categorical(ARRESTS), pd.arrays.ArrowExtensionArray(words())], ids=["own", "arrow"]
)
def test_an_index_holds_nothing_of_rows_that_left(barring: Snapshot, level: Any) -> None:
    for index in (pd.Index(level), pd.MultiIndex.from_arrays([level, range(4)])):
        frame = filtered(pd.DataFrame({"arrest": ARRESTS}, index=index), barring)
        held = pickle.dumps(index).count(SEALED.encode()), pickle.dumps(frame.index).count(SEALED.encode())
        assert held[0] > 0
        assert held[1] == 0


# -- ranks ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ranks",
    [
        pa.array([1, 2, 3, 4]).dictionary_encode(),
        pa.DictionaryArray.from_arrays(pa.array(range(4), pa.int8()), pa.array(["1", "2", "3", "4"]), ordered=True),
        pa.array(["1", "2", "3", "4"], pa.string_view()),
        pa.compute.run_end_encode(pa.array([1, 2, 3, 4])),
        pa.array([1, 2, 3, 4], pa.int8()),
        pa.array([1, 2, 3, 4]).cast(pa.decimal128(38, 0)).cast(pa.decimal128(3, 0)),
        pa.array([1, 2, 3, 4]).cast(pa.float16()),
    ],
    ids=lambda ranks: str(ranks.type),
)
def test_ranks_are_numbered_in_their_own_type(barring: Snapshot, ranks: pa.Array) -> None:
    table = filtered(pa.table({"arrest": ARRESTS, "rank": ranks}), barring)
    assert table.schema.field("rank").type == ranks.type
    assert table["rank"].to_pylist() == ranks.to_pylist()[:3]
    frame = filtered(pd.DataFrame({"arrest": ARRESTS, "rank": pd.arrays.ArrowExtensionArray(ranks)}), barring)
    assert pa.array(frame["rank"]).to_pylist() == ranks.to_pylist()[:3]


@pytest.mark.parametrize(
    "ranks",
    [
        pd.Categorical([1, 2, 3, 4]),
        pd.Categorical(["1", "2", "3", "4"], ordered=True),
        pd.Categorical([4, 9, 12, 30], categories=[30, 12, 9, 4], ordered=True),
        pd.Series([1, 2, 3, 4], dtype=object),
        pd.Series(["1", "2", "3", "4"], dtype=object),
        pd.Series([1, 2, 3, 4], dtype="Int8"),
        pd.Series([1, 2, 3, 4], dtype="float32"),
        pd.Series(["1", "2", "3", "4"], dtype="string"),
    ],
    ids=lambda ranks: f"{ranks.dtype}",
)
def test_a_frame_is_numbered_in_the_dtype_of_its_ranks(barring: Snapshot, ranks: Any) -> None:
    given = pd.DataFrame({"arrest": ARRESTS, "rank": ranks}, index=["a", "a", "b", "b"])
    if isinstance(ranks, pd.Series):
        given["rank"] = ranks.set_axis(given.index)
    frame = filtered(given, barring)
    assert [int(rank) for rank in frame["rank"]] == [1, 2, 3]
    assert str(frame["rank"].dtype) == str(given["rank"].dtype)
    if isinstance(ranks, pd.Categorical):
        assert frame["rank"].cat.ordered == ranks.ordered
        assert [int(rank) for rank in frame["rank"].cat.categories] == [1, 2, 3]


def test_ranks_that_do_not_fit_their_type_are_refused(barring: Snapshot) -> None:
    ranks = np.full(200, 1, np.int8)
    numbers = [f"K{number:08d}" for number in range(200)]
    for given in (pa.table({"arrest": numbers, "rank": ranks}), pd.DataFrame({"arrest": numbers, "rank": ranks})):
        with pytest.raises(ConfigurationError, match="rank: a column of type int8 cannot hold the new ranks") as caught:
            filtered(given, barring)
        assert caught.value.__context__ is None


def test_no_rank_of_an_empty_list_is_no_fault(barring: Snapshot) -> None:
    given = pa.table({"arrest": pa.array([], pa.string()), "rank": pa.nulls(0)})
    assert filtered(given, barring).schema == given.schema


# -- what is refused, and the form of files ---------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["arrest", "rank"])
@pytest.mark.parametrize("odd", [SEALED + "\udc80", 2**70, b"\xff"], ids=["surrogate", "large", "bytes"])
@pytest.mark.parametrize("encoded", [False, True])
def test_a_cell_that_no_table_can_hold_is_refused_without_its_value(
    barring: Snapshot, column: str, odd: object, encoded: bool
) -> None:
    columns = {"arrest": ARRESTS, "rank": [1, 2, 3, 4]}
    cells = pd.Index([*ARRESTS[:3], odd], dtype=object)
    columns[column] = pd.Categorical.from_codes(range(4), cells) if encoded else cells
    with pytest.raises(SealproofError) as caught:
        filtered(pd.DataFrame(columns), barring)
    told = f"{caught.value!r} {caught.value.args}".count(SEALED)
    assert told == 0
    assert caught.value.__context__ is None
    assert caught.value.__cause__ is None


def test_a_header_is_written_as_it_was(barring: Snapshot, tmp_path: Path) -> None:
    given, out = tmp_path / "given.csv", tmp_path / "out.csv"
    given.write_text(f'arrest,,"a ""b"", c"\n{ARRESTS[0]},1,x\n{SEALED},2,y\n', encoding="utf-8")
    for _ in range(2):  # the second time over its own answer
        filter_file(given, out, OUTPUT, snapshot=barring, key=KEY)
        assert out.read_text(encoding="utf-8") == f'arrest,,"a ""b"", c"\n{ARRESTS[0]},1,x\n'
