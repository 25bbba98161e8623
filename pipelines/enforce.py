"""Stage, the last: return the verdict's exit code."""

import sys

from pipelines.settings import Settings
from sanitizers.verdict import Said


def main() -> None:
    """Exit with the code of the verdict."""
    said = Said.read(Settings.read().build / "verdict.json")
    print(said.verdict, file=sys.stderr)
    sys.exit(said.exit_code)


if __name__ == "__main__":
    main()
