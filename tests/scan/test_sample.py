"""A sample: rows as they stand in the file, from its start, middle and end; never the whole of a large one."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers.engine.forms import RawFile, Reading
from sanitizers.errors import SourceFailure
from sanitizers.scan import sample as room
from sanitizers.scan.sample import BYTES, ROWS, sample

BIG = 4 * BYTES


def part(path: Path, **read: str) -> RawFile:
    return RawFile(path, path.name, Reading(**read))


def big_csv(path: Path, *, encoding: str = "utf-8", delimiter: str = ",") -> list[list[str]]:
    """Rows with every trap that a place in the middle of a file can have."""
    chance = random.Random(path.name)
    texts = ["plain", 'say "a"', "two\nlines", f"1{delimiter}2", '"', "\n\n", "é" * 40, f'"\n9{delimiter}"x"{delimiter}y\n']
    rows, size = [], 0
    with path.open("w", encoding=encoding, newline="") as stream:
        writer = csv.writer(stream, delimiter=delimiter)
        writer.writerow(["n", "t", "u"])
        while size < BIG:
            rows.append([str(len(rows)), chance.choice(texts) * chance.randrange(1, 9), chance.choice(texts)])
            writer.writerow(rows[-1])
            size += sum(map(len, rows[-1]))
    return rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_rows_of_a_large_csv_file_are_rows_of_it(tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = tmp_path / "a.csv"
    rows = big_csv(path, encoding=encoding, delimiter=delimiter)
    taken = sample([part(path, encoding=encoding, delimiter=delimiter)])
    got = [[cell or "" for cell in row.values()] for row in taken.to_pylist()]
    assert [rows[int(row[0])] for row in got] == got
    numbers = [int(row[0]) for row in got]
    assert numbers == sorted(set(numbers))
    assert ROWS <= len(numbers) <= 3 * ROWS
    if encoding != "utf-16":  # of which only the start is read
        assert any(abs(number - len(rows) / 2) < len(rows) / 10 for number in numbers)
        assert numbers[-1] > len(rows) * 0.8


def test_what_lies_between_the_places_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    line = b"1,2,3,4,5,6,7,8,9\n"
    between = BYTES + BYTES // 2
    path.write_bytes(b"a,b,c,d,e,f,g,h,i\n" + line * (between // len(line)) + b"\xff,\xff\n" + line * (4 * BYTES // len(line)))
    assert sample([part(path)]).num_rows == 3 * ROWS


def test_text_in_another_encoding_is_told_with_a_remedy(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("a\né\n".encode("cp1252"))
    with pytest.raises(SourceFailure, match="encoding: cp1252"):
        sample([part(path)])


def test_a_cell_larger_than_a_sample_stops_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("a,b\n1,2\n" + f"3,{'x' * 5 * BYTES}\n" + "5,6\n")
    assert {row["a"] for row in sample([part(path)]).to_pylist()} <= {"1", "3", "5"}


@pytest.mark.parametrize("groups", [7, 1000, 100_000])
def test_parquet_is_sampled_at_start_middle_and_end(tmp_path: Path, groups: int) -> None:
    rows = 10_000
    pq.write_table(pa.table({"n": range(rows)}), tmp_path / "a.parquet", row_group_size=groups)
    numbers = sample([part(tmp_path / "a.parquet")])["n"].to_pylist()
    assert numbers == [*range(ROWS), *range(rows // 2, rows // 2 + ROWS), *range(rows - ROWS, rows)]


def test_a_small_parquet_file_is_its_own_sample(tmp_path: Path) -> None:
    pq.write_table(pa.table({"n": range(2500)}), tmp_path / "a.parquet", row_group_size=40)
    assert sample([part(tmp_path / "a.parquet")])["n"].to_pylist() == list(range(2500))


def test_a_deep_row_group_is_not_decoded_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_DEEPEST", 2000)
    pq.write_table(pa.table({"n": range(10_000)}), tmp_path / "a.parquet", row_group_size=10_000)
    assert max(sample([part(tmp_path / "a.parquet")])["n"].to_pylist()) == 2999


def test_json_lines_are_sampled_with_the_keys_of_every_place(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    lines = [{"n": number, "t": "x" * 200} | ({"late": "y"} if number > 5000 else {}) for number in range(6000)]
    path.write_text("\ufeff" + "".join(json.dumps(line) + "\n" for line in lines))
    taken = sample([part(path)])
    assert set(taken.column_names) == {"n", "t", "late"}
    numbers = [int(number) for number in taken["n"].to_pylist()]
    assert numbers[0] == 0
    assert numbers[-1] > 5900
    assert len(numbers) <= 3 * ROWS


def test_three_files_of_many_are_looked_at(tmp_path: Path) -> None:
    files = []
    for number in range(9):
        (tmp_path / f"{number}.csv").write_text(f"n\n{number}\n")
        files.append(part(tmp_path / f"{number}.csv"))
    assert sample(files)["n"].to_pylist() == ["0", "4", "8"]


def test_a_header_alone_is_a_sample_without_rows(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("n,m")
    taken = sample([part(tmp_path / "a.csv")])
    assert (taken.num_rows, taken.column_names) == (0, ["n", "m"])
