# Every target sets up .venv by itself; nothing is needed but Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: verify test test-all figures report docs bench oldest newest lint clean

verify: $(READY)
	$(BIN)/relu-theory verify

test: $(READY)
	$(BIN)/python -m pytest

test-all: $(READY)
	$(BIN)/python -m pytest -m "slow or not slow"

figures: $(READY)
	$(BIN)/relu-theory verify --json > figures/verdicts.json.new && mv figures/verdicts.json.new figures/verdicts.json
	$(BIN)/relu-theory figures subspace --out figures/subspace
	$(BIN)/relu-theory figures subspace.distance-factor subspace.real-data --out figures/subspace/mnist
	$(BIN)/relu-theory figures unlearning --out figures/unlearning
	$(BIN)/relu-theory figures attribution --out figures/attribution
	$(BIN)/relu-theory figures attribution.faithfulness attribution.highlight attribution.scatter --out figures/attribution/imdb
	$(BIN)/relu-theory figures attribution.faithfulness --out figures/attribution/rt_polarity
	$(BIN)/relu-theory figures attacks --out figures/attacks
	$(BIN)/relu-theory figures attacks.images --out figures/attacks/mnist
	$(BIN)/relu-theory figures attacks.images --out figures/attacks/cifar10
	$(BIN)/relu-theory figures energy --out figures/energy
	$(BIN)/relu-theory figures energy.robustness --out figures/energy/mnist
	$(BIN)/relu-theory figures dimples --out figures/dimples
	$(BIN)/relu-theory figures dimples.adversarial-training dimples.on-off dimples.phases --out figures/dimples/mnist
	$(BIN)/relu-theory figures dimples.adversarial-training --out figures/dimples/cifar10
	$(BIN)/relu-theory figures healing --out figures/healing
	$(BIN)/relu-theory figures healing.sparsity healing.transformer --out figures/healing/mnist

report: $(READY)
	$(BIN)/relu-theory report

# The site in docs/build/html; the wheel goes into the archive of the lessons.
docs: $(READY)
	rm -rf docs/build/wheel
	$(BIN)/python -m build --wheel --outdir docs/build/wheel . > /dev/null
	$(BIN)/sphinx-build -W --keep-going -q -E -b html docs docs/build/html

bench: $(READY)
	$(BIN)/relu-theory bench --out figures/bench

oldest newest:
	PYTHON=$(PYTHON) .ci/versions $@

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

$(READY): pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

clean:
	rm -rf .venv results report.html
