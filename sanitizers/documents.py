"""Strict YAML documents: a key given twice, an unknown key or a wrong value is an error that names its line.

Everything that people write by hand (``kinds.yaml``, ``sealing.yaml``, rules files) is read here, once, into a frozen
model. Missing means strict; there is no lenient mode.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from sanitizers.errors import ConfigurationError, Fault, Faults

T = TypeVar("T")


class Strict(BaseModel):
    """A frozen model that knows exactly its own keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False, protected_namespaces=())


class _Loader(yaml.SafeLoader):
    """A safe loader that refuses duplicate keys and keeps the line of each."""


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: dict[Any, int] = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if isinstance(key, list):
            key = f"[{', '.join(map(str, key))}]"
        if key in seen:
            raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=key_node.start_mark)
        seen[key] = key_node.start_mark.line
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


# YAML 1.1 reads `no`, `on`, `2019-01-01` and `1_000` as something else than what was typed; texts stay texts here.
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regex) for tag, regex in resolvers if not tag.endswith(":timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def parse_yaml(text: str, where: str) -> dict[str, Any]:
    """Parse one YAML mapping.

    Raises
    ------
    ConfigurationError
        Not YAML, a key twice, or not a mapping; with the line.
    """
    fault: Fault | None = None
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else None
        fault = Fault(error.problem or "not YAML", "mend the syntax", where=where, line=line)
    except yaml.YAMLError:
        fault = Fault("not YAML", "save the file as UTF-8 text", where=where)
    if fault:
        raise ConfigurationError(fault)
    if not isinstance(content, dict):
        raise ConfigurationError(Fault("holds no settings", "write `key: value` lines", where=where))
    return content


def read_text(path: Path) -> str:
    """Read a UTF-8 text file.

    Raises
    ------
    ConfigurationError
        The file is not there or is not UTF-8.
    """
    problem = ""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        problem = f"cannot be read ({error.strerror})"
    except UnicodeDecodeError:
        problem = "is not UTF-8"
    raise ConfigurationError(Fault(problem, "name an existing UTF-8 file", where=str(path)))


def lines_in(node: yaml.Node | None, location: Sequence[str | int]) -> list[int]:
    """Lines of the keys on a path in composed YAML, 1-based, as far as they can be found."""
    found: list[int] = []
    for part in location:
        if isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
        elif isinstance(node, yaml.MappingNode):
            keys = [key for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value == str(part)]
            if not keys:
                break
            node = next(value for key, value in node.value if key is keys[0])
            found.append(keys[0].start_mark.line + 1)
            continue
        else:
            break
        found.append(node.start_mark.line + 1)
    return found


def nearest(word: str, known: Mapping[str, Any] | list[str] | set[str]) -> str:
    """Remedy that names the known word nearest to `word`.

    Examples
    --------
    >>> nearest("purpos", ["purpose", "rules"])
    'did you mean `purpose`?'
    """
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"did you mean `{close[0]}`?" if close else f"known: {', '.join(sorted(known)) or 'none'}"


def nearest_column(word: str, names: Sequence[object]) -> str:
    """Remedy that names the column of a data file nearest to `word`.

    Where the header is missing, what stands for names are cells: no name is told of a header that may be a row, and
    none that is not close to what was asked for.

    Examples
    --------
    >>> nearest_column("clearedby", ["complaint_number", "cleared_by"])
    'did you mean `cleared_by`?'
    >>> nearest_column("arrest_number", ["K17000001", "arrest"])
    'none of its 2 columns; is the header missing?'
    """
    told = {str(name).casefold(): str(name) for name in names}
    close = difflib.get_close_matches(word.casefold(), told, n=1, cutoff=0.6)
    if close and not any(maybe_cell(name) for name in told):
        return f"did you mean `{told[close[0]]}`?"
    return f"none of its {len(names)} columns; is the header missing?"


def other_delimiter(names: Sequence[str]) -> str:
    """What parts the cells of a header that was read as one column; empty if it is one.

    Examples
    --------
    >>> other_delimiter(["kind;identifier"]), other_delimiter(["kind", "identifier"])
    (';', '')
    """
    return next((mark for mark in ";\t|," if len(names) == 1 and mark in names[0]), "")


def maybe_cell(name: str) -> bool:
    """Whether what stands for a column's name may be a cell, as an identifier, a number or a date is.

    Examples
    --------
    >>> [maybe_cell(name) for name in ("photo_2", "K17000001", "AB-123", "31", "2019-01-31", "")]
    [False, True, True, True, True, False]
    """
    digits, letters = (sum(map(of, name)) for of in (str.isdigit, str.isalpha))
    return digits > 0 and (digits >= letters or re.search(r"\d{4}", name) is not None)


def _known_keys(model: Any, location: tuple[str | int, ...]) -> list[str]:
    """Keys that the model knows at `location`'s parent, found by walking the JSON schema."""
    schema = TypeAdapter(model).json_schema()
    node: dict[str, Any] = schema
    for part in location[:-1]:
        node = _step(schema, node, part)
    return sorted(_resolve(schema, node).get("properties", {}))


def _resolve(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        return _resolve(schema, schema["$defs"][node["$ref"].rsplit("/", 1)[1]])
    for choice in node.get("anyOf", []):
        resolved = _resolve(schema, choice)
        if "properties" in resolved:
            return resolved
    return node


def _step(schema: dict[str, Any], node: dict[str, Any], part: str | int) -> dict[str, Any]:
    node = _resolve(schema, node)
    properties = node.get("properties", {})
    if part in properties:
        return properties[part]  # type: ignore[no-any-return]
    extra = node.get("additionalProperties")
    return extra if isinstance(extra, dict) else node


def as_model(model: type[T] | Any, content: Any, *, text: str, where: str) -> T:
    """Validate parsed YAML against a model; all faults are told together.

    Raises
    ------
    ConfigurationError
        With one fault for each unknown key, missing key or wrong value; values themselves are not quoted.
    """
    faults = Faults()
    try:
        return TypeAdapter(model).validate_python(content)  # type: ignore[no-any-return]
    except ValidationError as error:
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        for entry in error.errors(include_url=False, include_input=False, include_context=True):
            location = tuple(entry["loc"])
            line = next(reversed(lines_in(tree, location)), None)
            key = ".".join(str(part) for part in location)
            if entry["type"] == "extra_forbidden":
                remedy = nearest(str(location[-1]), _known_keys(model, location))
                faults.say("unknown key", remedy, where=where, column=key, line=line)
            elif entry["type"] == "missing":
                faults.say("is missing", f"add `{location[-1]}: …`", where=where, column=key, line=line)
            else:
                problem = entry["msg"].removeprefix("Value error, ")
                faults.say(problem, where=where, column=key, line=line)
    raise ConfigurationError(*faults)


def load(model: type[T] | Any, path: Path) -> T:
    """Read a YAML file into a model.

    Raises
    ------
    ConfigurationError
        See `parse_yaml` and `as_model`.
    """
    text = read_text(path)
    read: T = as_model(model, parse_yaml(text, str(path)), text=text, where=str(path))
    return read
