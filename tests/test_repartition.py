"""Data-parallel training: two devices give the losses of one. JAX is needed, which `make test-jax` installs."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from commun import UserError, backend

TRAIN = """
import dataclasses, json, sys
import numpy as np
from commun import training as common
import jax, keras
sys.path.insert(0, "tests")
if sys.argv[1] == "projet1":
    from projet1_artistes import training
    from test_projet1_training import TINY, works
    images, labels = works(40)
    config = dataclasses.replace(TINY, images_seen=64, epochs=2, batch_size=8)
    run = training.train(config, images, labels, np.arange(30), np.arange(30, 39), classes=4)
else:
    from projet2_cvae import training
    from projet2_cvae.dataset import Part
    from projet2_cvae.model import Config
    draw = np.random.default_rng(0)
    parts = [Part(draw.integers(0, 256, (n, 28, 28, 1), np.uint8), np.arange(n) % 10) for n in (64, 21)]
    run = training.train(Config(images_seen=128, epochs=2, batch_size=16), *parts)
value = run.model.trainable_weights[0].value
print(json.dumps({"devices": len(value.devices()), "history": run.history.drop(columns="seconds").to_dict("list")}))
"""


def trained(project: str, devices: int, travail: Path) -> dict:
    environment = os.environ | {
        "KERAS_BACKEND": "jax",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "PROJETS_APPAREILS": "tous",
        "PROJETS_TRAVAIL": str(travail),
        "PYTHONPATH": str(backend.Path(backend.__file__).parents[1]),
    }
    command = [sys.executable, "-c", TRAIN, project]
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX n'est pas installé : make test-jax")
@pytest.mark.parametrize("project", ["projet1", "projet2"])
def test_two_devices_give_the_losses_of_one(project, tmp_path):
    """Each side imports and compiles in a process of its own, some ten seconds: devices are counted once for all."""
    one, two = (trained(project, devices, tmp_path / str(devices)) for devices in (1, 2))
    assert (one["devices"], two["devices"]) == (1, 2)
    assert one["history"].keys() == two["history"].keys()
    for name, values in one["history"].items():
        assert two["history"][name] == pytest.approx(values, rel=1e-4), name


@pytest.mark.parametrize(("asked", "told"), [("deux", "ne peut valoir que"), ("tous", "KERAS_BACKEND=jax")])
def test_what_can_not_be_shared_out_is_told(asked, told, monkeypatch):
    monkeypatch.setattr(backend.keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(UserError, match=told):
        backend.spread_batches(asked)
    backend.spread_batches("")
