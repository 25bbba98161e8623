"""Stage: strip the raw sources into clean ones."""

from pipelines.settings import Settings
from sanitizers.cli import progress_bars
from sanitizers.keeper import strip_with_register


def main() -> None:
    """Publish the clean sources with receipt and roster; the exact counts stay with the keeper."""
    settings = Settings.read()
    with progress_bars() as progress:
        strip_with_register(
            settings.policy,
            snapshot=settings.snapshot_path,
            key=settings.key,
            register=settings.path("register"),
            out=settings.build / "clean",
            keeper=settings.path("key").parent / "strip",
            progress=progress,
        )


if __name__ == "__main__":
    main()
