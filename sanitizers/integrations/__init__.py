"""Other tools, one file each, imported only when used."""
