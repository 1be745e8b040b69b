# The commands of the book; `make` lists them. tools/book.py holds them all and does the same where there is no make.
#   PYTHON       the Python that makes .venv: python3 by default
#   TORCH_INDEX  address of a package index with CPU-only builds of PyTorch; empty means the usual index
#   STAGE        which stages `make test` runs: notebooks, or several in quotes; empty means all
#   NB           which notebook `make execute` runs: 08, or all
#   PORT         where `make serve` shows the site
#   URL          the repository's address, for `make repository`

PYTHON ?= python3
export TORCH_INDEX
RUN := $(if $(wildcard .venv/installed),.venv/bin/python,$(PYTHON))
BOOK = @command -v $(RUN) >/dev/null || { echo "$(RUN) is missing: install Python 3.11, 3.12 or 3.13 (on Debian and \
	Ubuntu: apt-get install python3 python3-venv), or name one with PYTHON=path." >&2; exit 1; }; \
	$(RUN) tools/check_python.py && $(RUN) tools/book.py $@

.PHONY: help install book check test serve execute lint widgets looks links repository clean

help install book check lint widgets looks links clean:
	$(BOOK)

test:
	$(BOOK) $(STAGE)

serve:
	$(BOOK) $(PORT)

execute:
	$(BOOK) $(NB)

repository:
	$(BOOK) $(URL)
