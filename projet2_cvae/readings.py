"""The sentences of project 2 that compare: values in, a French sentence out, whichever way the comparison goes."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from commun.figures import NBSP, number, percent, phrase
from projet2_cvae import selection
from projet2_cvae.model import Config

_BLIND = "aussi peu entraîné, il ne permet pas de conclure."  # of the judge
CLOSE = 0.03  # shares that differ by less are said to be alike
KEPT = 0.2  # a rank correlation of tone below which a tone is not kept
CHANCE = 0.1  # ten classes in equal numbers


def _fill(template: str, **values) -> str:
    """Fills a sentence as `figures.phrase` does, on one line."""
    return re.sub(r"\s*\n\s*", " ", phrase(template, **values))


# --- 02: the model ---------------------------------------------------------------------------------------------------


def planes(vae: float, cvae: float) -> str:
    """Says from which code the class is better read: shares 0..1 of a VAE and of a CVAE of two dimensions."""
    text = _fill(
        """Peut-on deviner la classe d'après le code seul ? En interrogeant les quinze plus proches voisins, on la
        retrouve dans **{vae:pourcent}** des cas pour le VAE, et dans **{cvae:pourcent}** pour le CVAE (le hasard
        donnerait 10 % si les classes sont équilibrées).""",
        vae=vae,
        cvae=cvae,
    )
    if vae > cvae + CLOSE:
        return (
            f"{text} Le VAE doit loger la classe dans ses deux dimensions. Le CVAE la reçoit, et peut les employer à "
            "autre chose."
        )
    if cvae > vae + CLOSE:
        return (
            f"{text} Ce n'est pas ce qu'on attendait : le CVAE reçoit la classe, et son code la dit pourtant mieux "
            "que celui du VAE. Un entraînement aussi court ne lui a pas appris à s'en passer."
        )
    return f"{text} L'écart est trop petit pour conclure : recevoir la classe n'a pas encore changé l'emploi du code."


def mosaic(unused: float, readable: float, garment: str) -> str:
    """Says why the decoded plane of a class may show other garments.

    Args:
        unused: share of the prior that no image of the class uses, 0..1.
        readable: share of the images whose class is read from the code of the CVAE, 0..1.
        garment: name of the class.
    """
    text = _fill(
        """Regardez bien la mosaïque de la classe « {garment} ». Dans **{unused:pourcent.0}** des codes tirés selon
        $\\mathcal{{N}}(0, I)$, aucun des quinze plus proches voisins n'est de cette classe.""",
        garment=garment,
        unused=unused,
    )
    if unused < 0.05:
        return f"{text} Cette classe occupe donc à peu près tout le plan : ce qu'on décode ici, le décodeur l'a appris."
    known = (
        f"D'ailleurs, la classe se lit encore dans le code ({percent(readable, 0)} des cas, bien plus que le hasard)."
        if readable > 2 * CHANCE
        else f"Pourtant, la classe ne se lit guère dans le code ({percent(readable, 0)} des cas)."
    )
    return (
        f"{text} Dans ces régions, le décodeur n'a jamais vu cette étiquette avec un tel code : il peut suivre le code "
        "plutôt que l'étiquette, et dessiner ce que les autres classes y ont mis, un sac ou une chaussure par exemple. "
        f"{known} Chaque classe suit sa propre loi, alors qu'on tire selon une loi commune. Le carnet 03 essaie un "
        "remède : des poids propres à chaque classe."
    )


def units(used: int, size: int) -> str:
    """Says how many dimensions of a code are used, of `size`."""
    text = f"Dimensions du code qui varient vraiment d'une image à l'autre : **{used}** sur {size}."
    if used == size:
        return f"{text} Aucune n'est laissée de côté : un code plus grand servirait peut-être."
    return (
        f"{text} Les autres restent à peu près au repos : elles coûteraient sans doute plus de nats qu'elles n'en "
        "feraient gagner."
    )


# --- 03: the search --------------------------------------------------------------------------------------------------


def steps_vary(table: pd.DataFrame) -> bool:
    """Says whether the trials of a study took different numbers of gradient steps."""
    return "steps" in table and table["steps"].nunique() > 1


def setting_names(table: pd.DataFrame) -> dict[str, str]:
    """Returns the French names of the hyper-parameters, as a study really makes them vary."""
    return selection.NAMES | ({"batch_size": "nombre de pas (taille de lot)"} if steps_vary(table) else {})


def study(table: pd.DataFrame) -> str:
    """Says what a study's complete trials show: the best of each architecture, and what matters most."""
    complete = selection.complete_trials(table)
    if complete.empty:
        return "Aucun essai n'est complet : cette étude ne permet pas de conclure."
    lowest = complete.groupby("architecture")["val_nelbo"].min()
    text = f"Sur {len(complete)} essais complets, " if len(complete) > 1 else "Sur 1 essai complet, "
    text += " ; ".join(
        f"le meilleur réseau de forme {selection.VALUES[name]} atteint {number(v, 1)} nats"
        for name, v in lowest.items()
    )
    shares = selection.importance(table)
    if shares.empty:
        return f"{text}."
    return f"{text}. Le réglage qui compte le plus : **{setting_names(table)[shares.index[0]]}**."


def steps(table: pd.DataFrame) -> str:
    """Says whether the size of lots is compared at equal numbers of gradient steps, and what that means."""
    if not steps_vary(table):
        return "Tous les essais font autant de pas de gradient : la taille de lot y est jugée pour elle-même."
    low, high = table["steps"].min(), table["steps"].max()
    return (
        "Attention à la taille de lot. Cette étude a été faite à nombre d'images fixé : selon la taille de ses lots, "
        f"un essai y fait de {number(low)} à {number(high)} pas de gradient. Ce qu'on attribue à la taille de lot "
        "revient "
        "donc, pour l'essentiel, au nombre de pas. L'étude de ce carnet donne à tous les essais autant de pas."
    )


def search(table: pd.DataFrame) -> str:
    """Says whether the drawn trials of a study did better than the two imposed ones."""
    gap = _lead(table)
    if gap is None:
        return "Trop peu d'essais complets pour comparer les essais tirés aux essais imposés."
    told = number(abs(gap), 1)
    if gap > 0:
        return f"Le meilleur essai tiré fait **{told} nats de moins** que le meilleur essai imposé."
    return f"Aucun essai tiré ne fait mieux que le meilleur des essais imposés (il s'en faut de **{told} nats**)."


def lesson(table: pd.DataFrame, losses: pd.Series) -> str:
    """Says what `search` says, and whether the final confirms it; losses are those of `final`."""
    gap, won = _lead(table), losses.idxmin() not in selection.USUAL_NAMES
    if gap is None:
        return search(table)
    if (gap > 0) != won:
        first = "un essai tiré" if won else "un essai imposé"
        end = (
            f"La finale, plus longue, renverse cet ordre : {first} l'emporte. Un essai court avantage ce qui apprend "
            "vite."
        )
    elif won:
        end = "La finale le confirme : chercher a servi."
    else:
        end = (
            "La finale le confirme : avec si peu d'essais, la recherche n'a rien trouvé de mieux que nos réglages de "
            "départ."
        )
    return f"{search(table)} {end}"


def _lead(table: pd.DataFrame) -> float | None:
    """Returns by how much the best drawn trial is below the best imposed one, in nats; None if there are not both."""
    complete = selection.complete_trials(table)
    imposed, drawn = (complete[complete["number"].isin((0, 1)) == wanted]["val_nelbo"] for wanted in (True, False))
    return None if imposed.empty or drawn.empty else float(imposed.min() - drawn.min())


def differences(first: Config, second: Config) -> list[str]:
    """Returns the French names of the settings of the search that differ between two configurations.

    Images seen follow the size of lots, and are not counted.
    """
    one, other = (dataclasses.asdict(c) | {"size": c.width / selection.WIDEST[c.architecture]} for c in (first, second))
    return [name for key, name in selection.NAMES.items() if one[key] != other[key]]


def final(losses: pd.Series, configs: Mapping[str, Config]) -> str:
    """Says who wins the final, whether the search was of use, and what the winner's lead can be credited to.

    Args:
        losses: name -> negative ELBO on the validation part, in nats.
        configs: name -> configuration, the two usual ones included (`selection.usual`).
    """
    losses = losses.sort_values()
    winner, default = losses.index[0], selection.USUAL_NAMES[0]
    imposed, drawn = (
        losses.drop([n for n in losses.index if n not in selection.USUAL_NAMES]),
        losses.drop(list(selection.USUAL_NAMES)),
    )
    if winner in selection.USUAL_NAMES:
        text = f"Le vainqueur, « {winner} », est un des deux essais imposés. "
        if len(drawn):
            gap = number(drawn.iloc[0] - losses.iloc[0], 2)
            text += f"La recherche n'a rien trouvé de mieux : son meilleur essai reste {gap}{NBSP}nats au-dessus. "
    else:
        gap = number(imposed.iloc[0] - losses.iloc[0], 2)
        text = f"La recherche a servi : « {winner} » fait {gap}{NBSP}nats de moins que le meilleur des essais imposés. "
    if winner == default:
        return f"{text}Ce sont les réglages par défaut eux-mêmes : aucun changement essayé n'a été utile ici."
    changed = differences(configs[winner], configs[default])
    lead = number(losses[default] - losses[winner], 2)
    if len(changed) == 1:
        return (
            f"{text}Il ne diffère des réglages par défaut que par un point ({changed[0]}) : c'est à ce réglage que "
            f"l'on doit, à cette graine, les {lead}{NBSP}nats d'écart."
        )
    return (
        f"{text}Il diffère des réglages par défaut en {len(changed)} points à la fois ({', '.join(changed)}) : les "
        f"{lead}{NBSP}nats d'écart ne peuvent être portés au crédit d'aucun d'eux en particulier."
    )


# --- 04: the evaluation ----------------------------------------------------------------------------------------------


def tones(joined: float, per_class: float) -> str:
    """Says which model lets a style pass from class to class: rank correlations of tone, -1..1."""
    text = _fill(
        """Mesurons-le. Le ton d'un vêtement est le gris moyen de ses pixels. Entre le ton de départ et celui du même
        code décodé dans une autre classe, la corrélation des rangs est de **{joined:.2f}** quand l'étiquette est
        jointe, et de **{per_class:.2f}** avec des poids par classe.""",
        joined=joined,
        per_class=per_class,
    )
    if not np.isfinite([joined, per_class]).all():
        return f"{text} Trop peu d'images pour conclure."
    if max(joined, per_class) < KEPT:
        return f"{text} Aucun des deux ne garde le ton : l'entraînement est trop court pour conclure."
    if joined > per_class + 0.2:
        return (
            f"{text} Avec l'étiquette jointe, un axe du code veut dire la même chose pour toutes les classes. Avec des "
            "poids par classe, chaque classe a ses propres axes : rien n'oblige « clair » à se trouver du même côté "
            "pour un pull et pour un sac. Ce qui améliore les images inventées a donc un prix : le style ne passe plus "
            "d'une classe à l'autre."
        )
    if per_class > joined + 0.2:
        return (
            f"{text} Ce n'est pas ce qu'on attendait : ici, les poids par classe gardent mieux le ton que l'étiquette "
            "jointe."
        )
    return f"{text} Les deux modèles ne se distinguent pas nettement ici."


def fidelity_by_class(table: pd.DataFrame) -> str:
    """Comments the classes that stand out in `evaluation.generation_table`: the least faithful, and the prototypes."""
    faithful, accuracy = table["fidélité"], table["juge sur le test"].mean()
    if accuracy < 0.5:
        return f"Le juge ne reconnaît que {percent(accuracy)} des images du test : {_BLIND}"
    worst = faithful.idxmin()
    mean = faithful.mean()
    if faithful[worst] < mean - 0.15:
        text = (
            f"La classe « {worst} » est le point faible : le juge n'y reconnaît que {percent(faithful[worst], 0)} des "
            f"images inventées, alors qu'il reconnaît {percent(table.loc[worst, 'juge sur le test'], 0)} de celles du "
            "test. La matrice de confusion dit avec quoi il la confond."
        )
    else:
        text = (
            f"Aucune classe ne décroche : la moins bien reconnue, « {worst} », l'est encore dans "
            f"{percent(faithful[worst], 0)} des cas."
        )
    if table["diversité"].mean() > 1.05:
        text += (
            f" La diversité moyenne dépasse 1 ({number(table['diversité'].mean(), 2)}) : les images inventées d'une "
            "classe "
            "sont plus dispersées que celles du test, parce que certaines ne sont pas de cette classe."
        )
    above = table[(faithful > table["juge sur le test"] + 0.02) & (table["diversité"] < 0.85)]
    if above.empty:
        return f"{text} Aucune classe n'est à la fois mieux reconnue que sur le test et nettement moins variée."
    gap = (above["fidélité"] - above["juge sur le test"]).sort_values(ascending=False)
    name = gap.index[0]
    return (
        f"{text} À l'inverse, « {name} » est reconnue dans {percent(faithful[name], 0)} des cas, **plus souvent que "
        f"sur le test** ({percent(table.loc[name, 'juge sur le test'], 0)}). Ce n'est pas un exploit : sa diversité "
        "n'est "
        f"que de {number(table.loc[name, 'diversité'], 2)}. Le modèle dessine des cas typiques, faciles à "
        "reconnaître, et laisse de côté ceux qui prêtent à confusion."
    )


def sharpness(test: float, rebuilt: float, invented: float) -> str:
    """Says how smooth images are: mean steps of grey from a pixel to the next, as shares of the scale."""
    text = _fill(
        """D'un pixel au suivant, le gris change en moyenne de {test:pourcent} de l'échelle dans les images du test, de
        {rebuilt:pourcent} dans les reconstructions et de **{invented:pourcent}** dans les images inventées.""",
        test=test,
        rebuilt=rebuilt,
        invented=invented,
    )
    if invented < 0.97 * test:
        return f"{text} Moins il change, plus l'image est lisse : le flou est là, et il se mesure."
    if invented > 1.03 * test:
        return f"{text} Les images inventées varient plus que celles du test : ce n'est pas du flou, plutôt du bruit."
    return f"{text} Sur cette mesure, les images inventées ne sont pas plus lisses que celles du test."


def criterion(table: pd.DataFrame, model: str, others: Sequence[str]) -> str:
    """Says whether the network that was chosen by its loss is also the one that invents best."""
    faithful = table["fidélité"]
    best = faithful[list(others)].idxmax()
    if faithful[best] > faithful[model] + CLOSE:
        return (
            f"Remarquez que le {model}, choisi pour sa perte, n'est pas le réseau qui invente le mieux : « {best} » a "
            "une "
            f"fidélité de {number(faithful[best], 2)}, contre {number(faithful[model], 2)}. La perte de validation "
            "juge des "
            "reconstructions et des codes d'images existantes ; elle ne dit rien des codes tirés au hasard."
        )
    return (
        f"Le {model}, choisi pour sa perte, est aussi, à peu de chose près, celui des réseaux dont le juge reconnaît "
        "le mieux "
        "les images. Rien ne le garantissait : la perte ne dit rien des codes tirés au hasard."
    )


def default_network(table: pd.DataFrame, default: str, linear: str) -> str:
    """Compares the default network with the linear rival: two rows of `comparison.generators_table`."""
    mine, other = table.loc[default], table.loc[linear]
    fidelity = "mieux" if mine["fidélité"] > other["fidélité"] else "moins bien"
    distance = "plus près" if mine["distance de Fréchet"] < other["distance de Fréchet"] else "plus loin"
    return _fill(
        """Le {default}, lui, suit **{fidelity}** la classe demandée que ce rival ({f:.2f} contre {rf:.2f}), et son
        nuage est **{distance}** du test ({d:.1f} contre {rd:.1f}).""",
        default=default,
        fidelity=fidelity,
        distance=distance,
        f=mine["fidélité"],
        rf=other["fidélité"],
        d=mine["distance de Fréchet"],
        rd=other["distance de Fréchet"],
    )


def rival(table: pd.DataFrame, model: str, linear: str) -> str:
    """Compares two rows of `comparison.generators_table`: a network and the linear rival."""
    mine, other = table.loc[model], table.loc[linear]
    better = mine["fidélité"] > other["fidélité"], mine["distance de Fréchet"] < other["distance de Fréchet"]
    text = _fill(
        """Le rival linéaire n'a pas de réseau : une analyse en composantes principales de chaque classe, et une loi
        normale dans son sous-espace. Il obtient {f:.2f} de fidélité et une distance de Fréchet de {d:.1f}, contre
        {mf:.2f} et {md:.1f} pour le modèle retenu.""",
        f=other["fidélité"],
        d=other["distance de Fréchet"],
        mf=mine["fidélité"],
        md=mine["distance de Fréchet"],
    )
    if max(mine["fidélité"], other["fidélité"]) < 0.3:
        return f"{text} Le juge ne reconnaît presque rien, d'un côté comme de l'autre : on ne peut pas conclure."
    if all(better):
        return f"{text} Le réseau gagne sur les deux tableaux : sa complication se justifie."
    if not any(better):
        return f"{text} Le réseau perd sur les deux tableaux : il vaut ici moins qu'une méthode sans réseau."
    if better[0]:
        return (
            f"{text} Le réseau suit mieux la classe demandée, mais son nuage d'images est plus loin de celui du test."
        )
    return f"{text} Le réseau est plus près du nuage du test, mais le rival suit mieux la classe demandée."


def distances(table: pd.DataFrame, model: str, base: str, count: int) -> str:
    """Says how far invented images are, beside the dataset's own, at the same number of images (`count`)."""
    far, near = table.loc[model, "distance de Fréchet"], table.loc[base, "distance de Fréchet"]
    text = (
        f"Toutes ces distances comparent {number(count)} images à autant d'images du test : elles dépendent de ce "
        "nombre, et ne se comparent qu'à nombre égal. Les images d'apprentissage, qui viennent du même jeu de "
        "données, sont à "
        f"{number(near)} du test ; les images inventées, à **{number(far)}**."
    )
    if far > 3 * near:
        return f"{text} Le juge ferait donc très bien la différence : le modèle est loin d'avoir tout appris."
    return f"{text} À cette distance, le juge ne les distingue guère des images du jeu de données."


def generation(fidelity: float, accuracy: float) -> str:
    """Compares the fidelity of invented images with the judge's accuracy on test images, shares 0..1."""
    text = _fill(
        """Le juge reconnaît la classe demandée dans **{fidelity:pourcent}** des images inventées, et la bonne classe
        dans {accuracy:pourcent} de celles du test""",
        fidelity=fidelity,
        accuracy=accuracy,
    )
    if accuracy < 0.5:
        return f"{text} : {_BLIND}"
    if fidelity > accuracy + 0.005:
        return f"{text} : plus fidèles que le jeu de données lui-même, elles sont sans doute trop typiques."
    if fidelity < accuracy - CLOSE:
        return f"{text} : une part des images inventées n'est pas ce qu'on a demandé."
    return f"{text} : sur ce plan, il ne les distingue guère."
