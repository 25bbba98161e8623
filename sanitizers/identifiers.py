"""Kinds, canonical forms, tokens and sentinels: how one identifier is known again however a system writes it.

Everything else rests on this room. Two systems that write one arrest as ``M17654502`` and ``m17-654 502`` must meet in
one token, and a value that does not fit its kind must stop the run: a reference that is silently not understood is a
sealed arrest that stays.

Work is done on whole columns (polars); nothing here runs row by row in Python.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np
import polars as pl
import polars_hash as plh
import pyarrow as pa
from pydantic import Field, field_validator, model_validator

from sanitizers import documents
from sanitizers.errors import ConfigurationError, Fault, KeyFailure, SourceFailure
from sanitizers.patterns import Pattern

FORM_VERSION = 1
TOKEN_PREFIX = "tok_"  # noqa: S105 - marks a published token, no secret
MASK = "RECORD"
_SAFE_INTEGER = 2**53
_IN_CACHE = 1 << 14  # rows that are worked on at a time where every step is a pass over memory
_KIND_NAME = re.compile(r"[a-z][a-z0-9_]*")


class Kind(documents.Strict):
    """One numbering system.

    Parameters
    ----------
    scope
        ``record`` (one record has it), ``shared`` (many records hang on it) or ``person``.
    pattern
        What the whole canonical form must match. ASCII; required unless `parts` is given.
    width
        Canonical forms shorter than this are padded with zeros on the left: lost leading zeros are put back.
    parts
        Names of the parts of a composite identifier.
    """

    scope: Literal["record", "shared", "person"]
    pattern: str | None = None
    width: int | None = Field(default=None, ge=1, le=64)
    parts: tuple[str, ...] | None = Field(default=None, min_length=2)

    @field_validator("pattern")
    @classmethod
    def _portable(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            Pattern(pattern)
        return pattern

    @model_validator(mode="after")
    def _has_a_form(self) -> Kind:
        if (self.pattern is None) == (self.parts is None):
            raise ValueError("a kind has either a `pattern` or `parts`")
        if self.parts is not None and self.width is not None:
            raise ValueError("`width` goes with `pattern`, not with `parts`")
        return self

    @cached_property
    def form(self) -> Pattern | None:
        """The parsed pattern, None for a composite identifier."""
        return Pattern(self.pattern) if self.pattern is not None else None

    @property
    def possible(self) -> float:
        """How many identifiers the pattern allows; infinite for a composite one."""
        return float(self.form.possible) if self.form else float("inf")


@dataclass(frozen=True)
class Kinds(Mapping[str, Kind]):
    """The kinds of one register, by name.

    Examples
    --------
    >>> kinds = Kinds.parse("docket: {scope: shared, pattern: '[0-9]{10}', width: 10}")
    >>> kinds["docket"].possible
    10000000000.0
    """

    by_name: dict[str, Kind]

    def __getitem__(self, name: str) -> Kind:
        return self.by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.by_name)

    def __len__(self) -> int:
        return len(self.by_name)

    @classmethod
    def load(cls, path: Path) -> Kinds:
        """Read ``kinds.yaml``."""
        return cls.parse(documents.read_text(path), where=str(path))

    @classmethod
    def parse(cls, text: str, *, where: str = "kinds.yaml") -> Kinds:
        """Parse the text of ``kinds.yaml``.

        Raises
        ------
        ConfigurationError
            A name, pattern or scope that is not allowed.
        """
        content = documents.parse_yaml(text, where)
        faults = [
            Fault("is not a name for a kind", "use lower-case letters, digits and _", where=where, column=str(name))
            for name in content
            if not _KIND_NAME.fullmatch(str(name))
        ]
        if faults:
            raise ConfigurationError(*faults)
        return cls(documents.as_model(dict[str, Kind], content, text=text, where=where))

    @cached_property
    def plain(self) -> dict[str, Any]:
        """The kinds as JSON-ready data, sorted."""
        return {name: self.by_name[name].model_dump(exclude_none=True) for name in sorted(self.by_name)}

    @cached_property
    def digest(self) -> str:
        """SHA-256 over the kinds and the version of the canonical form."""
        text = json.dumps({"form": FORM_VERSION, "kinds": self.plain}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


class Key:
    """The secret that tokens are made with: 64 lower-case hexadecimal characters, used as ASCII.

    Shows nothing of itself and is not picklable.
    """

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        if not re.fullmatch(r"[0-9a-f]{64}", secret):
            raise KeyFailure(
                Fault(
                    "the key is not 64 lower-case hexadecimal characters",
                    "make one with `sealproof register keygen --key-file FILE`",
                )
            )
        self._secret = secret

    @classmethod
    def generate(cls) -> Key:
        """Make a new key from the operating system's random source."""
        return cls(secrets.token_hex(32))

    @classmethod
    def load(cls, path: Path) -> Key:
        """Read a key file."""
        problem = ""
        try:
            text = path.read_text(encoding="ascii").strip()
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        except UnicodeDecodeError:
            problem = "is not a key file"
        if problem:
            raise KeyFailure(Fault(problem, "name the key file with --key-file", where=str(path)))
        return cls(text)

    def reveal(self) -> str:
        """The secret itself, for the HMAC and the key file."""
        return self._secret

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal characters by which two parties see that they hold the same key."""
        return hmac.new(self._secret.encode(), b"sealproof key fingerprint", hashlib.sha256).hexdigest()[:16]

    def __repr__(self) -> str:
        return "Key(…)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not pickled")


@dataclass(frozen=True, repr=False)
class Tokens:
    """The tokens of one column, in row order.

    Parameters
    ----------
    row
        int64 positions in the column that was given; missing and malformed cells are not among them.
    hi, lo
        uint64 halves of each token; `hi` is the 64-bit prefix that rosters hold.
    malformed
        int64 positions of the cells that do not fit their kind.
    missing
        How many cells hold no reference.
    """

    row: np.ndarray
    hi: np.ndarray
    lo: np.ndarray
    malformed: np.ndarray
    missing: int

    def __repr__(self) -> str:
        return f"Tokens(n={len(self.row)})"


# -- from a column to texts -------------------------------------------------------------------------------------------


def as_text(column: pa.Array | pa.ChunkedArray, where: str = "") -> pl.Series:
    """Texts of a column's cells; null where there is none.

    Numbers lose a fraction of zeros; a number that cannot be an identifier (negative, fractional, a float so large that
    its neighbours are rounded to it: from 2**53, single precision from 2**24) becomes a text that fits no kind. Dates
    read ``YYYY-MM-DD``.

    Raises
    ------
    ConfigurationError
        The column's type cannot hold an identifier.
    """
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_null(kind):
        return pl.Series([None] * len(column), dtype=pl.String)
    if not (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_integer(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal128(kind)
        or pa.types.is_date(kind)
        or pa.types.is_timestamp(kind)
    ):
        raise ConfigurationError(Fault(f"a column of type {kind} cannot hold an identifier", column=where))
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        _check_utf8(column, where)
    series = pl.Series(pl.from_arrow(column))
    if series.dtype == pl.String:
        return series
    frame = pl.DataFrame({"c": series})
    cell = pl.col("c")
    if series.dtype.is_float():
        exact = 2 ** {16: 11, 32: 24, 64: 53}[kind.bit_width]
        cell = cell.cast(pl.Float64)  # polars 2.1 leaves a half-precision 1.5 as it is where it should be rounded
        whole = cell.is_finite() & (cell >= 0) & (cell < exact) & (cell == cell.floor())
        known = pl.when(cell.is_nan()).then(None).when(whole).then(cell.cast(pl.Int64, strict=False).cast(pl.String))
        return frame.select(known.otherwise(pl.when(cell.is_not_null()).then(pl.lit("?"))).alias("c"))["c"]
    if series.dtype.is_integer():
        return frame.select(pl.when(cell < 0).then(pl.lit("?")).otherwise(cell.cast(pl.String)).alias("c"))["c"]
    if series.dtype == pl.Datetime:
        text = cell.dt.to_string("%Y-%m-%dT%H:%M:%S%.f").str.replace(r"T00:00:00(\.0*)?$", "")
        text = text.str.replace(r"(\.[0-9]{3})$", "${1}000")  # as ISO 8601 is written elsewhere: none or six digits
        return frame.select(text.alias("c"))["c"]
    if series.dtype.is_decimal():
        return frame.select(pl.when(cell < 0).then(pl.lit("?")).otherwise(cell.cast(pl.String)).alias("c"))["c"]
    return frame.select(cell.cast(pl.String).alias("c"))["c"]


def _check_utf8(column: pa.Array, where: str) -> None:
    try:
        column.validate(full=True)
    except pa.ArrowInvalid:
        pass
    else:
        return
    raise SourceFailure(Fault("holds text that is not UTF-8", "write the file again", column=where))


# -- from texts to canonical forms ------------------------------------------------------------------------------------


def _loose_form(texts: pl.Series) -> pl.Series:
    """NFKC, upper case, whole floats as integers, everything outside ``0-9A-Z`` removed; null where it cannot be."""
    folded = texts.str.normalize("NFKC").str.to_uppercase()
    squeezed = folded.str.replace_all(r"[^0-9A-Z]", "")
    loose = squeezed.set(squeezed == "", None)
    floats = folded.str.contains(r"\.|E[+-]").fill_null(value=False)
    if not floats.any():
        return loose
    return loose.scatter(floats.arg_true(), _loose_float(folded.filter(floats), loose.filter(floats)))


def _loose_float(folded: pl.Series, loose: pl.Series) -> pl.Series:
    """The loose form of texts with a point or an exponent: some are floats."""
    trimmed = pl.col("f").str.strip_chars()
    decimal = trimmed.str.contains(r"^[+-]?[0-9]*\.[0-9]*$")
    integer = trimmed.str.extract(r"^([0-9]+)\.0*$", 1)
    safe = integer.cast(pl.UInt64, strict=False) < _SAFE_INTEGER
    exponent = trimmed.str.contains(r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)E[0-9+-]*$")
    whole = pl.when(safe.fill_null(value=False)).then(integer)
    own = pl.when(exponent).then(None).when(decimal).then(whole).otherwise(pl.col("c"))
    return pl.DataFrame({"f": folded, "c": loose}).select(own.alias("c"))["c"]


def canonical(texts: pl.Series, kind: Kind) -> pl.Series:
    """Canonical forms of texts without nulls; null where a text does not fit the kind.

    NFKC, upper case, everything outside ``0-9A-Z`` removed, padded to `width`, then `pattern` must match whole. A
    text that reads as a float is taken only if it is whole, below 2**53 and written without exponent. Parts of a
    composite identifier are separated by ``|``.

    Examples
    --------
    >>> kind = Kinds.parse("arrest_number: {scope: record, pattern: '[BKMQS][0-9]{8}'}")["arrest_number"]
    >>> canonical(pl.Series(["m17-654 502", "M1765450"]), kind).to_list()
    ['M17654502', None]
    """
    if kind.form is None:
        return _canonical_parts(texts, kind)
    whole = f"^(?:{kind.pattern})$"
    padded = bool(kind.width) and kind.form.shortest < (kind.width or 0)
    fits = texts.str.contains(whole) if not padded else None
    if fits is not None and fits.all():
        return texts
    loose = _loose_form(texts if fits is None else texts.filter(~fits))
    if kind.width:
        loose = loose.str.pad_start(kind.width, "0")
    loose = loose.set(~loose.str.contains(whole), None)
    return loose if fits is None else texts.clone().scatter((~fits).arg_true(), loose)


def _canonical_parts(texts: pl.Series, kind: Kind) -> pl.Series:
    count = len(kind.parts or ())
    parts = pl.DataFrame({"c": texts}).select(pl.col("c").str.split("|").alias("c"))
    right = parts.select(pl.col("c").list.len() == count)["c"]
    columns = [_loose_form(parts["c"].list.get(i, null_on_oob=True)).alias(f"p{i}") for i in range(count)]
    joined = pl.DataFrame(columns).select(pl.concat_str(pl.all(), separator="|").alias("c"))["c"]
    return pl.DataFrame({"c": joined, "ok": right}).select(pl.when("ok").then("c").alias("c"))["c"]


def join_parts(columns: list[pl.Series]) -> pl.Series:
    """One text per row from the parts of a composite identifier, as `canonical` takes it.

    Null where every part is null; a row with some parts missing, or with the separator inside a part, gets a text
    that fits no kind.
    """
    frame = pl.DataFrame([column.alias(f"p{i}") for i, column in enumerate(columns)])
    some = pl.any_horizontal(pl.all().is_null())
    none = pl.all_horizontal(pl.all().is_null())
    text = pl.concat_str(pl.all(), separator="|")
    return frame.select(pl.when(none).then(None).when(some).then(pl.lit("?")).otherwise(text).alias("c"))["c"]


# -- from canonical forms to tokens -----------------------------------------------------------------------------------


def tokenise(texts: pl.Series, *, name: str, kind: Kind, key: Key, missing: frozenset[str] = frozenset()) -> Tokens:
    """Tokens of a column of texts.

    A token is the first 16 bytes of HMAC-SHA-256 (FIPS 198-1) over ``name:canonical``. A token that sealproof has
    published (``tok_`` and 32 hexadecimal digits) is taken as it is.

    Parameters
    ----------
    texts
        One text per row; null means no reference.
    name, kind
        The kind.
    key
        The register's key.
    missing
        Texts that mean "no reference", compared exactly.
    """
    present = texts.is_not_null()
    if missing:
        present &= ~texts.is_in(list(missing)).fill_null(value=False)
    row = np.flatnonzero(present.to_numpy()) if not present.all() else np.arange(len(texts))
    absent = len(texts) - len(row)
    given = texts.filter(present) if absent else texts
    forms = canonical(given, kind)
    published = None
    if forms.null_count() or given.str.starts_with(TOKEN_PREFIX).any():
        published = given.str.extract(rf"^{TOKEN_PREFIX}([0-9a-f]{{32}})$", 1)
        fits = (forms.is_not_null() | published.is_not_null()).to_numpy()
    hashed = plh.concat_str(pl.lit(f"{name}:"), pl.col("c")).chash.hmac_sha256(key=key.reveal())
    digests = pl.DataFrame({"c": forms}).select(hashed.alias("c"))["c"]
    if published is None:
        hi, lo = _halves(digests, 64)
        return Tokens(row, hi, lo, row[:0], absent)
    digests = pl.select(pl.coalesce(pl.lit(published), pl.lit(digests.str.slice(0, 32))).alias("c"))["c"]
    hi, lo = _halves(digests.filter(fits), 32)
    return Tokens(row[fits], hi, lo, row[~fits], absent)


def _halves(hexadecimal: pl.Series, width: int) -> tuple[np.ndarray, np.ndarray]:
    """The first 32 hexadecimal digits of each text as two uint64; every text is `width` characters long."""
    count = len(hexadecimal)
    octets = np.empty((count, 16), np.uint8)
    if count:
        array = hexadecimal.rechunk().to_arrow()
        array = array.cast(pa.large_string()) if array.type != pa.large_string() else array
        pairs = np.frombuffer(array.buffers()[2], np.uint16, count=count * width // 2, offset=array.offset * width)
        pairs = pairs.reshape(count, width // 2)[:, :16]
        for first in range(0, count, _IN_CACHE):
            some = slice(first, first + _IN_CACHE)
            np.take(_OCTETS, pairs[some], out=octets[some], mode="wrap")  # any other mode copies once more
    halves = octets.view(">u8").astype(np.uint64)
    return halves[:, 0], halves[:, 1]


def published(hi: np.ndarray, lo: np.ndarray) -> pa.StringArray:
    """Tokens as clean files show them: ``tok_`` and 32 lower-case hexadecimal digits."""
    count, first = len(hi), len(TOKEN_PREFIX) // 4
    cells = np.empty((count, first + 8), np.uint32)  # four characters each
    cells[:, :first] = np.frombuffer(TOKEN_PREFIX.encode(), np.uint32)
    for place, half in ((first, hi), (first + 4, lo)):
        cells[:, place : place + 4] = _DIGITS[half.astype(">u8").view(np.uint16).reshape(-1, 4)]
    ends = np.arange(0, cells.nbytes + 1, cells.itemsize * cells.shape[1], dtype=np.int32)
    return pa.StringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(cells))


def _pairs_of_digits() -> np.ndarray:
    """Two hexadecimal digits in ASCII for each octet, as one uint16 in the order of memory."""
    return np.frombuffer("".join(f"{octet:02x}" for octet in range(256)).encode(), np.uint16)


def _octets() -> np.ndarray:
    """The octet for each two digits, by their uint16."""
    octets = np.zeros(1 << 16, np.uint8)
    octets[_pairs_of_digits()] = np.arange(256)
    return octets


def _digits() -> np.ndarray:
    """Four digits for each two octets: a uint32 by a uint16, both in the order of memory."""
    octets = np.arange(1 << 16, dtype=np.uint16).view(np.uint8)
    return _pairs_of_digits()[octets].view(np.uint32)


_OCTETS, _DIGITS = _octets(), _digits()


def sentinel(name: str, kind: Kind) -> str:
    """The reserved identifier of a kind, written as carelessly as systems write (full-width, lower case, blanks).

    Nobody is ever issued it: it matches no pattern. Every run must find its token in the snapshot, which shows that
    key, canonical form and lookup are those the snapshot was made with (as the EICAR file does for virus scanners).
    """
    text = f" ｓｅａｌproof-sentinel {name}"
    return "|".join([text] * len(kind.parts)) if kind.parts else text


def sentinel_tokens(name: str, kind: Kind, key: Key) -> Tokens:
    """The sentinel's token, made by the same steps as every other token but for the pattern."""
    unbound = Kind(scope=kind.scope, pattern="[0-9A-Z]+") if kind.parts is None else kind
    return tokenise(pl.Series([sentinel(name, kind)]), name=name, kind=unbound, key=key)
