"""Each way of breaking the library turns a law red: laws that could not fail would show nothing."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute
import pytest

from sanitizers import identifiers, publish, trace
from sanitizers.engine import contract, writing
from sanitizers.engine.lines import LINE
from sanitizers.identifiers import Kind, Tokens
from sanitizers.register import history
from sanitizers.strip import accounts, edits, forget, memory, rows
from sanitizers.strip import text as texts
from tests.laws import checks
from tests.laws.running import Bench, Kept
from tests.laws.test_laws import ARRESTS, CITY

pytestmark = pytest.mark.law


@dataclass(frozen=True)
class Break:
    """A way to break the library, and the law that must see it."""

    apply: Callable[[pytest.MonkeyPatch], None]
    law: str


def no_carries(patch: pytest.MonkeyPatch) -> None:
    """Links are not followed."""
    patch.setattr(trace, "closure", lambda _engine, barred, _links: barred)
    patch.setattr(history, "closure", lambda _engine, barred, _links: barred)


def no_canonical_form(patch: pytest.MonkeyPatch) -> None:
    """Identifiers are looked up as they are written."""
    patch.setattr(identifiers, "canonical", lambda texts, _kind: texts)


def mask_after_matching(patch: pytest.MonkeyPatch) -> None:
    """Only what is barred is masked, so that the mask tells."""
    barred = "(?i)(?:m17|b17)[- ]*[0-9]{3}[ ]?[0-9]{3}"
    patch.setattr(texts, "masked", lambda text, _kinds, _names: text.re_replace(barred, identifiers.MASK))


def token_without_kind(patch: pytest.MonkeyPatch) -> None:
    """Every kind makes the same token of the same digits."""
    make = identifiers.tokenise

    def same(texts: pl.Series, *, name: str, kind: Kind, **given: Any) -> Tokens:
        return make(texts, name="any", kind=kind, **given)

    for module in (identifiers, contract, history):
        patch.setattr(module, "tokenise", same)


def links_forgotten(patch: pytest.MonkeyPatch) -> None:
    """What trace has seen is not remembered."""
    patch.setattr(history.Register, "remember", lambda *_: 0)


def rows_as_they_come(patch: pytest.MonkeyPatch) -> None:
    """Rows are published in another order than their file has."""
    in_order = rows.clean_rows

    def backwards(*args: Any, **given: Any) -> Any:
        return (batch.take(np.arange(len(batch))[::-1]) for batch in in_order(*args, **given))

    patch.setattr(forget, "clean_rows", backwards)


def changes_out_of_step(patch: pytest.MonkeyPatch) -> None:
    """What changes is put into other rows than those it belongs to."""
    own = rows._Cells.of_rows

    def shifted(self: Any, numbers: Any, part: Any) -> Any:
        places, cells = own(self, numbers, part)
        return np.roll(places, 1), cells

    patch.setattr(rows._Cells, "of_rows", shifted)


def zeros_made_one(patch: pytest.MonkeyPatch) -> None:
    """0.0 and -0.0 become one, as dictionaries make them."""
    typed = rows._typed

    def positive(column: pa.Array, kind: pa.DataType) -> pa.Array:
        return pa.compute.add(typed(column, kind), 0.0) if kind == pa.float64() else typed(column, kind)

    patch.setattr(rows, "_typed", positive)


def elements_kept(patch: pytest.MonkeyPatch) -> None:
    """Elements of lists stay, whatever a seal on them says."""
    patch.setattr(edits.Edit, "remove", lambda _self, _which: None)


def every_element_emptied(patch: pytest.MonkeyPatch) -> None:
    """What is said of one element of a list is done to all of the row's."""
    own = rows._Rows._hit

    def anywhere(self: Any, number: int, place: Any, target: Any) -> Any:
        return own(self, number, replace(place, steps=()), target)

    patch.setattr(rows._Rows, "_hit", anywhere)


def null_structs_filled(patch: pytest.MonkeyPatch) -> None:
    """A null struct becomes one of nulls."""
    own = edits.Edit._with_fields

    def filled(self: Any, column: pa.Array) -> pa.Array:
        made = own(self, column)
        return pa.StructArray.from_arrays(made.flatten(), fields=list(made.type))

    patch.setattr(edits.Edit, "_with_fields", filled)


def other_fields_in_roster(patch: pytest.MonkeyPatch) -> None:
    """The roster holds what a redaction has emptied in elements of a list."""
    patch.setattr(accounts._Column, "_same_list", lambda *_: False)


def lines_as_they_are(patch: pytest.MonkeyPatch) -> None:
    """JSON lines are published as they were written."""
    patch.setattr(writing, "rewritten", lambda batch: b"".join(batch.column(LINE).to_pylist()))


def lines_spelled_anew(patch: pytest.MonkeyPatch) -> None:
    """JSON lines are published as a reader of JSON understands them."""
    own = writing.rewritten

    def spelled(batch: pa.RecordBatch) -> bytes:
        return b"".join(json.dumps(json.loads(line)).encode() + b"\n" for line in own(batch).splitlines())

    patch.setattr(writing, "rewritten", spelled)


def roster_of_everything(patch: pytest.MonkeyPatch) -> None:
    """The roster holds what the redactions have emptied."""
    own, survey = accounts._Column.__init__, accounts._Survey.__init__

    def all_of(self: Any, *given: Any) -> None:
        own(self, *given)
        self.stayed = self.held

    patch.setattr(accounts._Column, "__init__", all_of)
    patch.setattr(accounts._Survey, "__init__", lambda *given, **_: survey(*given, holding=True))


def whole_source_dropped(patch: pytest.MonkeyPatch) -> None:
    """More goes than a seal reaches."""
    reach = trace.reached_in

    def greedy(engine: Any, read: Any, barred: Any, **given: Any) -> Any:
        found = reach(engine, read, barred, **given)
        return replace(found, gone=np.arange(read.tally.rows))

    patch.setattr(trace, "reached_in", greedy)


def vacations_ignored(patch: pytest.MonkeyPatch) -> None:
    """What was once sealed stays sealed."""
    state = history._in_force
    patch.setattr(history, "_in_force", lambda events, as_of: state(events.filter(pl.col("action") == "seal"), as_of))


def sentences_kept(patch: pytest.MonkeyPatch) -> None:
    """The sentence that mentions a barred record is only masked."""
    patch.setattr(texts, "without_sentences", lambda text, _mentions: text)


def prefixes_only(patch: pytest.MonkeyPatch) -> None:
    """Half a token is published."""
    make = identifiers.tokenise

    def half(texts: pl.Series, **given: Any) -> Tokens:
        own = make(texts, **given)
        return Tokens(own.row, own.hi, np.zeros_like(own.lo), own.malformed, own.missing)

    for module in (identifiers, contract, history):
        patch.setattr(module, "tokenise", half)


def old_version_stays(patch: pytest.MonkeyPatch) -> None:
    """What was published before is not replaced."""
    exchange = publish._exchange
    patch.setattr(publish, "_exchange", lambda own, target: None if target.exists() else exchange(own, target))


def delta_not_seen(patch: pytest.MonkeyPatch) -> None:
    """Files that hold what has been sealed since are taken over."""
    patch.setattr(memory.Memory, "holding", lambda *_: set())


def vacations_not_seen(patch: pytest.MonkeyPatch) -> None:
    """Only what is newly barred is looked for, not what comes back."""
    differing = memory.Memory.differing

    def barred_only(self: Any, barred: Any) -> Any:
        batches = list(barred)
        now = np.concatenate([batch["hi"].to_numpy() for batch in batches])
        return {kind: tokens[np.isin(tokens, now)] for kind, tokens in differing(self, batches).items()}

    patch.setattr(memory.Memory, "differing", barred_only)


BREAKS = [
    Break(no_carries, "conservation"),
    Break(no_canonical_form, "conservation"),
    Break(mask_after_matching, "conservation"),
    Break(token_without_kind, "conservation"),
    Break(prefixes_only, "conservation"),
    Break(zeros_made_one, "conservation"),
    Break(rows_as_they_come, "conservation"),
    Break(changes_out_of_step, "conservation"),
    Break(lines_as_they_are, "conservation"),
    Break(lines_spelled_anew, "conservation"),
    Break(elements_kept, "conservation"),
    Break(every_element_emptied, "conservation"),
    Break(null_structs_filled, "conservation"),
    Break(other_fields_in_roster, "idempotence"),
    Break(sentences_kept, "nullity"),
    Break(roster_of_everything, "idempotence"),
    Break(links_forgotten, "indifference"),
    Break(whole_source_dropped, "nothing_else"),
    Break(vacations_ignored, "return"),
    Break(old_version_stays, "delta"),
    Break(delta_not_seen, "delta"),
    Break(vacations_not_seen, "return_by_delta"),
]


@pytest.fixture(scope="module")
def engine() -> Iterator[Kept]:
    engine = Kept()
    yield engine
    engine.stop()


@pytest.fixture
def bench(tmp_path: Path, engine: Kept) -> Bench:
    engine.close()
    return Bench(tmp_path, engine)


def check(bench: Bench, law: str) -> None:
    """One law on the fixed world."""
    clean = bench.strip(CITY)
    if law in ("conservation", "nothing_else"):
        getattr(checks, f"check_{law}")(CITY, clean)
    else:
        getattr(checks, f"check_{law}")(bench, CITY, clean)


@pytest.mark.parametrize("law", sorted({broken.law for broken in BREAKS}))
def test_law_holds_where_nothing_is_broken(bench: Bench, law: str) -> None:
    check(bench, law)


@pytest.mark.parametrize("broken", BREAKS, ids=lambda broken: f"{broken.apply.__name__}-{broken.law}")
def test_broken_library_turns_a_law_red(bench: Bench, monkeypatch: pytest.MonkeyPatch, broken: Break) -> None:
    broken.apply(monkeypatch)
    with pytest.raises(AssertionError):
        check(bench, broken.law)


def test_fixed_world_has_every_action() -> None:
    actions = [own["on_seal"] for source in CITY.sources.values() for own in source.columns.values()]
    assert {"drop", "element"} <= {action for action in actions if isinstance(action, str)}
    assert any(isinstance(action, dict) and action.get("set") for action in actions)
    assert {own.get("carries") for own in ARRESTS.columns.values()} == {None, "any", "all"}
