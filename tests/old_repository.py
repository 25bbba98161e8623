"""A repository as it stood before anybody thought of seals: small, invented, and messy as such repositories are."""

from __future__ import annotations

import json
import random
from pathlib import Path

NUMBER_OF_ARRESTS = 120
SEALED = (0, 3, 5, 8)  # places of the arrests that the feed seals
DVC_YAML = """\
# Our pipeline. Do not reorder.
stages:

  features:   # one row per arrest
    cmd: python src/features.py
    deps:
      - src/features.py
      - data/raw/arrests.csv
    outs:
      - data/features      # a folder
  # the model
  train:
    cmd: python src/train.py
    deps: [src/train.py, data/features]
    outs: [models/model.pkl]
    metrics:
      - metrics.json: {cache: false}

# what we look at
plots:
  - metrics.json
"""
FEATURES = """\
import csv, pathlib

with open("{raw}/arrests.csv", encoding="cp1252", newline="") as raw:
    rows = list(csv.DictReader(raw, delimiter=";"))
pathlib.Path("data/features").mkdir(exist_ok=True)
with open("data/features/arrests.csv", "w") as out:
    out.write("ARREST_NO,AGE\\n")
    out.writelines(f"{{row['ARREST_NO']}},{{row['AGE']}}\\n" for row in rows)
"""
TRAIN = """\
import csv, json, pickle

with open("data/features/arrests.csv") as table:
    ages = sorted(int(row["AGE"]) for row in csv.DictReader(table))
with open("models/model.pkl", "wb") as model:
    pickle.dump(ages, model)
with open("metrics.json", "w") as metrics:
    json.dump({"median": ages[len(ages) // 2], "of": len(ages)}, metrics)
"""


def arrest_numbers() -> list[str]:
    """The arrests, in the order of the file."""
    chance = random.Random(4)
    return [f"{chance.choice('BKMQS')}{chance.randrange(10**8):08d}" for _ in range(NUMBER_OF_ARRESTS)]


def write_raw(folder: Path) -> None:
    """Arrests as somebody saved them from a spreadsheet, the photos' own export, complaints."""
    chance, arrests = random.Random(5), arrest_numbers()
    photos = [f"{chance.randrange(10**10):010d}" for _ in arrests]
    photos[:6:2] = ["0001234567", "0000000042", "0123456789"]
    complaints = [f"2017{number:08d}" for number in range(len(arrests))]
    rows = ["ARREST_NO;PHOTO_ID;COMPLAINT_NUM;OFFENSE;AGE;PRECINCT"]
    for place, arrest in enumerate(arrests):
        photo = "N/A" if place % 7 == 6 else photos[place].lstrip("0")
        rows.append(f"{arrest};{photo};{complaints[place]};Señal de robo;{chance.randrange(18, 60)};{place % 77}")
    folder.mkdir(parents=True)
    (folder / "arrests.csv").write_bytes("".join(f"{row}\r\n" for row in rows).encode("cp1252"))
    taken = [f"{photo};2017-01-{1 + place % 28:02d}" for place, photo in enumerate(photos)]
    (folder / "photos.csv").write_bytes("\n".join(["photo_number;taken", *taken, ""]).encode())
    rows = ["complaint_number,cleared_by,suspect_age,status,narrative"]
    for place, complaint in enumerate(complaints):
        cleared = f"{arrests[place]},{chance.randrange(18, 60)},CLOSED" if place % 3 == 0 else "N/A,,OPEN"
        rows.append(f"{complaint},{cleared},Window number {place} was broken near the park and nobody saw it.")
    (folder / "complaints.csv").write_text("\n".join([*rows, ""]))


def write_feed(path: Path, kind: str = "arrest_number") -> None:
    """The keeper's feed: some arrests are sealed."""
    arrests = arrest_numbers()
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = [f"{kind},{arrests[place]},seal,CPL 160.50,2019-01-10,2019-01-12" for place in SEALED]
    path.write_text("\n".join(["kind,identifier,action,statute,effective_on,recorded_on", *rows, ""]))


def notebook(shown: str) -> str:
    """A notebook of one cell that shows something, or nothing."""
    outputs = [{"output_type": "stream", "name": "stdout", "text": [shown]}] if shown else []
    cell = {"cell_type": "code", "metadata": {}, "execution_count": 1, "source": ["rows.head(1)"], "outputs": outputs}
    return json.dumps({"cells": [cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


def write_work(folder: Path) -> None:
    """What people made of the raw files: a pipeline with comments, parameters, notebooks."""
    for name in ("src", "models"):
        (folder / name).mkdir()
    (folder / "src/features.py").write_text(FEATURES.format(raw="data/raw"))
    (folder / "src/train.py").write_text(TRAIN)
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "params.yaml").write_bytes(b"# knobs\r\ntrain: {seed: 1}   # never change")
    (folder / ".gitignore").write_text("*.pyc\n")
    (folder / "explore.ipynb").write_text(notebook(arrest_numbers()[0]))
    (folder / "empty.ipynb").write_text(notebook(""))
