"""Mutation testing of `identifiers`, `trace`, `strip` and `features`: `make mutants`, see ``README.md``.

Every function is there in all its mutants at once (mutmut's trampolines), in a copy below ``build/mutants``; a process
is forked for each mutant, in which the tests that reach the function run until one fails.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import os
import platform
import random
import re
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

ROOT, HERE = Path(__file__).parents[2], Path(__file__).parent
OUT = ROOT / "build" / "mutants"
TRIED = OUT / "tried.jsonl"
SEED, SAMPLE, FEWEST = 1, 1200, 10
PATIENCE = 900  # seconds until mutmut ends a process; `warm.py` ends endless ones by their own time, whatever else runs
# Functions that run while modules are imported, before the fork: each of their mutants has a process of its own.
AT_IMPORT = ("identifiers._pairs_of_digits", "identifiers._octets", "identifiers._digits", "queries._words")
# Files in which a fixture does work for all tests: what it reaches is known of the first test only.
SHARED = ("tests/strip/test_files.py::",)
GONE = ("killed", "timeout", "segfault", "suspicious")


@dataclass(frozen=True)
class Mutant:
    """One mutant and what became of it.

    Parameters
    ----------
    function
        Module, class and function, without ``sanitizers``.
    was, becomes
        The lines that differ.
    """

    name: str
    function: str
    was: str
    becomes: str
    status: str
    reason: str = ""

    @property
    def module(self) -> str:
        parts = self.function.split(".")
        return "/".join(parts[:2]) if parts[0] == "strip" else parts[0]

    @property
    def key(self) -> str:
        return f"{self.function}: {self.was} → {self.becomes}"


def function_of(name: str) -> str:
    """`sanitizers.strip.edits.xǁEditǁat__mutmut_3` → `strip.edits.Edit.at`."""
    path, _, own = name.partition("__mutmut_")[0].removeprefix("sanitizers.").rpartition(".")
    return f"{path}.{own.removeprefix('x_').removeprefix('xǁ').replace('ǁ', '.')}"


def prepare() -> Path:
    """The folder in which mutmut works: its configuration, the library and the tests."""
    work, settings = OUT / "work", (HERE / "mutmut.toml").read_text(encoding="utf-8")
    known = work / "pyproject.toml"
    if not known.is_file() or known.read_text(encoding="utf-8") != settings:  # mutants are made anew
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        for name in ("sanitizers", "tests"):
            (work / name).symlink_to(ROOT / name)
        known.write_text(settings, encoding="utf-8")
    shutil.rmtree(work / "mutants/tests", ignore_errors=True)
    return work


def chosen(names: Iterable[str], most: int | None, seed: int) -> list[str]:
    """A sample, stratified by module: as many of each as its share, but no fewer than `FEWEST`."""
    modules: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        modules[name.rpartition(".")[0]].append(name)
    total = sum(map(len, modules.values()))
    chance = random.Random(seed)
    found = []
    for own in modules.values():
        count = len(own) if most is None else max(FEWEST, math.ceil(most * len(own) / total))
        found += own if count >= len(own) else chance.sample(own, count)
    return found


def source_of(name: str) -> str:
    """SHA-256 of the module that a mutant is one of."""
    path = ROOT / Path(*name.rpartition(".")[0].split(".")).with_suffix(".py")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def known() -> dict[str, str]:
    """What became of the mutants that were tried before, of modules that are the same as then."""
    lines = TRIED.read_text(encoding="utf-8").splitlines() if TRIED.is_file() else []
    now: dict[str, str] = {}
    found = {}
    for name, status, source in map(json.loads, lines):
        module = name.rpartition(".")[0]
        now[module] = now.get(module) or source_of(name)
        if now[module] == source:
            found[name] = status
    return found


def settle(name: str, status: str) -> None:
    """Keep what became of a mutant, so that a run that is ended can be taken up again."""
    with TRIED.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps([name, status, source_of(name)]) + "\n")
    if status not in GONE:
        print(f"  {status}: {name}", flush=True)


def tried(names: Sequence[str], jobs: int) -> dict[str, str]:
    """What becomes of each mutant."""
    from mutmut.mutation.trampoline import set_mutant_under_test
    from mutmut.state import state
    from mutmut.stats import status_by_exit_code
    from mutmut.utils.format_utils import mangled_name_from_mutant_name
    from mutmut.workers.isolation import get_mutant_runner

    runner = get_mutant_runner(jobs)
    set_mutant_under_test("stats")
    began = time.monotonic()
    if runner.collect_stats([]):
        raise SystemExit("the tests fail without any mutant")
    took = sum(state().duration_by_test.values())
    print(f"{len(state().duration_by_test)} tests take {took:.1f} s ({time.monotonic() - began:.1f} s with imports)")
    set_mutant_under_test("")
    found: dict[str, str] = {}
    at_import = [name for name in names if function_of(name) in AT_IMPORT]
    waiting = [name for name in names if name not in set(at_import)]
    runner.startup()

    def take() -> None:
        result = runner.wait_for_result()
        found[result.mutant_name] = status_by_exit_code[result.exit_code]
        settle(result.mutant_name, found[result.mutant_name])
        if len(found) % 50 == 0:
            lived = sum(status not in GONE for status in found.values())
            print(f"{len(found)} of {len(names)}, {lived} survived, {time.monotonic() - began:.0f} s", flush=True)

    try:
        for name in waiting:
            while not runner.has_capacity():
                take()
            tests = state().tests_by_mangled_function_name.get(mangled_name_from_mutant_name(name), set())
            shared = tuple(file for file in SHARED if any(test.startswith(file) for test in tests))
            tests |= {test for test in state().duration_by_test if test.startswith(shared)} if shared else set()
            runner.submit(name, sorted(tests, key=lambda test: state().duration_by_test[test]), 2 * PATIENCE, 0)
        runner.signal_work_complete()
        while runner.pending_count():
            take()
    finally:
        runner.shutdown()
    for name in at_import:
        found[name] = apart(name)
        settle(name, found[name])
    return found


def apart(name: str) -> str:
    """What becomes of a mutant of a function that runs at import."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-c", "pyproject.toml", "tests/identifiers/test_small_forms.py",
               "tests/test_small_features.py"]  # fmt: skip
    same = {**os.environ, "MUTANT_UNDER_TEST": name, "PYTHONPATH": "."}
    ended = subprocess.run(command, cwd="mutants", env=same, capture_output=True, check=False, timeout=600)
    return "survived" if ended.returncode == 0 else "killed"


def difference(name: str, path: Path) -> tuple[str, str]:
    """The lines that a mutant changes, before and after."""
    from mutmut.mutation.diff_apply import get_diff_for_mutant

    lines = get_diff_for_mutant(name, path=path).splitlines()
    kept = [line for line in lines if not line.startswith(("---", "+++", "@@"))]
    was, becomes = (" ".join(line[1:].strip() for line in kept if line.startswith(sign)) for sign in "-+")
    return was, becomes


def seen_as(name: str, status: str, path: Path, reasons: Mapping[str, Sequence[str]]) -> Mutant:
    """A mutant as it is told: of one that survived what it changes, and why it may live where anybody has said."""
    was, becomes = difference(name, path) if status not in GONE else ("", "")
    mutant = Mutant(name, function_of(name), was, becomes, status)
    why = next((why for why, keys in reasons.items() if status not in GONE and mutant.key in keys), "")
    return replace(mutant, reason=why)


def load_reasons() -> dict[str, list[str]]:
    """Reason → keys of survivors, from ``survivors.md``: a heading for each reason, a line of code for each mutant."""
    reasons: dict[str, list[str]] = {}
    why = ""
    for line in (HERE / "survivors.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            why = line.removeprefix("## ")
        elif found := re.fullmatch(r"- ``? ?(.+?) ?``?", line):
            reasons.setdefault(why, []).append(found[1])
    return reasons


def table(mutants: Sequence[Mutant], made: Mapping[str, int]) -> str:
    """Figures for each module, in Markdown."""
    head = "| Module | Mutants | Tried | Killed | of them endless | Survived | without a reason |\n" + "| --- " + "| ---: " * 6 + "|\n"

    def row(name: str, own: Sequence[Mutant], total: int) -> str:
        count = Counter(mutant.status for mutant in own)
        killed = sum(count[status] for status in GONE)
        lived = [mutant for mutant in own if mutant.status not in GONE]
        open_ = sum(not mutant.reason for mutant in lived)
        share = f"{killed} ({killed / len(own):.1%})"
        return f"| {name} | {total} | {len(own)} | {share} | {count['timeout']} | {len(lived)} | {open_} |\n"

    modules = sorted({mutant.module for mutant in mutants})
    rows = [row(f"`{name}`", [mutant for mutant in mutants if mutant.module == name], made[name]) for name in modules]
    return head + "".join(rows) + row("all", mutants, sum(made.values()))


def listed(mutants: Iterable[Mutant]) -> str:
    """Survivors by reason, in Markdown."""
    by_reason: dict[str, list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        if mutant.status not in GONE:
            by_reason[mutant.reason or "No reason found yet"].append(mutant)
    text = ""
    for why, own in sorted(by_reason.items()):
        text += f"\n### {why} ({len(own)})\n\n" + "".join(f"- `` {mutant.key} ``\n" for mutant in own)
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="every mutant, not a sample")
    parser.add_argument("--sample", type=int, default=SAMPLE)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--only", default="*", help="functions, as `strip.edits.*`")
    parser.add_argument("--again", action="store_true", help="take up the last run: what was killed, or lives for a reason, is spared where its module is the same")
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    began = time.monotonic()
    os.chdir(prepare())
    from mutmut.__main__ import create_mutants
    from mutmut.mutation.data import SourceFileMutationData
    from mutmut.utils.file_utils import copy_also_copy_files, copy_src_dir, setup_source_paths, walk_mutatable_files

    Path("mutants").mkdir(exist_ok=True)
    copy_src_dir()
    copy_also_copy_files()
    setup_source_paths()
    create_mutants(given.jobs)
    path_of: dict[str, Path] = {}
    for path in walk_mutatable_files():
        own = SourceFileMutationData(path=path)
        own.load()
        path_of |= dict.fromkeys(own.exit_code_by_key, path)
    every = [name for name in path_of if fnmatch(function_of(name), given.only)]
    names = chosen(every, None if given.all else given.sample, given.seed)
    if not given.again:
        TRIED.unlink(missing_ok=True)
    before, reasons = known(), load_reasons()
    # Killed ones, and survivors that have their reason, are not tried again.
    seen = {name: seen_as(name, before[name], path_of[name], reasons) for name in names if name in before}
    spared = {name: before[name] for name, mutant in seen.items() if mutant.status in GONE or mutant.reason}
    print(f"{len(every)} mutants, {len(names) - len(spared)} to try", flush=True)
    # In any order, so that a run that is ended early has tried some of every module; what was never tried first.
    left = [name for name in names if name not in spared]
    random.Random(given.seed).shuffle(left)
    status = spared | tried(sorted(left, key=lambda name: name in before), given.jobs)
    mutants = [seen_as(name, status[name], path_of[name], reasons) for name in sorted(names)]
    made = Counter(Mutant(name, function_of(name), "", "", "").module for name in every)
    minutes = (time.monotonic() - began) / 60
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = (used.ru_utime + used.ru_stime) / 60
    told = {
        "mutmut": version("mutmut"), "python": platform.python_version(), "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "jobs": given.jobs, "seed": None if given.all else given.seed, "minutes": round(minutes, 1), "busy_minutes": round(busy, 1), "made": dict(made),
        "mutants": [asdict(mutant) for mutant in mutants],
    }  # fmt: skip
    (OUT / "mutants.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    how = "every mutant" if given.all else f"a sample stratified by module, seed {given.seed}"
    text = f"{how}; {minutes:.0f} minutes, {busy:.0f} of processor time, {given.jobs} at a time, Python {told['python']}, mutmut {told['mutmut']}\n\n"
    text += table(mutants, made) + listed(mutants)
    (OUT / "mutants.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
