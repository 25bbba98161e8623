"""``sealing.yaml`` as frozen, strict models: what the sources look like and what a seal does to each.

A policy is read once and checked against the kinds that the snapshot carries; every fault of a run is told together,
each with a line to paste.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from sanitizers import documents
from sanitizers.documents import Strict, nearest
from sanitizers.engine.forms import Reading
from sanitizers.errors import ConfigurationError, Fault, Faults, RegisterFailure
from sanitizers.identifiers import Kinds
from sanitizers.register.rules import Rules
from sanitizers.register.snapshot import Snapshot

Purpose = Literal[
    "predictive-model", "model-output", "aggregate-report", "authorised-access", "gun-licensing", "supervision"
]
Scalar = str | int | float | bool | None
_SPAN = re.compile(r"([0-9]+)([dh])")


def _one_or_many(value: Any) -> Any:
    return (value,) if isinstance(value, str) else value


Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_many)]


def _span(value: Any) -> Any:
    if isinstance(value, timedelta):
        return value
    match = _SPAN.fullmatch(str(value))
    if not match:
        raise ValueError("is not a span such as `7d` or `12h`")
    return timedelta(days=int(match[1])) if match[2] == "d" else timedelta(hours=int(match[1]))


Span = Annotated[timedelta, BeforeValidator(_span)]


class Redaction(Strict):
    """What a seal changes in a row that stays: cells to empty, cells to set back."""

    redact: tuple[str, ...] = ()
    set: dict[str, Scalar] = {}


class Column(Strict):
    """A declared identifier column.

    Parameters
    ----------
    kind
        Name of its kind.
    on_seal
        ``drop`` the row, remove the ``element`` of a list, or a `Redaction`.
    carries
        Whether a dropped row bars this identifier too: with ``any`` carrier, or when ``all`` carriers are barred.
    """

    kind: str
    on_seal: Literal["drop", "element"] | Redaction
    carries: Literal["any", "all"] | None = None


class Text(Strict):
    """A declared text column: which kinds it mentions, what a barred mention does."""

    mentions: tuple[str, ...] = Field(min_length=1)
    on_seal: Literal["clear", "sentence"]


class Database(Strict):
    """A database that is attached: the path of its file, or the environment variable that says how to connect to it."""

    sqlite: str | None = None
    duckdb: str | None = None
    postgres: str | None = None

    @model_validator(mode="after")
    def _one_make(self) -> Database:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise ValueError("a database is one of `sqlite: path`, `duckdb: path` and `postgres: VARIABLE`")
        if self.postgres is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.postgres):
            raise ValueError("`postgres` is the name of an environment variable; what it holds stands in no policy")
        return self


class Source(Strict):
    """One raw source: one file, the files that a pattern names, or a table of a database."""

    path: str | None = None
    database: str | None = None
    table: str | None = Field(default=None, min_length=1)
    read: Reading = Reading()
    missing: tuple[str, ...] = ("",)
    malformed: Literal["error", "drop"] = "error"
    primary_key: Names
    columns: dict[str, Column] = Field(min_length=1)
    text: dict[str, Text] = {}
    not_identifiers: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_way(self) -> Source:
        if (self.database is None) != (self.table is None) or (self.path is None) == (self.table is None):
            raise ValueError("a source has either `path`, or `database` and `table`")
        if self.table is not None and "read" in self.model_fields_set:
            raise ValueError("`read` is for CSV files; delete it")
        return self

    @cached_property
    def references(self) -> tuple[Reference, ...]:
        """The declared identifier columns, in order."""
        return tuple(Reference.of(name, column) for name, column in self.columns.items())

    @cached_property
    def named(self) -> tuple[str, ...]:
        """Every column that the policy names, each once."""
        own = [name for ref in self.references for name in (*ref.parts, *ref.redacted)]
        return tuple(dict.fromkeys([*own, *self.text, *self.primary_key, *self.not_identifiers]))

    @property
    def redacted(self) -> tuple[str, ...]:
        """Every column that a seal empties or sets."""
        return tuple(name for ref in self.references for name in ref.redacted)


class Reference(Strict):
    """A declared identifier column with its name taken apart.

    Parameters
    ----------
    name
        As written in the policy: ``a``, ``[a, b]`` for a composite identifier, ``a[]`` for the elements of a list,
        ``a.b`` for a field of a struct, ``a[].b`` for a field of each struct in a list.
    parts
        Names of the columns, or of the places in them, that it is read from.
    elements
        Whether the identifiers stand in a list: there may be several in a row.
    """

    name: str
    parts: tuple[str, ...]
    elements: bool
    column: Column

    @classmethod
    def of(cls, name: str, column: Column) -> Reference:
        """Take a column's name apart."""
        composite = re.fullmatch(r"\[(.+)\]", name)
        parts = tuple(part.strip() for part in composite[1].split(",")) if composite else (name,)
        return cls(name=name, parts=parts, elements=any("[]" in part for part in parts), column=column)

    @property
    def kind(self) -> str:
        """Name of the kind."""
        return self.column.kind

    @property
    def drops(self) -> bool:
        """Whether a seal on it drops the row."""
        return self.column.on_seal == "drop"

    @property
    def redaction(self) -> Redaction | None:
        """What a seal on it changes in the row; the identifying column always goes with it. None if it drops.

        In a list it changes that element where it names fields of the same list.
        """
        if self.drops:
            return None
        given = self.column.on_seal if isinstance(self.column.on_seal, Redaction) else Redaction()
        if self.column.on_seal == "element":
            return given
        own = tuple(part for part in self.parts if part not in given.set and part not in given.redact)
        return Redaction(redact=(*given.redact, *own), set=given.set)

    @property
    def redacted(self) -> tuple[str, ...]:
        """The columns that a seal on it empties or sets."""
        redaction = self.redaction or Redaction()
        return (*redaction.redact, *redaction.set)


class Feature(Strict):
    """A feature table: one SQL query over clean sources, or a DVC stage whose inputs are clean."""

    sql: str | None = None
    columns: dict[str, str] = {}
    stage: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Feature:
        if (self.sql is None) == (self.stage is None):
            raise ValueError("a feature has either `sql` with `columns`, or `stage`")
        if self.sql is not None and not self.columns:
            raise ValueError("declare the query's output: `columns: {name: type}`")
        return self


class Asked(Strict):
    """The identifier that an output answers for; a barred one is answered like one that never existed."""

    kind: str
    on_seal: Literal["unknown"] = "unknown"


class Named(Strict):
    """An identifier that an output names. `on_touched` has no default: either answer costs something (design, §6)."""

    kind: str
    on_seal: Literal["drop"]
    on_touched: Literal["keep_redacted", "drop"]


class Output(Strict):
    """A ranked list or table that leaves the model."""

    asked_by: dict[str, Asked] = {}
    columns: dict[str, Named] = Field(min_length=1)
    keep: int | None = Field(default=None, ge=1)
    rank: str = "rank"

    @property
    def identifiers(self) -> dict[str, str]:
        """Kind of every column that holds identifiers, those it is asked by included."""
        asked = {name: column.kind for name, column in self.asked_by.items()}
        return asked | {name: column.kind for name, column in self.columns.items()}


class Register(Strict):
    """Which snapshot a run uses and how old the register may be."""

    snapshot: str
    warn_after: Span = timedelta(days=3)
    error_after: Span = timedelta(days=7)


class Gate(Strict):
    """What the gate passes over, each with a reason that the verdict shows, and the list of what it judges apart."""

    ignore: dict[str, str] = {}
    legacy: str | None = Field(default=None, min_length=1)


class Policy(Strict):
    """A whole ``sealing.yaml``.

    Raises
    ------
    ConfigurationError
        From `load`: an unknown key, a missing one, a value that cannot be meant; all together, with lines.
    """

    version: Literal[1]
    extends: str | None = None
    rules: str
    purpose: Purpose
    register_: Register = Field(alias="register")
    raw: str | None = Field(default=None, min_length=1)
    publish: dict[str, Literal["token", "plain"]] = {}
    databases: dict[str, Database] = {}
    sources: dict[str, Source] = Field(min_length=1)
    features: dict[str, Feature] = {}
    outputs: dict[str, Output] = {}
    gate: Gate = Gate()
    folder: Path = Field(default=Path(), exclude=True, repr=False)
    raw_given: Path | None = Field(default=None, exclude=True, repr=False)
    connections: dict[str, SecretStr] = Field(default={}, exclude=True, repr=False)

    @field_validator("databases", "sources", "features", "outputs")
    @classmethod
    def _names(cls, named: dict[str, Any]) -> dict[str, Any]:
        for name in named:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError("names use lower-case letters, digits and _")
        return named

    def resolve(self, path: str) -> Path:
        """A path of the policy, relative to the policy's own folder."""
        return self.folder / path

    def resolve_raw(self, path: str) -> Path:
        """The path of a source or of a database's file, relative to the raw folder."""
        return self.raw_folder / path

    @property
    def raw_folder(self) -> Path:
        """The folder that raw sources lie in: the one that the run names, else what `raw` says, else the policy's."""
        return self.raw_given or self.resolve(self.raw or "")

    def published(self, name: str) -> dict[int, Reference]:
        """References of a source whose identifiers are published as tokens, by their number."""
        return {
            number: ref
            for number, ref in enumerate(self.sources[name].references)
            if self.form_of(ref.kind) == "token" and len(ref.parts) == 1
        }

    def travelling(self, name: str) -> list[str]:
        """The columns of a source that go through an engine, which must give back what it was given: texts."""
        return sorted(self.sources[name].text)

    def changing(self, name: str) -> list[str]:
        """Names of everything in a source that a strip may change, sorted."""
        source = self.sources[name]
        tokens = [ref.parts[0] for ref in self.published(name).values()]
        lists = [_list_of(ref.parts[0]) for ref in source.references if ref.elements]
        return sorted({*self.travelling(name), *source.redacted, *tokens, *lists})

    @cached_property
    def digest(self) -> str:
        """SHA-256 over what the policy says."""
        return hashlib.sha256(self.model_dump_json(by_alias=True).encode()).hexdigest()

    @classmethod
    def load(cls, path: Path, environment: Mapping[str, str] | None = None, *, raw: Path | None = None) -> Policy:
        """Read a policy and the one it extends.

        Parameters
        ----------
        environment
            Where `databases` find the variables that they name, usually `os.environ`. Not needed for anything else.
        raw
            The raw folder of this run, in place of the one that the policy names. It is no part of the digest.
        """
        text = documents.read_text(path)
        content = documents.parse_yaml(text, str(path))
        for key in content.keys() & {"folder", "raw_given", "connections"}:
            raise ConfigurationError(Fault("unknown key", "delete it", where=str(path), column=key))
        if "extends" in content:
            content = _merge(_base(str(content["extends"]), path), content)
        policy: Policy = documents.as_model(cls, content, text=text, where=str(path))
        variables = {own.postgres for own in policy.databases.values() if own.postgres}
        known = environment or {}
        given = {name: SecretStr(known[name]) for name in variables if known.get(name)}
        policy = policy.model_copy(update={"folder": path.parent, "raw_given": raw, "connections": given})
        faults = Faults(_shape_faults(policy, str(path)))
        faults.stop(ConfigurationError)
        return policy

    def against(self, kinds: Kinds) -> None:
        """Check the policy against the kinds of a register.

        Raises
        ------
        ConfigurationError
            A kind that the snapshot does not know, ``any`` onto a shared kind, a text or token form a kind cannot have.
        """
        Faults(_kind_faults(self, kinds)).stop(ConfigurationError)

    def check_usable(self, snapshot: Snapshot) -> None:
        """Raise RegisterFailure unless a snapshot may serve: this policy's rules and purpose, the latest, fresh."""
        rules = Rules.find(self.rules, self.folder).name
        if snapshot.rules != rules:
            fault = f"the snapshot is under the rules {snapshot.rules}, the policy under {rules}"
            raise RegisterFailure(Fault(fault, "make a snapshot under the policy's rules"))
        if snapshot.purpose != self.purpose:
            fault = f"the snapshot is for {snapshot.purpose}, the policy for {self.purpose}"
            raise RegisterFailure(Fault(fault, "make a snapshot for the policy's purpose"))
        snapshot.check_latest()
        snapshot.check_fresh(self.register_.error_after)

    def form_of(self, kind: str) -> Literal["token", "plain"]:
        """How a kind is published; tokens unless the policy says otherwise."""
        return self.publish.get(kind, "token")


def _base(pinned: str, path: Path) -> dict[str, Any]:
    name, _, digest = pinned.partition("@sha256:")
    base = path.parent / name
    text = documents.read_text(base)
    actual = hashlib.sha256(text.encode()).hexdigest()
    if digest != actual:
        remedy = f"read it, then write `extends: {name}@sha256:{actual}`"
        raise ConfigurationError(Fault("is not the base that was pinned", remedy, where=str(path), column="extends"))
    return documents.parse_yaml(text, str(base))


def _merge(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merge(merged[key], value) if both else value
    return merged


def _shape_faults(policy: Policy, where: str) -> list[Fault]:
    """What is wrong with a policy whatever the kinds are."""
    faults = Faults()
    for name, source in policy.sources.items():
        place = f"sources.{name}"
        if source.database is not None and source.database not in policy.databases:
            remedy = nearest(source.database, list(policy.databases)) if policy.databases else "add it to `databases`"
            faults.say("is no database of this policy", remedy, where=where, column=f"{place}.database")
        dropping = [ref for ref in source.references if ref.drops]
        others = {ref.name: [o for o in dropping if o.name != ref.name] for ref in source.references}
        for ref in source.references:
            column = f"{place}.columns.{ref.name}"
            if ref.elements and len(ref.parts) > 1:
                remedy = "write the list as rows of a source of its own"
                faults.say("a composite identifier in a list is not read", remedy, where=where, column=column)
            wrong = not ref.elements if ref.column.on_seal == "element" else ref.name.endswith("[]") and not ref.drops
            if wrong:
                say = "`element` goes with a list column" if not ref.elements else "a list loses its element or its row"
                faults.say(say, 'write `"name[]": {on_seal: element}`', where=where, column=column)
            if ref.elements and ref.drops:
                faults.say("a list loses its element", "write `on_seal: element`", where=where, column=column)
            given = ref.redaction.set if ref.redaction else {}
            if any(str(given[part]) not in source.missing for part in ref.parts if part in given):
                remedy = "leave it out: the identifying column is always emptied; or give one of `missing`"
                faults.say("`set` puts a value in place of the identifier", remedy, where=where, column=column)
            carriers = others[ref.name]
            if ref.column.carries and not carriers:
                faults.say(
                    "nothing in this source can carry a seal onto it",
                    "declare the carrier's column with `on_seal: drop`",
                    where=where,
                    column=column,
                )
            if ref.column.carries == "all" and len(carriers) > 1:
                faults.say(
                    "`carries: all` needs exactly one other column with `on_seal: drop`",
                    f"it has {', '.join(o.name for o in carriers)}",
                    where=where,
                    column=column,
                )
        _list_faults(faults, source, place, where)
        declared = {part for ref in source.references for part in ref.parts}
        for other in [*source.text, *source.not_identifiers]:
            if other in declared:
                faults.say("is declared twice", "keep one declaration", where=where, column=f"{place}.{other}")
    for name, output in policy.outputs.items():
        for column in output.columns:
            if column in output.asked_by:
                faults.say("is both asked by and named", "keep one", where=where, column=f"outputs.{name}.{column}")
    return faults


def _list_of(name: str) -> str:
    """Name of the list that a name goes through."""
    return name.partition("[]")[0]


def _list_faults(faults: Faults, source: Source, place: str, where: str) -> None:
    """Names with ``[]`` where no list is followed."""
    own = "write the list as rows of a source of its own"
    for name in [name for name in source.named if name.count("[]") > 1]:
        faults.say("lists within lists are not read", own, where=where, column=f"{place}.{name}")
    for name in [name for name in source.text if "[]" in name]:
        faults.say("texts within lists are not read", own, where=where, column=f"{place}.text.{name}")
    for ref in source.references:
        given = ref.column.on_seal if isinstance(ref.column.on_seal, Redaction) else Redaction()
        for name in [name for name in (*given.redact, *given.set) if name.endswith("[]")]:
            remedy = f"name the list, `{_list_of(name)}`, or a field of its elements"
            column = f"{place}.columns.{ref.name}"
            faults.say(f"a redaction empties no elements: `{name}`", remedy, where=where, column=column)


def _kind_faults(policy: Policy, kinds: Kinds) -> list[Fault]:
    faults = Faults()

    def known(kind: str, column: str) -> bool:
        if kind not in kinds:
            faults.say("is no kind of this register", nearest(kind, list(kinds)), where="sealing.yaml", column=column)
        return kind in kinds

    for name in policy.publish:
        known(name, f"publish.{name}")
    for name, source in policy.sources.items():
        for ref in source.references:
            column = f"sources.{name}.columns.{ref.name}"
            if not known(ref.kind, column):
                continue
            kind = kinds[ref.kind]
            if ref.column.carries == "any" and kind.scope != "record":
                faults.say(
                    f"`any` onto the {kind.scope} kind {ref.kind} would bar other people's records",
                    "write `carries: all`",
                    where="sealing.yaml",
                    column=column,
                )
            if len(kind.parts or "1") != len(ref.parts):
                faults.say(
                    f"{ref.kind} is read from {len(kind.parts or '1')} column(s)",
                    f'write `"[{", ".join(kind.parts or ("column",))}]"`',
                    where="sealing.yaml",
                    column=column,
                )
            if kind.parts and policy.form_of(ref.kind) == "token":
                remedy = f"write `publish: {{{ref.kind}: plain}}`"
                faults.say(
                    "a composite identifier has no column to hold its token",
                    remedy,
                    where="sealing.yaml",
                    column=f"publish.{ref.kind}",
                )
        for column_name, text in source.text.items():
            for mentioned in text.mentions:
                place = f"sources.{name}.text.{column_name}"
                if known(mentioned, place) and kinds[mentioned].parts:
                    faults.say(f"{mentioned} has no pattern to be found by", where="sealing.yaml", column=place)
    for name, output in policy.outputs.items():
        for column_name, own in output.identifiers.items():
            known(own, f"outputs.{name}.{column_name}")
    return faults
