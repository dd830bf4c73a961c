"""The checks of the questions of project 2, notebook by notebook: right or wrong, and why, without the answer.

Each takes the answer, then what it needs of the run. What an answer of another type raises is told by
`exercices.verifier`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from commun.exercices import Verdict, right, wrong
from commun.figures import number, percent
from projet2_cvae import evaluation, selection
from projet2_cvae.dataset import CLASSES, Part
from projet2_cvae.model import CVAE, Config, bernoulli_nll, gaussian_kl
from projet2_cvae.readings import CLOSE, KEPT

GREY = 128  # the level of question 4 of notebook 01


# --- What several checks share ---------------------------------------------------------------------------------------


def _array(found, shape: tuple[int, ...]) -> tuple[np.ndarray | None, Verdict | None]:
    """Returns an answer as an array, or the verdict of one that has another shape or holds no plain numbers."""
    array = np.asarray(found)
    if array.dtype.kind not in "fiu":
        return None, wrong("on attend des nombres, et ce n'en sont pas.")
    if array.shape != shape:
        return None, wrong(f"on attend un tableau de forme {shape}, et le vôtre est de forme {array.shape}.")
    if not np.isfinite(array).all():
        return None, wrong("le résultat contient des valeurs indéfinies ou infinies : cherchez un logarithme de zéro.")
    return array.astype("float64"), None


def _number(answer) -> float:
    """Returns an answer as a number; refuses a truth value, a text and an array of several numbers."""
    if isinstance(answer, (bool, str)):
        raise TypeError("on attend un nombre")
    return float(answer)


def _class(answer) -> str | None:
    """Returns the class that an answer names, or None."""
    return answer.strip().lower() if isinstance(answer, str) and answer.strip().lower() in CLASSES else None


_NO_CLASS = f"donnez, entre guillemets, le nom d'une classe : {', '.join(CLASSES)}."


# --- 01: the images --------------------------------------------------------------------------------------------------


def darkest_class(answer: str, part: Part) -> Verdict:
    """Checks the class whose images are the darkest on average."""
    name = _class(answer)
    if name is None:
        return wrong(_NO_CLASS)
    means = pd.Series([part.images[part.labels == c].mean() / 255 for c in range(len(CLASSES))], CLASSES)
    darker = int((means < means[name]).sum())
    if darker:
        return wrong(f"le niveau moyen de cette classe est de {number(means[name])} ; plus sombres qu'elle : {darker}.")
    return right(f"son niveau moyen n'est que de {number(means[name])} : ces objets couvrent peu de pixels.")


def grey_share(answer: float, part: Part, name: str) -> Verdict:
    """Checks the share of the pixels of a class that are neither black nor white."""
    value = _number(answer)
    images = part.images[part.labels == CLASSES.index(name)]
    expected = float(((images > 0) & (images < 255)).mean())
    if abs(value - 100 * expected) < 0.5 and abs(value - expected) > 0.005:
        return wrong("vous avez donné un pourcentage ; on attend une part, comprise entre 0 et 1.")
    if abs(value - expected) > 0.002:
        return wrong("comptez, sur les seules images de cette classe, les pixels qui ne valent ni 0 ni 255.")
    return right(f"{percent(value)} des pixels de cette classe coûteront donc quelque chose, même bien prédits.")


def entropy_function(answer: Callable, part: Part) -> Verdict:
    """Checks a function: uint8 images (n, 28, 28, 1) -> the entropy of their grey levels in nats, (n,)."""
    part = part.take(np.arange(min(50, len(part))))
    with np.errstate(all="ignore"):
        found, refusal = _array(answer(part.images), (len(part),))
    if refusal:
        return refusal
    expected = evaluation.bernoulli_entropy(part)
    if np.allclose(found, expected, rtol=1e-3):
        return right("elle donne, à un millième près, le plancher que calcule le module.")
    if np.allclose(found * math.log(2), expected, rtol=1e-3):
        return wrong("vous comptez en bits : prenez le logarithme népérien.")
    if np.allclose(found * 784, expected, rtol=1e-3):
        return wrong("vous faites la moyenne sur les pixels : il faut leur somme.")
    if np.allclose(-found, expected, rtol=1e-3):
        return wrong("c'est l'opposé : une entropie n'est jamais négative.")
    return wrong("les valeurs diffèrent de celles du module : divisez-vous les gris par 255, sommez-vous les pixels ?")


def grey_image_floor(answer: float) -> Verdict:
    """Checks the floor of an image whose 784 pixels have the level 128, in nats."""
    value, p = _number(answer), GREY / 255
    expected = -784 * (p * math.log(p) + (1 - p) * math.log(1 - p))
    if abs(value - expected) < 1:
        return right("chaque pixel coûte presque log 2 : c'est l'image la plus chère qui soit.")
    if abs(value * math.log(2) - expected) < 1:
        return wrong("vous comptez en bits : ici, l'unité est le nat.")
    if abs(value * 784 - expected) < 1:
        return wrong("c'est le coût d'un seul pixel : l'image en a 784.")
    return wrong(f"votre réponse donne {number(value / 784)} nat par pixel : calculez H(x) pour x = {GREY}/255.")


def binarised_floor(answer: float) -> Verdict:
    """Checks the floor of images made black and white."""
    value = _number(answer)
    if abs(value) < 1e-6:
        return right("sans gris, plus de plancher : un modèle parfait ne paierait rien. On aurait changé de problème.")
    return wrong(f"vous trouvez {number(value)} nats : vérifiez que les images ne contiennent plus que 0 et 255.")


# --- 02: the model ---------------------------------------------------------------------------------------------------


def free_code(answer: tuple[float, float]) -> Verdict:
    """Checks the mean and standard deviation of q for which a code of one dimension costs nothing."""
    mean, deviation = (_number(value) for value in answer)
    if deviation <= 0:
        return wrong("un écart type est strictement positif.")
    cost = 0.5 * (mean**2 + deviation**2 - 1 - 2 * math.log(deviation))
    if cost < 1e-6:
        return right("la loi proposée est alors celle du tirage : le code ne dit rien de l'image, et ne coûte rien.")
    return wrong(f"avec ces valeurs, le code coûte {number(cost)} nat : quand q(z | x) est-elle égale à p(z) ?")


def loss_function(answer: Callable, model: CVAE, part: Part) -> Verdict:
    """Checks a function: images (n, 28, 28, 1) in 0..1, logits, means and log-variances (n, d) -> losses (n,)."""
    part = part.take(np.arange(min(40, len(part))))
    images = part.images.astype("float32") / 255
    mean, log_variance = evaluation.encode(model, part)
    logits = np.asarray(model.decoder(model.condition(mean, part.labels)))
    terms = [np.asarray(bernoulli_nll(images, logits)), np.asarray(gaussian_kl(mean, log_variance))]
    found, refusal = _array(answer(images, logits, mean, log_variance), (len(part),))
    if refusal:
        return refusal
    if np.allclose(found, terms[0] + terms[1], rtol=1e-4):
        return right("elle donne, image par image, la même perte que le module.")
    if np.allclose(found, terms[0], rtol=1e-4):
        return wrong("c'est le premier terme, la reconstruction : il manque le coût du code.")
    kl = found - terms[0]
    if np.allclose(kl, 2 * terms[1], rtol=1e-2, atol=1e-2):
        return wrong("le coût du code est deux fois trop grand.")
    if np.allclose(kl, -terms[1], rtol=1e-2, atol=1e-2):
        return wrong("le coût du code s'ajoute à la reconstruction.")
    return wrong("les valeurs diffèrent de celles du module : vérifiez chaque terme, et sommez pixels et dimensions.")


def latent_weights(answer: int, model: CVAE) -> Verdict:
    """Checks the number of weights of the latent layer."""
    layer = model.encoder.get_layer("latente")
    inputs, outputs = layer.kernel.shape
    value = _number(answer)
    if value == layer.count_params():
        return right(f"{inputs} entrées et un biais pour chacune des {outputs} sorties.")
    if value == inputs * outputs:
        return wrong("vous oubliez les biais.")
    if value == (inputs + 1) * outputs // 2:
        return wrong("la couche calcule la moyenne et la variance : elle a deux sorties par dimension du code.")
    return wrong("comptez ses entrées (les sorties de la couche 3), ses sorties (deux par dimension), puis ses biais.")


def readable_plane(answer: str, readable: Mapping[str, float]) -> Verdict:
    """Checks which of the two models, "VAE" or "CVAE", has a code from which the class is better read."""
    name = answer.strip().upper() if isinstance(answer, str) else ""
    if name not in readable:
        return wrong(f"donnez l'un de ces noms, entre guillemets : {', '.join(readable)}.")
    mine, other = readable[name], max(value for key, value in readable.items() if key != name)
    text = f"d'après le code de ce modèle, la classe se retrouve dans {percent(mine)} des cas, contre {percent(other)}"
    if abs(mine - other) <= CLOSE:
        return right(f"{text} pour l'autre : un écart trop petit pour contredire l'une ou l'autre réponse.")
    if mine > other:
        return right(f"{text} pour l'autre. Ce qu'on ne reçoit pas, il faut l'écrire dans le code.")
    return wrong(f"{text} pour l'autre. Lequel des deux doit écrire la classe dans son code pour bien reconstruire ?")


def cost_by_dimension(answer: np.ndarray, model: CVAE, part: Part) -> Verdict:
    """Checks the mean cost of each dimension of the code, in nats, shape (d,)."""
    mean, log_variance = (a.astype("float64") for a in evaluation.encode(model, part))
    expected = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).mean(axis=0)
    found, refusal = _array(answer, expected.shape)
    if refusal:
        return refusal
    if np.allclose(found, expected, rtol=1e-3, atol=1e-4):
        return right(f"la somme de ces coûts est le terme KL, {number(expected.sum(), 1)} nats par image.")
    return wrong(
        f"leur somme doit être le terme KL moyen, {number(expected.sum(), 2)} nats ; la vôtre vaut "
        f"{number(found.sum(), 2)}. La moyenne porte sur les images, et elle se prend à la fin."
    )


def steps_of_larger_lots(answer: int, config: Config) -> Verdict:
    """Checks the number of gradient steps of a configuration whose lots are twice as large."""
    expected = dataclasses.replace(config, batch_size=2 * config.batch_size).steps
    value = _number(answer)
    if abs(value - expected) <= config.epochs:
        return right("deux fois moins de pas : à nombre d'images fixé, la taille de lot et le nombre de pas sont liés.")
    if abs(value - config.steps) <= config.epochs:
        return wrong("c'est le nombre de pas actuel : chaque pas consomme maintenant deux fois plus d'images.")
    return wrong("le nombre d'images vues ne change pas : divisez-le par la nouvelle taille de lot.")


# --- 03: the search --------------------------------------------------------------------------------------------------


def size_of_the_grid(answer: int) -> Verdict:
    """Checks the number of combinations of the search's discrete settings."""
    counts = [len(choices) for name, choices in selection.SPACE.items() if name != "learning_rate"]
    value = _number(answer)
    if value == math.prod(counts):
        return right("et le taux d'apprentissage, continu, n'y est pas encore : on ne peut pas tout essayer.")
    if value == sum(counts):
        return wrong("les choix se combinent : ils se multiplient, ils ne s'ajoutent pas.")
    return wrong("multipliez les nombres de valeurs du tableau, sans compter le taux d'apprentissage.")


def blocks_function(answer: Callable) -> Verdict:
    """Checks a function: codes (n, f) and labels (n,) -> the codes in the block of their class, (n, 10 f)."""
    codes, labels = np.random.default_rng(0).normal(size=(12, 3)), np.array([0, 9, 3, 3, 5, 1, 2, 4, 6, 7, 8, 0])
    expected = (np.eye(len(CLASSES))[labels][:, :, None] * codes[:, None, :]).reshape(12, -1)
    found, refusal = _array(answer(codes.copy(), labels.copy()), expected.shape)
    if refusal:
        return refusal
    if np.allclose(found, expected):
        return right("chaque code est rangé dans le bloc de sa classe : la couche qui suit y a des poids à elle.")
    if np.allclose(found, expected.reshape(12, len(CLASSES), 3).swapaxes(1, 2).reshape(12, -1)):
        return wrong("les valeurs d'un même code doivent se suivre : vous les avez écartées de dix en dix.")
    if (np.count_nonzero(found, axis=1) != 3).any():
        return wrong("chaque ligne doit contenir les trois valeurs de son code, et des zéros partout ailleurs.")
    return wrong("les codes ne sont pas dans le bloc de leur classe : celui de la classe c commence en c × f.")


def best_trials_function(answer: Callable, table: pd.DataFrame) -> Verdict:
    """Checks a function: the table of a study and k -> the numbers of its k best complete trials, best first."""
    count = min(3, len(selection.complete_trials(table)))
    expected = selection.complete_trials(table)["number"].head(count).tolist()
    found = [int(n) for n in answer(table.copy(), count)]
    if found == expected:
        return right("ce sont ceux que retient le module.")
    if len(found) != count:
        return wrong(f"on en demande {count}, et vous en donnez {len(found)}.")
    if sorted(found) == sorted(expected):
        return wrong("ce sont les bons essais, mais pas dans l'ordre : le meilleur d'abord.")
    if set(found) & set(table.loc[table["state"] != "complete", "number"]):
        return wrong("un essai élagué n'est pas allé à son terme : sa perte ne se compare pas à celle des autres.")
    return wrong("ce ne sont pas les plus petites pertes de validation.")


def loss_by_lot(answer: Mapping[int, float] | pd.Series, table: pd.DataFrame) -> Verdict:
    """Checks the mean validation loss of the complete trials of a study, by size of lots."""
    expected = selection.complete_trials(table).groupby("batch_size")["val_nelbo"].mean()
    found = pd.Series(dict(answer)).astype(float)
    if set(found.index) != set(expected.index):
        return wrong("on attend une moyenne par taille de lot : " + ", ".join(map(str, sorted(expected.index))) + ".")
    if np.allclose(found[expected.index], expected, atol=0.01):
        return right("retenez le sens de variation, puis demandez-vous ce qui change avec la taille de lot.")
    everything = table.groupby("batch_size")["val_nelbo"].mean()
    if np.allclose(found[everything.index], everything, atol=0.01):
        return wrong("vous comptez les essais élagués, arrêtés avant la fin : ne gardez que les essais complets.")
    return wrong("prenez la colonne val_nelbo des essais complets, groupée par batch_size.")


def isolating_config(answer: Config, default: Config) -> Verdict:
    """Checks the configuration that isolates the effect of weights by class."""
    if not isinstance(answer, Config):
        return wrong("on attend une configuration : employez replace(…) sur celle des réglages par défaut.")
    pairs = zip(dataclasses.asdict(answer).items(), dataclasses.asdict(default).values(), strict=True)
    changed = {name for (name, mine), usual in pairs if mine != usual}
    if changed == {"conditioning"}:
        return right("un seul réglage change : tout écart de perte lui reviendrait, au hasard de la graine près.")
    if not changed:
        return wrong("c'est la configuration par défaut elle-même : rien ne change.")
    if "conditioning" not in changed:
        return wrong("la façon de donner l'étiquette ne change pas : c'est elle qu'on veut juger.")
    return wrong(f"trop de réglages changent à la fois : {len(changed)}. On ne saurait pas auquel attribuer l'écart.")


# --- 04: the evaluation ----------------------------------------------------------------------------------------------


def copied_prototypes(answer: tuple[float, float]) -> Verdict:
    """Checks the fidelity and diversity of a generator that copies one well-recognised image of each class."""
    fidelity, diversity = (_number(value) for value in answer)
    if (fidelity, diversity) == (1, 0):
        return right("le meilleur score possible d'un côté, le pire de l'autre : il faut toujours lire les deux.")
    if fidelity != 1:
        return wrong("le juge reconnaît chacune des dix images : relisez la définition de la fidélité.")
    return wrong("toutes les images d'une classe sont identiques : à quelle distance sont-elles les unes des autres ?")


def bound_function(answer: Callable) -> Verdict:
    """Checks a function: log-weights (k, n) -> the importance-weighted bounds on -log p, (n,)."""
    weights = np.random.default_rng(0).normal(-3, 2, (8, 5))
    expected = np.log(len(weights)) - np.logaddexp.reduce(weights, axis=0)
    found, refusal = _array(answer(weights.copy()), expected.shape)
    if refusal:
        return refusal
    if np.allclose(found, -weights.mean(axis=0)):
        return wrong("vous moyennez les logarithmes : il faut moyenner les poids, puis prendre le logarithme.")
    if np.allclose(-found, expected):
        return wrong("c'est l'opposé : on borne -log p(x | y), en nats à payer.")
    if np.allclose(found, -np.logaddexp.reduce(weights, axis=0)):
        return wrong("vous sommez les poids : il faut leur moyenne.")
    if not np.allclose(found, expected):
        return wrong("les valeurs diffèrent : exponentielle des poids, moyenne sur les codes, logarithme, signe moins.")
    with np.errstate(all="ignore"):
        far = np.asarray(answer(weights - 2000))
    if np.allclose(far, expected + 2000):
        return right("et elle tient bon quand les poids sont minuscules, comme ceux de nos images.")
    return wrong(
        "la formule est bonne, mais elle déborde : nos logarithmes valent quelques centaines de nats, et leur "
        "exponentielle est nulle. Retirez-en le maximum, ou employez np.logaddexp.reduce."
    )


def frechet_function(answer: Callable, first: tuple, second: tuple) -> Verdict:
    """Checks a function of two means and two covariances, (m1, c1, m2, c2) -> the Fréchet distance.

    Args:
        answer: the function.
        first: mean (f,) and covariance (f, f).
        second: the same of the other images.
    """
    (m1, c1), (m2, c2) = first, second
    found = complex(answer(m1.copy(), c1.copy(), m2.copy(), c2.copy()))
    expected, means = evaluation.frechet_distance(first, second), float(np.square(m1 - m2).sum())
    if abs(found.imag) > 1e-3 * max(1.0, expected):
        return wrong("le résultat est complexe : gardez la partie réelle de la racine de la matrice.")
    if math.isclose(found.real, expected, rel_tol=1e-2):
        return right("elle donne la même distance que le module.")
    if math.isclose(found.real, means, rel_tol=1e-2):
        return wrong("vous ne comparez que les moyennes : deux nuages de même centre peuvent être très différents.")
    if math.isclose(found.real, math.sqrt(expected), rel_tol=1e-2):
        return wrong("c'est sa racine carrée : ici, comme dans les articles, la distance est laissée au carré.")
    return wrong("comparez-la, terme par terme, à la formule : les moyennes, les deux traces, la racine du produit.")


def worst_confusion(answer: tuple[str, str], matrix: np.ndarray) -> Verdict:
    """Checks the most frequent confusion of the judge: (class asked for, class read)."""
    asked, read = (_class(name) for name in answer)
    if asked is None or read is None:
        return wrong(_NO_CLASS)
    off = matrix - np.diag(np.diag(matrix))
    count = int(off[CLASSES.index(asked), CLASSES.index(read)])
    if count == off.max() and count:
        return right(f"{number(count)} des images demandées « {asked} » sont lues « {read} ».")
    if off[CLASSES.index(read), CLASSES.index(asked)] == off.max():
        return wrong("l'ordre compte : la classe demandée d'abord, puis celle que lit le juge.")
    return wrong(f"cette confusion-là se produit {number(count)} fois : il en est de plus fréquentes.")


def keeps_the_tone(answer: str, correlations: Mapping[str, float]) -> Verdict:
    """Checks which model keeps the tone of a garment across classes: a key of `correlations`."""
    name = answer.strip().lower() if isinstance(answer, str) else ""
    if name not in correlations:
        return wrong(f"donnez l'une de ces réponses, entre guillemets : {' ; '.join(correlations)}.")
    if max(correlations.values()) < KEPT:
        return right("aucun des deux modèles ne garde le ton, faute d'entraînement : rien ne contredit votre réponse.")
    if correlations[name] >= max(correlations.values()):
        return right("ses axes ont le même sens pour toutes les classes : un code y garde son ton.")
    found = number(correlations[name], 2)
    return wrong(f"la corrélation des rangs n'y est que de {found}. Que veut dire un même axe pour deux classes ?")
