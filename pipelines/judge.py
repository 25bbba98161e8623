"""Stage: judge what the pipeline made. A red verdict is written like a green one; `enforce` returns its code."""

from pipelines.settings import Settings
from sanitizers.cli import progress_bars
from sanitizers.gate import judge


def main() -> None:
    """Write the verdict."""
    settings = Settings.read()
    targets = [settings.build / name for name in settings.stage("judge")["targets"]]
    with progress_bars() as progress:
        snapshot, key = settings.snapshot, settings.key
        verdict = judge(targets, policy=settings.policy, snapshot=snapshot, key=key, progress=progress)
    path = settings.build / "verdict.json"
    path.write_text(verdict.to_json(), encoding="utf-8")


if __name__ == "__main__":
    main()
