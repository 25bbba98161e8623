"""The strip of the fourteen systems as somebody who knows them well would write it: DuckDB SQL on plain identifiers.

One connection. What is sealed is a plain list of arrest numbers; what hangs on it is found by hand in the tables that
show it; then each source is searched once for what is barred, and each of its files is written again without it, in its
own form and order. Nothing is hashed or digested, no roster or receipt is written, and nothing is read back: a faulty
file, a column that is not there or a number that does not fit is not noticed.

How each system spells a number is known here: who writes this has looked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from sanitizers.engine.attached import extension
from sanitizers.engine.contract import THREADS
from sanitizers.identifiers import MASK

_WIDE = "".join(chr(ord(sign) + 0xFEE0) for sign in "0123456789BKMQSbkmqs")  # as an East Asian keyboard writes them
_NUMBER = r"[BKMQSbkmqs][- ]?\d\d[- ]?\d{6}"
MACROS = f"""
CREATE MACRO bare(cell) AS replace(replace(upper(
    CASE WHEN strlen(cell) > length(cell) THEN translate(cell, '{_WIDE}', '0123456789BKMQSbkmqs') ELSE cell END), '-', ''), ' ', '');
CREATE MACRO undashed(cell) AS replace(cell, '-', '');
CREATE MACRO photo(cell) AS TRY_CAST(split_part(replace(cell, '-', ''), '.', 1) AS BIGINT);
CREATE MACRO masked(cell) AS regexp_replace(cell, '{_NUMBER}', '{MASK}', 'g');
CREATE MACRO without(cell, said) AS nullif(array_to_string(list_filter(regexp_extract_all(cell, '[^.]*\\. '),
    lambda sentence: NOT list_bool_or(list_transform(said, lambda word: contains(sentence, word)))), ''), '');
"""

# What hangs on sealed arrests: any of them takes photo, card and CJTN along, all of them person, complaint and docket.
BARRED = (
    "CREATE TEMP TABLE arrest AS SELECT arrest_number AS id FROM '{sealed}'",
    """CREATE TEMP TABLE booked AS SELECT arrest_number IN (FROM arrest) AS sealed, upper(person_id) AS person,
    onview_complaint AS complaint, photo_number AS photo, CASE WHEN NOT isnan(docket) THEN docket::BIGINT END AS docket
    FROM '{raw}/arrests/*.parquet'""",
    "CREATE TEMP TABLE photo AS SELECT DISTINCT photo AS id FROM booked WHERE sealed AND photo IS NOT NULL",
    "CREATE TEMP TABLE person AS SELECT person AS id FROM booked GROUP BY id HAVING bool_and(sealed)",
    """CREATE TEMP TABLE complaint AS SELECT complaint AS id FROM booked WHERE id IS NOT NULL
    GROUP BY id HAVING bool_and(sealed)""",
    """CREATE TEMP TABLE docket AS SELECT docket AS id FROM booked WHERE id IS NOT NULL
    GROUP BY id HAVING bool_and(sealed)""",
    "DROP TABLE booked",
    """CREATE TEMP TABLE printed AS SELECT card_number, cjtn FROM read_parquet('{raw}/fingerprints/*/*.parquet')
    WHERE undashed(arrest_number) IN (FROM arrest)""",
    "CREATE TEMP TABLE card AS SELECT DISTINCT card_number AS id FROM printed",
    "CREATE TEMP TABLE cjtn AS SELECT DISTINCT cjtn AS id FROM printed WHERE cjtn IS NOT NULL",
    "DROP TABLE printed",
)


@dataclass(frozen=True)
class Source:
    """What is done by hand to one source.

    Attributes
    ----------
    pattern
        Its files below the raw folder, or the database that holds it.
    gone
        A condition on raw rows: these go.
    hits
        Conditions on raw rows, by the name that `put` knows them by.
    lists
        By name, what is barred of several values in a row: the values, as a list, and a condition on one, `it`.
    put
        Column → what stands there in rows that stay.
    key
        In which order a database's rows are written.
    """

    pattern: str
    gone: str = "false"
    hits: dict[str, str] = field(default_factory=dict)
    lists: dict[str, tuple[str, str]] = field(default_factory=dict)
    put: dict[str, str] = field(default_factory=dict)
    key: str = ""


def _less(name: str, column: str) -> str:
    return f"CASE WHEN {name} IS NULL THEN {column} ELSE list_filter({column}, lambda one: NOT list_contains({name}, one)) END"


def _none(condition: str, *columns: str) -> dict[str, str]:
    return {column: f"CASE WHEN {condition} THEN NULL ELSE {column} END" for column in columns}


def _said(column: str) -> tuple[str, str]:
    return f"regexp_extract_all({column}, '{_NUMBER}')", "bare(it) IN (FROM arrest)"


SOURCES = {
    "persons": Source("persons.csv", "person_id IN (FROM person)"),
    "arrests": Source(
        "arrests/*.parquet",
        "arrest_number IN (FROM arrest)",
        {
            "h_photo": "photo_number IN (FROM photo)",
            "h_person": "upper(person_id) IN (FROM person)",
            "h_complaint": "undashed(complaint_number) IN (FROM complaint)",
            "h_onview": "onview_complaint IN (FROM complaint)",
            "h_docket": "CASE WHEN NOT isnan(docket) THEN docket::BIGINT END IN (FROM docket)",
        },
        put={
            **_none("h_photo", "photo_number"), **_none("h_person", "person_id"), **_none("h_docket", "docket"),
            **_none("h_complaint", "complaint_number"), **_none("h_onview", "onview_complaint"),
        },
    ),
    "charges": Source("charges*.csv", "bare(arrest_number) IN (FROM arrest)"),
    "complaints": Source(
        "complaints*.parquet",
        "complaint_number IN (FROM complaint)",
        {"h_cleared": "bare(cleared_by) IN (FROM arrest)"},
        {
            "l_photo": ("lineup", "photo(it) IN (FROM photo)"),
            "l_said": _said("narrative"),
        },
        {
            **_none("h_cleared", "cleared_by", "suspect_age", "suspect_sex", "suspect_race", "suspect_height"),
            "status": "CASE WHEN h_cleared THEN 'OPEN' ELSE status END",
            "lineup": _less("l_photo", "lineup"),
            "narrative": "masked(CASE WHEN l_said IS NULL THEN narrative ELSE without(narrative, l_said) END)",
        },
    ),
    "photos": Source("photos/*.csv", "photo(photo_number) IN (FROM photo)"),
    "stops": Source(
        "stops*.csv",
        hits={"h_arrest": "bare(suspect_arrest_number) IN (FROM arrest)"},
        put=_none("h_arrest", "suspect_arrest_number"),
    ),
    "pattern_members": Source(
        "pattern_members*.csv",
        "undashed(complaint_number) IN (FROM complaint) OR bare(evidence_arrest) IN (FROM arrest)",
    ),
    "fingerprints": Source(
        "fingerprints/*/prints.parquet",
        "undashed(arrest_number) IN (FROM arrest) OR card_number IN (FROM card) OR cjtn IN (FROM cjtn)",
        {"h_person": "person_id IN (FROM person)"},
        put=_none("h_person", "person_id"),
    ),
    "vouchers": Source(
        "vouchers*.csv",
        "bare(arrest_number) IN (FROM arrest)",
        {
            "h_complaint": "undashed(complaint_number) IN (FROM complaint)",
            "h_matched": "bare(matched_arrest) IN (FROM arrest)",
        },
        {"l_said": _said("remarks")},
        {
            **_none("h_complaint", "complaint_number"), **_none("h_matched", "matched_arrest", "matched_on"),
            "status": "CASE WHEN h_matched THEN 'HELD' ELSE status END",
            "remarks": "CASE WHEN h_complaint OR h_matched OR l_said IS NOT NULL THEN NULL ELSE masked(remarks) END",
        },
    ),
    "summonses": Source(
        "summonses*.jsonl",
        hits={"h_arrest": "bare(arrest_number) IN (FROM arrest)", "h_person": "upper(person_id) IN (FROM person)"},
        put={
            **_none("h_arrest OR h_person", "arrest_number", "person_id"),
            "status": "CASE WHEN h_arrest THEN 'OPEN' ELSE status END",
        },
    ),
    "calls": Source(
        "calls/*/calls.parquet",
        hits={"h_complaint": "complaint_number IN (FROM complaint)", "h_arrest": "upper(arrest_number) IN (FROM arrest)"},
        lists={"l_arrest": ("other_arrests", "it IN (FROM arrest)")},
        put={
            **_none("h_complaint", "complaint_number"), **_none("h_complaint OR h_arrest", "arrest_number"),
            "final_code": "CASE WHEN h_arrest THEN 'REPORT PREPARED' ELSE final_code END",
            "other_arrests": _less("l_arrest", "other_arrests"),
        },
    ),
    "warrants": Source(
        "warrants.sqlite",
        "docket IN (FROM docket)",
        {"h_person": "person_id IN (FROM person)", "h_arrest": "bare(executed_by) IN (FROM arrest)"},
        put={
            **_none("h_person", "person_id"), **_none("h_person OR h_arrest", "executed_by", "executed_on"),
            "status": "CASE WHEN h_arrest THEN 'ACTIVE' ELSE status END",
        },
        key="warrant_number",
    ),
    "dispositions": Source(
        "dispositions.parquet",
        "bare(arrest_number) IN (FROM arrest) OR cjtn IN (FROM cjtn)",
        {"h_docket": "docket IN (FROM docket)"},
        put=_none("h_docket", "docket"),
    ),
    "dockets": Source(
        "dockets.duckdb",
        "docket::BIGINT IN (FROM docket)",
        lists={"l_arrest": ("arrests", "it IN (FROM arrest)")},
        put={"arrests": _less("l_arrest", "arrests")},
        key="docket",
    ),
    "coarrests": Source(
        "coarrests*.parquet",
        "arrest_a IN (FROM arrest) OR bare(arrest_b) IN (FROM arrest)",
        {
            "h_a": "upper(person_a) IN (FROM person)", "h_b": "upper(person_b) IN (FROM person)",
            "h_complaint": "complaint_number IN (FROM complaint)",
        },
        put={**_none("h_a", "person_a"), **_none("h_b", "person_b"), **_none("h_complaint", "complaint_number")},
    ),
}  # fmt: skip
_SUMMONS = (
    "{summons_number: 'VARCHAR', issued_on: 'VARCHAR', charge: 'VARCHAR', age: 'INTEGER', sex: 'VARCHAR', "
    "place: 'STRUCT(precinct INTEGER, x DOUBLE, y DOUBLE)', status: 'VARCHAR', arrest_number: 'VARCHAR', person_id: 'VARCHAR'}"
)
_COPY = {".parquet": "FORMAT parquet", ".csv": "FORMAT csv, HEADER", ".jsonl": "FORMAT json"}


def strip_by_hand(raw: Path, sealed: Path, out: Path) -> None:
    """Write the clean sources of the raw ones below a folder; `sealed` is a Parquet file of arrest numbers."""
    out.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(config={"threads": THREADS, "temp_directory": str(out / "spill")}) as connection:
        connection.execute("SET enable_progress_bar = false")
        connection.execute(f"LOAD '{_sqlite()}'")
        connection.execute(MACROS)
        for sql in BARRED:
            connection.execute(sql.format(raw=raw, sealed=sealed))
        for source in SOURCES.values():
            _strip(connection, source, raw, out)


def _sqlite() -> Path:
    return extension("sqlite_scanner", missing="DuckDB's scanner of SQLite is not installed", remedy="pip install '.[sqlite]'")


def _strip(connection: duckdb.DuckDBPyConnection, source: Source, raw: Path, out: Path) -> None:
    """Find what is barred in all files of a source, then write them one by one."""
    files = sorted(raw.glob(source.pattern))
    rows = [_rows(connection, source, file, number, out) for number, file in enumerate(files)]
    every = " UNION ALL ".join(f"SELECT {number} AS file, * FROM ({own})" for number, own in enumerate(rows))
    connection.execute(f"CREATE TEMP TABLE found AS {_finding(source, every)}")
    told = ", ".join(f"{expression} AS {column}" for column, expression in source.put.items())
    for number, (file, own) in enumerate(zip(files, rows, strict=True)):
        target = (out / file.relative_to(raw)).with_suffix(".parquet" if source.key else file.suffix)
        target.parent.mkdir(parents=True, exist_ok=True)
        kept = (
            f"SELECT raw.* EXCLUDE (n) {f'REPLACE ({told})' if told else ''} FROM ({own}) raw "
            f"LEFT JOIN (FROM found WHERE file = {number}) hit ON hit.n = raw.n WHERE gone IS NOT TRUE ORDER BY raw.n"
        )
        connection.execute(f"COPY ({kept}) TO '{target}' ({_COPY[target.suffix]}{_delimiter(target)})")
        if _old(target):
            _transcode(target, target, source="utf-8", to="cp1252")
    for (name,) in connection.execute("SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'raw_%'").fetchall():
        connection.execute(f"DROP TABLE {name}")
    connection.execute("DROP TABLE found")


def _finding(source: Source, rows: str) -> str:
    """File and number of each row in which anything is barred, and what."""
    told = {"gone": source.gone, **source.hits}
    lists = [
        f"LEFT JOIN (SELECT file, n, list(it) AS {name} FROM (SELECT file, n, unnest({values}) AS it FROM raw) "
        f"WHERE {barred} GROUP BY file, n) {name} USING (file, n)"
        for name, (values, barred) in source.lists.items()
    ]
    flags = ", ".join([*(f"{sql} AS {name}" for name, sql in told.items()), *source.lists])
    some = " OR ".join([*told, *(f"{name} IS NOT NULL" for name in source.lists)])
    return f"WITH raw AS NOT MATERIALIZED ({rows}) SELECT * FROM (SELECT file, n, {flags} FROM raw {' '.join(lists)}) WHERE {some}"


def _rows(connection: duckdb.DuckDBPyConnection, source: Source, file: Path, number: int, out: Path) -> str:
    """SQL of a file's rows with their number, `n`; what is no Parquet file is read once, into a table."""
    if file.suffix == ".parquet":
        return f"SELECT file_row_number AS n, * FROM read_parquet('{file}', hive_partitioning = false)"
    staged = out / "utf8.csv"
    if source.key:
        connection.execute(f"ATTACH '{file}' AS attached (READ_ONLY{', TYPE sqlite' if file.suffix == '.sqlite' else ''})")
        rows = f"attached.{file.stem} ORDER BY {source.key}"
    elif file.suffix == ".jsonl":
        rows = f"read_json('{file}', format = 'newline_delimited', columns = {_SUMMONS})"
    elif _old(file):
        _transcode(file, staged, source="cp1252", to="utf-8")
        rows = f"read_csv('{staged}', delim = ';', header = true, all_varchar = true)"
    else:
        rows = f"read_csv('{file}', header = true, all_varchar = true)"
    connection.execute(f"CREATE TEMP TABLE raw_{number} AS FROM {rows}")
    if source.key:
        connection.execute("DETACH attached")
    staged.unlink(missing_ok=True)
    return f"SELECT rowid AS n, * FROM raw_{number}"


def _old(file: Path) -> bool:
    """Whether a file is of the photo system, which writes semicolons and code page 1252."""
    return file.parent.name == "photos"


def _delimiter(file: Path) -> str:
    return ", DELIMITER ';'" if _old(file) else ""


def _transcode(file: Path, target: Path, *, source: str, to: str) -> None:
    with file.open(encoding=source, newline="") as given:
        file.unlink() if file == target else None
        with target.open("w", encoding=to, newline="") as made:
            made.writelines(_blocks(given))


def _blocks(stream) -> Iterator[str]:  # noqa: ANN001
    while block := stream.read(1 << 20):
        yield block
