"""The repository: what stands in it, and which of it DVC tracks."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sanitizers.documents import parse_yaml, read_text
from sanitizers.errors import ConfigurationError, Fault, Faults, SourceFailure, gathered
from sanitizers.init.diff import Standing
from sanitizers.policy import Policy

if TYPE_CHECKING:
    from sanitizers.init.raw import RawSources

KINDS, POLICY, LEGACY = "kinds.yaml", "sealing.yaml", "legacy.yaml"
PIPELINE, PARAMS = "dvc.yaml", "params.yaml"
OWN = "sealproof"
SNAPSHOT = f"{OWN}/barred.snap"
_TEMPLATE = re.compile(r"\$\{([\w.\-]+)\}")
_SHOWN = 3


@dataclass(frozen=True)
class Out:
    """Something that DVC tracks.

    Parameters
    ----------
    text
        Its path as a stage of the top folder would name it.
    path
        Where it lies; None where only DVC could tell.
    by
        The ``.dvc`` file, or the pipeline file.
    stage
        Name of the stage that makes it; empty for what was added.
    cached
        Whether DVC keeps its bytes.
    """

    text: str
    path: Path | None
    by: str
    stage: str = ""
    cached: bool = True

    def holds(self, path: Path) -> bool:
        """Whether a file is it or lies in it."""
        return self.path is not None and path.is_relative_to(self.path)


@dataclass(frozen=True)
class Stage:
    """A stage of a pipeline that is there: what it reads, by path."""

    name: str
    by: str
    deps: tuple[Path, ...]


@dataclass(frozen=True)
class Repository:
    """A git and DVC repository.

    Parameters
    ----------
    root
        Its top folder, absolute.
    files
        All files but hidden ones, those of environments, and sealproof's own.
    outs
        What DVC tracks.
    stages
        The stages that are there.
    """

    root: Path
    files: tuple[Path, ...]
    outs: tuple[Out, ...]
    stages: tuple[Stage, ...]

    @classmethod
    def read(cls, root: Path) -> Repository:
        """Read what stands in a repository.

        Raises
        ------
        ConfigurationError
            It is none, or a file of DVC's in it is none.
        SourceFailure
            A folder of it may not be read.
        """
        faults = Faults()
        if not any((folder / ".git").exists() for folder in (root, *root.parents)):
            faults.say("is in no git repository", "run `git init`, or go to the top folder of one", where=str(root))
        if not (root / ".dvc").is_dir():
            faults.say("is no DVC repository", "run `dvc init`, or go to the top folder of one", where=str(root))
        faults.stop(ConfigurationError)
        files = tuple(walk(root, faults))
        faults.stop(SourceFailure)
        outs: list[Out] = []
        found: list[Stage] = []
        values = _values(root)
        for path in files:
            with gathered(faults):
                if path.suffix == ".dvc":
                    outs += _added(root, path)
                elif path.name == PIPELINE:
                    for stage, own in _stages(root, path, values):
                        found.append(stage)
                        outs += own
        faults.stop(ConfigurationError)
        return cls(root, files, tuple(outs), tuple(found))

    def has(self, name: str) -> bool:
        """Whether a file, or a link of that name, is there."""
        return os.path.lexists(self.root / name)

    @cached_property
    def policy(self) -> Policy | None:
        """The policy that is there.

        Raises
        ------
        ConfigurationError
            It is none.
        """
        return Policy.load(self.root / POLICY) if self.has(POLICY) else None

    @property
    def snapshot(self) -> str:
        """Path of the snapshot, as the policy has it."""
        return self.policy.register_.snapshot if self.policy else SNAPSHOT

    def name_of(self, path: Path) -> str:
        """A path as it is told: relative to the top folder, if it lies below."""
        return path.relative_to(self.root).as_posix() if path.is_relative_to(self.root) else str(path)

    def made(self, path: Path) -> bool:
        """Whether a stage makes a file."""
        return any(out.stage and out.holds(path) for out in self.outs)

    @cached_property
    def pointers(self) -> tuple[Out, ...]:
        """What was added to DVC and is not here."""
        return tuple(out for out in self.outs if not out.stage and out.path and not out.path.exists())

    @cached_property
    def remotes(self) -> tuple[str, ...]:
        """Names of DVC's remotes."""
        texts = [path.read_text("utf-8", "replace") for name in ("config", "config.local")
                 if (path := self.root / ".dvc" / name).is_file()]  # fmt: skip
        return tuple(dict.fromkeys(re.findall(r"""remote\s*\\?"([^"\\]+)""", "\n".join(texts))))

    def in_git(self, folder: Path) -> int:
        """How many files of a folder git tracks; 0 where git cannot be asked."""
        try:
            asked = subprocess.run(
                ["git", "-C", str(self.root), "ls-files", "-z", "--", str(folder)], capture_output=True, check=False
            )
        except OSError:
            return 0
        names = asked.stdout.split(b"\0") if not asked.returncode else []
        return sum(bool(name) and not name.endswith((b".dvc", b".gitignore")) for name in names)

    def told_of_tracked(self, raw: RawSources) -> Iterator[str]:
        """What has to be told of raw files that DVC or git keeps."""
        kept = [[out for out in self.outs if out.cached and out.holds(file.path)] for file in raw.files]
        held, by = sum(map(bool, kept)), dict.fromkeys(out.by for outs in kept for out in outs)
        if held:
            named = f" ({', '.join(self.remotes)})" if self.remotes else ""
            yield (
                f"{held} raw file(s) are tracked by DVC ({_some(list(by))}): their bytes are in its cache and in every "
                f"remote that they were pushed to{named}, and a strip does not change that; the keeper has to plan "
                "their end"
            )
        count = self.in_git(raw.folder) if raw.folder.is_relative_to(self.root) else 0
        if count:
            yield (
                f"{count} file(s) below {self.name_of(raw.folder)} are in git and its history, and a strip does not "
                "change that; the keeper has to plan their end"
            )
        for stage in self.stages:
            reads = [dep for dep in stage.deps if dep.is_relative_to(raw.folder) or raw.folder.is_relative_to(dep)]
            if reads and not stage.name.startswith(f"{OWN}-"):
                yield (
                    f"stage {stage.name} of {stage.by} reads raw files: let it read {OWN}/clean, where they have the "
                    "same names"
                )


def _some(names: list[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def walk(root: Path, faults: Faults) -> Iterator[Path]:
    """Files below a folder, sorted, but for hidden ones, environments and sealproof's own; loops are walked once."""
    seen = {os.path.realpath(root)}

    def closed(error: OSError) -> None:
        faults.say("may not be read: files in it would be left out", "ask for access", where=str(error.filename))

    for place, folders, names in os.walk(root, followlinks=True, onerror=closed):
        own = sorted(name for name in folders if not _passed_over(root, Path(place), name))
        new = [name for name in own if os.path.realpath(Path(place, name)) not in seen]
        seen.update(os.path.realpath(Path(place, name)) for name in new)
        folders[:] = new
        yield from (Path(place, name) for name in sorted(names) if not name.startswith("."))


def _passed_over(root: Path, place: Path, name: str) -> bool:
    own = place == root and name == OWN and not (place / name / "__init__.py").exists()
    dead = name.startswith(".") or name in ("__pycache__", "node_modules")
    return own or dead or (place / name / "pyvenv.cfg").exists()


# -- what DVC tracks --------------------------------------------------------------------------------------------------


def _added(root: Path, path: Path) -> Iterator[Out]:
    content = parse_yaml(read_text(path), _told(root, path))
    folder = path.parent / str(content.get("wdir") or "")
    for out in _listed(content.get("outs"), root, path):
        given = out if isinstance(out, dict) else {"path": out}
        place = _local(folder, str(given.get("path", "")))
        yield Out(_text(root, folder, str(given.get("path", ""))), place, _told(root, path), "", _is_kept(given))


def _stages(root: Path, path: Path, values: Mapping[str, str]) -> Iterator[tuple[Stage, list[Out]]]:
    told = _told(root, path)
    content = Standing.of(root, told).content
    stages = content.get("stages") or {}
    if not isinstance(stages, dict):
        remedy = "write `name: {cmd: …}`"
        raise ConfigurationError(Fault("is no mapping of stages", remedy, where=told, column="stages"))
    for name, given in stages.items():
        own = given.get("do", given) if isinstance(given, dict) else None
        if not isinstance(own, dict):
            remedy = "write `cmd: …` below it"
            raise ConfigurationError(Fault("is no stage", remedy, where=told, column=f"stages.{name}"))
        folder = path.parent / str(own.get("wdir") or "")
        deps = [_filled(str(dep), values) for dep in _listed(own.get("deps"), root, path)]
        places = tuple(place for dep in deps if dep and (place := _local(folder, dep)))
        outs = []
        for entry in [one for key in ("outs", "metrics", "plots") for one in _listed(own.get(key), root, path)]:
            named, settings = next(iter(entry.items())) if isinstance(entry, dict) and entry else (entry, {})
            filled = _filled(str(named), values)
            place = _local(folder, filled) if filled else None
            kept = _is_kept(settings if isinstance(settings, dict) else {})
            outs.append(Out(_text(root, folder, str(named)), place, told, str(name), kept))
        yield Stage(str(name), told, places), outs


def _listed(given: Any, root: Path, path: Path) -> list[Any]:
    if given is None:
        return []
    if isinstance(given, list):
        return given
    raise ConfigurationError(Fault("is no list of paths", "write `- path` lines", where=_told(root, path)))


def _is_kept(settings: Mapping[str, Any]) -> bool:
    return settings.get("cache", True) is not False


def _told(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def _text(root: Path, folder: Path, path: str) -> str:
    return path if Path(path).is_absolute() else os.path.relpath(folder / path, root)


def _local(folder: Path, path: str) -> Path | None:
    return None if not path or re.match(r"[a-z0-9]+://", path) else Path(os.path.normpath(folder / path))


def _values(root: Path) -> dict[str, str]:
    """Values of params.yaml by dotted name, with which stages may be written."""
    found: dict[str, str] = {}

    def take(content: Mapping[Any, Any], before: str) -> None:
        for name, value in content.items():
            if isinstance(value, dict):
                take(value, f"{before}{name}.")
            else:
                found[f"{before}{name}"] = str(value)

    take(Standing.of(root, PARAMS).content, "")
    return found


def _filled(text: str, values: Mapping[str, str]) -> str:
    """A path with its templates filled in; empty where one is not known."""
    names = _TEMPLATE.findall(text)
    known = all(name in values for name in names) and text.count("${") == len(names)
    return _TEMPLATE.sub(lambda found: values[found[1]], text) if known else ""
