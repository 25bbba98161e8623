"""A city whose truth is known: six invented police record systems, with or without the arrests that were sealed."""

from pipelines.city.writing import Summary, write_city

__all__ = ["Summary", "write_city"]
