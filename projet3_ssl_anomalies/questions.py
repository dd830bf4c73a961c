"""The checks of the questions of the notebooks: each takes an answer, then what it needs of the run.

They say whether it is right and why, in French, without giving it. Where the answer depends on the run, it is computed
from it. See `commun.exercices`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

import commun.training  # noqa: F401, first: it chooses the default backend of Keras
from commun.exercices import Verdict, right, wrong
from commun.figures import number, percent
from projet3_ssl_anomalies import checks, colour, defects, metrics
from projet3_ssl_anomalies.defects import Defective
from projet3_ssl_anomalies.evaluation import Scores
from projet3_ssl_anomalies.networks import unet
from projet3_ssl_anomalies.pretexts import PRETEXTS, Inpainting, Pretext
from projet3_ssl_anomalies.settings import Settings
from projet3_ssl_anomalies.statistics import NormalStatistics
from projet3_ssl_anomalies.training import Config

_NUMBER = "Un seul nombre est attendu."
_FEW = 6  # images on which functions are tried


# --- Notebook 01 -----------------------------------------------------------------------------------------------------


def always_good(answer: Any, test: pd.DataFrame) -> Verdict:
    """Checks the accuracy of who always answers "good", on the test part of a category: 0..1, to 0.005."""
    value = _number(answer)
    if value is None or not 0 <= value <= 1:
        return wrong("Une proportion, de 0 à 1, est attendue.")
    if abs(value - float((~test["is_defect"]).mean())) > 0.005:
        return wrong("Cette réponse n'est juste que pour les pièces sans défaut : combien y en a-t-il, sur combien ?")
    return right(
        "Une exactitude se compare à celle de qui ne regarde rien. C'est pourquoi le carnet 03 mesure plutôt si les "
        "défauts sont classés devant les bonnes pièces."
    )


def correlation(function: Callable, images: np.ndarray) -> Verdict:
    """Checks a function of two grey images, their correlation, on copies of images, uint8 (n, side, side, 3)."""
    copies = checks.thumbnails(images[:_FEW])
    grey = copies.reshape(len(copies), 32, 32)
    for first, a in enumerate(copies):
        for second, b in enumerate(copies):
            value = _number(function(100 + 40 * grey[first], 30 * grey[second] - 2))
            if value is None:
                return wrong(_NUMBER)
            if abs(value - a @ b) > 1e-6:
                return wrong(
                    "Elle s'écarte de celle du module sur ces images. Une image plus claire, ou plus contrastée, "
                    "doit donner la même valeur : ôtez à chacune sa moyenne, puis divisez par les deux normes."
                )
    return right(
        "Sur les images de ce carnet, la vôtre et celle du module s'accordent. Ni clarté ni contraste n'y comptent."
    )


def smallest_side(answer: Any, shares: Sequence[float], pixels: int) -> Verdict:
    """Checks the least side, in pixels, at which the smallest defect covers so many pixels; `shares` are 0..1."""
    value = _number(answer)
    if value is None or value != round(value):
        return wrong("Un nombre entier de pixels est attendu.")
    if not len(shares):
        return right("Sans masque, rien n'est à vérifier : la taille des défauts reste inconnue.")
    covered = min(shares) * value**2
    if covered < pixels:
        return wrong(f"À cette résolution, le plus petit défaut n'occupe que {number(covered, 1)} pixels.")
    if min(shares) * (value - 1) ** 2 >= pixels:
        return wrong("À cette résolution, il en occupe bien assez, mais une plus petite suffirait.")
    return right("La surface croît comme le carré du côté : doubler la résolution quadruple le nombre de pixels.")


def difference_of_colours(function: Callable, images: np.ndarray) -> Verdict:
    """Checks a function of two uint8 images (side, side, 3), their mean Delta E, against that of `colour`."""
    pairs = list(zip(images[:_FEW], images[1:_FEW], strict=False))
    values = [_number(function(*pair)) for pair in pairs]
    expected = [float(colour.mean_difference(first[None], second[None])[0]) for first, second in pairs]
    if None in values:
        return wrong(_NUMBER)
    if np.allclose(values, expected, rtol=1e-3):
        return right(f"La vôtre et celle du module s'accordent sur {len(pairs)} paires d'images de ce carnet.")
    if np.allclose(np.multiply(values, colour.SCALE), expected, rtol=1e-3):
        return wrong("Il ne manque qu'un facteur : `to_lab` rend des valeurs divisées par une constante du module.")
    return wrong(
        "Elle s'écarte de celle du module. La distance se calcule pixel par pixel, sur le dernier axe ; la moyenne "
        "vient ensuite."
    )


def faintest(answer: Any, good: np.ndarray, painted: Defective) -> Verdict:
    """Checks the French name of the type of synthetic defect that changes colours the least inside its mask."""
    if answer not in defects.TYPES.values():
        return wrong(f"Un de ces noms est attendu : {', '.join(defects.TYPES.values())}.")
    change = np.linalg.norm(colour.to_lab(painted.images) - colour.to_lab(good[painted.sources]), axis=-1)
    inside = [pixels[mask].mean() for pixels, mask in zip(change, painted.masks, strict=True)]
    means = pd.Series(inside).groupby(painted.defect_types).mean()
    if answer != defects.TYPES[means.idxmin()]:
        return wrong(
            "Un autre type change moins les couleurs. Comparez chaque image peinte à la sienne, sous le masque."
        )
    return right("Les plus discrets des faux défauts importent le plus : les plus voyants, tout réglage les trouve.")


# --- Notebook 02 -----------------------------------------------------------------------------------------------------


def passes(answer: Any, settings: Settings) -> Verdict:
    """Checks how many times inpainting goes through its network to predict every pixel, for each size of cells."""
    value = _number(answer)
    if value is None:
        return wrong(_NUMBER)
    if value != len(settings.cells) * settings.hidden_one_in:
        return wrong("Comptez les masques d'un lot complet, puis les tailles de cellules.")
    return right("C'est le prix de la règle : chaque pixel est deviné une fois caché, pour chaque taille de cellules.")


def weights(answer: Any, settings: Settings) -> Verdict:
    """Checks by how much doubling the width multiplies the weights of a U-Net, to a tenth."""
    value = _number(answer)
    if value is None:
        return wrong(_NUMBER)
    configs = [Config(width=factor * settings.width, side=64, cells=settings.cells) for factor in (1, 2)]
    small, large = (unet(config, inputs=7, outputs=3).count_params() for config in configs)
    if abs(value / (large / small) - 1) > 0.1:
        return wrong(
            "Une convolution a un noyau pour chaque couple d'un canal d'entrée et d'un canal de sortie : que devient "
            "le nombre de couples quand les uns et les autres doublent ?"
        )
    return right(
        f"Le U-Net passe de {number(small)} à {number(large)} poids. Le temps de calcul croît presque autant : la "
        "largeur se paie cher."
    )


def constants(answer: Any, values: Sequence[float]) -> Verdict:
    """Checks a pair: the constant nearest to values by the mean square, then by the mean absolute difference."""
    pair = [_number(part) for part in answer] if isinstance(answer, (tuple, list)) else []
    if len(pair) != 2 or None in pair:
        return wrong("Deux nombres sont attendus, entre parenthèses.")
    square, absolute = (np.mean(np.abs(np.subtract(values, pair[i])) ** power) for i, power in enumerate((2, 1)))
    if not math.isclose(square, np.var(values), rel_tol=1e-3):
        return wrong("La première n'est pas la bonne : calculez la moyenne des carrés pour quelques constantes.")
    if math.isclose(absolute, np.mean(np.abs(values - np.median(values))), rel_tol=1e-3):
        return right(
            "L'écart quadratique préfère une valeur qu'aucun pixel n'a : voilà le flou. L'écart absolu choisit une des "
            "valeurs possibles, la plus fréquente ici."
        )
    return wrong("La seconde n'est pas la bonne : calculez la moyenne des écarts absolus pour quelques constantes.")


def hidden_loss(function: Callable, images: np.ndarray) -> Verdict:
    """Checks the quadratic part of the loss against that of `Pretext.loss`, on images, uint8 (n, side, side, 3)."""
    task = Inpainting(Config(side=images.shape[1], structure=0.0))
    truth = colour.to_lab(images[:_FEW])
    guess, hidden = np.roll(truth, 3, axis=1), np.repeat(task.scoring_masks[0, :1], len(truth), axis=0)
    value = _number(function(truth, guess, hidden))
    if value is None:
        return wrong(_NUMBER)
    expected = float(task.loss(truth, guess, hidden))
    if math.isclose(value, expected, rel_tol=1e-3):
        return right(
            "La vôtre et celle du module donnent la même valeur sur des images de ce carnet, avec un de ses masques."
        )
    if math.isclose(value, float(np.mean(np.square(truth - guess))), rel_tol=0.02):
        return wrong("C'est l'écart de toute l'image : les pixels montrés ne doivent pas compter.")
    if math.isclose(3 * value, expected, rel_tol=1e-2):
        return wrong(
            "Les carrés des trois canaux s'ajoutent : on ne divise que par le nombre de pixels cachés, plus 1."
        )
    return wrong("Elle s'écarte de celle du module. Que vaut-elle si rien n'est caché, et si tout est bien deviné ?")


def pretext(network: Any, answer: Any, images: np.ndarray) -> Verdict:
    """Checks a pretext task of a student's: what it shows, gives back, and loses, without any training.

    Args:
        network: the method of this name, by which `verifier` sees whether the class was written.
        answer: the class.
        images: good ones, uint8 of shape (n, side, side, 3).
    """
    if not (isinstance(answer, type) and issubclass(answer, Pretext)):
        return wrong("Une classe qui hérite de `pretexts.Pretext` est attendue.")
    if not answer.name or not answer.title or PRETEXTS.get(answer.name) is not answer:
        return wrong("Donnez-lui un `name`, un `title`, et la méthode `network`.")
    rng, side = np.random.default_rng(0), images.shape[1]
    task = answer(Config(task=answer.name, side=side))
    shown, hidden = task.examples(images[:_FEW], images, rng)
    if np.shape(shown) != images[:_FEW].shape or np.shape(hidden) != images[:_FEW].shape[:3]:
        return wrong("`examples` rend des images de la forme de celles qu'on lui donne, et un masque par image.")
    if np.asarray(shown).dtype != np.uint8 or np.asarray(hidden).dtype != bool:
        return wrong("`examples` rend des images en `uint8` et des masques en `bool`.")
    lab = colour.to_lab(images[:_FEW])
    output = task.network()(task.corrupt(colour.to_lab(shown), np.zeros_like(lab), hidden))
    loss = float(task.loss(lab, output, hidden))
    error = task.error_map(lab, output)
    if not math.isfinite(loss) or tuple(error.shape) != (*lab.shape[:3], len(task.channels)):
        return wrong("La perte doit être un nombre, et la carte d'erreur avoir les canaux qu'annonce `channels`.")
    if np.array_equal(shown, images[:_FEW]) and not np.any(hidden):
        return wrong("Rien n'est gâté ni caché : le réseau n'aurait qu'à recopier son entrée.")
    return right("Elle gâte les images, son réseau rend des images, sa perte se calcule : elle peut être entraînée.")


def is_ready(answer: Any, images: np.ndarray) -> bool:
    """Says whether a task of a student's can be trained: see `pretext`; whatever it raises, it can't."""
    try:
        return pretext(None, answer, images).right
    except Exception:  # it is a student's: the check tells what it raises
        return False


# --- Notebook 03 -----------------------------------------------------------------------------------------------------


def mahalanobis(function: Callable, signal: np.ndarray) -> Verdict:
    """Checks the distance of one cell, from its difference and covariance, against that of `NormalStatistics`.

    Args:
        function: of a difference (c,) and a covariance (c, c).
        signal: of good parts, (n, grid, grid, c).
    """
    normal = NormalStatistics.fit(signal)
    middle = signal.shape[1] // 2
    factor = np.linalg.inv(normal.whitening[middle, middle].astype("float64"))
    covariance = factor @ factor.T
    differences = (signal - normal.mean)[:_FEW, middle, middle]
    values = [_number(function(difference, covariance)) for difference in differences]
    expected = normal.distances(signal[:_FEW])[:, middle, middle]
    if None in values:
        return wrong(_NUMBER)
    if np.allclose(values, expected, rtol=1e-2):
        return right("Sur une cellule de bonnes pièces de ce carnet, la vôtre et celle du module s'accordent.")
    if np.allclose(values, np.square(expected), rtol=2e-2):
        return wrong("C'est le carré de la distance.")
    if np.allclose(values, expected * math.sqrt(signal.shape[-1]), rtol=1e-2):
        return wrong("Elle grandit avec le nombre de canaux : relisez le facteur qui précède le produit.")
    return wrong("Elle s'écarte de celle du module : est-ce bien l'inverse de la covariance que vous employez ?")


def means(answer: Any, first: Sequence[float], second: Sequence[float]) -> Verdict:
    """Checks a pair of letters: which of cells A and B has the higher arithmetic mean, then the geometric one."""
    letters = [str(part).strip().upper() for part in answer] if isinstance(answer, (tuple, list)) else []
    if len(letters) != 2 or not set(letters) <= {"A", "B"}:
        return wrong("Deux lettres sont attendues, « A » ou « B », pour l'une et l'autre moyenne.")
    expected = ["A" if mean(first) > mean(second) else "B" for mean in (np.mean, lambda x: np.exp(np.mean(np.log(x))))]
    if letters != expected:
        return wrong("L'une au moins des deux moyennes est mal comparée : la géométrique est la racine du produit.")
    return right(
        "La moyenne géométrique se méfie du signal qui crie seul : il faut que les autres s'étonnent aussi un peu."
    )


def threshold(function: Callable, good_scores: Sequence[np.ndarray]) -> Verdict:
    """Checks a function of scores (n,) and a rate against `metrics.false_alarm_threshold`, on sets of scores."""
    for scores in good_scores:
        n = len(scores)
        for rate in (2 / n, 0.25, 0.5):
            value, expected = _number(function(scores, rate)), metrics.false_alarm_threshold(scores, rate)
            if value is None:
                return wrong(_NUMBER)
            allowed, refused = math.floor(rate * n + 1e-9), int((scores > value).sum())
            if refused > allowed:
                return wrong(f"Sur {n} scores, au taux {percent(rate)}, il rejette {refused} pièces : c'est trop.")
            if not math.isclose(value, expected, rel_tol=1e-6):
                return wrong(
                    f"Sur {n} scores, au taux {percent(rate)}, un seuil plus bas tient encore la promesse : prenez le "
                    "plus bas des scores qui la tiennent."
                )
    return right("Au plus la part promise des bonnes pièces le dépasse, et il n'est pas plus haut qu'il ne faut.")


def expected_alarms(answer: Any, scores: Mapping[str, Scores], rate: float) -> Verdict:
    """Checks how many good test parts would be rejected if the stated rate held, to half a part."""
    value = _number(answer)
    if value is None:
        return wrong(_NUMBER)
    good = sum(int((~of.table["is_defect"]).sum()) for of in scores.values())
    if abs(value - rate * good) > 0.5:
        return wrong("Le taux ne porte que sur les bonnes pièces de test qui ont été jugées.")
    return right(f"Le tableau qui suit dit ce qu'il en est, sur {good} bonnes pièces.")


def gains(answer: Any, scores: Mapping[str, Scores], metric: str = "image_auroc") -> Verdict:
    """Checks the French titles of the categories whose gain has an interval that lies wholly above zero."""
    if not isinstance(answer, (list, tuple, set)):
        return wrong("Une liste de noms est attendue ; elle peut être vide.")
    sure = {name for name, of in scores.items() if metric in of.gains and of.gains[metric]["ci95"][0] > 0}
    told = {str(name).strip().lower() for name in answer}
    if unknown := told - {name.lower() for name in scores}:
        return wrong(f"Catégorie inconnue : {', '.join(sorted(unknown))}.")
    if told - {name.lower() for name in sure}:
        return wrong(
            "Un intervalle de votre liste contient zéro : les mêmes images, tirées autrement, diraient autre chose."
        )
    if told != {name.lower() for name in sure}:
        return wrong("Il en manque : cherchez tous les intervalles dont les deux bornes sont positives.")
    return right("Un gain n'est établi que si tout son intervalle est du même côté de zéro.")


def _number(answer: Any) -> float | None:
    """Returns a real number, or an array of one, as a float; None for anything else."""
    if isinstance(answer, (bool, str, bytes)) or answer is None:
        return None
    try:
        value = float(answer)
    except (TypeError, ValueError):
        return None
    return value if math.isfinite(value) else None
