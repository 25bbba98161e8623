"""Departments whose policy leaves nothing open, and ways to leave something open: what `policy check` has to find."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from hypothesis import strategies as st

from sanitizers.check import Checked, Proposal, check_policy
from sanitizers.identifiers import Kinds

CANARY = "zebrafinch"
KINDS = Kinds.parse(
    """
    arrest_number:    {scope: record, pattern: "[BKMQS][0-9]{8}"}
    photo_number:     {scope: record, pattern: "[0-9]{10}", width: 10}
    complaint_number: {scope: shared, pattern: "[0-9]{12}"}
    person_id:        {scope: person, pattern: "[0-9]{8}[A-Z]"}
    """
)
WORDS = ["officers", "responded", "to", "the", "premises", "and", "saw", "nobody", "there", "again", CANARY]

OFFENSES = [f"{what} OF THE {which} DEGREE AT NIGHT" for what in ("BURGLARY", "ROBBERY") for which in ("FIRST", "SECOND", "THIRD")]


@dataclass(repr=False)
class Department:
    """Raw rows, the policy as plain data, and the text of each query; written to a folder of its own for a check."""

    rows: dict[str, list[dict[str, Any]]]
    forms: dict[str, str]
    policy: dict[str, Any]
    queries: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Department({self.forms}, {yaml.safe_dump(self.policy, default_flow_style=True)}, {self.queries})"

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(repr(self))

    @property
    def sources(self) -> dict[str, Any]:
        """The policy's sources."""
        return self.policy["sources"]

    def check(self) -> Checked:
        """Write everything, and check it."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "raw").mkdir()
            for source, rows in self.rows.items():
                if source in self.sources:
                    _write(folder / self.sources[source]["path"], rows, self.sources[source].get("read", {}))
            for path, text in self.queries.items():
                (folder / path).write_text(text)
            (folder / "sealing.yaml").write_text(yaml.safe_dump(self.policy, sort_keys=False))
            return check_policy(folder / "sealing.yaml", KINDS)

    def paste(self, proposal: Proposal) -> None:
        """Do what a proposal says."""
        if proposal.instead_of:
            text = self.queries[proposal.file]
            assert proposal.instead_of in text, "the passage is not there"
            self.queries[proposal.file] = text.replace(proposal.instead_of, proposal.text, 1)
            return
        assert Path(proposal.file).name == "sealing.yaml"
        place = self.policy
        for key in proposal.under:
            place = place.setdefault(key, {})
        line = yaml.safe_load(proposal.text)
        assert len(line) == 1
        if proposal.under[-1] in ("text", "not_identifiers", "columns"):
            place.update(line)
        else:
            raise AssertionError(f"nothing is pasted under {proposal.under}")


def _write(path: Path, rows: list[dict[str, Any]], read: dict[str, str]) -> None:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=40)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({k: v for k, v in row.items()}) + "\n" for row in rows))
    else:
        mark = read.get("delimiter", ",")
        lines = [list(rows[0]), *([row[name] for name in rows[0]] for row in rows)]
        path.write_text("".join(mark.join(_quoted(cell) for cell in line) + "\n" for line in lines))


def _quoted(cell: Any) -> str:
    return "" if cell is None else '"' + str(cell).replace('"', '""') + '"'


# -- departments whose policy leaves nothing open ---------------------------------------------------------------------


@st.composite
def departments(draw: st.DrawFn) -> Department:
    """A department with arrests and complaints, and at times photos, persons, stops and features."""
    chance = random.Random(draw(st.integers(0, 2**32)))
    count = draw(st.integers(60, 150))
    has = {name: draw(st.booleans()) for name in ("photos", "persons", "stops", "narrative", "lineup")}
    forms = {name: draw(st.sampled_from(["parquet", "csv", "jsonl"])) for name in ("arrests", "photos", "persons", "stops")}
    forms["complaints"] = "parquet" if has["lineup"] else draw(st.sampled_from(["parquet", "csv", "jsonl"]))
    rows: dict[str, list[dict[str, Any]]] = {}
    persons = [f"{chance.randrange(10**8):08}{chance.choice('ABCDEF')}" for _ in range(count // 2)]
    rows["arrests"] = [
        {
            "arrest_number": f"{chance.choice('BKMQS')}{chance.randrange(10**8):08}",
            "photo_number": f"{chance.randrange(10**9, 10**10)}" if chance.random() < 0.7 else None,
            "person_id": chance.choice(persons),
            "arrest_date": f"2019-{chance.randrange(1, 13):02}-{chance.randrange(1, 28):02}",
            "offense": chance.choice([*OFFENSES, CANARY, None]),
            "age": chance.choice([None, *range(16, 60)]),
            "x": chance.choice([0.5, 1.25, 99.0]),
        }
        for _ in range(count)
    ]
    rows["complaints"] = [_complaint(chance, rows["arrests"], has, cleared=n % 5 < 2) for n in range(count)]
    arrests = {"arrest_number": {"kind": "arrest_number", "on_seal": "drop"}}
    arrests["photo_number"] = {"kind": "photo_number", "on_seal": {"redact": []}}
    arrests["person_id"] = {"kind": "person_id", "on_seal": {"redact": []}, "carries": "all"}
    cleared = {"kind": "arrest_number", "on_seal": {"redact": ["suspect_age"], "set": {"status": "OPEN"}}}
    complaints: dict[str, Any] = {"complaint_number": {"kind": "complaint_number", "on_seal": "drop"}, "cleared_by": cleared}
    sources = {
        "arrests": {"primary_key": "arrest_number", "columns": arrests},
        "complaints": {"primary_key": "complaint_number", "columns": complaints},
    }
    if has["narrative"]:
        sources["complaints"]["text"] = {"narrative": {"mentions": ["arrest_number"], "on_seal": draw(st.sampled_from(["clear", "sentence"]))}}
    if has["lineup"]:
        complaints["lineup[]"] = {"kind": "photo_number", "on_seal": "element"}
    if has["photos"]:
        taken = [row["photo_number"] for row in rows["arrests"] if row["photo_number"]]
        rows["photos"] = [{"photo_number": one, "camera": chance.choice(["front", CANARY])} for one in taken]
        sources["photos"] = {"primary_key": "photo_number", "columns": {"photo_number": {"kind": "photo_number", "on_seal": "drop"}}}
    if has["photos"] or has["lineup"]:
        arrests["photo_number"]["carries"] = "any"
    if has["persons"]:
        rows["persons"] = [{"person_id": one, "name": chance.choice(["A B", CANARY])} for one in persons]
        sources["persons"] = {"primary_key": "person_id", "columns": {"person_id": {"kind": "person_id", "on_seal": "drop"}}}
    if has["stops"]:
        rows["stops"] = [_stop(chance, rows["arrests"], persons, number) for number in range(count)]
        sources["stops"] = {
            "primary_key": "stop_id",
            "missing": ["", "N/A"],
            "columns": {
                "suspect_arrest": {"kind": "arrest_number", "on_seal": {"redact": []}},
                "suspect": {"kind": "person_id", "on_seal": {"redact": []}},
            },
        }
    if not has["persons"] and not has["stops"]:
        del arrests["person_id"]["carries"]
        del arrests["person_id"]
        sources["arrests"]["not_identifiers"] = {"person_id": "of this system alone"}
    for name, source in sources.items():
        source["path"] = f"raw/{name}.{forms[name]}"
        if forms[name] == "csv" and draw(st.booleans()):
            source["read"] = {"delimiter": ";"}
    policy = {
        "version": 1, "rules": "us-ny", "purpose": "predictive-model", "register": {"snapshot": "x.snap"},
        "publish": {"person_id": "plain"}, "sources": sources, "features": {},
    }  # fmt: skip
    made = Department(rows, forms, policy)
    for name in draw(st.lists(st.sampled_from(sorted(SOUND)), unique=True, max_size=3)):
        add_feature(made, name, *SOUND[name])
    return made


def _complaint(
    chance: random.Random, arrests: list[dict[str, Any]], has: dict[str, bool], *, cleared: bool
) -> dict[str, Any]:
    arrest = chance.choice(arrests)["arrest_number"]
    row: dict[str, Any] = {
        "complaint_number": f"{chance.randrange(10**11, 10**12)}",
        "cleared_by": arrest if cleared else None,
        "suspect_age": chance.randrange(16, 60) if cleared else None,
        "status": "CLOSED" if cleared else "OPEN",
        "premise": chance.choice(["STREET", "BAR", CANARY, None]),
        "reported": f"2019-05-{chance.randrange(1, 31):02} {chance.randrange(24):02}:{chance.randrange(60):02}",
    }
    if has["narrative"]:
        told = " ".join(chance.choices(WORDS, k=chance.randrange(6, 12)))
        row["narrative"] = chance.choice([None, told, f"{told} {arrest} {told}."])
    if has["lineup"]:
        taken = [one["photo_number"] for one in chance.choices(arrests, k=3) if one["photo_number"]]
        row["lineup"] = chance.choice([None, taken])
    return row


def _stop(chance: random.Random, arrests: list[dict[str, Any]], persons: list[str], number: int) -> dict[str, Any]:
    return {
        "stop_id": number,
        "suspect_arrest": chance.choice(arrests)["arrest_number"] if chance.random() < 0.3 else "N/A",
        "suspect": chance.choice(persons) if chance.random() < 0.5 else "N/A",
        "frisked": chance.choice(["Y", "N", CANARY]),
    }


SOUND = {
    "counts": ("SELECT offense, count(*) AS n FROM arrests GROUP BY offense", {"offense": "text", "n": "int64"}),
    "exact": (
        "SELECT offense, sum(CAST(x AS DECIMAL(18, 4))) AS s FROM arrests GROUP BY offense",
        {"offense": "text", "s": "float64"},
    ),
    "latest": (
        "SELECT arrest_number, row_number() OVER (PARTITION BY offense ORDER BY arrest_date, arrest_number) AS n FROM arrests",
        {"arrest_number": "token", "n": "int64"},
    ),
    "daily": (
        "WITH daily AS (SELECT arrest_date, offense, count(*) AS n FROM arrests GROUP BY arrest_date, offense)\n"
        "SELECT arrest_date, offense, lag(n) OVER (PARTITION BY offense ORDER BY arrest_date) AS before FROM daily",
        {"arrest_date": "text", "offense": "text", "before": "int64"},
    ),
    "ranks": (
        "SELECT arrest_number, rank() OVER (ORDER BY arrest_date) AS n FROM arrests",
        {"arrest_number": "token", "n": "int64"},
    ),
}


def add_feature(made: Department, name: str, sql: str, columns: dict[str, str]) -> None:
    """Declare a feature with its query."""
    made.queries[f"{name}.sql"] = sql + "\n"
    made.policy["features"][name] = {"sql": f"{name}.sql", "columns": columns}


# -- ways to leave something open -------------------------------------------------------------------------------------

Planted = tuple[str, str]
"""The check that has to find it, and what its fault has to name as its column."""


def unreachable(draw: st.DrawFn, made: Department) -> Planted:
    """No arrest carries its seal to the persons any more."""
    _with_persons(made)
    del made.sources["arrests"]["columns"]["person_id"]["carries"]
    made.sources.pop("stops", None)
    return "unreachable", "sources.persons"


def never_barred(draw: st.DrawFn, made: Department) -> Planted:
    """Stops name a person, whom no seal ever bars."""
    _with_stops(made)
    made.sources.pop("persons", None)
    columns = made.sources["arrests"]["columns"]
    columns["person_id"] = {"kind": "person_id", "on_seal": {"redact": []}}
    made.sources["arrests"].pop("not_identifiers", None)
    return "nowhere", "sources.stops.columns.suspect"


def carried_nowhere(draw: st.DrawFn, made: Department) -> Planted:
    """Arrests carry their seals to photos, which no source holds."""
    made.sources.pop("photos", None)
    made.sources["complaints"]["columns"].pop("lineup[]", None)
    for row in made.rows["complaints"]:
        row.pop("lineup", None)
    made.sources["arrests"]["columns"]["photo_number"]["carries"] = draw(st.sampled_from(["any", "all"]))
    return "nowhere", "sources.arrests.columns.photo_number"


def undeclared(draw: st.DrawFn, made: Department) -> Planted:
    """A column holds arrest numbers, however it is called and written, and nothing is said about it."""
    source = draw(st.sampled_from(sorted(made.sources)))
    name = draw(st.sampled_from(["ref", "ARREST_NO", "Linked Case", "zz9"]))
    write = draw(st.sampled_from([str, str.lower, lambda one: f" {one[:3]}-{one[3:]}", lambda one: f"{one}\n"]))
    share = draw(st.sampled_from([0.3, 1.0]))
    numbers = [row["arrest_number"] for row in made.rows["arrests"]]
    chance = random.Random(draw(st.integers(0, 2**32)))
    for row in made.rows[source]:
        row[name] = write(chance.choice(numbers)) if chance.random() < share else chance.choice(["n/k", "x", None])
    return "undeclared", f"sources.{source}.columns.{name}"


def undeclared_by_name(draw: st.DrawFn, made: Department) -> Planted:
    """A column is called like a kind, and is empty so far."""
    source = draw(st.sampled_from(sorted(made.sources)))
    name = draw(st.sampled_from(["suspect_photo_number", "ComplaintNo", "ARREST ID"]))
    for row in made.rows[source]:
        row[name] = None
    return "undeclared", f"sources.{source}.columns.{name}"


def undeclared_list(draw: st.DrawFn, made: Department) -> Planted:
    """A list holds photo numbers, and nothing is said about it."""
    made.sources["complaints"]["path"] = "raw/complaints.parquet"
    made.sources["complaints"].pop("read", None)
    chance = random.Random(draw(st.integers(0, 2**32)))
    for row in made.rows["complaints"]:
        row["seen"] = [f"{chance.randrange(10**9, 10**10)}" for _ in range(chance.randrange(3))]
    _photos_carried(made)
    return "undeclared", "sources.complaints.columns.seen[]"


def running_text(draw: st.DrawFn, made: Department) -> Planted:
    """A column holds running text, and nothing is said about it."""
    source = draw(st.sampled_from(sorted(made.sources)))
    chance = random.Random(draw(st.integers(0, 2**32)))
    for row in made.rows[source]:
        row["remarks"] = f"{' '.join(chance.choices(WORDS, k=9))} {chance.randrange(10**6)}."
    return "text", f"sources.{source}.text.remarks"


def mention(draw: st.DrawFn, made: Department) -> Planted:
    """A note names an arrest now and then, and nothing is said about it."""
    source = draw(st.sampled_from(sorted(made.sources)))
    chance = random.Random(draw(st.integers(0, 2**32)))
    numbers = [row["arrest_number"] for row in made.rows["arrests"]]
    for place, row in enumerate(made.rows[source]):
        told = place % 20 == 3
        row["note"] = f"see {chance.choice(numbers)}" if told else chance.choice([None, "none"])
    return "text", f"sources.{source}.text.note"


def given_away(draw: st.DrawFn, made: Department) -> Planted:
    """An officer is named for cleared complaints only, or hardly for others, and stays when the arrest goes."""
    every, elsewhere = draw(st.sampled_from([(3, 0), (1000, 0), (1000, 1)]))  # 16 of 60: fewer might be chance
    chance = random.Random(draw(st.integers(0, 2**32)))
    for number, row in enumerate(made.rows["complaints"], start=1):
        there = number % every > 0 if row["cleared_by"] else elsewhere > 0
        elsewhere -= not row["cleared_by"]
        row["officer"] = chance.choice(["17", "23", CANARY]) if there else None
    return "given away", "sources.complaints.columns.cleared_by"


BAD = {
    "any_value": ("SELECT offense, any_value(age) AS v FROM arrests GROUP BY offense", {"offense": "text", "v": "text"}),
    "first": ("SELECT offense, first(arrest_date) AS v FROM arrests GROUP BY offense", {"offense": "text", "v": "text"}),
    "arg_min": (
        "SELECT offense, arg_min(arrest_date, age) AS v FROM arrests GROUP BY offense",
        {"offense": "text", "v": "text"},
    ),
    "string_agg": (
        "SELECT offense, upper(string_agg( arrest_date , ';')) AS v\nFROM arrests GROUP BY offense",
        {"offense": "text", "v": "text"},
    ),
    "list": ("SELECT offense, list(arrest_date) AS v FROM arrests GROUP BY offense", {"offense": "text", "v": "text"}),
    "limit": ("SELECT arrest_number FROM arrests ORDER BY arrest_date\nLIMIT 10", {"arrest_number": "token"}),
    "row_number": (
        "SELECT arrest_number, row_number() OVER (PARTITION BY offense ORDER BY arrest_date) AS n FROM arrests",
        {"arrest_number": "token", "n": "int64"},
    ),
    "lag": (
        "SELECT arrest_number, lag(age) OVER (ORDER BY arrest_date) AS before FROM arrests AS a",
        {"arrest_number": "token", "before": "text"},
    ),
    "last_value": (
        "SELECT arrest_number, last_value(offense) OVER () AS v FROM arrests",
        {"arrest_number": "token", "v": "text"},
    ),
    "count": (
        "SELECT arrest_number, count(*) OVER (ORDER BY arrest_date ROWS BETWEEN 3 PRECEDING AND CURRENT ROW) AS n FROM arrests",
        {"arrest_number": "token", "n": "int64"},
    ),
    "sum": (
        "SELECT offense,\n  sum(CAST(x AS DOUBLE) * 2) FILTER (WHERE age IS NOT NULL) AS s,\n  sum(CAST(1 AS BIGINT)) AS n\nFROM arrests GROUP BY offense",
        {"offense": "text", "s": "float64", "n": "int64"},
    ),
    "avg": (
        "SELECT arrest_number, avg(CAST(x AS DOUBLE)) OVER (PARTITION BY offense) AS s FROM arrests",
        {"arrest_number": "token", "s": "float64"},
    ),
}


def bad_query(draw: st.DrawFn, made: Department) -> Planted:
    """The answer of a query depends on the order of rows, or it sums floats."""
    word = draw(st.sampled_from(sorted(BAD)))
    add_feature(made, f"bad_{word}", *BAD[word])
    return "order", "window" if word == "last_value" else word


PLANTS: dict[str, Callable[[st.DrawFn, Department], Planted]] = {
    plant.__name__: plant
    for plant in (
        unreachable, never_barred, carried_nowhere, undeclared, undeclared_by_name, undeclared_list, running_text,
        mention, given_away, bad_query,
    )
}  # fmt: skip


def _with_persons(made: Department) -> None:
    made.sources["arrests"].pop("not_identifiers", None)
    made.sources["arrests"]["columns"]["person_id"] = {"kind": "person_id", "on_seal": {"redact": []}, "carries": "all"}
    if "persons" not in made.sources:
        persons = sorted({row["person_id"] for row in made.rows["arrests"]})
        made.rows["persons"] = [{"person_id": one, "name": CANARY} for one in persons]
        made.sources["persons"] = {
            "path": "raw/persons.csv", "primary_key": "person_id",
            "columns": {"person_id": {"kind": "person_id", "on_seal": "drop"}},
        }  # fmt: skip


def _with_stops(made: Department) -> None:
    persons = sorted({row["person_id"] for row in made.rows["arrests"]})
    made.rows["stops"] = [_stop(random.Random(n), made.rows["arrests"], persons, n) for n in range(80)]
    made.sources["stops"] = {
        "path": "raw/stops.csv",
        "primary_key": "stop_id",
        "missing": ["", "N/A"],
        "columns": {
            "suspect_arrest": {"kind": "arrest_number", "on_seal": {"redact": []}},
            "suspect": {"kind": "person_id", "on_seal": {"redact": []}},
        },
    }


def _photos_carried(made: Department) -> None:
    made.sources["arrests"]["columns"]["photo_number"].setdefault("carries", "any")
    if "photos" not in made.sources:
        made.rows["photos"] = [{"photo_number": "1234567890"}]
        made.sources["photos"] = {
            "path": "raw/photos.csv", "primary_key": "photo_number",
            "columns": {"photo_number": {"kind": "photo_number", "on_seal": "drop"}},
        }  # fmt: skip
