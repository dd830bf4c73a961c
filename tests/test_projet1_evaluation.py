"""What a classifier of paintings is worth: measures against scikit-learn, folders of all sorts, tables, drawings."""

from __future__ import annotations

import math
import os
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn import metrics as sk

from commun import UserError, results
from commun.datasets import Location
from projet1_artistes import dataset, evaluation, tables, training
from projet1_artistes.dataset import Data
from projet1_artistes.evaluation import LABELS
from projet1_artistes.split import PARTS

NAMES = ("Albrecht Dürer", "Bleu Nuit", "Rouge Vif")
COLOURS = np.array([[40, 200, 60], [30, 60, 200], [220, 40, 40]])  # of their works


class ByColour:
    """A classifier that names the painter whose colour is closest; it sees him where the picture is bright."""

    names = NAMES

    def __init__(self, image_side: int = 128) -> None:
        self.image_side = image_side
        self.seen: list[np.ndarray] = []

    def predict(self, images: np.ndarray) -> np.ndarray:
        self.seen.append(images)
        distances = np.linalg.norm(images.mean(axis=(1, 2))[:, None] - COLOURS, axis=-1)
        odds = np.exp(-distances / 50)
        return (odds / odds.sum(axis=1, keepdims=True)).astype("float32")

    def activation_maps(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        grey = images.mean(axis=-1).reshape(len(images), 4, images.shape[1] // 4, 4, -1).mean(axis=(2, 4))
        return ((grey - 100) * (1 + classes[:, None, None])).astype("float32")


def _answers(count: int, classes: int, *, seed: int = 0, sharp: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities that are right more often than not, and labels, the last class being rare."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, classes - 1, count)
    labels[:2] = classes - 1
    logits = random.normal(0, 1, (count, classes))
    logits[np.arange(count), labels] += sharp
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True), labels


def _data(genres: list, years: list, *, parts: tuple[int, int, int] = (7, 2, 2)) -> Data:
    """As many painters as genres, each with as many works in each part."""
    names = [f"Peintre {chr(65 + i)}" for i in range(len(genres))]
    artists = pd.DataFrame({"name": names, "folder": names, "years": years, "genre": genres})
    part = np.repeat(list(PARTS), parts)
    works = pd.DataFrame({"artist": np.repeat(np.arange(len(genres)), len(part)), "part": np.tile(part, len(genres))})
    works["group"] = np.arange(len(works))
    location = Location(Path("nulle part"), False, "essai")
    images = np.zeros((len(works), 128, 128, 3), np.uint8)
    return Data(works, artists, pd.DataFrame({"file": [], "what": []}), location, images)


def _sure(predicted: list[int], classes: int, probability: float = 0.9) -> np.ndarray:
    """Probabilities that name these classes."""
    table = np.full((len(predicted), classes), (1 - probability) / (classes - 1))
    table[np.arange(len(predicted)), predicted] = probability
    return table


# --- Measures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("classes", [3, 4, 20])
def test_values_are_those_of_scikit_learn(classes: int) -> None:
    probabilities, labels = _answers(200, classes)
    found = evaluation.evaluate(probabilities, labels, np.arange(200), draws=10)
    predicted, present = probabilities.argmax(axis=1), np.unique(labels)
    assert list(found) == list(LABELS)
    top3 = 1 if classes == 3 else sk.top_k_accuracy_score(labels, probabilities, k=3, labels=range(classes))
    expected = {
        "test_accuracy": sk.accuracy_score(labels, predicted),
        "test_top3": top3,
        "test_balanced_accuracy": sk.recall_score(labels, predicted, labels=present, average="macro"),
        "test_macro_f1": sk.f1_score(labels, predicted, labels=present, average="macro"),
    }
    assert {name: entry["value"] for name, entry in found.items()} == pytest.approx(expected)
    assert all(entry["n"] == 200 for entry in found.values())


def test_many_drawings_at_once_are_those_of_scikit_learn_one_by_one() -> None:
    probabilities, labels = _answers(40, 12)
    labels = np.where(labels == 5, 6, labels)  # nobody has class 5, though it is named
    assert (probabilities.argmax(axis=1) == 5).any()
    weights = np.random.default_rng(1).poisson(0.7, (50, 40)).astype("float32")
    top = evaluation.top3(probabilities)
    found = evaluation.weighted_measures(top, labels, weights)
    absent = 0
    for row, drawn in enumerate(weights.astype(int)):
        rows = np.repeat(np.arange(40), drawn)
        true, said = labels[rows], probabilities[rows].argmax(axis=1)
        options = {"labels": np.unique(true), "average": "macro", "zero_division": 0}
        absent += len(np.unique(true)) < len(np.unique(labels))
        expected = (
            sk.accuracy_score(true, said),
            sk.top_k_accuracy_score(true, probabilities[rows], k=3, labels=range(12)),
            sk.recall_score(true, said, **options),
            sk.f1_score(true, said, **options),
        )
        assert [found[name.removeprefix("test_")][row] for name in LABELS] == pytest.approx(expected, rel=1e-5)
    assert absent > 10  # drawings without some artist were tried


def test_the_interval_of_the_accuracy_is_that_of_the_plain_bootstrap() -> None:
    probabilities, labels = _answers(150, 5)
    right = probabilities.argmax(axis=1) == labels
    found = evaluation.evaluate(probabilities, labels, np.arange(150))["test_accuracy"]
    assert found["ci95"] == pytest.approx(results.metric(right)["ci95"], abs=0.015)


def test_near_duplicates_are_drawn_together() -> None:
    probabilities, labels = _answers(60, 5)
    repeated = np.repeat(np.arange(60), 4)
    probabilities, labels = probabilities[repeated], labels[repeated]
    widths = {}
    for name, groups in {"apart": np.arange(240), "together": 1000 - repeated, "one": np.zeros(240, int)}.items():
        low, high = evaluation.evaluate(probabilities, labels, groups, draws=500)["test_accuracy"]["ci95"]
        widths[name] = high - low
    assert widths["together"] == pytest.approx(2 * widths["apart"], rel=0.2)  # four copies say no more than one
    assert widths["one"] > 0.8  # one trial: all draws are alike, which is no certainty


def test_where_all_answers_are_right_the_interval_is_that_of_wilson() -> None:
    labels, groups = np.repeat([0, 1, 2], [40, 8, 2]), np.r_[np.arange(48), 100, 100]  # 49 groups: 40, 8 and 1
    found = evaluation.evaluate(np.eye(3)[labels], labels, groups, draws=50)
    for name in ("test_accuracy", "test_top3"):
        assert found[name]["ci95"] == pytest.approx(results.wilson(1, 49))
    mean = found["test_balanced_accuracy"]["ci95"]  # as many trials as have the variance of a mean of three recalls
    assert mean == pytest.approx(results.wilson(1, 9 / (1 / 40 + 1 / 8 + 1))) == found["test_macro_f1"]["ci95"]
    assert mean[0] < found["test_accuracy"]["ci95"][0] < 0.95
    nothing = evaluation.evaluate(np.eye(3)[(labels + 1) % 3], labels, groups, draws=50)
    assert nothing["test_accuracy"]["ci95"] == pytest.approx(results.wilson(0, 49))


def test_intervals_hold_the_value_and_are_always_the_same() -> None:
    probabilities, labels = _answers(120, 6)
    first, second = (evaluation.evaluate(probabilities, labels, np.arange(120), draws=200) for _ in range(2))
    assert first == second
    for entry in first.values():
        low, high = entry["ci95"]
        assert low <= entry["value"] <= high and high - low < 0.4


def test_without_any_work_measures_are_undefined() -> None:
    found = evaluation.evaluate(np.zeros((0, 3)), np.zeros(0, int), np.zeros(0, int))
    assert list(found) == list(LABELS)
    assert all(math.isnan(entry["value"]) and entry["n"] == 0 for entry in found.values())
    assert "indéfini" in results.comparison(LABELS, found, None, evaluation.PUBLISHED).to_string()


def test_the_first_of_the_three_is_the_artist_named() -> None:
    ties = np.array([[0.25, 0.25, 0.25, 0.25], [0.1, 0.4, 0.1, 0.4]])
    assert evaluation.top3(ties).tolist() == [[0, 1, 2], [1, 3, 0]]
    assert evaluation.top3(ties[:, :2]).tolist() == [[0, 1], [1, 0]]


def test_published_figures_are_those_of_known_measures() -> None:
    assert set(evaluation.PUBLISHED) <= set(LABELS)


def test_views_are_the_picture_its_mirror_and_its_corners() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    classifier = ByColour()
    evaluation.predict_views(classifier, images)
    whole, mirror, *corners = classifier.seen
    assert (whole == images).all() and (mirror[:, :, ::-1] == images).all()
    assert [view.shape for view in corners] == [(2, 28, 28, 3)] * 4
    assert (corners[0] == images[:, :28, :28]).all() and (corners[1] == images[:, :28, 4:]).all()
    assert (corners[2] == images[:, 4:, :28]).all() and (corners[3] == images[:, 4:, 4:]).all()


def test_answers_to_views_are_averaged() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    classifier = ByColour()
    found = evaluation.predict_views(classifier, images)
    assert len(classifier.seen) == 6
    assert found.shape == (3, 3) and found.sum(axis=1) == pytest.approx(1)
    one_by_one = [ByColour().predict(view) for view in classifier.seen]
    np.testing.assert_allclose(found, sum(one_by_one) / 6, rtol=1e-5)
    assert np.abs(found - one_by_one[0]).max() > 1e-4


# --- A whole folder --------------------------------------------------------------------------------------------------


def _paint(path: Path, artist: int, seed: int, size: tuple[int, int] = (150, 130), **options) -> None:
    """A work in the artist's colour with some shapes of its own."""
    random, (width, height) = np.random.default_rng(seed), size
    y, x = np.indices((height, width)) / 40
    waves = sum(random.normal() * np.sin(random.normal(0, 2) * x + random.normal(0, 2) * y + 6 * random.random())
                for _ in range(12))  # fmt: skip
    pixels = np.clip(COLOURS[artist] + 12 * waves[..., None], 0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)


@pytest.fixture
def folder(tmp_path: Path, work: Path) -> Path:
    """Four works of Dürer under a mangled name, three of Bleu Nuit; nothing by Rouge Vif, no table, no small copies."""
    root = tmp_path / "données" / "images" / "images"
    mangled = "Albrecht_Dürer".encode().decode("cp437")
    for number, size in enumerate([(150, 130), (90, 300), (700, 64), (41, 40)]):
        _paint(root / mangled / f"{mangled}_{number}.jpg", 0, number, size)
    for number in range(3):
        _paint(root / "Bleu_Nuit" / f"Bleu_Nuit_{number}.png", 1, 100 + number)
    return root.parents[1]


def test_a_clean_folder_is_read_in_silence(folder: Path) -> None:
    classifier = ByColour()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table, measured = evaluation.evaluate_folder(str(folder), classifier=classifier, draws=50)
    assert list(table.columns) == ["path", "artist", "predicted", "probability", "top3"]
    assert list(table["artist"]) == ["Albrecht Dürer"] * 4 + ["Bleu Nuit"] * 3 == list(table["predicted"])
    assert all(path.is_file() for path in table["path"]) and table.attrs["notes"] == []
    assert (table["probability"] > 1 / 3).all() and table["probability"].max() < 1
    assert table["top3"][0].split(", ")[0] == "Albrecht Dürer" and set(table["top3"][0].split(", ")) == set(NAMES)
    assert {name: entry["value"] for name, entry in measured.items()} == dict.fromkeys(LABELS, 1)
    assert {entry["n"] for entry in measured.values()} == {7}
    (seen,) = classifier.seen  # once: no test-time augmentation
    assert seen.shape == (7, 128, 128, 3) and seen.dtype == np.uint8


def test_pictures_are_seen_as_in_training(folder: Path, tmp_path: Path) -> None:
    """The middle of a wide picture is shown: what is at its ends does not count."""
    wide = np.full((100, 300, 3), COLOURS[2], np.uint8)
    wide[:, 100:200] = COLOURS[1] + np.random.default_rng(0).integers(-9, 9, (100, 100, 1))
    Image.fromarray(wide).save(folder / "images" / "images" / "Bleu_Nuit" / "large.png")
    table, measured = evaluation.evaluate_folder(folder, classifier=ByColour(), draws=5)
    assert list(table["predicted"]) == list(table["artist"]) and measured["test_accuracy"]["n"] == 8


def test_unreadable_files_are_left_out_and_counted(folder: Path) -> None:
    root = folder / "images" / "images"
    (root / "Bleu_Nuit" / "vide.jpg").touch()
    (root / "Bleu_Nuit" / "notes.txt").write_text("x", encoding="utf-8")
    whole = next((root / "Bleu_Nuit").glob("*_1.png")).read_bytes()
    (root / "Bleu_Nuit" / "coupée.png").write_bytes(whole[: len(whole) // 2])
    (root / "Vide").mkdir()
    for number in range(5):
        (root / "Bleu_Nuit" / f"faux {number}.png").write_bytes(b"rien")
    with pytest.warns(UserWarning, match="Laissés de côté") as caught:
        table, measured = evaluation.evaluate_folder(folder, classifier=ByColour(), draws=5)
    assert len(table) == 7 == measured["test_accuracy"]["n"]
    (note,) = table.attrs["notes"]
    assert [str(warning.message) for warning in caught] == [note]
    for told in (
        "fichier vide, 1 (Bleu_Nuit/vide.jpg)",
        "n'est pas un fichier d'image, 1 (Bleu_Nuit/notes.txt)",
        "image tronquée ou abîmée, 1 (Bleu_Nuit/coupée.png)",
        "aucune œuvre dans ce dossier, 1 (images/Vide)",
        "pas une image, ou tronquée, 5 (Bleu_Nuit/faux 0.png, Bleu_Nuit/faux 1.png, Bleu_Nuit/faux 2.png, …)",
    ):
        assert told in note


def test_unknown_artists_keep_a_row_but_do_not_count(folder: Path) -> None:
    for number in range(2):
        _paint(folder / "images" / "images" / "Élise_Inconnue" / f"{number}.jpg", 2, 200 + number)
    with pytest.warns(UserWarning, match=r"ne connaît pas.*Élise Inconnue \(2\)"):
        table, measured = evaluation.evaluate_folder(folder, classifier=ByColour(), draws=5)
    assert list(table["artist"][-2:]) == ["Élise Inconnue"] * 2 and list(table["predicted"][-2:]) == ["Rouge Vif"] * 2
    assert measured["test_accuracy"] == {"value": 1, "ci95": results.wilson(1, 7), "n": 7}


def test_a_folder_of_strangers_has_rows_and_no_measure(tmp_path: Path, work: Path) -> None:
    for number in range(3):
        _paint(tmp_path / "images" / "images" / "Personne" / f"{number}.jpg", 2, number)
    with pytest.warns(UserWarning, match=r"Personne \(3\)"):
        table, measured = evaluation.evaluate_folder(tmp_path, classifier=ByColour())
    assert len(table) == 3 and math.isnan(measured["test_macro_f1"]["value"])


def test_wrong_answers_are_counted_by_artist(folder: Path) -> None:
    for number in range(2):
        _paint(folder / "images" / "images" / "Rouge_Vif" / f"{number}.jpg", 1, 300 + number)  # as Bleu Nuit paints
    _, measured = evaluation.evaluate_folder(folder, classifier=ByColour(), draws=50)
    assert measured["test_accuracy"]["value"] == pytest.approx(7 / 9)
    assert measured["test_balanced_accuracy"]["value"] == pytest.approx(2 / 3)
    assert measured["test_macro_f1"]["value"] == pytest.approx((1 + 6 / 8 + 0) / 3)


def test_near_duplicates_of_a_folder_form_groups(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = folder / "images" / "images" / "Bleu_Nuit"
    with Image.open(place / "Bleu_Nuit_1.png") as image:
        image.resize((110, 95)).save(place / "copie.jpg", quality=60)
    kept: dict[str, np.ndarray] = {}
    monkeypatch.setattr(evaluation, "evaluate", lambda p, labels, groups, *, draws: kept.update(groups=groups) or {})
    table, _ = evaluation.evaluate_folder(folder, classifier=ByColour())
    names = [path.name for path in table["path"]]
    same = kept["groups"] == kept["groups"][names.index("copie.jpg")]
    assert {name for name, one in zip(names, same, strict=True) if one} == {"copie.jpg", "Bleu_Nuit_1.png"}
    assert len(np.unique(kept["groups"])) == 7


@pytest.mark.parametrize("committed", [["modele"], ["modele", "transfert"]], ids=["scratch alone", "both"])
def test_the_best_committed_network_answers_by_default(folder, tmp_path, monkeypatch, committed) -> None:
    asked, judge = [], ByColour(image_side=160)
    monkeypatch.setattr(training, "load_reference", lambda *, model: asked.append(model) or judge)
    monkeypatch.setattr(training.best_reference, "__defaults__", (tmp_path,))
    for name in committed:
        (tmp_path / f"{name}.npz").touch()
    fallback = "zéro" if committed == ["modele"] else "transfert"
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for model in ("", "zéro", "transfert"):
            table, _ = evaluation.evaluate_folder(folder, model=model, draws=5)
    assert asked == [fallback, "zéro", fallback]
    assert judge.seen[0].shape == (7, 160, 160, 3)
    said = [str(warning.message) for warning in caught if "n'est pas dans reference/" in str(warning.message)]
    assert len(said) == (fallback == "zéro") and ([*said] == table.attrs["notes"][: len(said)])


def test_a_folder_without_works_is_a_user_error(tmp_path: Path, work: Path) -> None:
    with pytest.raises(UserError, match="images"):
        evaluation.evaluate_folder(tmp_path, classifier=ByColour())
    place = tmp_path / "images" / "images" / "Bleu_Nuit"
    place.mkdir(parents=True)
    (place / "a.jpg").touch()
    with pytest.raises(UserError, match="aucune œuvre lisible"):
        evaluation.evaluate_folder(tmp_path, classifier=ByColour())


# --- Tables ----------------------------------------------------------------------------------------------------------

GENRES = ["Baroque", "Cubism,Baroque", "Baroque", None, "Brumisme", "Cubism"]
YEARS = ["1606 - 1669", "1881 – 1973", "1571 - 1610", None, "1500 - 1550", "vers 1890"]


def test_styles_are_french_and_periods_stay_on_one_line() -> None:
    found = evaluation.styles(_data(GENRES, YEARS))
    assert list(found["genre"]) == ["baroque", "cubisme", "baroque", evaluation.UNKNOWN, "Brumisme", "cubisme"]
    periods = [period.replace("\u2060", "") for period in found["period"]]
    assert periods == ["1606–1669", "1881–1973", "1571–1610", "", "1500–1550", "1890"]
    assert found["born"].tolist()[:3] == [1606, 1881, 1571] and math.isnan(found["born"][3])


def test_artists_are_ordered_by_genre_then_by_birth() -> None:
    data = _data(GENRES, YEARS)
    assert evaluation.style_order(data).tolist() == [4, 2, 0, 1, 5, 3]
    nothing = _data([None] * 3, [None] * 3)
    assert evaluation.style_order(nothing).tolist() == [0, 1, 2]


def test_every_genre_of_the_real_table_has_a_french_name() -> None:
    path = Path(os.environ["PROJETS_DONNEES_REELLES"] or "absent") / dataset.NAME / "artists.csv"
    if not path.is_file():
        pytest.skip("the real artists.csv is not here")
    genres = pd.read_csv(path)["genre"].str.split(",").explode().str.strip()
    assert set(genres) <= set(evaluation.GENRES)


def test_artist_measures() -> None:
    data = _data(GENRES[:4], YEARS[:4], parts=(7, 2, 3))
    labels = np.array([0, 0, 0, 1, 1, 2, 2])
    table = evaluation.artist_measures(_sure([0, 1, 1, 1, 1, 0, 2], 4), labels, data)
    assert list(table["name"]) == data.names and list(table["learnt"]) == [7] * 4
    assert list(table["tested"]) == [3, 2, 2, 0]
    assert table["recall"].tolist()[:3] == pytest.approx([1 / 3, 1, 1 / 2])
    assert table["precision"].tolist()[:3] == pytest.approx([1 / 2, 1 / 2, 1])
    assert table["f1"].tolist()[:3] == pytest.approx([0.4, 2 / 3, 2 / 3])
    assert table.loc[3, ["recall", "precision", "f1"]].isna().all()  # not tested
    assert table["confused_with"].fillna("").tolist() == ["Peintre B (2)", "", "Peintre A (1)", ""]
    titles = dict(zip(table, tables.artist_table(table), strict=True))
    assert titles | {"learnt": "apprises", "f1": "F1", "confused_with": "souvent pris pour"} == titles


def test_an_artist_who_is_never_named_has_no_precision() -> None:
    table = evaluation.artist_measures(_sure([0, 0, 0], 3), np.array([0, 1, 1]), _data(GENRES[:3], YEARS[:3]))
    assert table["f1"].tolist()[:2] == pytest.approx([0.5, 0]) and math.isnan(table["precision"][1])
    assert math.isnan(table["f1"][2])


def test_frequent_confusions(monkeypatch: pytest.MonkeyPatch) -> None:
    data = _data(GENRES, YEARS)
    labels = np.array([0, 0, 0, 0, 1, 1, 2, 2, 5])
    confusions = evaluation.frequent_confusions(_sure([2, 2, 0, 0, 5, 5, 1, 2, 5], 6), labels, data)
    assert confusions[["true", "named"]].to_numpy().tolist() == [[1, 5], [0, 2], [2, 1]]
    table = tables.confusion_table(confusions, data)
    assert list(table["œuvres"]) == [2, 2, 1]
    assert list(table["part"]) == pytest.approx([1, 0.5, 0.5])  # of as many works, the greater share first
    assert list(table["peintre"]) == ["Peintre B", "Peintre A", "Peintre C"]
    assert list(table["pris pour"]) == ["Peintre F", "Peintre C", "Peintre B"]
    assert list(table["genres"]) == ["cubisme", "baroque", "baroque → cubisme"]
    assert table["périodes"][1].replace("\u2060", "") == "1606–1669 → 1571–1610"
    monkeypatch.setattr(evaluation, "N_CONFUSIONS", 2)
    assert len(evaluation.frequent_confusions(_sure([2, 2, 0, 0, 5, 5, 1, 2, 5], 6), labels, data)) == 2


def test_without_errors_there_is_no_confusion() -> None:
    data, labels = _data(GENRES, YEARS), np.arange(6)
    table = tables.confusion_table(evaluation.frequent_confusions(np.eye(6), labels, data), data)
    assert table.empty and "pris pour" in table
    assert evaluation.errors_by_genre(np.eye(6), labels, data)["errors"] == 0


def test_errors_by_genre_against_brute_force() -> None:
    data = _data(GENRES, YEARS)
    probabilities, labels = _answers(80, 6, sharp=1)
    predicted, genre = probabilities.argmax(axis=1), list(evaluation.styles(data)["genre"])
    wrong = [(t, s) for t, s in zip(labels, predicted, strict=True) if t != s]
    alike, chance = [], []
    for true, said in wrong:
        alike.append(genre[true] == genre[said])
        others = [s for s in predicted if s != true]
        chance.append(np.mean([genre[s] == genre[true] for s in others]))
    found = evaluation.errors_by_genre(probabilities, labels, data)
    assert found == pytest.approx({"errors": len(wrong), "same_genre": np.mean(alike), "chance": np.mean(chance)})


@pytest.mark.parametrize("count", [7, 10, 95])
def test_calibration_bins_hold_as_many_answers(count: int) -> None:
    probabilities, labels = _answers(count, 4)
    table = evaluation.calibration(probabilities, labels)
    assert len(table) == min(10, count) and table["answers"].sum() == count
    assert np.ptp(table["answers"]) <= 1 and table["confidence"].is_monotonic_increasing
    right = probabilities.argmax(axis=1) == labels
    assert np.average(table["accuracy"], weights=table["answers"]) == pytest.approx(right.mean())
    order = np.argsort(probabilities.max(axis=1))
    gaps = [
        abs(right[part].mean() - probabilities[part].max(axis=1).mean()) * len(part)
        for part in np.array_split(order, min(10, count))
    ]
    assert evaluation.calibration_error(table) == pytest.approx(sum(gaps) / count)


def test_calibration_tells_right_from_wrong_confidence() -> None:
    random = np.random.default_rng(0)
    probability = random.uniform(0.5, 1, 20_000)
    probabilities = np.stack([probability, 1 - probability], axis=1)
    labels = (random.random(20_000) > probability).astype(int)
    good = evaluation.calibration(probabilities, labels)
    assert evaluation.calibration_error(good) < 0.02
    assert ((good["low"] < good["confidence"]) & (good["confidence"] < good["high"])).sum() >= 8
    assert evaluation.calibration_error(evaluation.calibration(probabilities, 1 - labels)) > 0.4


def test_interval_of_a_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "BINS", 1)
    table = evaluation.calibration(_sure([0] * 10, 2), np.repeat([0, 1], 5))
    assert table[["low", "high"]].to_numpy()[0] == pytest.approx([0.2366, 0.7634], abs=1e-4)  # Wilson, 5 of 10


def test_most_confident_answers_one_a_painter() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    probabilities = np.array([
        [0.6, 0.3, 0.1],
        [0.8, 0.1, 0.1],  # the most confident right answer for 0
        [0.9, 0.1, 0.0],  # the most confident wrong answer for 1
        [0.7, 0.2, 0.1],
        [0.1, 0.5, 0.4],  # wrong
        [0.05, 0.0, 0.95],
    ])
    assert evaluation.most_confident(probabilities, labels, 5, correct=True).tolist() == [5, 1]
    assert evaluation.most_confident(probabilities, labels, 5, correct=False).tolist() == [2, 4]
    assert evaluation.most_confident(probabilities, labels, 1, correct=False).tolist() == [2]
    assert evaluation.most_confident(np.eye(3), np.arange(3), 4, correct=False).tolist() == []
