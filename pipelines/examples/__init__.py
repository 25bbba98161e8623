"""Examples on real, public data."""
