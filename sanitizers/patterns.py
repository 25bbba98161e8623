"""The small, portable language in which kinds describe their identifiers.

Python, RE2 (DuckDB, Arrow, polars) and Java must read a pattern alike, so only literals, character classes, groups,
alternatives and bounded or unbounded repeats over ``0-9A-Z`` are allowed: the characters of a canonical form.
Because the language is this small, the number of identifiers a pattern allows can be counted, and a second pattern can
be derived that finds the identifier inside running text however it is written there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, cached_property
from re import _constants as op  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Blanks, controls, punctuation and dashes by number: RE2 takes twenty times as long for "no letter and no digit".
_SIGNS = (
    r"\x{0}-\x{2F}\x{3A}-\x{40}\x{5B}-\x{60}\x{7B}-\x{A9}\x{AB}-\x{B1}\x{B4}\x{B6}-\x{B8}\x{BB}\x{BF}"
    r"\x{2000}-\x{206F}\x{2212}\x{3000}\x{FEFF}"
)
_SEPARATOR = rf"[{_SIGNS}]{{0,3}}"
_UNBOUNDED = 64


class Pattern:
    """A parsed pattern.

    Parameters
    ----------
    text
        The pattern as written in ``kinds.yaml``.

    Raises
    ------
    ValueError
        It uses something outside the portable language.

    Examples
    --------
    >>> Pattern("[BKMQS][0-9]{8}").possible
    500000000
    >>> Pattern("[a-z]+")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: the pattern may use literals, classes, groups, | and repeats over 0-9A-Z only ...
    """

    def __init__(self, text: str) -> None:
        self.text = text
        tree = None
        if text.isascii():
            try:
                tree = parser.parse(text)
            except re.error:
                tree = None
        if tree is None or tree.state.flags & ~re.UNICODE:
            raise ValueError("the pattern is not a regular expression in ASCII without flags")
        self._tree = list(tree)
        _walk(self._tree)

    @cached_property
    def shortest(self) -> int:
        """Length of the shortest identifier."""
        return _lengths(self._tree)

    @cached_property
    def possible(self) -> int:
        """How many identifiers the pattern allows; an ambiguous one counts its ways, unbounded repeats stop at 64."""
        return _count(self._tree)

    @cached_property
    def compact(self) -> str:
        """RE2 pattern that finds the identifier in text, in any case and width, without separators inside."""
        return rf"(?:\b|_){_spell(self._tree, '')}(?:\b|_)"

    @cached_property
    def apart(self) -> str:
        """As `spaced`, but not next to other letters or digits: a date before it is not taken for its first digits."""
        return rf"(?:\b|_){_spell(self._tree, _SEPARATOR)}(?:\b|_)"

    @cached_property
    def spaced(self) -> str:
        """RE2 pattern that finds the identifier in text with up to three blanks, dashes or signs between characters."""
        return rf"{_spell(self._tree, _SEPARATOR)}"


def _walk(tree: Iterable[Any]) -> None:
    for code, value in tree:
        if code in (op.LITERAL, op.IN):
            _characters(code, value)
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            _walk(value[2])
        elif code is op.SUBPATTERN:
            _walk(value[3])
        elif code is op.BRANCH:
            for branch in value[1]:
                _walk(branch)
        else:
            _characters(code, value)


def _characters(code: Any, value: Any) -> str:
    """Allowed characters of one atom."""
    if code is op.LITERAL:
        codes = [value]
    elif code is op.IN:
        codes = []
        for inner, operand in value:
            if inner is op.LITERAL:
                codes.append(operand)
            elif inner is op.RANGE:
                codes.extend(range(operand[0], operand[1] + 1))
            else:
                codes.append(0)
    else:
        codes = [0]
    characters = "".join(sorted({chr(number) for number in codes}))
    if not set(characters) <= set(ALPHABET):
        raise ValueError(
            "the pattern may use literals, classes, groups, | and repeats over 0-9A-Z only "
            "(no \\d, \\w, \\b, dots or look-around)"
        )
    return characters


def _lengths(tree: Iterable[Any]) -> int:
    total = 0
    for code, value in tree:
        if code in (op.LITERAL, op.IN):
            total += 1
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            total += value[0] * _lengths(value[2])
        elif code is op.SUBPATTERN:
            total += _lengths(value[3])
        else:
            total += min(_lengths(branch) for branch in value[1])
    return total


def _count(tree: Iterable[Any]) -> int:
    total = 1
    for code, value in tree:
        if code in (op.LITERAL, op.IN):
            total *= len(_characters(code, value))
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            each = _count(value[2])
            total *= sum(each**times for times in range(value[0], min(value[1], _UNBOUNDED) + 1))
        elif code is op.SUBPATTERN:
            total *= _count(value[3])
        else:
            total *= sum(_count(branch) for branch in value[1])
    return total


def _spell(tree: Iterable[Any], separator: str) -> str:
    """The pattern, every character class widened to its variants, with `separator` between characters."""
    pieces = []
    for code, value in tree:
        if code in (op.LITERAL, op.IN):
            pieces.append("[" + "".join(_variants(character) for character in _characters(code, value)) + "]")
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            low, high = int(value[0]), value[1]
            inner = _spell(value[2], separator)
            bound = "" if high is op.MAXREPEAT else str(int(high) - 1)
            if high == 0:
                continue
            tail = f"(?:{separator}{inner}){{{max(low - 1, 0)},{bound}}}"
            pieces.append(f"(?:{inner}{tail})" + ("?" if low == 0 else ""))
        elif code is op.SUBPATTERN:
            pieces.append(f"(?:{_spell(value[3], separator)})")
        else:
            pieces.append("(?:" + "|".join(_spell(branch, separator) for branch in value[1]) + ")")
    return separator.join(pieces)


@cache
def _spellings() -> dict[str, str]:
    """For each canonical character, every single character that NFKC and upper case turn into it."""
    found: dict[str, list[str]] = {character: [] for character in ALPHABET}
    for number in range(0x110000):
        character = chr(number)
        if not 0xD800 <= number < 0xE000:
            folded = unicodedata.normalize("NFKC", character).upper()
            if folded in found and folded != "":
                found[folded].append(character)
    return {canonical: "".join(rf"\x{{{ord(c):X}}}" for c in written) for canonical, written in found.items()}


def _variants(character: str) -> str:
    return _spellings()[character]
