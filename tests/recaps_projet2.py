"""What the notebooks of project 2 say last, computed again from what two runs of different seeds left."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import pandas as pd
from recaps import Claim, Name, Word
from scipy import stats
from scipy.spatial.distance import pdist
from sklearn.metrics import accuracy_score
from sklearn.model_selection import cross_val_score
from sklearn.neighbors import KNeighborsClassifier

from commun import training as common
from projet2_cvae import comparison, dataset, judge, model, selection, training

PROFILE = training.profile("essai")
FULL = {"images_seen": PROFILE.model[0], "epochs": PROFILE.model[1]}
DRESS = 3


@functools.cache
def data() -> dataset.Data:
    return dataset.load()


@functools.cache
def measured() -> dataset.Part:
    return dataset.stratified(data().validation, PROFILE.scored)


def trained(config: model.Config):
    """The model of a configuration, which the run has left; the next call may change it: see `recaps.Found`."""
    return training.train(config, data().fit, measured()).model


# --- Plain formulas --------------------------------------------------------------------------------------------------


def floor(part: dataset.Part) -> float:
    """The mean entropy of images whose grey levels are probabilities, in nats."""
    p = part.images.reshape(len(part), -1) / 255
    return stats.bernoulli(p).entropy().sum(axis=1).mean()


def codes(net, part: dataset.Part) -> tuple[np.ndarray, np.ndarray]:
    """The mean and log-variance of the code of each image."""
    latent = np.asarray(net.encoder(net.condition(part.images.astype("float32") / 255, part.labels)))
    return np.split(latent, 2, axis=1)


def probabilities(net, z: np.ndarray, labels: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-np.asarray(net.decoder(net.condition(z.astype("float32"), labels)), "float64")))


def loss(net, part: dataset.Part) -> float:
    """The negative ELBO of images, with the noise of seed 0: cross-entropy of pixels plus cost of the code."""
    mean, log_variance = codes(net, part)
    noise = np.random.default_rng(0).standard_normal(mean.shape, dtype="float32")
    p = np.clip(probabilities(net, mean + np.exp(log_variance / 2) * noise, part.labels), 1e-12, 1 - 1e-12)
    x = part.images / 255
    pixels = -(x * np.log(p) + (1 - x) * np.log1p(-p))
    cost = (mean**2 + np.exp(log_variance) - 1 - log_variance) / 2
    return float(pixels.sum(axis=(1, 2, 3)).mean() + cost.sum(axis=1).mean())


def readable(net, part: dataset.Part) -> float:
    """How often the class is read from a code by its neighbours."""
    neighbours = KNeighborsClassifier(15)
    return cross_val_score(neighbours, codes(net, part)[0], part.labels, cv=5).mean()


def unused(net, part: dataset.Part, label: int) -> float:
    """The share of codes that have no image of a class among their 15 neighbours."""
    mean = codes(net, part)[0]
    drawn = np.random.default_rng(0).standard_normal((comparison.UNUSED_DRAWS, 2))
    distances = np.square(drawn[:, None] - mean[None]).sum(axis=-1)
    nearest = np.argsort(distances, axis=1)[:, :15]
    return (part.labels[nearest] != label).all(axis=1).mean()


def invented(net, labels: np.ndarray, seed: int) -> np.ndarray:
    """An image of each class asked for, from a code drawn at random."""
    size = (len(labels), net.config.latent_dim)
    z = np.random.default_rng(seed).standard_normal(size, dtype="float32")
    return np.round(255 * probabilities(net, z, labels)).astype("uint8")


def frechet(first, second) -> float:
    """The squared Fréchet distance of two Gaussians, by the eigenvalues of the product of their covariances."""
    (m1, c1), (m2, c2) = first, second
    roots = np.sqrt(np.maximum(np.linalg.eigvals(c1 @ c2).real, 0)).sum()
    return np.square(m1 - m2).sum() + np.trace(c1 + c2) - 2 * roots


def gaussian(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    features = features.astype("float64")
    return features.mean(axis=0), np.cov(features.T)


def kept_tone(net, part: dataset.Part) -> float:
    """The mean rank correlation of tones, from each class to each other one, where both vary."""
    mean = codes(net, part)[0]

    def tone(levels: np.ndarray) -> np.ndarray:
        return np.array([im[im > comparison.GARMENT].mean() if (im > comparison.GARMENT).any() else 0 for im in levels])

    before, found = tone(part.images), []
    for other in range(10):
        worn = np.round(255 * probabilities(net, mean, np.full(len(part), other)))
        after = tone(worn)
        for own in set(range(10)) - {other}:
            pair = before[part.labels == own], after[part.labels == own]
            if all(np.ptp(tones) for tones in pair):
                found.append(stats.spearmanr(*pair)[0])
    return float(np.mean(found))


# --- The search ------------------------------------------------------------------------------------------------------


def search(seed: int) -> pd.DataFrame:
    """The trials of the study of a seed, which are not run again."""
    some = dataclasses.replace(data(), validation=measured())
    budget = common.Budget(images_seen=PROFILE.trial[0], epochs=PROFILE.trial[1], seed=seed)
    trials = selection.search(some, budget, trials=PROFILE.trials)
    return trials[trials["state"] == "complete"].sort_values("val_nelbo")


def finalists(seed: int) -> dict[str, model.Config]:
    """The two usual settings, and the best of those that were drawn."""
    usual = {**selection.usual(common.Budget(**FULL, seed=seed))}
    drawn = search(seed).query("number > 1").iloc[0]
    setting = {name: drawn[name] for name in selection.SPACE}
    return usual | {"essai classé 1": selection.config_of(setting, common.Budget(**FULL, seed=seed))}


def final(seed: int) -> pd.Series:
    losses = {name: loss(trained(config), measured()) for name, config in finalists(seed).items()}
    return pd.Series(losses).sort_values()


# --- The recaps ------------------------------------------------------------------------------------------------------


def preparation(seed: int) -> tuple[list[Claim], dict[str, float]]:
    d = data()
    value = floor(d.test)
    return [len(d.fit), len(d.validation), len(d.test), value], {"plancher moyen du test (nats)": value}


def working_model(seed: int) -> tuple[list[Claim], dict[str, float]]:
    base = model.Config(width=512, seed=seed, **FULL)
    plane = {"latent_dim": 2, "images_seen": PROFILE.plane, "epochs": 2}
    vae, cvae = (trained(model.Config(width=512, seed=seed, conditional=given, **plane)) for given in (False, True))
    net = trained(base)
    value, used = loss(net, measured()), int((codes(net, measured())[0].var(axis=0) > 0.01).sum())
    lowest = floor(measured())
    assert value > lowest and used <= base.latent_dim
    shares = [readable(vae, measured()), readable(cvae, measured()), unused(cvae, measured(), DRESS)]
    claims = [*shares, used, base.latent_dim, value, lowest, Word("meilleurs")]
    return claims, {"ELBO négative de validation (nats)": value}


def chosen(seed: int) -> tuple[list[Claim], dict[str, float]]:
    losses, trials = final(seed), search(seed)
    winner = finalists(seed)[losses.index[0]]
    imposed = trials["number"] < 2
    gap = trials.loc[~imposed, "val_nelbo"].min() - trials.loc[imposed, "val_nelbo"].min()
    if gap < 0:
        lesson = [Word("meilleur"), -gap, Word("moins"), Word("meilleur")]
    else:
        lesson = [Word("mieux"), Word("meilleur"), gap]
    if gap >= 0 and losses.index[0] in selection.USUAL_NAMES:
        lesson.append(Word("mieux"))  # the search found nothing of the kind
    size = winner.width / selection.WIDEST[winner.architecture]
    settings = [size, winner.latent_dim, winner.learning_rate, winner.batch_size, winner.warmup]
    lead = losses.iloc[-1] - losses.iloc[0]
    claims = [1, Word("même"), Name(losses.index[0]), losses.iloc[0], lead, Word("mieux", lead >= 0), *settings]
    return [*claims, *lesson, 4], {"ELBO négative de validation (nats)": losses.iloc[0]}


def evaluation(seed: int) -> tuple[list[Claim], dict[str, float]]:
    test = dataset.stratified(data().test, PROFILE.scored)
    configs, losses = finalists(seed), final(seed)
    tones = [kept_tone(trained(configs[name]), test) for name in selection.USUAL_NAMES]
    net = trained(configs[losses.index[0]])
    reader = judge.train(judge.JudgeConfig(images_seen=PROFILE.judge), data().fit).model
    images = invented(net, test.labels, seed)
    logits, features = judge.logits_and_features(reader, images)
    real_logits, real = judge.logits_and_features(reader, test.images)
    fidelity, accuracy = (accuracy_score(test.labels, scores.argmax(axis=1)) for scores in (logits, real_logits))
    made, own = features.astype("float64"), real.astype("float64")
    classes = [test.labels == c for c in range(10)]
    varied = np.mean([pdist(made[c]).sum() / pdist(own[c]).sum() for c in classes])
    learnt = dataset.stratified(data().fit, len(test))
    known = judge.logits_and_features(reader, learnt.images)[1].astype("float64")
    centres = np.stack([known[learnt.labels == c].mean(axis=0) for c in range(10)])
    inside = np.mean([np.cov(known[learnt.labels == c].T) for c in range(10)], axis=0)
    training_set = centres.mean(axis=0), inside + np.cov(centres.T, bias=True)  # as many of each class
    far, near = (frechet(cloud, gaussian(real)) for cloud in (gaussian(features), training_set))
    value, lowest = loss(net, test), floor(test)
    assert value > lowest
    if accuracy < 0.5:
        reading = [Word("ne permet pas")]
    elif fidelity > accuracy + 0.005:
        reading = [Word("plus")]
    else:
        reading = [Word("une part") if fidelity < accuracy - 0.03 else Word("guère")]
    claims = [value, lowest, fidelity, accuracy, *reading, varied, far, Word("même"), near, *tones]
    return claims, {"fidélité à la classe": fidelity, "diversité": varied}


RECAPS = {
    "01_preparation": preparation,
    "02_modele": working_model,
    "03_selection": chosen,
    "04_evaluation": evaluation,
}
