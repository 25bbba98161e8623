"""Passages of a query's text: from where to where something stands that the parser has found."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB as Dialect
from sqlglot.tokenizer_core import Token, TokenType

_CLOSING = {TokenType.L_PAREN: 1, TokenType.R_PAREN: -1}


@dataclass(frozen=True)
class Text:
    """The text of a query with its words.

    Examples
    --------
    >>> from sanitizers.queries import parsed
    >>> sql = "SELECT p, sum( x ) FILTER (WHERE y > 1) OVER () FROM t ORDER BY p LIMIT 3"
    >>> text, tree = Text.of(sql), parsed(sql, "q.sql")
    >>> text.of_call(tree.find(exp.Anonymous)), text.of_window(tree.find(exp.Window))
    ('sum( x )', 'sum( x ) FILTER (WHERE y > 1) OVER ()')
    >>> text.of_limit(tree)
    'ORDER BY p LIMIT 3'
    """

    sql: str
    tokens: tuple[Token, ...]

    @classmethod
    def of(cls, sql: str) -> Text:
        """Take a text apart."""
        return cls(sql, tuple(Dialect().tokenize(sql)))

    def of_call(self, call: exp.Anonymous) -> str:
        """A call, from its name to the bracket that closes it; empty if it cannot be found."""
        first = self._place(call)
        return "" if first is None else self._between(first, self._closed(first + 1))

    def of_window(self, window: exp.Window) -> str:
        """A window with its call; empty if it cannot be found."""
        call = window.this.find(exp.Anonymous)
        first = self._place(call) if call else None
        if first is None:
            return ""
        last = self._closed(first + 1)
        while self._word(last + 1) in ("FILTER", "OVER"):
            last = self._closed(last + 2)
        return self._between(first, last)

    def of_limit(self, select: exp.Query) -> str:
        """A LIMIT with the ORDER BY in front of it; empty if it is not written with a number at the query's end."""
        limit = select.args.get("limit")
        last = self._place(limit.expression) if limit else None
        if last is None or self._word(last - 1) != "LIMIT" or select.args.get("offset"):
            return ""
        first, depth = last - 1, 0
        while select.args.get("order") and (depth or self.tokens[first].token_type != TokenType.ORDER_BY):
            first -= 1
            depth -= _CLOSING.get(self.tokens[first].token_type, 0)
        return self._between(first, last)

    def _place(self, node: exp.Expr) -> int | None:
        start = node.meta.get("start")
        return next((place for place, token in enumerate(self.tokens) if token.start == start), None)

    def _word(self, place: int) -> str:
        return self.tokens[place].text.upper() if 0 <= place < len(self.tokens) else ""

    def _closed(self, place: int) -> int:
        """Place of the bracket that closes the one at a place."""
        depth = 0
        for last in range(place, len(self.tokens)):
            depth += _CLOSING.get(self.tokens[last].token_type, 0)
            if not depth:
                return last
        return place

    def _between(self, first: int, last: int) -> str:
        return self.sql[self.tokens[first].start : self.tokens[last].end + 1]
