# The two commands are `make reproduce` and `make test`; everything happens in ./.venv, which `make env` makes.
PROFILE ?= quick
DEVICE ?= cpu
CORES ?= all
PROCESSES ?= 1
CLUSTER ?=
UNTIL ?=
WORKERS ?= auto
# What the recipes call must be the environment's own, whatever else is on the PATH or switched on; only making the
# environment starts from the Python that was there before.
SYSTEM_PATH := $(PATH)
export PATH := $(CURDIR)/.venv/bin:$(PATH)
unexport PYTHONPATH PYTHONHOME

# Holds torch to the instructions of a processor without bfloat16, whatever this one has; only x86-64 knows these
OLDER := $(if $(filter x86_64 amd64,$(shell uname -m)),ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2)

.DEFAULT_GOAL := help
.PHONY: help env reproduce rehearse book epub test test-book bench lint clean clean-data

help:  ## this list
	@echo "make TARGET, where TARGET is one of"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

env:  ## the environment in ./.venv, with all extras; does nothing when it is up to date
	@PATH="$(SYSTEM_PATH)" sh .ci/environment.sh

reproduce: env  ## everything, from data to book  [PROFILE=quick] [CORES=all] [DEVICE=cpu] [PROCESSES=1] [CLUSTER=] [UNTIL=]
	@python -m bsrnn.workflow.reproduce --profile "$(PROFILE)" --cores "$(CORES)" --device "$(DEVICE)" \
	  --processes "$(PROCESSES)" $(if $(CLUSTER),--cluster "$(CLUSTER)") $(if $(UNTIL),--until "$(UNTIL)")

rehearse: env  ## the profile paper, two steps a run at full size on made-up songs, and how long all will take
	@python -m bsrnn.workflow.reproduce --profile paper --rehearse --cores "$(CORES)" --device "$(DEVICE)" \
	  --processes "$(PROCESSES)" $(if $(CLUSTER),--cluster "$(CLUSTER)")

book: env  ## only the book, executed from the results that are there, into _build/html
	jupyter-book build book/

epub: env  ## the book for a reading device, into _build/epub; its sounds and folded lists stay in the pages
	jupyter-book build book/ --builder custom --custom-builder epub

test: env  ## the fast tests, minutes
	python -m pytest -m "not slow and not book" -n "$(WORKERS)"
	$(OLDER) python -m pytest -m precision -n "$(WORKERS)"

test-book: env  ## the book, every Sphinx warning an error, and checks of notebooks and of pages in a browser
	jupyter-book build book/ -n -W --keep-going
	python -m pytest -m book -rs

bench: env  ## speed and memory against others, into benchmarks/results.json; on an idle machine, half an hour
	python -m benchmarks

lint: env  ## style, who imports whom, types, and notebooks without outputs
	ruff check .
	lint-imports
	mypy
	nbstripout --keep-id --verify book/*.ipynb

clean:  ## what can be made again in minutes: the built book and caches; results and data stay
	rm -rf _build .pytest_cache .ruff_cache .mypy_cache .hypothesis build *.egg-info
	find bsrnn tests book -name __pycache__ -type d -prune -exec rm -rf {} +

clean-data:  ## the rendered embedded songs (asks first)
	@printf 'Remove the rendered songs in data/embedded? [y/N] '; read answer; \
	  if [ "$$answer" = y ]; then rm -rf data/embedded; else echo "kept"; fi
