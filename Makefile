# Each target works alone on a fresh clone.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready

.PHONY: setup test lint bench
setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
		test -x $(BIN)/python || uv venv --seed -q --python $(PYTHON) .venv; \
		uv pip install -q --python $(BIN)/python --no-deps --require-hashes -r requirements.lock \
		&& uv pip install -q --python $(BIN)/python --no-deps -e .; \
	else \
		test -x $(BIN)/python || $(PYTHON) -m venv .venv; \
		$(BIN)/pip install -q --no-deps --require-hashes -r requirements.lock \
		&& $(BIN)/pip install -q --no-deps -e .; \
	fi
	@touch $(STAMP)

test: setup
	$(BIN)/pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy pipelines dashboards bench
	$(BIN)/sqlfluff lint dbt_project/models

bench: setup
	$(BIN)/python -m bench.warehouse
