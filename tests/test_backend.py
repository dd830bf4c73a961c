"""The settings of Keras: chosen, checked and fixed in one place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib

import pytest

from commun import UserError, backend
from commun.datasets import ROOT


def python(*arguments, **environment):
    """Runs Python in the repository; returns its exit code, what it printed and its errors."""
    place = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, encoding="utf-8", env=place, cwd=ROOT, timeout=300
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("name", ["Tensorflow", "theano", "numpy", "openvino", "tensorflow ", "cntk"])
def test_an_unknown_backend_is_refused_in_a_sentence(name):
    with pytest.raises(UserError, match="ne peut valoir que tensorflow, jax, torch") as error:
        backend.check_backend(name)
    assert f"« {name} »" in str(error.value)


def test_a_backend_that_is_not_installed_is_refused_in_a_sentence(monkeypatch):
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="« jax », qui n'est pas installé"):
        backend.check_backend("jax")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    backend.check_backend("jax")


@pytest.mark.parametrize("version", ["3.9.2", "3.14.1", "2.15.0"])
def test_a_keras_that_is_too_old_is_refused_in_a_sentence(version):
    with pytest.raises(UserError, match=rf"Keras {version} est installé.*Keras 3\.15 ou plus récent"):
        backend.check_version(version)


@pytest.mark.parametrize("version", ["3.15.0", "3.15.0rc1", "3.16.0", "4.0"])
def test_a_newer_keras_is_taken(version):
    backend.check_version(version)


def test_the_oldest_keras_is_that_of_the_package():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    assert any(line.startswith(f"keras>={'.'.join(map(str, backend.OLDEST_KERAS))},") for line in needed)


@pytest.mark.parametrize("project", ["projet1_artistes", "projet2_cvae", "projet3_ssl_anomalies"])
def test_a_wrong_backend_stops_a_project_in_a_sentence(project):
    code, _, error = python("-m", project, KERAS_BACKEND="Tensorflow")
    assert code == 2
    assert error.startswith("Erreur : KERAS_BACKEND vaut « Tensorflow »")
    assert len(error.splitlines()) == 1


def test_a_wrong_backend_is_a_sentence_in_a_notebook(ipython, capsys):
    ipython.run_cell("from commun import backend\nbackend.check_backend('theano')")
    shown = capsys.readouterr().out
    assert "Erreur : KERAS_BACKEND vaut « theano »" in shown
    assert "Traceback" not in shown


PROGRAM = """
from commun import training
keras = training.keras
layer = keras.layers.Conv2D(2, 3)
layer.build((None, 8, 8, 3))
settings = keras.config
print(keras.backend.backend(), settings.floatx(), settings.image_data_format(), settings.epsilon())
print(layer.kernel.dtype, layer.compute_dtype, layer(keras.ops.zeros((1, 8, 8, 3))).shape)
"""


@pytest.mark.parametrize("backend_variable", ["tensorflow", ""])
def test_the_settings_of_another_course_change_nothing(tmp_path, backend_variable):
    content = {"floatx": "float16", "image_data_format": "channels_first", "epsilon": 0.1, "backend": "theano"}
    (tmp_path / "keras.json").write_text(json.dumps(content), encoding="utf-8")
    code, out, error = python("-c", PROGRAM, KERAS_HOME=str(tmp_path), KERAS_BACKEND=backend_variable)
    assert code == 0, error
    assert out.splitlines()[0] == "tensorflow float32 channels_last 1e-07"
    assert out.splitlines()[1] == "float32 float32 (1, 6, 6, 2)"


@pytest.mark.parametrize("before", ["enable", "disable"])
def test_the_garbage_collector_is_left_as_it_was_without_what_was_imported(before):
    look = f"import gc; gc.{before}(); import commun.backend; print(gc.isenabled(), gc.get_freeze_count() > 100_000)"
    assert python("-c", look)[1].split() == [str(before == "enable"), "True"]


def test_a_wrong_file_of_settings_is_a_sentence(tmp_path):
    (tmp_path / "keras.json").write_text('{"floatx": "float128"}', encoding="utf-8")
    code, _, error = python("-m", "projet2_cvae", KERAS_HOME=str(tmp_path))
    assert code == 2
    assert error.startswith("Erreur : Keras ne se charge pas")
    assert "keras.json" in error
    assert "Traceback" not in error
