"""How the models of project 2 are trained: budgets, batches, and the call of `commun.training.train`.

What defines a model, the length of its training included, is `model.Config`.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import numpy as np

from commun import training
from projet2_cvae import PROJECT
from projet2_cvae.dataset import Part
from projet2_cvae.model import CVAE, SIDE, Config, nelbo_terms


@dataclasses.dataclass(frozen=True)
class Profile:
    """A budget, in training images and scored images, so that its duration does not depend on the data.

    Attributes:
        model: images seen by the working model, and the epochs that cut them.
        plane: images seen by each of the two models with a 2-D latent space.
        trial: images seen by one trial of the search with lots of 128, and the epochs that cut them; the other trials
            take as many gradient steps.
        trials: trials of the search.
        finalists: trials trained again at full length.
        judge: images seen by the judge.
        scored: test images measured, at most.
        draws: bootstrap draws.
    """

    model: tuple[int, int]
    plane: int
    trial: tuple[int, int]
    trials: int
    finalists: int
    judge: int
    scored: int
    draws: int


PROFILES = {
    "essai": Profile((512, 2), 256, (256, 2), 4, 1, 256, 200, 20),
    "rapide": Profile((200_000, 8), 150_000, (30_000, 4), 8, 2, 50_000, 10_000, 200),
    "complet": Profile((1_200_000, 20), 600_000, (220_000, 8), 30, 2, 1_200_000, 10_000, 2000),
}


def profile(name: str) -> Profile:
    """Returns a budget by its name.

    Raises:
        UserError: no profile has this name.
    """
    return training.profile(PROFILES, name)


def train(
    config: Config,
    part: Part,
    validation: Part | None = None,
    *,
    after_epoch: Callable[[CVAE, dict], None] | None = None,
    project: str = PROJECT,
    title: str = "",
) -> training.Run:
    """Loads the model of this configuration, or trains it on `part`.

    Args:
        config: the model and its training.
        part: training images.
        validation: if given, `validation_loss` is measured on it after each epoch.
        after_epoch: called with the model and the row of each epoch; may raise to stop.
        project: sub-folder of `travail/modeles/`; if empty, nothing is found nor saved.
        title: shown with the progress; nothing is shown if empty.
    """
    parts = (part, validation) if validation else (part,)
    return training.train(
        config,
        build=build,
        batches=functools.partial(batches, config, part),
        measure=functools.partial(validation_loss, validation) if validation else None,
        after_epoch=after_epoch,
        project=project,
        data=training.fingerprint(*(a for p in parts for a in (p.images, p.labels))),
        title=title,
        unit="nats par image",
    )


def build(config: Config) -> CVAE:
    """Returns the compiled and built model of a configuration, its weights drawn from its seed."""
    with training.building(config.seed):
        model = CVAE(config)
        model([np.zeros((1, SIDE, SIDE, 1), "uint8"), np.zeros(1, "uint8")])
    model.compile(training.adam(config))
    return model


def batches(config: Config, part: Part, epoch: int) -> training.ArrayBatches:
    """Returns the batches of an epoch, in order of training: images, uint8 (n, 28, 28, 1), and labels, (n,)."""
    indices = training.epoch_indices(config, len(part), epoch=epoch)
    return training.ArrayBatches([part.images[indices], part.labels[indices]], batch_size=config.batch_size)


def validation_loss(validation: Part, model: CVAE) -> dict[str, float]:
    """Returns the negative ELBO of validation images at beta = 1, and its two terms, in nats per image."""
    reconstruction, kl = nelbo_terms(model, validation).mean(axis=0)
    return {"val_loss": reconstruction + kl, "val_reconstruction": reconstruction, "val_kl": kl}
