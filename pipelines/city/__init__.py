"""A city whose truth is known: invented police record systems, with or without the arrests that were sealed.

Six systems serve the demo: persons, arrests with charges, complaints, photos, stops, patterns. Fourteen are a
department as it is, in mixed forms:

=============  ==========================================  ===========================================================
system         kept as                                     hangs on arrests by
=============  ==========================================  ===========================================================
fingerprints   Parquet, a folder per period                arrest number and CJTN on the first of four impressions of
                                                           a card, the others by the card's number
vouchers       CSV                                         the arrest that brought a thing in (the row goes), the
                                                           arrest that it was matched to (it is held again)
summonses      JSON lines                                  the arrest it was written along with
calls          Parquet, a folder per period                arrests on the spot, one of them its final code; complaint
warrants       SQLite                                      docket (the row goes); person; the arrest that executed it
dispositions   PostgreSQL, or else Parquet                 arrest number or CJTN alone; docket as a number
dockets        DuckDB                                      the arrests that bear its number: a list
coarrests      Parquet                                     two arrests: the edge goes with either
=============  ==========================================  ===========================================================

``python -m pipelines.city --out build/city --systems 14 --arrests 6000000`` writes about 100 million rows in some 320
files.
"""

from pipelines.city.writing import Summary, write_city

__all__ = ["Summary", "write_city"]
