# Two commands: `make demo` sets up and plays Hue's flood of 27 October 2025; `make check` sets up and runs every check.
# Options go through ARGS, for example: make demo ARGS="--until-end"

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=
REAL := $(BIN)/python -m rig.stack
# The city of containers, for commands beside them; without one in .env, that of the settings.
CITY = $(shell sed -n 's/^STACK_CITY=//p' .env 2>/dev/null | tail -n 1 | tr -d "\"'")
OF_CITY = $(if $(CITY),CANHBAO_CITY=config/$(CITY) )

.PHONY: setup demo check test stack secrets users bench torture lint fix types docs lock clean

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v < (3, 14) else "canhbao needs Python 3.11 to 3.13; this is %d.%d. Name another with: make setup PYTHON=python3.12" % v)'
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@# --no-deps: the lock is complete; left to look, pip takes the newest coverage[toml] and then refuses it for its missing hash.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup
	$(if $(filter real,$(STACK)),$(REAL),$(BIN)/canhbao demo) $(ARGS)

# The configuration of docker-compose.yml without containers: mosquitto and influxd from PATH (or INFLUXD), and the flood through all of it.
stack: setup
	$(REAL) --until-end --plain $(ARGS)

# What docker-compose.yml mounts: made once, never overwritten. For devices elsewhere: make secrets ARGS="--host mqtt.example.org"
secrets: setup
	$(OF_CITY)$(BIN)/canhbao secrets $(ARGS)
	@grep -qs '^STACK_UID=' .env || { [ -z "$$(tail -c 1 .env 2>/dev/null)" ] || echo; echo "STACK_UID=$$(stat -c %u secrets)"; } >> .env

# Who may connect to the broker, after devices.yaml, and the running broker is told. For one that is lost: make users ARGS="--revoke NAME"
users: setup
	$(OF_CITY)$(BIN)/canhbao broker users --users secrets/users --services secrets/services --out secrets/devices \
	    --reload-command "docker compose kill -s HUP mosquitto" $(ARGS)

check: setup lint types test

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: setup
	$(BIN)/mypy

test: setup
	$(BIN)/pytest --numprocesses 2 --dist worksteal --cov --cov-report=term:skip-covered $(ARGS)

bench: setup
	$(BIN)/python -m bench $(ARGS)

torture: setup
	$(BIN)/python -m torture $(ARGS)

fix: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: setup
	$(BIN)/canhbao reference --write docs/reference

lock:
	uv pip compile pyproject.toml --extra dev --universal --generate-hashes --python-version 3.11 --no-header --quiet --output-file requirements.lock
	uv pip compile pyproject.toml --extra build --universal --generate-hashes --python-version 3.11 --no-header --no-annotate --quiet \
	    --constraint requirements.lock --output-file requirements.runtime.lock

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage
