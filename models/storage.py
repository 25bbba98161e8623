"""Models as files: equal models give equal bytes, and no code runs on load.

The format is skops', made canonical. As skops writes it, a file differs from run to run: memory addresses serve as
object ids and as names of arrays, and every entry carries the time of day. Here ids are left out (skops needs them only
to share objects), arrays are named after their content, and entries stand in order under one date, uncompressed.

Loading builds the types listed below and nothing else, which is much less than skops trusts by itself. It then checks
the links between tree nodes: scikit-learn follows them unchecked (see `skops.io.exceptions.UNTRUSTED_TYPE_REASONS`).
"""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import skops.io
from sklearn.ensemble import RandomForestClassifier

from models.errors import StoredModelError
from models.features import FEATURES
from models.linkage import PatternModel
from models.recidivism import LabelModel

TRUSTED = (  # beyond what skops trusts by itself
    "models.features.Encoder",
    "models.linkage.CrimeModel",
    "models.linkage.Params",
    "models.linkage.PatternModel",
    "models.recidivism.LabelModel",
    "sklearn.tree._tree.Tree",
)
TYPES = frozenset(TRUSTED) | {
    *("builtins.dict", "builtins.list", "builtins.str", "builtins.tuple", "numpy.int64", "numpy.ndarray"),
    "sklearn.ensemble._forest.RandomForestClassifier",
    "sklearn.tree._classes.DecisionTreeClassifier",
}
LOADERS = frozenset(f"{kind}Node" for kind in ("Dict", "Json", "List", "NdArray", "Object", "Tree", "Tuple", "Type"))
SCHEMA = "schema.json"
FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def save(model: PatternModel | LabelModel, path: Path) -> None:
    """Write a model; equal models give equal bytes, in any process."""
    with zipfile.ZipFile(io.BytesIO(skops.io.dumps(model))) as archive:
        arrays = {name: _unpadded(archive.read(name)) for name in archive.namelist() if name != SCHEMA}
        schema = archive.read(SCHEMA)
    names = {name: f"{hashlib.sha256(content).hexdigest()}.npy" for name, content in arrays.items()}

    def canonical(node: dict[str, Any]) -> dict[str, Any]:
        node.pop("__id__", None)
        return node | {"file": names[node["file"]]} if isinstance(node.get("file"), str) else node

    entries = {names[name]: content for name, content in arrays.items()}
    entries[SCHEMA] = json.dumps(json.loads(schema, object_hook=canonical)).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(entries):
            entry = zipfile.ZipInfo(name, FIXED_DATE)
            entry.create_system = 3  # the same on every platform
            archive.writestr(entry, entries[name])
    path.write_bytes(buffer.getvalue())


def load(path: Path) -> PatternModel | LabelModel:
    """Read a model.

    Raises
    ------
    StoredModelError
        If the file is damaged, asks for a type that is not listed here, or holds a tree that leads out of itself.
    """
    data = path.read_bytes()
    try:
        _audit(data)
        model: PatternModel | LabelModel = skops.io.loads(data, trusted=TRUSTED)
        sound = all(_sound(forest, width) for forest, width in _forests(model))
    except (
        zipfile.BadZipFile,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        EOFError,
        RuntimeError,
    ) as exc:
        sound, kind = False, type(exc).__name__
    else:
        kind = "a tree leads out of itself"
    if not sound:
        raise StoredModelError(f"{path.name}: damaged, or not a stored model ({kind}); train it again")
    return model


def _unpadded(content: bytes) -> bytes:
    """Zero the gaps between the fields of a stored array: numpy leaves in them whatever memory held before."""
    array = np.load(io.BytesIO(content), allow_pickle=False)
    if array.dtype.names is None:
        return content
    clean, buffer = np.zeros(array.shape, array.dtype), io.BytesIO()
    for name in array.dtype.names:
        clean[name] = array[name]
    np.save(buffer, clean)
    return buffer.getvalue()


def _audit(data: bytes) -> None:
    """Refuse a file that names anything but the listed types and loaders, before anything is built."""
    strange: set[str] = set()

    def note(node: dict[str, Any]) -> dict[str, Any]:
        if "__loader__" in node:
            name = f"{node['__module__']}.{node['__class__']}"
            strange.update({name} - TYPES, {str(node["__loader__"])} - LOADERS)
        return node

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        json.loads(archive.read(SCHEMA), object_hook=note)
    if strange:
        raise StoredModelError(f"stored model: asks for {', '.join(sorted(strange))}, which no model here is made of")


def _forests(model: object) -> Iterator[tuple[RandomForestClassifier, int]]:
    """Yield each forest with the number of features that it may read."""
    if isinstance(model, LabelModel):
        yield model.forest, len(model.columns)
    elif isinstance(model, PatternModel):
        for of_type in model.types.values():
            yield of_type.forest, len(FEATURES)
    else:
        raise TypeError


def _sound(forest: RandomForestClassifier, width: int) -> bool:
    """Tell whether every tree reads only features that exist, and whether its links lead onward and stay inside."""
    return forest.n_features_in_ == width and all(_links_hold(tree.tree_, width) for tree in forest.estimators_)


def _links_hold(tree: Any, width: int) -> bool:
    if not 0 < tree.node_count <= tree.capacity or tree.n_features != width:
        return False  # the arrays below would reach beyond the memory of the tree
    inner = np.flatnonzero(tree.children_left != -1)
    children = np.stack([tree.children_left[inner], tree.children_right[inner]])
    onward = (children > inner) & (children < tree.node_count)
    feature = tree.feature[inner]
    return bool(onward.all() and (feature >= 0).all() and (feature < width).all())
