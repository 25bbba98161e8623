"""Everything that a policy can say, one small department for each thing, and what it does to the rows."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from pathlib import Path

import pytest
import yaml

from sanitizers.errors import COULD_NOT_CHECK, USAGE
from tests.cli_world import KEY, World

GUIDE = (Path(__file__).parents[2] / "docs" / "sealing-yaml.md").read_text(encoding="utf-8")
KINDS = """\
arrest: {scope: record, pattern: "[BKMQS][0-9]{8}"}
photo: {scope: record, pattern: "[0-9]{10}", width: 10}
pair: {scope: record, pattern: "P[0-9]{6}"}
docket: {scope: shared, pattern: "[0-9]{10}", width: 10}
complaint: {scope: shared, pattern: "[0-9]{12}"}
person: {scope: person, pattern: "[0-9]{8}[A-Z]"}
filed: {scope: record, parts: [person, day]}
"""
PLAIN = "{arrest: plain, photo: plain, pair: plain, docket: plain, complaint: plain, person: plain, filed: plain}"
HEAD = """\
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: city.snap, warn_after: 3d, error_after: 7d}
"""
A, B, C = "M17654502", "K17000001", "B17000002"


def department(
    folder: Path, files: dict[str, str], sources: str, *, publish: str = PLAIN, sealed: str = f"arrest,{A}", kinds: str = KINDS
) -> World:
    """A department with some raw files, a policy for them, and what is sealed."""
    world = World(folder)
    world.write("key", KEY + "\n").chmod(0o600)
    world.write("kinds.yaml", kinds)
    world.write("sealing.yaml", f"{HEAD}publish: {publish}\nsources:\n{sources}")
    events = "".join(f"{one},seal,CPL 160.50,2019-01-10,2019-01-12\n" for one in sealed.split())
    world.write("feed.csv", f"kind,identifier,action,statute,effective_on,recorded_on\n{events}")
    for name, content in files.items():
        world.write(f"raw/{name}", content)
    assert world.add().code == 0
    assert world.snapshot().code == 0
    return world


def clean_of(world: World, name: str = "") -> list[list[str]]:
    """Rows of a clean CSV file, without its header."""
    outcome = world.strip()
    assert outcome.code == 0, outcome.err
    path = next((world / "clean").glob(f"{name}*.csv"))
    return list(csv.reader(io.StringIO(path.read_text(encoding="utf-8"))))[1:]


def test_a_composite_identifier_drops_redacts_and_keeps_parts_apart(tmp_path: Path) -> None:
    rows = "person,day,x\n12345678A,2019-05-21,1\n12345678A,2019-05-22,2\n99999999B,2019-05-21,3\n"
    source = '  cases:\n    path: raw/cases.csv\n    primary_key: [person, day]\n    columns:\n      "[person, day]": '
    sealed = "filed,12345678A|2019-05-21"
    world = department(tmp_path / "a", {"cases.csv": rows}, source + "{kind: filed, on_seal: drop}\n", sealed=sealed)
    assert [row[2] for row in clean_of(world)] == ["2", "3"]
    redacted = source + "{kind: filed, on_seal: {redact: [x]}}\n"
    world = department(tmp_path / "b", {"cases.csv": rows}, redacted, sealed=sealed)
    assert clean_of(world) == [["", "", ""], ["12345678A", "2019-05-22", "2"], ["99999999B", "2019-05-21", "3"]]


def test_a_composite_identifier_is_read_from_fields_of_objects(tmp_path: Path) -> None:
    lines = '{"p":{"id":"12345678A","day":"2019-05-21"},"x":1}\n{"p":{"id":"12345678A","day":"2019-05-22"},"x":2}\n'
    source = '  cases:\n    path: raw/cases.jsonl\n    primary_key: x\n    columns: {"[p.id, p.day]": {kind: filed, on_seal: drop}}\n'
    world = department(tmp_path, {"cases.jsonl": lines}, source, sealed="filed,12345678A|2019-05-21")
    assert world.strip().code == 0
    assert (world / "clean/cases.jsonl").read_text() == lines.splitlines(keepends=True)[1]


def test_identifiers_of_one_row_act_together_and_drop_is_stronger(tmp_path: Path) -> None:
    rows = f"main,other,third,x,status\n{A},,,1,CLOSED\n{B},{A},,2,CLOSED\n{B},{A},{A},3,CLOSED\n{A},{A},,4,CLOSED\n{B},{C},,5,CLOSED\n"
    source = """\
  rows:
    path: raw/rows.csv
    primary_key: x
    columns:
      main: {kind: arrest, on_seal: drop}
      other: {kind: arrest, on_seal: {redact: [x]}}
      third: {kind: arrest, on_seal: {redact: [], set: {status: OPEN}}}
"""
    world = department(tmp_path, {"rows.csv": rows}, source)
    assert clean_of(world) == [[B, "", "", "", "CLOSED"], [B, "", "", "", "OPEN"], [B, C, "", "5", "CLOSED"]]


CYCLE = """\
  arrests:
    path: raw/arrests.csv
    primary_key: arrest
    columns:
      arrest: {kind: arrest, on_seal: drop, carries: any}
      photo: {kind: photo, on_seal: drop, carries: any}
"""


def test_a_seal_passes_through_a_cycle_of_links_and_stops_where_the_links_do(tmp_path: Path) -> None:
    rows = f"arrest,photo,x\n{A},1,a\n{B},1,b\n{B},2,c\n{C},3,d\n{C},,e\n"
    assert [row[2] for row in clean_of(department(tmp_path, {"arrests.csv": rows}, CYCLE))] == ["d", "e"]


ALL = """\
  arrests:
    path: raw/arrests.csv
    primary_key: arrest
    columns:
      arrest: {kind: arrest, on_seal: drop}
      docket: {kind: docket, on_seal: {redact: []}, carries: all}
      complaint: {kind: complaint, on_seal: {redact: []}, carries: all}
      person: {kind: person, on_seal: {redact: []}, carries: all}
  dockets: {path: raw/dockets.csv, primary_key: docket, columns: {docket: {kind: docket, on_seal: drop}}}
  complaints: {path: raw/complaints.csv, primary_key: complaint, columns: {complaint: {kind: complaint, on_seal: drop}}}
  persons: {path: raw/persons.csv, primary_key: person, columns: {person: {kind: person, on_seal: drop}}}
"""


def test_dockets_complaints_and_persons_go_when_every_arrest_on_them_is_sealed_and_not_before(tmp_path: Path) -> None:
    files = {
        "arrests.csv": "arrest,docket,complaint,person\n"
        f"{A},1,201700000001,12345678A\n{B},1,201700000001,12345678A\n{C},2,201700000002,99999999B\n",
        "dockets.csv": "docket\n0000000001\n0000000002\n",
        "complaints.csv": "complaint\n201700000001\n201700000002\n",
        "persons.csv": "person\n12345678A\n99999999B\n",
    }
    world = department(tmp_path / "a", files, ALL)
    assert [len(clean_of(world, name)) for name in ("arrests", "dockets", "complaints", "persons")] == [2, 2, 2, 2]
    world = department(tmp_path / "b", files, ALL, sealed=f"arrest,{A} arrest,{B}")
    assert [clean_of(world, name) for name in ("dockets", "complaints", "persons")] == [
        [["0000000002"]], [["201700000002"]], [["99999999B"]]
    ]  # fmt: skip


def test_text_that_holds_json_is_text(tmp_path: Path) -> None:
    source = "  notes:\n    path: raw/notes.csv\n    primary_key: x\n    columns: {by: {kind: arrest, on_seal: {redact: []}}}\n"
    source += "    text: {body: {mentions: [arrest], on_seal: clear}}\n"
    cells = [json.dumps({"about": {"arrest": number}, "n": [1.50, None]}) for number in (A, B)]
    rows = "x,by,body\n" + "".join(f'{number},,"{cell}"\n' for number, cell in enumerate(one.replace('"', '""') for one in cells))
    clean = clean_of(department(tmp_path, {"notes.csv": rows}, source))
    assert clean[0] == ["0", "", ""]
    assert json.loads(clean[1][2]) == {"about": {"arrest": "RECORD"}, "n": [1.5, None]}


PAIRS = {
    "evidence.csv": f"pair,arrest_number\nP000001,{A}\nP000001,{B}\nP000002,{B}\nP000003,{A}\n",
    "pairs.csv": "pair\nP000001\nP000002\nP000003\n",
}


def guide_sources(first: str) -> str:
    """The sources of the guide's example that starts with this one."""
    found = re.search(rf"```yaml\nsources:\n(  {first}:\n.*?)```", GUIDE, flags=re.DOTALL)
    assert found, "the guide has no such example"
    return found[1]


def guide_kinds() -> str:
    found = re.search(r"```yaml\n(# kinds.yaml\n.*?)```", GUIDE, flags=re.DOTALL)
    assert found, "the guide has no kinds"
    return found[1]


@pytest.mark.parametrize(("first", "pairs"), [("pairs_any", {"P000001", "P000002"}), ("evidence", {"P000002"})])
def test_pair_labels_stand_with_any_evidence_or_fall_with_any_as_the_guide_says(
    tmp_path: Path, first: str, pairs: set[str]
) -> None:
    files = {name: content for name, content in PAIRS.items() if first == "evidence" or name == "evidence.csv"}
    publish = "{arrest_number: plain, pair: plain}"
    sealed = f"arrest_number,{A}"
    world = department(tmp_path, files, guide_sources(first), publish=publish, sealed=sealed, kinds=guide_kinds())
    assert {row[0] for row in clean_of(world, "evidence")} == pairs
    if first == "evidence":
        assert {row[0] for row in clean_of(world, "pairs")} == pairs


ONE = "  arrests: {path: raw/arrests.csv, primary_key: arrest, columns: {arrest: {kind: arrest, on_seal: drop}}}\n"


def test_identifiers_are_published_as_tokens_unless_the_policy_says_plain(tmp_path: Path) -> None:
    rows = {"arrests.csv": f"arrest\n{A}\n{B}\n"}
    assert clean_of(department(tmp_path / "plain", rows, ONE)) == [[B]]
    [[token]] = clean_of(department(tmp_path / "token", rows, ONE, publish="{arrest: token}"))
    [[usual]] = clean_of(department(tmp_path / "usual", rows, ONE, publish="{}"))
    assert token == usual
    assert re.fullmatch("tok_[0-9a-f]{32}", token)


def test_a_base_is_taken_over_as_it_was_pinned_and_in_no_other_form(tmp_path: Path) -> None:
    world = department(tmp_path, {"arrests.csv": f"arrest\n{A}\n{B}\n"}, ONE)
    own = yaml.safe_load((world / "sealing.yaml").read_text())
    base = yaml.safe_dump({"publish": own.pop("publish"), "purpose": "model-output"})
    world.write("base.yaml", base)
    digest = hashlib.sha256(base.encode()).hexdigest()
    world.write("sealing.yaml", yaml.safe_dump(own | {"extends": f"base.yaml@sha256:{digest}"}))
    assert clean_of(world) == [[B]]
    world.write("base.yaml", base + "# altered\n")
    outcome = world.strip()
    assert outcome.code == USAGE
    assert "is not the base that was pinned" in outcome.told
    assert "read it, then write `extends: base.yaml@sha256:" in outcome.told


def test_read_missing_and_malformed_take_files_as_departments_write_them(tmp_path: Path) -> None:
    source = """\
  arrests:
    path: raw/arrests.csv
    read: {delimiter: ";", encoding: cp1252}
    missing: ["", "(null)", N/A]
    malformed: drop
    primary_key: arrest
    columns: {arrest: {kind: arrest, on_seal: drop}, docket: {kind: docket, on_seal: {redact: []}}}
"""
    rows = f"arrest;docket;name\n{A};1;a\n{B};N/A;Zo\u00eb\n(null);17;c\n{C};wrong;d\n;;e\n"
    world = department(tmp_path, {}, source)
    world.write("raw/arrests.csv", rows.encode("cp1252"))
    assert world.strip().code == 0
    clean = (world / "clean/arrests.csv").read_bytes().decode("cp1252").splitlines()
    assert clean[1:] == [f"{B};N/A;Zo\u00eb", "(null);17;c", ";;e"]
    world.amend("sealing.yaml", "malformed: drop", "malformed: error")
    outcome = world.strip()
    assert outcome.code == COULD_NOT_CHECK
    assert "1 cell(s) do not fit the kind docket" in outcome.told
