"""What a notebook says last, read as a list of numbers and of words that compare, each of which a test must claim.

A test computes the same numbers again, from the models and the data, in the order of the sentences: a number that
nothing claims is a failure, as one that is not what is claimed, or a word that its numbers deny.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
import pytest

from atelier import verification
from commun import training
from commun.notebook import read_notebook
from commun.training import keras

_TRAINING = (  # what changes no shape
    *("seed", "images_seen", "epochs", "learning_rate", "oversampling_threshold", "class_weighted", "beta", "warmup"),
    *("frozen_until", "frozen_normalisation", "layer_decay", "train_side", "side", "transforms", "cutmix_probability"),
)

_COMPARING = (
    "mieux", "moins", "plus", "meilleure?s?", "pires?", "même", "dépassent?", "au-dessus", "au-dessous", "sous",
    "suffisent", "haute", "basse", "gain net", "perte nette", "hasard du tirage", "nettement négatif", "sans prix",
    "le prix", "difficile", "facile", "une part", "guère", "ne permet pas",
)  # fmt: skip
_TOKEN = re.compile(
    r"«\s*(?P<quote>[^»]*?)\s*»"
    r"|(?<![\w,])(?P<number>[+−]?\d{1,3}(?:[\u202f\u00a0]\d{3})+(?!\d)|[+−]?\d+)(?:,(?P<decimals>\d+))?(?P<percent>\s?%)?"
    rf"|\b(?P<word>{'|'.join(_COMPARING)})\b",
    re.IGNORECASE,
)


@dataclasses.dataclass(frozen=True)
class Word:
    """A word that a sentence must hold there; `holds` is what the numbers say of it."""

    text: str
    holds: bool = True


@dataclasses.dataclass(frozen=True)
class Name:
    """What a sentence must hold there between « »."""

    text: str


@dataclasses.dataclass(frozen=True)
class Said:
    """What the sentences must hold somewhere: a name that nothing encloses."""

    text: str


Claim = float | Word | Name | Said


@dataclasses.dataclass(frozen=True)
class Recap:
    """The last sentences of an executed notebook, and the results on its card."""

    text: str
    results: dict[str, float]
    main: str


def read_recap(path: Path) -> Recap:
    """Reads an executed notebook."""
    paper = read_notebook(path)
    card = verification.card_of(paper)
    cells = [cell for cell in paper["cells"] if "".join(cell["source"]).lstrip().startswith("## Ce qu'il faut retenir")]
    after = paper["cells"][paper["cells"].index(cells[-1]) + 1 :]
    outputs = [output for cell in after if cell["cell_type"] == "code" for output in cell["outputs"]]
    texts = [output["data"]["text/markdown"] for output in outputs if "text/markdown" in output.get("data", {})]
    (text,) = texts
    return Recap("".join(text), card["resultats"], card["principal"])


def check(recap: Recap, claims: Iterable[Claim], results: Mapping[str, float]) -> int:
    """Compares a recap and its card with what was computed again, at the precision printed.

    Returns:
        How many numbers were compared.
    """
    assert recap.results == pytest.approx(dict(results), rel=1e-5, abs=1e-9)
    assert recap.main == next(iter(results))
    return len(results) + check_sentences(recap.text, claims)


def check_sentences(text: str, claims: Iterable[Claim]) -> int:
    """Compares sentences with claims in the same order; returns how many numbers there are."""
    text = re.sub(r"\s*\n\s*", " ", text).replace("*", "")
    found, claims, numbers = list(_TOKEN.finditer(text)), list(claims), 0
    assert not [said for said in claims if isinstance(said, Said) and said.text not in text], text
    claims = [claim for claim in claims if not isinstance(claim, Said)]
    for match, claim in zip(found, claims, strict=False):
        near = f"« {match[0]} » in: …{text[max(0, match.start() - 60) : match.end() + 40]}…; claimed: {claim}"
        if isinstance(claim, Word):
            assert (match["word"] or "").lower() == claim.text.lower(), near
            assert claim.holds, f"the numbers deny {near}"
        elif isinstance(claim, Name):
            assert match["quote"] == claim.text, near
        else:
            assert match["number"], near
            assert _agrees(match, claim), near
            numbers += 1
    if rest := found[len(claims) :]:
        near = text[max(0, rest[0].start() - 60) :]
        pytest.fail(f"nothing claims {[match[0] for match in rest]}, to compute again in recaps_projetN.py: {near}")
    assert len(claims) <= len(found), f"no sentence holds {claims[len(found) :]}: {text}"
    return numbers


def _agrees(match: re.Match, claim: float) -> bool:
    whole, decimals = re.sub(r"[\u202f\u00a0+]", "", match["number"]).replace("−", "-"), match["decimals"] or ""
    printed, scale = float(f"{whole}.{decimals or 0}"), 100 if match["percent"] else 1
    noise = 1e-6 * max(1, abs(printed))  # of 32-bit arithmetic, for what was half way between two last figures
    return abs(printed - scale * claim) <= 0.5 * 10.0 ** -len(decimals) + noise


def verdict(low: float, high: float) -> Word:
    """Returns the words that must follow a difference whose interval goes from `low` to `high`."""
    return Word("gain net" if low > 0 else "perte nette" if high < 0 else "hasard du tirage")


class Found:
    """Stands for `commun.training.load_run`: one network for all the runs of the same shape, whose weights change.

    Building a network takes ten times longer than reading weights. The next run of the same shape changes the model
    that this one returned: each is to be used before the next is asked for.
    """

    def __init__(self) -> None:
        self.models = {}

    def __call__(self, folder: Path) -> training.Run:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))["config"]
        shape = folder.parent.name, json.dumps(config | dict.fromkeys(_TRAINING, 0), sort_keys=True)
        file = folder / "model.keras"
        if shape in self.models:
            self.models[shape].load_weights(file)
        else:
            self.models[shape] = keras.saving.load_model(file, compile=False)
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        return training.Run(self.models[shape], pd.read_csv(folder / "history.csv"), metrics, folder, fresh=False)
