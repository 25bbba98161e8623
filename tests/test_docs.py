"""The documents: their examples run, their links lead somewhere, and nothing that users can set or meet is left out."""

from __future__ import annotations

import ast
import contextlib
import hashlib
import io
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import click
import pytest
import yaml
from pydantic import BaseModel

from sanitizers import errors
from sanitizers.cli import cli, run
from sanitizers.engine.forms import Reading
from sanitizers.identifiers import Kinds
from sanitizers.policy import Policy

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "docs" / "example"
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "sealing-yaml.md").read_text(encoding="utf-8")
PAGES = sorted(
    path for pattern in ("*.md", "docs/**/*.md", "pipelines/**/*.md", "bench/*.md") for path in ROOT.glob(pattern)
)
NEVER = [r"no sealed records?\b", r"compl(y|ies|iant|iance) with the order", r"never happened", r"certif"]


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    line: int


def blocks(text: str) -> list[Block]:
    found = re.finditer(r"^```(\w*)[^\n]*\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [Block(one[1], one[2], text[: one.start()].count("\n") + 2) for one in found]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# -- blocks that run --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "adopting.md"], ids=name_of)
def test_code_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, in one copy of docs/example: Python in one namespace, commands in this process.

    docs/adopting.md is about whole repositories: tests/pipelines/test_adoption.py runs it.
    """
    text = page.read_text(encoding="utf-8")
    shutil.copytree(EXAMPLE, tmp_path / "example")
    monkeypatch.chdir(tmp_path / "example")
    for variable in ("SEALPROOF_KEY", "SEALPROOF_KEY_FILE"):
        monkeypatch.delenv(variable, raising=False)
    namespace: dict[str, Any] = {"__name__": "example"}
    for block in blocks(text):
        if block.language == "python":
            padded = "\n" * (block.line - 1) + block.text
            exec(compile(padded, str(page), "exec"), namespace)  # noqa: S102 - the page's own example
        elif block.language == "sh":
            for line in block.text.replace("\\\n", " ").splitlines():
                with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                    _shell(shlex.split(line, comments=True))
        else:
            assert block.language in ("yaml", "text"), f"line {block.line}: say what it is"


def _shell(words: list[str]) -> None:
    if words[:1] == ["sealproof"]:
        assert run(words[1:]) == 0, f"failed: {' '.join(words)}"
    elif words[:1] == ["make"]:
        targets = re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        named = [word for word in words[1:] if "=" not in word]
        assert set(named) <= set(targets), f"no such target: {' '.join(words)}"
    elif words:
        program = words[0].removeprefix(".venv/bin/")
        assert program in ("git", "cd", "pytest", "python", "ruff", "mypy"), f"not run and not known: {' '.join(words)}"


def test_the_readme_has_a_python_example_of_ten_lines() -> None:
    code = next(block for block in blocks(README) if "sanitizers.strip" in block.text)
    assert "from sanitizers.strip import strip" in code.text
    assert len([line for line in code.text.splitlines() if line.strip()]) <= 10


# -- links and words --------------------------------------------------------------------------------------------------


def heading_anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path) if path else page
        if not file.exists() or (anchor and anchor not in heading_anchors(file.read_text(encoding="utf-8"))):
            dead.append(target)
    assert not dead


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_claims_what_the_gate_cannot_say(page: Path) -> None:
    said = [words for words in NEVER if re.search(words, page.read_text(encoding="utf-8"), flags=re.IGNORECASE)]
    assert not said


# -- commands ---------------------------------------------------------------------------------------------------------


def commands(group: click.Group = cli, path: tuple[str, ...] = ("sealproof",)) -> Iterator[tuple[str, click.Command]]:
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join([*path, name]), command


ALL = dict(commands())


def options_of(command: click.Command) -> set[str]:
    return {opt for one in command.params if isinstance(one, click.Option) for opt in one.opts if opt.startswith("--")}


def section(text: str, heading: str) -> str:
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, flags=re.MULTILINE | re.DOTALL)
    assert found, f"no section `{heading}`"
    return found[1]


@pytest.mark.parametrize("name", ALL)
def test_every_command_and_option_is_documented(name: str) -> None:
    own = section(COMMANDS, name)
    rows = set(re.findall(r"^\| `(--[a-z-]+)`", own, flags=re.MULTILINE))
    assert rows == options_of(ALL[name])
    assert f"`{name}`" in README


def test_every_command_that_a_page_names_exists() -> None:
    groups = {name.rpartition(" ")[0] for name in ALL} - {"sealproof"}
    for page in PAGES:
        for named in re.findall(r"(?<![\w/-])sealproof((?: [a-z]+)+)", _code(page.read_text(encoding="utf-8"))):
            words = ("sealproof" + named).split()
            known = " ".join(words[:3]) in ALL or " ".join(words[:2]) in ALL or " ".join(words) in groups
            assert known, f"{name_of(page)}: {' '.join(words)}"


def test_every_option_that_a_page_names_exists() -> None:
    known = {"--help", "--version"}.union(*(options_of(command) for command in ALL.values()))
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "SECURITY.md"):
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", _code(page.read_text(encoding="utf-8"))))
        assert named <= known, f"{name_of(page)}: {sorted(named - known)}"


def _code(text: str) -> str:
    """What a page sets as code: fenced blocks of commands, and inline."""
    fenced = [block.text for block in blocks(text) if block.language == "sh"]
    rest = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*fenced, *re.findall(r"`([^`\n]+)`", rest)])


def test_every_exit_code_is_documented() -> None:
    names = ("CLEAN", "CONTAMINATED", "USAGE", "COULD_NOT_CHECK", "NOTHING_CHECKED", "INTERRUPTED")
    rows = re.findall(r"^\| ([0-9]+) \|", section(README, "Commands and exit codes"), flags=re.MULTILINE)
    assert [int(row) for row in rows] == [getattr(errors, name) for name in names]


# -- settings ---------------------------------------------------------------------------------------------------------


def models_of(kind: Any) -> set[type[BaseModel]]:
    """Models inside a type, and inside these."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {kind}.union(*(models_of(one.annotation) for one in kind.model_fields.values()))
    return set().union(*(models_of(inner) for inner in get_args(kind)))


def choices_of(kind: Any) -> set[str]:
    if get_origin(kind) is Literal:
        return {str(choice) for choice in get_args(kind)}
    return set().union(*(choices_of(inner) for inner in get_args(kind)))


SETTINGS = [
    (model.__name__, field.alias or name, field.annotation)
    for model in sorted(models_of(Policy), key=lambda one: one.__name__)
    for name, field in model.model_fields.items()
    if not field.exclude
]


@pytest.mark.parametrize(("model", "name", "kind"), SETTINGS, ids=[f"{model}.{name}" for model, name, _ in SETTINGS])
def test_every_setting_and_choice_stands_in_the_guide(model: str, name: str, kind: Any) -> None:
    words = {word for one in re.findall(r"`([^`\n]+)`", GUIDE) for word in [one, *one.split(": ")]}
    headings = set(re.findall(r"^#+ (\w+)$", GUIDE, flags=re.MULTILINE))
    assert name in words | headings, f"{model}.{name}"
    assert choices_of(kind) <= words
    used = {key for block in blocks(GUIDE) if block.language == "yaml" for key in _keys(yaml.safe_load(block.text))}
    assert name in used, f"{model}.{name} has no example"


def _keys(content: Any) -> set[str]:
    if isinstance(content, dict):
        return {str(key) for key in content}.union(*(_keys(value) for value in content.values()))
    return set()


def test_the_walk_over_the_models_finds_them_all() -> None:
    found = {model.__name__ for model in models_of(Policy)}
    assert {"Policy", "Register", "Source", "Reading", "Column", "Redaction", "Text", "Feature", "Output"} <= found
    assert {"Asked", "Named", "Gate"} <= found
    assert ("Policy", "register", Policy.model_fields["register_"].annotation) in SETTINGS
    assert models_of(list[Reading] | None) == {Reading}


GUIDE_BLOCKS = [block for block in blocks(GUIDE) if block.language == "yaml"]


@pytest.mark.parametrize("block", GUIDE_BLOCKS, ids=lambda block: f"line {block.line}")
def test_the_guides_examples_are_policies(block: Block, tmp_path: Path) -> None:
    """A block that names its file is that file; any other is the whole policy with one thing changed."""
    files = {
        found[1]: other.text for other in GUIDE_BLOCKS if (found := re.match(r"# (\S+\.yaml)\n", other.text))
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    kinds = Kinds.load(tmp_path / "kinds.yaml")
    if re.match(r"# kinds\.yaml\n", block.text):
        return
    base = yaml.safe_load(files["sealing.yaml"])
    digest = hashlib.sha256(files["dept-base.yaml"].encode()).hexdigest()
    own = yaml.safe_load(block.text.replace("DIGEST", digest))
    (tmp_path / "sealing.yaml").write_text(yaml.safe_dump(_merged(base, own), sort_keys=False), encoding="utf-8")
    policy = Policy.load(tmp_path / "sealing.yaml")
    policy.against(kinds)


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """`own` laid over `base`, but a column's declaration is replaced whole."""
    merged = dict(base)
    for key, value in own.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict) and "kind" not in value
        merged[key] = _merged(merged[key], value) if both else value
    return merged


# -- the real example -------------------------------------------------------------------------------------------------


def test_the_suffolk_page_explains_every_figure() -> None:
    folder = ROOT / "pipelines" / "examples" / "suffolk"
    tree = ast.parse((folder / "summary.py").read_text(encoding="utf-8"))
    assigned = {node.targets[0].id: node.value for node in ast.walk(tree)
                if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)}  # fmt: skip
    figures = [ast.literal_eval(key) for key in assigned["summary"].keys]
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z_]+)` \|", page, flags=re.MULTILINE) == figures
    digest = re.search(r"SUFFOLK_SHA256 := ([0-9a-f]{64})", (ROOT / "Makefile").read_text())
    assert digest
    assert digest[1] in page


def test_the_licence_is_the_apache_licence() -> None:
    text = (ROOT / "LICENSE").read_bytes()
    assert hashlib.sha256(text).hexdigest() == "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"
