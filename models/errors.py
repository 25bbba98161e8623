"""What the reference models refuse, and the checks that refuse it.

```text
ModelError
├── InputError               a frame cannot be used as it is
│   └── MissingColumnError   a column that the model reads is not there
└── StoredModelError         a stored model is not one of ours, or is damaged
```
A message names frame, column and remedy, never a cell value.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd


class ModelError(Exception):
    """Root of every error that this package raises on purpose."""


class InputError(ModelError):
    """A frame cannot be used as it is."""


class MissingColumnError(InputError):
    """A column that the model reads is not there."""


class StoredModelError(ModelError):
    """A stored model is not one of ours, or is damaged."""


def require_columns(frame: pd.DataFrame, columns: Sequence[str], *, name: str) -> None:
    """Refuse a frame that lacks a column.

    Raises
    ------
    MissingColumnError
        Naming `name` and every column that is missing.
    """
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise MissingColumnError(f"{name}: missing column {', '.join(missing)}; add it to the query that builds {name}")


def numbers(column: pd.Series, *, name: str) -> np.ndarray:
    """Return a column as float64, null as NaN.

    Raises
    ------
    InputError
        If a cell is neither null nor a number.
    """
    values = pd.to_numeric(column, errors="coerce")
    if bool((values.isna() & column.notna()).any()):
        raise InputError(f"{name}.{column.name}: holds cells that are not numbers; cast it where {name} is built")
    return values.to_numpy(dtype=float, na_value=np.nan)
