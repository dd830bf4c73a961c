"""Networks that say who painted a picture: a residual CNN, a plain one, a pre-trained one, and colour alone."""

from __future__ import annotations

import dataclasses
import functools
import random
from pathlib import Path

import numpy as np

from commun import UserError, training
from projet1_artistes import augmentation
from projet1_artistes.augmentation import Transforms
from projet1_artistes.dataset import PROJECT

import keras  # isort: skip
from keras import layers, ops  # isort: skip

VERSION = 3  # another number trains every model again
REFERENCE = Path(__file__).parent / "reference"
RESIDUAL, PLAIN, TRANSFER = "résiduel", "simple", "transfert"
STAGES = 4  # of the residual network, each at half the resolution of the one before
MOMENTUM = 0.9  # of the statistics of batches: with the 0.99 of Keras, a few hundred steps leave them far behind


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(training.Budget):
    """A network and its training.

    Attributes:
        kind: "résiduel", "simple" or "transfert".
        width: channels of the first stage; each stage doubles them.
        blocks: residual blocks in a stage.
        dropout: share of the features that are dropped in front of the last layer.
        train_side: side of the crops from which the network learns, in pixels.
        side: side at which it sees whole works afterwards. Crops make things larger than they are in the whole
            picture: a larger side gives them back the size at which they were learnt (Touvron et al., NeurIPS 2019).
        threshold: artists with fewer works are shown as often as one of so many; 0 to show each work as often.
        weighted: whether errors are weighted so that all artists weigh the same.
        transforms: of the works, while learning.
        mixed: share of the batches in which works are cut and mixed (CutMix).
        smoothing: of the targets, 0..1 (label smoothing).
        decay: of the weights (AdamW).
        backbone: name of a network of `keras.applications`, for the kind "transfert".
        weights: "imagenet", or the path of a local file of the backbone's weights.
    """

    kind: str = RESIDUAL
    width: int = 48
    blocks: int = 1
    dropout: float = 0.2
    train_side: int = 64
    side: int = 80
    threshold: int = augmentation.SEUIL
    weighted: bool = False
    transforms: Transforms = Transforms()
    mixed: float = 0.5
    smoothing: float = 0.1
    decay: float = 0.05
    learning_rate: float = 2e-3
    batch_size: int = 64
    images_seen: int = 100_000
    epochs: int = 20
    backbone: str = "EfficientNetV2B0"
    weights: str = "imagenet"


@dataclasses.dataclass(frozen=True)
class Profile:
    """A budget.

    Attributes:
        config: the network that is judged.
        short: that of the experiments, each of which trains several.
        quality: that of the comparison of qualities, which needs to see fine strokes.
        thresholds: values of `Config.threshold` that are compared.
        kept: numbers of works that are kept of the artists who have most.
        folds: parts into which training and validation are cut to compare treatments.
        draws: bootstrap draws.
    """

    config: Config
    short: Config
    quality: Config
    thresholds: tuple[int, ...]
    kept: tuple[int, ...]
    folds: int
    draws: int

    def plain(self) -> Config:
        """The plain network, shown as many pictures as the one that is judged."""
        return dataclasses.replace(self.config, kind=PLAIN, side=self.config.train_side)


_TINY = Config(width=8, train_side=32, side=32, images_seen=32, epochs=2, batch_size=16)
_TRIAL = dataclasses.replace(_TINY, kind=PLAIN, epochs=1)
_QUICK = Config(
    width=24,
    mixed=0,
    transforms=Transforms(area=0.2, most=0.3),
    side=128,
    learning_rate=4e-3,
    images_seen=4_800,
    epochs=5,
    batch_size=16,  # so short a training needs many steps more than accurate ones
)
_LONGER = dataclasses.replace(_QUICK, width=16, images_seen=2_400, epochs=2, batch_size=8)
_BRIEF = dataclasses.replace(_LONGER, train_side=48, side=96, images_seen=1_600)
_SHORT = Config(
    width=24, train_side=48, side=64, mixed=0, learning_rate=3e-3, batch_size=32, images_seen=24_000, epochs=4
)
PROFILES = {
    "essai": Profile(_TINY, _TRIAL, _TRIAL, (0, 100), (5, 20), 2, 20),
    "rapide": Profile(_QUICK, _BRIEF, _LONGER, (0, 100), (5, 40), 2, 200),
    "complet": Profile(
        Config(images_seen=340_000, epochs=34),
        _SHORT,
        _SHORT,
        (0, 50, 100, 200),
        (10, 40, 160),
        5,
        2000,
    ),
}


def profile(name: str) -> Profile:
    """Returns a budget by its name.

    Raises:
        UserError: no profile has this name.
    """
    return training.profile(PROFILES, name)


# --- Networks --------------------------------------------------------------------------------------------------------


def build(config: Config, classes: int) -> keras.Model:
    """Returns a network, from pictures (n, h, w, 3) in 0..255 to logits (n, classes); h and w are free.

    Its layer "cartes" gives the feature maps; what follows is a global average, dropout and one dense layer.

    Raises:
        UserError: the kind is unknown, or the pre-trained weights can't be had.
    """
    bodies = {RESIDUAL: _residual, PLAIN: _plain, TRANSFER: _pretrained}
    if config.kind not in bodies:
        raise UserError(f"Réseau inconnu : « {config.kind} ». Possibles : {', '.join(bodies)}.")
    inputs = keras.Input((None, None, 3))
    maps = layers.Identity(name="cartes")(bodies[config.kind](inputs, config))
    pooled = layers.Dropout(config.dropout)(layers.GlobalAveragePooling2D()(maps))
    return keras.Model(inputs, layers.Dense(classes, name="scores")(pooled))


def _residual(inputs, config: Config):
    """Four stages of residual blocks, each at half the resolution and twice the width (He et al., CVPR 2016)."""
    x = layers.Rescaling(1 / 64, offset=-2)(inputs)
    x = convolution(x, config.width // 2, stride=2)
    for stage in range(STAGES):
        for block in range(config.blocks):
            x = residual_block(x, config.width * 2**stage, stride=2 if stage and not block else 1)
    return x


def residual_block(x, width: int, *, stride: int):
    """Two convolutions added to what enters; where the shape changes, a mean and a 1 x 1 convolution carry it over."""
    shortcut = x
    if stride > 1:
        shortcut = layers.AveragePooling2D(stride, padding="same")(shortcut)
    if x.shape[-1] != width:
        shortcut = layers.BatchNormalization(momentum=MOMENTUM)(layers.Conv2D(width, 1, use_bias=False)(shortcut))
    y = convolution(convolution(x, width, stride=stride), width, activation=None)
    return layers.Activation("relu")(layers.add([shortcut, y]))


def convolution(x, width: int, *, stride: int = 1, activation: str | None = "relu"):
    """A 3 x 3 convolution, batch normalisation and an activation."""
    x = layers.Conv2D(width, 3, strides=stride, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    x = layers.BatchNormalization(momentum=MOMENTUM)(x)
    return layers.Activation(activation)(x) if activation else x


def _plain(inputs, config: Config):
    """The first network one would try: three convolutions, each followed by a maximum over 2 x 2."""
    x = layers.Rescaling(1 / 64, offset=-2)(inputs)
    for stage in range(3):
        x = layers.Conv2D(config.width // 2 * 2**stage, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    return x


def _pretrained(inputs, config: Config):
    """A network of `keras.applications`, whose weights are fine-tuned; it takes pictures in 0..255 as they are."""
    make = getattr(keras.applications, config.backbone, None)
    if make is None:
        raise UserError(f"keras.applications n'a pas de réseau « {config.backbone} ».")
    local = None if config.weights == "imagenet" else Path(config.weights)
    if local and not local.is_file():
        raise UserError(f"Le fichier de poids {local} est absent. Donnez son chemin, ou « imagenet ».")
    try:
        backbone = make(include_top=False, weights=str(local or "imagenet"), input_shape=(None, None, 3))
    except Exception as error:  # a download that fails raises about anything
        raise UserError(
            f"Les poids pré-entraînés de {config.backbone} sont indisponibles ({type(error).__name__}). Sans réseau, "
            "indiquez un fichier local (Config.weights), ou gardez le réseau entraîné depuis zéro."
        ) from error
    return backbone(inputs)


# --- Training --------------------------------------------------------------------------------------------------------


def optimizer(config: Config) -> keras.optimizers.Optimizer:
    """Returns AdamW: the rate rises over a twentieth of the training, then falls along a cosine."""
    warm = max(1, config.steps // 20)
    schedule = keras.optimizers.schedules.CosineDecay(
        1e-5, max(1, config.steps - warm), alpha=0.01, warmup_target=config.learning_rate, warmup_steps=warm
    )
    adamw = keras.optimizers.AdamW(schedule, weight_decay=config.decay)
    adamw.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return adamw


def compiled(config: Config, classes: int) -> keras.Model:
    """Returns a network of this configuration, with initial weights drawn by its seed, ready for training."""
    keras.utils.set_random_seed(config.seed)
    network = build(config, classes)
    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.smoothing)
    network.compile(optimizer(config), loss, metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")])
    return network


def restarted(network: keras.Model, config: Config, classes: int) -> keras.Model:
    """Gives a network the initial weights of `compiled`, and makes its optimiser forget what it did.

    It must come from `compiled` with the same architecture and schedule. What TensorFlow compiled of it serves again,
    while it spends seconds on each new network: as long as a short training.
    """
    random.seed(config.seed)  # from which Keras draws; `set_random_seed` would have TensorFlow prepare its steps again
    network.set_weights(build(config, classes).get_weights())
    for variable in network.optimizer.variables:
        variable.assign(ops.zeros(variable.shape, variable.dtype))
    return network


def train(
    config: Config,
    images: np.ndarray,
    labels: np.ndarray,
    rows: np.ndarray,
    validation: np.ndarray | None = None,
    *,
    classes: int,
    title: str = "",
    network: keras.Model | None = None,
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
        network: what to train, by `restarted`; a new one if None. The next training of the same network changes it.

    With `weighted`, where all artists are shown equally often, no weight differs from 1: the training is that of the
    same configuration without.

    Returns:
        The run; its history has `loss`, `accuracy`, `val_loss` and `val_accuracy` (the first two on transformed works).
    """
    shown = rows[augmentation.playlist(labels[rows], config.threshold, seed=config.seed)]
    weights = augmentation.class_weights(labels[shown], classes) if config.weighted else None
    if weights is not None and set(weights) <= {0, 1}:
        config, weights = dataclasses.replace(config, weighted=False), None

    def data(epoch: int) -> dict:
        order = shown[training.epoch_indices(config, len(shown), epoch=epoch)]
        batches = augmentation.Batches(
            images,
            labels,
            order,
            classes=classes,
            batch_size=config.batch_size,
            side=config.train_side,
            seed=(config.seed, epoch),
            transforms=config.transforms,
            mixed=config.mixed,
            weights=weights,
        )
        return {"x": batches}

    def measure(learner: keras.Model) -> dict[str, float]:
        logits = scores(learner, images, validation, config.side)
        right = logits.argmax(axis=1) == labels[validation]
        return {"val_loss": cross_entropy(logits, labels[validation]), "val_accuracy": float(right.mean())}

    def fit(learner: keras.Model, checkpoints: Path):
        history = training.fit_epochs(
            learner,
            data,
            epochs=config.epochs,
            seed=config.seed,
            evaluate=measure if validation is not None else None,
            checkpoints=checkpoints,
            title=title,
            unit="nats",
        )
        return history, {name: float(history[name].iloc[-1]) for name in history if name != "epoch"}

    return training.load_or_train(
        dataclasses.asdict(config) | {"classes": classes},
        lambda: compiled(config, classes) if network is None else restarted(network, config, classes),
        fit,
        project=PROJECT,
        data=training.fingerprint(images[rows[:: max(1, len(rows) // 64)]], labels, rows),
        version=VERSION,
        title=title,
        unit="nats",
    )


def scores(
    network: keras.Model, images: np.ndarray, rows: np.ndarray | None, side: int, *, batch: int = 64
) -> np.ndarray:
    """Returns what a network gives for whole works, float32: logits (n, classes), or feature maps.

    Args:
        network: takes pictures of any side.
        images: uint8, shape (m, s, s, 3).
        rows: the n works among `images`; all if None.
        side: at which they are shown, in pixels.
        batch: works at a time.
    """
    rows = np.arange(len(images)) if rows is None else rows
    found = [
        np.asarray(network.predict_on_batch(augmentation.presented(images[rows[i : i + batch]], side)))
        for i in range(0, len(rows), batch)
    ]
    return np.concatenate(found) if found else np.zeros((0, network.output_shape[-1]), np.float32)


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Returns the mean cross-entropy of logits (n, k) with class ids (n,), in nats."""
    return float(-np.log(np.maximum(softmax(logits)[np.arange(len(labels)), labels], 1e-12)).mean())


def softmax(logits: np.ndarray) -> np.ndarray:
    """Returns probabilities, float32 of the same shape, from logits (n, k)."""
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return (shifted / shifted.sum(axis=1, keepdims=True)).astype(np.float32)


# --- A trained network -----------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Classifier:
    """A trained network, its configuration, and the names of the artists by class id."""

    model: keras.Model
    config: Config
    names: tuple[str, ...]

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Returns the probability of each artist, float32 (n, k), for pictures, uint8 (n, s, s, 3), s being free."""
        return softmax(scores(self.model, images, None, self.config.side))

    def maps(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Returns where pictures speak for a class each: class activation maps (Zhou et al., CVPR 2016).

        With a global average and one dense layer, the score of a class is the mean of this map, plus a constant.

        Args:
            images: uint8, shape (n, s, s, 3).
            classes: class ids, shape (n,).

        Returns:
            float32, shape (n, h, w), h and w those of the feature maps; positive: for, negative: against.
        """
        kernel = ops.convert_to_numpy(self.model.get_layer("scores").kernel)
        maps = scores(self._body, images, None, self.config.side)
        return np.einsum("nhwc,cn->nhw", maps, kernel[:, classes])

    @functools.cached_property
    def _body(self) -> keras.Model:
        return keras.Model(self.model.input, self.model.get_layer("cartes").output)


def save_reference(classifier: Classifier, folder: Path = REFERENCE) -> None:
    """Writes the weights, the configuration and the names of a network."""
    names = np.array(classifier.names)
    training.save_weights(folder / "modele", classifier.model, classifier.config, bits=8, names=names)


def load_reference(folder: Path = REFERENCE) -> Classifier:
    """Returns the committed network.

    Raises:
        UserError: a file is missing or unreadable.
    """
    configs: list[Config] = []

    def make(entries: dict) -> keras.Model:
        entries["transforms"] = Transforms(**entries["transforms"])
        configs.append(Config(**entries))
        with np.load((folder / "modele").with_suffix(".npz")) as stored:
            return build(configs[-1], len(stored["names"]))

    network, arrays = training.load_weights(folder / "modele", make, project=PROJECT)
    return Classifier(network, configs[-1], tuple(str(name) for name in arrays["names"]))


# --- Colour alone ----------------------------------------------------------------------------------------------------


def colour_histograms(images: np.ndarray, *, levels: int = 6, side: int = 32) -> np.ndarray:
    """Returns how often each colour occurs in pictures.

    Args:
        images: uint8, shape (n, s, s, 3).
        levels: number of levels of red, of green and of blue.
        side: side to which pictures are reduced first, in pixels.

    Returns:
        float32, shape (n, levels^3): square roots of shares, so that products compare distributions (Hellinger).
    """
    bins = levels**3
    histograms = np.empty((len(images), bins), np.float32)
    for i, image in enumerate(images):
        small = augmentation.presented(image[None], side)[0]
        level = np.minimum(small * levels // 256, levels - 1).astype(np.int64)
        index = (level[..., 0] * levels + level[..., 1]) * levels + level[..., 2]
        histograms[i] = np.sqrt(np.bincount(index.ravel(), minlength=bins) / index.size)
    return histograms


def colour_baseline(images: np.ndarray, labels: np.ndarray, rows: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Returns what colour alone says: probabilities of a logistic regression on histograms, float32 (m, classes).

    Args:
        images: uint8, shape (n, s, s, 3).
        labels: class ids, shape (n,); all of them are among those of `rows`.
        rows: from which it learns.
        others: for which it answers, m of them.
    """
    from sklearn.linear_model import LogisticRegression

    regression = LogisticRegression(C=10.0, max_iter=300)
    regression.fit(colour_histograms(images[rows]), labels[rows])
    probabilities = np.zeros((len(others), labels.max() + 1), np.float32)
    probabilities[:, regression.classes_] = regression.predict_proba(colour_histograms(images[others]))
    return probabilities
