"""What a work loses when it becomes a small square: shapes, filters, detail, and both qualities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_projet1_dataset import picture, save
from test_projet1_figures_preparation import changed, noisy, paintings, row_of

from projet1_artistes import dataset, resizing, tables


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    yield from paintings(tmp_path_factory)


def board(width: int, height: int) -> np.ndarray:
    """A white disc in the middle of black, uint8 (height, width, 3)."""
    y, x = np.indices((height, width))
    disc = np.hypot(y - (height - 1) / 2, x - (width - 1) / 2) < 0.3 * min(width, height)
    return np.repeat(np.where(disc, 255, 0).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("size", [(120, 60), (60, 120), (90, 90)])
def test_the_three_squares(size):
    image = board(*size)
    found = {how: resizing.square(image, 60, how) for how in (resizing.STRETCH, resizing.CROP, resizing.PAD)}
    assert {square.shape for square in found.values()} == {(60, 60, 3)}
    extents = {}
    for how, square in found.items():
        bright = square[..., 0] > 140
        extents[how] = (bright.any(axis=0).sum(), bright.any(axis=1).sum())
    ratio = size[0] / size[1]
    across, down = extents[resizing.STRETCH]
    assert across / down == pytest.approx(1 / ratio, rel=0.08)  # an ellipse
    for how in (resizing.CROP, resizing.PAD):
        assert abs(extents[how][0] - extents[how][1]) <= 1  # still a circle
    assert extents[resizing.CROP][0] == pytest.approx(36, abs=1)
    bands = (found[resizing.PAD] == resizing.BANDS).all(axis=2).mean()
    assert bands == pytest.approx(1 - min(ratio, 1 / ratio), abs=0.04)


def test_a_thin_strip_is_no_error():
    strip = np.full((2, 300, 3), 200, np.uint8)
    for how in (resizing.STRETCH, resizing.CROP, resizing.PAD):
        assert resizing.square(strip, 32, how).shape == (32, 32, 3)


def test_costs_by_hand():
    works = pd.DataFrame({"width": [100, 100, 200], "height": [100, 125, 100]})
    costs = resizing.costs(works)
    assert costs["median"].tolist() == pytest.approx([0.25, 0.2, 0.2])
    table = tables.costs_table(costs)
    assert table["médiane"].tolist() == ["25,0\u00a0%", "20,0\u00a0%", "20,0\u00a0%"]
    assert table["maximum"].tolist() == ["100,0\u00a0%", "50,0\u00a0%", "50,0\u00a0%"]
    assert table["façon"].tolist() == ["étirer", "recadrer", "ajouter des bandes"]


def test_only_lanczos_smooths_before_it_takes():
    fine = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)
    fine = np.repeat(fine[..., None], 3, axis=2)
    assert np.abs(resizing.reduced(fine, 32)[4:-4, 4:-4].astype(int) - 128).max() <= 2
    nearest = resizing.reduced(fine, 32, resizing.NEAREST)
    assert set(np.unique(nearest)) <= {0, 255}
    for how in (resizing.LANCZOS, resizing.BILINEAR, resizing.NEAREST):
        assert resizing.reduced(fine, 32, how).shape == (32, 32, 3)


def test_bilinear_is_that_of_tensorflow():
    import tensorflow as tf

    image = noisy(96)
    expected = tf.image.resize(image, (40, 40), method="bilinear").numpy()
    found = resizing.reduced(image, 40, resizing.BILINEAR)
    assert np.abs(found - expected)[1:-1, 1:-1].max() <= 1.01


def test_psnr_by_hand():
    black = np.zeros((4, 4, 3), np.uint8)
    assert resizing.psnr(black, black) == np.inf
    assert resizing.psnr(black, black + np.uint8(255)) == pytest.approx(0)
    one = black.copy()
    one[0, 0, 0] = 255
    assert resizing.psnr(black, one) == pytest.approx(10 * np.log10(48))
    assert resizing.psnr(one, black) == resizing.psnr(black, one)


def test_contrast_counts_steps_between_neighbours():
    flat = np.full((8, 8, 3), 90, np.uint8)
    assert resizing.contrast(flat) == 0
    columns = np.repeat((np.arange(8) % 2 * 100).astype(np.uint8)[None, :, None], 8, axis=0).repeat(3, axis=2)
    assert resizing.contrast(columns) == pytest.approx(100)
    assert resizing.contrast(noisy()) > resizing.contrast(np.asarray(picture(0, (128, 128))))


def test_the_finest_window_is_where_the_grain_is():
    image = np.full((100, 100, 3), 128, np.uint8)
    image[60:85, 10:35] = noisy(25)
    left, top, width = resizing.finest(image)
    assert width == 25 and abs(left - 10) <= 1 and abs(top - 60) <= 1
    for corner in ((0, 0), (75, 75), (0, 75)):
        image = np.full((100, 100, 3), 128, np.uint8)
        image[corner[0] : corner[0] + 25, corner[1] : corner[1] + 25] = noisy(25)
        left, top, width = resizing.finest(image)
        assert abs(top - corner[0]) <= 1 and abs(left - corner[1]) <= 1 and max(left, top) + width <= 100
    assert resizing.finest(np.zeros((8, 8, 3), np.uint8))[2] == 2


def test_more_pixels_keep_more(data, monkeypatch):
    monkeypatch.setattr(resizing, "SIDES", (8, 16, 32, 64))
    rows = dataset.random_works(data, 6, seed=0)
    table = resizing.measure_sizes(data, rows)
    assert table["row"].unique().tolist() == rows.tolist() and len(table) == 24
    for _, work in table.groupby("row"):
        assert work["psnr"].is_monotonic_increasing and (work["contrast"] > 0).all()
    small = table["side"] >= 64
    assert np.isinf(table["psnr"][small]).all() and (table["contrast"][small] == 1).all()  # no work has so many pixels
    kept = resizing.quartiles(table)
    assert kept["side"].tolist() == [8, 16, 32, 64]
    assert (kept["low"] <= kept["psnr"]).all() and (kept["psnr"] <= kept["high"]).all()
    assert kept["contrast"][0] < 0.8 < kept["contrast"][1]
    for side, value in zip(kept["side"], kept["psnr"], strict=True):
        assert value in table["psnr"][table["side"] == side].to_numpy()


def test_an_ordinary_work_is_the_median(data):
    table = pd.DataFrame({"row": [4, 5, 6, 7, 8], "side": 64, "psnr": [30, 20, 25, np.inf, 22], "contrast": 0.5})
    assert resizing.ordinary(table) == 6
    assert resizing.ordinary(table.head(1)) == 4


def test_whole_squares_have_the_size_of_the_file_up_to_a_limit(data, tmp_path):
    assert resizing.whole_square(data.works.iloc[row_of(data, "Ada_Bleu_1")]).shape == (40, 40, 3)
    path = save(tmp_path / "grande.jpg", picture(1, (700, 900)))
    large = pd.Series({"path": path, "width": 700, "height": 900})
    assert resizing.whole_square(large).shape == (512, 512, 3)


def test_pairs_have_one_framing_and_those_without_a_copy_are_left_out(data, tmp_path):
    rows = [row_of(data, stem) for stem in ("Ada_Bleu_3", "Cy_Brun_1", "Bo_Gris_5")]
    pairs = resizing.both_qualities(data, rows)
    assert [(high.shape[0], low.shape[0]) for high, low in pairs] == [(40, 10), (40, 10)]
    highs = [np.asarray(Image.fromarray(high).resize((10, 10))).astype(int) for high, _ in pairs]
    gaps = np.array([[np.abs(high - low).mean() for _, low in pairs] for high in highs])
    assert gaps.argmin(axis=1).tolist() == [0, 1]  # each with its own copy
    broken = data.works["low"].to_numpy().copy()
    broken[rows[0]] = tmp_path / "absente.jpg"
    assert len(resizing.both_qualities(changed(data, low=broken), rows)) == 1
    assert resizing.both_qualities(changed(data, low=None), rows) == []
