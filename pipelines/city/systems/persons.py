"""Who was ever arrested; a person without an arrest on record is not in it."""

from __future__ import annotations

import pyarrow as pa

from pipelines.city import people, places, spelling, words
from pipelines.city.forms import Csv
from pipelines.city.records import City
from pipelines.city.tables import System, Table, all_of
from pipelines.city.world import Ids

_SCHEMA = pa.schema(
    [
        ("person_id", pa.string()),
        ("name", pa.string()),
        ("birth_year", pa.int16()),
        ("sex", pa.string()),
        ("race", pa.string()),
        ("home_precinct", pa.int16()),
    ]
)


def _rows(city: City, events: Ids) -> pa.Table:
    world, persons = city.world, events[city.persons[events]]
    first = world.stream("first name").below(persons, len(words.FIRST_NAMES))
    last = world.stream("last name").below(persons, len(words.LAST_NAMES))
    return pa.table(
        {
            "person_id": spelling.person_id(world, persons),
            "name": spelling.join(
                spelling.named(words.FIRST_NAMES, first), " ", spelling.named(words.LAST_NAMES, last)
            ),
            "birth_year": people.birth_year(world, persons),
            "sex": spelling.named(words.SEXES, people.sex(world, persons)),
            "race": spelling.named(words.RACES, people.race(world, persons)),
            "home_precinct": places.precinct_of_home(world, persons),
            all_of(): city.arrests_of(persons),
        }
    )


SYSTEM = System(
    "persons",
    (
        Table(
            "raw/persons.csv",
            _SCHEMA,
            events=lambda city: range(city.world.persons),
            rows=_rows,
            key=("person_id",),
            per_arrest=0.54,
            form=Csv(),
        ),
    ),
)
