"""The report in a real browser, offline, and what it must and must not say."""

import json
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import sync_playwright

from sanitizers.errors import PublishFailure, SourceFailure
from sanitizers.policy import Policy
from sanitizers.report import build_report
from sanitizers.report.figure import draw, outcomes
from sanitizers.report.summary import summarise
from sanitizers.strip.receipt import Receipt, SourceCounts

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
BASIS = "statutes as read for this test; not legal advice"
CLEAN = "Holds nothing barred for the purpose “predictive-model” under the rules “us-ny”"
FORBIDDEN = ["no sealed record", "complies", "never happened", "certif"]
POLICY = """
version: 1
rules: us-ny
purpose: predictive-model
register: {snapshot: x.snap}
sources:
  complaints:
    path: raw/complaints.parquet
    primary_key: complaint_number
    columns:
      cleared_by: {kind: arrest_number, on_seal: {redact: [suspect_age], set: {status: OPEN}}}
    text: {narrative: {mentions: [arrest_number], on_seal: sentence}}
    not_identifiers: {booked: a date}
features: {grid: {stage: featurize}}
outputs:
  candidates: {columns: {candidate: {kind: complaint_number, on_seal: drop, on_touched: keep_redacted}}}
gate: {ignore: {"models/*.png": plots}}
"""


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def column(kind: str, on_seal: str, rows: int, **by_link: int) -> dict:
    return {"kind": kind, "on_seal": on_seal, "rows": rows, "by_link": by_link}


RECEIPT = Receipt(
    policy=digest("policy"),
    purpose="predictive-model",
    rules="us-ny",
    basis=BASIS,
    snapshot=digest("snapshot"),
    key_fingerprint="8c09aad5029868fe",
    kinds=digest("kinds"),
    sources={
        "arrests": SourceCounts(4100, 3300, 800, {"arrest_number": column("arrest_number", "drop", 800)}, {}, {}),
        "photos": SourceCounts(2004, 2001, 3, {"photo_number": column("photo_number", "drop", 3, photos=3)}, {}, {}),
        "complaints": SourceCounts(
            9000, 9000, 0, {"cleared_by": column("arrest_number", "redact", 620)}, {"narrative": 41}, {"cleared_by": 17}
        ),
    },
    files={name: digest(name) for name in ("arrests.parquet", "photos.csv", "complaints.parquet", "roster.arrow")},
).public()
STEPS = [
    ("features", ["arrests.parquet", "complaints.parquet"], ["pairs.parquet"]),
    ("labels", ["complaints.parquet"], ["labels.parquet"]),
    ("train", ["pairs.parquet", "labels.parquet", "params.yaml"], ["model.skops"]),
    ("candidates", ["model.skops", "pairs.parquet"], ["candidates.parquet"]),
]


def target(path: str, verdict: str, decided_by: str, *findings: dict, reason: str = "") -> dict:
    told = {"path": path, "sha256": digest(path), "verdict": verdict, "decided_by": decided_by}
    return {**told, "findings": list(findings), "reason": reason}


VERDICT = {
    "format": 1,
    "verdict": "clean",
    "exit_code": 0,
    "claim": "holds nothing barred for predictive-model under us-ny",
    "purpose": "predictive-model",
    "rules": "us-ny",
    "basis": BASIS,
    "policy": digest("policy"),
    "snapshot": digest("snapshot"),
    "as_of": "2019-12-31",
    "known_at": "2020-01-07",
    "last_delivery": "2020-01-05",
    "key_fingerprint": None,
    "targets": [
        target("arrests.parquet", "clean", "identifiers compared"),
        target("model.skops", "clean", "chain"),
        target("notes.docx", "not checked", "nothing", reason="no reader for this kind of file"),
    ],
    "not_barred": {"CPL 160.57": 1044, "CPL 160.59": "under 5"},
    "warnings": ["The register is 2 days old."],
}
RED = VERDICT | {
    "verdict": "contaminated",
    "claim": "holds records that are barred",
    "targets": [
        target(
            "labels.parquet",
            "contaminated",
            "identifiers compared",
            {"column": "a", "kind": "complaint_number", "count": 12, "expected": 0.003},
        )
    ],
}


@dataclass(frozen=True)
class Files:
    """A receipt, a verdict and a chain on disk."""

    folder: Path

    def write(self, verdict: dict = VERDICT, receipt: Receipt = RECEIPT, steps: list = STEPS) -> dict:
        (self.folder / "receipt.json").write_text(receipt.to_json())
        (self.folder / "verdict.json").write_text(json.dumps(verdict))
        chain = []
        for made_by, inputs, outputs in steps:
            path = self.folder / f"{made_by}.json"
            files = {"inputs": inputs, "outputs": outputs}
            told = {side: {name: digest(name) for name in names} for side, names in files.items()}
            path.write_text(json.dumps({"format": 1, "made_by": made_by, **told}))
            chain.append(path)
        return {"receipt": self.folder / "receipt.json", "verdict": self.folder / "verdict.json", "chain": chain}

    def page(self, **also: object) -> Path:
        files = {} if "receipt" in also else self.write()
        given = {"title": "Pattern model <of> a city", **files, **also}
        return build_report(out=self.folder / "out" / "report.html", **given)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


@pytest.fixture
def policy(tmp_path: Path) -> Policy:
    path = tmp_path / "sealing.yaml"
    path.write_text(POLICY)
    return Policy.load(path)


@pytest.fixture(scope="module")
def chromium():
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield browser
        browser.close()


def test_the_page_opens_offline_with_headline_tables_and_figure(chromium, files, policy):
    figures, model = {"arrests sealed": 800, "share": 0.195}, {"auc": {"burglary": 0.931}}
    path = files.page(policy=policy, figures=figures, model=model)
    asked, said = [], []
    page = chromium.new_page()

    def only_the_page(route):
        asked.append(route.request.url)
        route.continue_() if route.request.url == path.as_uri() else route.abort()

    page.route("**/*", only_the_page)
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(path.as_uri(), wait_until="networkidle")

    assert page.locator("h1").inner_text() == "Pattern model <of> a city"
    assert page.locator("#verdict strong").inner_text() == CLEAN
    rows = {name: page.locator(f"#{name} tbody tr").count() for name in ("sources", "reached", "targets", "chain")}
    assert rows == {"sources": 3, "reached": 3 + 4, "targets": 3, "chain": 4}
    drawn = page.locator("#flow svg").bounding_box()
    assert drawn["width"] > 500
    assert drawn["height"] > 150
    assert page.locator("#flow rect").count() == 3 + 2 + 1 + 4
    assert page.locator("#flow path.dropped").first.bounding_box()["width"] > 0
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.locator("script").count() == 0
    assert asked == [path.as_uri()]
    assert said == []
    page.close()


def test_the_page_prints_on_letter_paper(chromium, files):
    page = chromium.new_page()
    page.goto(files.page().as_uri())
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 695, "height": 950})  # Letter without its margins
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.evaluate("[...document.querySelectorAll('.scroll')].every(box => box.scrollWidth <= box.clientWidth)")
    assert page.locator("#verdict").is_visible()
    assert len(page.pdf(format="Letter")) > 10_000
    page.close()


def test_the_page_says_what_was_checked_and_what_was_not(files, policy):
    page = files.page(policy=policy, figures={"arrests sealed": 800}, figures_note="From Boston.")
    text = page.read_text().replace("<wbr>", "")
    for said in [
        CLEAN, BASIS, "2019-12-31", "2020-01-07", "2020-01-05", digest("policy"), digest("snapshot"), "From Boston.",
        digest("model.skops"), "2,001 + under 5", "emptied: cleared_by, suspect_age; status set to OPEN", "1,044",
        "Names that stand in a text without a number are not found", "no statement of law", "relative to one policy",
        "no reader for this kind of file", "params.yaml</b>, read by train", "models/*.png", "complaints.booked",
        "clean by lineage", "may lead to the live record behind it", "The register is 2 days old.", "sentence removed",
        "from outside this chain",
    ]:  # fmt: skip
        assert said in text, said
    for never in FORBIDDEN:
        assert never not in text.lower(), never


def test_only_a_clean_verdict_claims_anything(files):
    red = files.page(**files.write(RED)).read_text()
    assert "Holds records that are barred for the purpose “predictive-model”" in red
    assert "barred records</text>" in red
    for word in ("could not check", "nothing checked"):
        page = files.page(**files.write(VERDICT | {"verdict": word, "targets": [], "claim": "none"})).read_text()
        assert "this report makes no claim" in page
        assert "holds nothing barred" not in page.lower()


def test_files_that_do_not_belong_together_are_told(files):
    given = files.write(VERDICT | {"snapshot": digest("another"), "policy": digest("other")})
    text = files.page(**given).read_text()
    assert "did not use the same snapshot" in text
    assert "did not use the same policy" in text
    assert "did not use the same purpose" not in text


def test_equal_input_gives_equal_bytes(files):
    assert files.page().read_bytes() == files.page().read_bytes()


def test_the_page_stays_small(files):
    assert files.page().stat().st_size < 100_000


@pytest.mark.parametrize("broken", ["receipt", "verdict", "chain"])
def test_a_file_that_is_something_else_is_refused_and_the_old_page_stands(files, broken):
    old = files.page().read_bytes()
    given = files.write()
    path = given[broken][0] if broken == "chain" else given[broken]
    path.write_text('{"format": 2}')
    with pytest.raises(SourceFailure, match="of this release"):
        build_report(title="x", out=files.folder / "out" / "report.html", **given)
    assert (files.folder / "out" / "report.html").read_bytes() == old


def test_a_page_that_cannot_be_written_says_so(files):
    (files.folder / "taken").write_text("")
    with pytest.raises(PublishFailure, match="cannot be written"):
        build_report(title="x", out=files.folder / "taken" / "report.html", **files.write())


def test_the_figure_draws_bands_in_proportion_and_lines_past_boxes(files):
    given = files.write()
    summary = summarise(title="x", figures=None, figures_note="", model=None, policy=None, **given)
    figure = draw(summary)
    boxes = {box.name: box for box in figure.boxes}
    assert boxes["dropped"].note == "800 + under 5 rows"
    assert boxes["kept"].flow / boxes["dropped"].flow == pytest.approx(14301 / 800, rel=0.15)
    assert boxes["features"].x == boxes["labels"].x < boxes["train"].x < boxes["candidates"].x
    assert boxes["features > candidates"].kind == "waypoint"
    assert sum(band.title == "candidates read what features wrote" for band in figure.bands) == 3


def test_rows_that_lost_cells_are_a_way_of_their_own_where_the_receipt_counts_them():
    counts = SimpleNamespace(rows_kept=90, rows_dropped=10, rows_changed=20)
    assert list(outcomes(counts).values()) == [70, 20, 10]
    withheld = SimpleNamespace(rows_kept=90, rows_dropped=10, rows_changed="under 5")
    assert list(outcomes(withheld).values()) == [90, "under 5", 10]


def test_a_strip_without_any_drop_and_without_a_chain_still_draws(files):
    quiet = replace(RECEIPT, sources={"complaints": SourceCounts(9, 9, 0, {}, {}, {})})
    text = files.page(**files.write(VERDICT, quiet, [])).read_text()
    assert "no chain files were given" in text
    assert ">0 rows</text>" in text
