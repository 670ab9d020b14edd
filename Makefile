# The two commands of the README: `make demo` and `make test`. Both set up .venv first if it is not there.
PYTHON ?= python3
BIN := .venv/bin
IMAGES ?= ../shared/data
WORKERS ?= 2
DEMO_CODEC := block-dnn-16
# Bytecode is kept whatever the shell says: two workers and hundreds of child processes would compile all sources again.
PYTEST = PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

SOAK_MINUTES ?= 60

.PHONY: setup demo test slow cluster soak check bench fuzz wheel

# Makes .venv and compiles the kernels that the demo uses. Without a folder to keep them in, each process compiles its own.
setup: .venv/.ready

.venv/.ready: pyproject.toml infra/constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c infra/constraints.txt -e '.[dev]'
	-$(BIN)/tilepress warm $(DEMO_CODEC)
	touch $@

demo: setup
	$(BIN)/python infra/demo.py

test: setup
	$(PYTEST)

# The slow tests wait for servers, kills and clusters more than they compute: three at a time on two processors.
slow: WORKERS = 3
slow: setup
	$(PYTEST) -m 'slow and not cluster'

# Jobs on a Ray cluster of three machines: network namespaces, for which root is needed, else addresses of this one.
cluster: setup
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -q -m cluster tests/jobs/submission/test_on_cluster.py

# Every kill, damage and broken request of tests/faults, of which `make slow` tries a few, and an hour of work under
# faults with memory, descriptors and temporary files flat. The figures are shown at the end, and in build/faults.json.
soak: setup
	FAULTS=full SOAK_MINUTES=$(SOAK_MINUTES) FIGURES_JSON=build/faults.json \
	    $(BIN)/python -m pytest -m 'slow or not slow' --timeout 7200 tests/faults

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd infra/src && ../../$(BIN)/mypy --config-file ../../pyproject.toml -p tilepress

# Figures of infra/bench/README.md. What IMAGES holds is said in infra/bench/all.py.
bench: setup
	$(BIN)/python infra/bench/all.py $(IMAGES)

# A wheel for this Python and platform, with compiled kernels, in dist/. `python -m build` makes one without, for all.
wheel: setup
	$(BIN)/tilepress warm --pack
	$(BIN)/python -m build --wheel --no-isolation
	rm -r codecs/kernels/packs

# A million mutants for each parser of bytes from elsewhere; takes an hour or so. `make test` tries a few hundred.
fuzz: setup
	$(BIN)/python -m tests.fuzz.run
