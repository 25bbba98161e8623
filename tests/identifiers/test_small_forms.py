"""Patterns and columns small enough that every answer is found by trying all texts."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import itertools
import json
import re
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from sanitizers import identifiers
from sanitizers.errors import ConfigurationError, KeyFailure, SourceFailure
from sanitizers.identifiers import Key, Kind, Kinds, as_text, canonical, join_parts, published, tokenise
from sanitizers.patterns import Pattern
from tests.identifiers import plain

SECRET = "ab" * 32
KEY = Key(SECRET)
TEXTS = ["".join(some) for count in range(6) for some in itertools.product("AB12", repeat=count)]
PATTERNS = [
    "A", "[AB]1", "A|B1", "(A|B1)?2", "A{2}", "[AB]{1,3}", "A{0,2}B", "(?:AB){1,2}", "(A1|B)2{0,1}", "A?B?", "[A-B1]{2}",
    "(?:1[AB]){2}", "[12]{3}A", "(?:A|B)(?:1|2)", "A{0}B", "A{2}?B{1,2}?", "(?:1{2}|A)(?:2|B{2})?", "[AB]{2,3}", "12A|21", "1A1|2",
    "[12]{2}(?:[12]{2})?", "(AB|B1)", "1(?:21)?", "AB(?:12)?|B1", "B(?:A1|2)", "[AB](?:1|22)A?", "(?:A{1,2}B|1)2",
]  # fmt: skip
AMBIGUOUS = ["A?A?", "(?:A|AA)A?"]


def language(pattern: str) -> list[str]:
    """Every text over AB12 of up to five characters that the pattern allows."""
    return [text for text in TEXTS if re.fullmatch(pattern, text)]


def found(texts: list[str], pattern: str) -> list[str]:
    """Texts that RE2 finds the pattern in."""
    return pa.array(texts, pa.string()).filter(pc.match_substring_regex(pa.array(texts, pa.string()), pattern)).to_pylist()


# -- patterns ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", PATTERNS)
def test_a_pattern_counts_and_measures_what_it_allows(text: str) -> None:
    allowed, pattern = language(text), Pattern(text)
    assert pattern.possible == len(allowed)
    assert (pattern.shortest, pattern.longest) == (len(min(allowed, key=len)), len(max(allowed, key=len)))
    assert pattern.span == pattern.longest + 3 * (pattern.longest - 1)


def test_an_ambiguous_pattern_counts_its_ways() -> None:
    assert [Pattern(text).possible for text in AMBIGUOUS] == [4, 4]


def test_repeats_without_a_bound_stop_at_sixty_four() -> None:
    assert (Pattern("A+").possible, Pattern("A+").longest, Pattern("A+").shortest) == (64, 64, 1)
    assert Pattern("[AB]{63,}").possible == 2**63 + 2**64
    assert (Pattern("A{2,}B").longest, Pattern("A{70}").longest, Pattern("(?:AB){3,}").longest) == (65, 64, 128)
    assert Pattern("A{3,}1").shortest == 4
    long = "A" * 70
    assert found([long, "AB", "B", ""], f"^{Pattern('A+').compact}$") == [long]
    assert found([long, "A", "AA", ""], f"^{Pattern('A{2,}').compact}$") == [long, "AA"]


@pytest.mark.parametrize("text", [*PATTERNS, "A?A?"])
def test_a_mention_is_what_the_pattern_allows_in_any_case_and_width_and_with_signs_between(text: str) -> None:
    allowed, pattern = [one for one in language(text) if one], Pattern(text)
    some = [one for one in TEXTS if one]
    assert found(some, f"^{pattern.compact}$") == allowed
    assert found([one.lower() for one in some], f"^{pattern.compact}$") == [one.lower() for one in allowed]
    assert found([f"_{one}_" for one in some], f"^{pattern.compact}$") == [f"_{one}_" for one in allowed]
    wide = {ord(character): chr(ord(character) + 0xFEE0) for character in "AB12"}
    assert found([one.translate(wide) for one in some], f"^(?:{pattern.spaced})$") == [one.translate(wide) for one in allowed]
    for sign in ("", " ", "-", "\u2011", ". -"):
        assert found([sign.join(one) for one in some], f"^(?:{pattern.spaced})$") == [sign.join(one) for one in allowed]
    single = [one for one in allowed if len(one) == 1]
    for sign in ("    ", "x", "é"):
        assert found([sign.join(one) for one in some], f"^(?:{pattern.spaced})$") == single


@pytest.mark.parametrize("text", [one for one in [*PATTERNS, *AMBIGUOUS] if one != "A?B?"])
def test_identifiers_that_overlap_are_found_as_one_run(text: str) -> None:
    allowed, pattern = language(text), Pattern(text)
    tails = {
        other[len(one) - start :]
        for one in allowed
        for start in range(len(one))
        for other in allowed
        if len(other) > len(one) - start and other.startswith(one[start:])
    }
    assert pattern.apart == (not tails)
    runs = set(allowed)
    while more := {run + tail for run in runs for tail in tails if len(run + tail) <= 5} - runs:
        runs |= more
    assert set(found(TEXTS, f"^(?:{pattern.joined})$")) == runs
    assert set(found(["-".join(text) for text in TEXTS], f"^(?:{pattern.joined})$")) == {"-".join(run) for run in runs}


def test_of_what_overlaps_no_more_is_spelt_than_needed() -> None:
    """Two digits behind three are one digit behind three, twice."""
    assert Pattern("[0-9]{3}").joined == Pattern("[0-9]{3}").spaced + f"(?:{SEPARATOR}{DIGIT})*"
    assert Pattern("12A|21").joined == f"(?:{Pattern('12A').spaced}|{Pattern('21').spaced})(?:{SEPARATOR}{ONE['2']}{SEPARATOR}{Pattern('A').spaced})*"
    assert Pattern("A(?:12)?").joined == Pattern("A(?:12)?").spaced + f"(?:{SEPARATOR}{ONE['1']}{SEPARATOR}{ONE['2']})*"


SEPARATOR = Pattern("AA").spaced.removeprefix(Pattern("A").spaced).removesuffix(Pattern("A").spaced)
ONE = {character: Pattern(character).spaced for character in "12"}
DIGIT = Pattern("[0-9]").spaced

CROWDS = {"⑫": "12", "㉑": "21", "½": "12", "㎏": "KG", "Ⅷ": "VIII", "⒒": "11"}


@pytest.mark.parametrize("text", [*PATTERNS, "A[0-9]{3}", "K[A-Z]|VI{3}", "[GK]{2}", "(?:V|I){4}"])
def test_a_character_that_stands_for_several_is_known_where_they_stand_together(text: str) -> None:
    crowds = Pattern(text).crowds
    together = {
        "A[0-9]{3}": {"⑫", "㉑", "½", "⒒"}, "K[A-Z]|VI{3}": {"㎏", "Ⅷ"}, "[GK]{2}": {"㎏"}, "(?:V|I){4}": {"Ⅷ"},
    }.get(text)  # fmt: skip
    if together is None:
        together = {written for written, bare in CROWDS.items() if any(bare in one for one in language(text))}
    assert {written for written in CROWDS if written in crowds} == together
    assert all(crowds[written] == CROWDS[written] for written in together)


def test_of_many_ways_the_alphabet_alone_tells() -> None:
    """A pattern with more than 32 sequences of classes is not taken apart."""
    many = Pattern("(1|2){5}A?|(K){3}")
    assert {"⑫", "㉑", "½", "⒒"} <= set(many.crowds)
    assert {"㎏", "Ⅷ"} & set(many.crowds) == set()
    assert not many.apart
    assert {"⑫", "㎏"} <= set(Pattern("K?G?(1|22){6}").crowds)
    assert {"⑫", "㎏"} <= set(Pattern("(1|22){6}(K?G?)").crowds)
    assert set(found(["1111122222", "12121A212", "12121AK"], f"^(?:{many.joined})$")) == {"1111122222", "12121A212", "12121AK"}
    assert found(["11111B"], f"^(?:{many.joined})$") == []
    assert Pattern("[12]{6}A").apart  # one way, of 64 identifiers
    few = Pattern("(?:1|22){5}")  # 32 ways
    assert "⑫" in few.crowds
    assert "㉑" in few.crowds


@pytest.mark.parametrize("text", ["[", "A(", r"\d", ".", "[^A]", "a", "é", "(?i)A", "(?=A)A", "^A", "A$", "A_", "[A-a]", "(?:A|b)", "A{1,2}c", "(Ab)", "[AB é]", r"(A)\1"])
def test_what_is_outside_of_the_language_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="the pattern"):
        Pattern(text)


# -- columns ----------------------------------------------------------------------------------------------------------


def test_long_columns_are_read_as_short_ones_wherever_they_start() -> None:
    """Work is done on some thousand rows at a time, and a part of a column shares its memory."""
    kind = Kind(scope="record", pattern="K[0-9]{8}")
    count = (1 << 14) + 3
    written = [f"K{number:08d}" for number in range(count)]
    for texts, first in ((pl.Series(written), 0), (pl.Series(["K99999999", *written])[1:], 0), (pl.Series(written)[7:], 7)):
        tokens = tokenise(texts, name="k", kind=kind, key=KEY)
        assert tokens.row.tolist() == list(range(count - first))
        for row in (0, 1, (1 << 14) - first - 1, (1 << 14) - first, count - first - 1):
            expected = plain.token(SECRET, "k", written[row + first])
            wrong = f"{tokens.hi[row]:016x}{tokens.lo[row]:016x}" != expected
            assert not wrong
        assert len(set(zip(tokens.hi.tolist(), tokens.lo.tolist(), strict=True))) == count - first
    assert (tokens.missing, tokens.malformed.tolist()) == (0, [])
    assert (tokens.hi.dtype, tokens.lo.dtype) == (np.uint64, np.uint64)


def test_published_tokens_and_identifiers_stand_in_one_column() -> None:
    kind = Kind(scope="record", pattern="K[0-9]{2}")
    token = plain.token(SECRET, "k", "K01")
    cells = ["K01", f"tok_{token}", None, f"tok_{token.upper()}", f"tok_{token}0", f" tok_{token}", "k-02", "tok_", "none", "x"]
    tokens = tokenise(pl.Series(cells), name="k", kind=kind, key=KEY, missing=frozenset(["none", "other"]))
    assert (tokens.row.tolist(), tokens.malformed.tolist(), tokens.missing) == ([0, 1, 6], [3, 4, 5, 7, 9], 2)
    told = [f"{hi:016x}{lo:016x}" for hi, lo in zip(tokens.hi, tokens.lo, strict=True)]
    wrong = told != [token, token, plain.token(SECRET, "k", "K02")]
    assert not wrong
    none = tokenise(pl.Series(["none", None]), name="k", kind=kind, key=KEY, missing=frozenset(["none"]))
    assert (len(none.row), len(none.hi), len(none.lo), none.missing, len(none.malformed)) == (0, 0, 0, 2, 0)
    given = tokenise(pl.Series(["none"]), name="k", kind=kind, key=KEY)
    assert (given.malformed.tolist(), given.missing) == ([0], 0)


def test_a_published_token_is_taken_by_a_kind_that_any_text_fits() -> None:
    """Else a clean source could not be stripped again."""
    kind, token = Kind(scope="record", pattern="[0-9A-Z]+"), plain.token(SECRET, "k", "K01")
    tokens = tokenise(pl.Series(["K01", f"tok_{token}"]), name="k", kind=kind, key=KEY)
    assert (len(set(tokens.hi.tolist())), len(set(tokens.lo.tolist()))) == (1, 1)


CELLS = ["K01", "k01", "K-01", "K001", "1", "01", "001", "", " ", "1.0", "1.00", "1.5", "+1.0", "-1", "1e2", "1.e2", "1E+2", "1E2",
         "9007199254740991.0", "9007199254740992.0", "０１", "K 0 1", "é", "1.", ".5", ".", "ÉK01", "99999999999999999999.0"]  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    [{"pattern": "K[0-9]{2}"}, {"pattern": "[0-9]{2}", "width": 2}, {"pattern": "[0-9]{1,3}", "width": 2}, {"pattern": "[0-9]+"},
     {"pattern": "K?[0-9]{2,3}", "width": 2}, {"pattern": "K?[0-9]{3}", "width": 4}, {"pattern": "[0-9A-Z]+"}, {"pattern": "1|K01"}],
    ids=str,
)  # fmt: skip
def test_canonical_forms_are_those_of_plain_python(kind: dict) -> None:
    own = Kind(scope="record", **kind)
    for cells in (CELLS, CELLS[:1], CELLS[::-1], [], ["K01", "K02"], ["01", "k01", "K03"]):
        assert canonical(pl.Series(cells, dtype=pl.String), own).to_list() == [plain.canonical(cell, kind) for cell in cells]


def test_composite_forms_have_as_many_parts_as_the_kind() -> None:
    own = Kind(scope="record", parts=("a", "b", "c"))
    cells = ["x|y|z", "x|y", "x|y|z|", "x||z", "1.0|2|3", "1.5|2|3", "|", "", "X-|Y_|é"]
    assert canonical(pl.Series(cells), own).to_list() == [plain.canonical(cell, {"parts": "abc"}) for cell in cells]
    columns = [pl.Series(column, dtype=pl.String) for column in (["x", None, "x", None], ["y", "y", None, None], ["z", "z", "z", None])]
    assert join_parts(columns).to_list() == ["x|y|z", "?", "?", None]
    assert [column.name for column in columns] == ["", "", ""]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([0, -1, 7, None, 127], pa.int8()), ([0, 2**64 - 1, None], pa.uint64()), ([1.0, 2047.0, 2048.0, 0.5, None], pa.float16()),
        ([2.0**24 - 1, 2.0**24, -1.0, float("nan"), float("inf"), -0.0], pa.float32()), ([2.0**53 - 1, 2.0**53, 1.5], pa.float64()),
        ([Decimal("1.50"), Decimal("-1.00"), Decimal("3.00"), None], pa.decimal128(5, 2)), ([dt.date(2019, 1, 2), None], pa.date32()),
        ([dt.datetime(2019, 1, 2), dt.datetime(2019, 1, 2, 3, 4, 5), dt.datetime(2019, 1, 2, 0, 0, 0, 1), None], pa.timestamp("us")),
        ([dt.datetime(2019, 1, 2)], pa.timestamp("s")), (["a", None, ""], pa.large_string()), (["a", None], pa.string()),
    ],
    ids=lambda own: str(own) if isinstance(own, pa.DataType) else "",
)  # fmt: skip
def test_cells_of_every_type_read_as_in_plain_python(cells: list, kind: pa.DataType) -> None:
    exact = 2 ** {"halffloat": 11, "float": 24}.get(str(kind), 53)
    expected = [plain.text_of(cell, exact) for cell in cells]
    if pa.types.is_timestamp(kind):
        expected = [text and re.sub(r"(T.*:\d\d)$", r"\1", text) for text in expected]
    column = pa.array(np.array(cells, np.float16) if kind == pa.float16() and None not in cells else cells, kind)
    for own in (column, pa.chunked_array([column, column[:0]]), pa.concat_arrays([column, column])[len(cells) :]):
        assert as_text(own).to_list() == expected
    if not pa.types.is_floating(kind):
        assert as_text(column.dictionary_encode()).to_list() == expected
    assert as_text(column[:0]).to_list() == []
    assert as_text(column[:0]).dtype == pl.String


def test_a_column_of_nothing_is_one_of_texts() -> None:
    assert as_text(pa.nulls(2)).to_list() == [None, None]
    assert as_text(pa.nulls(2)).dtype == pl.String


def test_what_is_no_text_in_utf8_is_refused_by_name_and_not_quoted() -> None:
    column = pa.array([b"CANARY\xff"]).view(pa.string())
    with pytest.raises(SourceFailure) as caught:
        as_text(column, "arrests.id")
    assert (caught.value.faults[0].column, caught.value.__context__, "CANARY" in str(caught.value)) == ("arrests.id", None, False)
    with pytest.raises(ConfigurationError) as other:
        as_text(pa.array([True]), "arrests.id")
    assert other.value.faults[0].column == "arrests.id"


def test_published_tokens_are_texts_of_thirty_six_characters() -> None:
    hi, lo = np.array([0, 2**64 - 1, 0x0123456789ABCDEF], np.uint64), np.array([1, 255, 0xFEDCBA9876543210], np.uint64)
    cells = published(hi, lo)
    assert cells.to_pylist() == [f"tok_{one:016x}{other:016x}" for one, other in zip(hi.tolist(), lo.tolist(), strict=True)]
    cells.validate(full=True)
    assert published(hi[:0], lo[:0]).to_pylist() == []


def test_the_tables_of_digits_are_those_of_python() -> None:
    pairs = identifiers._pairs_of_digits()
    assert pairs.tobytes() == b"".join(b"%02x" % octet for octet in range(256))
    octets = identifiers._octets()
    assert (octets[pairs].tolist(), octets.dtype, len(octets)) == (list(range(256)), np.uint8, 1 << 16)
    assert int((octets != 0).sum()) == 255
    digits = identifiers._digits()
    assert (len(digits), digits.dtype) == (1 << 16, np.uint32)
    for number in (0, 1, 255, 256, 65535):
        assert digits[number].tobytes() == number.to_bytes(2, "little").hex().encode()


# -- kinds and keys ---------------------------------------------------------------------------------------------------


def test_kinds_are_a_mapping_whose_digest_is_of_what_they_say() -> None:
    text = "b: {scope: shared, pattern: '[0-9]{2}', width: 2}\na: {scope: record, parts: [x, y]}\n"
    kinds = Kinds.parse(text)
    assert (list(kinds), len(kinds), kinds["b"].width, "c" in kinds) == (["b", "a"], 2, 2, False)
    assert (kinds["b"].possible, kinds["a"].possible, kinds["a"].form) == (100.0, float("inf"), None)
    told = {"a": {"scope": "record", "parts": ("x", "y")}, "b": {"scope": "shared", "pattern": "[0-9]{2}", "width": 2}}
    assert kinds.plain == told
    expected = hashlib.sha256(json.dumps({"form": 1, "kinds": told}, sort_keys=True).encode()).hexdigest()
    assert kinds.digest == expected


def test_kinds_are_read_from_a_file_that_messages_name(tmp_path: Path) -> None:
    path = tmp_path / "k.yaml"
    path.write_text("a: {scope: record, pattern: 'A'}\n")
    assert list(Kinds.load(path)) == ["a"]
    for text in ("A b: {scope: record, pattern: 'A'}\n1: {scope: record, pattern: 'A'}\n", "a: {scope: record, pattern: a}\n"):
        path.write_text(text)
        with pytest.raises(ConfigurationError) as caught:
            Kinds.load(path)
        assert {fault.where for fault in caught.value.faults} == {str(path)}
        assert [fault.column for fault in caught.value.faults] == (["A b", "1"] if text.startswith("A") else ["a.pattern"])


@pytest.mark.parametrize(
    ("given", "told"),
    [({}, "a kind has either a `pattern` or `parts`"), ({"pattern": "A", "parts": ("a", "b")}, "a kind has either a `pattern` or `parts`"),
     ({"parts": ("a", "b"), "width": 3}, "`width` goes with `pattern`"), ({"parts": ("a",)}, "at least 2"), ({"pattern": "a"}, "the pattern"),
     ({"pattern": "A", "width": 0}, "greater than"), ({"pattern": "A", "width": 65}, "less than")],
)  # fmt: skip
def test_a_kind_has_one_form(given: dict, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Kind(scope="record", **given)


def test_the_fingerprint_of_a_key_is_an_hmac_of_fixed_words() -> None:
    expected = hmac.new(SECRET.encode(), b"sealproof key fingerprint", hashlib.sha256).hexdigest()[:16]
    assert (KEY.fingerprint == expected, KEY.reveal() == SECRET) == (True, True)
    one, other = Key.generate().reveal(), Key.generate().reveal()
    assert (len(one), len(set(one) - set("0123456789abcdef")), one == other) == (64, 0, False)


def test_a_key_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xe9" * 64)
    for path in (tmp_path / "key", tmp_path / "none"):
        with pytest.raises(KeyFailure) as caught:
            Key.load(path)
        assert (caught.value.faults[0].where, caught.value.__context__) == (str(path), None)
    (tmp_path / "key").write_text(f"\n {SECRET} \n")
    assert Key.load(tmp_path / "key").fingerprint == KEY.fingerprint
