"""Strip: raw sources + policy + snapshot → clean sources + receipt + roster.

``strip`` works on data frames, ``strip_files`` on files.
"""

from sanitizers.strip.files import strip_files
from sanitizers.strip.frames import strip

__all__ = ["strip", "strip_files"]
