"""The canonical form, the token and the mention in plain Python, one value at a time."""

import datetime as dt
import hashlib
import hmac
import re
import unicodedata
from decimal import Decimal

BLANKS = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"


def text_of(raw, exact=2**53):
    """A cell as text; None where it holds no reference. From `exact` on a float is rounded to its neighbours."""
    if raw is None or raw != raw:
        return None
    if isinstance(raw, dt.datetime):
        return raw.date().isoformat() if raw.time() == dt.time() else raw.isoformat()
    if isinstance(raw, dt.date):
        return raw.isoformat()
    if isinstance(raw, float):
        return str(int(raw)) if 0 <= raw < exact and raw == int(raw) else "?"
    if isinstance(raw, int | Decimal):
        return str(raw) if raw >= 0 else "?"
    return raw


def loose(text):
    """NFKC, upper case, only 0-9A-Z; None for what reads as a float but is not whole, safe and without exponent."""
    folded = unicodedata.normalize("NFKC", text).upper()
    number = folded.strip(BLANKS)
    if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)E[0-9+-]*", number) and re.search(r"[.]|E[+-]", number):
        return None
    if re.fullmatch(r"[+-]?[0-9]*\.[0-9]*", number):
        whole = re.fullmatch(r"([0-9]+)\.0*", number)
        return whole[1] if whole and int(whole[1]) < 2**53 else None
    return re.sub("[^0-9A-Z]", "", folded) or None


def canonical(text, kind):
    """Canonical form of a text; None if it does not fit. `kind` is an entry of kinds.yaml."""
    if "parts" in kind:
        parts = [loose(part) for part in text.split("|")]
        return "|".join(parts) if len(parts) == len(kind["parts"]) and None not in parts else None
    form = loose(text)
    if form is None:
        return None
    form = form.rjust(kind.get("width", 0), "0")
    return form if re.fullmatch(kind["pattern"], form) else None


def token(key, name, form):
    """First 16 bytes of HMAC-SHA-256 over ``name:canonical``, as hexadecimal."""
    return hmac.new(key.encode(), f"{name}:{form}".encode(), hashlib.sha256).hexdigest()[:32]


def looked_up(key, name, kind, text):
    """Token of a text, published tokens included; None if it does not fit."""
    published = re.fullmatch("tok_([0-9a-f]{32})", text)
    if published:
        return published[1]
    form = canonical(text, kind)
    return None if form is None else token(key, name, form)
