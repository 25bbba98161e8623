"""What DuckDB's scanners of other databases would change on the way, asked of the databases themselves.

SQLite lets any cell hold anything, whatever its column declares. PostgreSQL has numbers, times and lists that DuckDB
has not. The scanners cut, round or reinterpret some of these without a word, so that each is counted and refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_EXACT = 1 << 53  # whole numbers up to here are floats
# What SQLite must say of every cell of a column that its scanner reads as this type, and in words.
_SQLITE = {
    "BIGINT": ("typeof({0}) = 'integer'", "whole numbers, which the column declares"),
    "DOUBLE": (
        f"typeof({{0}}) = 'real' OR typeof({{0}}) = 'integer' AND {{0}} BETWEEN {-_EXACT} AND {_EXACT}",
        "numbers that a float holds exactly, which the column declares",
    ),
    "VARCHAR": ("typeof({0}) = 'text'", "texts, which the column declares"),
    "BLOB": ("typeof({0}) = 'blob'", "bytes, which the column declares by a type of bytes or none"),
    "DATE": ("typeof({0}) = 'text' AND date({0}, '+0 days') = {0}", "dates as YYYY-MM-DD, which the column declares"),
    "TIMESTAMP": (
        "typeof({0}) = 'text' AND datetime({0}, '+0 days') = substr({0}, 1, 19) AND (length({0}) = 19 OR "
        "length({0}) BETWEEN 21 AND 26 AND substr({0}, 20, 1) = '.' AND NOT substr({0}, 21) GLOB '*[^0-9]*')",
        "times as YYYY-MM-DD HH:MM:SS with at most six more digits, which the column declares",
    ),
}
_POSTGRES = re.compile(
    r"smallint|integer|bigint|real|double precision|boolean|bytea|date|uuid|json|jsonb|xml|text|name"
    r"|character(?: varying)?(?:\(\d+\))?|timestamp(?:\(\d\))? with(?:out)? time zone|time(?:\(\d\))? without time zone"
    r"|(?:smallint|integer|bigint|text|uuid|character varying(?:\(\d+\))?)\[\]|numeric\((\d+),(\d+)\)"
)
_DIGITS = 38
_FIRST, _LAST = "0001-01-01 00:00:00+00", "9999-12-31 23:59:59.999999+00"


def quoted(name: str) -> str:
    """A name as SQL writes it.

    Examples
    --------
    >>> print(quoted('say "a"!'))
    "say ""a""!"
    """
    return '"' + name.replace('"', '""') + '"'


def postgres_types(schema: str, table: str) -> str:
    """SQL of PostgreSQL: names of a table's columns, their types as it writes them, and whether each is an enum."""
    name = f"{quoted(schema)}.{quoted(table)}".replace("'", "''")
    return (
        "SELECT a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS told, t.typtype = 'e' AS listed "  # noqa: S608
        f"FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid WHERE a.attrelid = '{name}'::regclass "
        "AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum"
    )


def postgres_keeps(told: str) -> bool:
    """Whether a column of a type, as PostgreSQL writes it, comes through its scanner; enums do, too.

    Examples
    --------
    >>> [postgres_keeps(kind) for kind in ("numeric(10,2)", "numeric", "numeric(40,2)", "text[]", "interval")]
    [True, False, False, True, False]
    """
    match = _POSTGRES.fullmatch(told)
    return match is not None and (not match[1] or int(match[2]) <= int(match[1]) <= _DIGITS)


def misfits(make: str, columns: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """For each column that may hold what does not come through: SQL of the database that counts it, and what it is not.

    Parameters
    ----------
    columns
        Names, and types: those of the scanner for SQLite, PostgreSQL's own words for PostgreSQL.
    """
    if make == "sqlite":
        return {
            name: (_count(f"{quoted(name)} IS NOT NULL AND ({test.format(quoted(name))}) IS NOT TRUE"), told)
            for name, (test, told) in ((name, _SQLITE[kind]) for name, kind in columns.items())
        }
    tests = {name: _postgres(quoted(name), kind) for name, kind in columns.items()} if make == "postgres" else {}
    return {name: (_count(found[0]), found[1]) for name, found in tests.items() if found}


def _count(condition: str) -> str:
    return f"count(*) FILTER (WHERE {condition})"


def _postgres(name: str, kind: str) -> tuple[str, str] | None:
    if kind.startswith("numeric"):
        return f"{name} = 'NaN'", "numbers"
    if kind.startswith(("date", "timestamp")):
        return f"{name} NOT BETWEEN '{_FIRST}' AND '{_LAST}'", "dates of the years 1 to 9999"
    if kind.endswith("[]"):
        return f"array_ndims({name}) > 1 OR array_lower({name}, 1) <> 1", "simple lists that count from 1"
    return None


def selected(expressions: Sequence[str], schema: str, table: str, make: str) -> str:
    """SQL of the database that answers expressions over a table, each under a name of its own."""
    place = quoted(table) if make == "sqlite" else f"{quoted(schema)}.{quoted(table)}"
    cells = ", ".join(f"{expression} AS c{number}" for number, expression in enumerate(expressions))
    return f"SELECT {cells} FROM {place}"  # noqa: S608 - quoted names and the words above
