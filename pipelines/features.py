"""Stage: compute features from clean sources only."""

from pipelines.settings import Settings
from sanitizers.features import compute


def main() -> None:
    """Compute every SQL feature of the policy."""
    settings = Settings.read()
    compute(settings.policy, clean=settings.build / "clean", out=settings.build / "features")


if __name__ == "__main__":
    main()
