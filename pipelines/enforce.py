"""Stage, the last: return the verdict's exit code."""

import json
import sys

from pipelines.settings import Settings


def main() -> None:
    """Exit with the code of the verdict."""
    verdict = json.loads((Settings.read().build / "verdict.json").read_text(encoding="utf-8"))
    print(verdict["verdict"], file=sys.stderr)
    sys.exit(verdict["exit_code"])


if __name__ == "__main__":
    main()
