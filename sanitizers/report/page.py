"""Render the report: one HTML file without scripts, without anything from the network, the same bytes each time."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from sanitizers.policy import Policy
from sanitizers.publish import replace_file
from sanitizers.report.figure import draw
from sanitizers.report.summary import summarise
from sanitizers.strip.receipt import Count, SourceCounts

SHORT = 12


def build_report(
    *,
    title: str,
    receipt: Path,
    verdict: Path,
    out: Path,
    chain: Sequence[Path] = (),
    figures: Mapping[str, Any] | None = None,
    figures_note: str = "",
    model: Mapping[str, Any] | None = None,
    policy: Policy | None = None,
) -> Path:
    """Write the report on one strip, one verdict and what was made in between.

    Parameters
    ----------
    title
        What the report is about.
    receipt
        The public ``receipt.json`` of a strip.
    verdict
        The verdict that the gate wrote.
    out
        The page to write; replaced in one step. Its folder is made if needed.
    chain
        The ``chain.json`` files of the steps between the strip and what was judged.
    figures, figures_note
        Headline numbers, a name and a value each, and where they come from.
    model
        The model's metrics; nested ones are shown as one level.
    policy
        The policy: lets the report say which cells are emptied, what is passed over and what outputs do.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    SourceFailure
        Receipt, verdict or a chain file cannot be read as what it should be.
    PublishFailure
        The page cannot be written; an older one still stands.
    """
    summary = summarise(
        title=title,
        receipt=receipt,
        verdict=verdict,
        chain=chain,
        figures=figures,
        figures_note=figures_note,
        model=model,
        policy=policy,
    )
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"told": told, "short": short, "rows_in": rows_in, "share": share, "soft": soft}
    page = environment.get_template("page.html.j2").render(s=summary, figure=draw(summary))
    replace_file(out, page.encode(), marks=[b"<!DOCTYPE html>", b"sealproof"])
    return out


def told(value: Any) -> str:
    """Write a number as people read it.

    Examples
    --------
    >>> told(1234567), told(0.93125), told("under 5"), told(None)
    ('1,234,567', '0.931', 'under 5', 'not computed')
    """
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return "not computed"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"


def short(sha: str | None) -> str:
    """Shorten a digest; the page shows the whole one where it can be copied."""
    return f"{sha[:SHORT]}…" if sha else "none"


def soft(text: str) -> Markup:
    """Let a long name break after its joints, so that tables fit on paper.

    Examples
    --------
    >>> str(soft("a_b.<c>"))
    'a_<wbr>b.<wbr>&lt;c&gt;'
    """
    return Markup(re.sub(r"([_./])(?=.)", r"\1<wbr>", str(escape(text))))  # noqa: S704 - escaped before


def rows_in(counts: SourceCounts) -> str:
    """Rows of a raw source. Where the exact number is withheld, it is what was kept and a little more."""
    exact = isinstance(counts.rows_in, int)
    return told(counts.rows_in) if exact else f"{told(counts.rows_kept)} + {counts.rows_dropped}"


def share(part: Count, whole: Count) -> str:
    """Tell a part in per cent of the whole; empty where either is withheld or nothing.

    Examples
    --------
    >>> share(1, 8), share("under 5", 8), share(0, 8)
    ('12.5 %', '', '')
    """
    return f"{part / whole:.1%}".replace("%", " %") if isinstance(part, int) and isinstance(whole, int) and part else ""
