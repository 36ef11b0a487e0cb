# Every target that runs something first makes .venv, unless it is up to date.
# PYTHON=/path/to/python3.12 chooses the interpreter.
VENV := .venv/bin
SMK := Snakefile workflow
ARGS ?=

.PHONY: help setup demo test lint format regenerate-demo clean

help:
	@echo "make demo             run the embedded demo; ends with results/report.html"
	@echo "make test             run the tests (ARGS='-k name' selects)"
	@echo "make lint             check style of Python and workflow files"
	@echo "make format           rewrite them in that style"
	@echo "make regenerate-demo  draw the demo's images and train its detectors again"
	@echo "make clean            remove results, logs and Snakemake's records (downloads stay)"

setup:
	@sh tools/setup.sh

demo: setup
	$(VENV)/snakemake --cores $${CORES:-all} $(ARGS)

test: setup
	$(VENV)/pytest $(ARGS)

lint: setup
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/snakefmt --check $(SMK)
	$(VENV)/snakemake --lint

format: setup
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .
	$(VENV)/snakefmt $(SMK)

regenerate-demo: setup
	$(VENV)/snakemake --snakefile workflow/demo.smk --cores $${CORES:-all} $(ARGS)

clean:
	find results logs -mindepth 1 ! -name .gitkeep -delete
	rm -rf .snakemake
