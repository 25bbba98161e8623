"""The police record systems of the city, one module each.

To add a system, write its module, from streams of its own and those of the world, and name it here.
"""

from pipelines.city.systems import arrests, complaints, patterns, persons, photos, stops
from pipelines.city.tables import System

SYSTEMS: tuple[System, ...] = (
    persons.SYSTEM,
    arrests.SYSTEM,
    complaints.SYSTEM,
    photos.SYSTEM,
    stops.SYSTEM,
    patterns.SYSTEM,
)
