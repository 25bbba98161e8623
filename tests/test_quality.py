"""Lint and types: ruff over everything, mypy in strict mode over what is packaged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=600, check=False
    )


def test_ruff_finds_nothing() -> None:
    ended = run("ruff", "check", "--no-cache", "--output-format", "concise", ".")
    assert ended.returncode == 0, ended.stdout


def test_mypy_finds_nothing() -> None:
    ended = run("mypy")
    assert ended.returncode == 0, ended.stdout
