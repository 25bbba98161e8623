"""Names: files and folders as they may be told; a name that holds a barred identifier is not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa

from sanitizers.identifiers import Key
from sanitizers.register.snapshot import Snapshot
from sanitizers.scan.columns import UNTOLD, Search

_DIGEST = re.compile(r"[0-9a-f]{30,}")


class Names:
    """The names of the files that a run looks at.

    Parameters
    ----------
    snapshot, key
        What is barred, and the key it was made with.
    """

    def __init__(self, snapshot: Snapshot, key: Key) -> None:
        self._snapshot, self._key = snapshot, key
        self._barred: dict[str, bool] = {}

    def learn(self, paths: Iterable[Path]) -> None:
        """Search all names of some paths together: where nothing is found, none is searched by itself."""
        self._sort(sorted({part for path in paths for part in path.parts} - self._barred.keys()))

    def _sort(self, names: list[str]) -> None:
        search = Search(self._snapshot, self._key)
        search.take(as_cells(names))
        found = bool(search.findings())
        if not found or len(names) == 1:
            self._barred.update(dict.fromkeys(names, found))
        else:
            half = len(names) // 2
            self._sort(names[:half])
            self._sort(names[half:])

    def told(self, path: Path) -> str:
        """A path without the names that hold barred identifiers."""
        self.learn([path])
        return str(Path(*(UNTOLD if self._barred[part] else part for part in path.parts)))


def as_cells(names: Iterable[str]) -> pa.RecordBatch:
    """Names as cells; digests, of which caches make names, hold no identifiers."""
    # A name may hold bytes that are no text.
    texts = [_DIGEST.sub(" ", name).encode("utf-8", "replace").decode() for name in names]
    return pa.record_batch({"name of the file": pa.array(texts, pa.string())})
