"""Strips of files that build on the last one: what is read and written again, and what stops a run before it publishes."""

from __future__ import annotations

import dataclasses
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sanitizers import digest
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.forms import RawFile, Reading
from sanitizers.errors import EngineFailure, PublishFailure, SourceFailure
from sanitizers.identifiers import Key
from sanitizers.policy import Policy
from sanitizers.register.links import LINK_SCHEMA
from sanitizers.strip.files import _link, _unchanged
from sanitizers.strip.forget import _check
from sanitizers.strip.memory import MEMORY, Memory, Seen
from sanitizers.strip.receipt import RECEIPT, Receipt
from sanitizers.strip.roster import ROSTER, read_part
from sanitizers.strip.work import Work, _closed, known_in, work_of
from sanitizers.trace import raw_files
from tests.strip.test_small_worlds import KEY, KINDS, A, B, C, D, World, link, snapshot

POLICY = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: x.snap}
sources:
  arrests:
    path: raw/arrests/*.parquet
    primary_key: arrest
    columns: {arrest: {kind: arrest, on_seal: drop}}
  notes:
    path: raw/notes/*.csv
    primary_key: id
    columns: {by: {kind: arrest, on_seal: {redact: []}}}
    text: {told: {mentions: [arrest], on_seal: clear}}
"""
NAMES = ["arrests/1.parquet", "arrests/2.parquet", "notes/1.csv", "notes/2.csv"]


SEALED = {"arrest": [D]}  # in the second files


def made(folder: Path) -> World:
    (folder / "raw").mkdir(parents=True)
    world = World(folder, POLICY, raw={})
    for number, (first, second) in enumerate(((A, B), (C, D)), start=1):
        world.write(f"arrests/{number}.parquet", pa.table({"arrest": [first, second]}))
        world.write(f"notes/{number}.csv", f"id,by,told\n1,{first},x\n2,,Of {second}.\n".encode())
    return world


@pytest.fixture
def world(tmp_path: Path) -> World:
    return made(tmp_path / "world")


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    world = made(tmp_path_factory.mktemp("once") / "world")
    world.strip(SEALED, keeper=world.keeper)
    return world.folder


@pytest.fixture
def stripped(once: Path, tmp_path: Path) -> World:
    """A world that was stripped, with a keeper who remembers it."""
    shutil.copytree(once, tmp_path / "world", copy_function=shutil.copy2)
    return World(tmp_path / "world", POLICY, raw={})


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def inodes(folder: Path) -> dict[str, int]:
    return {path.relative_to(folder).as_posix(): path.stat().st_ino for path in folder.rglob("*") if path.is_file()}


def counted(receipt: Receipt) -> dict[str, Any]:
    return {name: dataclasses.asdict(own) for name, own in receipt.sources.items()}


def test_only_files_that_a_new_event_reaches_are_written_again(stripped: World, engine: DuckDB) -> None:
    world = stripped
    before, sealed = inodes(world.clean), {"arrest": [B, D]}
    receipt = world.strip(sealed, keeper=world.keeper)
    after = inodes(world.clean)
    hit = {"arrests/1.parquet", "notes/1.csv"}
    written = {name for name in before if before[name] != after[name]} - {RECEIPT}
    assert written == hit | {f"{ROSTER}/{name}.arrow" for name in hit}
    assert world.steps == [("find", 0, 2), ("find", 2, 2), ("forget", 1, 2), ("forget", 2, 2)]
    other = world.folder / "other"
    full = world.strip(sealed, out=other)
    assert contents(world.clean) == contents(other)
    assert (receipt.files, counted(receipt)) == (full.files, counted(full))
    assert {name: (own["rows_dropped"], own["rows_changed"]) for name, own in counted(full).items()} == {"arrests": (2, 0), "notes": (0, 2)}
    memory = Memory.recall(world.keeper)
    assert memory is not None
    assert (memory.receipt, memory.linked, list(memory.files)) == (digest.of_file(world.clean / RECEIPT), 0, NAMES)
    for name, file in memory.files.items():
        raw, clean, part = world.folder / "raw" / name, world.clean / name, world.clean / ROSTER / f"{name}.arrow"
        assert file.raw == Seen.at(raw, digest.of_file(raw))
        assert file.clean == Seen.at(clean, digest.of_file(clean))
        assert file.roster == Seen.at(part, digest.of_file(part))
        held = [token for own in read_part(world.keeper / "held" / f"{name}.arrow").values() for token in own.tolist()]
        assert len(held) == 2
    assert Receipt.read(world.keeper / RECEIPT) == receipt
    # Nothing is left to do: the next strip links every file.
    world.strip(sealed, keeper=world.keeper)
    assert world.steps == [("find", 0, 0), ("find", 0, 0)]
    again = inodes(world.clean)
    assert {name for name in again if after[name] != again[name]} == {RECEIPT}


def test_a_file_is_copied_where_it_cannot_be_linked(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:  # noqa: S108 - another file system
        if Path(elsewhere).stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("one file system")
        _link(tmp_path / "a", Path(elsewhere, "b", "c", "a"))
        assert Path(elsewhere, "b", "c", "a").read_bytes() == b"x"
        assert Seen.at(Path(elsewhere, "b", "c", "a")).changed == Seen.at(tmp_path / "a").changed
    _link(tmp_path / "a", tmp_path / "b" / "c" / "a")
    assert (tmp_path / "b/c/a").samefile(tmp_path / "a")


@pytest.fixture(scope="module")
def engine() -> Iterator[DuckDB]:
    with DuckDB() as engine:
        yield engine


def work(engine: DuckDB, world: World, sealed: Mapping[str, list[str]], memory: Memory | None, **given: Any) -> Work:
    given = {"snapshot": snapshot(sealed), "key": KEY, "out": world.clean, "register": None} | given
    return work_of(engine, given.pop("policy", world.policy), raw_files(world.policy), memory, **given)


def read_again(told: Work) -> list[str]:
    """Names of files that are read; every other is kept."""
    names = [file.name for own in told.rewrite.values() for file in own]
    assert sorted([*names, *told.keep]) == NAMES
    return names


def test_a_file_is_read_again_where_anything_about_it_changed(stripped: World, engine: DuckDB) -> None:
    world, memory = stripped, Memory.recall(stripped.keeper)
    assert memory is not None
    same = work(engine, world, SEALED, memory)
    assert (read_again(same), same.reason, same.links) == ([], "", None)
    assert read_again(work(engine, world, {"arrest": [B, D]}, memory)) == ["arrests/1.parquet", "notes/1.csv"]
    assert read_again(work(engine, world, {}, memory)) == ["arrests/2.parquet", "notes/2.csv"]
    assert read_again(work(engine, world, {"arrest": [D, "Q17999999"], "photo": ["000001"]}, memory)) == []
    os.utime(world.folder / "raw" / NAMES[0])  # the same bytes at another time
    assert read_again(work(engine, world, SEALED, memory)) == []
    world.write(NAMES[1], pa.table({"arrest": [C, A]}))
    assert read_again(work(engine, world, SEALED, memory)) == [NAMES[1]]
    (world.clean / NAMES[2]).write_bytes(b"id,by,told\n")
    (world.clean / ROSTER / f"{NAMES[3]}.arrow").unlink()
    assert read_again(work(engine, world, SEALED, memory)) == NAMES[1:]


def test_all_files_are_read_again_where_the_last_strip_does_not_fit(stripped: World, engine: DuckDB) -> None:
    world, sealed, memory = stripped, SEALED, Memory.recall(stripped.keeper)
    assert memory is not None
    (world.folder / "other.yaml").write_text(POLICY + "publish: {arrest: plain}\n")
    other = Policy.load(world.folder / "other.yaml")
    links = dataclasses.replace(memory, linked=2)
    for told, reason in (
        (work(engine, world, sealed, None), "the keeper remembers no strip"),
        (work(engine, world, sealed, memory, policy=other), "the policy, the kinds or the key changed"),
        (work(engine, world, sealed, memory, key=Key("0" * 64)), "the policy, the kinds or the key changed"),
        (work(engine, world, sealed, memory, out=world.keeper), "the published folder is not the one that the keeper remembers"),
        (work(engine, world, sealed, memory, out=world.folder), "the published folder is not the one that the keeper remembers"),
        (work(engine, world, sealed, dataclasses.replace(memory, linked=None)), "the register did not know every link of the raw files"),
        (work(engine, world, sealed, links, snapshot=snapshot(sealed, links=1)), "the snapshot is closed over fewer links than there were"),
    ):
        assert (read_again(told), told.reason) == (NAMES, reason)
        assert told.links is not None
    assert read_again(work(engine, world, sealed, links, snapshot=snapshot(sealed, links=2))) == []


def test_a_snapshot_is_closed_over_links_that_a_register_knows_and_no_others(tmp_path: Path, engine: DuckDB) -> None:
    world = World(tmp_path)
    files, none = raw_files(world.policy), dict.fromkeys(world.policy.sources, ())
    given = {"snapshot": snapshot({}), "key": KEY, "register": None}
    unlinked = none | {"photos": files["photos"]}
    told = [_closed(engine, world.policy, fresh, **given) for fresh in (none, unlinked, none | {"arrests": files["arrests"]})]
    assert told == [True, True, False]
    world.clean.mkdir()
    (world.clean / RECEIPT).write_text("x")
    memory = Memory(world.policy.digest, KINDS.digest, KEY.fingerprint, digest.of_file(world.clean / RECEIPT), 0, {})
    anew = work_of(engine, world.policy, files, memory, **given, out=world.clean)
    assert anew.reason == "changed raw files bring links that the snapshot does not know"
    assert [file.name for own in anew.rewrite.values() for file in own] == [file.name for own in files.values() for file in own]
    seen = [engine.hold(links) for links in (LINK_SCHEMA.empty_table(), link(A, "000001"))]
    assert [known_in(engine, None, links) for links in seen] == [0, None]


@pytest.mark.parametrize(
    ("out", "keeper", "where"),
    [("raw", None, "raw"), (".", None, "."), ("raw/arrests", "keeper", "raw/arrests"), ("clean", "raw", "raw"),
     ("clean", "clean", "clean"), ("clean", "clean/keeper", "clean/keeper"), ("keeper/clean", "keeper", "keeper")],
)  # fmt: skip
def test_what_is_published_what_is_kept_and_what_is_raw_lie_apart(world: World, out: str, keeper: str | None, where: str) -> None:
    before = contents(world.folder)
    with pytest.raises(PublishFailure) as caught:
        world.strip({}, out=world.folder / out, keeper=keeper and world.folder / keeper)
    assert caught.value.faults[0].where == str(world.folder / where)
    assert contents(world.folder) == before


def test_raw_files_behind_links_are_apart_from_what_is_published_too(world: World) -> None:
    far = world.folder / "far"
    (world.folder / "raw/arrests").rename(far)
    (world.folder / "raw/arrests").symlink_to(far)
    with pytest.raises(PublishFailure):
        world.strip({}, out=far)


def test_a_raw_file_that_changed_during_the_run_stops_it(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).write_text("x")
    before = {tmp_path / name: Seen.at(tmp_path / name) for name in "ab"}
    _unchanged(before)
    os.utime(tmp_path / "b", ns=(1, 1))
    with pytest.raises(PublishFailure) as caught:
        _unchanged(before)
    assert caught.value.faults[0].where == str(tmp_path / "b")


def test_a_folder_that_no_strip_has_published_is_not_replaced(stripped: World) -> None:
    world = stripped
    for folder in (world.clean, world.keeper):
        (folder / "mine.txt").write_text("x")
        with pytest.raises(PublishFailure, match="holds 1 file"):
            world.strip({}, keeper=world.keeper)
        (folder / "mine.txt").unlink()


def test_what_was_written_must_be_what_should_stay(tmp_path: Path) -> None:
    world = World(tmp_path)
    (tmp_path / "raw/l.jsonl").write_text('{"a": "1"}\n{"a": "2", "b": "3"}\n')
    files = {file.name: file for own in raw_files(world.policy).values() for file in own}
    lines = RawFile(tmp_path / "raw/l.jsonl", "l.jsonl", Reading())
    for part, rows in ((files["arrests/1.parquet"], 2), (files["photos.csv"], 5), (lines, 2)):
        _check(part.path, part, part.schema, rows)
        for wrong in (rows - 1, rows + 1):
            with pytest.raises(EngineFailure) as caught:
                _check(part.path, part, part.schema, wrong)
            assert caught.value.faults[0].where == part.name
    for part, rows in ((files["arrests/1.parquet"], 2), (files["photos.csv"], 5)):
        with pytest.raises(EngineFailure):
            _check(part.path, part, part.schema.append(pa.field("more", pa.string())), rows)
    _check(lines.path, lines, pa.schema([("sealproof_line", pa.large_binary())]), 2)  # what is published of lines
    (tmp_path / "other.jsonl").write_text('{"a": "1"}\n{"a": "2", "c": "3"}\n')
    with pytest.raises(EngineFailure):
        _check(tmp_path / "other.jsonl", lines, lines.schema, 2)


def test_a_damaged_memory_is_none_and_its_folder_is_not_replaced(stripped: World) -> None:
    world = stripped
    (world.keeper / MEMORY).write_text("5")
    with pytest.raises(PublishFailure):
        world.strip({}, keeper=world.keeper)


def test_a_damaged_part_of_a_memory_stops_the_run(stripped: World) -> None:
    world = stripped
    (world.keeper / "held" / f"{NAMES[0]}.arrow").write_bytes(b"x")
    with pytest.raises(SourceFailure):
        world.strip({}, keeper=world.keeper)
