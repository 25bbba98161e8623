"""What a stage needs to know, from one ``params.yaml``: paths, and a block per stage.

A stage is run as ``python -m pipelines.<stage> [PARAMS]``; PARAMS is ``params.yaml`` unless another file is named.
Paths are relative to the folder that the command is run in.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from sanitizers.identifiers import Key, Kinds
from sanitizers.policy import Policy
from sanitizers.register.snapshot import Snapshot, load


@dataclass(frozen=True)
class Settings:
    """Settings of one pipeline.

    Parameters
    ----------
    params
        The content of ``params.yaml``.
    """

    params: dict[str, Any]

    @classmethod
    def read(cls) -> Settings:
        """Read the file that the command line names."""
        path = Path(sys.argv[1] if len(sys.argv) > 1 else "params.yaml")
        return cls(yaml.safe_load(path.read_text(encoding="utf-8")))

    def path(self, name: str) -> Path:
        """One of the paths of the block ``paths``."""
        return Path(self.params["paths"][name])

    def stage(self, name: str) -> dict[str, Any]:
        """The block of one stage."""
        return dict(self.params[name])

    @property
    def build(self) -> Path:
        """Folder of everything that the pipeline makes."""
        return self.path("build")

    @property
    def policy(self) -> Policy:
        """The policy."""
        return Policy.load(self.path("policy"), os.environ)

    @property
    def kinds(self) -> Kinds:
        """The register's kinds."""
        return Kinds.load(self.path("kinds"))

    @property
    def snapshot_path(self) -> Path:
        """Where the snapshot lies."""
        policy = self.policy
        return policy.resolve(policy.register_.snapshot)

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot."""
        return load(self.snapshot_path)

    @property
    def key_path(self) -> Path:
        """The key file: SEALPROOF_KEY_FILE, or the one in the keeper's folder."""
        return Path(os.environ.get("SEALPROOF_KEY_FILE", self.path("key")))

    @property
    def key(self) -> Key:
        """The key."""
        return Key.load(self.key_path)

    @property
    def as_of(self) -> date:
        """The day that seals are in force on; the clock is an input."""
        given = str(self.params["snapshot"]["as_of"])
        return date.today() if given == "today" else date.fromisoformat(given)  # noqa: DTZ011
