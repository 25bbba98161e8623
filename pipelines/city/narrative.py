"""The narrative of a complaint: two to five sentences of its own, and one from some of its arrests.

Every sentence ends in a full stop and a blank, and holds neither elsewhere before the other.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.city import crimes, words
from pipelines.city.records import City
from pipelines.city.spelling import IN_TEXT, arrest_numbers, join, named, spell
from pipelines.city.world import Ids, Mask, World


def narratives(city: City, complaints: Ids) -> pa.Array:
    """Return the narratives of complaints, as far as the arrests on record wrote them."""
    own = _own_sentences(city.world, complaints)
    return join(*own, *(_arrest_sentence(city, arrests) for arrests in city.world.arrests_on(complaints).T))


def authors(world: World, complaints: Ids) -> Ids:
    """Return the arrests that write a sentence once they are on record, shape (n, 3), filled up with -1."""
    arrests = world.arrests_on(complaints)
    return np.where(_writes(world, arrests), arrests, -1)


def _writes(world: World, arrests: Ids) -> Mask:
    return world.stream("writes sentence").chance(arrests, 0.6)


def _own_sentences(world: World, complaints: Ids) -> list[pa.Array]:
    """Return five sentences per complaint; those that it does without are empty."""
    crime = crimes.crime(world, complaints)
    variants = len(words.OPENINGS[0])
    opening = crime * variants + world.stream("opening").below(complaints, variants)
    habit = crimes.trait(world, "habit", complaints, values=len(words.HABITS))
    remark = len(words.HABITS) + world.stream("remark").below(complaints, len(words.REMARKS))
    manner = np.where(crime < words.SERIAL_CRIMES, habit, remark)
    sentences = [named(sum(words.OPENINGS, ()), opening), named(words.HABITS + words.REMARKS, manner)]
    length = world.stream("narrative length").below(complaints, 4)
    for position, table in enumerate((words.FLIGHTS, words.CANVASSES, words.CLOSINGS)):
        chosen = world.stream(f"narrative {position}").below(complaints, len(table))
        sentences.append(named(("", *table), np.where(length > position, chosen + 1, 0)))
    return sentences


def _arrest_sentence(city: City, arrests: Ids) -> pa.Array:
    """Return one sentence per arrest, empty where there is no arrest on record or it wrote none."""
    world = city.world
    writes = city.knows(arrests) & _writes(world, arrests)
    authors = arrests[writes]
    before, after = zip(*words.ARREST_SENTENCES, strict=True)
    wording = world.stream("arrest sentence").below(authors, len(before))
    spelled = world.stream("narrative spelling").below(authors, len(IN_TEXT))
    number = spell(arrest_numbers(world, authors), IN_TEXT, spelled)
    sentences = join(named(before, wording), number, named(after, wording))
    return pc.fill_null(sentences.take(pa.array(np.cumsum(writes) - 1, mask=~writes)), "")
