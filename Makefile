# `make run` and `make test` need only python3 (3.11+) and make: they create .venv, install into it, and go.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-avx2 test-plain peers check derive record bench clean

run: .venv/.installed
	$(BIN)/python -m simlab.studies.langevin_drift

test: .venv/.installed
	$(BIN)/python -m pytest -n auto

# The same as on a lesser processor, for machines of the x86-64 kind: with AVX2 at most, with SSE2 at most.
test-avx2 test-plain: .venv/.installed
	$(BIN)/python -m tests.processor $(@:test-%=%) -m pytest -n auto

# On Linux pip's PyTorch brings gigabytes for CUDA, which no test here needs. Where pip is set up with an index that has
# processor builds, name one: make peers TORCH=2.13.0+cpu
peers: .venv/.installed
	$(BIN)/python -m pip install --quiet $(if $(TORCH),torch==$(TORCH)) --group peers
	$(BIN)/python -m pytest tests/nn/test_peers.py

check: .venv/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

derive: .venv/.installed
	$(BIN)/python -m simlab.theory

record: .venv/.installed
	for study in langevin_drift random_features scale_invariance ensemble_power_laws; do \
	  $(BIN)/python -m simlab record $$study && $(BIN)/python -m simlab seeds $$study || exit 1; \
	done

bench: .venv/.installed
	$(BIN)/python -m pip install --quiet -r benchmarks/requirements.txt
	$(BIN)/python benchmarks/langevin.py
	$(BIN)/python benchmarks/random_features.py
	$(BIN)/python benchmarks/networks.py

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache

.venv/.installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("simlab needs Python 3.11 or newer; name one with make PYTHON=python3.12 run" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	touch $@
