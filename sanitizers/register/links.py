"""Links: token pairs that trace has seen, and the closure of a barred set over them.

A photo stays barred after the arrest system has deleted its row, because the pair (arrest, photo) is remembered here.
Both modes only add to the barred set, so the fixpoint is unique whatever the order.
"""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from sanitizers.engine.contract import Engine

LINK_SCHEMA = pa.schema(
    [
        ("mode", pa.string()),
        ("via", pa.string()),
        ("from_kind", pa.string()),
        ("from_hi", pa.uint64()),
        ("from_lo", pa.uint64()),
        ("kind", pa.string()),
        ("hi", pa.uint64()),
        ("lo", pa.uint64()),
    ]
)
BARRED_SCHEMA = pa.schema([("kind", pa.string()), ("hi", pa.uint64()), ("lo", pa.uint64()), ("via", pa.string())])
_ID = ["kind", "hi", "lo"]
_TOKEN, _FROM = ["hi", "lo"], [("from_hi", "hi"), ("from_lo", "lo")]  # made of its kind as well: enough to join by


def closure(engine: Engine, barred: ir.Table, links: ir.Table) -> ir.Table:
    """Close a barred set over links.

    Parameters
    ----------
    barred
        Held rows of `BARRED_SCHEMA`; ``via`` is empty for what is itself sealed.
    links
        Held rows of `LINK_SCHEMA`. With mode ``any`` the target is barred when one carrier is; with ``all`` when it has
        carriers and every one of them is barred.

    Returns
    -------
    ir.Table
        Held rows of `BARRED_SCHEMA`, one per identifier; ``via`` names the link by which it came in.
    """
    if not _count(engine, links):
        return barred
    closed = own = barred.select(*_ID)
    every = links.filter(links["mode"] == "all")
    while True:
        new = _reached(closed, links, every).anti_join(closed, _TOKEN)
        added = engine.hold(new.select(*_ID).distinct())
        if not _count(engine, added):
            break
        closed = engine.hold(ibis.union(closed, added))
    if closed is own:
        return barred
    came_in = _reached(closed, links, every).anti_join(barred, _TOKEN)
    return engine.hold(ibis.union(barred, came_in.group_by(_ID).agg(via=came_in["via"].min())))


def _reached(closed: ir.Table, links: ir.Table, every: ir.Table) -> ir.Table:
    """What the barred reach through one link, with that link's name: it depends on the barred set alone."""
    by_any = links.filter(links["mode"] == "any").semi_join(closed, _FROM).select(*_ID, "via")
    spared = every.anti_join(closed, _FROM).select(*_TOKEN).distinct()
    return ibis.union(by_any, every.anti_join(spared, _TOKEN).select(*_ID, "via"))


def _count(engine: Engine, table: ir.Table) -> int:
    return int(engine.fetch(table.count().as_table()).column(0)[0].as_py())
