"""Ways in which a text once kept what a seal should have taken from it."""

from __future__ import annotations

import ibis
import pyarrow as pa
import pytest

from sanitizers.engine.contract import mentions_of
from sanitizers.identifiers import Key, Kinds
from sanitizers.strip import text as texts
from tests.identifiers import plain

KEY = Key("5ea1" * 16)
KINDS = Kinds.parse("""
arrest: {scope: record, pattern: '[BKMQS][0-9]{8}'}
photo: {scope: record, pattern: '[0-9]{10}', width: 10}
nysid: {scope: record, pattern: '[0-9]{8}[A-Z]'}
docket: {scope: shared, pattern: '[0-9]{4}[A-Z]{2}[0-9]{6}'}
badge: {scope: person, pattern: '[0-9]{7,9}'}
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


SIGNS = [r"\E", r"\Q", "\\", "(", ")", "[", "]", "{", "}", "{2}", "|", "*", "+", "?", "^", "$", ".", "#", "&", "-", "~", "\n"]


@pytest.mark.parametrize("sign", SIGNS)
def test_a_sign_of_the_pattern_language_inside_a_mention_is_only_a_sign(sign: str) -> None:
    mention = f"1234567{sign}8E"
    assert without(f"Calm.  Roe, {mention} , ran. 12345678E ran. End.", "B17000002", mention) == "Calm.  12345678E ran. End."
