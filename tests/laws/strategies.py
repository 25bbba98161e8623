"""Small worlds: a few sources over a few kinds, written as carelessly as systems write."""

import datetime as dt
import re
import struct
import unicodedata
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from sanitizers.engine.types import survives
from tests.laws import oracle
from tests.laws.oracle import Mention, Source, Spelled, Text, World

POOL = {
    "arrest": ["M17654502", "K17000001", "B17000002", "Q18000003"],
    "photo": ["0000000001", "0000000042", "2019052100", "9999999999"],
    "docket": ["2019KN0001", "2019KN0002", "2018BX7777"],
    "person": ["12345678A", "99999999B", "00000001C"],
    "case": ["7|2019-05-21", "7|2019-05-22", "8|2019-05-21"],
}
ODD_NAN = struct.unpack("<d", bytes.fromhex("010000000000f87f"))[0]
STRINGS = ["", "x", "OPEN", "N/A", " lead", "a;b,c", 'q"q', "line\nbreak", "é", "\U0001f600", "tab\t", "RECORD", "1.0"]
PLAIN: dict[pa.DataType, list[Any]] = {
    pa.string(): [*STRINGS, "nul\0nul"],
    pa.large_string(): STRINGS,
    pa.dictionary(pa.int8(), pa.string()): ["a", "b", ""],
    pa.float64(): [0.0, -0.0, 1.5, float("nan"), ODD_NAN, float("inf"), 5e-324],
    pa.float32(): [0.0, -0.0, 1.5, float("inf")],
    pa.int64(): [0, -1, 2**63 - 1, -(2**63)],
    pa.uint64(): [0, 2**63, 2**64 - 1],
    pa.int8(): [-128, 127],
    pa.uint16(): [0, 65535],
    pa.bool_(): [True, False],
    pa.date32(): [dt.date(1, 1, 1), dt.date(2019, 5, 21)],
    pa.timestamp("ns"): [0, 1, -1, 2**62],
    pa.timestamp("us"): [0, -1, 2**50],
    pa.timestamp("us", tz="UTC"): [0, 1, 2**50],
    pa.timestamp("ms"): [0, -1, 2**40],
    pa.timestamp("us", tz="America/New_York"): [0, 2**50],
    pa.duration("us"): [0, -1, 2**40],
    pa.time64("us"): [0, 1, 86_399_999_999],
    pa.decimal128(38, 10): [Decimal("1.5"), Decimal(-1), Decimal("0.0000000001")],
    pa.binary(): [b"", b"\0\xff"],
    pa.list_(pa.float64()): [[], [0.0, -0.0, None], [1.5]],
    pa.list_(pa.list_(pa.string())): [[], [["a", None], None, []]],
    pa.struct([("a", pa.int64()), ("b", pa.string())]): [{"a": 1, "b": None}, {"a": None, "b": "\U0001f600"}],
}
JSON = ["1.50", "-0.0", "1E5", "true", "12345678901234567890", '{"a":["}\\"",null]}', "[]"]
SET = {pa.string(): "OPEN", pa.float64(): 0.5, pa.int64(): 7, pa.bool_(): False}


@st.composite
def spelled(draw: st.DrawFn, identifier: str) -> str:
    """One careless way to write an identifier as text."""
    ways = [str, str.lower, lambda t: f" {t}", lambda t: f"{t}\n", lambda t: "-".join([t[:3], t[3:]])]
    ways += [lambda t: "".join(chr(ord(c) + 0xFEE0) if c.isalnum() else c for c in t), lambda t: t.replace("0", "０")]
    if identifier.isdigit():
        ways += [lambda t: str(int(t)), lambda t: f"{int(t)}.0", lambda t: f"{int(t):,}"]
    return draw(st.sampled_from(ways))(identifier)


@st.composite
def cell(draw: st.DrawFn, kind: str, type_: pa.DataType, missing: tuple[str, ...], wrong: bool) -> Any:
    """A cell of an identifier column: mostly an identifier, at times none, with `wrong` at times one that does not fit."""
    style = draw(st.sampled_from(["id"] * 6 + ["none"] + ["wrong"] * wrong))
    textual = pa.types.is_string(type_) or pa.types.is_dictionary(type_)
    if style == "none":
        return draw(st.sampled_from([None, *missing])) if textual else None
    if style == "wrong":
        return "wrong" if textual else 99_999_999_999
    identifier = draw(st.sampled_from(POOL[kind]))
    if textual:
        return draw(spelled(identifier))
    if pa.types.is_decimal(type_):
        return Decimal(int(identifier))
    return float(identifier) if pa.types.is_floating(type_) else int(identifier)


@st.composite
def case_cells(draw: st.DrawFn, types: list[pa.DataType], wrong: bool) -> list[Any]:
    """The two cells of a composite identifier."""
    style = draw(st.sampled_from(["id"] * 6 + ["none"] + ["wrong"] * wrong))
    if style == "none":
        return [None, None]
    person, filed = draw(st.sampled_from(POOL["case"])).split("|")
    filled = [int(person) if pa.types.is_integer(types[0]) else draw(spelled(person))]
    filled.append(
        dt.date.fromisoformat(filed) if pa.types.is_date(types[1]) else draw(st.sampled_from([filed, f" {filed}"]))
    )
    if style == "wrong":
        filled[draw(st.integers(0, 1))] = None
    return filled


WORDS = ["The", "She", "He ran", "with", "also", "\U0001f600", "é,"]
LAST = ["zone", "said", "a.b", "e.g,", "3.5m"]
ENDS = [". ", "! ", "?\n", "... ", ".  "]


@st.composite
def texts(draw: st.DrawFn, kinds: tuple[str, ...], encoding: str) -> Text | None:
    """A text of sentences that may mention identifiers."""
    if draw(st.integers(0, 6)) == 0:
        return None
    words = st.sampled_from([word for word in WORDS if _fits(word, encoding)])
    sentences = []
    for _ in range(draw(st.integers(0, 3))):
        pieces: list[Any] = [draw(words), " "]
        for kind in draw(st.lists(st.sampled_from(kinds), max_size=2)):
            identifier = draw(st.sampled_from(POOL[kind]))
            between = draw(st.sampled_from(["", "", "-", " ", ".", "_"]))
            written = draw(st.sampled_from([str, str.lower]))(f"{identifier[:3]}{between}{identifier[3:]}")
            pieces += [Mention(kind, oracle.token_of(kind, identifier), written), " ", draw(words), " "]
        sentences.append([*pieces, draw(st.sampled_from(LAST)), draw(st.sampled_from(ENDS))])
    if sentences and draw(st.booleans()):
        sentences[-1][-1] = draw(st.sampled_from(["", "."]))
    return Text(sentences)


def _fits(word: str, encoding: str) -> bool:
    try:
        word.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


TYPES = {
    "arrest": [pa.string(), pa.string(), pa.dictionary(pa.int32(), pa.string())],
    "photo": [pa.string(), pa.float64(), pa.int64(), pa.uint64(), pa.decimal128(20, 0)],
    "docket": [pa.string()],
    "person": [pa.string()],
}


@st.composite
def sources(draw: st.DrawFn, most_rows: int = 8) -> Source:
    """One source with a policy that is valid."""
    form = draw(st.sampled_from(["parquet", "parquet", "csv", "jsonl"]))
    read = (
        draw(st.sampled_from([{}, {"delimiter": ";", "encoding": "cp1252"}, {"delimiter": "\t"}]))
        if form == "csv"
        else {}
    )
    encoding = read.get("encoding", "utf-8")
    missing = draw(st.sampled_from([("",), ("", "N/A")]))
    malformed = draw(st.sampled_from(["error", "error", "drop"]))
    types: dict[str, pa.DataType] = {}
    declared: dict[str, dict[str, Any]] = {}
    for number in range(draw(st.sampled_from([1, 2, 2, 2, 3]))):
        shapes = ["one"] * 5 + ["case"] + ["field"] * (form != "csv")
        shapes += ["list", "inner", "structs"] * (form == "parquet")
        shape = draw(st.sampled_from(shapes))
        if shape == "case" and "case" not in [own["kind"] for own in declared.values()]:
            types["filer"] = draw(st.sampled_from([pa.string(), pa.int64()])) if form == "parquet" else pa.string()
            types["filed"] = draw(st.sampled_from([pa.string(), pa.date32()])) if form == "parquet" else pa.string()
            declared["[filer, filed]"] = {"kind": "case", "on_seal": draw(st.sampled_from(["drop", "redact"]))}
        elif shape in ("field", "inner", "structs"):
            nest(draw, shape, number, types, declared, form)
        elif shape == "list":
            kind = draw(st.sampled_from(["arrest", "photo"]))
            types[f"l{number}"] = pa.list_(draw(st.sampled_from(TYPES[kind][:1])))
            declared[f"l{number}[]"] = {"kind": kind, "on_seal": "element"}
        else:
            kind = draw(st.sampled_from(["arrest", "arrest", "photo", "photo", "docket", "person"]))
            types[f"a{number}"] = draw(st.sampled_from(TYPES[kind])) if form == "parquet" else pa.string()
            declared[f"a{number}"] = {"kind": kind, "on_seal": draw(st.sampled_from(["drop", "drop", "redact"]))}
    plain_columns = {}
    for number in range(draw(st.integers(1, 2))):
        plain_columns[f"x{number}"] = draw(st.sampled_from(list(PLAIN))) if form == "parquet" else pa.string()
    types |= plain_columns
    text: dict[str, dict[str, Any]] = {}
    if draw(st.sampled_from([True, False, False])):
        types["t"] = pa.string()
        mentions = draw(st.sampled_from([["arrest"], ["arrest"], ["photo"], ["docket"], ["arrest", "photo"]]))
        text["t"] = {"mentions": mentions, "on_seal": draw(st.sampled_from(["clear", "sentence"]))}
    _declare(draw, declared, types, plain_columns, form)
    order = draw(st.permutations(list(types)))
    rows = []
    for _ in range(draw(st.integers(0, most_rows))):
        row: dict[str, Any] = {}
        for name, own in declared.items():
            wrong = malformed == "drop"
            if own["kind"] == "case":
                row |= dict(
                    zip(["filer", "filed"], draw(case_cells([types["filer"], types["filed"]], wrong)), strict=True)
                )
            elif "." in name:
                column = oracle.steps_of(name)[0]
                if column not in row:
                    row[column] = draw(nested_cells(types[column], declared, missing, wrong, column))
            elif name.endswith("[]"):
                column = name[:-2]
                cells = st.lists(cell(own["kind"], types[column].value_type, missing, wrong), max_size=3)
                row[column] = draw(st.one_of(st.none(), cells, cells))
            else:
                row[name] = draw(cell(own["kind"], types[name], missing, wrong))
        for name, type_ in plain_columns.items():
            values = PLAIN[type_] if form == "parquet" else [v for v in STRINGS if _fits(v, encoding)]
            row[name] = draw(st.sampled_from([None, *values]))
        if text:
            row["t"] = draw(texts(tuple(draw(st.sampled_from([text["t"]["mentions"], ["arrest"]]))), encoding))
        if form == "jsonl":
            row = {
                name: value if isinstance(value, dict) else draw(in_json(value, plain=name in plain_columns))
                for name, value in row.items()
            }
        rows.append({name: _encodable(row[name], encoding) for name in order})
    parted = draw(st.sampled_from([0, 0, 0, 0, 1, 2]))
    cuts = tuple(sorted(draw(st.lists(st.integers(0, len(rows)), min_size=parted, max_size=parted))))
    types = {name: types[name] for name in order}
    redactions = [own["on_seal"] for own in declared.values() if isinstance(own["on_seal"], dict)]
    named = {name for own in redactions for name in (*own["redact"], *own["set"])}
    absent = draw(st.sampled_from([frozenset(), frozenset(plain_columns) - named])) if form == "jsonl" else frozenset()
    return Source(form, types, rows, declared, text, missing, malformed, read, cuts, absent)


@st.composite
def in_json(draw: st.DrawFn, value: Any, *, plain: bool) -> Any:
    """A cell as JSON lines may have it: a number, a list, an object, or the text itself."""
    if plain and draw(st.booleans()):
        return Spelled(draw(st.sampled_from(JSON)))
    number = type(value) is str and re.fullmatch(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?", value)
    return Spelled(value) if number and draw(st.booleans()) else value


def _encodable(value: Any, encoding: str) -> Any:
    """Full width does not exist in every encoding."""
    return value if not isinstance(value, str) or _fits(value, encoding) else unicodedata.normalize("NFKC", value)


NESTED = {pa.string(): ["", "x", "\U0001f600"], pa.float64(): [0.0, -0.0, 1.5], pa.int64(): [0, 2**63 - 1]}


def nest(
    draw: st.DrawFn, shape: str, number: int, types: dict[str, pa.DataType], declared: dict[str, dict], form: str
) -> None:
    """A column with identifiers in a struct, in a list within one, or in a list of them."""
    kind = draw(st.sampled_from(["arrest", "photo"]))
    value = draw(st.sampled_from(list(NESTED))) if form == "parquet" else pa.string()
    own = [("id", pa.string()), ("v", value)]
    column = f"{shape[0]}{number}"
    if shape == "field":
        deep = draw(st.booleans())
        types[column] = pa.struct([("in", pa.struct(own))] if deep else own)
        name, ways = f"{column}{'.in' * deep}.id", ["drop", "redact", "redact"]
    elif shape == "inner":
        types[column] = pa.struct([("l", pa.list_(pa.string())), ("v", value)])
        name, ways = f"{column}.l[]", ["element"]
    else:
        types[column] = pa.list_(pa.struct([*own, ("p", pa.string())]))
        name, ways = f"{column}[].id", ["element", "redact"]
        if draw(st.booleans()):
            declared[f"{column}[].p"] = {"kind": "photo", "on_seal": draw(st.sampled_from(ways))}
    declared[name] = {"kind": kind, "on_seal": draw(st.sampled_from(ways))}


def fields_of(name: str, kind: pa.DataType) -> list[tuple[str, pa.DataType]]:
    """What a redaction may name within the columns that `nest` makes."""
    if not re.fullmatch(r"[fis][0-9]+", name):
        return []
    kind, name = (kind.value_type, f"{name}[]") if pa.types.is_list(kind) else (kind, name)
    found = [(f"{name}.{own.name}", own.type) for own in kind]
    deeper = [(f"{one}.{own.name}", own.type) for one, inner in found if pa.types.is_struct(inner) for own in inner]
    return [*(own for own in found if not pa.types.is_struct(own[1])), *deeper]


@st.composite
def nested_cells(
    draw: st.DrawFn, type_: pa.DataType, declared: dict[str, dict], missing: tuple[str, ...], wrong: bool, name: str
) -> Any:
    """A cell of a column that `nest` has made: structs and lists are null at times, or empty."""
    if draw(st.integers(0, 6)) == 0:
        return None
    if name in declared:
        return draw(cell(declared[name]["kind"], type_, missing, wrong))
    if pa.types.is_list(type_):
        one = nested_cells(type_.value_type, declared, missing, wrong, f"{name}[]")
        return draw(st.lists(one, max_size=3))
    if pa.types.is_struct(type_):
        return {
            own.name: draw(nested_cells(own.type, declared, missing, wrong, f"{name}.{own.name}")) for own in type_
        }
    return draw(st.sampled_from(NESTED[type_]))


def _declare(
    draw: st.DrawFn,
    declared: dict[str, dict[str, Any]],
    types: dict[str, pa.DataType],
    plain_columns: dict[str, pa.DataType],
    form: str,
) -> None:
    """Fill in redactions and what a dropped row carries on."""
    inside = {name: kind for column, kind in types.items() for name, kind in fields_of(column, kind)}
    json = {name.partition(".")[0] for name in declared} if form == "jsonl" else set()
    whole = [name for name, kind in types.items() if name not in ("filer", "filed", *json) and survives(kind)]
    whole += [*sorted(json & types.keys() & declared.keys()), *inside]
    plain_columns = plain_columns | {name: kind for name, kind in inside.items() if name.endswith(".v")}
    for own in declared.values():
        if own["on_seal"] == "redact":
            redact = draw(st.lists(st.sampled_from(whole), max_size=2, unique=True))
            settable = [name for name, kind in plain_columns.items() if kind in SET]
            changed = draw(st.lists(st.sampled_from(settable), max_size=1)) if settable else []
            own["on_seal"] = {"redact": redact, "set": {name: SET[plain_columns[name]] for name in changed}}
    for name, own in declared.items():
        carriers = [other for other, carrier in declared.items() if other != name and carrier["on_seal"] == "drop"]
        ways = [None]
        if carriers and oracle.KINDS[own["kind"]]["scope"] == "record":
            ways.append("any")
        if len(carriers) == 1:
            ways.append("all")
        way = draw(st.sampled_from(ways[::-1]))
        if way:
            own["carries"] = way


DAYS = [dt.date(2019, 1, 1), dt.date(2019, 3, 1), dt.date(2019, 6, 1), dt.date(2019, 9, 1)]


@st.composite
def events(
    draw: st.DrawFn, kinds: tuple[str, ...] = ("arrest", "photo", "docket", "case"), most: int = 5
) -> list[dict[str, Any]]:
    """A history without two events that contradict each other."""
    found: dict[tuple, dict[str, Any]] = {}
    for _ in range(draw(st.integers(1, most))):
        kind = draw(st.sampled_from(kinds))
        event = {
            "kind": kind,
            "identifier": draw(st.sampled_from(POOL[kind])),
            "action": draw(st.sampled_from(["seal", "seal", "seal", "vacate", "correct"])),
            "statute": draw(st.sampled_from(["CPL 160.50", "CPL 160.55"])),
            "effective_on": draw(st.sampled_from(DAYS)),
            "recorded_on": draw(st.sampled_from(DAYS)),
            "case": draw(st.sampled_from([None, None, "c1"])),
        }
        found.setdefault(tuple(v for k, v in event.items() if k != "action"), event)
    return list(found.values())


@st.composite
def worlds(draw: st.DrawFn, most_sources: int = 8) -> World:
    """A world."""
    count = draw(st.sampled_from([1, 1, 1, 1, 1, 1, 2, 2, 2, 3, 5, 8])) if most_sources > 1 else 1
    own = {f"s{number}": draw(sources()) for number in range(min(count, most_sources))}
    kinds = {declared["kind"] for source in own.values() for declared in source.columns.values()}
    mentioned = {kind for source in own.values() for text in source.text.values() for kind in text["mentions"]}
    heard = sorted((kinds | mentioned) - {"person"}) or ["arrest"]
    plain = draw(st.sets(st.sampled_from(["arrest", "photo", "docket", "person"])))
    return World(own, frozenset(plain | {"case"}), draw(events(kinds=tuple(heard))))
