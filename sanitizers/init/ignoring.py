"""What git and DVC have to pass over."""

from __future__ import annotations

from pathlib import Path

from sanitizers.init.diff import Change, extended
from sanitizers.init.repository import OWN, Repository

_GIT = [f"/{OWN}/clean/*", f"!/{OWN}/clean/receipt.json", f"/{OWN}/.*.{OWN}/"]
_DVC = [f"/{OWN}/.*.{OWN}/", "__pycache__/", ".ipynb_checkpoints/"]


def ignored(repository: Repository, raw: Path) -> list[Change]:
    """Lines of ``.gitignore`` and ``.dvcignore`` that are not there yet.

    The raw folder is ignored too where neither git nor DVC knows a file of it: pointers in an ignored folder would be
    ignored with it.
    """
    known = any(out.holds(raw) or (out.path and out.path.is_relative_to(raw)) for out in repository.outs)
    within = raw.is_relative_to(repository.root) and raw != repository.root
    own = [f"/{repository.name_of(raw)}/"] if within and not known and not repository.in_git(raw) else []
    git = [*own, *_GIT, f"/{repository.snapshot}", f"/{repository.snapshot}.json"]
    return [_lacking(repository.root, ".gitignore", git), _lacking(repository.root, ".dvcignore", _DVC)]


def _lacking(root: Path, name: str, lines: list[str]) -> Change:
    path = root / name
    before = path.read_bytes() if path.exists() else None
    there = {line.strip() for line in (before or b"").decode("utf-8", "replace").splitlines()}
    new = [line for line in lines if line not in there]
    return Change(name, before, extended(before or b"", new) if new else before or b"")
