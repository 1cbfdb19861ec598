# Every target makes .venv on first use. PYTHON picks the interpreter: make PYTHON=python3.12 test
# pip would compile all modules, one after the other; Python compiles those that it imports.
PYTHON ?= python3
BIN = .venv/bin
READY = .venv/ready
DEMO = .venv/demo
unexport PYTHONDONTWRITEBYTECODE # importing torch without compiled modules takes seconds more

.PHONY: demo test test-gpu check bench faults docs oracles

demo: $(DEMO) ## fine-tune whisper-base on synthetic Swahili and show what it gained
	$(BIN)/mothertongue demo

test: $(READY) ## all tests, offline
	$(BIN)/pytest -n auto --dist worksteal

test-gpu: $(READY) ## what needs a GPU: that it computes what a CPU does
	MOTHERTONGUE_TEST_GPU=1 $(BIN)/pytest tests/test_gpu.py

check: $(READY) ## what CI checks beside the tests: format, lint, types, layers, generated pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/make_config_page.py --check
	$(BIN)/python tools/make_formats_page.py --check

bench: .venv/bench .venv-adapterhub/ready ## ours beside the peers, an hour on two cores; BENCH=options
	$(BIN)/python benchmarks/bench.py $(BENCH)

faults: $(READY) ## broken files, killed processes, full disks, an hour or more; FAULTS=options
	MOTHERTONGUE_KILLS=20 $(BIN)/pytest tests/training/test_kill.py
	PYTHONPATH=benchmarks:tests/helpers MALLOC_PERTURB_=165 $(BIN)/python -m faults $(FAULTS)

oracles: .venv-adapterhub/ready ## what AdapterHub's library computes, for tests to replay
	.venv-adapterhub/bin/python tools/make_adapterhub_vectors.py

docs: $(READY) ## write the generated pages again
	$(BIN)/python tools/make_config_page.py
	$(BIN)/python tools/make_formats_page.py

$(READY): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev]'
	touch $@

# The demo needs no tool of the developers; where those are installed it has all it needs.
$(DEMO): pyproject.toml constraints.txt
	test -e $(READY) || $(PYTHON) -m venv .venv
	test -e $(READY) || $(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable '.[demo]'
	touch $@

.venv/bench: $(READY)
	$(BIN)/pip install --quiet --no-compile --constraint constraints.txt --editable '.[dev,bench]'
	touch $@

.venv-adapterhub/ready: tools/adapterhub-requirements.txt
	$(PYTHON) -m venv .venv-adapterhub
	.venv-adapterhub/bin/pip install --quiet --requirement $<
	touch $@
