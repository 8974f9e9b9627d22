# Roomtone's tasks. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# Where pip takes a CPU build of torch from, if not from its usual index: e.g. TORCH_INDEX="--index-url https://…"
TORCH_INDEX ?=
# A model named in .env needs torch and transformers, and so do the tests of such models; nothing else does.
CHECKPOINT := $(shell grep -sqE '^ROOMTONE_(SENTIMENT|NER)_MODEL=.+' .env && echo yes)

.PHONY: help run test check format bench demo-discord demo-slack clean
.DEFAULT_GOAL := help

help:  ## Show what can be done
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/installed $(if $(CHECKPOINT),$(VENV)/checkpoint)  ## Start Roomtone: the platforms that .env names, or a terminal on a sample workspace
	@$(BIN)/roomtone run

test: $(VENV)/developer  ## Check the code and run every test
	@$(MAKE) --no-print-directory $(VENV)/checkpoint || echo "torch can't be installed here: what needs it is skipped."
	@$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest -q -n 2

check: $(VENV)/developer  ## Format, lint, types, layers, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell

format: $(VENV)/developer  ## Put the code in order
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/developer  ## Measure this machine: speed of reading, of storing, of answering
	$(BIN)/python -m bench

demo-slack: $(VENV)/developer  ## See the bot on a local Slack: the sample's chat, questions, answers and their charts
	$(BIN)/python -W ignore -m tests.demos.slack demo-output/slack

demo-discord: $(VENV)/developer  ## See the bot on a local Discord: the sample's chat, questions, answers and their charts
	$(BIN)/python -W ignore -m tests.demos.discord demo-output/discord

clean:  ## Remove what `make` made (never your data)
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade "pip>=25.1"  # older ones know no --group

$(VENV)/installed: pyproject.toml | $(BIN)/pip
	@echo "Installing Roomtone into $(VENV) …"
	$(BIN)/pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/checkpoint: $(VENV)/installed
	@echo "Installing torch and transformers, which a checkpoint needs …"
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH_INDEX) torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -e ".[checkpoint]"
	@touch $@

$(VENV)/developer: pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --disable-pip-version-check -e . --group test --group lint
	@touch $@
