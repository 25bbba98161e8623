"""``python -m sanitizers``: the command."""

from sanitizers.cli import main

main()
