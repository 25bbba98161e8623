"""Suffolk County charges, with a simulated seal."""
