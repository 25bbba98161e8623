"""The engine: seven verbs over files and tokens; everything between them is a relational plan (Ibis)."""
