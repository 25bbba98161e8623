"""Raw files: where they lie, how they are written, and which of them are one source."""

from __future__ import annotations

import codecs
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from sanitizers.documents import maybe_cell, other_delimiter
from sanitizers.engine.forms import SOURCE_FORMS, RawFile, Reading, files_of
from sanitizers.engine.lines import Keys
from sanitizers.errors import ConfigurationError, Fault, Faults, NothingChecked, SealproofError, SourceFailure, gathered
from sanitizers.init.repository import Repository, walk
from sanitizers.scan.sample import sample

# Cells that say "nothing here", as systems write it; whatever else a column holds is not looked at as a word.
MISSING = (
    "N/A", "n/a", "NA", "#N/A", "NULL", "null", "(null)", "None", "none", "NONE", "nan", "NaN", "-", "--", ".", "?",
    "UNKNOWN", "Unknown", "unknown", "UNK", "missing",
)  # fmt: skip
OTHER = {
    ".tsv", ".xlsx", ".xls", ".json", ".db", ".sqlite", ".sqlite3", ".duckdb", ".feather", ".arrow", ".txt", ".xml",
    ".dta", ".sas7bdat", ".sav", ".rds", ".gz", ".zip",
}  # fmt: skip
_USUAL = ("data", "input", "inputs")
_STORES = ("mlruns", "mlartifacts")
_BYTES = 1 << 24
_LFS = b"version https://git-lfs"


@dataclass(frozen=True)
class Found:
    """Raw files that are one source.

    Parameters
    ----------
    pattern
        Their path, relative to the raw folder.
    rows
        A sample of them.
    """

    name: str
    pattern: str
    files: tuple[RawFile, ...]
    rows: pa.Table

    @property
    def reading(self) -> Reading:
        """How they are written."""
        return self.files[0].reading


@dataclass(frozen=True)
class RawSources:
    """The raw folder and the sources in it."""

    folder: Path
    sources: tuple[Found, ...]
    notes: tuple[str, ...]

    @property
    def files(self) -> Iterator[RawFile]:
        """All raw files."""
        return (file for source in self.sources for file in source.files)


def raw_sources(repository: Repository, given: Path | None) -> RawSources:
    """Find the raw files of a repository, or of the folder that is given, and read what they are like.

    Raises
    ------
    SealproofError
        See `sanitizers.init.propose`.
    """
    here = [path for path in repository.files if _may_be_raw(repository, path)]
    folder = Path(os.path.normpath(Path.cwd().resolve() / given)) if given else _folder(repository, here)
    if not folder.is_dir():
        raise ConfigurationError(Fault("is no folder", "name the folder of the raw files", column="--raw"))
    faults = Faults()
    within = list(walk(folder, faults))
    faults.stop(SourceFailure)
    chosen = within if given else here
    here = [path for path in chosen if path.is_relative_to(folder) and path.suffix.lower() in SOURCE_FORMS]
    _stop_at_pointers(repository, folder, here)
    files = [file for path in here if (file := _read(folder, path, faults))]
    faults.stop(SourceFailure)
    sources = tuple(_grouped(folder, files, faults))
    faults.stop(SourceFailure)
    return RawSources(folder, sources, tuple(_unread(repository, within)))


def _may_be_raw(repository: Repository, path: Path) -> bool:
    within = path.relative_to(repository.root).parts
    made = repository.made(path) and "raw" not in map(str.lower, within)  # a stage may fetch what is raw
    return path.suffix.lower() in SOURCE_FORMS and not made and not set(within) & set(_STORES)


def _folder(repository: Repository, files: Sequence[Path]) -> Path:
    """The folder called ``raw``; else the one with what was added to DVC; else the usual one; else that of all."""
    root = repository.root
    if not files:
        if repository.pointers or any(path.suffix == ".dvc" for path in repository.files):
            raise NothingChecked(Fault("only pointers to raw files are here", "run `dvc pull` first", where=str(root)))
        remedy = "name their folder with --raw; they end in .csv, .parquet, .jsonl or .ndjson"
        raise NothingChecked(Fault("no raw files are here", remedy, where=str(root)))
    named = {folder for path in files for folder in path.parents if folder.name.lower() == "raw" and folder != root}
    named = {folder for folder in named if folder.is_relative_to(root)}
    if named:
        return min(named, key=lambda folder: (len(folder.parts), str(folder)))
    added = [path for path in files if any(out.holds(path) for out in repository.outs)]
    usual = [path for path in files if path.relative_to(root).parts[0].lower() in _USUAL]
    folder = Path(os.path.commonpath([path.parent for path in added or usual or files]))
    if folder == root:
        remedy = "move them into a folder of their own, or name it with --raw"
        raise ConfigurationError(Fault("raw files lie at the top of the repository", remedy, where=str(root)))
    return folder


def _stop_at_pointers(repository: Repository, folder: Path, here: Sequence[Path]) -> None:
    lfs = [path for path in here if _starts(path, _LFS)]
    away = [out.path for out in repository.pointers if out.path and _near(out.path, folder)]
    real = len(here) - len(lfs)
    problems = [Fault("only a pointer is here", "pull the data first", where=str(path)) for path in [*lfs, *away]]
    if problems:
        raise (SourceFailure if real else NothingChecked)(*problems)
    if not real:
        problem = "holds no .csv, .parquet, .jsonl or .ndjson file"
        raise NothingChecked(Fault(problem, "name the folder of the raw files", where=str(folder), column="--raw"))


def _near(path: Path, folder: Path) -> bool:
    return path.is_relative_to(folder) or folder.is_relative_to(path)


def _starts(path: Path, mark: bytes) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(mark)) == mark
    except OSError:
        return False  # told by what reads it


def _unread(repository: Repository, files: Sequence[Path]) -> Iterator[str]:
    """Files of the raw folder in forms that no source has."""
    for path in (path for path in files if path.suffix.lower() in OTHER):
        database = path.suffix.lower() in (".db", ".sqlite", ".sqlite3", ".duckdb")
        remedy = "declare it under `databases`" if database else "convert it to CSV or Parquet"
        yield f"{repository.name_of(path)} is not read, and no source of the policy; {remedy}"


# -- one file ---------------------------------------------------------------------------------------------------------


def _read(folder: Path, path: Path, faults: Faults) -> RawFile | None:
    """A raw file that can be read as what it is; a fault if it cannot."""
    with gathered(faults):
        lines = SOURCE_FORMS[path.suffix.lower()] == "lines"
        file = RawFile(path, path.relative_to(folder).as_posix(), _reading(path), Keys((path,)) if lines else None)
        names = file.schema.names
        if 2 * sum(map(maybe_cell, names)) > len(names):
            problem = "its first line holds cells: the header is missing"
            raise SourceFailure(Fault(problem, "write the names of the columns there", where=str(path), line=1))
        return file
    return None


def _reading(path: Path) -> Reading:
    """How a CSV file is written, told from its start; other forms say it themselves."""
    if SOURCE_FORMS[path.suffix.lower()] != "csv":
        return Reading()
    problem = ""
    try:
        with path.open("rb") as stream:
            start = stream.read(_BYTES)
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    if problem:
        raise SourceFailure(Fault(problem, "ask for access, or move it out of the raw folder", where=str(path)))
    reading = Reading(encoding=_encoding(start))
    other = other_delimiter(RawFile(path, path.name, reading).csv_schema.names)
    return reading.model_copy(update={"delimiter": other or reading.delimiter})


def _encoding(start: bytes) -> str:
    r"""Encoding of a text by its start.

    Examples
    --------
    >>> [_encoding("Peña".encode(name)) for name in ("utf-8", "cp1252")], _encoding(b"\x81")
    (['utf-8', 'cp1252'], 'latin-1')
    """
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for name in ("utf-8", "cp1252"):
        try:
            codecs.getincrementaldecoder(name)().decode(start)
        except UnicodeDecodeError:
            continue
        return name
    return "latin-1"


# -- which files are one source ---------------------------------------------------------------------------------------


def _grouped(folder: Path, files: Sequence[RawFile], faults: Faults) -> Iterator[Found]:
    """Files that differ in the digits of their paths only, and have the same columns, are one source."""
    alike: dict[tuple[str, tuple[str, ...]], list[RawFile]] = defaultdict(list)
    for file in files:
        names = () if file.form == "lines" else tuple(file.schema.names)
        alike[(re.sub(r"[0-9]+", "*", file.name), names)].append(file)
    taken: set[str] = set()
    for (pattern, _), own in alike.items():
        whole = len(own) > 1 and _named(folder, pattern, own)
        for pieces, path in [(own, pattern)] if whole else [([file], file.name) for file in own]:
            name = _name(path, taken)
            taken.add(name)
            with gathered(faults):
                yield Found(name, path, tuple(pieces), sample(pieces))


def _named(folder: Path, pattern: str, files: Sequence[RawFile]) -> bool:
    """Whether a pattern names just these files, written in one way."""
    try:
        found = files_of(pattern, files[0].reading, folder=folder, root=folder)
    except SealproofError:
        return False
    alike = len({file.reading for file in files}) == 1
    return alike and {file.path for file in found} == {file.path for file in files}


def _name(path: str, taken: set[str]) -> str:
    """A source's name, from its path.

    Examples
    --------
    >>> _name("2019/Arrests-*.parquet", set()), _name("day=*/part-*.parquet", set()), _name("b/x.csv", {"x"})
    ('arrests', 'day', 'b_x')
    """
    parts = [re.sub(r"[^a-z]+", "_", part.lower()).strip("_") for part in Path(path).with_suffix("").parts]
    said = [part for part in parts if part and part not in ("part", "data", "export", "raw")] or ["source"]
    for count in range(1, len(said) + 1):
        name = "_".join(said[-count:])
        if name not in taken:
            return name
    return next(name for number in range(2, len(taken) + 3) if (name := f"{said[-1]}_{number}") not in taken)
