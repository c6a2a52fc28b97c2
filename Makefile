# Needs Python 3.11 to 3.13, make and the network; everything else is installed into .venv.
PYTHON ?= python3
BIN = .venv/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: help serve test train lint format requirements clean

help: ## say what there is to make
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

serve: .venv/serve ## set up, and serve the shipped model on http://127.0.0.1:8000
	$(BIN)/vitrine serve

test: .venv/dev ## set up, and run every test
	$(BIN)/python -m pytest $(PYTEST)

train: .venv/train ## train fashion-dense, measure it, publish it to model_store
	$(BIN)/vitrine-train fit training/configs/fashion-dense.toml --out runs/fashion-dense
	$(BIN)/vitrine-train evaluate runs/fashion-dense
	$(BIN)/vitrine-train export runs/fashion-dense

lint: .venv/dev ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/dev ## put the code in form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

requirements: .venv/dev ## pin the dependencies of pyproject.toml again, with hashes
	$(PIP) uv
	for set in serve train dev; do \
		case $$set in serve) extras= ;; train) extras="--extra train" ;; dev) extras="--extra train --extra dev" ;; esac; \
		$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade \
			--no-header pyproject.toml $$extras -o requirements/$$set.txt || exit 1; \
	done

clean: ## remove what the other targets made
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis

# Bytecode is compiled as it is installed, so that no start has to.
.venv/serve .venv/train .venv/dev: .venv/%: requirements/%.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 14) else "Vitrine needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(PIP) --require-hashes --requirement $<
	$(PIP) --no-deps --no-build-isolation --editable .
	touch $@
