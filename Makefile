# Each target works alone on a fresh clone. EQM_RAW and EQM_HOME choose other folders.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready
RAW = $${EQM_RAW:-data/raw}
SERVE ?= 1

.PHONY: setup run dev test test-spark lint docs bench
setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@echo "environment: .venv, from requirements.lock (about a minute the first time)"
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

# Exit code 1 of a build says that some files have errors: what is good was released all the same.
run: setup
	@test -n "$$(ls $(RAW) 2>/dev/null)" || $(BIN)/eqm sample --out $(RAW)
	@$(BIN)/eqm build || test $$? -eq 1
	@test "$(SERVE)" = 0 || exec $(BIN)/eqm serve --demonstration

dev: setup
	@test -n "$$(ls $(RAW) 2>/dev/null)" || $(BIN)/eqm sample --out $(RAW)
	@exec $(BIN)/eqm dev

test: setup
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

# The same models on DuckDB and on Spark, cell by cell. Wants Java 17 or newer, which would spend a
# third of so short a run on compiling for a long one.
test-spark: .venv-spark/.ready
	JDK_JAVA_OPTIONS="-XX:TieredStopAtLevel=1 -XX:+UseSerialGC" .venv-spark/bin/pytest tests/spark

.venv-spark/.ready: requirements-spark.lock pyproject.toml
	@echo "environment: .venv-spark, from requirements-spark.lock (860 MB, some minutes)"
	@if command -v uv >/dev/null 2>&1; then \
		test -x .venv-spark/bin/python || uv venv --seed -q --python $(PYTHON) .venv-spark; \
		uv pip install -q --python .venv-spark/bin/python --no-deps --require-hashes \
			-r requirements-spark.lock \
		&& uv pip install -q --python .venv-spark/bin/python --no-deps -e .; \
	else \
		test -x .venv-spark/bin/python || $(PYTHON) -m venv .venv-spark; \
		.venv-spark/bin/pip install -q --no-deps --require-hashes -r requirements-spark.lock \
		&& .venv-spark/bin/pip install -q --no-deps -e .; \
	fi
	@touch $@

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy pipelines dashboards bench
	$(BIN)/sqlfluff lint dbt_project/models

docs: setup
	$(BIN)/python -m pipelines.feeds.pages > docs/feeds.md
	$(BIN)/python -m pipelines.metrics.pages
	$(BIN)/python -m bench.page > docs/performance.md

bench: setup
	$(BIN)/python -m bench.intake
	$(BIN)/python -m bench.landing
	$(BIN)/python -m bench.warehouse
	$(BIN)/python -m bench.attainment
	$(BIN)/python -m bench.equity
	$(BIN)/python -m bench.growth
	$(BIN)/python -m bench.evaluation
	$(BIN)/python -m bench.gate
