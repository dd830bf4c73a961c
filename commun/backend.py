"""Keras, imported once and for all with the settings on which our figures depend.

Modules that need Keras import `commun.training` or this module first: it chooses TensorFlow where nothing is chosen,
says in a sentence why another choice can't be, and fixes the types that a `keras.json` of another course would change.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import logging
import os
import sys
from collections.abc import Generator
from pathlib import Path

from commun import UserError, native_stderr_to

BACKENDS = ("tensorflow", "jax", "torch")
OLDEST_KERAS = (3, 15)  # before, train_on_batch returned the mean of all the batches so far


def check_backend(name: str) -> None:
    """Refuses a backend that can't train our models, or that is not installed.

    Raises:
        UserError: it can't be used.
    """
    advice = "Corrigez cette variable d'environnement, ou effacez-la pour prendre TensorFlow"
    if name not in BACKENDS:
        names = ", ".join(BACKENDS)
        raise UserError(f"KERAS_BACKEND vaut « {name} », et ne peut valoir que {names}. {advice}.")
    if "keras" not in sys.modules and importlib.util.find_spec(name) is None:
        raise UserError(f"KERAS_BACKEND vaut « {name} », qui n'est pas installé. {advice}.")


def check_version(version: str) -> None:
    """Refuses a Keras whose losses would be wrong.

    Raises:
        UserError: it is too old.
    """
    if tuple(int(number) for number in version.split(".")[:2]) < OLDEST_KERAS:
        oldest = ".".join(map(str, OLDEST_KERAS))
        raise UserError(
            f"Keras {version} est installé, et ces projets demandent Keras {oldest} ou plus récent. Mettez-le à jour : "
            f'python -m pip install "keras>={oldest}".'
        )


def spread_batches(asked: str) -> None:
    """Shares out each batch among all the devices, if that is `asked` ("tous"): data-parallel training, by Keras.

    The losses are those of one device, to rounding.

    Raises:
        UserError: another word is asked for, or another backend than JAX is used.
    """
    if asked not in ("", "tous"):
        raise UserError(f"PROJETS_APPAREILS vaut « {asked} », et ne peut valoir que « tous ». Corrigez ou retirez-la.")
    if not asked:
        return
    if keras.backend.backend() != "jax":
        raise UserError(
            "PROJETS_APPAREILS demande JAX : installez-le (python -m pip install jax), et ajoutez KERAS_BACKEND=jax."
        )
    keras.distribution.set_distribution(keras.distribution.DataParallel())


@contextlib.contextmanager
def _uncollected() -> Generator[None, None, None]:
    """Keeps the garbage collector from what an import creates, half a million objects that live as long as the process.

    It would go through them seven times during the import, then at each full collection and at the end: of the 4.5 s of
    a process that only imports Keras, 2 s (measured with TensorFlow). See `gc.freeze`.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        if enabled:
            gc.enable()


os.environ["KERAS_BACKEND"] = os.environ.get("KERAS_BACKEND") or "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
check_backend(os.environ["KERAS_BACKEND"])
try:
    # TensorFlow announces itself on the standard error, whatever its log level.
    with _uncollected(), native_stderr_to(Path(os.devnull)):
        import keras
except (ImportError, ValueError, AttributeError, OSError) as error:
    raise UserError(
        f"Keras ne se charge pas ({type(error).__name__} : {error}). Réinstallez les bibliothèques du projet ; si ce "
        "message parle d'une « configuration », effacez le fichier keras.json du dossier .keras de votre compte."
    ) from error
check_version(keras.__version__)
keras.config.set_floatx("float32")
keras.config.set_dtype_policy("float32")
keras.config.set_image_data_format("channels_last")
keras.config.set_epsilon(1e-7)
logging.getLogger("tensorflow").setLevel(logging.ERROR)  # else it warns of each compilation from the fifth on
spread_batches(os.environ.get("PROJETS_APPAREILS", ""))
