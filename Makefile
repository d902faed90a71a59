# Two commands do everything: `make demo` and `make test`. Each makes its own virtual environment.

PYTHON ?= python3
PIP_FLAGS ?= --quiet --disable-pip-version-check

# Every extra whose library some code or test here uses.
EXTRAS = arrow,bench,catboost,hub,lagrangian,lightgbm,mlflow,onnx,ray,spark,transformers,dev

TEST_TOOLS = pytest pytest-xdist hypothesis polars cvxpy

# One worker a core; each then computes with one thread.
PYTEST = -m pytest -n auto --dist worksteal --durations 25
export OMP_NUM_THREADS ?= 1

PINNED = -c constraints.txt
SOURCES = pyproject.toml constraints.txt

.PHONY: demo test test-core lint results benchmark clean

demo: .venv-core/ready
	.venv-core/bin/holdfast demo

test: .venv/ready
	.venv/bin/python $(PYTEST)

# The core install and the tools that tests are written with, no extra: what needs one is skipped,
# all else must pass. Only what can differ without extras is run: imports, commands, files, models,
# learners, tables and data. What works on arrays alone has the same libraries in both installs.
CORE_TESTS = house flows models learners tables predictions datasets

test-core: .venv-core-tests/ready
	.venv-core-tests/bin/python $(PYTEST) -m "not slow" $(addprefix tests/,$(CORE_TESTS)) src

lint: .venv/ready
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

# The figures of the documents, from HOLDFAST_DATA or OpenML (IMDB from HOLDFAST_DATA only).
results: .venv/ready
	.venv/bin/python benchmarks/adult_budgets.py
	.venv/bin/python benchmarks/network_updates.py
	.venv/bin/python benchmarks/bench_pages.py
	.venv/bin/python benchmarks/boosting_methods.py
	.venv/bin/python benchmarks/boosting_ideas.py
	.venv/bin/python benchmarks/certificate_coverage.py
	.venv/bin/python benchmarks/measure_intervals.py
	.venv/bin/python benchmarks/score_intervals.py
	.venv/bin/python benchmarks/verdicts.py
	.venv/bin/python benchmarks/weighted_rows.py
	.venv/bin/python benchmarks/crafted_models.py
	.venv/bin/python benchmarks/promises.py
	.venv/bin/python benchmarks/fraud.py
	.venv/bin/python benchmarks/theory_figure.py
	.venv/bin/python benchmarks/constrained.py
	.venv/bin/python benchmarks/figures.py
	.venv/bin/python benchmarks/report_screens.py
	.venv/bin/python benchmarks/readme.py

benchmark: .venv/ready
	.venv/bin/python benchmarks/compare_speed.py
	.venv/bin/python benchmarks/table_speed.py
	.venv/bin/python benchmarks/import_time.py
	.venv/bin/python benchmarks/fit_many_speed.py
	.venv/bin/python benchmarks/trial_speed.py
	.venv/bin/python benchmarks/boosting_speed.py
	.venv/bin/python benchmarks/budget_search.py

.venv/ready: $(SOURCES)
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install $(PIP_FLAGS) $(PINNED) -e '.[$(EXTRAS)]'
	touch $@

.venv-core/ready: $(SOURCES)
	$(PYTHON) -m venv .venv-core
	.venv-core/bin/python -m pip install $(PIP_FLAGS) $(PINNED) -e .
	touch $@

.venv-core-tests/ready: $(SOURCES)
	$(PYTHON) -m venv .venv-core-tests
	.venv-core-tests/bin/python -m pip install $(PIP_FLAGS) $(PINNED) -e . $(TEST_TOOLS)
	touch $@

clean:
	rm -rf .venv .venv-core .venv-core-tests build dist report.html
