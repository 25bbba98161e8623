"""The output filter against an oracle in plain Python; and what it refuses."""

import datetime as dt
import os
import pickle
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanitizers.engine.forms import Reading
from sanitizers.errors import ConfigurationError, KeyFailure, PublishFailure, RegisterFailure, SourceFailure
from sanitizers.identifiers import Key, Kinds, published, tokenise
from sanitizers.outputs import OutputFilter, ServedFilter, filter_file, filter_output
from sanitizers.policy import Output
from sanitizers.register import snapshot
from sanitizers.register.links import BARRED_SCHEMA
from sanitizers.register.snapshot import Snapshot

KINDS = Kinds.parse(
    "complaint: {scope: shared, pattern: '[0-9]{4}', width: 4}\n"
    "arrest: {scope: record, pattern: '[BKMQS][0-9]{3}'}\n"
    "case: {scope: shared, parts: [person, filed]}"
)
KEY = Key("ab" * 32)
TODAY = dt.date(2020, 1, 8)
WEEK = dt.timedelta(days=7)


def tokens(kind: str, numbers: list[str]) -> pa.Table:
    own = tokenise(pl.Series(numbers, dtype=pl.String), name=kind, kind=KINDS[kind], key=KEY)
    return pa.table([[kind] * len(numbers), own.hi, own.lo, [""] * len(numbers)], schema=BARRED_SCHEMA)


def write_snapshot(path: Path, last_delivery: dt.date = TODAY, **barred: list[str]) -> Path:
    dated = {"as_of": TODAY.isoformat(), "known_at": TODAY.isoformat(), "last_delivery": last_delivery.isoformat()}
    dated |= {"historical": False, "not_barred": {}, "basis": "", "rules": "us-ny"}
    table = pa.concat_tables([BARRED_SCHEMA.empty_table(), *(tokens(kind, list(n)) for kind, n in barred.items())])
    snapshot.write(path, purpose="model-output", kinds=KINDS, key=KEY, barred=table, dated=dated)
    return path


def output(*, keep: int | None = 3, on_touched: str = "keep_redacted", asked: bool = True) -> Output:
    named = {"candidate": {"kind": "complaint", "on_seal": "drop", "on_touched": on_touched}}
    return Output(asked_by={"asked": {"kind": "complaint"}} if asked else {}, columns=named, keep=keep)


@pytest.fixture(scope="module")
def barring(tmp_path_factory: pytest.TempPathFactory):
    """Snapshot that bars some complaints; each set is written once."""
    folder, made = tmp_path_factory.mktemp("snapshots"), {}

    def of(numbers: frozenset[str]) -> Snapshot:
        if numbers not in made:
            made[numbers] = snapshot.load(write_snapshot(folder / f"{len(made)}.snap", complaint=sorted(numbers)))
        return made[numbers]

    return of


# -- the oracle -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    asked: str
    candidate: str
    rank: int
    score: float


def oracle(rows: list[Row], *, barred: set[str], touched: set[str], keep: int | None) -> tuple[list[Row], int]:
    """What stays, in the order given, and how many lists ended up short."""
    kept, short = {}, 0
    for asked in {row.asked for row in rows} - barred:
        places = [place for place, row in enumerate(rows) if row.asked == asked]
        places.sort(key=lambda place: rows[place].rank)
        left = [place for place in places if rows[place].candidate not in barred | touched]
        short += keep is not None and len(left) < min(keep, len(places))
        for rank, place in enumerate(left[:keep], start=1):
            kept[place] = rank
    return [Row(rows[p].asked, rows[p].candidate, kept[p], rows[p].score) for p in sorted(kept)], short


NUMBERS = [f"{n:04d}" for n in range(6)]
SPELLINGS = [
    lambda n: n,
    lambda n: f" {n[:2]}-{n[2:]}",
    lambda n: str(int(n)),
    lambda n: f"{int(n)}.0",
    lambda n: published(*(tokens("complaint", [n])[half].to_numpy() for half in ("hi", "lo")))[0].as_py(),
]
some = st.frozensets(st.sampled_from(NUMBERS), max_size=4)
lists = st.lists(
    st.builds(
        Row,
        asked=st.sampled_from(NUMBERS[:3]),
        candidate=st.sampled_from(NUMBERS),
        rank=st.integers(1, 9),
        score=st.floats(0, 1),
    ),
    max_size=24,
)
keeps = st.one_of(st.none(), st.integers(1, 4))


def table_of(rows: list[Row]) -> pa.Table:
    fields = [("asked", pa.string()), ("candidate", pa.string()), ("rank", pa.int32()), ("score", pa.float64())]
    return pa.Table.from_pylist([vars(row) for row in rows], schema=pa.schema(fields))


@given(rows=lists, barred=some, touched=some, keep=keeps, on_touched=st.sampled_from(["keep_redacted", "drop"]))
def test_the_filter_does_what_the_oracle_does(barring, rows, barred, touched, keep, on_touched):
    policy = output(keep=keep, on_touched=on_touched)
    filtered, counts = filter_output(
        table_of(rows), policy, snapshot=barring(barred), key=KEY, touched=tokens("complaint", sorted(touched))
    )
    gone = set(touched) if on_touched == "drop" else set()
    expected, short = oracle(rows, barred=set(barred), touched=gone, keep=keep)
    assert filtered == table_of(expected)
    assert counts.short == short
    assert counts.rows_out == len(expected)
    assert counts.rows_in == len(rows)
    assert counts.rows_in == sum((counts.rows_out, counts.unknown, counts.barred, counts.touched, counts.beyond))


@given(rows=lists, barred=some, keep=keeps, choose=st.randoms(use_true_random=False))
def test_spelling_and_pandas_change_nothing(barring, rows, barred, keep, choose):
    spelled = [
        Row(choose.choice(SPELLINGS)(row.asked), choose.choice(SPELLINGS)(row.candidate), row.rank, row.score)
        for row in rows
    ]
    keeper = OutputFilter(output(keep=keep), snapshot=barring(barred), key=KEY)
    plain, counts = keeper(table_of(rows))
    arrow, arrow_counts = keeper(table_of(spelled))
    frame, frame_counts = keeper(table_of(spelled).to_pandas())
    assert arrow.select(["rank", "score"]) == plain.select(["rank", "score"])
    assert frame["rank"].tolist() == plain["rank"].to_pylist()
    assert frame["candidate"].tolist() == arrow["candidate"].to_pylist()
    assert counts == arrow_counts == frame_counts


@given(rows=lists, barred=some, keep=keeps)
def test_a_barred_record_is_answered_like_one_that_never_existed(barring, rows, barred, keep):
    never = [row for row in rows if row.asked not in barred]
    keeper = OutputFilter(output(keep=keep), snapshot=barring(barred), key=KEY)
    assert keeper(table_of(rows))[0] == keeper(table_of(never))[0]


@given(rows=lists, barred=some, keep=keeps)
def test_filtering_twice_is_filtering_once(barring, rows, barred, keep):
    keeper = OutputFilter(output(keep=keep), snapshot=barring(barred), key=KEY)
    once, _ = keeper(table_of(rows))
    twice, counts = keeper(once)
    assert twice == once
    assert counts.rows_out == counts.rows_in


# -- what a list looks like -------------------------------------------------------------------------------------------


RANKED = pa.table(
    {
        "asked": ["0009"] * 5,
        "candidate": ["0000", "0001", "0002", "0003", "0004"],
        "rank": pa.array([1, 2, 3, 4, 5], pa.int8()),
        "score": [0.9, 0.8, 0.7, 0.6, -0.0],
    }
)


def test_a_list_is_refilled_and_ranked_without_a_gap(barring):
    filtered, counts = filter_output(RANKED, output(), snapshot=barring(frozenset({"0001"})), key=KEY)
    assert filtered["candidate"].to_pylist() == ["0000", "0002", "0003"]
    assert filtered["rank"].to_pylist() == [1, 2, 3]
    assert filtered.schema == RANKED.schema
    assert str(counts) == "rows_in: 5, rows_out: 3, unknown: 0, barred: 1, touched: 0, beyond: 1, short: 0"


def test_rows_without_a_rank_column_keep_their_order_and_gain_no_column(barring):
    filtered, _ = filter_output(RANKED.drop("rank"), output(), snapshot=barring(frozenset({"0001"})), key=KEY)
    assert filtered["candidate"].to_pylist() == ["0000", "0002", "0003"]
    assert filtered.column_names == ["asked", "candidate", "score"]


def test_a_table_that_nobody_asked_for_is_one_list(barring):
    filtered, _ = filter_output(RANKED, output(asked=False), snapshot=barring(frozenset({"0000"})), key=KEY)
    assert filtered["candidate"].to_pylist() == ["0001", "0002", "0003"]


def test_an_empty_answer_stays_empty(barring):
    filtered, counts = filter_output(RANKED.slice(0, 0), output(), snapshot=barring(frozenset({"0001"})), key=KEY)
    assert filtered == RANKED.slice(0, 0)
    assert counts.short == 0


def test_published_tokens_need_no_key(barring):
    names = {"asked": tokens("complaint", ["0009"] * 5), "candidate": tokens("complaint", NUMBERS[:5])}
    spelled = {name: published(t["hi"].to_numpy(), t["lo"].to_numpy()) for name, t in names.items()}
    given = RANKED.set_column(0, "asked", spelled["asked"]).set_column(1, "candidate", spelled["candidate"])
    filtered, _ = filter_output(given, output(), snapshot=barring(frozenset({"0001"})))
    assert filtered["score"].to_pylist() == [0.9, 0.7, 0.6]
    with pytest.raises(KeyFailure, match="no key was given"):
        filter_output(RANKED, output(), snapshot=barring(frozenset({"0001"})))


def test_composite_identifiers_are_filtered(tmp_path):
    named = {"[person, filed]": {"kind": "case", "on_seal": "drop", "on_touched": "keep_redacted"}}
    given = pa.table({"person": ["1", "1", "2"], "filed": ["2019-01-02", "2019-05-06", "2019-01-02"]})
    loaded = snapshot.load(write_snapshot(tmp_path / "x.snap", case=["1|20190506"]))
    filtered, counts = filter_output(given, Output(columns=named), snapshot=loaded, key=KEY)
    assert filtered.to_pydict() == {"person": ["1", "2"], "filed": ["2019-01-02", "2019-01-02"]}
    assert counts.barred == 1


def test_nothing_filtered_out_survives_in_categories_dictionaries_or_indexes(barring):
    frame = RANKED.to_pandas().astype({"candidate": "category"})
    frame["also"] = frame["candidate"]
    frame = frame.set_index(pd.MultiIndex.from_arrays([frame["candidate"], frame["asked"]], names=["a", "b"]))
    bars = barring(frozenset({"0001"}))
    filtered, _ = filter_output(frame, output(), snapshot=bars, key=KEY)
    left = {*filtered["also"].cat.categories, *filtered["candidate"].cat.categories, *filtered.index.levels[0]}
    survived = "0001" in left
    assert not survived
    encoded = RANKED.set_column(1, "candidate", RANKED["candidate"].dictionary_encode())
    table, _ = filter_output(encoded, output(), snapshot=bars, key=KEY)
    assert table.schema == encoded.schema
    survived = "0001" in table["candidate"].combine_chunks().dictionary.to_pylist()
    assert not survived
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    survived = b"0001" in sink.getvalue().to_pybytes()
    assert not survived


def test_a_frame_keeps_its_types_and_its_index_has_no_gap(barring):
    frame = RANKED.to_pandas()
    frame["seen"] = pd.Series([True, None, False, None, True], dtype="boolean")
    frame.attrs["made_by"] = "score"
    filtered, _ = filter_output(frame, output(), snapshot=barring(frozenset({"0001"})), key=KEY)
    assert filtered.dtypes.equals(frame.dtypes)
    assert list(filtered.index) == [0, 1, 2]
    assert filtered.attrs == frame.attrs
    assert frame["rank"].tolist() == [1, 2, 3, 4, 5]


# -- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "cells", "error"),
    [
        ("candidate", ["0000", None, "0002", "0003", "0004"], SourceFailure),
        ("candidate", ["0000", "", "0002", "0003", "0004"], SourceFailure),
        ("candidate", ["0000", "seven", "0002", "0003", "0004"], SourceFailure),
        ("asked", ["0009", "0009", None, "0009", "0009"], SourceFailure),
        ("rank", [1, None, 3, 4, 5], SourceFailure),
        ("rank", [1.5, 2, 3, 4, 5], SourceFailure),
        ("candidate", [True] * 5, ConfigurationError),
        ("candidate", [["0000"]] * 5, ConfigurationError),
    ],
)
def test_a_cell_that_cannot_be_understood_stops_the_filter(barring, column, cells, error):
    place = RANKED.column_names.index(column)
    given = RANKED.set_column(place, column, pa.array(cells))
    with pytest.raises(error) as caught:
        filter_output(given, output(), snapshot=barring(frozenset({"0001"})), key=KEY)
    assert "seven" not in str(caught.value)
    assert caught.value.__context__ is None


def test_a_frame_of_mixed_cells_is_refused(barring):
    frame = RANKED.to_pandas().astype({"candidate": object})
    frame.loc[1, "candidate"] = 1.5
    with pytest.raises(ConfigurationError, match="several types"):
        filter_output(frame, output(), snapshot=barring(frozenset()), key=KEY)


def test_a_column_that_is_not_there_is_named(barring):
    with pytest.raises(ConfigurationError, match="candidate"):
        filter_output(RANKED.drop("candidate"), output(), snapshot=barring(frozenset()), key=KEY)


def test_touched_records_must_be_told_where_they_are_to_be_dropped(barring):
    policy = output(on_touched="drop")
    with pytest.raises(ConfigurationError, match="touched"):
        filter_output(RANKED, policy, snapshot=barring(frozenset()), key=KEY)
    with pytest.raises(ConfigurationError, match="kind, hi, lo"):
        filter_output(RANKED, policy, snapshot=barring(frozenset()), key=KEY, touched=pa.table({"hi": [1]}))


def test_another_key_and_an_unknown_kind_are_refused(barring):
    with pytest.raises(KeyFailure):
        filter_output(RANKED, output(), snapshot=barring(frozenset()), key=Key("cd" * 32))
    unknown = Output(columns={"candidate": {"kind": "complain", "on_seal": "drop", "on_touched": "keep_redacted"}})
    with pytest.raises(ConfigurationError, match="did you mean `complaint`"):
        filter_output(RANKED, unknown, snapshot=barring(frozenset()), key=KEY)


def test_a_snapshot_without_its_sentinel_is_refused(barring):
    loaded = barring(frozenset({"0001"}))
    nothing = snapshot.Barred(*(np.empty(0, kind) for kind in (np.uint64, np.uint64, np.uint16)))
    emptied = type(loaded)(**{**vars(loaded), "barred": {**loaded.barred, "complaint": nothing}})
    for key in (KEY, None):
        with pytest.raises(RegisterFailure, match="sentinel"):
            OutputFilter(output(), snapshot=emptied, key=key)


def test_a_filter_shows_nothing_and_is_not_pickled(barring):
    keeper = OutputFilter(output(), snapshot=barring(frozenset({"0001"})), key=KEY)
    assert repr(keeper) == "OutputFilter(asked, candidate)"
    with pytest.raises(TypeError):
        pickle.dumps(keeper)


# -- files ------------------------------------------------------------------------------------------------------------


def test_parquet_files_are_filtered(tmp_path, barring):
    given, out = tmp_path / "scores.parquet", tmp_path / "deep" / "out.parquet"
    pa.parquet.write_table(RANKED, given)
    counts = filter_file(given, out, output(), snapshot=barring(frozenset({"0001"})), key=KEY)
    read = pa.parquet.read_table(out)
    assert read["rank"].to_pylist() == [1, 2, 3]
    assert read.schema == RANKED.schema
    assert counts.barred == 1
    assert [path.name for path in out.parent.iterdir()] == ["out.parquet"]


def test_csv_files_are_filtered_cell_by_cell_as_written(tmp_path, barring):
    given, out = tmp_path / "scores.csv", tmp_path / "out.csv"
    given.write_text('asked;candidate;rank;note\n9;0;1;\n9;1;2;x\n9;2;3;""\n9;3;4;"a;""§"\n', encoding="cp1252")
    reading = Reading(delimiter=";", encoding="cp1252")
    filter_file(given, out, output(), snapshot=barring(frozenset({"0001"})), key=KEY, reading=reading)
    expected = 'asked;candidate;rank;note\n9;0;1;\n9;2;2;\n9;3;3;"a;""§"\n'
    assert out.read_text(encoding="cp1252") == expected


def test_touched_records_may_be_read_from_a_file(tmp_path, barring):
    given, out, touched = tmp_path / "scores.parquet", tmp_path / "out.parquet", tmp_path / "touched.parquet"
    pa.parquet.write_table(RANKED, given)
    pa.parquet.write_table(tokens("complaint", ["0000", "0002"]), touched)
    counts = filter_file(given, out, output(on_touched="drop"), snapshot=barring(frozenset()), key=KEY, touched=touched)
    assert counts.touched == 2
    assert pa.parquet.read_table(out)["candidate"].to_pylist() == ["0001", "0003", "0004"]


def test_what_fails_leaves_the_old_file(tmp_path, barring):
    given, out = tmp_path / "scores.parquet", tmp_path / "out.parquet"
    out.write_text("old")
    pa.parquet.write_table(RANKED.set_column(1, "candidate", pa.array(["x"] * 5)), given)
    with pytest.raises(SourceFailure):
        filter_file(given, out, output(), snapshot=barring(frozenset()), key=KEY)
    with pytest.raises(SourceFailure, match="form"):
        filter_file(given, tmp_path / "out.csv", output(), snapshot=barring(frozenset()), key=KEY)
    pa.parquet.write_table(RANKED, given)
    with pytest.raises(PublishFailure):
        filter_file(given, out / "below.parquet", output(), snapshot=barring(frozenset()), key=KEY)
    assert out.read_text() == "old"


# -- serving ----------------------------------------------------------------------------------------------------------


def test_a_new_seal_takes_effect_with_the_next_request(tmp_path):
    path = write_snapshot(tmp_path / "x.snap")
    served = ServedFilter(output(), path, key=KEY, error_after=WEEK, today=lambda: TODAY)
    assert served(RANKED)[0]["candidate"].to_pylist() == ["0000", "0001", "0002"]
    write_snapshot(path, complaint=["0001"])
    assert served(RANKED)[0]["candidate"].to_pylist() == ["0000", "0002", "0003"]
    assert repr(served) == "ServedFilter(x.snap)"


def test_a_snapshot_that_is_gone_damaged_or_old_answers_nothing(tmp_path):
    path = write_snapshot(tmp_path / "x.snap", complaint=["0001"])
    days = iter([TODAY, TODAY + dt.timedelta(days=8)])
    served = ServedFilter(output(), path, key=KEY, error_after=WEEK, today=lambda: next(days))
    served(RANKED)
    with pytest.raises(RegisterFailure, match="8 days"):
        served(RANKED)
    dated = path.with_name("x.snap.json")
    content = dated.read_text()
    dated.write_text(content.replace("us-ny", "us-nx").replace('"digest": "', '"digest": "0'))
    with pytest.raises(RegisterFailure, match="belong together"):
        served(RANKED)
    dated.unlink()
    with pytest.raises(RegisterFailure, match="cannot be read"):
        served(RANKED)


@pytest.mark.skipif(bool(os.environ.get("CI")), reason="a shared runner's clock says little")
def test_a_request_takes_milliseconds(tmp_path):
    path = write_snapshot(tmp_path / "x.snap", complaint=[f"{n:04d}" for n in range(1000, 9000)])
    served = ServedFilter(output(keep=10), path, key=KEY, error_after=WEEK, today=lambda: TODAY)
    deep = pa.table({"asked": ["0009"] * 30, "candidate": [f"{n:04d}" for n in range(990, 1020)], "rank": range(30)})
    served(deep)
    begun = time.perf_counter()
    for _ in range(20):
        served(deep)
    assert (time.perf_counter() - begun) / 20 < 0.05
