"""The small, portable language in which kinds describe their identifiers.

Python, RE2 (DuckDB, Arrow, polars) and Java must read a pattern alike, so only literals, character classes, groups,
alternatives and bounded or unbounded repeats over ``0-9A-Z`` are allowed: the characters of a canonical form.
Because the language is this small, the number of identifiers a pattern allows can be counted, and a second pattern can
be derived that finds the identifier inside running text however it is written there.
"""

from __future__ import annotations

import itertools
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
_BETWEEN = 3
_SEPARATOR = rf"[{_SIGNS}]{{0,{_BETWEEN}}}"
_UNBOUNDED = 64
_WAYS = 32  # sequences of character classes that are compared one by one to see how identifiers overlap


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

    def __reduce__(self) -> tuple[type[Pattern], tuple[str]]:
        return Pattern, (self.text,)

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
    def longest(self) -> int:
        """Length of the longest identifier; unbounded repeats stop at 64."""
        return _lengths(self._tree, longest=True)

    @cached_property
    def compact(self) -> str:
        """RE2 pattern that finds the identifier in text, in any case and width, without separators inside."""
        return rf"(?:\b|_){_spell(self._tree, '')}(?:\b|_)"

    @cached_property
    def spaced(self) -> str:
        """RE2 pattern that finds the identifier in text with up to three blanks, dashes or signs between characters."""
        return rf"{_spell(self._tree, _SEPARATOR)}"

    @cached_property
    def joined(self) -> str:
        """As `spaced`, with all that follows as long as identifiers overlap: digits of a date before a number count."""
        return self.spaced + (f"(?:{'|'.join(_SEPARATOR + tail for tail in self._tails)})*" if self._tails else "")

    @cached_property
    def starts(self) -> tuple[str, ...]:
        """RE2 patterns, one for each length, of what may be an identifier at the start of a text; may match more."""
        if self.shortest == self.longest:
            return (f"^{self.spaced}",)
        one = _class("".join(_alphabet(self._tree)))
        lengths = range(max(self.shortest, 1), self.longest + 1)
        return tuple(f"^{one}(?:{_SEPARATOR}{one}){{{length - 1}}}" for length in lengths)

    @cached_property
    def span(self) -> int:
        """How many characters of a text an identifier takes at most."""
        return self.longest + _BETWEEN * (self.longest - 1)

    @property
    def apart(self) -> bool:
        """Whether two identifiers never overlap in a text."""
        return not self._tails

    @cached_property
    def crowds(self) -> dict[str, str]:
        """Characters that stand for several of an identifier's, such as a circled twelve, and what they stand for."""
        several = {written: bare for written, bare in _expansions().items() if len(bare) > 1}
        if _count(self._tree, ways=True) > _WAYS:
            alphabet = _alphabet(self._tree)
            return {written: bare for written, bare in several.items() if set(bare) <= alphabet}
        ways = _ways(self._tree)
        return {written: bare for written, bare in several.items() if any(_within(bare, way) for way in ways)}

    @cached_property
    def crowded(self) -> str:
        """RE2 pattern of one such character; empty where there is none."""
        return f"[{_numbered(self.crowds)}]" if self.crowds else ""

    @cached_property
    def crowded_starts(self) -> tuple[str, ...]:
        """As `starts`, where some characters stand for several."""
        one = f"[{_class(''.join(_alphabet(self._tree)))[1:-1]}{_numbered(self.crowds)}]"
        shortest = -(-self.shortest // max(map(len, self.crowds.values()), default=1))
        lengths = range(max(shortest, 1), self.longest + 1)
        return tuple(f"^{one}(?:{_SEPARATOR}{one}){{{length - 1}}}" for length in lengths)

    @cached_property
    def _tails(self) -> list[str]:
        """What an identifier that overlaps another may add behind it, longest first."""
        if _count(self._tree, ways=True) > _WAYS:
            return [_class("".join(_alphabet(self._tree)))]
        return [_SEPARATOR.join(map(_class, tail)) for tail in _overhangs(_ways(self._tree))]


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


def _lengths(tree: Iterable[Any], *, longest: bool = False) -> int:
    total = 0
    for code, value in tree:
        if code in (op.LITERAL, op.IN):
            total += 1
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            times = min(int(value[1]), _UNBOUNDED) if longest else value[0]
            total += times * _lengths(value[2], longest=longest)
        elif code is op.SUBPATTERN:
            total += _lengths(value[3], longest=longest)
        else:
            total += (max if longest else min)(_lengths(branch, longest=longest) for branch in value[1])
    return total


def _count(tree: Iterable[Any], *, ways: bool = False) -> int:
    """Identifiers that the pattern allows; with `ways`, the sequences of character classes that it allows."""
    total = 1
    for code, value in tree:
        if code in (op.LITERAL, op.IN):
            total *= 1 if ways else len(_characters(code, value))
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            each = _count(value[2], ways=ways)
            total *= sum(each**times for times in range(value[0], min(value[1], _UNBOUNDED) + 1))
        elif code is op.SUBPATTERN:
            total *= _count(value[3], ways=ways)
        else:
            total *= sum(_count(branch, ways=ways) for branch in value[1])
    return total


def _ways(tree: Iterable[Any]) -> set[tuple[str, ...]]:
    """Every sequence of character classes that the pattern allows."""
    ways: set[tuple[str, ...]] = {()}
    own: set[tuple[str, ...]]
    for code, value in tree:
        if code in (op.LITERAL, op.IN):
            own = {(_characters(code, value),)}
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            times = range(value[0], min(value[1], _UNBOUNDED) + 1)
            each = _ways(value[2])
            own = {sum(chosen, ()) for count in times for chosen in itertools.product(each, repeat=count)}
        elif code is op.SUBPATTERN:
            own = _ways(value[3])
        else:
            own = set().union(*(_ways(branch) for branch in value[1]))
        ways = {before + after for before in ways for after in own}
    return ways


def _within(bare: str, way: tuple[str, ...]) -> bool:
    """Whether the characters may stand next to each other in a sequence of character classes."""
    places = range(len(way) - len(bare) + 1)
    return any(all(c in allowed for c, allowed in zip(bare, way[place:], strict=False)) for place in places)


def _overhangs(ways: set[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """What stands behind one sequence where another starts inside it, longest first; none that is two others."""
    found = {
        other[len(one) - shift :]
        for one in ways
        for other in ways
        for shift in range(len(one))
        if all(set(left) & set(right) for left, right in zip(one[shift:], other, strict=False))
    } - {()}
    single = [tail for tail in found if not any(tail[:k] in found and tail[k:] in found for k in range(1, len(tail)))]
    return sorted(single, key=lambda tail: (-len(tail), tail))


def _alphabet(tree: Iterable[Any]) -> set[str]:
    """Every character that the pattern allows anywhere."""
    found: set[str] = set()
    for code, value in tree:
        if code in (op.LITERAL, op.IN):
            found |= set(_characters(code, value))
        elif code in (op.MAX_REPEAT, op.MIN_REPEAT):
            found |= _alphabet(value[2])
        elif code is op.SUBPATTERN:
            found |= _alphabet(value[3])
        else:
            found |= set().union(*(_alphabet(branch) for branch in value[1]))
    return found


def _spell(tree: Iterable[Any], separator: str) -> str:
    """The pattern, every character class widened to its variants, with `separator` between characters."""
    pieces = []
    for code, value in tree:
        if code in (op.LITERAL, op.IN):
            pieces.append(_class(_characters(code, value)))
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
def _expansions() -> dict[str, str]:
    """For each character, what NFKC, upper case and the removal of signs make of it, where something is left."""
    found = {}
    for number in range(0x110000):
        if not 0xD800 <= number < 0xE000:
            folded = unicodedata.normalize("NFKC", chr(number)).upper()
            if bare := "".join(character for character in folded if character in ALPHABET):
                found[chr(number)] = bare
    return found


@cache
def _spellings() -> dict[str, str]:
    """For each canonical character, every single character that stands for it, such as a full-width or circled one."""
    found: dict[str, list[str]] = {character: [] for character in ALPHABET}
    for written, bare in _expansions().items():
        if len(bare) == 1:
            found[bare].append(written)
    return {canonical: _numbered(written) for canonical, written in found.items()}


def _numbered(characters: Iterable[str]) -> str:
    return "".join(rf"\x{{{ord(character):X}}}" for character in characters)


def _class(characters: str) -> str:
    """Class of every spelling of the characters."""
    return "[" + "".join(_spellings()[character] for character in sorted(characters)) + "]"
