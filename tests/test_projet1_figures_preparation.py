"""What notebook 01 shows of the paintings: figures hold the data, texts and tables its values, checks can fail."""

from __future__ import annotations

import dataclasses
import warnings

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from test_projet1_dataset import collection, opened, picture, save

from commun import UserError, figures
from commun.images import decode
from projet1_artistes import augmentation, dataset, resizing, views
from projet1_artistes.dataset import PARTS, TEST, TRAINING, VALIDATION, Data

COUNTS = {"Ada_Bleu": 30, "Bo_Gris": 12, "Cy_Brun": 7, "Do_Noir": 2}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
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


def names(axis) -> list[str]:
    return [label.get_text() for label in axis.get_yticklabels()]


# --- What is there ---------------------------------------------------------------------------------------------------


def test_the_contact_sheet_has_a_work_of_each_artist(data):
    figure = views.plot_contact_sheet(data, seed=3)
    drawn(figure)
    captions = [axis.get_xlabel().replace("\n", " ") for axis in figure.axes if axis.images]
    assert captions == data.names
    pixels = dataset.pixels(data)
    for artist, image in enumerate(shown(figure)):
        assert any(np.array_equal(image, pixels[row]) for row in np.flatnonzero(data.labels == artist))
    text = views.describe_contact_sheet(data)
    assert all(name in text for name in data.names) and "4 artistes" in text


def test_counts_are_sorted_and_say_who_is_under_the_threshold(data):
    figure = views.plot_counts(data, threshold=12)
    drawn(figure)
    (axis,) = figure.axes
    assert names(axis) == ["Ada Bleu", "Bo Gris", "Cy Brun", "Do Noir"]
    assert [bar.get_width() for bar in axis.patches] == [30, 12, 7, 2]
    assert [bar.get_hatch() for bar in axis.patches] == ["", "", "//", "//"]
    assert any("artistes en dessous : 2" in text.get_text() for text in axis.texts)
    text = views.describe_counts(data, threshold=12)
    assert "Ada Bleu (30)" in text and "Do Noir (2)" in text and "sous le seuil de 12 : 2." in text


def test_imbalance(data):
    found = views.imbalance(data, threshold=8)
    assert found == {
        "most": "Ada Bleu",
        "least": "Do Noir",
        "fewest": 2,
        "ratio": 15,
        "share": pytest.approx(30 / 51),
        "few": 2,
    }


def test_works_are_drawn_from_as_many_artists_as_there_are(data):
    assert sorted(data.labels[views.chosen(data, 4, seed=1)]) == [0, 1, 2, 3]
    nine = views.chosen(data, 9, seed=1)
    assert len(set(nine)) == 9 and np.bincount(data.labels[nine]).tolist() == [3, 2, 2, 2]
    np.testing.assert_array_equal(nine, views.chosen(data, 9, seed=1))
    assert set(nine) != set(views.chosen(data, 9, seed=2))
    assert sorted(views.chosen(data, 1000, seed=0)) == list(range(51))


def test_differences_are_those_of_the_table_and_the_disk(data):
    assert len(views.differences(data)) == 0
    artists = data.artists.assign(announced=[30, 17, np.nan, 1])
    table = views.differences(dataclasses.replace(data, artists=artists))
    assert table["artiste"].tolist() == ["Cy Brun", "Bo Gris", "Do Noir"]
    assert table["écart"].tolist() == ["inconnu", "−5", "+1"]
    assert table["lisibles"].tolist() == [7, 12, 2]


def test_problems_are_counted_by_reason(data):
    table = views.problems_by_reason(data)
    assert table["constat"].tolist() == ["fichier vide : laissé de côté"]
    assert table["fichiers"].tolist() == [2]
    assert table["exemple"].tolist() == ["Bo_Gris/Bo_Gris_13.jpg"]
    same = pd.DataFrame({"file": list("abc"), "what": [f"même œuvre que {n}.jpg : laissée de côté" for n in "xyz"]})
    table = views.problems_by_reason(dataclasses.replace(data, problems=same))
    assert table["fichiers"].tolist() == [3]
    none = dataclasses.replace(data, problems=data.problems.iloc[:0])
    assert len(views.problems_by_reason(none)) == 0


def test_merged_artists_are_those_of_several_folders(data):
    assert len(views.merged(data)) == 0
    artists = data.artists.assign(folder=["A et B", "C", "D", "E"])
    table = views.merged(dataclasses.replace(data, artists=artists))
    assert table.to_numpy().tolist() == [["Ada Bleu", "A et B", 30]]


def test_shapes(data):
    figure = views.plot_shapes(data)
    drawn(figure)
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 51
    shares = views.shapes(data)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["en hauteur"] == pytest.approx(1 / 51) and shares["carrées"] == pytest.approx(3 / 51)
    assert "de 0,50 à 2,25" in views.describe_shapes(data)
    squares = changed(data, width=256, height=256)
    drawn(views.plot_shapes(squares))
    assert views.shapes(squares)["carrées"] == 1
    long = changed(data, width=np.where(np.arange(51) == 0, 4000, 256), height=256)
    drawn(views.plot_shapes(long))


# --- Near-duplicates -------------------------------------------------------------------------------------------------


def test_groups_of_several_artists_come_first_then_the_most_alike(data):
    (group,) = views.duplicate_groups(data)
    assert group.tolist() == [row_of(data, stem) for stem in ("Ada_Bleu_5", "Ada_Bleu_6", "Bo_Gris_3")]
    groups = data.groups.copy()
    groups[[10, 11, 12, 13]], groups[[20, 35]] = 900, 901
    sizes = [len(rows) for rows in views.duplicate_groups(changed(data, group=groups))]
    assert sizes == [3, 2, 4]
    groups = np.arange(51)
    groups[[10, 11]], groups[group[:2]] = 900, 901  # strangers, and twins
    alike, others = views.duplicate_groups(changed(data, group=groups))
    assert alike.tolist() == group[:2].tolist() and others.tolist() == [10, 11]


def test_groups_are_shown_with_their_names(data):
    groups = views.duplicate_groups(data)
    figure = views.plot_duplicates(data, groups)
    drawn(figure)
    assert [axis.get_xlabel() for axis in figure.axes[:2]] == ["groupe 1 (3)\nAda Bleu 5", "groupe 1 (3)\nAda Bleu 6"]
    for image, row in zip(shown(figure), groups[0], strict=False):
        np.testing.assert_array_equal(image, dataset.pixels(data)[row])
    assert "1 (3 œuvres), Ada Bleu 5, Ada Bleu 6." in views.describe_duplicates(data, groups)
    table = views.shared_groups(data)
    assert table["artistes"].tolist() == ["Ada Bleu, Bo Gris"]
    assert table["œuvres"].tolist() == ["Ada Bleu 5, Ada Bleu 6, Bo Gris 3"]
    assert table["partie"].tolist() == [data.works["part"].iloc[groups[0][0]]]


def test_no_group_is_no_error(data):
    alone = changed(data, group=np.arange(51))
    assert views.duplicate_groups(alone) == []
    assert list(views.shared_groups(alone)) == ["artistes", "œuvres", "partie"]


# --- The split -------------------------------------------------------------------------------------------------------


def test_the_split_passes_its_checks(data):
    table = views.check_split(data)
    assert len(table) == 7 and table["réussi"].all(), table
    assert "Do Noir" in table["constat"][3]


def failed(data: Data) -> list[int]:
    return np.flatnonzero(~views.check_split(data)["réussi"].to_numpy(bool)).tolist()


def test_a_work_moved_to_another_part_is_seen(data):
    parts = data.works["part"].to_numpy().copy()
    parts[row_of(data, "Bo_Gris_3")] = TEST if parts[row_of(data, "Bo_Gris_3")] != TEST else TRAINING
    assert {1, 2, 6} <= set(failed(changed(data, part=parts)))  # group, pixels, seed


def test_the_same_pixels_in_two_parts_are_seen_even_without_a_group(data):
    parts, groups = data.works["part"].to_numpy().copy(), data.groups.copy()
    row = row_of(data, "Ada_Bleu_6")
    parts[row] = TEST if parts[row] != TEST else TRAINING
    groups[row] = 999
    assert 2 in failed(changed(data, part=parts, group=groups))


def test_an_unknown_part_and_a_work_listed_twice_are_seen(data):
    parts = data.works["part"].to_numpy().copy()
    parts[0] = "ailleurs"
    assert 0 in failed(changed(data, part=parts))
    paths = data.works["path"].to_numpy().copy()
    paths[0] = paths[1]
    assert 0 in failed(changed(data, path=paths))


def test_a_missing_artist_and_wrong_proportions_are_seen(data):
    parts = data.works["part"].to_numpy().copy()
    parts[(data.labels == 2) & (parts == TEST)] = TRAINING
    assert 3 in failed(changed(data, part=parts))
    parts = data.works["part"].to_numpy().copy()
    parts[np.flatnonzero((data.labels == 0) & (parts == TRAINING))[:6]] = VALIDATION
    assert 4 in failed(changed(data, part=parts))
    parts = data.works["part"].to_numpy().copy()
    parts[data.labels == 3] = TEST  # an artist who is not judged has no business there
    assert 3 in failed(changed(data, part=parts))


def test_classes_numbered_after_the_split_are_seen(data):
    labels, mine = data.labels.copy(), data.labels == 1
    parts = np.where(mine, TRAINING, data.works["part"])
    test = (parts == TEST) & ~mine
    labels[test] = np.unique(labels[test], return_inverse=True)[1]  # the part, without that artist, numbers its own
    assert 5 in failed(changed(data, artist=labels, part=parts))
    backwards = dataclasses.replace(data, artists=data.artists.iloc[::-1].reset_index(drop=True))
    assert 5 in failed(backwards)


def test_the_figure_of_the_split_holds_the_shares(data):
    figure = views.plot_split(data)
    drawn(figure)
    (axis,) = figure.axes
    assert names(axis) == ["Ada Bleu", "Bo Gris", "Cy Brun", "Do Noir"]
    widths = np.array([bar.get_width() for bar in axis.patches]).reshape(3, 4)
    np.testing.assert_allclose(widths.sum(axis=0), 100)
    for column, part in zip(widths, PARTS, strict=True):
        for artist, width in enumerate(column):
            mine = data.works["part"][data.labels == artist]
            assert width == pytest.approx(100 * (mine == part).mean())
    text = views.describe_split(data)
    assert "3 artistes présents dans les trois parts" in text and "70\u00a0%" in text


def test_the_table_of_the_split_counts_every_work_once(data):
    table = views.split_table(data)
    assert table[list(PARTS)].to_numpy().sum() == 51 and table.columns.name is None
    assert table["artiste"].tolist() == ["Ada Bleu", "Bo Gris", "Cy Brun", "Do Noir"]
    assert table["évalué"].tolist() == ["oui", "oui", "oui", "non"]
    assert table["parts (%)"].iloc[-1] == "100 / 0 / 0"
    assert views.split_counts(data).index.equals(data.artists.index)


def test_a_split_with_nobody_to_judge_is_described(data):
    nobody = dataclasses.replace(changed(data, part=TRAINING), artists=data.artists.assign(evaluated=False))
    drawn(views.plot_split(nobody))
    assert "Sur 0 artistes" in views.describe_split(nobody)


# --- Augmentation ----------------------------------------------------------------------------------------------------


def test_showings_follow_the_threshold(data):
    table = views.showings(data, 15)
    works = views.split_counts(data)[TRAINING]
    assert table["works"].tolist() == works.tolist()
    assert table["shown"].tolist() == [max(count, 15) for count in works]
    shown_once = views.showings(data, 0)
    assert (shown_once["shown"] == shown_once["works"]).all()
    played = augmentation.playlist(data.labels[data.rows(TRAINING)], 15, seed=0)
    assert np.bincount(data.labels[data.rows(TRAINING)][played]).tolist() == table["shown"].tolist()


def test_the_figure_of_showings(data):
    figure = views.plot_showings(data, 15)
    drawn(figure)
    table = views.showings(data, 15)
    widths = np.array([bar.get_width() for bar in figure.axes[0].patches]).reshape(2, 4)
    order = [data.names.index(name) for name in names(figure.axes[0])]
    np.testing.assert_array_equal(widths[0], table["works"].iloc[order])
    np.testing.assert_array_equal(widths.sum(axis=0), table["shown"].iloc[order])
    assert "Artistes concernés : 3 sur 4" in views.describe_showings(data, 15)


def test_the_smallest_artists_are_shown_by_a_training_work(data):
    rows = views.smallest(data, 3, seed=5)
    assert data.labels[rows].tolist() == [3, 2, 1]
    assert set(rows) <= set(data.rows(TRAINING))
    assert len(views.smallest(data, 40, seed=5)) == 4


def test_augmented_works_stand_beside_themselves(data):
    rows = views.smallest(data, 2, seed=0)
    figure = views.plot_augmented(data, rows, draws=3, side=64, seed=0)
    drawn(figure)
    pictures = shown(figure)
    assert len(pictures) == 8
    for row, first in zip(rows, pictures[::4], strict=True):
        np.testing.assert_allclose(first, augmentation.presented(dataset.pixels(data)[[row]], 64)[0], atol=1)
    assert not any(np.array_equal(pictures[0], other) for other in pictures[1:4])
    again = shown(views.plot_augmented(data, rows, draws=3, side=64, seed=0))
    assert all(np.array_equal(a, b) for a, b in zip(pictures, again, strict=True))
    assert "3 transformations" in views.describe_augmented(data, rows, draws=3)


# --- Resizing: squares -----------------------------------------------------------------------------------------------


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
    table = resizing.costs(works)
    assert table["médiane"].tolist() == ["25,0\u00a0%", "20,0\u00a0%", "20,0\u00a0%"]
    assert table["maximum"].tolist() == ["100,0\u00a0%", "50,0\u00a0%", "50,0\u00a0%"]
    assert table["façon"].tolist() == [resizing.STRETCH, resizing.CROP, resizing.PAD]


def test_elongated_works_go_from_wide_to_tall(data):
    rows = resizing.elongated(data.works, 3)
    assert rows[0] == row_of(data, "Ada_Bleu_1") and rows[-1] == row_of(data, "Ada_Bleu_2")
    assert len(resizing.elongated(data.works.head(1), 3)) == 1
    figure = resizing.plot_squares(data, rows[[0, -1]], side=64)
    drawn(figure)
    pictures = shown(figure)
    np.testing.assert_array_equal(pictures[2], resizing.square(decode(data.works["path"][rows[0]]), 64, resizing.CROP))
    assert [axis.get_xlabel() for axis in figure.axes[:2]] == ["90 × 40", resizing.STRETCH]
    text = resizing.describe_squares(data, rows)
    assert "Ada Bleu (90 × 40)" in text and "Ada Bleu (40 × 80)" in text


# --- Resizing: filters and detail ------------------------------------------------------------------------------------


def noisy(side: int = 128, seed: int = 0) -> np.ndarray:
    smooth = np.asarray(picture(seed, (side, side))).astype(int)
    grain = np.random.default_rng(seed).integers(-60, 61, (side, side, 1))
    return np.clip(smooth + grain, 0, 255).astype(np.uint8)


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


def test_filters_rank_as_they_should():
    image = noisy()
    kept = [
        resizing.psnr(image, resizing.enlarged(resizing.reduced(image, 32, how), 128))
        for how in (resizing.LANCZOS, resizing.BILINEAR, resizing.NEAREST)
    ]
    assert kept[0] > kept[1] > kept[2]
    figure = resizing.plot_filters(image, 32)
    drawn(figure)
    assert len(shown(figure)) == 4
    text = resizing.describe_filters(image, 32)
    for value in kept:
        assert figures.number(value, 1) in text


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


def test_more_pixels_keep_more(data):
    rows = views.chosen(data, 6, seed=0)
    table = resizing.measure(data, rows, sides=(8, 16, 32, 64))
    assert table["row"].unique().tolist() == rows.tolist() and len(table) == 24
    for _, work in table.groupby("row"):
        assert work["psnr"].is_monotonic_increasing and (work["contrast"] > 0).all()
    small = table["side"] >= 64
    assert np.isinf(table["psnr"][small]).all() and (table["contrast"][small] == 1).all()  # no work has so many pixels
    kept = resizing.kept(table)
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


@pytest.mark.parametrize("size", [(300, 260), (100, 90), (40, 40)])
def test_the_figure_of_sizes(data, tmp_path, size):
    work = pd.Series({"path": save(tmp_path / "a.png", picture(3, size)), "width": size[0], "height": size[1]})
    table = resizing.kept(resizing.measure(data, views.chosen(data, 3, seed=0), sides=(16, 32, 64)))
    figure = resizing.plot_sizes(work, table)
    drawn(figure)
    side = min(size)
    sides = sorted({min(side, s) for s in resizing.SHOWN}, reverse=True)
    assert [image.shape for image in shown(figure)[: len(sides)]] == [(s, s, 3) for s in sides]
    text = resizing.describe_sizes(work, table)
    assert all(f"{s} px" in text for s in sides)
    assert "rien de perdu" in text
    for value in table["contrast"]:
        assert figures.percent(value, 0) in text


def test_profiles_of_measures():
    assert resizing.measured("essai") < resizing.measured("rapide") < resizing.measured("complet")
    with pytest.raises(UserError, match="Profils possibles"):
        resizing.measured("lent")


# --- Both qualities --------------------------------------------------------------------------------------------------


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


def test_the_figure_of_qualities_shows_the_same_window(data):
    high = noisy(128)
    low = resizing.reduced(high, 32)
    figure = resizing.plot_qualities([(high, low), (high, high)])
    drawn(figure)
    pictures = shown(figure)
    assert len(pictures) == 8
    np.testing.assert_array_equal(pictures[2], pictures[6])  # a copy as good as the work
    detail = [np.asarray(Image.fromarray(p).resize((8, 8), Image.Resampling.BOX)).astype(int) for p in pictures[1::4]]
    assert np.abs(detail[0] - detail[1]).mean() < 25
    fidelity, fine = resizing.quality_gap([(high, low)])
    assert fidelity == resizing.psnr(high, resizing.enlarged(low, 128)) and 0 < fine < 1
    assert resizing.quality_gap([(high, high)]) == (np.inf, 1)
    text = resizing.describe_qualities([(high, low)])
    assert figures.percent(fine, 0) in text and f"{figures.number(fidelity, 1)}\u00a0dB" in text
