"""Ways in which a text once kept what a seal should have taken from it."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path

import ibis
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sanitizers.engine.contract import mentions_of
from sanitizers.engine.duckdb import DuckDB
from sanitizers.gate import judge
from sanitizers.identifiers import Key, Kinds, canonical
from sanitizers.policy import Policy
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules
from sanitizers.register.snapshot import load
from sanitizers.strip import strip_files
from sanitizers.strip import text as texts
from tests.identifiers import plain

KEY = Key("5ea1" * 16)
KINDS = Kinds.parse("""
arrest: {scope: record, pattern: '[BKMQS][0-9]{8}'}
photo: {scope: record, pattern: '[0-9]{10}', width: 10}
nysid: {scope: record, pattern: '[0-9]{8}[A-Z]'}
docket: {scope: shared, pattern: '[0-9]{4}[A-Z]{2}[0-9]{6}'}
badge: {scope: person, pattern: '[0-9]{7,9}'}
odd: {scope: person, pattern: '(?:[0-4]A|[3-9])[0-9]{2}(?:A|AB[0-9])?'}
endless: {scope: person, pattern: '[0-9]{8}[A-C]*'}
""")


def writings(text: str, name: str, identifier: str) -> list[str]:
    """How a text writes one identifier."""
    kind = KINDS[name]
    token = plain.token(KEY.reveal(), name, identifier)
    rows = [row for batch in mentions_of(pa.array([text]), {name: kind}, KEY) for row in batch.to_pylist()]
    return sorted({row["written"] for row in rows if f"{row['hi']:016x}{row['lo']:016x}" == token})


def masked(text: str, *names: str) -> str:
    """A text with its mentions masked, by the engine."""
    rows = ibis.memtable(pa.table({"t": [text]}))
    return ibis.duckdb.connect().to_pyarrow(texts.masked(rows.t, KINDS, names))[0].as_py()


def without(text: str, *mentions: str) -> str:
    """A text without the sentences that hold the mentions, by the engine."""
    engine = ibis.duckdb.connect()
    pattern = engine.to_pyarrow(texts.pattern_of(ibis.memtable(pa.table({"w": list(mentions)})).w)).as_py()
    rows = ibis.memtable(pa.table({"t": [text], "m": [pattern]}))
    return engine.to_pyarrow(texts.without_sentences(rows.t, rows.m))[0].as_py()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Calm. Jane Roe was arrested under No.B17000002 today. End.", "Calm. End."),
        ("Jane Roe fled...B17000002 says so. End.", "End."),
        ("By B17000002...Jane Roe ran. End.", "End."),
        ("Jane Roe, see att.B17000002. End.", "End."),
        ("Jane Roe ran?!B17000002!?Yes! End.", "End."),
        ("Calm. B17000002... End.", "Calm. End."),
        ("Calm.\nB17000002\nran. End.", "Calm.\nEnd."),
    ],
)
def test_a_stop_that_touches_a_mention_does_not_save_half_its_sentence(text: str, left: str) -> None:
    assert without(text, "B17000002") == left


MARK = "é"  # no sign between characters: no identifier is read across it
SIGNS = [
    r"\E",
    r"\Q",
    "\\",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "{2}",
    "|",
    "*",
    "+",
    "?",
    "^",
    "$",
    ".",
    "#",
    "&",
    "-",
    "~",
    "\n",
]


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_of_the_pattern_language_inside_a_mention_is_only_a_sign(sign: str) -> None:
    mention = f"1234567{sign}8E"
    assert (
        without(f"Calm.  Roe, {mention} , ran. 12345678E ran. End.", "B17000002", mention)
        == "Calm.  12345678E ran. End."
    )


# -- what stands before, behind and across a number --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "identifier", "text", "left"),
    [
        ("photo", "0000000001", "On 2019-05-21 000-000-0001 was shown.", "On RECORD was shown."),
        ("photo", "0000000001", "call 555-1234 000-000-0001 now", "call RECORD now"),
        ("photo", "0000000001", "(03/14/2017, 000-000-0001) Roe", "(RECORD) Roe"),
        ("photo", "0000000001", "000-000-0001 12 May", "RECORD May"),
        ("photo", "0000000001", "99" * 400 + "0000000001" + "99" * 400, "RECORD"),
        ("badge", "1234567", "badge 1234-567, 12 May", "badge RECORD May"),
        ("docket", "2019AB000001", "2018AB002019AB-000001", "RECORD"),
        ("arrest", "B17000002", "5 KB17-000-002, 3 men", "5 KRECORD, 3 men"),
    ],
)
def test_what_touches_a_number_does_not_hide_it(name: str, identifier: str, text: str, left: str) -> None:
    assert len(writings(text, name, identifier)) > 0
    assert masked(text, name) == left


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Arrest M17654502 was made.", "Arrest RECORD was made."),
        ("As M17-654 502 and k17000001 ran", "As RECORD and RECORD ran"),
        ("photo 0000000042 and 00-0000-0043 too", "photo RECORD and RECORD too"),
        ("photo 0000000042, 3 men", "photo RECORD, 3 men"),
        ("On 2019-05-21 0000000042 was shown", "On 2019-05-21 RECORD was shown"),
    ],
)
def test_ordinary_mentions_stay_masks_of_their_own(text: str, left: str) -> None:
    assert masked(text, "arrest", "photo") == left


def candidates(text: str, pattern: str) -> set[str]:
    """Every identifier that an ASCII text can be read to hold, character by character."""
    places = [place for place, character in enumerate(text) if character.isalnum()]
    found = set()
    for first in range(len(places)):
        for last in range(first, len(places)):
            if last > first and places[last] - places[last - 1] > 4:
                break
            bare = "".join(text[place] for place in places[first : last + 1]).upper()
            if re.fullmatch(pattern, bare):
                found.add(bare)
    return found


@pytest.mark.parametrize("name", ["arrest", "photo", "nysid", "docket", "badge", "odd", "endless"])
@given(st.text(alphabet="0123456789" * 3 + "ABab -./K", min_size=12, max_size=60))
def test_every_candidate_is_found_and_none_is_left(name: str, text: str) -> None:
    pattern = KINDS[name].pattern or ""
    expected = {plain.token(KEY.reveal(), name, bare) for bare in candidates(text, pattern)}
    batches = mentions_of(pa.array([text]), {name: KINDS[name]}, KEY)
    assert {f"{row['hi']:016x}{row['lo']:016x}" for batch in batches for row in batch.to_pylist()} == expected
    clear = text
    for form in (KINDS[name].form.compact, KINDS[name].form.joined):
        clear = pc.replace_substring_regex(pa.array([clear]), form, MARK)[0].as_py()
    assert candidates(clear, pattern) == set()


def test_the_longest_of_two_mentions_that_start_together_takes_both_sentences() -> None:
    assert without("Calm. By 1234567. 8 men ran. End.", "1234567", "1234567. 8") == "Calm. End."


@pytest.mark.parametrize(
    ("name", "identifier", "written"),
    [
        ("nysid", "12345678E", "⒈234567⑻⒠"),
        ("nysid", "12345678I", "12345678\u0131"),
        ("arrest", "B17000002", "🄑㋀7000002"),
    ],
)
def test_a_character_that_stands_for_one_and_signs_is_seen(name: str, identifier: str, written: str) -> None:
    assert canonical(pl.Series([written]), KINDS[name]).to_list() == [identifier]
    assert writings(f"By {written}, he ran.", name, identifier) == [written]
    assert masked(f"By {written}, he ran.", name) == "By RECORD, he ran."


@pytest.mark.parametrize(
    ("name", "identifier", "written"),
    [
        ("nysid", "12345678E", "⑫345678E"),
        ("nysid", "12345678E", "⑫-㉞ 56.⑺8E"),
        ("photo", "1200000011", "⑫-0000-00⑪"),
        ("docket", "2019SS000011", "⒛19ß-0000⑾"),
        ("badge", "1234567", "⑫㉞567"),
    ],
)
def test_a_character_that_stands_for_several_is_seen(name: str, identifier: str, written: str) -> None:
    assert canonical(pl.Series([written]), KINDS[name]).to_list() == [identifier]
    found = writings(f"By {written} ran", name, identifier)
    assert found == [written]
    assert without(f"By {written} ran. End.", *found) == "End."


POLICY = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: x.snap}
publish: {photo: plain}
sources:
  photos: {path: photos.parquet, primary_key: photo, columns: {photo: {kind: photo, on_seal: drop}}}
  reports:
    path: reports.parquet
    primary_key: photo
    columns: {photo: {kind: photo, on_seal: drop}}
    text: {told: {mentions: [photo], on_seal: sentence}}
"""


def test_strip_and_gate_see_a_sealed_number_behind_a_date(tmp_path: Path) -> None:
    (tmp_path / "sealing.yaml").write_text(POLICY)
    day, rules = dt.date(2020, 1, 1), Rules.find("us-ny", tmp_path)
    sealed = {"kind": "photo", "identifier": "0000000001", "action": "seal", "statute": "CPL 160.50"}
    feed = pa.table(
        {name: [text] for name, text in {**sealed, "effective_on": str(day), "recorded_on": str(day)}.items()}
    )
    register = Register(tmp_path / "register", kinds=KINDS, key=KEY)
    register.add(feed, rules=rules, delivered_on=day)
    with DuckDB() as engine:
        path = tmp_path / "x.snap"
        register.snapshot(path, rules=rules, purpose="predictive-model", as_of=day, engine=engine)
    told = [f"Calm. On 2019-05-21 000-000-000{n} was shown." for n in (1, 2)]
    pq.write_table(pa.table({"photo": ["0000000001", "0000000009"]}), tmp_path / "photos.parquet")
    pq.write_table(pa.table({"photo": ["0000000003", "0000000004"], "told": told}), tmp_path / "reports.parquet")
    pq.write_table(pa.table({"note": told[:1]}), tmp_path / "notes.parquet")

    policy, snapshot = Policy.load(tmp_path / "sealing.yaml"), load(path)
    strip_files(policy, snapshot=snapshot, key=KEY, out=tmp_path / "clean")
    clean = pq.read_table(tmp_path / "clean" / "reports.parquet")
    assert clean["told"].to_pylist() == ["Calm. ", "Calm. On RECORD was shown."]
    codes = [
        judge((target,), policy=policy, snapshot=snapshot, key=KEY, evidence=()).exit_code
        for target in (tmp_path / "clean", tmp_path / "notes.parquet")
    ]
    assert codes == [0, 1]
