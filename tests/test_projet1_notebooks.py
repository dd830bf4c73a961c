"""The parameters of the notebooks of project 1 reach every training."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import linecache
import re
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_projet1_dataset import collection, opened

from commun import UserError, exercices, figures, results
from commun.training import Run
from projet1_artistes import choice, dataset, networks, readings, training, transfer, variants

ROOT = Path(__file__).resolve().parents[1] / "projet1_artistes"
SEED, THRESHOLD = 7, 33


NOTEBOOKS = ("01_preparation.ipynb", "02_modele.ipynb", "03_evaluation.ipynb")


def cells_of(name: str) -> list[tuple[str, str, list[str]]]:
    """The cells of a notebook: kind, source, tags."""
    cells = json.loads((ROOT / name).read_text(encoding="utf-8"))["cells"]
    return [(cell["cell_type"], "".join(cell["source"]), cell["metadata"].get("tags", [])) for cell in cells]


def run(name: str, edit: Callable[[str, list[str]], str] = lambda source, tags: source, **parameters) -> None:
    """Runs the code cells of a notebook in this process, with other parameters, each changed by `edit`."""
    space: dict = {}
    for number, (kind, source, tags) in enumerate(cells_of(name)):
        if kind == "code":
            source, file = edit(source, tags), f"<{name}, cell {number}>"
            linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)  # for `inspect`
            exec(compile(source, file, "exec"), space)
            if "parameters" in tags:
                assert parameters.keys() <= space.keys()
                space |= parameters


@pytest.fixture
def said(monkeypatch):
    """The sentences that notebooks say, and the captions of their tables."""
    sentences = []
    monkeypatch.setattr(figures, "dire", lambda *values, **more: sentences.append(figures.phrase(*values, **more)))
    monkeypatch.setattr(figures, "tableau", lambda table, *, legende, **options: sentences.append(legende))
    return sentences


@pytest.fixture(params=[True])
def asked(request, monkeypatch, tmp_path_factory, said):
    """Runs without training, on a few works, and shows nothing; records the configurations that are asked for.

    Small networks stand for the pre-trained one, and colours for its features.

    With the parameter False, the works have no low-quality copies.
    """
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path_factory.mktemp("travail")))
    counts = {"Ada_Bleu": 20, "Bo_Gris": 14, "Cy_Brun": 12}
    data = opened(collection(tmp_path_factory.mktemp("œuvres"), counts, low=request.param))
    configs = []

    def train(config, images, labels, rows, validation=None, *, classes, title="", model=None):
        configs.append(config)
        history = pd.DataFrame([{"epoch": 1, "loss": 1.0, "accuracy": 0.1, "val_accuracy": 0.1}])
        built = dataclasses.replace(config, architecture=networks.PLAIN)  # quicker
        model = training.network(built if config.architecture == networks.TRANSFER else config, classes)
        return Run(model, history, {}, None, fresh=True)

    monkeypatch.setattr(dataset, "load", lambda: data)
    monkeypatch.setattr(training, "train", train)
    monkeypatch.setattr(transfer, "features", lambda images, side: images.mean(axis=(1, 2)))
    monkeypatch.setattr(exercices, "_marks", {})
    for module, name in ((figures, "montrer"), (figures, "afficher"), (results, "carte")):
        monkeypatch.setattr(module, name, lambda *arguments, **options: None)
    monkeypatch.setattr(figures, "code", check_code)
    return configs


def check_code(*items) -> None:
    """Code that is shown fits the width of a report."""
    for item in items:
        lines = textwrap.dedent(inspect.getsource(item)).splitlines()
        widest = 90 if item.__module__.startswith("projet1") else 94  # what a page shows without a scroll bar
        assert not [line for line in lines if len(line) > widest], item


def test_the_seed_and_the_threshold_of_notebook_02_reach_every_training(asked):
    run("02_modele.ipynb", PROFIL="essai", GRAINE=SEED, SEUIL=THRESHOLD)
    profile = training.profile("essai")
    assert {config.seed for config in asked} == {SEED}
    assert [config.oversampling_threshold for config in asked] == [*4 * [THRESHOLD], *profile.thresholds]
    for found, expected in zip(asked[2:4], (profile.last_stages(), profile.transfer), strict=True):
        assert found == dataclasses.replace(expected, seed=SEED, oversampling_threshold=THRESHOLD)


def test_the_seed_and_the_threshold_of_notebook_03_reach_every_training(asked):
    run("03_evaluation.ipynb", PROFIL="essai", GRAINE=SEED, SEUIL=THRESHOLD)
    profile = training.profile("essai")
    assert {config.seed for config in asked} == {SEED}
    judged, *others = asked
    assert judged == dataclasses.replace(profile.config, seed=SEED, oversampling_threshold=THRESHOLD)
    qualities, others = others[:3], others[3:]
    assert {config.oversampling_threshold for config in qualities} == {THRESHOLD}
    removals, treatments = others[: len(profile.works_per_artist)], others[len(profile.works_per_artist) :]
    assert {config.oversampling_threshold for config in removals} == {0}  # no work is repeated there
    thresholds = [(config.oversampling_threshold, config.class_weighted) for config in treatments]
    expected = {(0, False), (THRESHOLD, False), (0, True), (THRESHOLD, True)}
    assert set(thresholds[: 4 * profile.folds]) == expected
    assert thresholds[-2] == (0, False) and thresholds[-1] in expected


def test_the_seed_of_notebook_01_draws_the_examples_and_the_threshold_is_drawn(asked, monkeypatch):
    from projet1_artistes import figures_preparation, tables

    seen = []
    for module, name in ((dataset, "random_works"), (dataset, "random_works_of_smallest"),
                         (figures_preparation, "plot_contact_sheet"), (figures_preparation, "plot_augmented"),
                         (figures_preparation, "plot_counts"), (figures_preparation, "plot_oversampling"),
                         (tables, "imbalance"), (tables, "oversampling_counts")):  # fmt: skip
        original = getattr(module, name)

        def spy(*arguments, _original=original, _name=name, **options):
            seen.append((_name, options.get("seed", options.get("threshold", arguments[-1]))))
            return _original(*arguments, **options)

        monkeypatch.setattr(module, name, spy)
    run("01_preparation.ipynb", PROFIL="essai", GRAINE=SEED, SEUIL=THRESHOLD)
    assert len({name for name, _ in seen}) == 8
    assert {value for _, value in seen} == {SEED, THRESHOLD}


# --- The knobs of notebook 02 ----------------------------------------------------------------------------------------

OTHERS = {
    "largeur": 12,
    "blocs": 2,
    "abandon": 0.5,
    "cote_appris": 24,
    "cote_juge": 40,
    "taux": 0.01,
    "decroissance": 0.2,
    "lissage": 0.3,
    "part_cutmix": 1,
    "images_vues": 64,
}


class Stopped(Exception):
    """The trainings that are looked at were asked for."""


def with_knob(name, value):
    def edit(source, tags):
        changed = re.sub(rf"(?m)^{name} = .+?(?=  # )", f"{name} = {value!r}", source)
        return changed if source.startswith("largeur = ") else source

    return edit


def test_the_configuration_cell_has_one_commented_line_for_each_knob():
    (source,) = (source for _, source, _ in cells_of("02_modele.ipynb") if source.startswith("largeur = "))
    lines = source.splitlines()
    fields = {name: field for field, (name, *_) in choice.KNOBS.items()}
    assert [line.split(" = ")[0] for line in lines] == list(fields)
    for line in lines:
        name = line.split(" = ")[0]
        assert re.fullmatch(rf"{name} = profil\.config\.{fields[name]}  # .{{20,}}", line), line
    effects = next(source for _, source, _ in cells_of("02_modele.ipynb") if "À vous de jouer : les réglages" in source)
    assert all(f"`{name}`" in effects for name in fields)


@pytest.mark.parametrize("name", OTHERS)
def test_each_knob_reaches_the_networks_that_are_trained_and_nothing_else(asked, monkeypatch, name):
    def twice(*arguments, _train=training.train, **options):
        result = _train(*arguments, **options)
        if len(asked) == 2:
            raise Stopped
        return result

    monkeypatch.setattr(training, "train", twice)
    with pytest.raises(Stopped):
        run("02_modele.ipynb", with_knob(name, OTHERS[name]), PROFIL="essai")
    (field,) = (field for field, (french, *_) in choice.KNOBS.items() if french == name)
    config = training.profile("essai").config
    plain, residual = asked
    assert residual == dataclasses.replace(config, **{field: OTHERS[name]}) != config
    assert plain == dataclasses.replace(residual, architecture=networks.PLAIN)


def test_notebook_03_judges_the_network_whose_knobs_were_changed(asked, said):
    run("02_modele.ipynb", with_knob("largeur", 12), PROFIL="essai")
    trained = asked[1]
    assert trained.width == 12 and "changé" not in said[0]
    asked.clear()
    said.clear()
    run("03_evaluation.ipynb", PROFIL="essai")
    assert asked[0] == trained
    assert "Le réseau jugé est celui du carnet 02 (graine 0, seuil 100, largeur 12)." in said[0]


def test_a_knob_out_of_range_is_refused_before_any_training(asked):
    with pytest.raises(UserError, match=r"abandon = 3 : il faut un nombre de 0 à 0,95"):
        run("02_modele.ipynb", with_knob("abandon", 3), PROFIL="essai")
    assert asked == []


# --- Questions -------------------------------------------------------------------------------------------------------


def left(source: str, tags: list[str]) -> str:
    """A solution as a hand-out leaves it: names without values, functions without bodies."""
    if "solution" not in tags:
        return source
    kept = []
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            node.body = [*node.body[:1], ast.Expr(ast.Constant(...))]
            kept.append(ast.unparse(node))
        elif isinstance(node, ast.Assign):
            kept += [f"{name.id} = ..." for target in node.targets for name in ast.walk(target)
                     if isinstance(name, ast.Name)]  # fmt: skip
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            kept.append(ast.unparse(node))
    return "\n".join(kept)


def checked(name: str) -> list[str]:
    return [re.search(r"verifier\(\s*(\d+)", source)[1] for _, source, tags in cells_of(name) if "verification" in tags]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_solutions_are_right_and_a_hand_out_runs_unanswered(asked, name):
    run(name, PROFIL="essai")
    assert exercices.marks() == dict.fromkeys(checked(name), exercices.RIGHT)
    exercices._marks.clear()
    run(name, left, PROFIL="essai")
    assert exercices.marks() == dict.fromkeys(checked(name), exercices.UNANSWERED)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_questions_are_numbered_answered_and_checked(name):
    cells = cells_of(name)
    starts = [place for place, (_, _, tags) in enumerate(cells) if "question" in tags]
    assert 5 <= len(starts) <= 8 and len(checked(name)) >= 3
    functions = interpretations = 0
    for number, (place, following) in enumerate(zip(starts, [*starts[1:], len(cells)], strict=True), start=1):
        kind, text, _ = cells[place]
        assert kind == "markdown" and text.startswith(f"**Question {number}.** ")
        solutions = [(kind, source) for kind, source, tags in cells[place:following] if "solution" in tags]
        checks = [source for _, source, tags in cells[place:following] if "verification" in tags]
        assert len(solutions) == 1
        (kind, source), *_ = solutions
        if kind == "markdown":
            interpretations += 1
            assert not checks and len(source) > 200
            continue
        (check,) = checks
        assert len(ast.parse(check).body) == 1 and re.match(rf"exercices\.verifier\(\s*{number}, questions\.", check)
        defined = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
        functions += len(defined)
        named = defined[0].name if defined else f"q{number}"
        assert re.search(rf"\b{named}\b", check) and f"`{named}" in text
        for node in defined:
            assert ast.get_docstring(node) and 2 <= node.end_lineno - node.lineno - 1 <= 8
    assert functions >= 1 and interpretations >= 1


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_opens_with_its_objectives_and_closes_with_them(name):
    cells = cells_of(name)
    first = cells[0][1]
    assert all(f"**{word}.**" in first for word in ("Objectifs", "Prérequis", "Durée"))
    (last,) = (source for kind, source, _ in cells if "### Vous savez maintenant" in source)
    assert "### Glossaire" in last and "### Bibliographie" in last
    flat = " ".join(first.split())
    goals = re.findall(r"(?m)^- (.+?)[;.]$", last.split("### Glossaire")[0])
    assert 3 <= len(goals) <= 5 and all(goal.strip() in flat for goal in goals)
    for line in last.split("### Glossaire")[1].split("### Bibliographie")[0].strip().splitlines():
        assert line.count("|") == 4
    assert len(re.findall(r"\]\(https://[^)]+\)", last)) >= 3


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_prose_keeps_the_words_of_the_field(name):
    prose = "\n".join(source for kind, source, _ in cells_of(name) if kind == "markdown")
    for word in ("(s)", "définition moiti", "part de test", "part d'apprentissage", "part de validation"):
        assert word not in prose


# --- What notebook 02 chose ------------------------------------------------------------------------------------------


def test_notebook_03_judges_the_network_of_notebook_02_whatever_it_was(asked, said):
    run("02_modele.ipynb", PROFIL="essai", GRAINE=SEED, SEUIL=THRESHOLD)
    trained = asked[1]
    asked.clear()
    said.clear()
    run("03_evaluation.ipynb", PROFIL="essai")
    assert asked[0] == trained and {config.seed for config in asked} == {SEED}
    assert f"Le réseau jugé est celui du carnet 02 (graine {SEED}, seuil {THRESHOLD})." in said[0]


def test_notebook_03_says_that_it_trains_another_network(asked, said):
    run("03_evaluation.ipynb", PROFIL="essai")
    assert "Le carnet 02 n'a pas été exécuté" in said[0]
    assert asked[0] == training.profile("essai").config
    said.clear()
    run("02_modele.ipynb", PROFIL="essai", GRAINE=SEED, SEUIL=THRESHOLD)
    said.clear()
    run("03_evaluation.ipynb", PROFIL="essai", SEUIL=0)
    assert "n'est pas celui du carnet 02** (graine 7, seuil 33)" in said[0]


# --- Bad input -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [False], indirect=True)
def test_without_low_quality_copies_the_notebooks_say_so_and_go_on(asked, said):
    run("01_preparation.ipynb", PROFIL="essai")
    assert any("Aucune copie en basse qualité" in text for text in said)
    said.clear()
    run("03_evaluation.ipynb", PROFIL="essai")
    assert any("Aucune copie en basse qualité" in text for text in said)
    assert not any("écarts en points d'exactitude" in text for text in said)
    assert any("Rien à comparer, faute de copies en basse qualité." in text for text in said)
    assert "faute de copies en basse qualité" in said[-1]  # what is to be remembered


def test_notebook_03_says_what_the_frozen_network_gives_here_and_on_real_works(asked, said):
    run("03_evaluation.ipynb", PROFIL="essai", GRAINE=SEED)
    live = [text for text in said if text.startswith("Œuvres d'apprentissage et de validation montrées au réseau figé")]
    (live,) = live
    assert "Face à la haute qualité, la basse change l'exactitude du réseau figé : montrée à 32 pixels" in live
    real = [text for text in said if text.startswith("Sur de vraies œuvres. ")]
    assert ["montrée à 224 pixels" in text for text in real] == [True, False, False]
    needed = [text for text in said if "le rappel moyen de ces artistes atteigne" in text]
    assert len(needed) == 3  # here, on real works, and in what is to be remembered
    assert all("au réseau entraîné depuis zéro" in text and "au réseau pré-entraîné figé" in text for text in needed)
    assert said[-1].count("macro-F1 de la tête linéaire") == 1


# --- The words of the field ------------------------------------------------------------------------------------------

WORDS = {  # the English word, or its initials -> the French one
    "CNN": "réseau de neurones convolutif",
    "softmax": "exponentielle normalisée",
    "cross-entropy": "entropie croisée",
    "AdamW": "optimiseur",
    "epoch": "époque",
    "bootstrap": "rééchantillonnage",
    "CutMix": "coller dans une œuvre un rectangle d'une autre",
    "FixRes": "corriger l'écart de résolution",
    "CAM": "carte d'activation de classe",
    "ECE": "erreur de calibration attendue",
    "data leakage": "fuite",
}


@pytest.mark.parametrize("word", WORDS)
def test_a_word_of_the_field_is_named_beside_the_french_one(word):
    """In a paragraph, or in a sentence that the notebook says."""
    texts = []
    for path in sorted(ROOT.glob("0*.ipynb")):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            if cell["cell_type"] == "markdown":
                texts.append(" ".join("".join(cell["source"]).split()))
    texts.append(readings.comment_calibration(np.eye(3), np.arange(3), smoothing=0.1))
    assert any(word in text and WORDS[word] in text for text in texts)


# --- What notebook 02 says -------------------------------------------------------------------------------------------


def test_the_score_of_colour_is_said_where_it_is_measured_and_both_networks_judge_alike(asked, said):
    run("02_modele.ipynb", PROFIL="essai")
    assert said[2].startswith("La couleur seule reconnaît")  # before any network; after the data and the settings
    plain, residual, *_ = asked
    assert plain == dataclasses.replace(residual, architecture="plain")
    config = training.profile("essai").config
    compared = next(text for text in said if "Les deux" in text)
    assert f"morceaux de {config.train_side} pixels et jugent les œuvres entières à {config.side}." in " ".join(
        compared.split()
    )
    assert not any("ne peut venir que" in text for text in said)


def test_the_schedule_is_no_precaution_against_memorising():
    cells = json.loads((ROOT / "02_modele.ipynb").read_text(encoding="utf-8"))["cells"]
    (text,) = ("".join(cell["source"]) for cell in cells if "Quatre précautions" in "".join(cell["source"]))
    listed = [line for line in text.splitlines() if line.startswith("- ")]
    assert len(listed) == 4 and not any("taux" in line for line in listed)
    assert "**taux d'apprentissage**, lui, ne protège de rien" in text


def test_three_levels_of_transfer_join_the_table_and_the_figure(asked, said, monkeypatch):
    shown, drawn = {}, []
    monkeypatch.setattr(figures, "tableau", lambda table, *, legende, **options: shown.update({legende: table}))
    monkeypatch.setattr(figures, "montrer", lambda drawing, **options: drawn.append(drawing.alt))
    run("02_modele.ipynb", PROFIL="essai", GRAINE=SEED)
    (table,) = (table for legend, table in shown.items() if "pré-entraîné" in legend)
    levels = ["pré-entraîné, figé", "pré-entraîné, derniers étages", "pré-entraîné, en entier"]
    assert table.index.tolist() == ["couleur seule", "réseau simple", "réseau résiduel", *levels]
    assert table["œuvres"].nunique() == 1
    (alt,) = (alt for alt in drawn if alt.startswith("Que gagne un réseau pré-entraîné ?"))
    assert all(f"{level}, " in alt for level in levels)
    assert any("vraies œuvres, validation" in legend for legend in shown)
    assert any(text.startswith("Sur 1\u202f072 vraies œuvres") for text in said)
    assert "Parti de photographies" in said[-1]


def test_without_the_file_of_choices_the_notebook_says_so_and_goes_on(asked, said, monkeypatch, tmp_path):
    monkeypatch.setattr(variants, "RECORD", tmp_path / "choix.csv")
    run("02_modele.ipynb", PROFIL="essai")
    assert any("(`reference/choix.csv`) sont absentes" in text for text in said)
    assert not any("façons de transférer" in text for text in said)


def test_other_weights_are_those_of_keras_applications(asked):
    run("02_modele.ipynb", PROFIL="essai", POIDS="imagenet")
    last, whole = asked[2:4]
    assert {(config.backbone, config.weights) for config in (last, whole)} == {("EfficientNetV2B0", "imagenet")}
    assert last.frozen_until and not whole.frozen_until
