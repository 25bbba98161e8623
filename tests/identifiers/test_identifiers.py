"""Identifiers: every spelling meets in one token, and what does not fit is refused."""

import copy
import datetime as dt
import json
import math
import pickle
import re
import unicodedata
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sanitizers.engine.contract import mentions_of
from sanitizers.errors import ConfigurationError, KeyFailure
from sanitizers.identifiers import (
    Key,
    Kinds,
    Tokens,
    as_text,
    canonical,
    join_parts,
    published,
    sentinel,
    sentinel_tokens,
    tokenise,
)
from sanitizers.patterns import Pattern
from tests.identifiers import plain

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text(encoding="utf-8"))
PLAIN = VECTORS["kinds"]
KINDS = Kinds.parse(json.dumps(PLAIN))
KEY = Key(VECTORS["key"])
ARREST = KINDS["arrest_number"]


def hexadecimal(tokens: Tokens) -> list[str]:
    return [f"{hi:016x}{lo:016x}" for hi, lo in zip(tokens.hi.tolist(), tokens.lo.tolist(), strict=True)]


def looked_up(texts: list[str | None], name: str) -> list[str | None]:
    """Token of each text as the library makes them; None where it does not fit or holds no reference."""
    tokens = tokenise(pl.Series(texts, dtype=pl.String), name=name, kind=KINDS[name], key=KEY)
    found = dict(zip(tokens.row.tolist(), hexadecimal(tokens), strict=True))
    return [found.get(row) for row in range(len(texts))]


def raw_of(vector: dict) -> object:
    raw, kind = vector["raw"], vector["type"]
    if raw is None:
        return None
    if kind in ("double", "float"):
        return float(raw)
    if kind.startswith("decimal"):
        return Decimal(raw)
    return dt.datetime.fromisoformat(raw) if kind.startswith("timestamp") else raw


def arrow_type(name: str) -> pa.DataType:
    if name.startswith("decimal"):
        return pa.decimal128(20, 2)
    return pa.timestamp("us") if name.startswith("timestamp") else pa.type_for_alias(name)


# -- canonical form ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda v: f"{v['kind']}-{v['type']}-{ascii(v['raw'])}")
def test_vector_holds_in_the_library_and_in_plain_python(vector: dict) -> None:
    name, raw = vector["kind"], raw_of(vector)
    text = plain.text_of(raw, 2**24 if vector["type"] == "float" else 2**53)
    expected = None if text is None else plain.looked_up(VECTORS["key"], name, PLAIN[name], text)
    assert expected == vector["token"]
    assert (text is None) == vector.get("missing", False)

    texts = as_text(pa.array([raw], arrow_type(vector["type"])))
    tokens = tokenise(texts, name=name, kind=KINDS[name], key=KEY)
    assert hexadecimal(tokens) == ([vector["token"]] if vector["token"] else [])
    assert tokens.missing == vector.get("missing", False)
    assert len(tokens.malformed) == (vector["token"] is None and not tokens.missing)
    if vector["canonical"] is not None:
        assert canonical(texts, KINDS[name]).to_list() == [vector["canonical"]]


def test_vectors_tell_taken_from_refused_for_every_kind() -> None:
    for name in PLAIN:
        own = [vector for vector in VECTORS["vectors"] if vector["kind"] == name]
        assert any(vector["token"] for vector in own)
        assert any(not vector["token"] for vector in own)


assigned = st.characters(exclude_categories=["Cs", "Cn"])
anything = st.one_of(
    st.text(assigned, max_size=14),
    st.text("0123456789.eE+- |_,BKMQSkm\u00a0\u2011１Ｍⅿ", max_size=14),
    st.from_regex(r"[+-]?[0-9]{0,12}\.[0-9]{0,3}([eE][+-]?[0-9]{0,2})?", fullmatch=True),
    st.floats().map(repr),
    st.floats(min_value=0, max_value=2**53).map("{:g}".format),
    st.from_regex("tok_[0-9a-f]{31,33}", fullmatch=True),
)


@given(texts=st.lists(anything, max_size=20), name=st.sampled_from(sorted(PLAIN)))
def test_any_text_reads_as_in_plain_python(texts: list[str], name: str) -> None:
    expected = [plain.looked_up(VECTORS["key"], name, PLAIN[name], text) for text in texts]
    assert looked_up(texts, name) == expected
    forms = canonical(pl.Series(texts, dtype=pl.String), KINDS[name]).to_list()
    assert forms == [plain.canonical(text, PLAIN[name]) for text in texts]


@given(st.lists(st.one_of(st.none(), st.floats(), st.floats(0, 2**54), st.integers(0, 2**54).map(float)), max_size=20))
@example([2.0**53 - 1, 2.0**53, -0.0, 0.5])
def test_floats_read_as_in_plain_python(cells: list[float | None]) -> None:
    texts = [plain.text_of(cell) for cell in cells]
    assert as_text(pa.array(cells, pa.float64())).to_list() == texts


@given(st.lists(st.floats(width=32), max_size=20))
@example([2.0**24 - 1, 2.0**24])
def test_single_precision_is_taken_only_where_it_is_exact(cells: list[float]) -> None:
    texts = [plain.text_of(cell, 2**24) for cell in cells]
    assert as_text(pa.array(cells, pa.float32())).to_list() == texts


@given(
    st.lists(st.one_of(st.none(), st.dates(dt.date(1, 1, 1)), st.datetimes(), st.integers(-5, 2**63 - 1)), max_size=12),
    st.data(),
)
def test_dates_and_numbers_read_as_in_plain_python(cells: list, data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([dt.date, dt.datetime, int]))
    own = [cell for cell in cells if cell is None or type(cell) is kind]
    types = {dt.date: pa.date32(), dt.datetime: pa.timestamp("us"), int: pa.int64()}
    assert as_text(pa.array(own, types[kind])).to_list() == [plain.text_of(cell) for cell in own]


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_a_thousandth_of_a_second_reads_alike_in_every_unit(unit: str) -> None:
    cells = pa.array([dt.datetime(2000, 1, 1, 0, 0, 0, 1000), dt.datetime(2000, 1, 1)], pa.timestamp(unit))
    assert as_text(cells).to_list() == ["2000-01-01T00:00:00.001000", "2000-01-01"]


# -- spellings --------------------------------------------------------------------------------------------------------


@st.composite
def spelling(draw: st.DrawFn, identifier: str) -> str:
    """One careless way to write an identifier."""
    separators = st.sampled_from(["", "", "", " ", "-", "/", "_", "\u2011", "\u00a0", "\u200b", ","])
    characters = []
    for character in identifier:
        style = draw(st.sampled_from("xxlf"))
        written = {"x": character, "l": character.lower(), "f": chr(ord(character) + 0xFEE0)}[style]
        characters.append(written + draw(separators))
    return (
        draw(st.sampled_from(["", " ", "\t", "("])) + "".join(characters) + draw(st.sampled_from(["", " ", "\n", ")"]))
    )


@given(st.data())
def test_every_spelling_of_one_identifier_meets_in_one_token(data: st.DataObject) -> None:
    name = data.draw(st.sampled_from(["arrest_number", "photo_number", "nysid"]))
    identifier = data.draw(st.from_regex(re.compile(PLAIN[name]["pattern"], re.ASCII), fullmatch=True))
    written = data.draw(st.lists(spelling(identifier), min_size=1, max_size=8))
    assert set(looked_up(written, name)) == {plain.token(VECTORS["key"], name, identifier)}


def test_number_that_was_never_a_text_meets_its_text() -> None:
    token = plain.token(VECTORS["key"], "photo_number", "0000000042")
    cells = [
        pa.array([42], pa.int8()),
        pa.array([42], pa.uint64()),
        pa.array([42.0]),
        pa.array([42.0], pa.float32()),
        pa.array([Decimal("42.000")]),
        pa.array(["42.0", "0042"]).dictionary_encode(),
        pa.chunked_array([["42"], ["42."]]),
        pa.array(["42"], pa.large_string()),
    ]
    for column in cells:
        tokens = tokenise(as_text(column), name="photo_number", kind=KINDS["photo_number"], key=KEY)
        assert set(hexadecimal(tokens)) == {token}


@pytest.mark.parametrize(
    "column",
    [
        pa.array([True]),
        pa.array([b"M17654502"]),
        pa.array([["M17654502"]]),
        pa.array([{"a": 1}]),
        pa.array([Decimal(1)], pa.decimal256(50, 0)),
        pa.array([dt.time(1)]),
        pa.array([dt.timedelta(1)]),
    ],
    ids=lambda column: str(column.type),
)
def test_type_that_cannot_hold_an_identifier_is_refused(column: pa.Array) -> None:
    with pytest.raises(ConfigurationError, match="cannot hold an identifier"):
        as_text(column, "arrests.number")


def test_column_of_nothing_holds_no_reference() -> None:
    tokens = tokenise(as_text(pa.nulls(3)), name="arrest_number", kind=ARREST, key=KEY)
    assert (len(tokens.row), len(tokens.malformed), tokens.missing) == (0, 0, 3)


# -- tokens -----------------------------------------------------------------------------------------------------------


def test_kinds_never_share_a_token() -> None:
    text = "2019052100"
    tokens = {name: looked_up([text], name)[0] for name in ("photo_number", "any_text")}
    assert len(set(tokens.values())) == len(tokens)


def test_rows_missing_and_malformed_keep_their_places() -> None:
    texts = pl.Series(["M17654502", None, "(null)", "nonsense", "k17-000001", " (null)"])
    missing = frozenset({"(null)"})
    tokens = tokenise(texts, name="arrest_number", kind=ARREST, key=KEY, missing=missing)
    assert tokens.row.tolist() == [0, 4]
    assert tokens.malformed.tolist() == [3, 5]
    assert tokens.missing == 2


@given(st.lists(st.tuples(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1)), max_size=20))
def test_published_token_is_read_back_as_itself(halves: list[tuple[int, int]]) -> None:
    hi = np.array([pair[0] for pair in halves], np.uint64)
    lo = np.array([pair[1] for pair in halves], np.uint64)
    written = published(hi, lo)
    assert written.to_pylist() == [f"tok_{pair[0]:016x}{pair[1]:016x}" for pair in halves]
    for name in ("arrest_number", "any_text"):
        again = tokenise(pl.Series(written.to_pylist(), dtype=pl.String), name=name, kind=KINDS[name], key=KEY)
        assert again.hi.tolist() == hi.tolist()
        assert again.lo.tolist() == lo.tolist()


def test_tokens_show_nothing() -> None:
    tokens = tokenise(pl.Series(["M17654502"]), name="arrest_number", kind=ARREST, key=KEY)
    assert repr(tokens) == str(tokens) == "Tokens(n=1)"


@given(st.lists(st.tuples(st.one_of(st.none(), anything), st.one_of(st.none(), anything)), max_size=10))
def test_parts_are_one_identifier_only_together(rows: list[tuple[str | None, str | None]]) -> None:
    columns = [pl.Series([row[place] for row in rows], dtype=pl.String) for place in (0, 1)]
    tokens = tokenise(join_parts(columns), name="case", kind=KINDS["case"], key=KEY)
    found = dict(zip(tokens.row.tolist(), hexadecimal(tokens), strict=True))
    for number, (person, filed) in enumerate(rows):
        whole = person is not None and filed is not None
        text = f"{person}|{filed}" if whole else "?"
        assert found.get(number) == plain.looked_up(VECTORS["key"], "case", PLAIN["case"], text)
    assert tokens.missing == sum(row == (None, None) for row in rows)


# -- sentinels --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PLAIN))
def test_sentinel_has_a_token_and_is_no_identifier(name: str) -> None:
    written = sentinel(name, KINDS[name])
    form = "SEALPROOFSENTINEL" + name.upper().replace("_", "")
    form = "|".join([form, form]) if KINDS[name].parts else form
    assert hexadecimal(sentinel_tokens(name, KINDS[name], KEY)) == [plain.token(VECTORS["key"], name, form)]
    if name not in ("any_text", "case"):
        assert canonical(pl.Series([written]), KINDS[name]).null_count() == 1


def test_sentinel_needs_the_canonical_form() -> None:
    written = sentinel("arrest_number", ARREST)
    assert written != written.upper()
    assert unicodedata.normalize("NFKC", written) != written


# -- key --------------------------------------------------------------------------------------------------------------


def test_key_shows_nothing_and_is_not_copied_out() -> None:
    secret = Key.generate().reveal()
    key = Key(secret)
    assert repr(key) == str(key) == f"{key}" == "Key(…)"
    assert not hasattr(key, "__dict__")
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="not pickled"):
            leave(key)
    shown = secret in key.fingerprint or key.fingerprint in secret
    assert not shown


@pytest.mark.parametrize("secret", ["", "ab" * 31, "AB" * 32, "ab" * 32 + "\n", "xy" * 32, "ab" * 33, "٣" * 64])
def test_bad_key_is_refused_without_being_quoted(secret: str) -> None:
    with pytest.raises(KeyFailure) as caught:
        Key(secret)
    quoted = bool(secret) and secret.strip() in str(caught.value)
    assert not quoted


def test_key_file_is_read_with_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(VECTORS["key"] + "\n")
    assert Key.load(tmp_path / "key").fingerprint == KEY.fingerprint


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"ab", ("ab" * 32 + "\n" + "ab" * 32).encode()])
def test_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(KeyFailure):
        Key.load(tmp_path / "key")
    with pytest.raises(KeyFailure, match="cannot be read"):
        Key.load(tmp_path / "none")


def test_fingerprint_tells_keys_apart() -> None:
    other = Key("ac" * 32)
    assert other.fingerprint != KEY.fingerprint
    assert re.fullmatch("[0-9a-f]{16}", KEY.fingerprint)


# -- kinds ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "pattern",
    [r"\\d{8}", r"\\w+", r"\\bM", "M.", "(?=M)M", "(?!M)K", "(?i)m", "m[0-9]", "[^A]", "^M$", "M-1", "é", "[0-9", "(A)\\\\1",
     "A*?B", "[A-z]"],
)  # fmt: skip
def test_pattern_outside_the_portable_language_is_refused(pattern: str) -> None:
    accepted = pattern == "A*?B"  # lazy repeats match the same whole texts
    text = f'arrest: {{scope: record, pattern: "{pattern}"}}'
    if accepted:
        assert Kinds.parse(text)
    else:
        with pytest.raises(ConfigurationError):
            Kinds.parse(text)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a: {scope: record, pattern: '[0-9]', parts: [x, y]}", "either"),
        ("a: {scope: record}", "either"),
        ("a: {scope: record, parts: [x]}", "parts"),
        ("a: {scope: record, parts: [x, y], width: 3}", "width"),
        ("a: {scope: record, pattern: '[0-9]', width: 0}", "width"),
        ("a: {scope: record, patern: '[0-9]'}", "did you mean `pattern`"),
        ("a: {scope: recrd, pattern: '[0-9]'}", "scope"),
        ("a: {pattern: '[0-9]'}", "is missing"),
        ("A: {scope: record, pattern: '[0-9]'}", "not a name"),
        ("a b: {scope: record, pattern: '[0-9]'}", "not a name"),
        ("a: {scope: record, pattern: '[0-9]'}\na: {scope: person, pattern: '[0-9]'}", "twice"),
        ("- a", "no settings"),
        ("a: [", "kinds.yaml"),
    ],
)
def test_kinds_that_cannot_be_meant_are_refused_by_name(text: str, word: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Kinds.parse(text)
    assert word in str(caught.value)


def test_digest_of_kinds_changes_with_any_kind_and_not_with_order() -> None:
    one = "a: {scope: record, pattern: '[0-9]'}"
    two = "b: {scope: record, pattern: '[A-Z]'}"
    assert Kinds.parse(f"{one}\n{two}").digest == Kinds.parse(f"{two}\n{one}").digest
    assert Kinds.parse(one).digest != Kinds.parse(one.replace("record", "shared")).digest
    assert Kinds.parse(one).digest != Kinds.parse(one.replace("9", "8")).digest


# -- patterns ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "possible", "shortest"),
    [
        ("[BKMQS][0-9]{8}", 5 * 10**8, 9),
        ("[0-9]{4}[A-Z]{2}[0-9]{6}", 10**10 * 26**2, 12),
        ("A|BC", 2, 1),
        ("(A|B)?C", 3, 1),
        ("[0-9]{1,3}", 1110, 1),
        ("A*", 65, 0),
        ("(?:AB){2}[0-2]", 3, 5),
        ("[AAB]", 2, 1),
    ],
)
def test_pattern_knows_how_many_identifiers_it_allows(text: str, possible: int, shortest: int) -> None:
    pattern = Pattern(text)
    assert (pattern.possible, pattern.shortest) == (possible, shortest)


def mentioned(text: str, *names: str) -> list[str]:
    """Tokens of what a text mentions."""
    batches = mentions_of(pa.array([text]), {name: KINDS[name] for name in names}, KEY)
    rows = [row for batch in batches for row in batch.to_pylist()]
    return [f"{row['hi']:016x}{row['lo']:016x}" for row in rows]


def masked(text: str, name: str) -> str:
    form = KINDS[name].form
    for pattern in (form.compact, form.joined):
        text = pc.replace_substring_regex(pa.array([text]), pattern, "RECORD")[0].as_py()
    return text


BEFORE = ["", "Arrest ", "(", "see:", "é", "No.", "arrest_", "\n", "—", "10/5: "]
AFTER = ["", " made", ").", ", then", "_x", "\n", "'s", "—", "!"]
BETWEEN = ["", " ", "-", "\u2011", "\u2013", "\u00a0", ".", "/", "_"]


@given(
    identifier=st.from_regex(re.compile("[BKMQS][0-9]{8}", re.ASCII), fullmatch=True),
    separators=st.lists(st.sampled_from(BETWEEN), min_size=9, max_size=9),
    styles=st.lists(st.sampled_from("xlf"), min_size=9, max_size=9),
    before=st.sampled_from(BEFORE),
    after=st.sampled_from(AFTER),
)
def test_mention_is_found_and_masked_in_every_spelling(
    identifier: str, separators: list[str], styles: list[str], before: str, after: str
) -> None:
    forms = {"x": str, "l": str.lower, "f": lambda c: chr(ord(c) + 0xFEE0)}
    written = "".join(forms[s](c) + sep for c, s, sep in zip(identifier, styles, separators, strict=True))
    text = before + written[: len(written) - len(separators[-1])] + after
    token = plain.token(VECTORS["key"], "arrest_number", identifier)
    assert token in mentioned(text, "arrest_number")
    clear = masked(text, "arrest_number")
    assert "RECORD" in clear
    assert not re.search("[0-9]{5}", unicodedata.normalize("NFKC", re.sub(r"[\W_]", "", clear.replace(before, "", 1))))


def test_compact_mention_does_not_start_inside_a_longer_word() -> None:
    compact = KINDS["arrest_number"].form.compact
    inside = ["XM17654502", "M176545029", "M17654502X", "1M17654502", "M1765450"]
    assert not any(pc.match_substring_regex(pa.array(inside), compact).to_pylist())
    alone = ["M17654502", "_M17654502_", "(M17654502)", "éM17654502", "no:M17654502."]
    assert all(pc.match_substring_regex(pa.array(alone), compact).to_pylist())


@pytest.mark.parametrize("before", ["5 ", "no. 12. ", "2 of 3: ", "10/"])
def test_digits_before_a_mention_do_not_hide_it(before: str) -> None:
    text = f"{before}00-0000-0042, he said"
    token = plain.token(VECTORS["key"], "photo_number", "0000000042")
    assert token in mentioned(text, "photo_number")
    assert "42" not in masked(text, "photo_number")


def test_several_mentions_of_several_kinds_are_found_in_one_text() -> None:
    text = "M17-654 502 and k17000001; photo 2019052100, photo 0000000042 and M17654502 again"
    found = set(mentioned(text, "arrest_number", "photo_number"))
    expected = {
        plain.token(VECTORS["key"], "arrest_number", "M17654502"),
        plain.token(VECTORS["key"], "arrest_number", "K17000001"),
        plain.token(VECTORS["key"], "photo_number", "2019052100"),
        plain.token(VECTORS["key"], "photo_number", "0000000042"),
    }
    lost = len(expected - found)
    assert lost == 0


def test_every_single_character_spelling_of_the_alphabet_is_known() -> None:
    """Whatever one character the canonical form takes for M or 7 is also seen in a text."""
    for canonical_character in "M7":
        for number in range(0x110000):
            character = chr(number)
            if unicodedata.category(character) in ("Cs", "Cn"):
                continue
            if unicodedata.normalize("NFKC", character).upper() == canonical_character:
                assert Pattern(canonical_character).compact.count(f"\\x{{{number:X}}}") == 1


def test_infinite_forms_are_counted_as_such() -> None:
    assert math.isinf(KINDS["case"].possible)
    assert KINDS["photo_number"].possible == 10**10
