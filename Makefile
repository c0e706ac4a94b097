# Everything here does its own set-up: Python >= 3.11, git and make are enough.
PYTHON ?= python3
UV = .tools/bin/uv
RUN = .venv/bin
# What most users run: Debian's, Ubuntu's and the image's Python are built with profiles of real programs, pyenv's is not and takes up to a tenth longer.
BENCH_PYTHON ?= $(shell /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo /usr/bin/python3 || echo $(PYTHON))
BENCH = .venv-bench/bin

.PHONY: demo run test check bench setup clean

demo: .venv/.runs  ## the gateway with five simulated providers, a page to open and lines to paste
	@$(RUN)/llm-gateway demo

run: .venv/.runs  ## the gateway on what is really there
	@$(RUN)/llm-gateway serve

test: setup  ## every test, in parallel
	$(RUN)/python -m pytest -q -n auto --dist loadfile tests

check: setup  ## formatting, lint, types, import contracts
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .
	$(RUN)/mypy
	for module in services/*/modules/llm_gateway_integration.py; do $(RUN)/mypy $$module || exit 1; done  # of one name, so one at a time
	$(RUN)/lint-imports

bench: $(UV)  ## CPU, throughput, latency and memory beside a plain reverse proxy
	@UV_PROJECT_ENVIRONMENT=.venv-bench $(UV) sync --frozen --quiet --no-dev --compile-bytecode --python $(BENCH_PYTHON)
	$(BENCH)/python -m compileall -q src  # with the line above as an installed gateway is: else every start compiles it anew where bytecode is not kept
	$(BENCH)/python -m benchmarks.run

setup: .venv/.complete

.venv/.complete: pyproject.toml uv.lock $(UV)
	@echo "Setting up .venv (once; a minute or so)"
	@$(UV) sync --frozen --quiet --python $(PYTHON)
	@touch $@

.venv/.runs: pyproject.toml uv.lock $(UV)
	@echo "Setting up .venv (once; a moment)"
	@$(UV) sync --frozen --quiet --inexact --no-dev --extra code --extra documents --python $(PYTHON)
	@touch $@

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0])'
	@$(PYTHON) -m venv .tools
	@.tools/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13,<1'

clean:
	rm -rf .venv .venv-bench .tools
