"""Ways of writing a sealed number that the gate reads: without its zeros, escaped, parted by tags."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pytest

from tests.test_gate_attacks import OPEN, SEALED, World, lay, table, text, zipped

PHOTO, SHORT = "0017000001", "17000001"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = lay(tmp_path_factory.mktemp("world"))
    counters = [f"{number:010d}" for number in (7, 12, 999_999)]
    world.seal(("arrest", SEALED), ("photo", PHOTO), *[("photo", counter) for counter in counters])
    world.snapshot()
    world.strip()
    return world


def held(content: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(content)


LOST: dict[str, Callable[[Path], object]] = {
    "number.json": text(f'{{"photo_no": {SHORT}}}'),
    "float.json": text(f'{{"photo_no": {SHORT}.0}}'),
    "list.json": text(f"[1,{SHORT},{SHORT}2]"),
    "lines.jsonl": text(f'{{"p": {SHORT}, "q": "x"}}\n'),
    "map.yaml": text(f"p: {SHORT}\n"),
    "sentence.txt": text(f"Shown was no.{SHORT}. Released."),
    "cell.parquet": table(m=[f'{{"p": {SHORT}}}']),
    "bytes.parquet": table(m=[f"p={SHORT}".encode()]),
    "member.zip": held(zipped(**{"a.json": f'{{"p": {SHORT}}}'.encode()})),
    "semicolon.csv": text(f"a;p;b\nx;{SHORT};y\n"),
    "dashes.csv": text("a;p;b\nx;17-000-001;y\n"),
    "tab.csv": text(f"a\tp\nx\t{SHORT}\n"),
    "bar.tsv": text(f"a|p\nx|{SHORT}\n"),
    "comma.csv": text(f"a,p\nx,{SHORT}\n"),
    "rows unlike the header.csv": text(f"a,p\nx,1;{SHORT};y\n"),
    f"{SHORT}.txt": text("calm"),
}


@pytest.mark.parametrize("name", LOST)
def test_a_number_that_lost_its_zeros_is_found(name: str, world: World) -> None:
    assert world.chained(name, LOST[name]).verdict == "contaminated"


def test_a_table_with_another_delimiter_is_read_by_its_columns(world: World) -> None:
    """A declared column is compared as what it is, so that small numbers count."""
    assert world.chained("wide.copy.csv", text("photo;n\n12;1,5\n")).verdict == "contaminated"
    assert world.chained("calm.csv", text("photo;n\n13;1,5\n")).verdict == "clean"


NO_NUMBERS = {
    "counters.json": '{"n": 7, "m": 12, "k": 999999}',
    "fractions.json": f'{{"w": 0.{SHORT}, "v": {SHORT}.5, "u": 1.{SHORT}e-3}}',
    "digests.json": f'{{"sha": "a{SHORT}f", "b": "{SHORT}0{SHORT}"}}',
    "open.json": f'{{"n": 17000002, "arrest": "{OPEN}"}}',
}


@pytest.mark.parametrize("name", NO_NUMBERS)
def test_what_is_no_number_without_its_zeros_passes(name: str, world: World) -> None:
    assert world.chained(name, text(NO_NUMBERS[name])).verdict == "clean"


def test_random_numbers_in_a_text_do_not_cry_wolf(tmp_path: Path) -> None:
    world = lay(tmp_path / "world")
    random = np.random.default_rng(1)
    world.seal(*[("photo", f"{number:010d}") for number in random.integers(0, 10**10, 2000)])
    world.snapshot()
    world.strip()
    written = " ".join(map(str, random.integers(10**6, 10**9, 20_000)))
    assert world.chained("numbers.txt", text(written)).verdict == "clean"


ESCAPED = {
    "numeric reference": "<p>&#66;17&#48;00002</p>",
    "hexadecimal reference": "<p>&#x42;17000002</p>",
    "blank": "<p>B17&nbsp;000002</p>",
    "soft hyphen": "<p>B17&shy;000002</p>",
    "reference twice": "B17&amp;#48;00002",
    "bold": "<p>B17<b>000002</b></p>",
    "break that may be": "<p>B17<wbr>000<wbr/>002</p>",
    "span": '<p><span class="x">B17</span><em>000002</em></p>',
    "comment": "B17<!-- a -->000002",
    "percent": "https://x/?a=B17%3000002",
    "percent twice": quote(quote("B17 000002")).replace("B", "%2542"),
    "hexadecimal": 'x = "\\x4217000002"',
    "long": 'x: "\\U0000004217000002"',
    "tag in JSON": '"B17\\u003cb\\u003e000002"',
    "lost zeros": "17000<b>001</b>",
}


@pytest.mark.parametrize("name", ESCAPED)
def test_an_escaped_number_is_found(name: str, world: World) -> None:
    assert world.chained("page.html", text(ESCAPED[name])).verdict == "contaminated"
    assert world.chained("page.parquet", table(m=[ESCAPED[name]])).verdict == "contaminated"


def test_tags_that_part_cells_and_blocks_stay(world: World) -> None:
    for parted in ("<td>B17</td><td>000002</td>", "<p>B17</p><p>000002</p>", "<n>B17</n><m>000002</m>"):
        assert world.chained("parted.html", text(parted)).verdict == "clean"


def test_odd_escapes_pass(world: World) -> None:
    odd = ["100% calm & <b", "\\UFFFFFFFF \\x4 \\u12", "&#1114112; &#xD800; &nosuch;", "%FF%zz%", "a < b > c"]
    assert world.chained("odd.parquet", table(m=pa.array(odd))).verdict == "clean"
