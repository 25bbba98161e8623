"""Who may import whom: downward only, inside functions too; heavy libraries only where they are used."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = ("sanitizers", "models", "pipelines")
TOWER = (
    "errors", "documents", "patterns", "identifiers", "digest", "publish", "engine", "register", "policy", "trace",
    "strip", "queries", "spark_sql", "features", "outputs", "scan", "check", "evidence", "verdict", "legacy", "gate", "keeper", "prove", "integrations", "lineage",
    "init", "report", "cli", "__main__",
)  # fmt: skip
# A policy tells how raw files are written, in the words of engine/forms.py; the rest of the engine is not its business.
LOWER_ROOMS_SEEN_IN_PART = {"policy": {"engine": {"sanitizers.engine.forms"}}}
HEAVY = {"pandas", "sklearn", "mlflow", "dvc", "great_expectations", "plotly", "jinja2"}
HEAVY_ROOMS = {"integrations", "report"}
NOT_FOR_HELP = {"duckdb", "pyarrow", "polars", "pandas", "ibis"}


@dataclass(frozen=True)
class Import:
    """One import of one module, by its full name."""

    path: Path
    line: int
    module: str
    top_level: bool

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line} imports {self.module}"


def for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def imports_of(path: Path) -> Iterator[Import]:
    def walk(node: ast.AST, *, top_level: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(path, node.lineno, name.name, top_level) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = path.relative_to(ROOT).parts[: -node.level]
                base = ".".join([*package, *([base] if base else [])])
            yield from (Import(path, node.lineno, f"{base}.{name.name}", top_level) for name in node.names)
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            if for_types_only(node) and child in node.body:  # type: ignore[attr-defined]
                continue
            yield from walk(child, top_level=top_level and not inside)

    yield from walk(ast.parse(path.read_text(encoding="utf-8")), top_level=True)


def modules(floor: str) -> list[Path]:
    return sorted(path for path in (ROOT / floor).rglob("*.py") if "__pycache__" not in path.parts)


def imports(floor: str) -> list[Import]:
    return [one for path in modules(floor) for one in imports_of(path)]


def room(module: str) -> str:
    return module.split(".")[1] if module.count(".") else ""


def own_room(path: Path) -> str:
    return path.relative_to(ROOT / "sanitizers").parts[0].removesuffix(".py")


def told(wrong: list[Import]) -> str:
    return "\n".join(str(one) for one in wrong)


@pytest.mark.parametrize("floor", FLOORS)
def test_a_floor_imports_only_floors_below(floor: str) -> None:
    above = FLOORS[FLOORS.index(floor) + 1 :]
    wrong = [one for one in imports(floor) if one.module.split(".")[0] in above]
    assert not wrong, told(wrong)


def test_the_city_knows_nothing_of_the_library() -> None:
    """The city's truth is known without sealproof, or it could not be held against it."""
    wrong = [one for one in imports("pipelines/city") if one.module.split(".")[0] in ("sanitizers", "models")]
    assert not wrong, told(wrong)


def test_every_room_has_its_place_in_the_tower() -> None:
    rooms = {own_room(path) for path in modules("sanitizers")} - {"__init__"}
    assert rooms <= set(TOWER), f"not in the tower: {sorted(rooms - set(TOWER))}"


def test_a_room_imports_only_rooms_above_it_in_the_list() -> None:
    wrong = []
    for one in imports("sanitizers"):
        here, there = own_room(one.path), room(one.module)
        if not one.module.startswith("sanitizers.") or here == there:
            continue
        if here == "__init__" or there not in TOWER or TOWER.index(there) > TOWER.index(here):
            wrong.append(one)
    assert not wrong, told(wrong)


def test_a_room_that_sees_another_in_part_sees_that_part_only() -> None:
    wrong = [
        one
        for one in imports("sanitizers")
        for there, allowed in LOWER_ROOMS_SEEN_IN_PART.get(own_room(one.path), {}).items()
        if room(one.module) == there and not any(one.module.startswith(f"{module}.") for module in allowed)
    ]
    assert not wrong, told(wrong)


def test_no_module_needs_itself() -> None:
    """No cycle between modules, whether the import stands at the top or in a function."""
    names = {}
    for floor in FLOORS:
        for path in modules(floor):
            names[".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")] = path
    needs = {
        name: {target for one in imports_of(path) for target in (one.module, one.module.rpartition(".")[0])
               if target in names and target != name and not _package_of_itself(one, name, target)}
        for name, path in names.items()
    }  # fmt: skip
    tuple(TopologicalSorter(needs).static_order())


def _package_of_itself(one: Import, name: str, target: str) -> bool:
    """`from sanitizers import digest` names the package on the way to a module; only the module is needed."""
    return name.startswith(f"{target}.") or one.module.startswith(f"{target}.") and target in FLOORS


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    wrong = [
        one
        for one in imports("sanitizers")
        if one.top_level and one.module.split(".")[0] in HEAVY and own_room(one.path) not in HEAVY_ROOMS
    ]
    assert not wrong, told(wrong)


def test_help_imports_no_engine() -> None:
    program = (
        "import sys; from sanitizers import cli; code = cli.run(['--help']);"
        f"print(sorted({NOT_FOR_HELP!r} & sys.modules.keys()), file=sys.stderr); sys.exit(code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (ended.returncode, ended.stderr.strip()) == (0, "[]")


@pytest.mark.parametrize(
    ("source", "module", "top_level"),
    [
        ("import pandas as pd", "pandas", True),
        ("def f():\n    from sanitizers import cli", "sanitizers.cli", False),
        ("class A:\n    import plotly", "plotly", True),
        ("try:\n    import dvc\nexcept ImportError:\n    pass", "dvc", True),
        ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import x\nelse:\n    import mlflow", "mlflow", True),
    ],
)
def test_imports_are_seen_wherever_they_stand(tmp_path: Path, source: str, module: str, top_level: bool) -> None:
    (tmp_path / "one.py").write_text(source)
    found = {(one.module, one.top_level) for one in imports_of(tmp_path / "one.py")}
    assert (module, top_level) in found
    assert "x" not in {name for name, _ in found}
