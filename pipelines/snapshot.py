"""Stage: remember the links that raw sources hold, and write the snapshot of the day."""

from pipelines.settings import Settings
from sanitizers.keeper import take_snapshot


def main() -> None:
    """Write the snapshot; its bytes change only when the barred set does."""
    settings = Settings.read()
    register, key, out = settings.path("register"), settings.key, settings.snapshot_path
    take_snapshot(register, settings.policy, kinds=settings.kinds, key=key, as_of=settings.as_of, out=out)


if __name__ == "__main__":
    main()
