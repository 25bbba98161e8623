"""Texts: what is masked for everybody, and what goes because of a seal.

Every mention of the named kinds becomes one fixed word before any seal is looked up, so that the word tells nothing. A
name without a number is not found; reports say so.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir

from sanitizers.identifiers import MASK, Kinds

_MARK = "\ue000"
# A sentence: everything up to full stops, question or exclamation marks that a blank or the end follows. A mention is
# no blank: the marks that touch it end nothing.
_INSIDE = r"(?:[^.!?]|[.!?]+[^\s.!?])*"
_SENTENCE = rf"(?:[^\s.!?]{_INSIDE}[.!?]*)?{_MARK}{_INSIDE}[.!?]*\s*"


def masked(text: ir.StringValue, kinds: Kinds, names: tuple[str, ...]) -> ir.StringValue:
    """Replace every mention of the named kinds by one fixed word; mentions that overlap become one."""
    forms = [form for name in names if (form := kinds[name].form) is not None]
    for pattern in [*(form.compact for form in forms), *(form.joined for form in forms)]:
        text = text.re_replace(pattern, MASK)
    return text


def may_change(text: ir.StringValue, kinds: Kinds, names: tuple[str, ...]) -> ir.BooleanValue:
    """Whether a text holds something that `masked` replaces: what is written in one piece may be written in several."""
    return ibis.or_(*(text.re_search(form.joined) for name in names if (form := kinds[name].form) is not None))


def without_sentences(text: ir.StringValue, mentions: ir.StringValue) -> ir.StringValue:
    """Remove every sentence that holds one of the mentions; a text of which nothing is left becomes null.

    Parameters
    ----------
    mentions
        Per row a pattern that matches the barred mentions as they are written there; null where there is none.
    """
    marked = text.re_replace(mentions, _MARK).re_replace(_SENTENCE, "").nullif("")
    return mentions.isnull().ifelse(text, marked)


def pattern_of(written: ir.StringColumn) -> ir.StringScalar:
    """Aggregate mentions into one pattern that matches each of them as it is written.

    Notes
    -----
    Sign by sign: what is quoted as a whole could hold the end of the quotation.
    """
    # The backslash first, or the backslashes that are put in would be doubled.
    for sign in r"\.+*?()|[]{}^$":
        written = written.replace(sign, "\\" + sign)
    # The longest first: a pattern takes the first that fits, and what it leaves may lie in the next sentence.
    return written.group_concat("|", order_by=[written.length().desc(), written])
