"""The sentences of project 2 that compare, both ways, and what they are computed from."""

from __future__ import annotations

import dataclasses
import re
import types

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from test_projet2_selection import imagined_table

from projet2_cvae import comparison, evaluation, readings, sample, selection
from projet2_cvae import judge as judging
from projet2_cvae.dataset import CLASSES, Part
from projet2_cvae.model import Config

NBSP = "\N{NO-BREAK SPACE}"


def _part(count: int, seed: int = 0) -> Part:
    labels = (np.arange(count) % 10).astype("uint8")
    return Part(sample.draw_images(labels, seed=seed)[..., None], labels)


# --- Sentences -------------------------------------------------------------------------------------------------------


def test_planes_are_compared_both_ways() -> None:
    text = readings.planes(0.648, 0.412)
    assert f"**64,8{NBSP}%**" in text and f"**41,2{NBSP}%**" in text and "peut les employer à autre chose" in text
    assert "pas ce qu'on attendait" in readings.planes(0.3, 0.6)
    assert "trop petit pour conclure" in readings.planes(0.50, 0.51)


def test_a_mosaic_shows_other_garments_only_where_a_class_leaves_room() -> None:
    text = readings.mosaic(0.4, 0.41, "robe")
    assert f"**40{NBSP}%**" in text and "bien plus que le hasard" in text and "n'a jamais vu cette étiquette" in text
    assert "ne se lit guère" in readings.mosaic(0.4, 0.12, "robe")
    assert "le décodeur l'a appris" in readings.mosaic(0.01, 0.41, "robe")


def test_units_say_whether_some_rest() -> None:
    assert "**8** sur 16" in readings.units(8, 16) and "au repos" in readings.units(8, 16)
    assert "au repos" not in readings.units(16, 16)


def test_steps_are_said_to_vary_only_where_they_do() -> None:
    table = imagined_table(8).assign(steps=100)
    assert "autant de pas" in readings.steps(table) and readings.setting_names(table) == selection.NAMES
    table["steps"] = 12_800 // table["batch_size"]
    assert "de 50 à 200 pas" in readings.steps(table)
    assert readings.setting_names(table)["batch_size"] == "nombre de pas (taille de lot)"
    assert not readings.steps_vary(imagined_table(8))  # a study without this column


def test_a_search_is_told_to_have_found_better_or_not() -> None:
    table = imagined_table(8)
    table["val_nelbo"] = [240.0, 239, 245, 245, 245, 245, 245, 238]
    assert "**1,0 nats de moins**" in readings.search(table)
    table.loc[7, "val_nelbo"] = 241.5
    assert "Aucun essai tiré" in readings.search(table) and "**2,5 nats**" in readings.search(table)
    assert "Trop peu" in readings.search(table[:2])


@pytest.mark.parametrize(
    ("drawn", "winner", "says"),
    [
        (238.0, "essai classé 1", "confirme : chercher a servi"),
        (241.5, "par défaut", "confirme : avec si peu d'essais, la recherche n'a rien trouvé de mieux"),
        (238.0, "par défaut, poids par classe", "renverse cet ordre : un essai imposé l'emporte"),
        (241.5, "essai classé 2", "renverse cet ordre : un essai tiré l'emporte"),
    ],
)
def test_the_lesson_of_a_search_is_that_of_its_final(drawn: float, winner: str, says: str) -> None:
    table = imagined_table(8)
    table["val_nelbo"] = [240.0, 239, 245, 245, 245, 245, 245, drawn]
    losses = pd.Series({winner: 1.0, "essai classé 3": 2.0})
    told = readings.lesson(table, losses)
    assert told.startswith(f"{readings.search(table)} La finale") and says in told
    assert readings.lesson(table[:2], losses) == readings.search(table[:2])


@pytest.mark.parametrize(
    ("losses", "says", "hides"),
    [
        ((240, 236, 238), ["rien trouvé de mieux", f"2,00{NBSP}nats au-dessus", "en 2 points"], ["servi"]),
        ((240, 236, 235), ["a servi", "essai classé 1", f"1,00{NBSP}nats", f"5,00{NBSP}nats"], ["rien trouvé"]),
        ((230, 236, 235), ["réglages par défaut eux-mêmes", "rien trouvé de mieux"], ["crédit", "servi"]),
    ],
)
def test_the_final_credits_no_setting_alone(losses, says, hides) -> None:
    budget = selection.Budget(images_seen=1280, epochs=2)
    configs = selection.usual(budget)
    third = dataclasses.replace(configs["par défaut"], latent_dim=8, batch_size=64, images_seen=640)
    configs["essai classé 1"] = third
    text = readings.final(pd.Series(dict(zip(configs, map(float, losses), strict=True))), configs)
    assert all(word in text for word in says) and not any(word in text for word in hides), text


def test_one_difference_is_credited() -> None:
    configs = selection.usual(selection.Budget(images_seen=1280, epochs=2))
    configs["essai classé 1"] = dataclasses.replace(configs["par défaut"], latent_dim=8)
    text = readings.final(pd.Series([240.0, 239.0, 235.0], list(configs)), configs)
    assert "que par un point (dimension latente)" in text
    assert readings.differences(Config(), Config()) == []
    assert readings.differences(Config(width=256, seed=3), Config()) == ["taille"]


def test_tones_are_compared_both_ways() -> None:
    text = readings.tones(0.86, 0.08)
    assert "**0,86**" in text and "**0,08**" in text and "le style ne passe plus" in text
    assert "pas ce qu'on attendait" in readings.tones(0.1, 0.8)
    assert "pas nettement" in readings.tones(0.5, 0.45)
    assert "trop court" in readings.tones(-0.9, -0.2) and "Trop peu d'images" in readings.tones(float("nan"), 0.2)


def _by_class(**changes) -> pd.DataFrame:
    table = pd.DataFrame({"juge sur le test": 0.9, "fidélité": 0.9, "diversité": 0.9}, index=list(CLASSES))
    for name, (column, value) in changes.items():
        table.loc[name, column] = value
    return table


def test_classes_that_stand_out_are_named_and_only_those() -> None:
    table = _by_class(sandale=("fidélité", 0.49))
    table.loc["chemise", ["juge sur le test", "fidélité", "diversité"]] = [0.85, 0.99, 0.63]
    text = readings.fidelity_by_class(table)
    assert f"« sandale » est le point faible : le juge n'y reconnaît que 49{NBSP}%" in text
    assert f"« chemise » est reconnue dans 99{NBSP}%" in text and "0,63" in text
    even = readings.fidelity_by_class(_by_class())
    assert "Aucune classe ne décroche" in even and "nettement moins variée" in even and "exploit" not in even
    blind = readings.fidelity_by_class(_by_class() * 0.2)
    assert "ne permet pas de conclure" in blind and "décroche" not in blind


def test_sharpness_is_compared_both_ways() -> None:
    assert "le flou est là" in readings.sharpness(0.068, 0.048, 0.044)
    assert "plutôt du bruit" in readings.sharpness(0.068, 0.048, 0.09)
    assert "pas plus lisses" in readings.sharpness(0.068, 0.048, 0.068)


@pytest.mark.parametrize(
    ("mine", "says"),
    [((0.9, 100.0), "gagne"), ((0.8, 300.0), "perd"), ((0.9, 300.0), "plus loin"), ((0.8, 100.0), "plus près")],
)
def test_the_rival_wins_or_loses(mine, says) -> None:
    columns = ["fidélité", "distance de Fréchet"]
    table = pd.DataFrame([mine, (0.85, 227.6)], index=["réseau", "rival"], columns=columns)
    assert says in readings.rival(table, "réseau", "rival")
    assert "on ne peut pas conclure" in readings.rival(table * 0.1, "réseau", "rival")


def test_the_criterion_is_told_from_the_use() -> None:
    table = pd.DataFrame({"fidélité": [0.765, 0.47, 0.91]}, index=["modèle retenu", "défaut", "poids par classe"])
    text = readings.criterion(table, "modèle retenu", ["défaut", "poids par classe"])
    assert "n'est pas le réseau qui invente le mieux : « poids par classe »" in text and "0,91" in text
    table.loc["modèle retenu"] = 0.9
    assert "est aussi" in readings.criterion(table, "modèle retenu", ["défaut", "poids par classe"])


def test_a_diversity_above_that_of_the_test_is_no_praise() -> None:
    assert "plus dispersées" in readings.fidelity_by_class(_by_class().assign(diversité=1.2))
    assert "plus dispersées" not in readings.fidelity_by_class(_by_class())


def test_the_default_network_is_set_beside_the_rival_both_ways() -> None:
    columns = ["fidélité", "distance de Fréchet"]
    table = pd.DataFrame([(0.7625, 170.6), (0.851, 227.6)], index=["réseau par défaut", "rival"], columns=columns)
    text = readings.default_network(table, "réseau par défaut", "rival")
    assert "**moins bien**" in text and "**plus près**" in text and "0,76 contre 0,85" in text
    table.loc["rival"] = (0.5, 100.0)
    text = readings.default_network(table, "réseau par défaut", "rival")
    assert "**mieux**" in text and "**plus loin**" in text


def test_distances_are_read_beside_that_of_the_dataset() -> None:
    table = pd.DataFrame({"distance de Fréchet": [108.4, 0.7]}, index=["modèle", "apprentissage"])
    text = readings.distances(table, "modèle", "apprentissage", 200)
    assert "200 images" in text and "**108,40**" in text and "loin d'avoir tout appris" in text
    table.loc["modèle"] = 0.8
    assert "ne les distingue guère" in readings.distances(table, "modèle", "apprentissage", 200)


@pytest.mark.parametrize(
    ("fidelity", "accuracy", "says"),
    [
        (0.8, 0.95, "pas ce qu'on a demandé"),
        (0.99, 0.95, "trop typiques"),
        (0.94, 0.95, "guère"),
        (0.1, 0.2, "peu entraîné"),
    ],
)
def test_fidelity_is_read_beside_the_accuracy_of_the_judge(fidelity, accuracy, says) -> None:
    assert says in readings.generation(fidelity, accuracy)


def test_the_accuracy_of_a_judge_that_is_not_trained_is_said_once() -> None:
    text = readings.generation(0.1, 0.165)  # "16,5 %", then "16 %", would be two numbers for one
    assert re.findall(r"\d[\d,]*", text) == ["10,0", "16,5"]


# --- What they are computed from -------------------------------------------------------------------------------------


def test_the_rival_has_the_mean_and_the_axes_of_each_class() -> None:
    part = _part(600)
    rival = comparison.fit_rival(part, 4)
    assert rival.means.shape == (10, 784) and rival.axes.shape == (10, 4, 784)
    pixels = part.images[part.labels == 3].reshape(-1, 784).astype(float)
    np.testing.assert_allclose(rival.means[3], pixels.mean(axis=0))
    variances = np.linalg.eigvalsh(np.cov(pixels.T))[::-1][:4]
    np.testing.assert_allclose(np.square(rival.axes[3]).sum(axis=1), variances)
    gram = rival.axes[3] @ rival.axes[3].T
    np.testing.assert_allclose(gram, np.diag(np.diag(gram)), atol=1e-6 * gram.max())


def test_the_rival_draws_what_it_is_asked() -> None:
    rival = comparison.LinearRival(np.full((10, 784), 100.0), np.full((10, 1, 784), 1.0))
    rival.means[8] = 250.0
    images = comparison.generate_rival(rival, np.repeat([8, 2], 300), seed=1)
    assert images.shape == (600, 28, 28, 1) and images.dtype == np.uint8
    assert images[:300].mean() == pytest.approx(250, abs=0.3) and images[300:].std() == pytest.approx(1, abs=0.15)
    np.testing.assert_array_equal(images, comparison.generate_rival(rival, np.repeat([8, 2], 300), seed=1))
    rival.axes[:] = 1000.0
    extreme = comparison.generate_rival(rival, np.zeros(50, int))
    assert (extreme.min(), extreme.max()) == (0, 255)


def test_generators_are_compared_at_the_same_number_of_images() -> None:
    test, train = _part(40, 1), _part(60, 2)
    reference = judging.reference_features(judging.build(judging.JudgeConfig(width=4, features=6)), train, len(test))
    table = comparison.generators_table(
        {"même": test.images, "noir": 0 * test.images}, reference, test, of_training="app"
    )
    assert list(table.index) == ["même", "noir", "app"]
    assert table.loc["même", "distance de Fréchet"] == pytest.approx(0, abs=1e-6)
    assert table.loc["même", "diversité"] == pytest.approx(1) and table.loc["noir", "diversité"] == 0
    assert table.loc["app", "distance de Fréchet"] == pytest.approx(comparison.training_distance(reference, test))
    metrics = evaluation.frechet_ratio(
        judging.logits_and_features(reference.judge, 255 - test.images)[1],
        judging.logits_and_features(reference.judge, test.images)[1],
        reference.moments(test.labels),
        draws=2,
    )
    other = comparison.generators_table({"négatif": 255 - test.images}, reference, test, of_training="app")
    ratio = other.loc["négatif", "distance de Fréchet"] / other.loc["app", "distance de Fréchet"]
    assert ratio == pytest.approx(metrics["value"], rel=1e-6)


def test_the_table_of_the_reference_gives_plain_distances() -> None:
    names = ("class_fidelity", "diversity", "frechet_ratio")
    metrics = {f"{p}{n}": {"value": v} for p in ("", "rival/") for n, v in zip(names, (0.9, 0.8, 100.0), strict=True)}
    content = {
        "metrics": metrics,
        "frechet_train_test": 0.5,
        "default_model": dict(zip(names, (0.7, 0.9, 200.0), strict=True)),
    }
    table = comparison.reference_table(content)
    assert table["distance de Fréchet"].tolist() == [50, 100, 50, 0.5]
    for missing in ("frechet_train_test", "default_model"):
        assert comparison.reference_table({k: v for k, v in content.items() if k != missing}) is None


def test_tone_leaves_the_background_out() -> None:
    images = np.zeros((2, 28, 28, 1), "uint8")
    images[0, :3], images[1, :20] = 200, 100
    np.testing.assert_allclose(comparison.tone(images), [200 / 255, 100 / 255])
    assert comparison.tone(0 * images).tolist() == [0, 0]


def _painter(signs: np.ndarray):
    """A model whose code is the tone of the image, decoded as that tone or its opposite, class by class."""

    def encoder(inputs):
        tone = comparison.tone(np.round(255 * np.asarray(inputs[0])).astype("uint8"))[:, None]
        return np.concatenate([tone - 0.5, 0 * tone], axis=1).astype("float32")

    def decoder(inputs):
        level = np.asarray(inputs[0]) * signs[np.asarray(inputs[1])][:, None] * 4
        return np.broadcast_to(level[..., None, None], (len(level), 28, 28, 1)).astype("float32")

    return types.SimpleNamespace(condition=lambda first, labels: [first, labels], encoder=encoder, decoder=decoder)


def test_the_tone_is_followed_from_class_to_class() -> None:
    part = _part(100)
    assert comparison.tone_correlation(_painter(np.ones(10)), part) > 0.98
    half = np.array([1, -1] * 5)
    assert abs(comparison.tone_correlation(_painter(half), part)) < 0.2
    assert np.isnan(comparison.tone_correlation(_painter(np.zeros(10)), part))
    a, b = np.array([3.0, 1, 2, 2]), np.array([5.0, 5, 1, 9])
    assert comparison._ranks_correlation(a, b) == pytest.approx(stats.spearmanr(a, b)[0])


def test_the_unused_share_is_that_of_the_prior_without_the_class() -> None:
    random = np.random.default_rng(0)
    codes = random.standard_normal((4000, 2)).astype("float32")
    labels = (codes[:, 0] > 0).astype("uint8")  # class 1 holds one half of the plane
    part = Part(np.zeros((4000, 28, 28, 1), "uint8"), labels)
    fake = types.SimpleNamespace(
        condition=lambda first, labels: [first],
        encoder=lambda inputs: np.concatenate([codes[: len(inputs[0])], 0 * codes[: len(inputs[0])]], axis=1),
    )
    part, codes = Part(part.images[:1000], part.labels[:1000]), codes[:1000]  # one window
    assert comparison.unused_share(fake, part, 1) == pytest.approx(0.5, abs=0.08)
    assert comparison.unused_share(fake, part, 7) == 1
