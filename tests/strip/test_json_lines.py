"""JSON lines: what no seal reaches is published byte for byte, and what cannot be read as it is meant is refused."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanitizers.engine import lines
from sanitizers.errors import COULD_NOT_CHECK, USAGE
from tests.cli_world import CANARY, SEALED, World, department, world
from tests.test_bad_input import refused, unpublished

__all__ = ["department", "world"]

COMPLAINTS = f"""\
{{"complaint_number":"201700000001", "cleared_by" : "{SEALED}","suspect_age": 31.0, "status":"CLOSED","narrative":"Arrest"}}
  {{ "complaint_number" : 201700000002, "suspect_age":1.50e1, "x": {{"a": [1.0, "}}"]}}, "narrative":"caf\\u00e9 \\"q\\"" }}\t

{{"complaint_number":"201700000003","cleared_by":null,"status":"CLOSED","narrative":"A {CANARY} again."}}\r
{{"narrative": "By {SEALED} and K17000001.", "complaint_number": "201700000004", "cleared_by": "{SEALED.lower()}"}}"""
PLAIN = "publish: {complaint_number: plain, arrest_number: plain}\nsources:\n"


@pytest.fixture
def told(world: World) -> World:
    """The department with complaints as JSON lines, and identifiers published as they are."""
    (world / "raw/complaints.csv").unlink()
    world.write("raw/complaints.jsonl", COMPLAINTS)
    world.amend("sealing.yaml", "raw/complaints.csv", "raw/complaints.jsonl")
    world.amend("sealing.yaml", "sources:\n", PLAIN)
    return world


def test_lines_that_no_seal_reaches_are_published_byte_for_byte(told: World) -> None:
    assert told.strip().code == 0
    raw = [line for line in COMPLAINTS.encode().split(b"\n") if line.strip()]
    clean = (told / "clean/complaints.jsonl").read_bytes().split(b"\n")
    assert clean[1:3] == raw[1:3]
    assert clean[4:] == [b""]


def test_values_change_where_they_stand_and_absent_keys_stay_absent(told: World) -> None:
    assert told.strip().code == 0
    first, _, _, last, _ = (told / "clean/complaints.jsonl").read_text().split("\n")
    said = '"complaint_number":"201700000001", "cleared_by" : null,"suspect_age": null, "status":"OPEN","narrative":null'
    assert first == f"{{{said}}}"
    assert last == '{"narrative": null, "complaint_number": "201700000004", "cleared_by": null, "status": "OPEN"}'


def test_folders_that_name_their_partition_keep_their_names(told: World) -> None:
    half = COMPLAINTS.split("\n")
    told.write("raw/calls/month=01/a.jsonl", "\n".join(half[:2]))
    told.write("raw/calls/month=02/b.ndjson", "\n".join(half[-2:]))
    (told / "raw/complaints.jsonl").unlink()
    told.amend("sealing.yaml", "raw/complaints.jsonl", "raw/calls/month=*/*")
    told.amend("sealing.yaml", "redact: [suspect_age], ", "")
    assert told.strip().code == 0
    clean = [(told / f"clean/calls/month=0{name}").read_text() for name in ("1/a.jsonl", "2/b.ndjson")]
    assert [text.count("\n") for text in clean] == [2, 2]
    leaked = sum(SEALED in text.upper() for text in clean)
    assert leaked == 0


def test_features_see_every_key_as_text(told: World) -> None:
    age = "CAST(ROUND(CAST(suspect_age AS DOUBLE)) AS BIGINT)"
    told.write("features/ages.sql", "SELECT {age} AS age, 1 AS arrests FROM complaints\n".replace("{age}", age))
    assert told.strip().code == 0
    outcome = told.features()
    assert outcome.code == 0, outcome.err
    ages = pq.read_table(told / "features-out/ages.parquet")["age"].to_pylist()
    assert sorted(ages, key=str) == [15, None, None, None]


def test_the_gate_compares_declared_keys(told: World) -> None:
    assert told.strip().code == 0
    outcome = told.gate(told / "clean")
    assert "not checked" not in outcome.out
    assert outcome.code == 0, outcome.out
    outcome = told.gate(told / "raw/complaints.jsonl")
    assert outcome.code == 1
    assert "cleared_by" in outcome.out


def test_the_gate_reads_a_short_number_of_a_declared_key(told: World) -> None:
    """Without its zeros it is too short to be known in a text; what the policy says of the key makes it known."""
    told.write("loose.jsonl", '{"photo_number": 1}\n')
    assert told.gate(told / "loose.jsonl").code == 1


def test_a_second_strip_takes_over_files_that_nothing_reaches(told: World) -> None:
    for _ in range(2):
        assert told.strip("--keeper", told / "keeper").code == 0
    plan = told.strip("--keeper", told / "keeper", "--plan")
    assert plan.code == 0
    assert "complaints: 0 file(s)" in plan.out + plan.err


BAD: dict[str, tuple[bytes, int, str]] = {
    "list": (b'["a"]\n', 1, "no JSON object"),
    "number": (b'{"narrative": "x"}\n12\n', 2, "no JSON object"),
    "two objects": (b'{"narrative": "x"} {"narrative": "y"}\n', 1, "no JSON object"),
    "two with a comma": (b'{"narrative": "x"}, {"narrative": "y"}\n', 1, "no JSON object"),
    "broken over lines": (b'{"narrative":\n"x"}\n', 1, "no JSON object"),
    "open text": (b'\n{"narrative": "x}\n{"narrative": "y"}\n', 2, "no JSON object"),
    "no value": (b'{"narrative":}\n', 1, "no JSON object"),
    "comma at the end": (b'{"narrative":"x",}\n', 1, "no JSON object"),
    "too deep": (b'{"narrative":"x"}\n{"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}\n", 2, "no JSON object"),
    "twice": (b'{"narrative":"x"}\n{"narrative":"x","narrative":"y"}\n', 2, "a key twice"),
    "twice in two spellings": (b'{"narrative":"x","\\u006earrative":"y"}\n', 1, "a key twice"),
    "no UTF-8": (b'{"narrative":"x"}\n\n{"narrative":"\xe9"}\n', 3, "not UTF-8"),
    "half a character in a key": (b'{"x":"x"}\n{"\\ud83d":"x"}\n', 2, "half a character"),
    "half a character": (b'{"narrative":"x"}\n{"narrative":"\\ud83d"}\n', 2, "half a character"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_lines_are_named_and_nothing_is_published(told: World, name: str) -> None:
    content, line, problem = BAD[name]
    given = COMPLAINTS.replace("\n\n", "\n").encode() + b"\n"
    told.write("raw/complaints.jsonl", given + content.replace(b'"x"', f'"{CANARY}"'.encode()))
    refused(told.strip(), COULD_NOT_CHECK, "complaints.jsonl", f"line {given.count(10) + line}", problem, "->")
    unpublished(told)


def test_a_declared_key_that_is_in_no_line_of_a_file_is_refused(told: World) -> None:
    told.amend("raw/complaints.jsonl", '"cleared_by"', '"clearedby"')
    refused(told.strip(), USAGE, "complaints.jsonl, cleared_by: no line has this key", "did you mean `clearedby`?")
    unpublished(told)


@pytest.mark.parametrize("value", [f'["{SEALED}"]', f'{{"number": "{SEALED}"}}'])
def test_a_declared_key_with_a_list_or_an_object_is_refused(told: World, value: str) -> None:
    told.amend("raw/complaints.jsonl", f'"{SEALED}"', value)
    refused(told.strip(), USAGE, "complaints.jsonl, cleared_by: holds a list or an object")
    unpublished(told)


def test_the_policy_is_checked_against_the_keys(told: World) -> None:
    assert told.check().code == 0
    told.amend("sealing.yaml", "set: {status: OPEN}", "set: {status: 7}")
    refused(told.strip(), USAGE, "status", "`set` gives a value that is no string")
    told.amend("sealing.yaml", "set: {status: 7}", "set: {states: OPEN}")
    refused(told.strip(), USAGE, "did you mean `status`?")


@pytest.mark.parametrize("value", ["9" * 5000, "NaN", "-0.0", "1E400", '{"a": 1, "a": 2}', '"\\ud83d"', "[" * 60 + "]" * 60])
def test_values_that_nobody_reads_pass_as_they_are(told: World, value: str) -> None:
    told.amend("raw/complaints.jsonl", '{"a": [1.0, "}"]}', value)
    assert told.strip().code == 0
    raw, clean = ((told / name).read_bytes().split(b"\n")[1] for name in ("raw/complaints.jsonl", "clean/complaints.jsonl"))
    assert clean == raw


def test_a_cell_that_does_not_fit_is_told_with_its_line(told: World) -> None:
    told.amend("raw/complaints.jsonl", SEALED.lower(), CANARY)
    refused(told.strip(), COULD_NOT_CHECK, "line 5", "cleared_by", "the first is row 4")
    unpublished(told)


# -- the text and its places ------------------------------------------------------------------------------------------

WORDS = st.text(st.sampled_from(['"', "\\", "{", "}", "[", ":", ",", " ", "\n", "\0", "a", "é", "\U0001f600", "/"]), max_size=5)
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), WORDS),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def written(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    """An object, and one way to write it."""
    line = draw(st.dictionaries(st.one_of(st.sampled_from(["a", "b"]), WORDS), VALUES, min_size=1, max_size=4))
    style = {"ensure_ascii": draw(st.booleans()), "separators": draw(st.sampled_from([(",", ":"), (" , ", "\t: ")]))}
    space = draw(st.sampled_from(["", " ", "\r"]))
    return line, f"{space}{json.dumps(line, **style)}{space}"


def cell(value: Any) -> str | None:
    """A cell by its meaning; what is no text by its content."""
    return value if value is None or isinstance(value, str) else json.dumps(value, sort_keys=True)


@given(
    lines_=st.lists(written(), min_size=1, max_size=5),
    new=st.lists(st.one_of(st.none(), WORDS), min_size=5, max_size=5),
    size=st.sampled_from([1, 7, 1 << 22]),
)
def test_cells_are_those_of_the_standard_library_and_are_put_in_where_they_stand(
    tmp_path_factory: pytest.TempPathFactory, lines_: list[tuple[dict[str, Any], str]], new: list[str | None], size: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.jsonl"
    path.write_text("\n\n".join(text for _, text in lines_), encoding="utf-8", newline="")
    objects = [line for line, _ in lines_]
    names = list(dict.fromkeys([*(name for line in objects for name in line), "a"]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines, "_BLOCK", size)
        told = lines.Told.by(path)
        raw = pa.Table.from_batches(list(lines.batches(path, [lines.LINE, *names]))).combine_chunks()
    assert (told.rows, set(told.names)) == (len(objects), {name for line in objects for name in line})
    for name in names:
        found = raw[name].to_pylist()
        for line, text in zip(objects, found, strict=True):
            value = line.get(name)
            spoken = text if value is None or isinstance(value, str) else cell(json.loads(text))
            assert spoken == cell(value)
    [batch] = raw.to_batches()
    assert lines.rewritten(batch) == b"".join(text.encode() + b"\n" for _, text in lines_)
    other = pa.array(new[: len(objects)], pa.string())
    changed = lines.rewritten(batch.set_column(batch.schema.get_field_index("a"), "a", other)).split(b"\n")
    for line, cells, text in zip(objects, new, changed, strict=False):
        kept = cells == raw_text(line.get("a"))
        expected = line if kept else line | {"a": cells}
        assert json.dumps(json.loads(text)) == json.dumps(expected)


def raw_text(value: Any) -> str | None:
    """What stands in the text for a value."""
    return value if value is None or isinstance(value, str) else json.dumps(value)
