"""The checks of the questions: the right answer, wrong ones, absurd ones, and no check gives its answer away."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anomalies import parts
from judged import entry, made

import projet3_ssl_anomalies as project
from commun import exercices
from projet3_ssl_anomalies import checks, colour, defects, evaluation, networks, questions, signals, training
from projet3_ssl_anomalies.pretexts import PRETEXTS, Pretext
from projet3_ssl_anomalies.settings import Settings

ABSURD = (True, "beaucoup", [], {}, object(), math.nan, (1, "a"))
IMAGES = parts(6)
TEST = pd.DataFrame({"is_defect": [False, False, True, True, True, False, True, True]})


def _wrong(control: Callable, answer: Any, *context: Any) -> str:
    """The reason why an answer is wrong; what a check raises counts as such, as in `exercices.verifier`."""
    try:
        verdict = control(answer, *context)
    except Exception as error:
        return f"{type(error).__name__} : {error}"
    assert not verdict.right and verdict.why
    return verdict.why


# --- Values ----------------------------------------------------------------------------------------------------------

GAINS = {
    "bouteille": made(gain=(0.05, 0.01, 0.1)),
    "noisette": made(gain=(0.05, -0.01, 0.1)),
    "gélule": made(gain=(-0.1, -0.2, -0.01)),
}


def _faintest(painted: defects.Defective) -> str:
    change = np.linalg.norm(colour.to_lab(painted.images) - colour.to_lab(IMAGES[painted.sources]), axis=-1)
    means = {
        name: np.mean([change[i][painted.masks[i]].mean() for i in np.flatnonzero(painted.defect_types == name)])
        for name in set(painted.defect_types)
    }
    return defects.TYPES[min(means, key=means.get)]


VALUES = {  # control, context, right answer, wrong answers
    "always good": (questions.always_good, (TEST,), 3 / 8, (5 / 8, 0.5, 3, -0.1)),
    "smallest side": (questions.smallest_side, ([0.3, 0.01], 20), 45, (44, 46, 0, 44.5)),
    "passes": (questions.passes, (Settings(cells=(8, 4), hidden_one_in=4),), 8, (4, 2, 9)),
    "weights": (questions.weights, (Settings(),), 4, (2, 3, 8)),
    "constants": (questions.constants, ([0, 0, 0, 1],), (0.25, 0), ((0.5, 0), (0.25, 0.25), (0, 0.25), (0.25,))),
    "means": (questions.means, ((1, 9), (4, 4)), ("a", "B"), (("B", "A"), ("A", "A"), ("A", "C"), "AB")),
    "expected alarms": (questions.expected_alarms, (GAINS, 0.25), 3, (2, 4, 12)),
    "gains": (questions.gains, (GAINS,), ["Bouteille"], ([], ["bouteille", "noisette"], ["vis"], "bouteille")),
}


def test_the_faintest_defect_is_that_whose_colours_differ_least() -> None:
    painted = defects.paint(IMAGES[:2], seed=0)
    assert questions.faintest(_faintest(painted), IMAGES, painted).right
    for answer in ("rouille", 3, *ABSURD):
        assert _wrong(questions.faintest, answer, IMAGES, painted)
    for answer in set(defects.TYPES.values()) - {_faintest(painted)}:
        assert _faintest(painted) not in _wrong(questions.faintest, answer, IMAGES, painted)


@pytest.mark.parametrize("case", VALUES.values(), ids=VALUES)
def test_values_are_right_or_wrong(case: tuple) -> None:
    control, context, answer, wrongs = case
    assert control(answer, *context).right
    told = [_wrong(control, wrong, *context) for wrong in wrongs]
    told += [_wrong(control, absurd, *context) for absurd in ABSURD if absurd != [] or control is not questions.gains]
    if not isinstance(answer, (list, tuple)) and control is not questions.faintest:  # that one lists all the types
        assert not any(
            re.search(rf"(?<![\d,]){re.escape(f'{answer:g}'.replace('.', ','))}(?![\d,])", why) for why in told
        )


def test_a_category_that_is_missing_or_wrongly_sure_is_not_named() -> None:
    for answer in ([], ["bouteille", "noisette"], ["noisette"]):
        assert not any(name in questions.gains(answer, GAINS).why for name in GAINS)
    assert questions.gains([], {"noisette": GAINS["noisette"]}).right


def test_without_a_mask_no_side_can_be_wrong() -> None:
    assert questions.smallest_side(0, [], 20).right


# --- Functions -------------------------------------------------------------------------------------------------------


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a.ravel(), b.ravel())[0, 1])


def _delta(first: np.ndarray, second: np.ndarray) -> float:
    return float(colour.mean_difference(first[None], second[None])[0])


def _hidden(images: np.ndarray, output: np.ndarray, hidden: np.ndarray) -> float:
    return float(np.square(images - output)[hidden].sum() / (hidden.sum() + 1))


def _mahalanobis(difference: np.ndarray, covariance: np.ndarray) -> float:
    return float(np.sqrt(difference @ np.linalg.inv(covariance) @ difference / len(difference)))


def _threshold(scores: np.ndarray, rate: float) -> float:
    return float(np.sort(scores)[::-1][math.floor(rate * len(scores) + 1e-9)])


SCORES = [np.random.default_rng(seed).normal(size=20) for seed in range(2)]
CELLS = np.random.default_rng(0).normal(size=(12, signals.GRID, signals.GRID, 4)).astype(np.float32)
FUNCTIONS = {  # control, context, right function, wrong ones and what is said of them
    "correlation": (
        questions.correlation,
        (IMAGES,),
        _correlation,
        {
            "plus claire": lambda a, b: float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())),
            "deux normes": lambda a, b: float(((a - a.mean()) * (b - b.mean())).mean()),
        },
    ),
    "difference of colours": (
        questions.difference_of_colours,
        (IMAGES,),
        _delta,
        {"un facteur": lambda a, b: _delta(a, b) / 50, "pixel par pixel": lambda a, b: abs(a - b.astype(float)).mean()},
    ),
    "hidden loss": (
        questions.hidden_loss,
        (IMAGES,),
        _hidden,
        {
            "toute l'image": lambda x, y, hidden: float(np.square(x - y).mean()),
            "trois canaux": lambda x, y, hidden: _hidden(x, y, hidden) / 3,
            "si rien n'est caché": lambda x, y, hidden: float(np.abs(x - y)[hidden].sum()),
        },
    ),
    "mahalanobis": (
        questions.mahalanobis,
        (CELLS,),
        _mahalanobis,
        {
            "le carré": lambda e, c: _mahalanobis(e, c) ** 2,
            "facteur qui précède": lambda e, c: _mahalanobis(e, c) * math.sqrt(len(e)),
            "l'inverse": lambda e, c: float(np.sqrt(e @ c @ e / len(e))),
        },
    ),
    "threshold": (
        questions.threshold,
        (SCORES,),
        _threshold,
        {
            "trop": lambda s, rate: float(np.sort(s)[::-1][math.floor(rate * len(s)) + 1]),
            "plus bas": lambda s, rate: float(s.max()),
        },
    ),
}


@pytest.mark.parametrize("case", FUNCTIONS.values(), ids=FUNCTIONS)
def test_functions_are_compared_with_the_module_s(case: tuple) -> None:
    control, context, good, wrongs = case
    assert control(good, *context).right
    for said, function in wrongs.items():
        assert said in _wrong(control, function, *context)
    for function in (lambda *_: None, lambda *_: "1", lambda: 1, 3, "def"):
        assert _wrong(control, function, *context)


def test_the_module_s_correlation_is_that_of_copies() -> None:
    copies = checks.thumbnails(IMAGES)
    assert np.allclose(copies @ copies.T, np.corrcoef(copies))


# --- A task of a student's -------------------------------------------------------------------------------------------


@pytest.fixture
def registry() -> Generator[None]:
    before = dict(PRETEXTS)
    yield
    PRETEXTS.clear()
    PRETEXTS.update(before)


def _task(**changes: Any) -> type[Pretext]:
    def examples(self, images, donors, rng):
        return np.clip(images + rng.normal(0, 40, images.shape), 0, 255).astype("uint8"), np.ones(
            images.shape[:3], bool
        )

    def corrupt(self, images, mean_images, hidden):
        return images

    def network(self):
        return networks.unet(self.config, inputs=3, outputs=3)

    methods = {"examples": examples, "corrupt": corrupt, "network": network}
    return type("Mine", (Pretext,), {"name": "mine", "title": "à moi", "__module__": __name__, **methods, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"title": ""}, "`title`"),
        ({"examples": lambda self, images, donors, rng: (images[:1], np.ones((1, 32, 32), bool))}, "forme"),
        ({"examples": lambda self, images, donors, rng: (images / 255, np.ones(images.shape[:3], bool))}, "uint8"),
        ({"examples": lambda self, images, donors, rng: (images, np.zeros(images.shape[:3], bool))}, "recopier"),
        ({"channels": ("a*",)}, "canaux"),
        ({"loss": lambda self, images, output, hidden: math.nan}, "perte"),
        ({"network": lambda self: None}, "TypeError"),
    ],
)
def test_a_task_is_tried_before_it_is_trained(changes: dict, said: str, registry) -> None:
    task = _task(**changes)
    if said:
        assert said in _wrong(questions.pretext, task.network, task, IMAGES)
    else:
        assert questions.pretext(task.network, task, IMAGES).right
    assert questions.is_ready(task, IMAGES) is not bool(said)


@pytest.mark.parametrize("answer", [3, "Debruitage", dict, networks.unet])
def test_what_is_no_task_is_not_trained(answer: Any) -> None:
    assert "hérite" in questions.pretext(None, answer, IMAGES).why and not questions.is_ready(answer, IMAGES)


LEFT = '''
from commun import exercices
from projet3_ssl_anomalies import pretexts

class Debruitage(pretexts.Pretext):
    """Ôter un bruit."""

    name = "left"
    title = "laissée"

    def corrupt(self, images, mean_images, hidden):
        """Rend ce que le réseau reçoit."""
        ...

    def network(self):
        """Rend un réseau."""
        ...
'''


def test_a_task_left_to_be_written_is_not_registered(ipython, registry) -> None:
    ipython.run_cell(LEFT, store_history=True).raise_error()
    assert "left" not in PRETEXTS and not questions.is_ready(ipython.user_ns["Debruitage"], IMAGES)
    assert not exercices.repondu(ipython.user_ns["Debruitage"].network)
    written = LEFT.replace('"""Rend un réseau."""\n        ...', "return None")
    ipython.run_cell(written, store_history=True).raise_error()
    assert "left" in PRETEXTS


# --- In the notebooks ------------------------------------------------------------------------------------------------

NOTEBOOKS = sorted(Path(project.__file__).parent.glob("*.ipynb"))


def _cells(path: Path, tag: str) -> list[str]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return ["".join(cell["source"]) for cell in cells if tag in cell["metadata"].get("tags", [])]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_questions_are_numbered_answered_and_checked(path: Path) -> None:
    asked = [int(re.match(r"\*\*Question (\d+)\.\*\*", source)[1]) for source in _cells(path, "question")]
    assert asked == list(range(1, len(asked) + 1)) and 5 <= len(asked) <= 8
    assert len(_cells(path, "solution")) >= len(asked)
    checked = [re.search(r"exercices\.verifier\((\d+), questions\.(\w+), ", s) for s in _cells(path, "verification")]
    assert len(checked) >= 3 and {int(found[1]) for found in checked} <= set(asked)
    assert all(callable(getattr(questions, found[2])) for found in checked)


def _configured(source: str, budget: training.Profile) -> dict[str, training.Config]:
    space: dict[str, Any] = {}
    exec("from projet3_ssl_anomalies import settings\n" + source, space)
    return training.configurations(budget, side=64, settings=space["reglages"])


def test_each_knob_of_notebook_02_reaches_the_networks() -> None:
    cells = json.loads(NOTEBOOKS[1].read_text(encoding="utf-8"))["cells"]
    (source,) = ("".join(c["source"]) for c in cells if "reglages = settings.Settings(" in "".join(c["source"]))
    budget = training.PROFILES["rapide"]
    before = _configured(source, budget)
    assert before == training.configurations(budget, side=64)  # what is committed is what was chosen
    knobs = re.findall(r"^(\w+) = (.+?)  # .+$", source, re.MULTILINE)
    assert len(knobs) >= 6
    for name, value in knobs:
        other = "(8, 4)" if value.startswith("(") else f"2 * {value}"
        after = _configured(source.replace(f"{name} = {value}  #", f"{name} = {other}  #"), budget)
        assert after != before, name


def test_a_run_is_known_by_the_headlines_of_its_reference() -> None:
    scores = {"bottle": made(), "capsule": made()}
    reference = {"metrics": {"bottle/fused/image_auroc": entry(0.5), "pill/fused/image_auroc": entry(0.1)}}
    assert evaluation.headlines(scores) == {"AUROC image moyenne": pytest.approx(0.95)}
    assert evaluation.reference_headlines(scores, reference) == {"AUROC image moyenne": pytest.approx(0.5)}
    assert evaluation.reference_headlines({"capsule": made()}, reference) == {}
    assert evaluation.reference_headlines(scores, None) == {}
