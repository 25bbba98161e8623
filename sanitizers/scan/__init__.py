"""Scan: whatever a file is, its cells and texts, searched for barred identifiers."""
