"""Nested columns: identifiers in structs, in lists within them and in lists of structs, and what a redaction names there."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers.engine.forms import RawFile, Reading
from sanitizers.errors import CONTAMINATED, USAGE, ConfigurationError
from sanitizers.identifiers import Key
from sanitizers.policy import Policy
from sanitizers.register import snapshot
from sanitizers.strip.frames import strip
from tests.cli_world import KEY, SEALED, World, department, world
from tests.test_bad_input import refused, unpublished

__all__ = ["department", "world"]

PHOTO, OTHER = "0000000001", "0000000003"  # the sealed arrest's photo, and another
PERSON = pa.struct([("sid", pa.string()), ("name", pa.string()), ("seen", pa.struct([("at", pa.float64())]))])
CHARGE = pa.struct([("arrest_id", pa.string()), ("law", pa.string()), ("photo", pa.string())])
TAGS = pa.struct([("photos", pa.list_(pa.string())), ("by", pa.string())])
RAW: dict[str, tuple[pa.DataType, list[Any]]] = {
    "id": (pa.string(), ["201700000001", "201700000002", "201700000003", "201700000004", "201700000005"]),
    "person": (PERSON, [
        {"sid": SEALED, "name": "a", "seen": {"at": -0.0}},
        {"sid": "K17000001", "name": "b", "seen": None},
        None,
        {"sid": None, "name": None, "seen": {"at": None}},
        {"sid": SEALED.lower(), "name": "e", "seen": {"at": 1.5}},
    ]),
    "charges": (pa.list_(CHARGE), [
        [{"arrest_id": SEALED, "law": "A", "photo": None}, {"arrest_id": "K17000001", "law": "B", "photo": OTHER}],
        [{"arrest_id": SEALED, "law": "C", "photo": PHOTO}],
        None,
        [],
        [None, {"arrest_id": None, "law": None, "photo": PHOTO}],
    ]),
    "tags": (TAGS, [
        {"photos": [PHOTO, OTHER, None], "by": "x"}, {"photos": [PHOTO], "by": None}, None,
        {"photos": None, "by": "y"}, {"photos": [], "by": ""},
    ]),
    "status": (pa.string(), ["CLOSED"] * 5),
}  # fmt: skip
PLAIN = "publish: {complaint_number: plain, arrest_number: plain, photo_number: plain}\nsources:\n"
NESTED = """\
  complaints:
    path: raw/complaints.parquet
    primary_key: id
    columns:
      id: {kind: complaint_number, on_seal: drop}
"""


def declare(world: World, *columns: str, plain: bool = True, extra: str = "") -> None:
    """The department with nested complaints."""
    (world / "raw/complaints.csv").unlink(missing_ok=True)
    world.write("raw/complaints.parquet", pa.table({name: pa.array(cells, kind) for name, (kind, cells) in RAW.items()}))
    text = (world / "sealing.yaml").read_text()
    start, end = text.index("  complaints:"), text.index("features:")
    own = "".join(f"      {column}\n" for column in columns) + extra
    text = text[:start] + NESTED + own + "\n" + text[end:]
    world.write("sealing.yaml", text.replace("sources:\n", PLAIN) if plain else text)


def clean_of(world: World) -> dict[str, list[Any]]:
    assert world.strip().code == 0
    return pq.read_table(world / "clean/complaints.parquet").to_pydict()


def raw(name: str) -> list[Any]:
    return RAW[name][1]


def test_a_field_of_a_struct_is_redacted_with_what_is_named_and_nothing_else(world: World) -> None:
    declare(world, "person.sid: {kind: arrest_number, on_seal: {redact: [person.name], set: {status: OPEN}}}")
    clean = clean_of(world)
    first, *others = raw("person")
    assert clean["person"] == [
        first | {"sid": None, "name": None}, *others[:3], others[3] | {"sid": None, "name": None}
    ]  # fmt: skip
    assert clean["status"] == ["OPEN", "CLOSED", "CLOSED", "CLOSED", "OPEN"]
    assert str(clean["person"][0]["seen"]["at"]) == "-0.0"
    assert [clean[name] for name in ("charges", "tags")] == [raw("charges"), raw("tags")]


def test_a_field_of_a_struct_drops_its_row_and_carries_the_seal_on(world: World) -> None:
    declare(
        world,
        "person.sid: {kind: arrest_number, on_seal: drop}",
        '"charges[].photo": {kind: photo_number, on_seal: element, carries: any}',
        '"tags.photos[]": {kind: photo_number, on_seal: element}',
    )
    clean = clean_of(world)
    assert clean["id"] == raw("id")[1:4]
    assert clean["tags"] == [{"photos": [], "by": None}, None, {"photos": None, "by": "y"}]


def test_an_element_goes_from_a_list_of_structs_and_a_list_that_loses_its_last_is_empty(world: World) -> None:
    declare(world, '"charges[].arrest_id": {kind: arrest_number, on_seal: element}')
    clean = clean_of(world)
    assert clean["charges"] == [raw("charges")[0][1:], [], *raw("charges")[2:]]


def test_a_redaction_in_a_list_empties_fields_of_that_element_only(world: World) -> None:
    declare(
        world,
        '"charges[].arrest_id": {kind: arrest_number, on_seal: {redact: ["charges[].law"], set: {status: OPEN}}}',
    )
    clean = clean_of(world)
    gone = {"arrest_id": None, "law": None}
    first, second = raw("charges")[:2]
    assert clean["charges"] == [[first[0] | gone, first[1]], [second[0] | gone], *raw("charges")[2:]]
    assert clean["status"] == ["OPEN", "OPEN", "CLOSED", "CLOSED", "CLOSED"]


def test_a_redaction_from_outside_empties_a_field_of_every_element(world: World) -> None:
    declare(
        world,
        'person.sid: {kind: arrest_number, on_seal: {redact: ["charges[].law"], set: {"tags.by": SEEN, "person.name": X}}}',
    )
    clean = clean_of(world)
    assert [one["law"] for one in clean["charges"][0]] == [None, None]
    assert clean["charges"][4] == [None, raw("charges")[4][1]]
    assert clean["tags"] == [raw("tags")[0] | {"by": "SEEN"}, *raw("tags")[1:4], raw("tags")[4] | {"by": "SEEN"}]
    assert [one and one["name"] for one in clean["person"]] == ["X", "b", None, None, "X"]


def test_a_struct_and_a_list_are_emptied_whole(world: World) -> None:
    declare(world, "person.sid: {kind: arrest_number, on_seal: {redact: [person, charges, tags.photos]}}")
    clean = clean_of(world)
    assert [clean["person"][0], clean["charges"][0], clean["tags"][0]] == [None, None, {"photos": None, "by": "x"}]
    assert clean["person"][1:4] == raw("person")[1:4]


def test_a_list_within_a_struct_loses_its_elements(world: World) -> None:
    declare(world, '"tags.photos[]": {kind: photo_number, on_seal: element}')
    clean = clean_of(world)
    first, second, *others = raw("tags")
    assert clean["tags"] == [first | {"photos": [OTHER, None]}, second | {"photos": []}, *others]


def test_nested_identifiers_are_published_as_tokens_of_which_the_gate_finds_the_sealed(world: World) -> None:
    declare(
        world,
        "person.sid: {kind: arrest_number, on_seal: {redact: []}}",
        '"charges[].arrest_id": {kind: arrest_number, on_seal: {redact: []}}',
        '"charges[].photo": {kind: photo_number, on_seal: {redact: []}}',
        '"tags.photos[]": {kind: photo_number, on_seal: element}',
        plain=False,
    )
    clean = clean_of(world)
    assert [one and one["sid"] is None for one in clean["person"]] == [True, False, None, True, True]
    assert clean["person"][1]["sid"] == clean["charges"][0][1]["arrest_id"]
    assert clean["person"][1]["sid"].startswith("tok_")
    assert clean["charges"][2:4] == [None, []]
    assert clean["charges"][4][0] is None
    assert [one and one["photos"] and len(one["photos"]) for one in clean["tags"]] == [1, [], None, None, []]
    assert world.gate(world / "clean").code == 0


@pytest.mark.parametrize("column", ["person", "charges", "tags"])
def test_the_gate_finds_a_sealed_identifier_in_a_nested_column_nobody_declared(world: World, column: str) -> None:
    declare(world)
    outcome = world.gate(world / "raw/complaints.parquet")
    assert outcome.code == CONTAMINATED
    assert "person.sid" in outcome.out + outcome.err
    assert "charges.arrest_id" in outcome.out + outcome.err
    kind, cells = RAW[column]
    world.write("other.parquet", pa.table({column: pa.array(cells, kind)}))
    assert world.gate(world / "other.parquet").code == CONTAMINATED


def test_fields_beside_a_declared_one_are_searched_but_for_those_that_hold_no_identifiers(world: World) -> None:
    innocent = "    not_identifiers: {person.name: a name}\n"
    declare(world, "person.sid: {kind: arrest_number, on_seal: {redact: []}}", extra=innocent)
    people = pa.array([{"sid": None, "name": SEALED, "seen": None}], PERSON)
    world.write("raw/complaints.parquet", pa.table({"id": ["201700000001"], "person": people}))
    assert world.gate(world / "raw/complaints.parquet").code == 0
    world.amend("sealing.yaml", innocent, "")
    outcome = world.gate(world / "raw/complaints.parquet")
    assert outcome.code == CONTAMINATED
    assert "person.name" in outcome.out + outcome.err


@pytest.mark.parametrize(
    ("column", "words"),
    [
        ("person.said: {kind: arrest_number, on_seal: drop}", ["person.said", "did you mean `person.sid`?"]),
        ("charges.arrest_id: {kind: arrest_number, on_seal: drop}", ["stands in a list", "write `charges[].arrest_id`"]),
        ('"person[].sid": {kind: arrest_number, on_seal: element}', ["is no list", "write `person.sid`"]),
        ('"charges[].arrest_id": {kind: arrest_number, on_seal: drop}', ["a list loses its element"]),
        ('"tags.photos[]": {kind: photo_number, on_seal: {redact: []}}', ["a list loses its element or its row"]),
        ("person.sid: {kind: arrest_number, on_seal: element}", ["`element` goes with a list column"]),
        ('"a[].b[]": {kind: arrest_number, on_seal: element}', ["lists within lists are not read"]),
        ('person.sid: {kind: arrest_number, on_seal: {redact: ["tags.photos[]"]}}', ["name the list, `tags.photos`"]),
        ("person: {kind: arrest_number, on_seal: drop}", ["cannot hold an identifier"]),
        ("person.sid: {kind: arrest_number, on_seal: {redact: [], set: {person.seen.at: x}}}", ["no double"]),
    ],
)
def test_names_that_lead_nowhere_are_refused_with_what_to_write(world: World, column: str, words: list[str]) -> None:
    declare(world, column)
    refused(world.strip(), USAGE, *words)
    unpublished(world)


def test_a_column_whose_own_name_holds_a_dot_is_read_as_that_column(world: World) -> None:
    declare(world, "geo.sid: {kind: arrest_number, on_seal: {redact: [geo.lat]}}")
    table = pq.read_table(world / "raw/complaints.parquet")
    table = table.append_column("geo.sid", pa.array([SEALED, None, None, None, "K17000001"]))
    table = table.append_column("geo.lat", pa.array([1.5] * 5))
    world.write("raw/complaints.parquet", table)
    clean = clean_of(world)
    assert clean["geo.sid"] == [None, None, None, None, "K17000001"]
    assert clean["geo.lat"] == [None, 1.5, 1.5, 1.5, 1.5]
    world.write("raw/complaints.parquet", table.append_column("geo", pa.array([{"sid": SEALED}] * 5)))
    refused(world.strip(), USAGE, "geo.sid", "names a column and a field")


def test_texts_in_structs_are_masked_and_cleared(world: World) -> None:
    text = "    text: {person.name: {mentions: [arrest_number], on_seal: clear}}\n"
    declare(world, extra=text)
    told = [None, {"sid": None, "name": f"Saw {SEALED}."}, {"sid": None, "name": "Saw K17000001."}, {"name": "-"}, {}]
    table = pq.read_table(world / "raw/complaints.parquet").drop_columns("person")
    world.write("raw/complaints.parquet", table.append_column("person", pa.array(told, PERSON)))
    clean = clean_of(world)
    assert [one and one["name"] for one in clean["person"]] == [None, None, "Saw RECORD.", "-", None]


def test_only_the_leaves_that_are_named_are_read(world: World) -> None:
    declare(world)
    file = RawFile(world / "raw/complaints.parquet", "c", Reading())
    batch = next(file.batches(["person.sid", "charges[].arrest_id", "tags.photos[]"]))
    names = {field.name: field.type for field in batch.schema}
    assert names["person"] == pa.struct([("sid", pa.string())])
    assert names["charges"] == pa.list_(pa.struct([("arrest_id", pa.string())]))
    assert names["tags"] == pa.struct([("photos", pa.list_(pa.string()))])


# -- JSON lines -------------------------------------------------------------------------------------------------------

LINES = f"""\
{{"id":"201700000001", "person": {{ "sid" : "{SEALED}", "at":1.50e1, "in":{{"tag":"x"}} }}, "status":"CLOSED"}}
{{"id":"201700000002", "person":{{"at":1.0,"sid":"K17000001"}},"status":"CLOSED"}}
{{"id":"201700000003", "person":null}}
{{"id":"201700000004", "person":{{}} , "by":"{SEALED}"}}
{{"id":"201700000005", "person":{{"sid":null,"x":[1.0,{{"sid":"-"}}]}}, "by":"{SEALED}"}}
"""


def lines(world: World, *columns: str, content: str = LINES) -> None:
    declare(world, *columns)
    world.amend("sealing.yaml", "raw/complaints.parquet", "raw/complaints.jsonl")
    world.write("raw/complaints.jsonl", content)


def test_fields_of_objects_in_json_lines_change_where_they_stand(world: World) -> None:
    lines(
        world,
        "person.sid: {kind: arrest_number, on_seal: {redact: [person.at, person.in.tag]}}",
        "by: {kind: arrest_number, on_seal: {redact: [], set: {person.in.tag: S, person.at: A}}}",
    )
    assert world.strip().code == 0
    given, clean = LINES.splitlines(), (world / "clean/complaints.jsonl").read_text().splitlines()
    assert clean[1:3] == given[1:3]
    said = '{ "sid" : null, "at":null, "in":{"tag":null} }'
    assert clean[0] == f'{{"id":"201700000001", "person": {said}, "status":"CLOSED"}}'
    assert clean[3] == '{"id":"201700000004", "person":{} , "by":null}'
    assert clean[4] == '{"id":"201700000005", "person":{"sid":null,"x":[1.0,{"sid":"-"}], "at": "A"}, "by":null}'


def test_a_field_of_an_object_is_published_as_a_token(world: World) -> None:
    declared = "person.sid: {kind: arrest_number, on_seal: drop}", "by: {kind: arrest_number, on_seal: {redact: []}}"
    lines(world, *declared)
    world.amend("sealing.yaml", "arrest_number: plain, ", "")
    assert world.strip().code == 0
    clean = [json.loads(line) for line in (world / "clean/complaints.jsonl").read_text().splitlines()]
    assert [one["id"][-1] for one in clean] == ["2", "3", "4", "5"]
    assert clean[0]["person"]["sid"].startswith("tok_")
    assert world.gate(world / "clean").code == 0
    outcome = world.gate(world / "raw/complaints.jsonl")
    assert outcome.code == CONTAMINATED
    assert "person.sid" in outcome.out


@pytest.mark.parametrize("said", ["null", "{}"])
def test_a_file_in_which_no_object_is_left_is_read_and_one_that_never_had_the_field_is_not(world: World, said: str) -> None:
    content = "".join(f'{{"id":"20170000000{number}","person":{said}}}\n' for number in range(3))
    lines(world, "person.sid: {kind: arrest_number, on_seal: drop}", content=content)
    outcome = world.strip()
    assert outcome.code == (0 if said == "null" else USAGE)
    assert ("no line has this key" in outcome.err) == (said == "{}")


@pytest.mark.parametrize(
    ("column", "line", "words"),
    [
        ("person.sad: {kind: arrest_number, on_seal: drop}", "", ["person.sad", "no line has this key"]),
        ('"person.l[]": {kind: arrest_number, on_seal: element}', "", ["lists in JSON lines are not followed"]),
        ("person.in: {kind: arrest_number, on_seal: drop}", "", ["holds a list or an object"]),
        ("person.sid: {kind: arrest_number, on_seal: drop}", f'{{"person":[{{"sid":"{SEALED}"}}]}}', ["no field of an object"]),
        ("person.sid: {kind: arrest_number, on_seal: drop}", '{"person":{"sid":1,"sid":2}}', ["a key twice", "line 6"]),
        ("person.sid: {kind: arrest_number, on_seal: drop}", '{"person.sid":1}', ["names a key and a field"]),
        ("person.sid: {kind: arrest_number, on_seal: {redact: [person]}}", "", ["name the fields of `person`"]),
    ],
)  # fmt: skip
def test_what_is_no_field_of_an_object_is_refused(world: World, column: str, line: str, words: list[str]) -> None:
    lines(world, column, content=LINES + line)
    outcome = world.strip()
    assert outcome.code != 0
    for word in words:
        assert word in outcome.err
    unpublished(world)


# -- frames -----------------------------------------------------------------------------------------------------------


def test_fields_of_dicts_in_frames_are_refused_by_name(world: World) -> None:
    declare(world, "person.sid: {kind: arrest_number, on_seal: drop}")
    frames = {
        "arrests": pd.DataFrame({"arrest_number": ["K17000001"], "photo_number": ["0000000003"]}),
        "photos": pd.DataFrame({"photo_number": ["0000000003"]}),
        "complaints": pd.DataFrame({"id": ["201700000001"], "person": [{"sid": SEALED}]}),
    }
    given = {"policy": Policy.load(world / "sealing.yaml"), "snapshot": snapshot.load(world / "city.snap"), "key": Key(KEY)}
    with pytest.raises(ConfigurationError, match="fields of dicts are not followed in frames") as refusal:
        strip(frames, **given)
    assert "person.sid" in str(refusal.value)
    leaked = SEALED in str(refusal.value)
    assert not leaked
    flat = frames["complaints"].assign(**{"person.sid": [SEALED]}).drop(columns="person")
    clean, _ = strip({**frames, "complaints": flat}, **given)
    assert len(clean["complaints"]) == 0
