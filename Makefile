# The commands of the book; `make` lists them.
#   PYTHON       the Python that makes .venv: python3 by default
#   TORCH_INDEX  address of a package index with CPU-only builds of PyTorch; empty means the usual index
#   NB           which notebook `make execute` runs: 08, or all
#   URL          the repository's address, for `make repository`

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
INSTALLED := .venv/installed
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: help book test serve execute lint links repository clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile
	@echo "Variables: PYTHON=python3.12, TORCH_INDEX=address, PORT=8000, NB=08, URL=https://github.com/OWNER/REPO"

# The file is written last, so that an installation cut short is taken up again.
$(INSTALLED): requirements.txt pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) is missing: install Python 3.11, 3.12 or 3.13 (on Debian and \
	Ubuntu: apt-get install python3 python3-venv), or name one with PYTHON=path." >&2; exit 1; }
	@$(PYTHON) tools/check_python.py
	@rm -f $@
	@$(BIN)/python -c "import pip" 2>/dev/null || $(PYTHON) -m venv --clear .venv
	@echo "Installing the packages of requirements.txt into .venv."
ifneq ($(TORCH_INDEX),)
	@$(PIP) install --quiet --no-deps --index-url "$(TORCH_INDEX)" $$(grep -E '^torch(vision)?==' requirements.txt)
endif
	@$(PIP) install --quiet --requirement requirements.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

book: $(INSTALLED) ## build the site into _build/html from the stored outputs, warnings being errors
	@rm -rf _build/html _build/.doctrees
	@$(BIN)/jupyter-book build . -q -W -n --keep-going
	@echo "The book is built. Open $(CURDIR)/_build/html/index.html"

test: $(INSTALLED) ## run every test: repository, library, built pages, every notebook
	@$(BIN)/python tools/run_tests.py

serve: $(INSTALLED) ## show the built site at http://127.0.0.1:8000
	@test -f _build/html/index.html || $(MAKE) book
	@echo "Serving at http://127.0.0.1:$(PORT) until Ctrl-C"
	@$(BIN)/python -m http.server $(PORT) --bind 127.0.0.1 --directory _build/html

execute: $(INSTALLED) ## NB=08: run a notebook and store its outputs (NB=all: every one)
	@$(BIN)/python tools/execute.py $(NB)

lint: $(INSTALLED) ## format and check all Python, notebooks included
	@$(BIN)/ruff format .
	@$(BIN)/ruff check .

links: $(INSTALLED) ## try every link that leaves the book
	@$(BIN)/jupyter-book build . -q --builder linkcheck --path-output _build/links

repository: $(INSTALLED) ## URL=...: carry the repository's address into badges, set-up cells and metadata
	@$(BIN)/python tools/repository.py $(URL)

clean: ## delete what was built; .venv stays
	@rm -rf _build build .pytest_cache .ruff_cache .hypothesis .coverage .coverage.*
	@find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +
	@find . -name .venv -prune -o -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +
