"""How the networks are trained: configuration, budgets, batches, and the committed network.

The loop itself is `commun.training.train`; what it is given for a painter's network is in `train`.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from commun import UserError, training
from commun.training import keras  # it chooses the default backend of Keras
from commun.weights import load_weights, save_weights
from projet1_artistes import PROJECT, REFERENCE, augmentation, efficientnet, networks
from projet1_artistes.augmentation import Transforms
from projet1_artistes.layerwise import LayerwiseAdamW
from projet1_artistes.networks import PLAIN, RESIDUAL, TRANSFER, Classifier

from keras import ops  # isort: skip

FROM_SCRATCH, TRANSFERRED = "zéro", "transfert"
FILES = {FROM_SCRATCH: "modele", TRANSFERRED: "transfert"}  # of the committed networks, without a suffix


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(training.Budget):
    """A network and its training.

    Attributes:
        architecture: "residual", "plain" or "transfer".
        width: channels of the first stage; each stage doubles them.
        blocks: residual blocks in a stage.
        dropout: share of the features that are dropped in front of the last layer.
        train_side: side of the crops from which the network learns, in pixels.
        image_side: side of the pictures from which crops are taken, in pixels; `dataset.pictures` gives them.
        side: side at which it sees whole works afterwards. Crops make things larger than they are in the whole
            picture: a larger side gives them back the size at which they were learnt (Touvron et al., NeurIPS 2019).
        oversampling_threshold: artists with fewer works are shown as often as one of so many; 0 to show each work as
            often.
        class_weighted: whether errors are weighted so that all artists weigh the same.
        transforms: of the works, while learning.
        cutmix_probability: share of the batches in which works are cut and mixed (CutMix).
        label_smoothing: of the targets, 0..1.
        weight_decay: of AdamW.
        backbone: for the architecture "transfer", "EfficientNetLite0" or the name of a network of `keras.applications`.
        weights: path of the file of its weights; if empty, those that are installed, and if "imagenet", those that
            Keras downloads.
        frozen_until: layer of the backbone up to which nothing is learnt, such as "stage_5"; none if empty.
        frozen_normalisation: whether its batch normalisations, statistics included, stay as ImageNet left them.
        layer_decay: factor of the learning rate from one stage to that before it, backwards from the last layer.
    """

    architecture: str = RESIDUAL
    width: int = 48
    blocks: int = 1
    dropout: float = 0.2
    train_side: int = 64
    image_side: int = 128
    side: int = 80
    oversampling_threshold: int = augmentation.OVERSAMPLING_THRESHOLD
    class_weighted: bool = False
    transforms: Transforms = Transforms()
    cutmix_probability: float = 0.5
    label_smoothing: float = 0.1
    weight_decay: float = 0.05
    learning_rate: float = 2e-3
    batch_size: int = 64
    images_seen: int = 100_000
    epochs: int = 20
    backbone: str = efficientnet.NAME
    weights: str = ""
    frozen_until: str = ""
    frozen_normalisation: bool = False
    layer_decay: float = 1.0


@dataclasses.dataclass(frozen=True)
class Profile:
    """A budget.

    Attributes:
        config: the network that is judged.
        short: that of the experiments, each of which trains several.
        quality: that of the comparison of qualities, which needs to see fine strokes.
        thresholds: values of `Config.oversampling_threshold` that are compared.
        works_per_artist: numbers of training works that are left to the artists who have most.
        folds: parts into which training and validation are cut to compare treatments.
        draws: bootstrap draws.
        works_measured: works on which picture sizes are compared (notebook 01).
        transfer: the pre-trained network, wholly fine-tuned; `last_stages` fine-tunes its last stages alone.
        frozen_sides: at which the pre-trained network, left as it is, sees works in the experiments, in pixels,
            increasing.
        frozen_works: works of training and validation that it sees there, at most.
    """

    config: Config
    short: Config
    quality: Config
    thresholds: tuple[int, ...]
    works_per_artist: tuple[int, ...]
    folds: int
    draws: int
    works_measured: int
    transfer: Config
    frozen_sides: tuple[int, ...] = (64, 128, 224)
    frozen_works: int = 100_000

    @property
    def frozen_side(self) -> int:
        """Side at which the frozen network sees works where there is but one, in pixels."""
        return self.frozen_sides[-1]

    def last_stages(self) -> Config:
        """The pre-trained network whose first stages stay as ImageNet left them."""
        return dataclasses.replace(self.transfer, frozen_until="stage_5", layer_decay=1.0)

    def plain(self) -> Config:
        """The plain network, shown as many pictures as the one that is judged, and judging at the same side."""
        return dataclasses.replace(self.config, architecture=PLAIN)


_TINY = Config(width=8, train_side=32, side=32, images_seen=32, epochs=2, batch_size=16)
_TRIAL = dataclasses.replace(_TINY, architecture=PLAIN, epochs=1)
_QUICK = Config(
    width=24,
    cutmix_probability=0,
    transforms=Transforms(scale=(0.2, 0.3)),
    side=128,
    learning_rate=4e-3,
    images_seen=4_800,
    epochs=5,
    batch_size=16,  # so short a training needs many steps more than accurate ones
)
_LONGER = dataclasses.replace(_QUICK, width=16, images_seen=2_400, epochs=2, batch_size=8)
_BRIEF = dataclasses.replace(_LONGER, train_side=48, side=96, images_seen=1_600)
_SHORT = Config(
    width=24,
    train_side=48,
    side=64,
    cutmix_probability=0,
    learning_rate=3e-3,
    batch_size=32,
    images_seen=24_000,
    epochs=4,
)
_FULL = Config(images_seen=510_000, epochs=34)
_TRANSFER = Config(
    architecture=TRANSFER,
    train_side=192,
    image_side=256,
    side=256,
    learning_rate=1e-3,
    layer_decay=0.7,
    images_seen=200_000,
    epochs=25,
)
_FULL_TRANSFER = dataclasses.replace(_TRANSFER, oversampling_threshold=200)  # what the study says; 100 from scratch
_QUICK_TRANSFER = dataclasses.replace(
    _TRANSFER, train_side=64, image_side=128, side=96, cutmix_probability=0, batch_size=16, images_seen=1_600, epochs=2
)
_TINY_TRANSFER = dataclasses.replace(_QUICK_TRANSFER, train_side=32, side=32, images_seen=16, epochs=1)
_TINY_FROZEN = {"frozen_sides": (32,), "frozen_works": 60}
_QUICK_FROZEN = {"frozen_sides": (32, 64, 96), "frozen_works": 600}
PROFILES = {
    "essai": Profile(_TINY, _TRIAL, _TRIAL, (0, 100), (5, 20), 2, 20, 6, _TINY_TRANSFER, **_TINY_FROZEN),
    "rapide": Profile(
        _QUICK, _BRIEF, _LONGER, (0, 20, 40, 80), (5, 10, 20, 40), 2, 200, 60, _QUICK_TRANSFER, **_QUICK_FROZEN
    ),
    "complet": Profile(
        _FULL, _SHORT, _SHORT, (0, 25, 50, 100, 200), (5, 10, 20, 40, 80, 160), 5, 2000, 400, _FULL_TRANSFER
    ),
}


def profile(name: str) -> Profile:
    """Returns a budget by its name.

    Raises:
        UserError: no profile has this name.
    """
    return training.profile(PROFILES, name)


# --- The compiled network --------------------------------------------------------------------------------------------


def build(config: Config, classes: int) -> keras.Model:
    """Returns a compiled network, its initial weights drawn by the seed."""
    with training.building(config.seed):
        model = network(config, classes)
    loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=config.label_smoothing
    )
    accuracy = keras.metrics.CategoricalAccuracy(name="accuracy")
    model.compile(optimizer(config), loss, metrics=[accuracy])
    return model


def network(config: Config, classes: int) -> keras.Model:
    """Returns the network of a configuration, not compiled."""
    names = ["architecture", "width", "blocks", "dropout"]
    names += ["backbone", "weights", "frozen_until", "frozen_normalisation"]
    return networks.build(classes=classes, **{name: getattr(config, name) for name in names})


def optimizer(config: Config) -> keras.optimizers.Optimizer:
    """Returns AdamW: the rate rises over a twentieth of the training, then falls along a cosine.

    With `layer_decay`, it is lower for early layers.
    """
    warm = max(1, config.steps // 20)
    schedule = keras.optimizers.schedules.CosineDecay(
        1e-5, max(1, config.steps - warm), alpha=0.01, warmup_target=config.learning_rate, warmup_steps=warm
    )
    if config.layer_decay != 1:
        return LayerwiseAdamW(schedule, layer_decay=config.layer_decay, decoupled_decay=config.weight_decay)
    adamw = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay)
    adamw.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return adamw


def reinitialised(model: keras.Model, config: Config, classes: int) -> keras.Model:
    """Gives a network of `build` the initial weights of another configuration, and resets its optimiser.

    Architecture and schedule must be the same. What TensorFlow compiled of it serves again, while it spends seconds on
    each new network: as long as a short training.
    """
    with training.building():
        random.seed(config.seed)  # from which Keras draws; `set_random_seed` would make TensorFlow prepare steps again
        fresh = network(config, classes)
    model.set_weights(fresh.get_weights())
    for variable in model.optimizer.variables:
        variable.assign(ops.zeros(variable.shape, variable.dtype))
    return model


# --- Training --------------------------------------------------------------------------------------------------------


def train(
    config: Config,
    images: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    validation: np.ndarray | None = None,
    *,
    classes: int,
    title: str = "",
    model: keras.Model | None = None,
) -> training.Run:
    """Trains a network, or finds it again in `travail/`.

    Args:
        config: the network and its training.
        images: all works, uint8, shape (n, s, s, 3).
        labels: their class ids, shape (n,).
        rows: those from which the network learns.
        validation: those on which it is measured after each epoch; none is if None.
        classes: number of artists.
        title: what is being trained, in French; nothing is displayed if empty.
        model: what to train, by `reinitialised`; a new one if None. The next training of
            the same one changes it.

    Returns:
        The run; its history has `loss` and `accuracy` on transformed works, `val_loss`
        and `val_accuracy` on whole ones.

    With `class_weighted`, where all artists are shown equally often, no weight differs
    from 1: the training is that of the same configuration without.
    """
    threshold = config.oversampling_threshold
    order = rows[augmentation.oversampled_indices(labels[rows], threshold, seed=config.seed)]
    weights = None
    if config.class_weighted:
        weights = augmentation.class_weights(labels[order], classes)
        if set(weights) <= {0, 1}:
            config, weights = dataclasses.replace(config, class_weighted=False), None

    def make(config: Config) -> keras.Model:
        if model is None:
            return build(config, classes)
        return reinitialised(model, config, classes)

    def batches(epoch: int) -> Batches:
        window = order[training.epoch_indices(config, len(order), epoch=epoch)]
        return Batches(images, labels, window, config, classes, epoch=epoch, weights=weights)

    def measure(learner: keras.Model) -> dict[str, float]:
        logits = networks.scores(learner, images[validation], config.side)
        right = logits.argmax(axis=1) == labels[validation]
        loss = networks.cross_entropy(logits, labels[validation])
        return {"val_loss": loss, "val_accuracy": right.mean()}

    others = np.empty(0, np.int64) if validation is None else validation
    sample = images[rows[:: max(1, len(rows) // 64)]]
    factors = np.ones(classes) if weights is None else weights
    return training.train(
        config,
        build=make,
        batches=batches,
        measure=None if validation is None else measure,
        project=PROJECT,
        data=training.fingerprint(sample, order, labels[order], others, labels[others], factors),
        title=title,
        unit="nats",
    )


class Batches(keras.utils.PyDataset):
    """The batches of one epoch; each is a function of (seed, epoch, rank of the batch)."""

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        order: np.ndarray,
        config: Config,
        classes: int,
        *,
        epoch: int,
        weights: np.ndarray | None = None,
    ) -> None:
        """Prepares the batches.

        Args:
            images: uint8, shape (n, height, width, 3); may be memory-mapped.
            labels: class ids, shape (n,).
            order: rows of `images` in the order in which they are shown, shape (m,).
            config: size, transforms and mixing of the batches, and the seed.
            classes: number of classes.
            epoch: its number, from 0.
            weights: weight of each class, shape (classes,).
        """
        super().__init__()
        self.images, self.labels, self.order, self.config = images, labels, order, config
        self.classes, self.epoch, self.weights = classes, epoch, weights

    def __len__(self) -> int:
        """Returns the number of batches."""
        return math.ceil(len(self.order) / self.config.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        """Returns images, float32 (b, side, side, 3) in 0..255, targets (b, classes) and, if any, weights (b,)."""
        return self.task(index)()

    def task(self, index: int) -> Callable[[], tuple[np.ndarray, ...]]:
        """Returns what makes a batch, in this process or in another."""
        config = self.config
        rows = self.order[index * config.batch_size : (index + 1) * config.batch_size]
        targets = np.eye(self.classes, dtype=np.float32)[self.labels[rows]]
        return functools.partial(
            augmentation.batch,
            self.images,
            rows,
            targets,
            config.train_side,
            config.transforms,
            seed=(config.seed, self.epoch, index),
            cutmix_probability=config.cutmix_probability,
            weights=self.weights,
        )


# --- The committed networks ------------------------------------------------------------------------------------------


def save_reference(classifier: Classifier, config: Config, folder: Path = REFERENCE) -> None:
    """Writes the weights, the configuration and the names of a network; of a pre-trained one, what it has learnt."""
    names, start = np.array(classifier.names), None
    if config.architecture == TRANSFER:
        fresh = network(config, len(names))
        start = [None if w.path.startswith("scores/") else np.asarray(w) for w in fresh.weights]
    bits = 8 if start is None else 5
    path = folder / FILES[TRANSFERRED if start else FROM_SCRATCH]
    save_weights(path, classifier.model, config, bits=bits, start=start, names=names)


def config_of(entries: Mapping) -> Config:
    """Returns the configuration that these entries of a JSON file tell, such as `modele.json` of `reference/`."""
    transforms = entries["transforms"]
    transforms = Transforms(**transforms | {"scale": tuple(transforms["scale"])})
    return Config(**entries | {"transforms": transforms})


def load_reference(folder: Path = REFERENCE, model: str = FROM_SCRATCH) -> Classifier:
    """Returns a committed network: "zéro", trained from scratch, or "transfert", pre-trained.

    Raises:
        UserError: there is no such network, or a file is missing or unreadable.
    """
    if model not in FILES:
        raise UserError(f"Modèle inconnu : « {model} ». Possibles : {', '.join(FILES)}.")
    path, configs = folder / FILES[model], []

    def make(entries: dict) -> keras.Model:
        configs.append(config_of(entries))
        with np.load(path.with_suffix(".npz")) as stored:
            return network(configs[-1], len(stored["names"]))

    found, arrays = load_weights(path, make, project=PROJECT)
    return classifier(found, configs[-1], [str(name) for name in arrays["names"]])


def best_reference(folder: Path = REFERENCE) -> str:
    """Returns the best network that is committed, a key of `FILES`: the pre-trained one where it is there."""
    return TRANSFERRED if (folder / FILES[TRANSFERRED]).with_suffix(".npz").is_file() else FROM_SCRATCH


def classifier(model: keras.Model, config: Config, names: Sequence[str]) -> Classifier:
    """Returns a trained network with what its configuration says of the pictures that it takes."""
    return Classifier(model, config.side, tuple(names), config.image_side)
