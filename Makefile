# Needs Python 3.11 to 3.13, make and the network; everything else is installed into .venv.
PYTHON ?= python3
BIN = .venv/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help screenshots setup serve assets native test reliability fuzz fuzz-uploads large-uploads soak chaos train lint format requirements dist sbom audit benchmark-peers inference-clients peer-requirements clean

# Every training run has a folder of its own.
RUN ?= runs/fashion-dense-$(shell date +%Y%m%d-%H%M%S)

help: ## say what there is to make
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 24

setup: .venv/dev .venv/dev-assets native ## install everything: serving, training and the tools of development

serve: .venv/serve ## set up, and serve the shipped model on http://127.0.0.1:8000
	@$(MAKE) --no-print-directory .venv/serve-assets || true # most pages need none of it
	@$(MAKE) --no-print-directory native || true # draws are made without it, and take longer
	$(BIN)/vitrine serve

assets: .venv/serve ## fetch again the files of other projects that pages load
	$(BIN)/python front-end/install.py

native: ## compile what draws pictures, by a compiler that is installed for the moment
	@[ -x $(BIN)/python ] || $(MAKE) --no-print-directory .venv/serve
	$(BIN)/python app/native/build.py

test: .venv/dev .venv/dev-assets native ## set up, and run every test
	$(BIN)/python -m pytest --numprocesses=2 --dist=worksteal --junitxml=.pytest_cache/junit.xml $(PYTEST)

reliability: .venv/dev ## write docs/reliability.md from the results of the last make test
	$(BIN)/python -m tests.reliability $(if $(wildcard .pytest_cache/junit.xml),--junit .pytest_cache/junit.xml)

# How long the long runs are; those of docs/reliability.md: make soak MINUTES=60, make fuzz REQUESTS=20000.
MINUTES ?= 10
WORKERS ?= 1
REQUESTS ?= 5000

fuzz: .venv/dev ## set up, and check the answers to 5,000 random requests against the API documentation
	$(BIN)/python -m tests.fuzzing --requests $(REQUESTS) --out .pytest_cache/fuzz.json

fuzz-uploads: .venv/dev ## set up, and try broken uploads by what code they reach, MINUTES for each kind
	$(PIP) --no-build-isolation --editable '.[fuzz]'
	$(BIN)/python -m tests.broken_uploads --minutes $(MINUTES) --out .pytest_cache/uploads.json

large-uploads: .venv/dev native ## send twenty uploads of 25 megapixels at once: what memory do they take, and is it kept?
	$(BIN)/python -m tests.large_uploads --out .pytest_cache/large.json

soak: .venv/dev native ## send ten minutes of mixed traffic, with clients that crash: does anything grow or break?
	$(BIN)/python -m tests.soak --minutes $(MINUTES) --workers $(WORKERS) --out .pytest_cache/soak.json

chaos: .venv/dev native ## flip bits of versions, copy them halfway, change the serving one under load
	for name in flips swapping; do \
		$(BIN)/python -m tests.$$name --out .pytest_cache/$$name.json || exit 1; \
	done

train: run := $(RUN)
train: .venv/train ## train fashion-dense, measure it, publish it as the next version in model_store
	$(BIN)/vitrine-train fit training/configs/fashion-dense.toml --out $(run)
	$(BIN)/vitrine-train evaluate $(run)
	$(BIN)/vitrine-train export $(run)

lint: .venv/dev .venv/dev-assets ## check style and types, those of the pages' modules where there is Node.js
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	if command -v node >/dev/null; then node front-end/node_modules/typescript/bin/tsc --project front-end; fi

format: .venv/dev ## put the code in form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

requirements: .venv/dev ## pin the dependencies of pyproject.toml again, with hashes
	$(PIP) uv
	for set in serve remote train dev; do \
		case $$set in serve) extras= ;; remote) extras="--extra remote" ;; train) extras="--extra train" ;; dev) extras="--extra train --extra dev" ;; esac; \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
			--no-header pyproject.toml --extra build $$extras $$pinned -o requirements/$$set.txt || exit 1; \
		pinned="-c requirements/serve.txt"; \
	done
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
		--no-header requirements/npm.in -o requirements/npm.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
		--no-header requirements/native.in -o requirements/native.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
		--no-header requirements/supply.in -o requirements/supply.txt

# The time that a distribution gives all its files: the same sources give the same bytes.
export SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),1767225600)

dist: .venv/dev .venv/dev-assets ## build the source distribution, and the wheel from it, into dist/
	rm -rf dist
	$(BIN)/python app/native/build.py
	$(BIN)/python -c 'from setuptools import build_meta; build_meta.build_sdist("dist")' >/dev/null
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation \
		--wheel-dir dist dist/*.tar.gz

SUPPLY = .environments/supply

sbom: $(SUPPLY)/installed ## write the bill of materials (CycloneDX) of what serving installs into dist/
	mkdir -p dist
	$(SUPPLY)/bin/cyclonedx-py requirements requirements/serve.txt --pyproject pyproject.toml \
		--output-reproducible --output-file dist/vitrine.cdx.json 2>/dev/null

audit: $(SUPPLY)/installed ## ask what is known against the pinned packages; needs the network
	for set in serve remote train; do \
		$(SUPPLY)/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements/$$set.txt || exit 1; \
	done

# An environment of its own: what it needs is not to decide over versions of ours.
$(SUPPLY)/installed: requirements/supply.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	touch $@

PEERS = naive litserve bentoml ray-serve openvino
CLIENTS = benchmarks/.environments/inference-clients

benchmark-peers: $(PEERS:%=benchmarks/.environments/%/installed) ## install what benchmarks/ measures Vitrine beside: 7 GB

inference-clients: $(CLIENTS)/installed ## install the clients that tests/test_inference_clients.py runs: 500 MB

# Each has an environment of its own: none is held to the versions of another.
benchmarks/.environments/%/installed: benchmarks/peers/%.txt
	$(PYTHON) -m venv --clear $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $<
	touch $@

peer-requirements: .venv/dev ## pin what these need again, with hashes
	$(PIP) uv
	for peer in $(PEERS) $(notdir $(CLIENTS)); do \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
			--no-header benchmarks/peers/$$peer.in -o benchmarks/peers/$$peer.txt || exit 1; \
	done

screenshots: .venv/dev ## set up, and take the screenshots of docs/pages.md again; needs Chromium
	$(BIN)/python front-end/screenshots.py

clean: ## remove what the other targets made, but for runs/ and model_store/
	rm -rf .venv .environments benchmarks/.environments build dist *.egg-info client/build client/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis front-end/node_modules app/static/vendor app/native/*.so

# Bytecode is compiled as it is installed, so that no start has to.
.venv/serve .venv/train .venv/dev: .venv/%: requirements/%.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else "Vitrine needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 ...")'
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || { rm -rf .venv && $(PYTHON) -m venv .venv; } || \
		{ rm -rf .venv; echo "on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "installing requirements/$*.txt into .venv: a minute or two, once"
	$(PIP) --require-hashes --requirement $<
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@

# For serving only what is served, for development also what checks it.
.venv/serve-assets .venv/dev-assets: .venv/%-assets: front-end/package-lock.json front-end/install.py | .venv/%
	$(BIN)/python front-end/install.py $(if $(filter dev,$*),--dev)
	touch $@
