"""The DVC stages of this repository, one small file each."""
