"""The drawings of notebook 01 hold the data, and their texts its values."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_projet1_dataset import collection, opened, picture, save

from commun import figures
from commun.images import decode
from projet1_artistes import augmentation, dataset, resizing, tables
from projet1_artistes import figures_preparation as drawings
from projet1_artistes.dataset import Data
from projet1_artistes.split import PARTS, TITLES, TRAINING

COUNTS = {"Ada_Bleu": 30, "Bo_Gris": 12, "Cy_Brun": 7, "Do_Noir": 2}


def paintings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Data]:
    """Four artists, 51 works of several shapes, one shown twice, one artist too few to be judged."""
    folder = collection(tmp_path_factory.mktemp("œuvres"), COUNTS)
    works = folder / "images/images"
    save(works / "Ada_Bleu/Ada_Bleu_1.jpg", picture(9001, (90, 40)), quality=95)
    save(works / "Ada_Bleu/Ada_Bleu_2.jpg", picture(9002, (40, 80)), quality=95)
    twin = picture(9003, (64, 64))
    for name in ("Ada_Bleu/Ada_Bleu_5.jpg", "Ada_Bleu/Ada_Bleu_6.jpg", "Bo_Gris/Bo_Gris_3.jpg"):
        save(works / name, twin, quality=90)
    (works / "Bo_Gris/Bo_Gris_13.jpg").write_bytes(b"")
    (works / "Bo_Gris/Bo_Gris_14.jpg").write_bytes(b"")
    (folder / "resized/resized/Cy_Brun_1.jpg").unlink()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJETS_TRAVAIL", str(tmp_path_factory.mktemp("travail")))
        yield opened(folder)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    yield from paintings(tmp_path_factory)


def changed(data: Data, **columns) -> Data:
    return dataclasses.replace(data, works=data.works.assign(**columns))


def row_of(data: Data, stem: str) -> int:
    return [path.stem for path in data.works["path"]].index(stem)


def drawn(figure) -> None:
    """Lays a figure out: what does not fit, or a sign that the font lacks, is an error."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.draw_without_rendering()


def shown(figure) -> list[np.ndarray]:
    return [np.asarray(axis.images[0].get_array()) for axis in figure.axes if axis.images]


def noisy(side: int = 128, seed: int = 0) -> np.ndarray:
    smooth = np.asarray(picture(seed, (side, side))).astype(int)
    grain = np.random.default_rng(seed).integers(-60, 61, (side, side, 1))
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


def names(axis) -> list[str]:
    return [label.get_text() for label in axis.get_yticklabels()]


def test_the_contact_sheet_has_a_work_of_each_artist(data):
    drawing = drawings.plot_contact_sheet(data, seed=3)
    figure = drawing.figure
    drawn(figure)
    captions = [axis.get_xlabel().replace("\n", " ") for axis in figure.axes if axis.images]
    assert captions == data.names
    for artist, image in enumerate(shown(figure)):
        assert any(np.array_equal(image, data.images[row]) for row in np.flatnonzero(data.labels == artist))
    assert all(name in drawing.alt for name in data.names) and "4 artistes" in drawing.alt


def test_counts_are_sorted_and_say_who_is_under_the_threshold(data):
    drawing = drawings.plot_counts(data, threshold=12)
    figure = drawing.figure
    drawn(figure)
    (axis,) = figure.axes
    assert names(axis) == ["Ada Bleu", "Bo Gris", "Cy Brun", "Do Noir"]
    assert [bar.get_width() for bar in axis.patches] == [30, 12, 7, 2]
    assert [bar.get_hatch() for bar in axis.patches] == ["", "", "//", "//"]
    assert any("artistes en dessous : 2" in text.get_text() for text in axis.texts)
    assert "Ada Bleu (30)" in drawing.alt and "Do Noir (2)" in drawing.alt
    assert "sous le seuil de 12 : 2." in drawing.alt


def test_shapes(data):
    drawing = drawings.plot_shapes(data)
    drawn(drawing.figure)
    assert sum(bar.get_height() for bar in drawing.figure.axes[0].patches) == 51
    shares = [figures.percent(count / 51) for count in (1, 3, 47)]
    assert "de 0,50 à 2,25 : en hauteur {}, carrées {}, en largeur {}.".format(*shares) in drawing.alt
    squares = drawings.plot_shapes(changed(data, width=256, height=256))
    drawn(squares.figure)
    assert "carrées 100,0" in squares.alt
    long = changed(data, width=np.where(np.arange(51) == 0, 4000, 256), height=256)
    drawn(drawings.plot_shapes(long).figure)


def test_groups_are_shown_with_their_names(data):
    groups = dataset.duplicate_groups(data)
    drawing = drawings.plot_duplicates(data, groups)
    figure = drawing.figure
    drawn(figure)
    assert [axis.get_xlabel() for axis in figure.axes[:2]] == ["groupe 1 (3)\nAda Bleu 5", "groupe 1 (3)\nAda Bleu 6"]
    for image, row in zip(shown(figure), groups[0], strict=False):
        np.testing.assert_array_equal(image, data.images[row])
    assert "1 (3 œuvres), Ada Bleu 5, Ada Bleu 6." in drawing.alt
    table = tables.shared_groups(data)
    assert table["artistes"].tolist() == ["Ada Bleu, Bo Gris"]
    assert table["œuvres"].tolist() == ["Ada Bleu 5, Ada Bleu 6, Bo Gris 3"]
    assert table["partie"].tolist() == [TITLES[data.works["part"].iloc[groups[0][0]]]]


def test_the_figure_of_the_split_holds_the_shares(data):
    drawing = drawings.plot_split(data)
    figure = drawing.figure
    drawn(figure)
    (axis,) = figure.axes
    assert names(axis) == ["Ada Bleu", "Bo Gris", "Cy Brun", "Do Noir"]
    widths = np.array([bar.get_width() for bar in axis.patches]).reshape(3, 4)
    np.testing.assert_allclose(widths.sum(axis=0), 100)
    for column, part in zip(widths, PARTS, strict=True):
        for artist, width in enumerate(column):
            mine = data.works["part"][data.labels == artist]
            assert width == pytest.approx(100 * (mine == part).mean())
    assert "3 artistes présents dans les trois parts" in drawing.alt and "70\u00a0%" in drawing.alt


def test_a_split_with_nobody_to_judge_is_described(data):
    nobody = dataclasses.replace(changed(data, part=TRAINING), artists=data.artists.assign(evaluated=False))
    drawing = drawings.plot_split(nobody)
    drawn(drawing.figure)
    assert "Sur 0 artistes" in drawing.alt


def test_the_figure_of_oversampling(data):
    drawing = drawings.plot_oversampling(data, 15)
    figure = drawing.figure
    drawn(figure)
    table = tables.oversampling_counts(data, 15)
    widths = np.array([bar.get_width() for bar in figure.axes[0].patches]).reshape(2, 4)
    order = [data.names.index(name) for name in names(figure.axes[0])]
    np.testing.assert_array_equal(widths[0], table["works"].iloc[order])
    np.testing.assert_array_equal(widths.sum(axis=0), table["pictures"].iloc[order])
    assert "Artistes concernés : 3 sur 4" in drawing.alt


def test_augmented_works_stand_beside_themselves(data, monkeypatch):
    monkeypatch.setattr(drawings, "CROP_SIDE", 64)
    monkeypatch.setattr(drawings, "N_CROPS", 3)
    rows = dataset.random_works_of_smallest(data, 2, seed=0)
    drawing = drawings.plot_augmented(data, rows, seed=0)
    figure = drawing.figure
    drawn(figure)
    pictures = shown(figure)
    assert len(pictures) == 8
    for row, first in zip(rows, pictures[::4], strict=True):
        np.testing.assert_allclose(first, augmentation.resize_all(data.images[[row]], 64)[0], atol=1)
    assert not any(np.array_equal(pictures[0], other) for other in pictures[1:4])
    again = shown(drawings.plot_augmented(data, rows, seed=0).figure)
    assert all(np.array_equal(a, b) for a, b in zip(pictures, again, strict=True))
    assert "3 transformations" in drawing.alt


def test_elongated_works_go_from_wide_to_tall(data):
    rows = resizing.elongated(data.works)
    assert rows[0] == row_of(data, "Ada_Bleu_1") and rows[-1] == row_of(data, "Ada_Bleu_2")
    assert len(resizing.elongated(data.works.head(1))) == 1
    drawing = drawings.plot_squares(data, rows)
    figure = drawing.figure
    drawn(figure)
    pictures = shown(figure)
    np.testing.assert_array_equal(pictures[2], resizing.square(decode(data.works["path"][rows[0]]), 112, resizing.CROP))
    assert [axis.get_xlabel() for axis in figure.axes[:2]] == ["90 × 40", "étirer"]
    assert "Ada Bleu (90 × 40)" in drawing.alt and "Ada Bleu (40 × 80)" in drawing.alt


def test_filters_rank_as_they_should():
    image = noisy()
    kept = [
        resizing.psnr(image, resizing.enlarged(resizing.reduced(image, 64, how), 128))
        for how in (resizing.LANCZOS, resizing.BILINEAR, resizing.NEAREST)
    ]
    assert kept[0] > kept[1] > kept[2]
    drawing = drawings.plot_filters(image)
    figure = drawing.figure
    drawn(figure)
    assert len(shown(figure)) == 4
    for value in kept:
        assert figures.number(value, 1) in drawing.alt


@pytest.mark.parametrize("size", [(300, 260), (100, 90), (40, 40)])
def test_the_figure_of_sizes(data, tmp_path, monkeypatch, size):
    monkeypatch.setattr(resizing, "SIDES", (16, 32, 64))
    work = pd.Series({"path": save(tmp_path / "a.png", picture(3, size)), "width": size[0], "height": size[1]})
    table = resizing.quartiles(resizing.measure_sizes(data, dataset.random_works(data, 3, seed=0)))
    drawing = drawings.plot_sizes(work, table)
    figure = drawing.figure
    drawn(figure)
    side = min(size)
    sides = sorted({min(side, s) for s in drawings.SHOWN_SIDES}, reverse=True)
    assert [image.shape for image in shown(figure)[: len(sides)]] == [(s, s, 3) for s in sides]
    assert all(f"{s} px" in drawing.alt for s in sides)
    assert "rien de perdu" in drawing.alt
    for value in table["contrast"]:
        assert figures.percent(value, 0) in drawing.alt


def test_the_figure_of_qualities_shows_the_same_window(data):
    high = noisy(128)
    low = resizing.reduced(high, 32)
    figure = drawings.plot_qualities([(high, low), (high, high)]).figure
    drawn(figure)
    pictures = shown(figure)
    assert len(pictures) == 8
    np.testing.assert_array_equal(pictures[2], pictures[6])  # a copy as good as the work
    detail = [np.asarray(Image.fromarray(p).resize((8, 8), Image.Resampling.BOX)).astype(int) for p in pictures[1::4]]
    assert np.abs(detail[0] - detail[1]).mean() < 25
    fidelity, fine = resizing.quality_gap([(high, low)])
    assert fidelity == resizing.psnr(high, resizing.enlarged(low, 128)) and 0 < fine < 1
    assert resizing.quality_gap([(high, high)]) == (np.inf, 1)
    text = drawings.plot_qualities([(high, low)]).alt
    assert figures.percent(fine, 0) in text and f"{figures.number(fidelity, 1)}\u00a0dB" in text
