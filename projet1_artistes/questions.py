"""Checks of the answers to the questions of the notebooks: right or wrong, and why, without giving the answer.

One function a question, in the order of the notebooks. Where the right answer depends on the run, it is computed from
the context: what the notebook passes behind the answer.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from commun import results
from commun.exercices import Verdict, right, wrong
from commun.training import keras
from projet1_artistes import augmentation, evaluation, experiments, names, networks, resizing, sides, tables
from projet1_artistes.dataset import Data
from projet1_artistes.split import TRAINING
from projet1_artistes.training import Config

NOT_A_NUMBER = wrong("un nombre est attendu, entier ou à virgule, sans unité ni guillemets.")
NOT_A_SHARE = wrong("une proportion est attendue, comprise entre 0 et 1. Un pourcentage se divise par 100.")
NOT_A_FUNCTION = wrong("une fonction est attendue. Donnez son nom, sans parenthèses.")
NAMES = (  # as archives write them, and some that have nothing to be mended
    "Albrecht_Du╠êrer",
    "Albrecht_DuΓòá├¬rer",
    "E╠ülie_Du╠êrel",
    "EΓòá├╝lie_DuΓòá├¬rel",
    "Edgar_Degas",
    "Élie_Dürel",
)
TOLERANCE = 1e-3  # relative, of a number that has one exact value


# --- Notebook 01 -----------------------------------------------------------------------------------------------------


def majority_recall(answer: float, data: Data) -> Verdict:
    """Checks the balanced accuracy of always naming the artist who has most works."""
    if not _is_number(answer):
        return NOT_A_NUMBER
    if not 0 <= answer <= 1:
        return NOT_A_SHARE
    counts = np.bincount(data.labels)
    if _near(answer, 1 / np.count_nonzero(counts)):
        return right(
            "un seul artiste est toujours reconnu, tous les autres ne le sont jamais. L'exactitude flatte cette "
            "réponse paresseuse, la moyenne des rappels non."
        )
    if _near(answer, counts.max() / counts.sum(), 0.01):
        return wrong("c'est l'exactitude. Écrivez le rappel de chaque artiste, puis faites la moyenne des rappels.")
    return wrong("écrivez le rappel de chaque artiste, celui du plus fourni puis ceux des autres, et leur moyenne.")


def repaired_names(answer: Callable[[str], str]) -> Verdict:
    """Checks a function that mends names whose UTF-8 was read as cp437, once or twice."""
    if not callable(answer):
        return NOT_A_FUNCTION
    for name in NAMES:
        expected, given = names.repair(name), answer(name)
        if not isinstance(given, str):
            return wrong(f"pour « {name} », elle rend {type(given).__name__} au lieu d'un texte.")
        if given == expected:
            continue
        if expected == name:
            return wrong(f"« {name} » est déjà bien écrit, et doit ressortir tel quel. Votre fonction le change.")
        if unicodedata.normalize("NFC", given) == expected:
            return wrong(
                f"pour « {name} », les lettres y sont, mais un accent est resté un caractère à part. Composez-les "
                "(forme NFC d'Unicode)."
            )
        if given != name and names.repair(given) == expected:
            return wrong(f"« {name} » n'est réparé qu'à moitié. La faute peut avoir été commise deux fois.")
        return wrong(f"« {name} » n'est pas réparé, votre fonction rend « {given} ».")
    return right(
        f"les {len(NAMES)} noms essayés ressortent comme du module, ceux qui étaient bien écrits aussi. Les deux "
        "dossiers de Dürer n'en font plus qu'un."
    )


def fidelity(answer: Callable[[np.ndarray, np.ndarray], float], image: np.ndarray) -> Verdict:
    """Checks a function that computes the PSNR, on reductions of a picture, uint8 (n, n, 3)."""
    if not callable(answer):
        return NOT_A_FUNCTION
    smaller = (side for side in (32, 64, 128) if side < len(image))
    copies = {f"à {side} pixels": resizing.enlarged(resizing.reduced(image, side), len(image)) for side in smaller}
    copies["pour l'image en miroir"] = image[:, ::-1]  # far from the picture: squares overflow there
    for which, copy in copies.items():
        given, expected = answer(image, copy), resizing.psnr(image, copy)
        if not _is_number(given):
            return wrong(f"elle rend {type(given).__name__} au lieu d'un nombre.")
        if _near(given, expected):
            continue
        with np.errstate(all="ignore"):
            wrapped = 10 * np.log10(255**2 / np.square(image - copy).astype(np.float64).mean())
            wrapped_mean = 10 * np.log10(255**2 / np.square(image - copy).mean())
        if _near(given, wrapped) or _near(given, wrapped_mean):
            return wrong(
                "les pixels sont des entiers de 8 bits, sans nombre négatif. Ainsi, 3 moins 5 y donne 254, et un carré "
                "y déborde. Convertissez avant de soustraire."
            )
        if _near(given, expected / 10) or _near(given, 2 * expected) or _near(given, expected * np.log(10)):
            return wrong("l'erreur est la bonne, mais non l'échelle. Relisez la formule (10 fois, logarithme décimal).")
        return wrong(f"{which}, elle ne rend pas la valeur du module. Relisez la formule, terme à terme.")
    return right("des réductions de cette œuvre et son miroir ont les mêmes décibels qu'avec le module.")


def separated_groups(answer: int, data: Data, parts: Sequence[str]) -> Verdict:
    """Checks how many groups of near-duplicates a split at random separates; `parts`: the part of each work."""
    if not _is_number(answer):
        return NOT_A_NUMBER
    by_group = pd.Series(np.asarray(parts)).groupby(data.groups)
    if answer == (separated := int((by_group.nunique() > 1).sum())):
        if separated:
            return right(
                "autant de tableaux seraient appris d'un côté et jugés de l'autre. Notre découpage n'en sépare aucun."
            )
        return right("aucun groupe n'est séparé, par chance. Une autre graine, ou plus de doublons, en séparerait.")
    if answer == int((by_group.size() > 1).sum()):
        return wrong("ce sont tous les groupes de deux œuvres ou plus. Lesquels ont des œuvres dans plusieurs jeux ?")
    return wrong(
        "pour chaque groupe, comptez les jeux différents où il a des œuvres, puis les groupes qui en ont deux."
    )


def pictures_of_a_passage(answer: int, data: Data, threshold: int) -> Verdict:
    """Checks how many pictures one passage shows with a threshold of oversampling."""
    if not _is_number(answer):
        return NOT_A_NUMBER
    labels = data.labels[data.rows(TRAINING)]
    if answer == len(augmentation.oversampled_indices(labels, threshold, seed=0)):
        return right("c'est ce que montre le module. Les artistes mieux fournis que le seuil ne sont pas touchés.")
    if answer == len(labels):
        return wrong("c'est le nombre d'œuvres d'apprentissage. Les artistes sous le seuil sont montrés plus souvent.")
    if answer == threshold * len(np.unique(labels)):
        return wrong("les artistes qui ont plus d'œuvres que le seuil ne sont pas montrés moins souvent pour autant.")
    return wrong("comptez les œuvres d'apprentissage de chaque artiste. Un artiste compte au moins pour le seuil.")


# --- Notebook 02 -----------------------------------------------------------------------------------------------------


def weights_of_a_convolution(answer: int, network: keras.Model) -> Verdict:
    """Checks the number of weights of the second convolution of the plain network."""
    if not _is_number(answer):
        return NOT_A_NUMBER
    layer = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)][1]
    if answer == layer.count_params():
        return right(
            "c'est ce que Keras compte. La taille de l'image n'y entre pas, car les mêmes poids servent partout."
        )
    if answer == layer.count_params() - layer.filters:
        return wrong("il manque les biais, un pour chaque carte produite.")
    return wrong("chaque carte produite a un filtre 3 × 3 pour chaque carte d'entrée, et un biais.")


def probabilities(answer: Callable[[np.ndarray], np.ndarray], scores: np.ndarray) -> Verdict:
    """Checks a function that turns scores, shape (n, k), into probabilities: the softmax of each row."""
    if not callable(answer):
        return NOT_A_FUNCTION
    with np.errstate(all="ignore"):
        given, large = (np.asarray(answer(values), np.float64) for values in (scores, 400 * scores))
    if given.shape != scores.shape:
        return wrong(f"pour des scores de forme {scores.shape}, elle rend un tableau de forme {given.shape}.")
    if not np.allclose(given.sum(axis=1), 1, atol=1e-4):
        if np.isclose(given.sum(), 1, atol=1e-4):
            return wrong("la somme vaut 1 pour tout le tableau ; elle doit valoir 1 pour chaque œuvre, donc par ligne.")
        return wrong("les probabilités d'une œuvre doivent avoir pour somme 1.")
    if not np.allclose(given, softmax(scores, axis=1), atol=1e-5):
        return wrong("les sommes valent 1, mais ce ne sont pas des exponentielles normalisées.")
    if not np.isfinite(large).all():
        return wrong(
            "juste pour ces scores, mais de grands scores font déborder l'exponentielle. Ôter le même nombre à tous "
            "les scores d'une œuvre ne change pas le résultat. Lequel choisir ?"
        )
    return right("les mêmes probabilités que le module, et les grands scores ne débordent pas.")


def smoothed_target(answer: float, smoothing: float, classes: int) -> Verdict:
    """Checks the probability that smoothed labels ask for the right artist."""
    if not _is_number(answer):
        return NOT_A_NUMBER
    if not 0 <= answer <= 1:
        return NOT_A_SHARE
    if _near(answer, 1 - smoothing + smoothing / classes):
        return right("le vrai peintre reçoit aussi sa part de ce que l'on a ôté. Le réseau n'a pas intérêt à être sûr.")
    if _near(answer, 1 - smoothing):
        return wrong("ce que l'on ôte est réparti entre tous les artistes, et le vrai peintre en est un.")
    return wrong("on ôte « lissage » à la certitude, puis on le répartit également entre tous les artistes.")


def side_of_the_same_size(answer: float, config: Config) -> Verdict:
    """Checks the side at which whole works show things as large as the crops did."""
    if not _is_number(answer):
        return NOT_A_NUMBER
    if _near(answer, sides.learnt_side(config), 0.02):
        return right("à ce côté, une touche couvre autant de pixels que dans les morceaux appris. Voyez la figure.")
    if _near(answer, config.train_side / np.mean(config.transforms.scale), 0.02):
        return wrong("la part montrée est une surface, et les longueurs vont comme sa racine carrée.")
    if answer < config.train_side:
        return wrong(
            "un morceau montre les choses agrandies. Pour les revoir à cette taille, faut-il plus ou moins de pixels ?"
        )
    return wrong("un morceau garde une part de la surface de l'œuvre. Quelle part de son côté est-ce ?")


def mean_recall(answer: Callable[..., float], labels: np.ndarray, predicted: np.ndarray) -> Verdict:
    """Checks a function that computes the balanced accuracy from class ids, both of shape (n,)."""
    if not callable(answer):
        return NOT_A_FUNCTION
    for true, named in ((labels, predicted), (np.array([0, 0, 0, 2]), np.array([0, 0, 2, 2]))):
        given = answer(true, named)
        if not _is_number(given):
            return wrong(f"elle rend {type(given).__name__} au lieu d'un nombre.")
        expected = evaluation.weighted_measures(named[:, None], true, np.ones((1, len(true))))["balanced_accuracy"][0]
        if _near(given, expected):
            continue
        if _near(given, (true == named).mean()):
            return wrong(
                "c'est l'exactitude, où chaque œuvre pèse autant. Calculez d'abord le rappel de chaque artiste."
            )
        if not np.isfinite(given):
            return wrong("un artiste sans œuvre dans ce jeu n'a pas de rappel. Il ne compte pas dans la moyenne.")
        return wrong("la moyenne porte sur les artistes qui ont des œuvres dans ce jeu, et sur eux seuls.")
    return right("le même nombre que dans le tableau. Un artiste rare y pèse autant que le mieux fourni.")


# --- Notebook 03 -----------------------------------------------------------------------------------------------------


def resampled_interval(answer: Callable[..., Any], correct: np.ndarray) -> Verdict:
    """Checks a function that computes the bootstrap interval of a proportion; `correct`: bool, shape (n,).

    Where all the answers of the run are alike, so are all draws: only made-up ones are tried.
    """
    if not callable(answer):
        return NOT_A_FUNCTION
    for values in (np.asarray(correct), np.arange(80) % 4 > 0, np.arange(400) % 5 > 0):
        given = np.asarray(answer(values), np.float64).ravel()
        if given.shape != (2,):
            return wrong("deux nombres sont attendus, la borne basse puis la borne haute.")
        low, high = results.bootstrap(lambda rows, values=values: values[rows].mean(), len(values))
        slack = 0.2 * (high - low) + 1 / len(values)  # of few works, the bounds of two runs may differ by one
        if not given[0] <= values.mean() <= given[1]:
            return wrong("l'exactitude mesurée n'est pas entre les deux bornes. Sont-elles dans l'ordre ?")
        if given[1] - given[0] < 1e-9 < high - low:
            return wrong(
                "tous vos tirages se valent. Tirez-vous bien avec remise, et un nouveau tirage à chaque fois ?"
            )
        if np.abs(given - (low, high)).max() > slack:
            wide = "large" if given[1] - given[0] > high - low else "étroit"
            return wrong(
                f"votre intervalle est trop {wide} ou décalé. Chaque tirage a autant d'œuvres que le jeu, et "
                "l'intervalle laisse 2,5\u00a0% des tirages de chaque côté."
            )
    return right("le même intervalle que le module, au hasard des tirages près.")


def recall_and_precision(
    answer: Sequence[float], probabilities: np.ndarray, labels: np.ndarray, artist: int
) -> Verdict:
    """Checks the recall and the precision of an artist, from probabilities (n, k) and true class ids (n,)."""
    if not isinstance(answer, (tuple, list, np.ndarray)) or len(answer) != 2 or not all(map(_is_number, answer)):
        return wrong("deux nombres sont attendus, le rappel puis la précision.")
    named, true = probabilities.argmax(axis=1) == artist, labels == artist
    recall, precision = ((named & true).sum() / max(1, which.sum()) for which in (true, named))
    if _near(answer[0], recall) and _near(answer[1], precision):
        return right("le rappel se lit sur une ligne de la matrice de confusion, la précision sur une colonne.")
    if _near(answer[0], precision) and _near(answer[1], recall):
        return wrong(
            "les deux nombres sont échangés. Le rappel divise par ses œuvres, la précision par ses attributions."
        )
    if _near(answer[0], recall) or _near(answer[1], precision):
        return wrong(
            f"{'le rappel' if _near(answer[0], recall) else 'la précision'} est juste, mais pas l'autre nombre."
        )
    return wrong(
        "comptez ses œuvres bien nommées, puis divisez par ses œuvres d'une part, par ses attributions d'autre part."
    )


def expected_calibration_error(
    answer: Callable[[np.ndarray, np.ndarray], float], probabilities: np.ndarray, labels: np.ndarray
) -> Verdict:
    """Checks a function that computes the expected calibration error over ten packets of equal size."""
    if not callable(answer):
        return NOT_A_FUNCTION
    for scores, true in ((probabilities, labels), _mixed_confidence()):
        given = answer(scores, true)
        if not _is_number(given):
            return wrong(f"elle rend {type(given).__name__} au lieu d'un nombre.")
        if abs(given - evaluation.calibration_error(evaluation.calibration(scores, true))) < 2e-3:
            continue
        confidence, correct = scores.max(axis=1), scores.argmax(axis=1) == true
        if abs(given - abs(confidence.mean() - correct.mean())) < 2e-3:
            return wrong(
                "c'est l'écart des moyennes de tout le jeu. Des paquets trop sûrs et d'autres trop peu s'y compensent."
            )
        return wrong(
            "les paquets se font par confiance croissante ; dans chacun, l'écart entre confiance moyenne et part de "
            "réponses justes compte sans son signe, et les paquets pèsent selon leur taille."
        )
    return right("le même nombre que le module, soit la distance moyenne des points de la figure à la diagonale.")


def _mixed_confidence() -> tuple[np.ndarray, np.ndarray]:
    """Made-up answers, too sure for some and not enough for others: probabilities (120, 4) and class ids (120,)."""
    top = np.linspace(0.4, 0.98, 120)
    probabilities = np.repeat(((1 - top) / 3)[:, None], 4, axis=1)
    probabilities[:, 0] = top
    return probabilities, (np.arange(120) % 3 == 0).astype(np.int64)


def constant_of_the_map(answer: float, classifier: networks.Classifier, artist: int) -> Verdict:
    """Checks what separates the score of an artist from the mean of the class activation map."""
    if not _is_number(answer):
        return NOT_A_NUMBER
    bias = float(keras.ops.convert_to_numpy(classifier.model.get_layer("scores").bias)[artist])
    if abs(answer - bias) < 1e-3 * max(1, abs(bias)):
        return right(
            "c'est le biais de la dernière couche pour cet artiste, la même constante quelle que soit l'œuvre."
        )
    if abs(answer + bias) < 1e-3 * max(1, abs(bias)):
        return wrong("le signe est inversé. Que faut-il ajouter à la moyenne de la carte pour trouver le score ?")
    return wrong(
        "le score et la carte doivent être ceux du même artiste et de la même œuvre, et le score avant softmax."
    )


def resolution_alone(answer: Sequence[str]) -> Verdict:
    """Checks which two series differ by their resolution alone."""
    titles = {name: tables.variant_title(name) for name in (experiments.HIGH, experiments.LOW, experiments.REDUCED)}
    if not isinstance(answer, (tuple, list, set)) or not set(answer) <= set(titles.values()) or len(set(answer)) != 2:
        return wrong(f"deux noms sont attendus, entre guillemets, parmi {', '.join(titles.values())}.")
    if set(answer) == {titles[experiments.HIGH], titles[experiments.REDUCED]}:
        return right("les mêmes fichiers, réduits ou non. Rien d'autre ne change entre ces deux séries.")
    if titles[experiments.HIGH] in answer:
        return wrong("ces deux séries viennent de fichiers différents, que l'on n'a pas comprimés de la même façon.")
    return wrong("ces deux séries ont la même résolution. Ce qui les sépare est la compression des fichiers.")


def weight_of_the_rarest(answer: float, data: Data) -> Verdict:
    """Checks the class weight of the artist who has fewest training works."""
    if not _is_number(answer):
        return NOT_A_NUMBER
    labels = data.labels[data.rows(TRAINING)]
    counts = np.bincount(labels)
    if _near(answer, augmentation.class_weights(labels, len(data.artists)).max()):
        return right(
            "avec ces poids, tous les artistes pèsent autant dans la perte, et le poids moyen d'une œuvre est 1."
        )
    if _near(answer, counts.max() / counts[counts > 0].min()):
        return wrong(
            "c'est le rapport au plus fourni. Il faut le rapport à ce qu'aurait chacun si tous en avaient autant."
        )
    return wrong(
        "tous les artistes doivent peser autant. De combien l'artiste le moins fourni est-il sous la moyenne ?"
    )


# --- What an answer is -----------------------------------------------------------------------------------------------


def _is_number(value: Any) -> bool:
    return isinstance(value, (Real, np.number)) and not isinstance(value, (bool, np.bool_))


def _near(value: float, expected: float, tolerance: float = TOLERANCE) -> bool:
    return bool(abs(value - expected) <= tolerance * max(abs(expected), 1e-9))
