"""The example on the real file: its stages in a folder of its own, and its figures counted once more in plain Python.

Nothing read from the file stands in an assertion: what is compared is bound to a truth value or a count first.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
import re
import shutil
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Page, sync_playwright

from pipelines import features, filter_outputs, judge, report, snapshot, strip
from pipelines.examples.suffolk import summary, train
from sanitizers.identifiers import Key, Kinds
from sanitizers.register.feed import query_feed
from sanitizers.register.history import Register
from sanitizers.register.rules import Rules
from tests.pipelines.conftest import KEY, REPO
from tests.report.test_report import CHROMIUM, FLAGS

RAW = REPO / "../shared/data/suffolk/suff.csv"
HERE = Path("pipelines/examples/suffolk")
CLAIM = "Holds nothing barred for the purpose “predictive-model” under the rules “example”"

pytestmark = pytest.mark.skipif(not RAW.exists(), reason="suff.csv does not lie at ../shared/data/suffolk")

Case = tuple[str, str]  # person, day of filing


# -- the figures once more --------------------------------------------------------------------------------------------

NOT_A_WIN = {
    "Dismissed to Subsequent Indictment", "Dismissed for Agreed Plea", "Duplicate Charge", "Remanded To Clerks Hearing",
    "Remanded to District Court", "Dismissed Transfer to BJC", "Lack of Jurisdiction", "Dismissed Defendant Deceased",
    "Dismissed for Time Served in Custody",
}  # fmt: skip


def favourable(charge: dict[str, str]) -> bool:
    """Not prosecuted, no true bill, found not guilty, or dismissed for good."""
    ended, why = charge["Disposition"], charge["Description Disposition Reason"]
    if ended == "Dismissed":
        return why not in NOT_A_WIN
    if ended in ("Verdict - Jury Trial", "Verdict - Bench Trial"):
        return why in ("Not Guilty", "Directed Verdict Not Guilty")
    return ended in ("Nole Prosequi", "No True Bill")


def histories(cases: set[Case]) -> dict[Case, tuple[int, bool | None]]:
    """Per case, how many came before, and whether another follows within 730 days (None: too late to know)."""
    filed = defaultdict(list)
    for person, day in cases:
        filed[person].append(dt.date.fromisoformat(day))
    found: dict[Case, tuple[int, bool | None]] = {}
    for person, days in filed.items():
        for before, day in enumerate(sorted(days)):
            again = any(0 < (other - day).days <= 730 for other in days)
            found[person, str(day)] = before, again if day <= dt.date(2016, 12, 13) else None
    return found


@dataclass(frozen=True)
class Plain:
    """The raw file, read charge by charge."""

    charges: list[dict[str, str]]

    @cached_property
    def cases(self) -> dict[Case, bool]:
        """Every case, and whether all of its charges ended favourably."""
        won: dict[Case, bool] = {}
        for charge in self.charges:
            case = charge["Person ID"], charge["Filed"]
            won[case] = won.get(case, True) and favourable(charge)
        return won

    @property
    def sealed(self) -> set[Case]:
        return {case for case, won in self.cases.items() if won}

    def figures(self) -> dict[str, int]:
        cases, kept = set(self.cases), set(self.cases) - self.sealed
        before, after = histories(cases), histories(kept)
        return {
            "charges_in": len(self.charges),
            "charges_kept": sum((charge["Person ID"], charge["Filed"]) in kept for charge in self.charges),
            "cases_in": len(cases),
            "cases_kept": len(kept),
            "cases_sealed": len(self.sealed),
            "persons_in": len({person for person, _ in cases}),
            "persons_kept": len({person for person, _ in kept}),
            "cases_with_changed_prior_cases": sum(before[case][0] != after[case][0] for case in kept),
            "labels_flipped": sum(before[case][1] != after[case][1] for case in kept),
        }


@pytest.fixture(scope="module")
def plain() -> Plain:
    with RAW.open(encoding="utf-8", newline="") as stream:
        return Plain(list(csv.DictReader(stream)))


# -- the example ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the example's stages on the real file, in a folder laid out like the repository."""
    folder = tmp_path_factory.mktemp("suffolk")
    build = folder / "build/suffolk"
    shutil.copytree(REPO / HERE, folder / HERE, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("raw", "keeper"):
        (build / name).mkdir(parents=True)
    (build / "raw/suff.csv").symlink_to(RAW.resolve())
    (build / "keeper/key").write_text(KEY)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["stage", str(HERE / "params.yaml")])
        patch.delenv("SEALPROOF_KEY_FILE", raising=False)
        tables = {"charges": build / "raw/suff.csv", "favourable": HERE / "favourable.csv"}
        events = query_feed(HERE / "events.sql", tables)
        register = Register(build / "keeper/register", kinds=Kinds.load(HERE / "kinds.yaml"), key=Key(KEY))
        register.add(events, rules=Rules.find(str(HERE / "rules.yaml"), Path()), delivered_on=dt.date(2020, 1, 1))
        for stage in (snapshot, strip, features, train, filter_outputs, summary, judge, report):
            stage.main()
    return build


def test_counts_are_those_of_a_plain_count(build: Path, plain: Plain) -> None:
    told = json.loads((build / "summary.json").read_text())
    auc = told.pop("auc")
    assert len(told) == 9
    wrong = [name for name, count in plain.figures().items() if told[name] != count]
    assert wrong == []
    sensible = 0.5 < auc["low"] < auc["value"] < auc["high"] < 1
    assert sensible


def test_area_under_the_curve_is_that_of_the_drawn_curve(build: Path) -> None:
    curve = pd.read_csv(build / "plots/roc.csv").sort_values(["false_positive_rate", "true_positive_rate"])
    x, y = curve["false_positive_rate"].tolist(), curve["true_positive_rate"].tolist()
    area = sum((x[i + 1] - x[i]) * (y[i + 1] + y[i]) / 2 for i in range(len(x) - 1))
    auc = json.loads((build / "summary.json").read_text())["auc"]["value"]
    near = abs(area - auc) < 0.01
    assert near


def test_verdict_is_clean_and_leaves_nothing_unchecked(build: Path) -> None:
    verdict = json.loads((build / "verdict.json").read_text())
    assert verdict["verdict"] == "clean"
    judged = {Path(target["path"]).name: target["verdict"] for target in verdict["targets"]}
    assert set(judged.values()) <= {"clean", "ignored"}
    data = ("suff.csv", "cases.parquet", "model.skops", "highest_scores.parquet")
    assert {judged[name] for name in data} == {"clean"}


def test_clean_file_holds_exactly_the_charges_of_cases_that_are_not_sealed(build: Path, plain: Plain) -> None:
    sealed = plain.sealed
    with (build / "clean/suff.csv").open(encoding="utf-8", newline="") as stream:
        clean = list(csv.DictReader(stream))
    expected = [charge for charge in plain.charges if (charge["Person ID"], charge["Filed"]) not in sealed]
    same = clean == expected
    assert same


@pytest.mark.parametrize(
    "name", ["features/cases.parquet", "scores/highest_scores.parquet", "outputs/highest_scores.parquet"]
)
def test_no_table_names_a_sealed_case(name: str, build: Path, plain: Plain) -> None:
    named = {tuple(case.split("|")) for case in pd.read_parquet(build / name)["case_id"]}
    unknown, leaked = len(named - set(plain.cases)), len(named & plain.sealed)
    assert (unknown, leaked) == (0, 0)
    assert len(named) >= 1000


def test_no_other_file_names_a_person(build: Path, plain: Plain) -> None:
    """What is not a table says nothing about anybody."""
    files = [
        path
        for path in build.rglob("*")
        if path.is_file() and path.suffix not in (".parquet", ".csv") and not path.is_relative_to(build / "keeper")
    ]
    assert {path.name for path in files} >= {"report.html", "verdict.json", "receipt.json", "model.skops"}
    persons = {person for person, _ in plain.cases}
    leaked = sum(len(persons & named(path)) for path in files)
    assert leaked == 0
    found = len(persons & named(build / "raw/suff.csv"))
    assert found == len(persons)


def named(path: Path) -> set[str]:
    return set(re.findall(r"SF-[0-9]+", path.read_bytes().decode("utf-8", "ignore")))


@pytest.fixture(scope="module")
def page(build: Path) -> Iterator[Page]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = browser.new_page()
        page.goto((build / "report.html").as_uri())
        yield page
        browser.close()


def test_report_opens_and_shows_verdict_and_figures(build: Path, page: Page) -> None:
    assert page.locator("#verdict strong").inner_text() == CLAIM
    shown = page.locator("body").inner_text()
    told = json.loads((build / "summary.json").read_text())
    missing = [name for name, value in told.items() if name != "auc" and f"{value:,}" not in shown]
    assert missing == []
    auc_is_shown = f"{told['auc']['value']:.3f}" in shown
    assert auc_is_shown
