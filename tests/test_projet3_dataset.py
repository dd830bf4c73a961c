"""Categories of parts as project 3 reads them: both layouts, what is wrong with the files, masks, twins, hold-out."""

from __future__ import annotations

import functools
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance

from commun import UserError, images
from commun.datasets import find
from projet3_ssl_anomalies import checks, dataset, figures, intervals, sample
from projet3_ssl_anomalies.files import Saturation

SMALL = 40  # side of the images of these tests


def picture(seed: int, side: int = SMALL) -> np.ndarray:
    """A part on its white ground: the same disc on each, and a texture of its own."""
    rng = np.random.default_rng(seed)
    y, x = np.indices((side, side)) / side - 0.5
    texture = np.kron(rng.normal(0, 25, (8, 8)), np.ones((side // 8 + 1, side // 8 + 1)))[:side, :side]
    grey = np.where(np.hypot(x, y) < 0.4, 90 + 80 * x + texture, 235)
    return np.clip(np.stack([grey, grey * 0.9, grey * 0.7], axis=2), 0, 255).astype(np.uint8)


def save(path: Path, pixels: np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


def mask(rows: slice, columns: slice, value: int = 255, side: int = SMALL) -> np.ndarray:
    pixels = np.zeros((side, side), np.uint8)
    pixels[rows, columns] = value
    return pixels


CONFIG = [
    {"defect_name": "fastening", "pixel_value": 255, "saturation_threshold": 0.5, "relative_saturation": True},
    {"defect_name": "blue_hoop", "pixel_value": 254, "saturation_threshold": 30, "relative_saturation": False},
    {"defect_name": "cardboard", "pixel_value": 253, "saturation_threshold": 5000, "relative_saturation": False},
]


def make_mvtec(folder: Path, *, train: int = 12, good: int = 6, bad: int = 3) -> Path:
    for number in range(train):
        save(folder / f"train/good/{number:03d}.png", picture(number))
    for number in range(good):
        save(folder / f"test/good/{number:03d}.png", picture(100 + number))
    for defect, place in (("crack", slice(4, 12)), ("odd_one", slice(20, 36))):
        for number in range(bad):
            save(folder / f"test/{defect}/{number:03d}.png", picture(200 + number))
            save(folder / f"ground_truth/{defect}/{number:03d}_mask.png", mask(place, place))
    return folder


def make_autovi(folder: Path) -> Path:
    for number in range(6):
        save(folder / f"train/good/{number:04d}.png", picture(number))
        save(folder / f"test/good/{number:04d}.png", picture(100 + number))
    save(folder / "test/fastening/0000.png", picture(200))
    save(folder / "ground_truth/fastening/0000/0000.png", mask(slice(0, 10), slice(0, 10)))
    save(folder / "test/multiple/0003.png", picture(201))
    save(folder / "ground_truth/multiple/0003/0000.png", mask(slice(0, 10), slice(0, 8), 254))
    save(folder / "ground_truth/multiple/0003/0001.png", mask(slice(5, 25), slice(0, 20), 253))
    (folder / "defects_config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    return folder


@pytest.fixture
def root(tmp_path: Path, work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder where categories may be put, found as real ones."""
    root = tmp_path / "données réelles"
    root.mkdir()
    monkeypatch.setenv("PROJETS_DATA", str(root))
    return root


@pytest.fixture
def bottle(root: Path) -> Path:
    return make_mvtec(root / "mvtec_ad" / "bottle")


@pytest.fixture
def wiring(root: Path) -> Path:
    return make_autovi(root / "autovi" / "engine_wiring")


@pytest.fixture
def drawn(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No real data, and a sample of a few images."""
    monkeypatch.setenv("PROJETS_DATA", "echantillon")
    monkeypatch.setattr(sample, "draw", functools.partial(sample.draw, train=4, good=5, bad=1))


def said(problems: pd.DataFrame, file: str) -> str:
    """What is said of a file: all its lines."""
    return " | ".join(problems["what"][problems["file"] == file])


# --- Categories ------------------------------------------------------------------------------------------------------


def test_all_that_the_sample_draws_is_declared_in_the_same_order() -> None:
    drawn = [name for name in dataset.CATEGORIES if name in sample.CATEGORIES]
    assert drawn == list(sample.CATEGORIES)
    assert {c.name for c in dataset.CATEGORIES.values() if c.varies} == {"hazelnut"}
    names = {name for kinds in sample.DEFECTS.values() for name in kinds}
    assert all(name in dataset.DEFECTS for name in names)


def test_a_category_never_declared_is_found(root: Path) -> None:
    make_mvtec(root / "mvtec_ad" / "screw")
    assert dataset.available() == {"screw": "mvtec_ad"}
    found = dataset.category("screw")
    assert (found.title, found.dataset, found.varies) == ("screw", "mvtec_ad", False)
    data = dataset.load("screw")
    assert (len(data.train), len(data.test), data.source) == (12, 12, "réel")
    assert data.notes == ()


def test_a_category_is_read_wherever_it_is_put(root: Path) -> None:
    shutil.move(make_autovi(root / "a"), root / "mvtec_ad" / "engine_wiring")
    found = dataset.category("engine_wiring")
    assert found.dataset == "mvtec_ad" and found.title == "faisceau moteur"
    assert len(dataset.load("engine_wiring").test) == 8


def test_an_unknown_category_is_refused_with_the_good_names(bottle: Path) -> None:
    make_mvtec(bottle.parent / "vis d'acier", train=2)
    for name in ("bouteille", "../bottle", "", "Bottle"):
        with pytest.raises(UserError, match=r"bottle, hazelnut, .*vis d'acier"):
            dataset.category(name)


def test_chosen_reads_the_parameter(bottle: Path, wiring: Path) -> None:
    assert [c.name for c in dataset.categories(" capsule ,bottle, capsule,")] == ["capsule", "bottle"]
    assert [c.name for c in dataset.categories("")] == ["bottle", "engine_wiring"]  # only what is real
    with pytest.raises(UserError, match="« vis »"):
        dataset.categories("bottle, vis")


def test_without_real_data_all_of_the_sample_is_chosen(root: Path) -> None:
    (root / "mvtec_ad" / "notes").mkdir(parents=True)
    (root / "mvtec_ad" / ".bottle-abc" / "train").mkdir(parents=True)  # a download that was killed
    assert dataset.available() == {}
    assert tuple(c.name for c in dataset.categories(" ")) == sample.CATEGORIES


def test_the_sample_is_drawn_and_named(drawn: None) -> None:
    data = dataset.load("bottle")
    assert not data.location.is_real and data.source == "échantillon"
    assert (len(data.train), len(data.test)) == (4, 5 + len(sample.DEFECTS["bottle"]))
    assert data.problems.empty and data.notes == () and checks.check(data).empty
    truth = dataset.masks(data.test)
    np.testing.assert_array_equal(truth.any(axis=(1, 2)), data.test["is_defect"])


def test_the_sample_of_autovi_has_its_defects_one_by_one(drawn: None) -> None:
    data = dataset.load("engine_wiring")
    config = dataset.saturations(data.location.folder)
    found = dataset.defect_regions(data.test, 128, config)
    assert data.problems.empty and checks.check(data).empty
    assert len(found) == data.test["masks"].map(len).sum() > 0
    assert {len(files) for files in data.test["masks"][data.test["is_defect"]]} - {0}


# --- Tables ----------------------------------------------------------------------------------------------------------


def test_the_layout_of_mvtec(bottle: Path) -> None:
    train, test, problems = dataset.index(bottle)
    assert problems.empty and list(problems) == ["file", "what"]
    assert [path.name for path in train["path"]] == [f"{n:03d}.png" for n in range(12)]
    assert test["defect"].value_counts().to_dict() == {"good": 6, "crack": 3, "odd_one": 3}
    assert test["is_defect"].dtype == bool
    assert (test["is_defect"] == (test["defect"] != "good")).all()
    assert set(test["width"]) == set(test["height"]) == {SMALL}
    for _, row in test.iterrows():
        expected = (bottle / "ground_truth" / row["defect"] / f"{row['path'].stem}_mask.png",)
        assert row["masks"] == (expected if row["is_defect"] else ())


def test_the_layout_of_autovi(wiring: Path) -> None:
    _, test, problems = dataset.index(wiring)
    assert problems.empty
    masks = {row["defect"]: [path.name for path in row["masks"]] for _, row in test.iterrows()}
    assert masks == {"good": [], "fastening": ["0000.png"], "multiple": ["0000.png", "0001.png"]}


def test_letter_case_formats_and_layouts_may_be_mixed(bottle: Path) -> None:
    save(bottle / "train/good/900.JPG", picture(1))
    save(bottle / "test/GOOD/901.Bmp", picture(2))
    save(bottle / "test/crack/902.PNG", picture(3))
    save(bottle / "ground_truth/crack/902/0.TIF", mask(slice(3), slice(3)))
    save(bottle / "ground_truth/crack/902/1.png", mask(slice(9, 12), slice(3)))
    save(bottle / "test/crack/903.jpeg", picture(4))
    save(bottle / "ground_truth/crack/903_mask.BMP", mask(slice(3), slice(3)))
    (bottle / "train/good/._000.png").write_bytes(b"macOS")
    train, test, problems = dataset.index(bottle)
    assert len(train) == 13
    named = test.set_index(test["path"].map(lambda path: path.stem))
    assert not named.loc["901", "is_defect"] and named.loc["901", "defect"] == "good"
    assert len(named.loc["902", "masks"]) == 2 and len(named.loc["903", "masks"]) == 1
    assert problems["file"].tolist() == ["defects_config.json"]  # one mask in a folder: the layout of AutoVI


def test_all_that_is_wrong_is_listed_and_nothing_is_fatal(bottle: Path) -> None:
    (bottle / "train/good/000.png").write_bytes(b"")
    (bottle / "train/good/001.png").write_text("pas une image", encoding="utf-8")
    (bottle / "train/good/lisez-moi.txt").write_text("bonjour", encoding="utf-8")
    (bottle / "train/good/sous-dossier").mkdir()
    save(bottle / "train/crack/000.png", picture(0))
    save(bottle / "test/perdue.png", picture(0))
    (bottle / "ground_truth/crack/000_mask.png").unlink()
    save(bottle / "ground_truth/crack/001_mask.png", mask(slice(4), slice(4), side=20))
    (bottle / "ground_truth/crack/002_mask.png").write_bytes(b"")
    save(bottle / "ground_truth/crack/777_mask.png", mask(slice(4), slice(4)))
    save(bottle / "ground_truth/good/000_mask.png", mask(slice(0), slice(0)))
    save(bottle / "test/good/000.png", picture(0)[:30])
    train, test, problems = dataset.index(bottle)
    assert len(train) == 10 and len(test) == 12
    for file, what in {
        "train/good/000.png": "fichier vide",
        "train/good/001.png": "pas une image",
        "train/good/lisez-moi.txt": "n'est pas un fichier d'image",
        "train/good/sous-dossier": "dossier inattendu",
        "train/crack": "dossier ignoré",
        "test/perdue.png": "hors d'un dossier",
        "test/crack/000.png": "sans masque",
        "ground_truth/crack/001_mask.png": "masque de 20 × 20 pour une image de 40 × 40",
        "ground_truth/crack/002_mask.png": "fichier vide",
        "test/crack/002.png": "sans masque",
        "ground_truth/crack/777_mask.png": "masque sans image",
        "ground_truth/good/000_mask.png": "masque sans image",
        "(tous)": "2 tailles d'images : 40 × 40 (21 fois), 40 × 30 (1 fois)",
    }.items():
        assert what in said(problems, file), file
    assert "étirées en un carré : 1" in said(problems, "(tous)")
    assert len(problems) == 14
    crack = test[test["defect"] == "crack"]
    assert crack["masks"].map(len).tolist() == [0, 1, 0]


def test_a_partial_folder_is_read(bottle: Path) -> None:
    shutil.rmtree(bottle / "train")
    shutil.rmtree(bottle / "ground_truth")
    train, test, problems = dataset.index(bottle)
    assert train.empty and list(train) == ["path", "width", "height"]
    assert len(test) == 12 and problems["file"].tolist() == ["ground_truth"]
    assert not dataset.masks(test, 16).any()
    with pytest.raises(UserError, match="rien à apprendre"):
        dataset.load("bottle")
    shutil.rmtree(bottle / "test")
    save(bottle / "train/good/0.png", picture(0))
    train, test, _ = dataset.index(bottle)
    assert len(train) == 1 and test.empty and test["is_defect"].dtype == bool
    assert dataset.masks(test, 16).shape == (0, 16, 16)
    assert dataset.read(test, 16)[1].shape == (0, 16, 16, 3)


def test_an_empty_category_is_refused(root: Path) -> None:
    folder = root / "mvtec_ad" / "bottle"
    (folder / "train" / "good").mkdir(parents=True)
    with pytest.raises(UserError, match="aucune image rangée"):
        dataset.load("bottle")
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(UserError, match="est vide"):
        dataset.load("bottle")


def test_other_counts_than_the_official_ones_are_said(bottle: Path) -> None:
    (note,) = dataset.load("bottle").notes
    assert "12 / 6 / 6 au lieu de 209 / 20 / 63" in note


# --- Hold-out --------------------------------------------------------------------------------------------------------


def test_too_few_good_test_images_take_a_fifth_of_the_training_images(root: Path) -> None:
    make_mvtec(root / "mvtec_ad" / "screw", train=21, good=4)
    data = dataset.load("screw")
    good = data.test[~data.test["is_defect"]]
    moved = [path for path in good["path"] if path.parent.parent.name == "train"]
    assert [path.stem for path in moved] == ["000", "005", "010", "015", "020"]
    assert len(good) == 9 and len(data.train) == 16 and data.train.index.tolist() == list(range(16))
    assert not set(moved) & set(data.train["path"])
    assert set(good["masks"]) == {()} and data.test["is_defect"].dtype == bool
    (note,) = data.notes
    assert "4 images" in note and "(5 en tout)" in note
    assert dataset.load("screw").test.equals(data.test)


def test_enough_good_test_images_change_nothing(root: Path) -> None:
    make_mvtec(root / "mvtec_ad" / "screw", train=4, good=5)
    data = dataset.load("screw")
    assert len(data.train) == 4 and data.notes == ()
    assert dataset.hold_out(data) is data


def test_hold_out_without_a_test_part(root: Path) -> None:
    folder = make_mvtec(root / "mvtec_ad" / "screw", train=10)
    shutil.rmtree(folder / "test")
    data = dataset.load("screw")
    assert len(data.train) == 8 and len(data.test) == 2
    assert list(data.test) == ["path", "defect", "is_defect", "masks", "width", "height"]
    assert not data.test["is_defect"].any()


# --- Pixels ----------------------------------------------------------------------------------------------------------


def test_loading_reads_headers_only_and_reading_reads_once(bottle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        for module, name in ((images, "decode"), (checks, "decode"), (dataset, "read_mask"), (checks, "read_mask")):
            patch.setattr(module, name, lambda *a: pytest.fail("a pixel was read"))
        data = dataset.load("bottle")
    table, pixels = dataset.read(data.test, 24)
    np.testing.assert_array_equal(pixels, [images.decode(path, 24) for path in data.test["path"]])
    assert table.equals(data.test)
    monkeypatch.setattr(Image, "open", lambda *a: pytest.fail("decoded again"))  # a library: no part of the key
    np.testing.assert_array_equal(dataset.read(data.test, 24)[1], pixels)


def test_the_unreadable_leave_the_table_and_the_array_together(bottle: Path) -> None:
    path = bottle / "test/crack/001.png"
    path.write_bytes(path.read_bytes()[:-400])  # its header is right
    data = dataset.load("bottle")
    assert path in set(data.test["path"])
    table, pixels = dataset.read(data.test, 16)
    assert len(table) == len(pixels) == 11 and path not in set(table["path"])
    assert table.index.tolist() == list(range(11))
    np.testing.assert_array_equal(pixels[1], images.decode(bottle / "test/crack/002.png", 16))
    assert "tronquée" in said(checks.check(data), "test/crack/001.png")


def test_nothing_readable_is_said(bottle: Path) -> None:
    for path in (bottle / "train/good").iterdir():
        path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(UserError, match=r"12 images.*000\.png : image tronquée"):
        dataset.read(dataset.load("bottle").train, 16)


def test_masks_are_the_union_at_any_side(wiring: Path) -> None:
    _, test, _ = dataset.index(wiring)
    whole = dataset.masks(test, SMALL)
    expected = np.zeros((8, SMALL, SMALL), bool)
    expected[0, :10, :10] = True  # fastening comes before good
    expected[7, :10, :8] = expected[7, 5:25, :20] = True
    np.testing.assert_array_equal(whole, expected)
    np.testing.assert_array_equal(dataset.masks(test, 2 * SMALL), expected.repeat(2, axis=1).repeat(2, axis=2))
    halved = expected.reshape(8, 20, 2, 20, 2).mean(axis=(2, 4)) >= 0.5
    np.testing.assert_array_equal(dataset.masks(test, SMALL // 2), halved)


@pytest.mark.parametrize("side", [4, 10, 13])
def test_a_small_defect_survives(bottle: Path, side: int) -> None:
    save(bottle / "ground_truth/crack/000_mask.png", mask(slice(30, 31), slice(9, 10)))
    test = dataset.index(bottle)[1]
    row = test.index[test["path"] == bottle / "test/crack/000.png"][0]
    (found,) = np.argwhere(dataset.masks(test, side)[row])
    np.testing.assert_array_equal(found, [int(30.5 * side / SMALL), int(9.5 * side / SMALL)])


def test_masks_of_any_kind_are_read_alike(bottle: Path) -> None:
    place = (slice(8, 16), slice(24, 32))
    soft = mask(*place).astype(float)
    soft[7, 24:32], soft[16, 24:32] = 60, 20  # a copy resized by averaging
    kinds = [mask(*place, value=1), mask(*place) > 0, np.dstack([mask(*place)] * 3), soft.astype(np.uint8)]
    for number, kind in enumerate(kinds):
        save(bottle / f"test/cut/{number}.png", picture(number))
        save(bottle / f"ground_truth/cut/{number}_mask.png", kind)
    save(bottle / "test/cut/4.png", picture(4))
    save(bottle / "ground_truth/cut/4_mask.jpg", mask(*place), quality=60)
    test = dataset.index(bottle)[1]
    for found in dataset.masks(test[test["defect"] == "cut"], SMALL):
        np.testing.assert_array_equal(found, mask(*place) > 0)


def test_where_the_truth_is_partial_there_is_none(wiring: Path) -> None:
    path = wiring / "ground_truth/multiple/0003/0001.png"
    path.write_bytes(path.read_bytes()[:-30])
    save(wiring / "ground_truth/fastening/0000/0000.png", mask(slice(0), slice(0)))
    data = dataset.load("engine_wiring")
    truth = dataset.masks(data.test, SMALL)
    assert not truth.any()
    np.testing.assert_array_equal(intervals.without_mask(data.test["is_defect"], truth), data.test["is_defect"])
    assert dataset.defect_regions(data.test, SMALL, dataset.saturations(wiring)) == []
    problems = checks.check(data)
    assert "tronquée" in said(problems, "ground_truth/multiple/0003/0001.png")
    assert said(problems, "ground_truth/fastening/0000/0000.png") == "masque vide"


# --- Saturation ------------------------------------------------------------------------------------------------------


def test_the_saturation_areas_of_autovi(wiring: Path) -> None:
    test = dataset.index(wiring)[1]
    config = dataset.saturations(wiring)
    assert config == {255: Saturation(0.5, True), 254: Saturation(30, False), 253: Saturation(5000, False)}
    found = dataset.defect_regions(test, SMALL, config)
    assert [(d.image, len(d.pixels), d.saturation) for d in found] == [(0, 100, 50), (7, 80, 30), (7, 400, 400)]
    np.testing.assert_array_equal(found[0].pixels, (np.indices((10, 10))[0] * SMALL + np.arange(10)).ravel())


def test_saturation_areas_follow_the_side(wiring: Path) -> None:
    test, config = dataset.index(wiring)[1], dataset.saturations(wiring)
    doubled, halved = (dataset.defect_regions(test, side, config) for side in (2 * SMALL, SMALL // 2))
    assert [d.saturation for d in doubled] == [200, 120, 1600]
    assert [d.saturation for d in halved] == [12, 7, 110]  # whole pixels; a pixel half covered is inside
    tiny = dataset.defect_regions(test, 2, config)
    assert all(1 <= d.saturation <= len(d.pixels) for d in tiny)


def test_a_value_without_entry_saturates_at_the_whole_area(wiring: Path) -> None:
    (wiring / "defects_config.json").write_text(json.dumps(CONFIG[:1]), encoding="utf-8")
    data = dataset.load("engine_wiring")
    found = dataset.defect_regions(data.test, SMALL, dataset.saturations(wiring))
    assert [d.saturation for d in found] == [50, 80, 400]
    assert "254 absent" in said(checks.check(data), "ground_truth/multiple/0003/0000.png")


@pytest.mark.parametrize("content", ["", "[{}]", "{", "[1]", "3", '[{"pixel_value": "a"}]'])
def test_a_broken_configuration_is_said(wiring: Path, content: str) -> None:
    (wiring / "defects_config.json").write_text(content, encoding="utf-8")
    assert dataset.saturations(wiring) == {}
    assert "illisible" in said(dataset.index(wiring)[2], "defects_config.json")
    (wiring / "defects_config.json").unlink()
    assert "absent" in said(dataset.index(wiring)[2], "defects_config.json")


# --- Twins -----------------------------------------------------------------------------------------------------------


def test_copies_are_found_and_other_photographs_are_not(bottle: Path) -> None:
    source = Image.fromarray(picture(3))
    shutil.copy(bottle / "train/good/003.png", bottle / "test/good/octets.png")
    source.save(bottle / "test/good/pixels.bmp")
    source.save(bottle / "test/good/recompressée.jpg", quality=70)
    ImageEnhance.Brightness(source).enhance(1.05).save(bottle / "test/good/éclaircie.png")
    source.resize((SMALL * 2, SMALL * 2)).save(bottle / "test/good/agrandie.png")
    found = checks.near_duplicates(dataset.load("bottle")).set_index("test")
    names = ("octets.png", "pixels.bmp", "recompressée.jpg", "éclaircie.png", "agrandie.png")
    assert set(found.index) == {f"test/good/{name}" for name in names}
    assert set(found["train"]) == {"train/good/003.png"}
    assert found.index[found["identical"]].tolist() == ["test/good/octets.png", "test/good/pixels.bmp"]
    assert found["distance"].between(0, checks.NEAR_DUPLICATE).all()


def test_one_training_image_still_shows_its_copy(root: Path) -> None:
    folder = make_mvtec(root / "mvtec_ad" / "screw", train=1)
    assert checks.near_duplicates(dataset.load("screw")).empty
    shutil.copy(folder / "train/good/000.png", folder / "test/good/copie.png")
    found = checks.near_duplicates(dataset.load("screw"))
    assert found["test"].tolist() == ["test/good/copie.png"] and found["identical"].tolist() == [True]


def test_nothing_to_compare(root: Path) -> None:
    folder = make_mvtec(root / "mvtec_ad" / "screw", train=3)
    shutil.rmtree(folder / "test")
    found = checks.near_duplicates(dataset.load("screw"))
    assert found.empty and list(found) == ["test", "train", "distance", "identical"]


# --- Tables and figures ----------------------------------------------------------------------------------------------


def test_describe_counts_every_image(bottle: Path) -> None:
    data = dataset.load("bottle")
    table = checks.counts(data)
    assert table["type"].tolist() == ["sans défaut", "sans défaut", "fissure", "odd_one"]
    assert table["images"].tolist() == [12, 6, 3, 3] and table["masques"].tolist() == [0, 0, 3, 3]
    assert set(table["source"]) == {"réel"} and set(table["catégorie"]) == {"bouteille"}
    assert set(table["taille"]) == {"40 × 40"}
    save(bottle / "test/crack/010.png", picture(1, side=48))
    assert "2 tailles" in checks.counts(dataset.load("bottle"))["taille"].tolist()


def test_mask_areas_are_shares_of_the_image(wiring: Path) -> None:
    save(wiring / "test/fastening/0009.png", picture(9))  # without a mask: left out
    save(wiring / "ground_truth/multiple/0003/0002.png", mask(slice(39, 40), slice(39, 40), 255))
    table = checks.mask_areas(dataset.load("engine_wiring"))
    assert table["defect"].tolist() == ["fixation", "défauts multiples"]
    assert table["share"].tolist() == pytest.approx([100 / 1600, (400 + 80 - 40 + 1) / 1600], rel=0.01)
    assert table["zones"].tolist() == [1, 2]


def test_the_contact_sheet_shows_each_type_with_its_masks(bottle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    columns = 4
    monkeypatch.setattr(figures, "COLUMNS", columns)
    (bottle / "test/odd_one/001.png").write_bytes((bottle / "test/odd_one/001.png").read_bytes()[:-400])
    data = dataset.load("bottle")
    drawing = figures.plot_contact_sheet(data)
    figure, alt = drawing.figure, drawing.alt
    assert [axis.get_ylabel() for axis in figure.axes[::columns]] == ["sans défaut", "fissure", "odd_one"]
    assert [len(axis.collections) for axis in figure.axes] == [0] * 4 + [1, 1, 1, 0] + [1, 1, 0, 0]
    shown = figure.axes[5].images[0].get_array()
    np.testing.assert_array_equal(shown, images.decode(bottle / "test/crack/001.png", dataset.SIDE))
    assert "4 images d'apprentissage" in alt and "fissure (3), odd_one (2)" in alt and "réel" in alt
    monkeypatch.setattr(figures, "COLUMNS", 2)
    monkeypatch.setattr(figures, "DEFECT_ROWS", 1)
    assert len(figures.plot_contact_sheet(data).figure.axes) == 4


def test_the_contact_sheet_of_a_category_without_defects(root: Path) -> None:
    folder = make_mvtec(root / "mvtec_ad" / "screw")
    shutil.rmtree(folder / "test")
    data = dataset.load("screw")
    drawing = figures.plot_contact_sheet(data)
    assert [axis.get_ylabel() for axis in drawing.figure.axes[:: figures.COLUMNS]] == ["sans défaut"]
    assert "aucun défaut" in drawing.alt
    table = checks.mask_areas(data)
    assert table.empty and "Aucun masque" in figures.plot_mask_areas(table).alt


def test_mask_areas_are_drawn_by_type(bottle: Path) -> None:
    table = checks.mask_areas(dataset.load("bottle"))
    drawing = figures.plot_mask_areas(table)
    (axes,) = drawing.figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["bouteille : fissure", "bouteille : odd_one"]
    drawn = np.concatenate([points.get_offsets()[:, 0] for points in axes.collections])
    np.testing.assert_allclose(drawn, 100 * table["share"])
    alt = drawing.alt
    assert "Fissure de bouteille (réel) 3,97" in alt and "odd_one de bouteille (réel) 15,88" in alt  # of 256 pixels


# --- Real data -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "twins"), [("bottle", 0), ("toothbrush", 2)])
def test_real_categories(name: str, twins: int, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJETS_DATA", os.environ.get("PROJETS_DONNEES_REELLES", ""))  # see conftest.py
    if find("mvtec_ad", name) is None:
        pytest.skip(f"the real {name} is not here")
    data = dataset.load(name)
    bad = data.test["is_defect"]
    assert data.location.is_real and data.problems.empty
    assert (len(data.train), (~bad).sum(), bad.sum()) == data.category.official or "officiel" in data.notes[0]
    np.testing.assert_array_equal(dataset.masks(data.test, 64).any(axis=(1, 2)), bad)
    assert len(checks.near_duplicates(data)) <= twins  # one toothbrush of our copy was taken twice


@pytest.mark.parametrize(("total", "count"), [(10, 4), (10, 10), (3, 8), (5, 1), (1, 3), (0, 4)])
def test_rows_are_spread_from_the_first_to_the_last(total: int, count: int) -> None:
    rows = 100 + np.arange(total)
    found = dataset.evenly_spaced(rows, count)
    assert len(found) == min(total, count) and set(found) <= set(rows)
    gaps = np.diff(found)
    assert (gaps > 0).all() and (len(gaps) == 0 or gaps.max() - gaps.min() <= 1)
    if min(total, count) > 1:
        assert found[0] == rows[0] and found[-1] == rows[-1]
