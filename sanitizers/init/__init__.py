"""Init: what somebody else's repository lacks to keep sealed arrests out, as a diff; written only when asked for.

What stands in the repository is read and never overwritten: text files are extended, and where a thing of the same name
is there already, it is left and told. What is told from names and from a sample of cells is marked as a guess.
"""

from __future__ import annotations

from pathlib import Path

from sanitizers.init.diff import Change, Proposed
from sanitizers.init.ignoring import ignored
from sanitizers.init.old import legacy_of
from sanitizers.init.pipeline import CI, ci, params, stages
from sanitizers.init.policy import Drafted, drafted
from sanitizers.init.raw import raw_sources
from sanitizers.init.repository import KINDS, LEGACY, POLICY, Repository

__all__ = ["Change", "Proposed", "propose"]


def propose(root: Path, raw: Path | None = None) -> Proposed:
    """Everything that a repository lacks.

    Parameters
    ----------
    root
        The top folder of a git and DVC repository.
    raw
        The folder of the raw files; looked for if None.

    Raises
    ------
    ConfigurationError
        No git or DVC repository, a file of it that cannot be read as what it should be, or raw files that lie at its
        top.
    SourceFailure
        A raw file that cannot be read.
    NothingChecked
        No raw files, only pointers to them, or none with a column that looks like an identifier.
    """
    repository = Repository.read(root.resolve())
    known = repository.policy.raw_folder if repository.policy and repository.policy.raw else None
    found = raw_sources(repository, raw or known)
    made = drafted(repository, found)
    legacy = legacy_of(repository, found.folder)
    changes = [
        *_new(repository, made, legacy.text),
        *stages(repository, found.folder),
        *params(repository, found.folder),
        *ignored(repository, found.folder),
        *ci(repository),
    ]
    notes = [*found.notes, *repository.told_of_tracked(found), *made.notes, *legacy.notes]
    notes += [f"{name} is there already: left as it is" for name in (KINDS, POLICY, LEGACY, CI) if repository.has(name)]
    notes += [note for change in changes for note in change.notes]
    return Proposed(repository.root, tuple(change for change in changes if change.changes), tuple(notes))


def _new(repository: Repository, made: Drafted, legacy: str) -> list[Change]:
    """Files that are written whole or not at all."""
    texts = {KINDS: made.kinds, POLICY: made.policy, LEGACY: legacy}
    return [Change.new(name, text) for name, text in texts.items() if text and not repository.has(name)]
