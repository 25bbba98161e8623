"""Escapes: a text as it reads where it is shown, without the escapes and tags in which a number could be written."""

from __future__ import annotations

import html
import re
from urllib.parse import unquote

import polars as pl

# Of the tags only those inside a line: what stands in two cells or paragraphs is not one number.
_TAG = (
    r"<!--.*?-->|</?(?:a|abbr|b|bdi|bdo|big|cite|code|del|dfn|em|font|i|ins|kbd|label|mark|nobr|q|s|samp|small|span"
    r"|strike|strong|sub|sup|tt|u|var|wbr)(?:[\s/][^<>]*)?>"
)
_BACKSLASH = r'\\+(?:u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|x[0-9a-fA-F]{2}|[nrtbf"/\\])'
_TAGS, _BACKSLASHES = re.compile(_TAG, re.IGNORECASE | re.DOTALL), re.compile(_BACKSLASH)
_TAGGED = f"(?is){_TAG}"
_ESCAPED = r"(?i)\\|&(?:#[0-9x]|[a-z][0-9a-z]+;|nbsp|shy|amp)|%[0-9a-f]{2}"
_DEPTH = 4


def with_escapes(texts: pl.Series) -> pl.Series:
    r"""Texts, and again those with escapes or tags as they read without, also where they were escaped more than once.

    Escapes of JSON, Python and YAML, percent-encoding, and character references and inline tags of HTML.

    Examples
    --------
    >>> with_escapes(pl.Series(["a", r'"\\u0042\n1"', "B<b>1</b>"])).to_list()[2:]
    ['B<b>1</b>', 'B1', '"B 1"']
    """
    untagged = texts.filter(texts.str.contains(_TAGGED)).str.replace_all(_TAGGED, "")
    read = pl.concat([texts, untagged])
    escaped = read.filter(read.str.contains(_ESCAPED))
    return pl.concat([read, pl.Series(texts.name, [_plain(text) for text in escaped], pl.String)])


def _plain(text: str) -> str:
    for _ in range(_DEPTH):
        plain = _BACKSLASHES.sub(_character, text) if "\\" in text else text
        plain = unquote(plain) if "%" in plain else plain
        plain = _TAGS.sub("", html.unescape(plain))
        if plain == text:
            break
        text = plain
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # two escapes may be one character


def _character(found: re.Match[str]) -> str:
    """What an escape with a backslash stands for; a blank for what parts words."""
    digits = found[0].lstrip("\\")[1:]
    if not digits:
        return " "
    number = int(digits, 16)
    return chr(number) if number <= 0x10FFFF else "\N{REPLACEMENT CHARACTER}"  # noqa: PLR2004 - the last of Unicode
