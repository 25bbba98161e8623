"""Stage: the report, one page that needs no network."""

import json
from typing import Any

from pipelines.settings import Settings
from sanitizers.report import build_report


def main() -> None:
    """Write the report from receipt, verdict, chains and measures."""
    settings = Settings.read()
    build, block = settings.build, settings.stage("report")
    figures: dict[str, Any] = {}
    for name in block.get("figures", []):
        figures |= json.loads((build / name).read_text(encoding="utf-8"))
    build_report(
        title=block["title"],
        receipt=build / "clean" / "receipt.json",
        verdict=build / "verdict.json",
        out=build / "report.html",
        chain=sorted(build.glob("*/chain.json")),
        figures=figures or None,
        figures_note=block.get("note", ""),
        model=json.loads((build / "metrics" / "train.json").read_text(encoding="utf-8")),
        policy=settings.policy,
    )


if __name__ == "__main__":
    main()
