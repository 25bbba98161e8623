"""Findings: what a policy leaves open, each with what to paste."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import yaml

from sanitizers.documents import lines_in, read_text
from sanitizers.errors import CLEAN, ConfigurationError, Fault, SourceFailure
from sanitizers.policy import Column, Redaction

Check = Literal["setting", "unreachable", "undeclared", "nowhere", "text", "given away", "order"]
FORMAT = 1


@dataclass(frozen=True)
class Proposal:
    """What to paste.

    Parameters
    ----------
    file
        Where it goes.
    text
        One line of YAML, ``key: value``, in place of the line with that key if there is one; or an expression of SQL.
    under
        The keys under which a line of YAML goes.
    instead_of
        The passage of a query that an expression takes the place of.
    """

    file: str
    text: str
    under: tuple[str, ...] = ()
    instead_of: str = ""

    def __str__(self) -> str:
        place = f"write `{self.text}` in place of `{self.instead_of}`" if self.instead_of else f"write `{self.text}`"
        return f"under `{'.'.join(self.under)}` {place}" if self.under else place


@dataclass(frozen=True)
class Finding:
    """One thing that a policy leaves open.

    Parameters
    ----------
    check
        Which check found it; ``setting`` for what cannot be meant at all.
    fault
        What is wrong and where.
    proposals
        What mends it: one of them is to be pasted.
    """

    check: Check
    fault: Fault
    proposals: tuple[Proposal, ...] = ()

    @classmethod
    def of(
        cls, check: Check, problem: str, *, where: tuple[str, int | None], column: str,
        proposals: Sequence[Proposal] = (), remedy: str = "",
    ) -> Finding:  # fmt: skip
        """Put a finding together; the proposals are its remedy, and further words follow them."""
        told = [", or ".join(map(str, proposals)), remedy]
        fault = Fault(problem, "; ".join(filter(None, told)), where=where[0], column=column, line=where[1])
        return cls(check, fault, tuple(proposals))


@dataclass(frozen=True)
class Checked:
    """What checking a policy came to.

    Parameters
    ----------
    findings
        In the order of the policy.
    unchecked
        What could not be looked at, and why.
    """

    findings: tuple[Finding, ...]
    unchecked: tuple[Fault, ...] = ()

    @property
    def exit_code(self) -> int:
        """2 if anything was found, 3 if something could not be looked at; only 0 is a pass."""
        if self.findings:
            return ConfigurationError.exit_code
        return SourceFailure.exit_code if self.unchecked else CLEAN

    def stop(self) -> None:
        """Raise all that was found and not looked at, if there is anything.

        Raises
        ------
        ConfigurationError, SourceFailure
            The latter if nothing was found, and something could not be looked at.
        """
        left = [replace(fault, problem=f"{fault.problem} (not checked)") for fault in self.unchecked]
        if self.findings:
            raise ConfigurationError(*(finding.fault for finding in self.findings), *left)
        if left:
            raise SourceFailure(*left)

    def to_json(self) -> str:
        """One JSON document."""
        content: dict[str, Any] = {
            "format": FORMAT,
            "findings": [
                {"check": one.check, **asdict(one.fault), "proposals": [asdict(own) for own in one.proposals]}
                for one in self.findings
            ],
            "not_checked": [asdict(fault) for fault in self.unchecked],
        }
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


class Places:
    """Files and lines of settings, for messages: of the policy, or of the one that it extends.

    Parameters
    ----------
    path
        The policy.
    base
        The policy that it extends, if it does.
    """

    def __init__(self, path: Path, base: Path | None = None) -> None:
        files = [one for one in (path, base) if one is not None]
        self._trees = {str(one): yaml.compose(read_text(one), Loader=yaml.SafeLoader) for one in files}

    def of(self, *keys: str) -> tuple[str, int | None]:
        """File and line of a setting, or of the nearest one around it."""
        for depth in range(len(keys), 0, -1):
            for where, tree in self._trees.items():
                lines = lines_in(tree, keys[:depth])
                if len(lines) == depth:
                    return where, lines[-1]
        return next(iter(self._trees)), None


def yaml_line(key: str, value: Any) -> str:
    """One line of YAML.

    Examples
    --------
    >>> yaml_line("lineup[]", {"kind": "photo", "on_seal": "element"})
    "'lineup[]': {kind: photo, on_seal: element}"
    """
    written: str = yaml.safe_dump(
        {key: value}, default_flow_style=True, sort_keys=False, width=float("inf"), allow_unicode=True
    )
    return written.strip()[1:-1]


def column_line(name: str, column: Column, **changed: Any) -> str:
    """The line of an identifier column, with some of its settings changed."""
    given = column.model_copy(update=changed)
    on_seal: Any = given.on_seal
    if isinstance(on_seal, Redaction):
        on_seal = {"redact": list(on_seal.redact)} | ({"set": dict(on_seal.set)} if on_seal.set else {})
    carries = {"carries": given.carries} if given.carries else {}
    return yaml_line(name, {"kind": given.kind, "on_seal": on_seal} | carries)
