"""Identifiers as text, in the spellings that record systems have grown into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike

from pipelines.city import bookings
from pipelines.city.world import BOROUGHS, Days, Ids, Mask, World

_FULL_WIDTH = 0xFEE0  # from "0" to its wide twin


def join(*parts: pa.Array | str) -> pa.Array:
    """Concatenate text cell by cell; null if any part is."""
    return pc.binary_join_element_wise(*parts, "")


def digits(numbers: ArrayLike, width: int) -> pa.Array:
    """Write numbers with leading zeros."""
    return pc.utf8_lpad(pc.cast(pa.array(numbers), pa.string()), width, "0")


def named(table: tuple[str, ...], positions: Ids, *, present: Mask | None = None) -> pa.Array:
    """Look words up in a table; null where not `present`."""
    return pa.array(table, pa.string()).take(pa.array(positions, mask=None if present is None else ~present))


def years(days: Days) -> Ids:
    """Return the calendar years of days since 1970-01-01."""
    return np.asarray(days, "datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970


def dates(days: Days) -> pa.Array:
    """Return days since 1970-01-01 as dates."""
    return pa.array(days.astype(np.int32)).view(pa.date32())


@dataclass(frozen=True)
class ArrestNumbers:
    """Arrest numbers in parts, such as ``M``, ``17`` and ``654502``."""

    borough: pa.Array
    year: pa.Array
    serial: pa.Array

    def compact(self) -> pa.Array:
        """Write the canonical form: ``M17654502``."""
        return join(self.borough, self.year, self.serial)

    def lower(self) -> pa.Array:
        """Write ``m17654502``."""
        return pc.utf8_lower(self.compact())

    def dashed(self) -> pa.Array:
        """Write ``M17-654502``."""
        return join(self.borough, self.year, "-", self.serial)

    def lower_dashed(self) -> pa.Array:
        """Write ``m17-654502``."""
        return pc.utf8_lower(self.dashed())

    def spaced(self) -> pa.Array:
        """Write ``M 17 654502``."""
        return join(self.borough, " ", self.year, " ", self.serial)

    def padded(self) -> pa.Array:
        """Write the canonical form between blanks."""
        return join(" ", self.compact(), " ")

    def full_width(self) -> pa.Array:
        """Write ``Ｍ１７６５４５０２``, as an East Asian keyboard writes it."""
        plain = np.array(self.compact().to_pylist(), "U9")
        return pa.array((plain.view(np.uint32) + np.uint32(_FULL_WIDTH)).view("U9"), pa.string())


Spelling = Callable[[ArrestNumbers], pa.Array]
IN_FIELDS: tuple[Spelling, ...] = (
    ArrestNumbers.compact,
    ArrestNumbers.lower,
    ArrestNumbers.dashed,
    ArrestNumbers.padded,
    ArrestNumbers.lower_dashed,
    ArrestNumbers.spaced,
    ArrestNumbers.full_width,
)
IN_FIELDS_WEIGHTS = (25, 25, 20, 12, 8, 6, 4)
IN_TEXT: tuple[Spelling, ...] = IN_FIELDS[:3] + (ArrestNumbers.spaced,)


def arrest_numbers(world: World, arrests: Ids) -> ArrestNumbers:
    """Return the numbers of arrests."""
    return ArrestNumbers(
        borough=named(tuple(BOROUGHS), world.borough_of_arrest(arrests)),
        year=digits(years(world.arrest_day(arrests)) % 100, 2),
        serial=digits(world.serial_of_arrest(arrests), 6),
    )


def spell(numbers: ArrestNumbers, spellings: tuple[Spelling, ...], chosen: Ids) -> pa.Array:
    """Write each number in the chosen one of the spellings."""
    return pc.choose(pa.array(chosen), *(spelling(numbers) for spelling in spellings))


def spell_any(world: World, name: str, events: Ids, arrests: Ids) -> pa.Array:
    """Write arrest numbers as clerks do: each event in a spelling of its own."""
    chosen = world.stream(name).pick(events, IN_FIELDS_WEIGHTS)
    return spell(arrest_numbers(world, arrests), IN_FIELDS, chosen)


def complaint_number(world: World, complaints: Ids, reported: Days, *, dashes: bool = False) -> pa.Array:
    """Write complaint numbers: ``201701234567``, with dashes ``2017-0123-4567``."""
    serial = world.stream("complaint number").permute(complaints, 10**8)
    if dashes:
        return join(digits(years(reported), 4), "-", digits(serial // 10**4, 4), "-", digits(serial % 10**4, 4))
    return join(digits(years(reported), 4), digits(serial, 8))


def photo_number(world: World, arrests: Ids) -> pa.Array:
    """Write photo numbers with all ten digits."""
    return digits(bookings.photo(world, arrests), 10)


def person_id(world: World, persons: Ids) -> pa.Array:
    """Write person ids: ``12345678A``."""
    return _with_letter(world, "person", persons)


def cjtn(world: World, arrests: Ids) -> pa.Array:
    """Write the numbers under which the state tracks arrests: ``12345678A``, of which a person id may be another."""
    return _with_letter(world, "cjtn", arrests)


def _with_letter(world: World, name: str, ids: Ids) -> pa.Array:
    letter = named(tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), world.stream(f"{name} letter").below(ids, 26))
    return join(digits(world.stream(f"{name} number").permute(ids, bookings.PERSON_NUMBERS), 8), letter)


def docket(world: World, cases: Ids) -> pa.Array:
    """Write docket numbers of cases with all ten digits."""
    return digits(bookings.docket_of_case(world, cases), 10)


def card_number(world: World, arrests: Ids) -> pa.Array:
    """Write numbers of fingerprint cards: ``FP123456789``."""
    return join("FP", digits(world.stream("card number").permute(arrests, 10**9), 9))


def voucher_number(world: World, events: Ids) -> pa.Array:
    """Write voucher numbers: ten digits that begin with 3."""
    return join("3", digits(world.stream("voucher number").permute(events, 10**9), 9))


def summons_number(world: World, events: Ids) -> pa.Array:
    """Write summons numbers: ten digits that begin with 4."""
    return join("4", digits(world.stream("summons number").permute(events, 10**9), 9))


def call_id(world: World, events: Ids) -> pa.Array:
    """Write the numbers of calls: ``D1234567890``."""
    return join("D", digits(world.stream("call id").permute(events, 10**10), 10))


def warrant_number(world: World, events: Ids) -> pa.Array:
    """Write warrant numbers: ``W12345678``."""
    return join("W", digits(world.stream("warrant number").permute(events, 10**8), 8))
