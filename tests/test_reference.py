"""What `reference/` promises, and that RESULTATS.md and the README say the same."""

import json
import os
import re
from pathlib import Path

import pytest

from commun import datasets, figures, results
from projet1_artistes import dataset as paintings
from projet1_artistes import evaluation as attribution
from projet1_artistes import training as attributor
from projet1_artistes.split import TEST
from projet2_cvae import dataset, evaluation
from projet3_ssl_anomalies import REFERENCE as ANOMALIES_FOLDER
from projet3_ssl_anomalies import dataset as parts
from projet3_ssl_anomalies import storage as anomalies
from projet3_ssl_anomalies.evaluation import score_data
from projet3_ssl_anomalies.pretexts import PRETEXTS
from projet3_ssl_anomalies.signals import BASELINE, FUSED, REPRESENTATION, title

ROOT = Path(__file__).resolve().parents[1]
REFERENCES = sorted(ROOT.glob("projet*/reference"))


def told(name):
    """What a page of the repository says."""
    return (ROOT / name).read_text(encoding="utf-8").replace(figures.NBSP, " ")


@pytest.mark.parametrize("folder", REFERENCES, ids=lambda path: path.parent.name)
def test_a_reference_is_small_licensed_and_holds_no_picture(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    most = 10_000_000 if folder == attributor.REFERENCE else 5_000_000  # project 1 has two networks
    assert sum(path.stat().st_size for path in files) < most
    assert (folder / "LICENCE.md").is_file()
    assert not [path for path in files if path.suffix.lower() in {".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg"}]


@pytest.mark.parametrize("folder", REFERENCES, ids=lambda path: path.parent.name)
def test_metrics_have_the_promised_form(folder):
    content = results.read_metrics(folder / "metrics.json")
    assert {"dataset", "split", "hardware", "duration_s", "date", "command", "metrics"} <= set(content)
    for name, entry in content["metrics"].items():
        low, high = entry["ci95"]
        assert low <= entry["value"] <= high, name
        assert entry["n"] > 0
        assert entry["per_seed"]
    assert (folder / "journal.csv").read_text(encoding="utf-8").count("\n") >= 2


def test_the_reference_of_project_2_names_its_eight_metrics_and_thirty_trials():
    content = results.read_metrics(evaluation.REFERENCE / "metrics.json")
    rival = {f"rival/{name}" for name in ("class_fidelity", "diversity", "frechet_ratio")}
    assert set(content["metrics"]) == set(evaluation.LABELS) | rival and content["frechet_train_test"] > 0
    assert len((evaluation.REFERENCE / "etude.csv").read_text(encoding="utf-8").splitlines()) > 30


def test_the_results_say_what_the_reference_measured():
    text = told("RESULTATS.md")
    metrics = json.loads((evaluation.REFERENCE / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    for name in evaluation.LABELS:
        entry = metrics[name]
        value = figures.number(entry["value"])
        mean = figures.number(sum(entry["per_seed"]) / len(entry["per_seed"]))
        row = next(line for line in text.splitlines() if line.startswith(f"| {evaluation.LABELS[name]} |"))
        assert f"| {value} [" in row, name
        assert f"| {mean} |" in row, name


def test_the_committed_weights_give_the_committed_figures(monkeypatch):
    """On the real test part where it is present: the four figures that need no long computation."""
    monkeypatch.setenv("PROJETS_DATA", os.environ.get("PROJETS_DONNEES_REELLES", ""))
    folder = datasets.find("fashion_mnist")
    if folder is None:
        pytest.skip("Fashion-MNIST n'est pas sur cette machine")
    metrics = results.read_metrics(evaluation.REFERENCE / "metrics.json")["metrics"]
    test = dataset.read_part(folder, "test")
    terms = evaluation.nelbo_terms(evaluation.load_reference_model(), test)
    assert terms.sum(axis=1).mean() == pytest.approx(metrics["test_nelbo"]["value"], abs=1e-3)
    assert terms[:, 1].mean() == pytest.approx(metrics["test_kl"]["value"], abs=1e-3)
    generated = evaluation.generation_metrics(
        evaluation.load_reference_model(), evaluation.load_reference_features(), test, draws=2
    )
    for name, entry in generated.items():
        assert entry["value"] == pytest.approx(metrics[name]["value"], rel=1e-3), name


ANOMALIES = json.loads((ANOMALIES_FOLDER / "metrics.json").read_text(encoding="utf-8"))["metrics"]
JUDGED = sorted({name.split("/")[0] for name in ANOMALIES})
METHODS = (BASELINE, *PRETEXTS, REPRESENTATION, FUSED)


def _reported(category, method):
    """The metrics of a method; those of pixels are absent from a category whose copy has no masks."""
    start = f"{category}/{method}/"
    return {name.removeprefix(start) for name in ANOMALIES if name.startswith(start)}


@pytest.mark.parametrize("category", JUDGED)
def test_every_method_of_project_3_is_reported_and_not_the_best_one(category):
    for method in METHODS:
        assert _reported(category, method) == _reported(category, FUSED) >= {"image_auroc", "image_ap"}
    assert (ANOMALIES_FOLDER / category / "ablation.csv").is_file()


@pytest.mark.parametrize("category", JUDGED)
def test_the_results_say_what_the_detectors_measured(category):
    text = told("RESULTATS.md")
    judge = anomalies.load_detector(category)
    part = judge.category.title if judge.side == 128 else f"{judge.category.title}, {judge.side} pixels"
    for method in METHODS:
        row = next(line for line in text.splitlines() if line.startswith(f"| {part} | {title(method)} |"))
        for metric in {"image_auroc", "pixel_auroc", "au_pro"} & _reported(category, method):
            assert f"| {figures.number(ANOMALIES[f'{category}/{method}/{metric}']['value'], 3)} [" in row, (
                method,
                metric,
            )


@pytest.mark.parametrize("category", JUDGED)
def test_no_committed_model_holds_the_mean_image(category):
    for trained in anomalies.load_detector(category).models.values():
        assert not trained.config.start_from_mean
        assert not trained.mean_image.numpy().any()


@pytest.mark.parametrize("category", JUDGED)
def test_the_committed_detectors_give_the_committed_figures(monkeypatch, category):
    monkeypatch.setenv("PROJETS_DATA", os.environ.get("PROJETS_DONNEES_REELLES", ""))
    if datasets.find("mvtec_ad", category) is None:
        pytest.skip(f"la catégorie {category} de MVTec AD n'est pas sur cette machine")
    data = parts.load(category)  # with the images that the loader holds out of the training part, if the test has few
    scores = score_data(data, anomalies.load_detector(category), draws=2)
    for name in {"image_auroc", "pixel_auroc", "au_pro"} & _reported(category, FUSED):
        assert scores.metrics[name]["value"] == pytest.approx(ANOMALIES[f"{category}/fused/{name}"]["value"], abs=1e-3)


PAINTERS = json.loads((attributor.REFERENCE / "metrics.json").read_text(encoding="utf-8"))["metrics"]


def test_the_reference_of_project_1_names_its_metrics():
    assert set(attribution.LABELS) <= set(PAINTERS)
    assert len(attributor.load_reference().names) == 50


def test_the_results_say_how_well_painters_are_recognised():
    text = told("RESULTATS.md")
    for name, label in attribution.LABELS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| {label} |"))
        low, high = PAINTERS[name]["ci95"]
        expected = f"| {figures.number(PAINTERS[name]['value'])} [{figures.number(low)} ; {figures.number(high)}] |"
        assert expected in row, name


@pytest.mark.parametrize(("model", "prefix"), [(attributor.FROM_SCRATCH, ""), (attributor.TRANSFERRED, "transfer/")])
def test_the_committed_networks_give_the_committed_figures(monkeypatch, model, prefix):
    monkeypatch.setenv("PROJETS_DATA", os.environ.get("PROJETS_DONNEES_REELLES", ""))
    folder = datasets.find(paintings.NAME)
    if folder is None:
        pytest.skip("Best Artworks of All Time n'est pas sur cette machine")
    if f"{prefix}test_accuracy" not in PAINTERS:
        pytest.skip("ce réseau n'est pas encore dans reference/")
    data, judge = paintings.open_folder(datasets.Location(folder, True, "")), attributor.load_reference(model=model)
    test = data.rows(TEST)
    probabilities = judge.predict(paintings.pictures(data, judge.image_side)[test])
    measured = attribution.evaluate(probabilities, data.labels[test], data.groups[test], draws=2)
    for name in attribution.LABELS:
        assert measured[name]["value"] == pytest.approx(PAINTERS[f"{prefix}{name}"]["value"], abs=1e-3), name


@pytest.mark.parametrize(
    ("project", "names", "decimals"),
    [
        ("projet1_artistes", ("transfer/test_accuracy", "test_accuracy"), 3),
        ("projet2_cvae", ("class_fidelity", "test_nelbo"), None),
        ("projet3_ssl_anomalies", [f"{part}/{FUSED}/image_auroc" for part in ("bottle", "toothbrush", "pill")], 2),
    ],
)
def test_the_readme_sums_up_each_project_with_the_measured_figures(project, names, decimals):
    metrics = json.loads((ROOT / project / "reference" / "metrics.json").read_text(encoding="utf-8"))["metrics"]
    row = next(line for line in told("README.md").splitlines() if line.startswith(f"| `{project}` |"))
    for name in names:
        value = figures.number(metrics[name]["value"], 3 if project.startswith("projet3") else None)
        low, high = (figures.number(bound, decimals) for bound in metrics[name]["ci95"])
        assert value in row and f"[{low} ; {high}]" in row, name


@pytest.mark.parametrize(
    "name", ["README.md", "RESULTATS.md", "ARCHITECTURE.md", "benchmarks/README.md", "data/README.md"]
)
def test_the_links_of_a_page_lead_somewhere(name):
    text = told(name)
    titles = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        elif not target.startswith("http"):
            assert (ROOT / name).parent.joinpath(target).exists(), target
