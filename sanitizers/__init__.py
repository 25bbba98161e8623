"""sealproof: keeps sealed arrests out of data and models, and leaves evidence that somebody else can check."""
