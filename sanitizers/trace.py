"""Trace: policy + snapshot + sources → reach, which is what a seal affects.

Every identifier cell becomes a token once; links between identifiers are followed to a fixpoint; what remains are plain
joins. Nothing here knows a number from an identifier, or a file from a frame.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import polars as pl
import pyarrow as pa

from sanitizers.documents import maybe_cell, nearest_column, other_delimiter
from sanitizers.engine.contract import ROW, Engine, Lookup, Part, Tally, malformed_faults
from sanitizers.engine.forms import RawFile, files_of, fixed_folder
from sanitizers.engine.lines import LINE
from sanitizers.engine.places import Place, names_in, place_of, readings
from sanitizers.engine.tables import Database, Raw, Wanted, clean_name
from sanitizers.engine.types import holds, readable_with_nulls, survives
from sanitizers.errors import ConfigurationError, Fault, Faults, RegisterFailure, SourceFailure, gathered
from sanitizers.identifiers import Key, Kinds
from sanitizers.policy import Policy, Reference, Source
from sanitizers.register.links import BARRED_SCHEMA, LINK_SCHEMA, closure
from sanitizers.register.snapshot import Snapshot

Parts = Mapping[str, Sequence[Part]]


@dataclass(frozen=True, repr=False)
class Read:
    """One source, its identifiers read.

    Parameters
    ----------
    places
        Where everything that the policy names stands, by name.
    tokens
        Held: ``ref, row, pos, hi, lo``.
    """

    name: str
    source: Source
    parts: Sequence[Part]
    places: Mapping[str, Place]
    tally: Tally
    tokens: ir.Table

    def __repr__(self) -> str:
        return f"Read({self.name}, rows={self.tally.rows})"


@dataclass(frozen=True, repr=False)
class Reached:
    """What a seal reaches in one source.

    Parameters
    ----------
    read
        The source.
    hits
        Held: ``ref, row, pos, via`` of every barred identifier; sentinels taken out.
    gone
        Sorted int64 numbers of the rows that go.
    mentioned
        Held: ``ref, row, written, via`` of every barred mention in a text of a row that stays.
    told
        Held: ``ref, kind, row, hi, lo, written`` of every mention in a text.
    """

    read: Read
    hits: ir.Table
    gone: np.ndarray
    mentioned: ir.Table | None
    told: ir.Table | None

    def __repr__(self) -> str:
        return f"Reached({self.read.name})"

    def gone_between(self, start: int, stop: int) -> np.ndarray:
        """Those of the rows that go whose number is in ``range(start, stop)``."""
        return self.gone[np.searchsorted(self.gone, start) : np.searchsorted(self.gone, stop)]


@dataclass(frozen=True, repr=False)
class Reach:
    """What a seal affects through the policy: barred records, that go, and touched ones, that stay without some cells.

    Parameters
    ----------
    sources
        By name.
    barred
        Held: ``kind, hi, lo, via``, closed over links.
    links
        Held: the rows of `LINK_SCHEMA` that this run has seen.
    """

    sources: Mapping[str, Reached]
    barred: ir.Table
    links: ir.Table

    def __repr__(self) -> str:
        return f"Reach({', '.join(self.sources)})"


def raw_parts(engine: Engine, policy: Policy, *, most: int | None = None) -> dict[str, tuple[Raw, ...]]:
    """The raw files of each source, and the tables of databases, which the engine holds.

    Parameters
    ----------
    most
        How many rows of a table are enough, any of them; all if None.

    Raises
    ------
    ConfigurationError, SourceFailure
        See `raw_files` and `Engine.attach`; all together.
    """
    faults = Faults()
    found: dict[str, tuple[Raw, ...]] = {}
    with gathered(faults):
        found |= raw_files(policy)
    with gathered(faults):
        wanted = _wanted(policy)
        found |= {name: (table,) for name, table in engine.attach(wanted, most=most).items()}
        taken = {file.name.casefold() for own in found.values() for file in own if isinstance(file, RawFile)}
        for own in wanted:
            if own.name.casefold() in taken:
                remedy = "give the source another name"
                faults.say(f"a raw file is published as {own.name}", remedy, where=f"sources.{own.source}")
    faults.stop(SourceFailure)
    return {name: found[name] for name in policy.sources}


def databases(policy: Policy) -> dict[str, Database]:
    """The databases of which the policy reads tables.

    Raises
    ------
    ConfigurationError
        A variable that says how to connect to one is not there.
    """
    faults = Faults()
    found = {}
    for name in sorted({source.database for source in policy.sources.values() if source.database}):
        own = policy.databases[name]
        if own.sqlite is not None:
            found[name] = Database(name, "sqlite", str(policy.resolve_raw(own.sqlite)))
        elif own.duckdb is not None:
            found[name] = Database(name, "duckdb", str(policy.resolve_raw(own.duckdb)))
        elif own.postgres in policy.connections:
            found[name] = Database(name, "postgres", policy.connections[own.postgres].get_secret_value())
        else:
            remedy = f"export {own.postgres}='host=… dbname=… user=…'; from Python, `Policy.load(path, os.environ)`"
            faults.say("the environment variable is not set", remedy, where=f"databases.{name}")
    faults.stop(ConfigurationError)
    return found


def _wanted(policy: Policy) -> list[Wanted]:
    known = databases(policy)
    return [
        Wanted(name, known[source.database], source.table, source.primary_key)
        for name, source in policy.sources.items()
        if source.database and source.table
    ]


def raw_files(policy: Policy) -> dict[str, tuple[RawFile, ...]]:
    """The raw files of each source that has some, named relative to the sources' common folder.

    Raises
    ------
    SourceFailure
        A source without files, or a file of an unknown form; all together.
    """
    patterns = {name: source.path for name, source in policy.sources.items() if source.path is not None}
    root = _common([str(policy.resolve_raw(pattern)) for pattern in patterns.values()])
    faults = Faults()
    found = {}
    for name, pattern in patterns.items():
        source = policy.sources[name]
        with gathered(faults):
            found[name] = files_of(pattern, source.read, folder=policy.raw_folder, root=root, named=source.named)
    owner: dict[Path, str] = {}
    for name, file in ((name, file) for name, files in found.items() for file in files):
        if owner.setdefault(file.path.resolve(), name) != name:
            faults.say("belongs to two sources", "narrow a `path`", where=str(file.path), column=f"sources.{name}")
    faults.stop(SourceFailure)
    return found


def clean_files(policy: Policy, clean: Path, names: Iterable[str] | None = None) -> dict[str, tuple[RawFile, ...]]:
    """The published files of sources, found by the policy's own patterns below the folder that strip has published.

    Parameters
    ----------
    names
        Sources; all of them if None.

    Raises
    ------
    SourceFailure
        A source without files; all together.
    """
    patterns = {
        name: Path(os.path.normpath(policy.resolve_raw(source.path).absolute()))
        for name, source in policy.sources.items()
        if source.path is not None
    }
    root = _common([str(pattern) for pattern in patterns.values()])
    faults = Faults()
    found = {}
    for name in policy.sources if names is None else names:
        with gathered(faults):
            below = str(patterns[name].relative_to(root)) if name in patterns else clean_name(name)
            source, own = policy.sources[name], clean.absolute()
            found[name] = files_of(below, source.read, folder=own, root=own, named=source.named)
    faults.stop(SourceFailure)
    return found


def _common(patterns: Sequence[str]) -> Path:
    """The common folder of all files that patterns name."""
    folders = [fixed_folder(pattern) for pattern in patterns]
    return Path(os.path.commonpath(folders)) if folders else Path()


def check_columns(policy: Policy, parts: Parts) -> None:
    """Raise ConfigurationError for every column that is named and not there, or that an engine would change."""
    faults = Faults()
    for name, source in policy.sources.items():
        given = parts[name]
        if not given:
            continue  # none of its files is read by this run
        with gathered(faults):
            schema = given[0].schema
            _key_faults(faults, name, source, given)
            tokens = {ref.parts[0] for ref in policy.published(name).values()}
            _column_faults(faults, name, source, schema, tokens)
            travelling = {place.column for text in policy.travelling(name) if (place := place_of(text, schema))}
            _type_faults(faults, name, schema, travelling)
            for column in policy.changing(name):
                place = place_of(column, schema)
                if place and not readable_with_nulls(place.type_in(schema)):
                    remedy = "cast it to a list where it is written"
                    problem = "is a list of fixed size: nobody could read the file once a cell is empty"
                    faults.say(problem, remedy, where=f"sources.{name}", column=column)
            for other in given[1:]:
                if not other.schema.equals(schema):
                    faults.say(
                        "has other columns than the first file of its source",
                        "list it as a source of its own",
                        where=f"{name}: {other.name}",
                    )
    faults.stop(ConfigurationError)


def _key_faults(faults: Faults, name: str, source: Source, parts: Sequence[Part]) -> None:
    """Keys and fields of JSON lines that are named and in no line of a file, or that hold lists or objects."""
    read = {part for ref in source.references for part in ref.parts} | set(source.text)
    for file in (part for part in parts if isinstance(part, RawFile) and part.form == "lines"):
        where, told = f"{name}: {file.name}", file.told
        lists = [column for column in source.named if "[]" in column]
        known = {*told.names, *told.fields, *lists}
        for column in sorted(set(source.named) - known) if told.rows else ():
            close = nearest_column(column, told.names)
            remedy = close if close.startswith("did") else "mend the name, or write the key with null in a line"
            faults.say("no line has this key", remedy, where=where, column=column)
        for column in lists:
            remedy = "write the file as Parquet, or the list as lines of a source of its own"
            faults.say("lists in JSON lines are not followed", remedy, where=where, column=column)
        for column in sorted(read & told.nested):
            faults.say("holds a list or an object", "write its values as keys of the line", where=where, column=column)
        for column in sorted(told.barred & known):
            remedy = "write null where there is no object"
            faults.say("is no field of an object in some lines", remedy, where=where, column=column)
        for column in sorted(told.fields & set(told.names)):
            faults.say("names a key and a field", "rename one where it is written", where=where, column=column)
        for column, field in itertools.product(source.redacted, source.named):
            if field.startswith(f"{column}.") and field in told.fields:
                remedy = f"name the fields of `{column}` that are to be emptied"
                faults.say("holds a field that is named as well", remedy, where=where, column=column)


def _column_faults(faults: Faults, name: str, source: Source, schema: pa.Schema, tokens: set[str]) -> None:
    for ref in source.references:
        redaction, where = ref.redaction, f"sources.{name}.columns.{ref.name}"
        for column in dict.fromkeys([*ref.parts, *ref.redacted]):
            _named(faults, column, schema, source, where=where)
        for column, value in (redaction.set if redaction else {}).items():
            place = place_of(column, schema)
            if place and not (column in tokens or holds(place.type_in(schema), value)):
                remedy = "write a value of that type"
                problem = f"`set` gives a value that is no {place.type_in(schema)}"
                faults.say(problem, remedy, where=f"sources.{name}", column=column)
    for column in [*source.text, *source.not_identifiers]:
        _named(faults, column, schema, source, where=f"sources.{name}")
    for column in source.text:
        place = place_of(column, schema)
        if place and not _holds_text(place.type_in(schema)):
            faults.say("holds no text", "declare the identifier under `columns`", where=f"sources.{name}.text.{column}")
    for column in source.primary_key:
        _named(faults, column, schema, source, where=f"sources.{name}.primary_key")


def _type_faults(faults: Faults, name: str, schema: pa.Schema, travelling: Collection[str]) -> None:
    """Names that two columns share, and types that an engine would not give back as it was given them."""
    folded = [column.casefold() for column in schema.names]
    headed = not any(maybe_cell(column) for column in schema.names)
    for number, field in enumerate(schema, start=1):
        if folded.count(field.name.casefold()) > 1:
            told = field.name if headed else f"column {number}"
            faults.say("differs from another column in case only", "rename one", where=name, column=told)
        if field.name in (ROW, LINE, "file_row_number"):
            faults.say("is a name that the engine needs for itself", "rename it", where=name, column=field.name)
        if field.name in travelling and not survives(field.type):
            remedy = "cast it where it is written, for instance to timestamp[us] or double"
            faults.say(f"the engine would change a column of type {field.type}", remedy, where=name, column=field.name)


def _holds_text(kind: pa.DataType) -> bool:
    held = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(held) or pa.types.is_large_string(held))


def _named(faults: Faults, column: str, schema: pa.Schema, source: Source, *, where: str) -> None:
    if ways := readings(column, schema):
        if len(ways) > 1:
            faults.say("names a column and a field", "rename one where it is written", where=where, column=column)
        return
    known = names_in(schema)
    bare = column.replace("[]", "")
    if other := next((name for name in known if name.replace("[]", "") == bare), None):
        problem, remedy = "is no list" if "[]" in column else "stands in a list", f"write `{other}`"
        faults.say(problem, remedy, where=where, column=column)
        return
    remedy = nearest_column(column, known)
    if mark := other_delimiter(schema.names):
        remedy = f"the header has one column; write `read: {{delimiter: {mark!r}}}`".replace("'\\t'", '"\\t"')
    faults.say("no such column", remedy, where=where, column=column)


def lookups(source: Source, kinds: Kinds) -> list[Lookup]:
    """The identifier columns of a source as the engine looks them up."""
    missing = frozenset(source.missing)
    return [
        Lookup(number, ref.name, ref.parts, ref.elements, ref.kind, kinds[ref.kind], missing)
        for number, ref in enumerate(source.references)
    ]


def read(engine: Engine, policy: Policy, parts: Parts, kinds: Kinds, key: Key) -> dict[str, Read]:
    """Read the identifier columns of every source.

    Raises
    ------
    ConfigurationError
        See `check_columns` and `Policy.against`.
    SourceFailure
        A file that cannot be read, or identifiers that do not fit their kind; all together.
    """
    policy.against(kinds)
    check_columns(policy, parts)
    faults = Faults()
    found = {}
    for name, source in policy.sources.items():
        if not parts[name]:
            continue
        own = lookups(source, kinds)
        tally = Tally()
        with gathered(faults):
            tokens = engine.tokens(parts[name], own, key, tally)
            if source.malformed == "error":
                faults.extend(malformed_faults(parts[name], own, tally, name))
            found[name] = Read(name, source, parts[name], _places(policy, name, parts[name][0].schema), tally, tokens)
    faults.stop(SourceFailure)
    return found


def _places(policy: Policy, name: str, schema: pa.Schema) -> dict[str, Place]:
    named = dict.fromkeys([*policy.sources[name].named, *policy.changing(name)])
    return {name: place for name in named if (place := place_of(name, schema))}


def links_of(engine: Engine, sources: Mapping[str, Read]) -> ir.Table:
    """Every pair (carrier, carried) that the sources hold, rows of `LINK_SCHEMA`, held."""
    pairs = []
    for read_ in sources.values():
        references = read_.source.references
        for number, carried in enumerate(references):
            for other, carrier in enumerate(references):
                if carried.column.carries and carrier.drops and other != number:
                    pairs.append(_pairs(read_, (other, carrier), (number, carried)))
    return engine.hold(LINK_SCHEMA.empty_table() if not pairs else pairs[0] if len(pairs) == 1 else ibis.union(*pairs))


def _pairs(read_: Read, carrier: tuple[int, Reference], carried: tuple[int, Reference]) -> ir.Table:
    tokens = read_.tokens.filter(read_.tokens.row >= 0)
    left = tokens.filter(tokens.ref == carrier[0]).select("row", from_hi="hi", from_lo="lo")
    right = tokens.filter(tokens.ref == carried[0]).select("row", "hi", "lo")
    pairs = left.join(right, "row").mutate(
        mode=ibis.literal(carried[1].column.carries),
        via=ibis.literal(f"{read_.name}.{carried[1].name}"),
        from_kind=ibis.literal(carrier[1].kind),
        kind=ibis.literal(carried[1].kind),
    )
    return pairs.select(*LINK_SCHEMA.names).distinct()


def closed(
    engine: Engine, snapshot: Snapshot, links: Iterable[pa.RecordBatch] | None, seen: ir.Table
) -> ir.Table:
    """The barred set, held, closed over remembered links and those that were seen; as it is if `links` is None."""
    barred = engine.hold(snapshot.batches(), BARRED_SCHEMA)
    return barred if links is None else closure(engine, barred, ibis.union(engine.hold(links, LINK_SCHEMA), seen))


def carrying(policy: Policy) -> list[str]:
    """Names of the sources in which seals pass from one identifier to another."""
    return [name for name, own in policy.sources.items() if any(ref.column.carries for ref in own.references)]


def seen_links(engine: Engine, policy: Policy, parts: Parts, *, kinds: Kinds, key: Key) -> ir.Table:
    """Every link that parts hold, see `links_of`; an engine with workers has them look, each in whole parts.

    Raises
    ------
    ConfigurationError, SourceFailure
        See `read`.
    """
    if not engine.apart:
        return links_of(engine, read(engine, policy, parts, kinds, key))
    policy.against(kinds)
    check_columns(policy, parts)
    pieces = [(name, part) for name in carrying(policy) for part in parts[name]]
    work = partial(_links_in, policy=policy, kinds=kinds, secret=key.reveal())
    found = (batch for table in engine.each(pieces, work) for batch in table.cast(LINK_SCHEMA).to_batches())
    return engine.hold(found, LINK_SCHEMA)


def _links_in(engine: Engine, piece: tuple[str, Part], *, policy: Policy, kinds: Kinds, secret: str) -> pa.Table:
    found = engine.fetch(links_of(engine, read_alone(engine, policy, *piece, kinds=kinds, key=Key(secret))))
    texts = [pa.types.is_string(column.type) for column in found.columns]  # the same few in all rows
    columns = [own.dictionary_encode() if text else own for own, text in zip(found.columns, texts, strict=True)]
    return pa.table(columns, names=found.column_names)


def read_alone(engine: Engine, policy: Policy, name: str, part: Part, *, kinds: Kinds, key: Key) -> dict[str, Read]:
    """One part of one source, as if there was no other: see `read`."""
    alone: dict[str, Sequence[Part]] = dict.fromkeys(policy.sources, ())
    return read(engine, policy, alone | {name: (part,)}, kinds, key)


def trace(
    engine: Engine, policy: Policy, parts: Parts, *,
    snapshot: Snapshot, key: Key, links: Iterable[pa.RecordBatch] | None = None,
) -> Reach:  # fmt: skip
    """Find what the snapshot's seals reach.

    Parameters
    ----------
    parts
        The files or frames of each source.
    links
        Rows of `LINK_SCHEMA` that the register remembers; those of this run are added. With None no link is followed:
        the snapshot must be closed over every link of the parts.

    Raises
    ------
    KeyFailure, RegisterFailure
        The snapshot was made with another key, or its sentinel is not found again.
    ConfigurationError, SourceFailure
        See `read`.
    """
    snapshot.check_key(key)
    sources = read(engine, policy, parts, snapshot.kinds, key)
    seen = links_of(engine, sources)
    barred = closed(engine, snapshot, links, seen)
    kinds = snapshot.kinds
    reached = {name: reached_in(engine, own, barred, kinds=kinds, key=key) for name, own in sources.items()}
    return Reach(reached, barred, seen)


def reached_in(engine: Engine, read_: Read, barred: ir.Table, *, kinds: Kinds, key: Key) -> Reached:
    """What the barred set, closed over links and held, reaches in one source.

    Raises
    ------
    RegisterFailure
        The sentinel is not found again.
    """
    references = read_.source.references
    # A token is made of its kind as well: those of two kinds are never equal.
    own = barred.filter(barred.kind.isin(sorted({ref.kind for ref in references})))
    found = engine.hold(read_.tokens.join(own, ["hi", "lo"]).select("ref", "row", "pos", "via"))
    _check_sentinels(engine, read_, found)
    hits = found.filter(found.row >= 0)
    going = hits.filter(hits.ref.isin([number for number, ref in enumerate(references) if ref.drops]))
    malformed = [rows for _, _, rows in read_.tally.malformed]
    gone = each_once(np.concatenate([engine.fetch(going.select("row"))["row"].to_numpy(), *malformed]))
    if not read_.source.text:
        return Reached(read_, hits, gone, None, None)
    told = _told(engine, read_, kinds=kinds, key=key)
    reached = told.join(barred, ["kind", "hi", "lo"]).select("ref", "row", "written", "via")
    mentioned = engine.hold(engine.without(reached, gone, column="row").distinct())
    return Reached(read_, hits, gone, mentioned, told)


def each_once(numbers: np.ndarray) -> np.ndarray:
    """Sorted numbers without repetition; faster than `numpy.unique`, which hashes.

    Examples
    --------
    >>> each_once(np.array([3, 1, 3])).tolist()
    [1, 3]
    """
    ordered = pl.Series(numbers).sort().to_numpy()
    fresh = np.ones(len(ordered), bool)
    fresh[1:] = ordered[1:] != ordered[:-1]
    return ordered if fresh.all() else ordered[fresh]


def _check_sentinels(engine: Engine, read_: Read, found: ir.Table) -> None:
    """Every column of every part must have found the reserved identifier: it shows that the lookup works at all."""
    guards = engine.fetch(found.filter(found.row < 0).select("ref", "row").distinct()).num_rows
    if guards != len(read_.source.references) * len(read_.parts):
        remedy = "make a new snapshot from the register that this key belongs to"
        raise RegisterFailure(Fault("the sentinel of a kind was not found again", remedy, where=read_.name))


def _told(engine: Engine, read_: Read, *, kinds: Kinds, key: Key) -> ir.Table:
    texts = {
        number: (column, {kind: kinds[kind] for kind in text.mentions})
        for number, (column, text) in enumerate(read_.source.text.items())
    }
    return engine.mentions(read_.parts, texts, key, Tally())
