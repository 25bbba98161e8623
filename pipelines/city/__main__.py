"""Command line: ``python -m pipelines.city --out build/city --systems 14 --arrests 4000 --seed 7``."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click

from pipelines.city import write_city
from pipelines.city.forms import DatabaseFailure
from pipelines.city.world import LARGEST_CITY


@click.command()
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), required=True, help="Folder to write to.")
@click.option(
    "--arrests", type=click.IntRange(1, LARGEST_CITY), default=4000, show_default=True, help="How many arrests happen."
)
@click.option("--seed", type=int, default=7, show_default=True, help="Names the city.")
@click.option("--as-of", type=click.DateTime(["%Y-%m-%d"]), default="2019-12-31", show_default=True,
              help="Day on which an arrest counts as barred.")  # fmt: skip
@click.option("--systems", type=click.Choice(["6", "14"]), default="6", show_default=True, help="How many systems.")
@click.option("--postgres", envvar="CITY_POSTGRES", default="", help="DSN of a PostgreSQL database for what is kept in "
              "one (a Parquet file otherwise); better in CITY_POSTGRES than on the command line.")  # fmt: skip
@click.option("--record", is_flag=True, help="Write the event record, too: why a row, cell or list element goes.")
@click.option("--without-sealed", is_flag=True, help="Leave the barred arrests out, as if they had not happened.")
def main(*, out: Path, arrests: int, seed: int, as_of: datetime, systems: str, **how: Any) -> None:
    """Write a city of police record systems, its seal feed and the truth about it."""
    try:
        summary = write_city(out, arrests=arrests, seed=seed, as_of=as_of.date(), systems=int(systems), **how)
    except DatabaseFailure as failure:
        raise click.ClickException(str(failure)) from None
    for path, rows in summary.rows.items():
        click.echo(f"{rows:>12,}  {path}", err=True)
    click.echo(f"{summary.barred:>12,}  arrests barred on {as_of:%Y-%m-%d}", err=True)


if __name__ == "__main__":
    main()
