"""Ways of hiding a sealed arrest that were once found to work, each closed for good (law 11)."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sanitizers.errors import PublishFailure, SealproofError, SourceFailure
from sanitizers.features import compute
from sanitizers.identifiers import Kinds
from tests.department import Department

KINDS = Kinds.parse("arrest: {scope: record, pattern: '[BKMQS][0-9]{8}'}")
SEALED, OPEN = "B17000002", "M17654502"
POLICY = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: x.snap}
sources:
  arrests:
    path: raw/arrests*.parquet
    primary_key: arrest
    columns: {arrest: {kind: arrest, on_seal: drop}}
  reports:
    path: raw/reports.parquet
    primary_key: number
    columns: {cleared_by: {kind: arrest, on_seal: {redact: []}}}
    text: {told: {mentions: [arrest], on_seal: sentence}}
features:
  told: {sql: told.sql, columns: {number: int64, told: text}}
"""


class World(Department):
    """A department whose sources have texts."""

    def bar(self, *numbers: str) -> None:
        """Seal arrests and take the day's snapshot."""
        self.seal(*(("arrest", number) for number in numbers))
        self.snapshot()

    def code(self, *paths: Path, evidence: tuple[Path, ...] = ()) -> int:
        """Judge; returns the exit code."""
        return self.judge(*paths, evidence=evidence).exit_code


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "world", KINDS)
    world.write("raw/arrests.parquet", arrest=[OPEN, SEALED], who=["a", "b"])
    world.write("raw/reports.parquet", number=[1, 2], cleared_by=[None, OPEN], told=["Fled. See K17-000009 b.", "Calm."])
    (world.folder / "sealing.yaml").write_text(POLICY)
    (world.folder / "told.sql").write_text("SELECT number, told FROM reports")
    world.bar(SEALED)
    return world


def test_what_strip_made_passes(world: World) -> None:
    assert world.code(world.strip()) == 0


def test_a_wildcard_in_a_file_name_is_refused(world: World) -> None:
    world.write("raw/arrests1.parquet", arrest=["B17000003"], who=["c"])
    world.write("raw/arrests[1].parquet", arrest=["B17000004"], who=["d"])
    with pytest.raises(SourceFailure, match="wildcard"):
        world.strip()


def test_one_file_in_two_sources_is_refused(world: World) -> None:
    text = POLICY.replace("  reports:\n", "  again:\n    path: raw/arrests.parquet\n    primary_key: who\n"
                          "    columns: {arrest: {kind: arrest, on_seal: {redact: []}}}\n  reports:\n", 1)  # fmt: skip
    (world.folder / "sealing.yaml").write_text(text)
    with pytest.raises(SourceFailure, match="belongs to two sources"):
        world.strip()


@pytest.mark.parametrize("out", ["b/../raw", "link", "register", "."])
def test_a_folder_that_is_not_its_own_is_never_replaced(out: str, world: World) -> None:
    (world.folder / "b").mkdir()
    (world.folder / "link").symlink_to(world.folder / "raw")
    before = sorted(path for path in world.folder.rglob("*") if path.is_file())
    with pytest.raises(PublishFailure):
        world.strip(world.folder / out)
    after = sorted(path for path in world.folder.rglob("*") if path.is_file() and ".sealproof" not in str(path))
    assert before == after


@pytest.mark.parametrize("arrest", [None, "gone"])
def test_rows_without_their_identifiers_do_not_pass_as_a_source(arrest: str | None, world: World) -> None:
    clean = world.strip()
    if arrest is None:
        world.write("clean/arrests-2.parquet", arrest=pa.array([None, None], pa.string()), who=["a", "b"])
    else:
        world.write("clean/arrests-2.parquet", who=["a", "b"])
    assert world.code(clean) != 0


@pytest.mark.parametrize("name", [".hidden/t.parquet", ".t.parquet", "deep/er/t.parquet"])
def test_no_file_of_a_walk_is_left_out(name: str, world: World) -> None:
    clean = world.strip()
    world.write(f"clean/{name}", arrest=[SEALED])
    assert world.code(clean) == 1


def test_linked_folders_and_links_to_raw_are_judged(world: World) -> None:
    clean = world.strip()
    world.write("elsewhere/t.parquet", arrest=[SEALED])
    (clean / "linked").symlink_to(world.folder / "elsewhere")
    assert world.code(clean) == 1
    os.unlink(clean / "linked")
    (clean / "t.parquet").symlink_to(world.folder / "raw/arrests.parquet")
    assert world.code(clean) == 1


@pytest.mark.parametrize("name", ["train-chain.json", "sub/receipt.json"])
def test_a_name_makes_no_evidence(name: str, world: World) -> None:
    folder = world.folder / "made"
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_text('[{"who": "somebody"}]')
    assert world.code(folder) == 4


def test_a_strip_from_before_a_seal_on_a_text_does_not_stand(world: World) -> None:
    clean = world.strip()
    out = world.folder / "features"
    compute(world.policy, clean=clean, out=out)
    assert world.code(clean, out) == 0
    world.bar("K17000009")
    assert world.code(clean, out) != 0
    world.strip()
    compute(world.policy, clean=clean, out=out)
    assert world.code(clean, out) == 0


SPELLED = ["K17:000009", "K17#000,009", "K17-\n000009", "K17  000009", "K17 - 000009", "K17\u200b000009", "K17\u00ad000009"]


@pytest.mark.parametrize("spelling", SPELLED, ids=range(len(SPELLED)))
def test_a_mention_is_found_across_signs(spelling: str, world: World) -> None:
    world.write("raw/reports.parquet", number=[1], cleared_by=[OPEN], told=[f"Calm. Bob, see {spelling} now. End."])
    world.bar("K17000009")
    told = pq.read_table(world.strip() / "reports.parquet")["told"].to_pylist()
    assert told == ["Calm. End."]


def test_binary_cells_metadata_names_and_unused_categories_are_searched(world: World) -> None:
    ways = {
        "binary": pa.table({"n": [f"with {SEALED}".encode()]}),
        "metadata": pa.table({"n": [1]}).replace_schema_metadata({"note": SEALED}),
        "column": pa.table({f"is_{SEALED}": [1]}),
        "list": pa.table({"n": [[SEALED]]}),
        "struct": pa.table({"n": [{"a": SEALED}]}),
    }
    codes = {}
    for name, table in ways.items():
        path = world.folder / f"{name}.parquet"
        pq.write_table(table, path)
        codes[name] = world.code(path)
    assert codes == dict.fromkeys(ways, 1)


@pytest.mark.parametrize("name", ["params", "code", "x.sql", "raw.parquet"])
def test_no_input_of_a_chain_is_excused_by_its_name(name: str, world: World) -> None:
    from sanitizers.digest import write_chain

    clean = world.strip()
    made = world.write("made/t.parquet", n=[1])
    inputs = {"clean": clean / "arrests.parquet", name: world.folder / "raw/arrests.parquet"}
    write_chain(made.parent / "chain.json", made_by="train", inputs=inputs, outputs={"t.parquet": made})
    assert world.code(made, evidence=(clean,)) != 0


def test_text_that_is_no_utf8_is_an_error_of_ours(world: World) -> None:
    bad = pa.StringArray.from_buffers(1, pa.py_buffer(b"\0\0\0\0\x02\0\0\0"), pa.py_buffer(b"\xff\xfe"))
    pq.write_table(pa.table({"arrest": bad, "who": ["a"]}), world.folder / "raw/arrests.parquet")
    with pytest.raises(SealproofError):
        world.strip()


def test_a_folder_that_may_not_be_read_is_not_passed_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    clean = world.strip()
    assert world.code(clean) == 0
    (clean / "closed").mkdir()
    genuine = os.scandir

    def refusing(place: str) -> object:
        if str(place).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(place))
        return genuine(place)

    monkeypatch.setattr(os, "scandir", refusing)
    assert world.code(clean) == 3
