# Deux commandes : `make rapports` (installe et produit les rapports), `make test` (installe et teste).
# Chaque cible ne fait qu'appeler Python ; le README donne les mêmes lignes pour Windows.
PYTHON ?= python3
PROFIL ?=
PY := .venv/bin/python

.PHONY: rapports test jupyter notebooks test-jax bench installer

rapports: .venv/.installe
	$(PY) -m atelier rapports $(if $(PROFIL),--profil $(PROFIL))

test: .venv/.installe
	$(PY) -m ruff check
	$(PY) -m pytest -n logical --maxprocesses 4

jupyter: .venv/.installe
	$(PY) -m jupyter lab

notebooks: .venv/.installe
	$(PY) -m atelier carnets

test-jax: .venv/.installe
	$(PY) -m pip install --quiet jax
	KERAS_BACKEND=jax $(PY) -m pytest tests/test_training.py tests/test_projet1_training.py tests/test_projet1_networks.py tests/test_projet1_efficientnet.py tests/test_projet1_transfer.py tests/test_projet2_model.py tests/test_projet3_losses.py tests/test_projet3_pretexts.py tests/test_projet3_training.py tests/test_repartition.py

bench: .venv/.installe
	$(PY) -m benchmarks

installer: .venv/.installe

.venv/.installe: requirements.txt pyproject.toml
	$(PYTHON) -c "import sys; v = sys.version_info[:3]; sys.exit(0 if (3, 11, 4) <= v < (3, 14) else 'Python 3.11 (au moins 3.11.4), 3.12 ou 3.13 est nécessaire (ici : %d.%d.%d). Précisez-le : make PYTHON=python3.12 rapports' % v)"
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check -r requirements.txt -e .
	touch $@
