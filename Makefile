# make demo | test | suffolk | soak | mutants | bench | lint — each does its own set-up from a bare clone: Python 3.11+, git and make.
PYTHON ?= python3
BIN := .venv/bin
SUFFOLK_CSV ?= ../shared/data/suffolk/suff.csv
SUFFOLK_SHA256 := 64a197abdf856e51a47ae426476e095dddf6b7dcc9b5cad60f3f9dc978df6b67
SUFFOLK := pipelines/examples/suffolk
export PATH := $(CURDIR)/$(BIN):$(PATH)
export MLFLOW_DISABLE_TELEMETRY = true
export DVC_NO_ANALYTICS = 1
export GX_ANALYTICS_ENABLED = false
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo suffolk suffolk-input test soak mutants bench lint clean lock

demo: .venv/ready build/city/ready build/keeper/delivered .dvc/tmp
	$(BIN)/dvc repro
	@echo "report: $(CURDIR)/build/report.html"

suffolk: .venv/ready suffolk-input build/suffolk/keeper/delivered .dvc/tmp
	$(BIN)/dvc repro $(SUFFOLK)/dvc.yaml
	@cat build/suffolk/summary.json
	@echo "report: $(CURDIR)/build/suffolk/report.html"

test: .venv/ready
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

soak: .venv/ready
	$(BIN)/python -m pytest -m "law or soak" --hypothesis-profile=soak --numprocesses 2 --dist loadfile

# A seeded sample of the mutants of identifiers, trace, strip and features; `make mutants MUTANTS=--all` tries every one.
mutants: .venv/ready
	$(BIN)/python tests/mutants/run.py $(MUTANTS)

bench: .venv/ready
	$(BIN)/python bench/strip.py
	$(BIN)/python bench/delta.py
	$(BIN)/python bench/features.py --arrests 600000 --rounds 3
	$(BIN)/python bench/systems.py --arrests 60000 600000 --rounds 3 --city build/bench/cities

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf build .venv .dvc/tmp .dvc/cache

# The environment, made once and again when the list of versions changes. Every version is pinned with its hash.
.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check --no-deps --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

.dvc/tmp:
	mkdir -p $@

# The invented city, and the keeper's side of it: a key, and a delivery of seal events into the register.
build/city/ready: .venv/ready
	$(BIN)/python -m pipelines.city --out build/city
	touch $@

build/keeper/key: .venv/ready
	test -f $@ || $(BIN)/sealproof register keygen --key-file $@

build/keeper/delivered: build/city/ready build/keeper/key
	$(BIN)/sealproof register add build/keeper/register --key-file build/keeper/key \
		--kinds pipelines/kinds.yaml --rules pipelines/rules.yaml --feed build/city/seal_feed.csv --delivered-on 2019-12-31
	touch $@

# The real file stays where it is; it is linked to, never copied.
suffolk-input:
	@test -f "$(SUFFOLK_CSV)" || { echo "No file at SUFFOLK_CSV=$(SUFFOLK_CSV). It is suff.csv of the public repository \
	codeforboston/clean-slate-data on GitHub (MIT), SHA-256 $(SUFFOLK_SHA256)." >&2; exit 2; }
	@echo "$(SUFFOLK_SHA256)  $(SUFFOLK_CSV)" | sha256sum --check --quiet
	@mkdir -p build/suffolk/raw
	@ln -sfn "$(abspath $(SUFFOLK_CSV))" build/suffolk/raw/suff.csv

build/suffolk/keeper/key: .venv/ready
	test -f $@ || $(BIN)/sealproof register keygen --key-file $@

build/suffolk/keeper/delivered: build/suffolk/keeper/key $(SUFFOLK)/events.sql $(SUFFOLK)/favourable.csv | suffolk-input
	$(BIN)/sealproof register add build/suffolk/keeper/register --key-file build/suffolk/keeper/key \
		--kinds $(SUFFOLK)/kinds.yaml --rules $(SUFFOLK)/rules.yaml --query $(SUFFOLK)/events.sql \
		--source charges=build/suffolk/raw/suff.csv --source favourable=$(SUFFOLK)/favourable.csv \
		--delivered-on 2020-01-01
	touch $@
