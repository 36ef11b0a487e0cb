# Every target that runs something first makes .venv, unless it is up to date.
# PYTHON=/path/to/python3.12 chooses the interpreter.
VENV := .venv/bin
SMK := Snakefile workflow
ARGS ?=

.PHONY: help setup setup-external demo test test-parts test-whole real heads heads-first heads-second \
    bodies bodies-first bodies-second zoo faults slurm storage fuzz benchmark lint format environment \
    regenerate-demo clean

help:
	@echo "make setup-external   make .venv-external, without torch and mmdet, for models without mmdet"
	@echo "make demo             run the embedded demo; ends with results/report.html"
	@echo "make test             run the tests (ARGS='-k name' selects)"
	@echo "make fuzz             spoil inputs and read them (MINUTES=20 TARGET=config); writes docs/fuzzing.md"
	@echo "make real             the tests with real weights, photographs and mmdet's whole zoo"
	@echo "make heads            prove every head at every cut; writes docs/heads.md"
	@echo "make bodies           prove backbones and necks under a dense head; writes docs/bodies.md"
	@echo "make zoo              heads, the same with the zoo's own backbones; writes docs/zoo.md"
	@echo "make faults           kill runs at random moments, fill the disk; writes docs/faults.md"
	@echo "make slurm            run a part of the demo on a real Slurm on this machine (ARGS=--whole: all of it)"
	@echo "make storage          run with the results in a storage, here a folder"
	@echo "make benchmark        measure side by side, each beside its floor; writes benchmarks/results"
	@echo "make lint             check style and types of Python, style of workflow files"
	@echo "make format           rewrite them in that style"
	@echo "make environment      write environment.yml and requirements-external.txt from requirements.txt"
	@echo "make regenerate-demo  draw the demo's images and train its detectors again"
	@echo "make clean            remove results, logs and Snakemake's records (downloads stay)"

setup:
	@sh tools/setup.sh

# For models without mmdet. No other target uses it, and it does not touch .venv.
setup-external:
	@sh tools/setup.sh external

demo: setup
	$(VENV)/python tools/start_run.py --cores $${CORES:-all} $(ARGS)

# Whole, in two processes: most tests are single-threaded Python.
test: setup
ifeq ($(strip $(ARGS)),)
	$(MAKE) --jobs 2 --keep-going test-parts test-whole
else
	$(VENV)/pytest $(ARGS)
endif

# One is tests of parts and what is single-threaded besides, the other is whole runs.
PLANS = tests/workflow/test_reruns.py tests/workflow/test_dry_run.py tests/workflow/test_plan_errors.py
test-parts:
	OMP_NUM_THREADS=1 $(VENV)/pytest -m "not real" tests/unit tests/bad_input tests/fuzz tests/reference \
	    tests/heads tests/browser $(PLANS)

test-whole:
	$(VENV)/pytest tests/workflow tests/gpu $(PLANS:%=--ignore=%)

# Counts go on over several calls.
MINUTES ?= 1
TARGET ?= all
fuzz: setup
	$(VENV)/python tests/fuzz/fuzz.py --minutes $(MINUTES) --target $(TARGET) $(ARGS)

real: setup
	$(VENV)/pytest -m real tests/reference $(ARGS)

# Two processes of one thread each: an export is single-threaded Python.
BACKBONE ?= narrow
RECORD = results/heads-$(BACKBONE)
heads: setup
	rm -rf $(RECORD)
	$(MAKE) --jobs 2 --keep-going heads-first heads-second BACKBONE=$(BACKBONE); status=$$?; \
	$(VENV)/python tests/heads/table.py $(RECORD) $(if $(filter zoo,$(BACKBONE)),zoo,heads); exit $$status

bodies: setup
	rm -rf results/bodies
	$(MAKE) --jobs 2 --keep-going bodies-first bodies-second RECORD=results/bodies; status=$$?; \
	$(VENV)/python tests/heads/table.py results/bodies bodies; exit $$status

heads-first heads-second bodies-first bodies-second:
	OMP_NUM_THREADS=1 $(VENV)/pytest tests/heads --heads $@ --backbone $(BACKBONE) --record $(RECORD) $(ARGS)

zoo:
	$(MAKE) heads BACKBONE=zoo

# It goes on where the last call ended: ARGS='--minutes 20'.
faults: setup
	OMP_NUM_THREADS=1 $(VENV)/python tests/faults/campaign.py $(ARGS)

# Debian's packages slurm-wlm and munge are installed if they are missing.
slurm: setup
	OMP_NUM_THREADS=1 $(VENV)/python tests/slurm/run_on_slurm.py $(ARGS)

storage: setup
	OMP_NUM_THREADS=1 $(VENV)/python tests/slurm/run_with_storage.py

# For an idle machine; gpu.py says that it is skipped where there is none.
benchmark: setup
	set -e; for name in postprocess latency predict bootstrap workflow external report gpu; do \
	    $(VENV)/python benchmarks/$$name.py; done

lint: setup
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/mypy
	$(VENV)/snakefmt --check $(SMK)
	$(VENV)/python tools/lint_workflow.py

format: setup
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .
	$(VENV)/snakefmt $(SMK)

environment: setup
	$(VENV)/python tools/environment.py
	$(VENV)/python tools/requirements_external.py

regenerate-demo: setup
	$(VENV)/python tools/start_run.py --snakefile workflow/demo.smk --cores $${CORES:-all} $(ARGS)

clean:
	find results logs -mindepth 1 ! -name .gitkeep -delete
	rm -rf .snakemake
