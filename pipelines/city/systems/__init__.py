"""The police record systems of the city, one module each.

To add a system, write its module, from streams of its own and those of the world, and name it here.
"""

from pipelines.city.systems import (
    arrests,
    calls,
    coarrests,
    complaints,
    dispositions,
    dockets,
    fingerprints,
    patterns,
    persons,
    photos,
    stops,
    summonses,
    vouchers,
    warrants,
)
from pipelines.city.tables import System

SIX: tuple[System, ...] = (
    persons.SYSTEM,
    arrests.SYSTEM,
    complaints.SYSTEM,
    photos.SYSTEM,
    stops.SYSTEM,
    patterns.SYSTEM,
)
FOURTEEN: tuple[System, ...] = (
    *SIX,
    fingerprints.SYSTEM,
    vouchers.SYSTEM,
    summonses.SYSTEM,
    calls.SYSTEM,
    warrants.SYSTEM,
    dispositions.SYSTEM,
    dockets.SYSTEM,
    coarrests.SYSTEM,
)
SYSTEMS = {len(systems): systems for systems in (SIX, FOURTEEN)}
