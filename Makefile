# Every target sets up what it needs in .venv; nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
STATE ?= var/sim

.PHONY: run test check conformance status bench clean

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing joulepost and its tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]'
	@$(BIN)/python -m compileall -q station hal
	@touch $(STAMP)

run: $(STAMP)          ## a bench CSMS, a simulated station, a car that charges
	@exec $(BIN)/joulepost demo --state-dir $(STATE)

test: $(STAMP)         ## all tests
	@$(BIN)/python -m pytest -n auto --dist worksteal -q

check: $(STAMP)        ## lint, format, types, import contracts, tests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python -m tests.contracts.sizes
	$(BIN)/python -m pytest -n auto --dist worksteal -q --cov --cov-report=term:skip-covered

conformance: $(STAMP)  ## the certification matrix, from a real test run
	@$(BIN)/python -m tests.conformance.matrix

status: $(STAMP)       ## docs/status.md, from the code and a real test run
	@$(BIN)/python -m tests.conformance.matrix --status docs/status.md

bench: $(STAMP)        ## the figures of the README, measured on this machine
	@$(BIN)/python -m station.bench.figures

clean:
	rm -rf $(VENV) var build dist
