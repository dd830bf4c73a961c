"""Results: intervals, metrics files, comparison tables."""

from __future__ import annotations

import json
import re
import sys

import numpy as np
import pandas as pd
import pytest

from commun import UserError, results

# --- Intervals -------------------------------------------------------------------------------------------------------


def test_bootstrap_of_a_mean_is_close_to_the_normal_interval():
    values = np.random.default_rng(0).normal(10, 3, 400)
    low, high = results.bootstrap(lambda i: values[i].mean(), len(values))
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.08 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.08 * half)


def test_bootstrap_draws_with_replacement_as_many_examples_as_there_are():
    drawn = []
    results.bootstrap(lambda i: drawn.append(i) or 0.0, 50, draws=40)
    assert len(drawn) == 40
    assert all(len(i) == 50 and i.min() >= 0 and i.max() < 50 for i in drawn)
    distinct = np.mean([len(set(i)) for i in drawn])
    assert 28 < distinct < 36  # 50 (1 - 1/e) = 31.6


def test_bootstrap_always_draws_the_same():
    values = np.arange(30.0)
    first, again = (results.bootstrap(lambda i: values[i].mean(), 30, draws=50) for _ in range(2))
    assert first == again


def test_the_interval_shrinks_as_the_square_root_of_n():
    random = np.random.default_rng(0)
    widths = []
    for n in (100, 1600):
        low, high = results.metric(random.normal(size=n), draws=500)["ci95"]
        widths.append(high - low)
    assert widths[0] / widths[1] == pytest.approx(4, rel=0.2)


def test_metric_of_a_proportion():
    found = results.metric(np.array([True] * 30 + [False] * 10), draws=200)
    assert found["value"] == 0.75
    assert found["n"] == 40
    assert 0 < found["ci95"][0] < 0.75 < found["ci95"][1] < 1
    assert json.loads(json.dumps(found)) == found  # plain Python numbers


def test_the_interval_of_wilson():
    assert results.wilson(0.5, 10) == pytest.approx([0.2366, 0.7634], abs=1e-4)
    assert results.wilson(0.9, 20) == pytest.approx([0.6990, 0.9721], abs=1e-4)
    low, high = results.wilson(1.0, 90)
    assert low == pytest.approx(90 / (90 + 1.96**2), abs=1e-4) and high == 1  # n / (n + z^2)
    assert results.wilson(0.0, 90) == pytest.approx([0, 1 - low])


@pytest.mark.parametrize("right", [True, False])
def test_answers_that_are_all_alike_are_not_certain(right):
    found = results.metric(np.full(50, right), draws=20)
    assert found["value"] == right and found["ci95"] == results.wilson(right, 50)
    assert found["ci95"][1] - found["ci95"][0] > 0.05
    assert json.loads(json.dumps(found)) == found
    assert results.metric(np.full(50, 3.5), draws=20)["ci95"] == [3.5, 3.5]  # no proportion


# --- Files -----------------------------------------------------------------------------------------------------------


def test_metrics_file_round_trip(tmp_path):
    content = {"dataset": "été", "metrics": {"nelbo": {"value": 234.5, "ci95": [233.0, 236.0], "n": 10}}}
    path = tmp_path / "dossier à créer" / "metrics.json"
    results.write_json(path, content)
    assert results.read_metrics(path) == content
    assert "été" in path.read_text(encoding="utf-8")
    results.write_json(path, content | {"dataset": "b"})
    assert results.read_metrics(path)["dataset"] == "b"


def test_a_failed_write_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "metrics.json"
    results.write_json(path, {"metrics": {}})
    with pytest.raises(TypeError):
        results.write_json(path, {"metrics": object()})
    assert results.read_metrics(path) == {"metrics": {}}
    assert [p.name for p in tmp_path.iterdir()] == ["metrics.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"metrics": 3}', b"3", b"\xff\xfe", b"null"])
def test_an_invalid_metrics_file_is_a_user_error(tmp_path, content):
    path = tmp_path / "metrics.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"metrics\.json n'est pas un fichier de mesures valide"):
        results.read_metrics(path)


def test_the_head_of_a_metrics_file(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["__main__.py", "--images", "12", "--sans-test"])
    about = {"dataset": "Été", "split": {"bottle": "209 images"}}
    head = results.header(project="projet9_bien", **about, seconds=59.7)
    assert list(head) == ["dataset", "split", "hardware", "duration_s", "date", "command"]
    assert head.items() >= about.items()
    assert head["duration_s"] == 60 and isinstance(head["duration_s"], int)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", head["date"])
    assert head["hardware"] == results.hardware() and " cœurs, " in head["hardware"]
    assert head["command"] == "python -m projet9_bien --images 12 --sans-test"
    results.write_json(tmp_path / "metrics.json", head | {"metrics": {}})
    assert results.read_metrics(tmp_path / "metrics.json") == head | {"metrics": {}}


def test_no_metrics_file_is_none(tmp_path):
    assert results.read_metrics(tmp_path / "metrics.json") is None


def test_the_journal_gains_a_line_at_each_reading(tmp_path):
    path = tmp_path / "journal.csv"
    results.journal(path, "0012", {"test_nelbo": np.float32(234.56789)})
    results.journal(path, "12e4", {"test_nelbo": 233.0, "test_kl": 20.0})
    table = pd.read_csv(path, dtype=str)
    assert table["configuration"].tolist() == ["0012", "12e4"]  # hashes stay texts
    assert table["test_nelbo"].astype(float).tolist() == [pytest.approx(234.5679), 233]
    assert table["date"].str.fullmatch(r"\d{4}-\d\d-\d\d").all()


def test_the_head_of_metrics_says_where_models_were_trained_if_it_is_elsewhere():
    about = {"project": "p", "dataset": "d", "split": "s", "seconds": 1}
    here = results.hardware()
    assert {results.header(**about, trained_on=machines)["hardware"] for machines in ((), [""], [here, ""])} == {here}
    elsewhere = results.header(**about, trained_on=["GPU B", here, "GPU A", "GPU A"])["hardware"]
    assert elsewhere == f"entraînement : GPU A ; GPU B ; mesures : {here}"


LABELS = {"b": "Mesure B", "a": "Mesure A"}
MINE = {"a": {"value": 0.5, "ci95": [0.25, 0.75]}, "hors": {"value": 1, "ci95": [1, 1]}}


@pytest.mark.parametrize(
    "reference", [None, {"metrics": {}}, {"metrics": {"b": {"value": -1500, "ci95": [-2e3, -1e3]}}}]
)
def test_comparison_has_the_rows_of_the_labels_and_a_dash_where_nothing_is_known(reference):
    table = results.comparison(LABELS, MINE, reference, {"b": "0,9 (auteurs)"})
    assert table.index.tolist() == ["Mesure B", "Mesure A"]
    assert table["cette exécution"].tolist() == ["–", "0,500 [0,250 ; 0,750]"]
    assert table["publié"].tolist() == ["0,9 (auteurs)", "–"]
    known = reference and reference["metrics"]
    expected = "−1\u202f500 [−2\u202f000 ; −1\u202f000]" if known else "–"
    assert table["référence sur données réelles"].tolist() == [expected, "–"]


def test_other_models_of_the_reference_are_compared_only_where_they_are():
    reference = {"metrics": {"frozen/b": {"value": 0.5, "ci95": [0.25, 0.75]}}}
    more = {"frozen/": "figé", "transfer/": "affiné"}
    table = results.comparison(LABELS, MINE, reference, {}, more=more)
    assert list(table) == ["cette exécution", "référence sur données réelles", "figé", "publié"]
    assert table["figé"].tolist() == ["0,500 [0,250 ; 0,750]", "–"]
    assert "figé" not in results.comparison(LABELS, MINE, None, {}, more=more)
