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
_FROM = [("from_kind", "kind"), ("from_hi", "hi"), ("from_lo", "lo")]


def closure(engine: Engine, barred: ir.Table, links: ir.Table) -> ir.Table:
    """Close a barred set over links.

    Parameters
    ----------
    barred
        Rows of `BARRED_SCHEMA`; ``via`` is empty for what is itself sealed.
    links
        Rows of `LINK_SCHEMA`. With mode ``any`` the target is barred when one carrier is; with ``all`` when it has
        carriers and every one of them is barred.

    Returns
    -------
    ir.Table
        Held rows of `BARRED_SCHEMA`, one per identifier; ``via`` names the link by which it came in.
    """
    if not _count(engine, links):
        return barred
    while True:
        seen = barred.select(*_ID)
        carried = links.semi_join(seen, _FROM)
        by_any = carried.filter(carried["mode"] == "any").select(*_ID, "via")
        every = links.filter(links["mode"] == "all")
        spared = every.anti_join(seen, _FROM).select(*_ID).distinct()
        by_all = every.anti_join(spared, _ID).select(*_ID, "via")
        new = ibis.union(by_any, by_all).anti_join(seen, _ID)
        added = engine.hold(new.group_by(_ID).agg(via=new["via"].min()))
        if not _count(engine, added):
            return barred
        barred = engine.hold(ibis.union(barred, added))


def _count(engine: Engine, table: ir.Table) -> int:
    return int(engine.fetch(table.count().as_table()).column(0)[0].as_py())
