"""The pipeline: stages, parameters and CI jobs. All of them call the command, and nothing else of sealproof's."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from sanitizers.check.findings import yaml_line
from sanitizers.init.diff import Change, Standing
from sanitizers.init.repository import KINDS, LEGACY, OWN, PARAMS, PIPELINE, POLICY, Repository

CI = ".github/workflows/sealproof.yml"
CLEAN, VERDICT, REPORT = f"{OWN}/clean", f"{OWN}/verdict.json", f"{OWN}/report.html"
_RAW, _REGISTER, _AS_OF = (f"${{{OWN}.{name}}}" for name in ("raw", "register", "as_of"))
_LAST = f"{OWN}-enforce"
_HEAD = f"""\
Proposed by `sealproof init`: from raw files to a judged clean copy. Raw files are only read; nothing row-level enters
DVC's cache. A red verdict is written like a green one; {_LAST}, last, returns its code. The key is named by
SEALPROOF_KEY_FILE."""
_CI = f"""\
# Proposed by `sealproof init`. A pull request is checked without key and without data; the full run belongs on the
# keeper's own runner, and never on one that pull requests can start.
name: sealproof
on:
  pull_request:
  push:
    branches: [BRANCH]
permissions:
  contents: read
jobs:
  pull-request:
    if: github.event_name == 'pull_request'
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with: {{python-version: "3.11"}}
      - run: python -m pip install sealproof
      # 3: nothing was found, and the raw files are not here
      - run: sealproof policy check --kinds {KINDS} || test $? -eq 3
      # what was judged last on the keeper's runner, under this very policy
      - run: sealproof enforce {VERDICT}
  full:
    if: github.event_name == 'push'
    runs-on: [self-hosted, sealproof]  # guess: a protected runner that holds key, register and raw files
    environment: sealproof
    steps:
      - uses: actions/checkout@v4
        with: {{clean: false}}
      - run: dvc repro {_LAST}
        env:
          SEALPROOF_KEY_FILE: ${{{{ vars.SEALPROOF_KEY_FILE }}}}
"""


def ci(repository: Repository) -> list[Change]:
    """A workflow with two jobs."""
    if repository.has(CI):
        return []
    return [Change.new(CI, _CI.replace("BRANCH", _branch(repository.root)))]


def _branch(root: Path) -> str:
    try:
        head = (root / ".git" / "HEAD").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return "main"
    return head.removeprefix("ref: refs/heads/") if head.startswith("ref: refs/heads/") else "main"


def params(repository: Repository, raw: Path) -> list[Change]:
    """Where this machine has raw files and register: absolute, so that experiments in other folders find them too."""
    standing = Standing.of(repository.root, PARAMS)
    if OWN in standing.content:
        return [standing.left(f"{OWN} is there already in {PARAMS}: left as it is")]
    register = repository.root.parent / "keeper" / "register"
    own = {"raw": str(raw), "register": str(register), "as_of": "today"}
    guess = {"register": "  # guess: the keeper's own folder, outside of this repository", "as_of": "  # or a date"}
    lines = [f"{OWN}:", *(f"  {yaml_line(name, value)}{guess.get(name, '')}" for name, value in own.items())]
    return [standing.with_lines(lines, {**standing.content, OWN: own})]


# -- stages -----------------------------------------------------------------------------------------------------------


def stages(repository: Repository, raw: Path) -> list[Change]:
    """The stages that ``dvc.yaml`` lacks, put behind those that are there."""
    standing = Standing.of(repository.root, PIPELINE)
    known = standing.content.get("stages") or {}
    judged, unnamed = _judged(repository, raw)
    own = _proposed(repository.snapshot, judged)
    notes = [f"outs of stage {name} are told by DVC alone: name them in {OWN}-gate" for name in unnamed]
    notes += [f"stage {name} is there already in {PIPELINE}: left as it is" for name in own if name in known]
    new = {name: stage for name, stage in own.items() if name not in known}
    if not new:
        return [standing.left(*notes)]
    lines, places = _lines(standing.text, new)
    wanted = {**standing.content, "stages": {**known, **new}}
    tried = [standing.with_lines(lines, wanted, *notes, place=place) for place in places]
    return [next((change for change in tried if change.changes), tried[-1])]


def _judged(repository: Repository, raw: Path) -> tuple[list[str], list[str]]:
    """What the stages that are there make, as it is written there; and the stages of which that cannot be told."""
    made = [out for out in repository.outs if out.stage and not out.stage.startswith(f"{OWN}-")]
    known = [out.text for out in made if out.path and not _is_raw(out.path, raw)]
    unnamed = [out.stage for out in made if out.path is None]
    return list(dict.fromkeys(known)), list(dict.fromkeys(unnamed))


def _proposed(snapshot: str, judged: Sequence[str]) -> dict[str, dict[str, Any]]:
    uncached: dict[str, Any] = {"cache": False}
    named = " ".join([CLEAN, *(one if "${" in one else shlex.quote(one) for one in judged)])
    return {
        f"{OWN}-snapshot": {
            "cmd": f'sealproof register snapshot "{_REGISTER}" --kinds {KINDS} --raw "{_RAW}" --as-of {_AS_OF}',
            "always_changed": True,
            "deps": [KINDS, POLICY, _RAW],
            "outs": [{snapshot: uncached}, {f"{snapshot}.json": uncached}],
        },
        f"{OWN}-strip": {
            "cmd": f'sealproof strip --raw "{_RAW}" --register "{_REGISTER}" --out {CLEAN}',
            "deps": [POLICY, _RAW, snapshot],
            "outs": [{CLEAN: {**uncached, "persist": True}}],
        },
        f"{OWN}-gate": {
            "cmd": f"sealproof gate {named} --verdict {VERDICT} --exit-zero",
            "always_changed": True,
            "deps": [POLICY, LEGACY, snapshot, CLEAN, *judged],
            "outs": [{VERDICT: uncached}],
        },
        f"{OWN}-report": {
            "cmd": f"sealproof report --receipt {CLEAN}/receipt.json --verdict {VERDICT} --out {REPORT}",
            "deps": [POLICY, CLEAN, VERDICT],
            "outs": [REPORT],
        },
        _LAST: {"cmd": f"sealproof enforce {VERDICT}", "deps": [POLICY, VERDICT, REPORT]},
    }


def _is_raw(path: Path, raw: Path) -> bool:
    return path.is_relative_to(raw) or raw.is_relative_to(path)


def _lines(text: str, new: dict[str, dict[str, Any]]) -> tuple[list[str], list[int | None]]:
    """Lines with some more stages, and how many lines of the pipeline may stand before them, the likeliest first."""
    mapping = _stages_node(text)
    filled = isinstance(mapping, yaml.MappingNode) and mapping.value
    indent = " " * (mapping.value[0][0].start_mark.column if mapping and filled else 2)
    lines = [f"{indent}# {line}" for line in _HEAD.splitlines()]
    for name, stage in new.items():
        lines.append(f"{indent}{name}:")
        for key, value in stage.items():
            listed = key == "outs"
            lines.append(f"{indent}  {key}:" if listed else f"{indent}  {yaml_line(key, value)}")
            lines += [f"{indent}    - {_item(out)}" for out in value] if listed else []
    return (["stages:", *lines], [None]) if mapping is None else (lines, _behind(mapping, text))


def _item(out: str | dict[str, Any]) -> str:
    return out if isinstance(out, str) else yaml_line(*next(iter(out.items())))


def _stages_node(text: str) -> yaml.Node | None:
    root = yaml.compose(text, Loader=yaml.SafeLoader) if text.strip() else None
    pairs = root.value if isinstance(root, yaml.MappingNode) else []
    return next((value for key, value in pairs if key.value == "stages"), None)


def _behind(mapping: yaml.Node, text: str) -> list[int | None]:
    """Numbers of lines up to the end of a block: without what only stands before the next one, and with it.

    What looks like a comment may be the end of a long text.
    """
    whole = stop = mapping.end_mark.line + (mapping.end_mark.column > 0)
    lines = text.splitlines()
    while stop > mapping.start_mark.line + 1 and not lines[stop - 1].split("#")[0].strip():
        stop -= 1
    return [stop, whole]
