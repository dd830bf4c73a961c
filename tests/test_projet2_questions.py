"""The checks of project 2's questions: right, wrong and absurd answers, and that no answer is given away."""

from __future__ import annotations

import dataclasses
import inspect
import json
import math
import re

import numpy as np
import pytest
from test_projet2_selection import imagined_table

from commun import exercices
from commun.datasets import ROOT
from projet2_cvae import comparison, dataset, evaluation, model, questions, sample, selection, training
from projet2_cvae.dataset import CLASSES, Part
from projet2_cvae.model import Config


@pytest.fixture(scope="module")
def part() -> Part:
    labels = (np.arange(60) % 10).astype("uint8")
    return Part(sample.draw_images(labels, seed=0)[..., None], labels)


@pytest.fixture(scope="module")
def cvae() -> model.CVAE:
    return training.build(Config(latent_dim=3, width=16))


def _right(verdict: exercices.Verdict) -> None:
    assert verdict.right, verdict.why


def _wrong(verdict: exercices.Verdict, *hidden: object, says: str = "") -> None:
    """A wrong answer helps, and none of the texts of the right answer is in it."""
    assert not verdict.right and says in verdict.why and verdict.why.endswith((".", "?"))
    for text in hidden:
        assert not re.search(rf"(?<![\w,]){re.escape(str(text))}(?![\w,])", verdict.why), verdict.why


@pytest.mark.parametrize("absurd", [object(), "n'importe quoi", [], {"a": 1}, True, lambda: None, 3 + 2j])
def test_an_absurd_answer_never_stops_a_notebook(absurd, part, cvae, capsys) -> None:
    config, table = Config(), imagined_table(8)
    cloud = (np.zeros(2), np.eye(2))
    contexts = {
        questions.darkest_class: [part],
        questions.grey_share: [part, "sac"],
        questions.entropy_function: [part],
        questions.grey_image_floor: [],
        questions.binarised_floor: [],
        questions.free_code: [],
        questions.loss_function: [cvae, part],
        questions.latent_weights: [cvae],
        questions.readable_plane: [{"VAE": 0.6, "CVAE": 0.4}],
        questions.cost_by_dimension: [cvae, part],
        questions.steps_of_larger_lots: [config],
        questions.size_of_the_grid: [],
        questions.blocks_function: [],
        questions.best_trials_function: [table],
        questions.loss_by_lot: [table],
        questions.isolating_config: [config],
        questions.copied_prototypes: [],
        questions.bound_function: [],
        questions.frechet_function: [cloud, cloud],
        questions.worst_confusion: [np.ones((10, 10))],
        questions.keeps_the_tone: [{"jointe": 0.8, "par classe": 0.1}],
    }
    own = {name: f for name, f in vars(questions).items() if getattr(f, "__module__", "") == questions.__name__}
    public = {f for name, f in own.items() if not name.startswith("_")}
    assert public == set(contexts)
    for number, (check, context) in enumerate(contexts.items(), 100):
        exercices.verifier(number, check, absurd, *context)
        assert exercices.marks()[str(number)] in (exercices.WRONG, exercices.UNANSWERED), check.__name__


# --- 01 --------------------------------------------------------------------------------------------------------------


def test_the_darkest_class(part: Part) -> None:
    means = [part.images[part.labels == c].mean() for c in range(10)]
    darkest, brightest = CLASSES[int(np.argmin(means))], CLASSES[int(np.argmax(means))]
    _right(questions.darkest_class(f" {darkest.upper()} ", part))
    _wrong(questions.darkest_class(brightest, part), darkest, says="9")


def test_the_share_of_grey_pixels(part: Part) -> None:
    bags = part.images[part.labels == 8]
    share = np.mean((bags > 0) & (bags < 255))
    _right(questions.grey_share(share, part, "sac"))
    _wrong(questions.grey_share(100 * share, part, "sac"), says="pourcentage")
    _wrong(questions.grey_share(0.99, part, "sac"), f"{share:.3f}".replace(".", ","))


def test_the_entropy_of_images(part: Part) -> None:
    def entropy(images, log=np.log):
        x = np.clip(images / 255, 1e-12, 1 - 1e-12)
        return -(x * log(x) + (1 - x) * log(1 - x)).sum(axis=(1, 2, 3))

    def undefined(images):
        x = images / 255
        return -(x * np.log(x) + (1 - x) * np.log(1 - x)).sum(axis=(1, 2, 3))

    _right(questions.entropy_function(entropy, part))
    _wrong(questions.entropy_function(undefined, part), says="logarithme de zéro")
    _wrong(questions.entropy_function(lambda im: entropy(im, np.log2), part), says="bits")
    _wrong(questions.entropy_function(lambda im: entropy(im) / 784, part), says="somme")
    _wrong(questions.entropy_function(lambda im: -entropy(im), part), says="opposé")
    _wrong(questions.entropy_function(lambda im: 7 + entropy(im), part), says="diffèrent")
    _wrong(questions.entropy_function(lambda im: im, part), says="forme")


def test_floors() -> None:
    _right(questions.grey_image_floor(784 * math.log(2)))
    for value, says in ((784, "bits"), (math.log(2), "784"), (100, "par pixel")):
        _wrong(questions.grey_image_floor(value), "543", says=says)
    _right(questions.binarised_floor(np.float32(0)))
    _wrong(questions.binarised_floor(190.0), says="190")


# --- 02 --------------------------------------------------------------------------------------------------------------


def test_a_free_code() -> None:
    _right(questions.free_code((0, 1)))
    _wrong(questions.free_code((1, 1)), says="0,500")
    _wrong(questions.free_code((0, 0)), says="strictement positif")


def test_the_loss(cvae: model.CVAE, part: Part) -> None:
    def terms(images, logits, mean, log_variance):
        reconstruction = (np.logaddexp(0, logits) - images * logits).sum(axis=(1, 2, 3))
        return reconstruction, 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance).sum(axis=1)

    _right(questions.loss_function(lambda *a: sum(terms(*a)), cvae, part))
    _wrong(questions.loss_function(lambda *a: terms(*a)[0], cvae, part), says="coût du code")
    _wrong(questions.loss_function(lambda *a: np.mean(sum(terms(*a))), cvae, part), says="forme")
    _wrong(questions.loss_function(lambda *a: 3 + sum(terms(*a)), cvae, part), says="diffèrent")


def test_the_weights_of_the_latent_layer(cvae: model.CVAE) -> None:
    inputs, outputs = cvae.encoder.get_layer("latente").kernel.shape
    _right(questions.latent_weights(inputs * outputs + outputs, cvae))
    for value, says in ((inputs * outputs, "biais"), ((inputs + 1) * outputs // 2, "variance"), (7, "comptez")):
        _wrong(questions.latent_weights(value, cvae), inputs * outputs + outputs, says=says)


def test_the_readable_plane() -> None:
    _right(questions.readable_plane("vae", {"VAE": 0.65, "CVAE": 0.41}))
    _wrong(questions.readable_plane("CVAE", {"VAE": 0.65, "CVAE": 0.41}), "VAE")
    _right(questions.readable_plane("CVAE", {"VAE": 0.41, "CVAE": 0.65}))
    assert "trop petit" in questions.readable_plane("VAE", {"VAE": 0.53, "CVAE": 0.54}).why
    _wrong(questions.readable_plane("GAN", {"VAE": 0.65, "CVAE": 0.41}), says="entre guillemets")


def test_the_cost_of_each_dimension(cvae: model.CVAE, part: Part) -> None:
    mean, log_variance = evaluation.encode(cvae, part)
    costs = 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance)
    _right(questions.cost_by_dimension(costs.mean(axis=0), cvae, part))
    _wrong(questions.cost_by_dimension(1 + costs.mean(axis=0), cvae, part), says="somme")
    _wrong(questions.cost_by_dimension(costs, cvae, part), says="forme")


def test_the_steps_of_larger_lots() -> None:
    config = Config(images_seen=12_800, epochs=2)
    _right(questions.steps_of_larger_lots(config.steps / 2, config))
    _wrong(questions.steps_of_larger_lots(config.steps, config), 50)
    _wrong(questions.steps_of_larger_lots(1000, config), 50)


# --- 03 --------------------------------------------------------------------------------------------------------------


def test_the_size_of_the_grid() -> None:
    _right(questions.size_of_the_grid(720))
    _wrong(questions.size_of_the_grid(19), 720, says="multiplient")
    _wrong(questions.size_of_the_grid(5), 720)


def test_blocks_are_those_of_the_module() -> None:
    def blocks(codes, labels):
        made = np.zeros((len(codes), 10, codes.shape[1]))
        made[np.arange(len(codes)), labels] = codes
        return made

    _right(questions.blocks_function(lambda c, y: blocks(c, y).reshape(len(c), -1)))
    codes, labels = np.random.default_rng(1).normal(size=(6, 2)).astype("float32"), np.array([0, 1, 9, 9, 4, 2])
    shown = np.asarray(model.class_blocks(codes, np.eye(10, dtype="float32")[labels]))
    np.testing.assert_allclose(shown, blocks(codes, labels).reshape(6, -1))
    _wrong(questions.blocks_function(lambda c, y: blocks(c, y).swapaxes(1, 2).reshape(len(c), -1)), says="se suivre")
    _wrong(questions.blocks_function(lambda c, y: blocks(c, (y + 1) % 10).reshape(len(c), -1)), says="leur classe")
    _wrong(questions.blocks_function(lambda c, y: np.tile(c, 10)), says="zéros")


def test_the_best_trials() -> None:
    table = imagined_table(10, complete=6)
    table.loc[8, "val_nelbo"] = 1.0  # pruned
    best = table[:6].sort_values("val_nelbo")["number"].tolist()
    _right(questions.best_trials_function(lambda t, k: best[:k], table))
    _right(questions.best_trials_function(lambda t, k: np.array(best[:k]), table))
    _wrong(questions.best_trials_function(lambda t, k: best[:k][::-1], table), best[0], says="ordre")
    _wrong(questions.best_trials_function(lambda t, k: [8, *best[: k - 1]], table), best[0], says="élagué")
    _wrong(questions.best_trials_function(lambda t, k: best[-k:], table), says="plus petites")
    _wrong(questions.best_trials_function(lambda t, k: best, table), says="on en demande 3")


def test_the_loss_by_size_of_lots() -> None:
    table = imagined_table(20, complete=15)
    means = table[:15].groupby("batch_size")["val_nelbo"].mean()
    _right(questions.loss_by_lot(means, table))
    _right(questions.loss_by_lot(dict(means), table))
    _wrong(questions.loss_by_lot(table.groupby("batch_size")["val_nelbo"].mean(), table), says="élagués")
    _wrong(questions.loss_by_lot(means + 5, table), says="val_nelbo")
    _wrong(questions.loss_by_lot({64: 240.0}, table), says="une moyenne par taille de lot")


def test_the_trial_that_isolates_weights_by_class() -> None:
    default = Config()
    _right(questions.isolating_config(dataclasses.replace(default, conditioning="per_class"), default))
    _wrong(questions.isolating_config(default, default), "conditioning")
    _wrong(questions.isolating_config(dataclasses.replace(default, seed=1), default), "conditioning")
    both = dataclasses.replace(default, conditioning="per_class", learning_rate=2e-3)
    _wrong(questions.isolating_config(both, default), "conditioning", says="2")


# --- 04 --------------------------------------------------------------------------------------------------------------


def test_copied_prototypes() -> None:
    _right(questions.copied_prototypes((1.0, 0.0)))
    _wrong(questions.copied_prototypes((0.9, 0)), says="fidélité")
    _wrong(questions.copied_prototypes((1, 1)), says="identiques")


def test_the_weighted_bound() -> None:
    _right(questions.bound_function(lambda w: np.log(len(w)) - np.logaddexp.reduce(w, axis=0)))
    _wrong(questions.bound_function(lambda w: -np.log(np.exp(w).mean(axis=0))), says="déborde")
    _wrong(questions.bound_function(lambda w: -w.mean(axis=0)), says="logarithmes")
    _wrong(questions.bound_function(lambda w: -np.logaddexp.reduce(w, axis=0)), says="moyenne")
    _wrong(questions.bound_function(lambda w: np.logaddexp.reduce(w, axis=0) - np.log(len(w))), says="opposé")


def test_the_frechet_distance() -> None:
    random = np.random.default_rng(0)
    clouds = [evaluation.moments(random.normal(size=(50, 4)) * [1, 2, 3, k] + k) for k in (1, 2)]

    def distance(m1, c1, m2, c2):
        root = np.sqrt(np.maximum(np.linalg.eigvals(c1 @ c2).real, 0)).sum()
        return np.square(m1 - m2).sum() + np.trace(c1) + np.trace(c2) - 2 * root

    _right(questions.frechet_function(distance, *clouds))
    _wrong(questions.frechet_function(lambda *a: distance(*a) ** 0.5, *clouds), says="racine carrée")
    _wrong(questions.frechet_function(lambda m, _, n, __: np.square(m - n).sum(), *clouds), says="moyennes")
    _wrong(questions.frechet_function(lambda *a: distance(*a) + 9j, *clouds), says="complexe")
    _wrong(questions.frechet_function(lambda *a: 3 * distance(*a), *clouds), says="terme par terme")


def test_the_worst_confusion() -> None:
    matrix = 50 * np.eye(10, dtype=int)
    matrix[5, 9], matrix[2, 4] = 41, 7
    _right(questions.worst_confusion(("sandale", "bottine"), matrix))
    _wrong(questions.worst_confusion(("bottine", "sandale"), matrix), says="ordre")
    _wrong(questions.worst_confusion(("pull", "manteau"), matrix), "sandale", "bottine", says="7 fois")
    _wrong(questions.worst_confusion(("pull", "chaussette"), matrix), says="nom d'une classe")


def test_what_keeps_the_tone() -> None:
    found = {"jointe": 0.86, "par classe": 0.08}
    _right(questions.keeps_the_tone("Jointe", found))
    _wrong(questions.keeps_the_tone("par classe", found), "jointe", "0,860")
    _right(questions.keeps_the_tone("par classe", {"jointe": 0.1, "par classe": 0.5}))
    assert "faute d'entraînement" in questions.keeps_the_tone("jointe", {"jointe": -0.9, "par classe": 0.0}).why


# --- The notebooks ---------------------------------------------------------------------------------------------------

NOTEBOOKS = sorted((ROOT / "projet2_cvae").glob("0*.ipynb"))


def _cells(path, tag: str) -> list[dict]:
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if tag in cell["metadata"].get("tags", [])]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_asks_five_to_eight_questions_and_checks_three_at_least(path) -> None:
    asked = ["".join(cell["source"]) for cell in _cells(path, "question")]
    assert 5 <= len(asked) <= 8
    assert [text.startswith(f"**Question {n}.** ") for n, text in enumerate(asked, 1)] == [True] * len(asked)
    checked = [re.search(r"exercices\.verifier\((\d+), questions\.(\w+)", "".join(cell["source"]))
               for cell in _cells(path, "verification")]  # fmt: skip
    assert len(checked) >= 3 and all(hasattr(questions, found[2]) for found in checked)
    assert len({found[1] for found in checked}) == len(checked)
    answers = _cells(path, "solution")
    assert sum(cell["cell_type"] == "markdown" for cell in answers) >= 1
    assert any("".join(cell["source"]).startswith("def ") for cell in answers)
    assert len(answers) == len(asked)


KNOBS = {
    "dimension_latente": ("latent_dim", 4),
    "architecture": ("architecture", "conv"),
    "largeur": ("width", 48),
    "conditionnement": ("conditioning", "per_class"),
    "taux_apprentissage": ("learning_rate", 0.004),
    "taille_lot": ("batch_size", 64),
    "beta": ("beta", 4.0),
    "montee_beta": ("warmup", 0.5),
    "retournement": ("flip", False),
}


def _configured(source: str) -> Config:
    names = {"model": model, "GRAINE": 0, "DIMENSION_LATENTE": 16, "profil": training.profile("rapide")}
    exec(source, names)
    return names["reglages"]


@pytest.mark.parametrize("knob", KNOBS)
def test_each_knob_of_the_working_model_reaches_what_is_trained(knob: str) -> None:
    [cell] = _cells(ROOT / "projet2_cvae" / "02_modele.ipynb", "reglages")
    source = "".join(cell["source"])
    assert set(KNOBS) == set(re.findall(r"^(\w+) = .+  # ", source, re.M))
    field, value = KNOBS[knob]
    changed = re.sub(rf"^{knob} = .+?(?=  # )", f"{knob} = {value!r}", source, flags=re.M)
    assert _configured(changed) == dataclasses.replace(_configured(source), **{field: value})


def test_the_knobs_start_from_the_default_trial() -> None:
    [cell] = _cells(ROOT / "projet2_cvae" / "02_modele.ipynb", "reglages")
    images, epochs = training.profile("rapide").model
    budget = selection.Budget(images_seen=images, epochs=epochs)
    assert _configured("".join(cell["source"])) == selection.usual(budget)["par défaut"]


def test_the_shown_code_fits_a_page() -> None:
    """Code that a notebook shows from its source has lines of 90 columns at most."""
    modules = (comparison, dataset, evaluation, model, selection, training)
    scope = {m.__name__.split(".")[-1]: m for m in modules} | {"class_blocks": model.class_blocks}
    shown = 0
    for path in NOTEBOOKS:
        text = "\n".join("".join(c["source"]) for c in json.loads(path.read_text(encoding="utf-8"))["cells"])
        for items in re.findall(r"figures\.code\(([^)]*)\)", text):
            for item in items.split(","):
                if item.strip().startswith("commun."):
                    continue
                function = eval(item, scope)
                widest = max(map(len, inspect.getsource(function).splitlines()))
                assert widest <= 90, f"{item}: {widest}"
                shown += 1
    assert shown >= 12
