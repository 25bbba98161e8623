"""What no seal reaches is kept bit for bit: in a column nobody declared, beside a redacted cell, and in nested fields."""

from __future__ import annotations

import csv
import io
import json
import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli_world import SEALED, World, department, world

__all__ = ["department", "world"]

NAN = struct.unpack("<d", bytes.fromhex("efbeadde0000f87f"))[0]  # a NaN that says something
LONG = "He said \u201cno\u201d. \U0001f600 " * 450_000  # over 10 MB as UTF-8
FLOATS = [NAN, 0.0, -0.0, float("inf")]
WHOLE = [2**63, 2**64 - 1, 0, 1]
SIGNED = [2**63 - 1, -(2**63), 0, -1]
TEXTS = ["nul\0nul", "\U0001f600\u200d\u2764\ufe0f", LONG, ""]
BY = [SEALED, None, "K17000001", SEALED]
FIELDS = [("sid", pa.string()), ("f", pa.float64()), ("u", pa.uint64()), ("i", pa.int64()), ("s", pa.string())]
PLAIN = "publish: {complaint_number: plain, arrest_number: plain}\nsources:\n"
POLICY = """\
  complaints:
    path: raw/complaints.{form}
    primary_key: id
    columns:
      id: {{kind: complaint_number, on_seal: drop}}
      by: {{kind: arrest_number, on_seal: {{redact: [gone]}}}}
"""


def declare(world: World, form: str, *columns: str) -> None:
    (world / "raw/complaints.csv").unlink()
    text = (world / "sealing.yaml").read_text()
    start, end = text.index("  complaints:"), text.index("features:")
    own = POLICY.format(form=form) + "".join(f"      {column}\n" for column in columns)
    world.write("sealing.yaml", (text[:start] + own + "\n" + text[end:]).replace("sources:\n", PLAIN))


def leaves(array: pa.Array) -> list[pa.Array]:
    """What an array is made of, structs and lists taken apart."""
    if pa.types.is_struct(array.type):
        return [leaf for part in array.flatten() for leaf in leaves(part)]
    return leaves(array.flatten()) if pa.types.is_list(array.type) else [array]


def bits(array: pa.Array) -> list[object]:
    """Cells that are equal only where their bits are."""
    if pa.types.is_floating(array.type):
        return np.asarray(array).view(np.uint64).tolist()
    return [None if one is None else hash(one) if isinstance(one, str) else one for one in array.to_pylist()]


@pytest.mark.parametrize("publish", ["plain", "token"])
def test_parquet_keeps_every_bit(world: World, publish: str) -> None:
    columns = zip(BY, FLOATS, WHOLE, SIGNED, TEXTS, strict=True)
    structs = [dict(zip(("sid", "f", "u", "i", "s"), cells, strict=True)) for cells in columns]
    kind = pa.struct(FIELDS)
    raw = pa.table(
        {
            "id": [f"20170000000{number}" for number in range(4)], "by": BY, "gone": ["x"] * 4,
            "f": FLOATS, "u": pa.array(WHOLE, pa.uint64()), "i": pa.array(SIGNED), "s": TEXTS,
            "undeclared": pa.array(structs, kind), "person": pa.array(structs, kind),
            "charges": pa.array([[one, one] for one in structs], pa.list_(kind)),
        }
    )  # fmt: skip
    declare(
        world, "parquet", "person.sid: {kind: arrest_number, on_seal: {redact: []}}",
        '"charges[].sid": {kind: arrest_number, on_seal: {redact: []}}',
    )  # fmt: skip
    if publish == "token":
        world.amend("sealing.yaml", "arrest_number: plain", "arrest_number: token")
    world.write("raw/complaints.parquet", raw)
    assert world.strip().code == 0
    clean = pq.read_table(world / "clean/complaints.parquet")
    assert clean["gone"].to_pylist() == [None, "x", "x", None]
    for name in ("f", "u", "i", "s", "undeclared", "person", "charges"):
        before, after = (leaves(table[name].combine_chunks()) for table in (raw, clean))
        own = len(before) == len(FIELDS) and name != "undeclared"
        same = [bits(one) == bits(other) for one, other in zip(before[own:], after[own:], strict=True)]
        assert all(same), name


def test_json_lines_keep_every_byte(world: World) -> None:
    odd = ["-0.0", "0.0", "1E400", "9223372036854775808", "9223372036854775807", '"nul\\u0000"', '"\U0001f600"', json.dumps(LONG)]
    lines = [
        f'{{"id":"20170000000{n}","by":{by},"gone":1.50,"x":{value},"person":{{"x":{value},"sid":{by}}},"y":[{n}.0]}}'
        for n, value in enumerate(odd)
        for by in ([f'"{SEALED}"', "null"] if len(value) < 100 else [f'"{SEALED}"'])  # a long one costs memory
    ]
    declare(world, "jsonl", "person.sid: {kind: arrest_number, on_seal: {redact: []}}")
    world.write("raw/complaints.jsonl", "\n".join(lines) + "\n")
    assert world.strip().code == 0
    clean = (world / "clean/complaints.jsonl").read_text(encoding="utf-8").split("\n")
    emptied = [line.replace(f'"{SEALED}"', "null").replace('"gone":1.50', '"gone":null') for line in lines]
    same = [one == (other if number % 2 else changed) for number, (one, other, changed) in
            enumerate(zip(clean, lines, emptied, strict=False))]  # fmt: skip
    assert all(same)


def test_csv_keeps_every_character(world: World) -> None:
    odd = ["nan", "-0.0", "9223372036854775808", "9223372036854775807", "nul\0nul", "\U0001f600\u200d", LONG, 'q"q', "a\nb"]
    rows = [(f"20170000000{number}", by, "x", value) for number, value in enumerate(odd) for by in (SEALED, "")]
    told = io.StringIO()
    csv.writer(told, lineterminator="\n").writerows([("id", "by", "gone", "y"), *rows])
    declare(world, "csv")
    world.write("raw/complaints.csv", told.getvalue())
    assert world.strip().code == 0
    with (world / "clean/complaints.csv").open(encoding="utf-8", newline="") as stream:
        csv.field_size_limit(1 << 26)
        clean = list(csv.reader(stream))[1:]
    same = [one[3] == other[3] for one, other in zip(clean, rows, strict=True)]
    assert all(same)
    assert [row[2] for row in clean] == ["", "x"] * len(odd)
