"""Strip: raw sources + policy + snapshot → clean sources + receipt + roster."""
