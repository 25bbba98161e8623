"""Worlds as files, and a strip of them."""

import contextlib
import datetime as dt
import hashlib
import itertools
import json
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from sanitizers import digest, patterns
from sanitizers.engine.duckdb import DuckDB
from sanitizers.engine.forms import RawFile, Reading
from sanitizers.identifiers import Key, Kinds
from sanitizers.policy import Policy
from sanitizers.register import snapshot
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules
from sanitizers.strip import files as strip_module
from sanitizers.strip.files import strip_files
from sanitizers.strip.receipt import RECEIPT, Receipt
from sanitizers.strip.roster import ROSTER
from sanitizers.strip.work import Work, work_of
from sanitizers.trace import links_of, raw_files, read
from tests.laws import oracle
from tests.laws.oracle import Source, Spelled, World
from tests.register import plain as plain_register

COLUMNS = "columns.json"
TODAY = dt.date(2019, 6, 2)
RULES = Rules.find("us-ny", Path())
FEED = ("kind", "identifier", "action", "statute", "effective_on", "recorded_on", "case")


# Every statement compiles its patterns anew; the hundreds of ways to write one character are tested with identifiers.
FEW_SPELLINGS = {
    letter: letter + letter.lower() * letter.isalpha() + chr(ord(letter) + 0xFEE0) for letter in patterns.ALPHABET
}


class Kept(DuckDB):
    """An engine that is started once: closing it only forgets what it holds.

    The strips of one world build the same expressions over and over, and translating them is most of what a strip of a
    few rows costs: equal ones are translated once.
    """

    def __init__(self) -> None:
        super().__init__()
        translate = self._ibis.compiler.to_sqlglot
        known: dict[Any, Any] = {}

        def once(_: Any, expression: Any, **given: Any) -> Any:
            key = expression.op(), given.get("limit")
            if key not in known:
                if len(known) > 2000:
                    known.clear()
                known[key] = translate(expression, **given)
            return known[key].copy()

        self._ibis.compiler = type("Once", (type(self._ibis.compiler),), {"to_sqlglot": once})()

    def hold(self, what: Any, schema: pa.Schema | None = None) -> ir.Table:
        """As the engine does, in one statement in place of the four that Ibis uses."""
        if not isinstance(what, ir.Expr):
            return super().hold(what, schema)
        name = self._name()

        def keep() -> ir.Table:
            self._raw.execute(f"CREATE TABLE {name} AS {self._ibis.compile(what)}")
            return self._ibis.table(name)

        return self._ask("hold", keep)

    def close(self) -> None:
        for name, kind in self._raw.execute("SELECT table_name, table_type FROM information_schema.tables").fetchall():
            self._raw.execute(f'DROP {"VIEW" if kind == "VIEW" else "TABLE"} IF EXISTS "{name}"')
        self._numbers = itertools.count()

    def stop(self) -> None:
        super().close()


@dataclass(frozen=True)
class Clean:
    """What a strip published."""

    receipt: Receipt
    tables: dict[str, list[pa.Table]]
    files: dict[str, bytes]

    @property
    def sources(self) -> dict[str, bytes]:
        """Bytes of the clean sources and the roster, by name."""
        return {name: content for name, content in self.files.items() if name != RECEIPT}

    @property
    def digests(self) -> dict[str, str]:
        """Content digest of each source, over all of its files."""
        found = {}
        for name, tables in self.tables.items():
            batches = [batch for table in tables for batch in table.to_batches()]
            found[name] = digest.of_content(tables[0].schema, batches)
        return found

    @property
    def digests_by_file(self) -> dict[str, list[str]]:
        """Content digest of each file."""
        return {
            name: [digest.of_content(table.schema, table.to_batches()) for table in tables]
            for name, tables in self.tables.items()
        }

    def rows(self, name: str) -> list[tuple]:
        """Rows of a source in the order of its files, as comparable tuples."""
        return [row for table in self.tables[name] for row in comparable(table)]


class Bench:
    """A folder in which worlds are stripped, one after the other, on one engine."""

    def __init__(self, folder: Path, engine: Kept | None = None) -> None:
        self.folder = folder
        self.engine = engine or Kept()

    @contextlib.contextmanager
    def place(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(dir=self.folder) as folder:
            yield Path(folder)

    def strip(self, world: World, events: list[dict[str, Any]] | None = None, *, remembering: World | None = None) -> Clean:
        """Strip a world; `events` instead of its own if given, with the links of another world if `remembering`."""
        with self.place() as folder:
            policy = written(world, folder)
            taken = self.snapshot(world.events if events is None else events)
            register = self.register(folder / "register", remembering) if remembering else None
            return self.strip_folder(folder, policy, taken, register=register)

    def again(self, clean: Clean, world: World) -> Clean:
        """Strip what was published as if it were raw."""
        with self.place() as folder:
            policy = written(world, folder)
            shutil.rmtree(folder / "raw")
            common = folder / "raw" / ("" if len(world.sources) > 1 else next(iter(world.sources)))
            for name, content in clean.files.items():
                if name != RECEIPT and not name.startswith(f"{ROSTER}/"):
                    path = common / name
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(content)
            return self.strip_folder(folder, policy, self.snapshot(world.events))

    def delta(self, world: World, first: int, *, last: World | None = None) -> tuple[Clean, Clean, Work]:
        """Strip a world when the first events are known, and again when the others are, with what the keeper remembers.

        Parameters
        ----------
        last
            The world whose raw files are stripped at first, if not the same.

        Returns
        -------
        Clean
            Of the second strip.
        Clean
            Of a first strip with all events.
        Work
            What the second strip had to do.
        """
        with self.place() as folder:
            policy, path = written(last or world, folder), folder / "own.snap"
            register = self.register(folder / "register", world)
            given = {"register": register, "keeper": folder / "keeper"}
            done: list[Work] = []
            for events in (world.events[:first], world.events[first:]):
                register.add(feed(events), rules=RULES, delivered_on=TODAY)
                with self.engine as engine:
                    register.snapshot(path, rules=RULES, purpose="predictive-model", as_of=TODAY, engine=engine)
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(strip_module, "work_of", noted(done))
                    clean = self.strip_folder(folder, policy, snapshot.load(path), **given)
                shutil.rmtree(folder / "raw")
                written(world, folder)
            full = self.strip_folder(folder, policy, snapshot.load(path), out=folder / "full", register=register)
            return clean, full, done[-1]

    def strip_folder(
        self, folder: Path, policy: Policy, taken: snapshot.Snapshot, **given: Any
    ) -> Clean:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(strip_module, "opened", lambda _name, _scratch: self.engine)
            return self.strip_on("duckdb", folder, policy, taken, **given)

    def strip_on(self, engine: str, folder: Path, policy: Policy, taken: snapshot.Snapshot, **given: Any) -> Clean:
        """Strip a folder on an engine that is named."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(patterns, "_spellings", lambda: FEW_SPELLINGS)
            given = {"engine": engine, **given}
            given = {"out": folder / "clean", **given}
            receipt = strip_files(policy, snapshot=taken, key=Key(oracle.KEY), **given)
        return published(given["out"], policy, receipt)

    def snapshot(self, events: list[dict[str, Any]]) -> snapshot.Snapshot:
        """The snapshot of a history, made once."""
        name = hashlib.sha256(repr(events).encode()).hexdigest()[:16]
        path = self.folder / "snapshots" / f"{name}.snap"
        if not path.exists():
            with self.place() as folder, self.engine as engine:
                register = Register(folder, kinds=Kinds.parse(oracle.kinds_yaml()), key=Key(oracle.KEY))
                register.add(feed(events), rules=RULES, delivered_on=TODAY)
                register.snapshot(path, rules=RULES, purpose="predictive-model", as_of=TODAY, engine=engine)
        return snapshot.load(path)

    def register(self, folder: Path, world: World) -> Register:
        """A register that remembers the links of a world."""
        with self.place() as place, self.engine as engine:
            policy, kinds, key = written(world, place), Kinds.parse(oracle.kinds_yaml()), Key(oracle.KEY)
            register = Register(folder, kinds=kinds, key=key)
            register.remember(links_of(engine, read(engine, policy, raw_files(policy), kinds, key)), engine)
            return register


def noted(done: list[Work]) -> Any:
    """Decide what a strip has to do, and note it."""

    def noting(*args: Any, **given: Any) -> Work:
        done.append(work_of(*args, **given))
        return done[-1]

    return noting


def sealed(events: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Identifiers that the register holds barred, in plain Python."""
    states = plain_register.in_force(
        [event | {"identifier": oracle.token_of(event["kind"], event["identifier"])} for event in events], TODAY
    )
    return {(kind, token) for kind, token, _, _ in states}


def feed(events: list[dict[str, Any]]) -> pa.Table:
    """Events as the table that a register takes in."""
    rows = [{name: str(event[name]) if event[name] is not None else None for name in FEED} for event in events]
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in FEED]))


def written(world: World, folder: Path) -> Policy:
    """Write a world's raw files and policy."""
    for name, source in world.sources.items():
        own = folder / "raw" / name
        own.mkdir(parents=True)
        bounds = [0, *sorted(source.cuts), len(source.rows)]
        for number, (low, high) in enumerate(zip(bounds, bounds[1:], strict=False)):
            write = {"csv": write_csv, "jsonl": write_lines, "parquet": write_parquet}[source.form]
            write(source, source.rows[low:high], own / f"{number}.{source.form}")
    (folder / COLUMNS).write_text(json.dumps({name: list(source.types) for name, source in world.sources.items()}))
    (folder / "sealing.yaml").write_text(
        yaml.safe_dump(plain_data(oracle.policy(world)), allow_unicode=True, sort_keys=False)
    )
    return Policy.load(folder / "sealing.yaml")


def plain_data(value: Any) -> Any:
    return json.loads(json.dumps(value))


def cells(source: Source, rows: list[dict[str, Any]], column: str) -> list[Any]:
    return [str(row[column]) if isinstance(row[column], oracle.Text) else row[column] for row in rows]


def write_parquet(source: Source, rows: list[dict[str, Any]], path: Path) -> None:
    columns = {name: pa.array(cells(source, rows, name), kind) for name, kind in source.types.items()}
    pq.write_table(pa.table(columns, schema=pa.schema(list(source.types.items()))), path)


def write_csv(source: Source, rows: list[dict[str, Any]], path: Path) -> None:
    mark = source.read.get("delimiter", ",")

    def cell(value: str | None) -> str:
        if value is None:
            return ""
        quoted = value == "" or any(character in value for character in f'{mark}"\r\n')
        return '"' + value.replace('"', '""') + '"' if quoted else value

    lines = [mark.join(source.types), *(mark.join(cell(row[name]) for name in source.types) for row in rows)]
    text = "\n".join(lines) + "\n"
    path.write_bytes(text.encode(source.read.get("encoding", "utf-8")))


def write_lines(source: Source, rows: list[dict[str, Any]], path: Path) -> None:
    """JSON lines, each written in one of several ways: by its cells, not by where it stands."""

    def line(row: dict[str, Any]) -> str:
        wide, ascii_only = (zlib.crc32(repr(row).encode("utf-8", "surrogatepass")) >> bit & 1 for bit in (0, 1))
        colon, comma = (" : ", ",  ") if wide else (":", ",")
        pairs = [(name, row[name]) for name in source.types if not (row[name] is None and name in source.absent)]
        written = [
            json.dumps(name) + colon + (cell if isinstance(cell, Spelled) else json.dumps(cell, ensure_ascii=ascii_only))
            for name, cell in pairs
        ]
        return "{" + comma.join(written) + "}\n"

    path.write_text("".join(map(line, rows)), encoding="utf-8", newline="")


def read_lines(path: Path, columns: list[str]) -> pa.Table:
    """JSON lines by the standard library: what is no text has a mark, as has an absent key; the keys keep their order."""

    def cell(line: dict[str, Any], name: str) -> str | None:
        value = line.get(name, "\1absent")
        if isinstance(value, list | dict | bool):
            return "\1" + json.dumps(value, separators=(",", ":"))
        return value

    def marked(number: str) -> str:
        return f"\1{number}"

    content = path.read_text(encoding="utf-8").removesuffix("\n")
    texts = content.split("\n") if content else []
    lines = [json.loads(one, parse_int=marked, parse_float=marked) for one in texts]
    assert all(list(line) == [name for name in columns if name in line] for line in lines)
    return pa.table({name: pa.array([cell(line, name) for line in lines], pa.string()) for name in columns})


def published(folder: Path, policy: Policy, receipt: Receipt) -> Clean:
    """Read what was published."""
    tables = {}
    for name, source in policy.sources.items():
        paths = sorted((folder / name).iterdir()) if len(policy.sources) > 1 else sorted(folder.glob("[0-9]*"))
        columns = json.loads((policy.folder / COLUMNS).read_text())[name]
        tables[name] = [table_of(path, source.read, columns) for path in paths]
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return Clean(receipt, tables, files)


def table_of(path: Path, reading: Reading, columns: list[str]) -> pa.Table:
    if path.suffix == ".jsonl":
        return read_lines(path, columns)
    file = RawFile(path, path.name, reading)
    if file.form == "parquet":
        return pq.read_table(path)
    return pa.Table.from_batches(list(file.batches(file.schema.names)), file.schema)


# -- comparing --------------------------------------------------------------------------------------------------------


def logical(kind: pa.DataType) -> str:
    """Name of a type without what only tells how it is stored."""
    if pa.types.is_dictionary(kind):
        return logical(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{logical(kind.value_type)}>"
    if pa.types.is_struct(kind):
        return (
            "struct<"
            + ",".join(f"{kind.field(i).name}:{logical(kind.field(i).type)}" for i in range(kind.num_fields))
            + ">"
        )
    return str(kind).removeprefix("large_")


def values(column: pa.ChunkedArray) -> list[Any]:
    """Cells as Python values that are equal only where the cells are: floats by their bits, moments as integers."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return values(pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], kind.value_type))
    if pa.types.is_temporal(kind):
        whole = pa.int32() if kind.bit_width == 32 else pa.int64()
        return column.cast(whole).to_pylist()
    if pa.types.is_floating(kind):
        code = {32: "<f", 64: "<d"}[kind.bit_width]
        return [None if cell is None else struct.pack(code, cell).hex() for cell in column.to_pylist()]
    return [repr(cell) for cell in column.to_pylist()]


def comparable(table: pa.Table) -> list[tuple]:
    return list(zip(*(values(column) for column in table.columns), strict=True))


def expected_types(world: World, name: str) -> dict[str, pa.DataType]:
    """Types of a source's clean columns."""
    source = world.sources[name]
    types = dict(source.types)
    for column, declared in source.columns.items():
        if declared["kind"] not in world.plain:
            own, *steps = oracle.steps_of(column)
            types[own] = with_text(types[own], steps)
    return dict.fromkeys(types, pa.string()) if source.form == "jsonl" else types


def with_text(kind: pa.DataType, steps: list[str]) -> pa.DataType:
    """A type with a text at some place in it."""
    if not steps:
        return pa.string()
    if steps[0] == "[]":
        return pa.list_(with_text(kind.value_type, steps[1:]))
    return pa.struct([f.with_type(with_text(f.type, steps[1:])) if f.name == steps[0] else f for f in kind])


def marked(cell: str | None, *, absent: bool) -> str | None:
    """A cell of JSON lines as `read_lines` shows it."""
    if cell is None:
        return "\1absent" if absent else None
    if isinstance(cell, dict):
        return "\1" + json.dumps(cell, separators=(",", ":"))
    return f"\1{cell}" if isinstance(cell, Spelled) else cell


def expected(world: World, name: str, rows: list[dict[str, Any]]) -> list[tuple]:
    """Rows of the oracle as comparable tuples; in CSV an empty cell is an empty cell, with quotes or without."""
    types = expected_types(world, name)
    if world.sources[name].form == "csv":
        rows = [{c: None if cell == "" else cell for c, cell in row.items()} for row in rows]
    if world.sources[name].form == "jsonl":
        absent = world.sources[name].absent
        rows = [{c: marked(cell, absent=c in absent) for c, cell in row.items()} for row in rows]
    columns = {c: pa.array([row[c] for row in rows], kind) for c, kind in types.items()}
    return comparable(pa.table(columns, schema=pa.schema(list(types.items()))))
