"""Real data where it plainly is, whatever the names of the folders; otherwise a warning that nobody can miss."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from layouts import MAKERS, make_artworks, make_fashion, write_image
from test_projet3_dataset import make_autovi
from test_projet3_dataset import make_mvtec as make_large_mvtec

from atelier import donnees
from atelier.__main__ import main
from commun import UserError, datasets, lookup
from projet1_artistes import files as paintings
from projet2_cvae import dataset as clothes
from projet3_ssl_anomalies import dataset, files, sample

JUNK = b"\0\5\x16\7\0\2\0\0Mac OS X        "


@pytest.fixture
def root(tmp_path, work, monkeypatch):
    """What PROJETS_DATA names; `data/` is elsewhere and empty."""
    (tmp_path / "dépôt" / "data").mkdir(parents=True)
    monkeypatch.setattr(datasets, "ROOT", tmp_path / "dépôt")
    root = tmp_path / "mes données"
    root.mkdir()
    monkeypatch.setenv("PROJETS_DATA", str(root))
    return root


def drawn(folder: Path) -> None:
    (folder / "x").write_text("x", encoding="utf-8")


# --- Found -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("fashion_mnist", "fashion-mnist"),
        ("fashion_mnist", "FashionMNIST/raw"),
        ("fashion_mnist", "keras/datasets/fashion-mnist"),
        ("fashion_mnist", "."),
        ("mvtec_ad", "mvtec_anomaly_detection"),
        ("mvtec_ad", "MVTec"),
        ("mvtec_ad", "data/mvtec_ad"),
        ("mvtec_ad", "."),
        ("autovi", "AutoVI"),
        ("autovi", "zenodo"),
        ("best-artworks-of-all-time", "archive"),
        ("best-artworks-of-all-time", "kaggle/best-artworks-of-all-time"),
        ("best-artworks-of-all-time", "."),
    ],
)
def test_a_dataset_is_found_where_it_plainly_is(root, name, place):
    MAKERS[name](root / "x")
    if place == ".":
        for path in list((root / "x").iterdir()):
            path.rename(root / path.name)
        (root / "x").rmdir()
    else:
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / "x").rename(root / place)
    assert datasets.find(name) == root / place
    assert [other for other in datasets.CATALOGUE if other != name and datasets.find(other)] == []
    category = next(iter(datasets.CATALOGUE[name].files))
    location = datasets.locate(name, draw=drawn, category=category)
    assert (location.folder, location.is_real, location.warning) == (root / place / category, True, "")
    assert donnees.verify(name).problems == ()


def test_a_category_named_itself_is_found(root, monkeypatch):
    monkeypatch.setenv("PROJETS_DATA", str(make_large_mvtec(root / "ailleurs" / "bottle")))
    assert dataset.available() == {"bottle": "mvtec_ad"}
    monkeypatch.setenv("PROJETS_DATA", str(make_autovi(root / "engine_wiring")))
    assert dataset.available() == {"engine_wiring": "autovi"}


def test_mnist_is_not_taken_for_fashion_mnist(root):
    make_fashion(root / "MNIST" / "raw")
    assert datasets.find("fashion_mnist") is None
    make_fashion(root / "FashionMNIST" / "raw")
    assert datasets.find("fashion_mnist") == root / "FashionMNIST" / "raw"


def test_the_folder_of_its_name_comes_first(root):
    make_fashion(root / "fashion-mnist")
    make_fashion(root / "fashion_mnist")
    assert datasets.find("fashion_mnist") == root / "fashion_mnist"


# --- Too deep --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["mvtec_anomaly_detection/bottle", "a/b/bottle", "bottle/bottle"])
def test_a_folder_too_many_is_refused_with_what_to_move(root, place):
    place = f"mvtec_ad/{place}"
    make_large_mvtec(root / place)
    extra = (root / place) if "bottle/bottle" in place else (root / place).parent
    for use in (lambda: dataset.load("bottle"), lambda: dataset.categories("")):
        with pytest.raises(UserError, match="un dossier de trop : déplacez tout ce qu'il contient") as caught:
            use()
        assert str(caught.value).startswith(str(extra))
    assert donnees.verify("mvtec_ad").problems == (str(caught.value),)
    assert str(caught.value) in donnees.warning() and str(caught.value) in "\n".join(donnees.listing())


def test_a_spare_copy_beside_the_categories_hinders_nobody(root):
    make_large_mvtec(root / "mvtec_ad" / "bottle")
    make_large_mvtec(root / "mvtec_ad" / "vieux" / "bottle", train=1)
    assert len(dataset.load("bottle").train) == 12
    assert donnees.verify("mvtec_ad").problems == ()


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("images", "Les dossiers d'artistes sont dans {}/images : déplacez-les"),
        ("versions/1/images/images", "sont dans {}/versions/1/images/images : déplacez-les"),
        ("images/images/images", "sont dans {}/images/images/images : déplacez-les"),
        (None, "{}/images/images contient des images sans dossier d'artiste"),
    ],
)
def test_works_out_of_place_are_told_by_loader_and_verifier_alike(root, place, says):
    folder = make_artworks(root / "best-artworks-of-all-time")
    works = folder / "images" / "images"
    if place:
        works.rename(folder / "x")
        (folder / "images").rmdir()
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        (folder / "x").rename(folder / place)
    else:
        for path in list(works.rglob("*.jpg")):
            path.rename(works / path.name)
    with pytest.raises(UserError) as caught:
        paintings.index(folder)
    assert says.format(folder) in str(caught.value)
    assert donnees.verify(folder.name).problems == (str(caught.value),)


# --- Absent ----------------------------------------------------------------------------------------------------------


def test_an_empty_or_misspelt_folder_is_a_warning_everywhere(root, capsys):
    (root / "mvtec").mkdir()
    (root / "notes.txt").write_text("x", encoding="utf-8")
    location = datasets.locate("mvtec_ad", draw=drawn, category="bottle")
    assert not location.is_real and f"PROJETS_DATA désigne `{root}`" in location.warning
    assert "`mvtec_ad` ne se trouve pas" in location.warning and "`mvtec`, `notes.txt`" in location.warning
    assert f"**Attention** : {location.warning}" in location.sentence
    for name in datasets.CATALOGUE:
        assert name in donnees.warning()
    assert main(["donnees", "lister"]) == 0
    assert f"PROJETS_DATA désigne {root}" in capsys.readouterr().out


def test_a_run_warns_before_it_starts(root, capsys, monkeypatch):
    monkeypatch.setattr("atelier.notebooks.run", lambda *arguments: pytest.fail("run"))
    monkeypatch.setattr("atelier.notebooks.projects", lambda: [])
    assert main(["executer"]) == 2  # no notebook here
    monkeypatch.setattr("atelier.notebooks.projects", lambda: ["p"])
    monkeypatch.setattr("atelier.notebooks.notebooks", lambda project: [])
    assert main(["executer"]) == 0
    assert f"Attention : PROJETS_DATA désigne {root}" in capsys.readouterr().err


def test_the_opening_of_project_3_and_its_card_carry_the_warning(root, monkeypatch):
    monkeypatch.setattr(sample, "draw", lambda folder, category: make_large_mvtec(folder))
    datas = [dataset.load(name) for name in ("bottle", "hazelnut", "engine_wiring")]
    assert dataset.opening_sentence(datas).count("**Attention** : PROJETS_DATA désigne") == 1
    assert "`mvtec_ad` ne se trouve pas" in dataset.location(datas).warning
    assert "`autovi` ne se trouve pas" in dataset.location(datas).warning


def test_a_category_that_is_not_there_is_named_when_others_are(root, monkeypatch):
    monkeypatch.setattr(sample, "draw", lambda folder, category: make_large_mvtec(folder))
    make_large_mvtec(root / "mvtec_ad" / "bottle")
    assert dataset.load("bottle").location.warning == ""
    assert "`mvtec_ad/hazelnut` ne se trouve pas" in dataset.load("hazelnut").location.warning


def test_without_projets_data_nothing_is_said_unless_data_holds_strangers(root, monkeypatch):
    monkeypatch.delenv("PROJETS_DATA")
    data = datasets.ROOT / "data"
    (data / "README.md").write_text("x", encoding="utf-8")
    (data / ".DS_Store").write_bytes(JUNK)
    (data / "__MACOSX").mkdir()
    assert datasets.locate("fashion_mnist", draw=drawn).warning == donnees.warning() == ""
    (data / "mes photos").mkdir()
    assert "`mes photos`, où rien n'a été reconnu" in datasets.locate("fashion_mnist", draw=drawn).warning
    monkeypatch.setenv("PROJETS_DATA", "echantillon")
    assert datasets.locate("fashion_mnist", draw=drawn).warning == donnees.warning() == ""


@pytest.mark.parametrize("place", ["bottle.tar.xz", "mvtec_ad/bottle.tar.xz"])
def test_an_archive_left_as_it_is_is_told(root, place, monkeypatch):
    monkeypatch.setattr(sample, "draw", lambda folder, category: make_large_mvtec(folder))
    (root / place).parent.mkdir(exist_ok=True)
    (root / place).write_bytes(b"\xfd7zXZ\0")
    warning = dataset.load("bottle").location.warning
    assert f"`{root / place}` est une archive" in warning and "donnees telecharger mvtec_ad" in warning
    assert "est une archive" not in datasets.locate("fashion_mnist", draw=drawn).warning  # it is another's
    if "/" in place:
        assert "bottle.tar.xz est une archive" in donnees.verify("mvtec_ad").problems[0]


# --- One list for two: what a loader reads, and `verifier` -----------------------------------------------------------


def spoil(folder: Path) -> None:
    """What macOS, Windows and a NAS leave everywhere."""
    for path in [folder, *(p for p in folder.rglob("*") if p.is_dir())]:
        for image in [p for p in path.iterdir() if p.is_file() and p.name[0] != "."]:
            (path / f"._{image.name}").write_bytes(JUNK)
        for name in (".DS_Store", "Thumbs.db", "desktop.ini", "Icon\r"):
            (path / name).write_bytes(JUNK)
        (path / "@eaDir").mkdir()
    (folder / "__MACOSX" / "bottle" / "train" / "good").mkdir(parents=True)
    write_image(folder / "__MACOSX" / "bottle" / "train" / "good" / "000.png")


@pytest.mark.parametrize("name", MAKERS)
def test_what_systems_leave_changes_nothing(root, name):
    folder = MAKERS[name](root / name)
    before = donnees.verify(name)
    spoil(folder)
    assert donnees.verify(name) == before
    assert before.problems == ()


def test_what_systems_leave_is_read_by_no_loader(root):
    bottle = make_large_mvtec(root / "mvtec_ad" / "bottle")
    art = make_artworks(root / "best-artworks-of-all-time")
    cloth = make_fashion(root / "fashion_mnist")
    for folder in (bottle.parent, art, cloth):
        spoil(folder)
    data = dataset.load("bottle")
    assert dataset.available() == {"bottle": "mvtec_ad"}
    assert (len(data.train), len(data.test), len(data.problems)) == (12, 12, 0)
    works, artists, problems = paintings.index(art)
    assert (len(works), len(artists)) == (4, 2)
    assert {path.name for path, what in problems if "même œuvre" not in what} == {"artists.csv"}  # it has few columns
    assert len(clothes.load().test) == 20


@pytest.mark.parametrize("suffix", [".bmp", ".webp", ".tif", ".JPG", ".gif"])
def test_every_suffix_is_counted_by_both(root, suffix):
    bottle = make_large_mvtec(root / "mvtec_ad" / "bottle")
    for path in list((bottle / "train").rglob("*.png")):
        write_image(path.with_suffix(suffix), 40)
        path.unlink()
    assert len(dataset.load("bottle").train) == 12
    expected = "bottle : 12 images d'apprentissage, 12 de test ; fichiers illisibles : 0."
    assert donnees.verify("mvtec_ad").notes[0] == expected


def test_an_image_above_the_limit_is_left_by_both_without_an_english_word(root, monkeypatch, recwarn):
    monkeypatch.setattr("commun.images.MAX_PIXELS", 1000)
    folder = make_artworks(root / "best-artworks-of-all-time")
    write_image(folder / "images/images/Titian/Titian_9.jpg", 40)
    works, _, problems = paintings.index(folder)
    assert len(works) == 4 and any("trop grande" in what for _, what in problems)
    assert "4 images de 2 artistes (4 selon artists.csv), 1 illisibles." in donnees.verify(folder.name).notes[0]
    assert not recwarn.list


# --- Good parts under other names ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["ok", "OK", "normal", "Bon", "bonnes", "GOOD", "sans_défaut", "no_defect"])
def test_good_parts_are_never_scored_as_defects(root, name):
    bottle = make_large_mvtec(root / "mvtec_ad" / "bottle")
    (bottle / "test/good").rename(bottle / "test" / name)
    data = dataset.load("bottle")
    assert (~data.test["is_defect"]).sum() == 6 and set(data.test["defect"]) == {"good", "crack", "odd_one"}
    assert (name.casefold() == "good") == data.problems.empty


@pytest.mark.parametrize("name", ["broken", "okra", "bonbon", "defective", "ko", "not_ok", "abnormal", "print"])
def test_other_names_are_defects(name):
    assert not lookup.is_good(name)


@pytest.mark.parametrize(("name", "is_read"), [("Good", True), ("GOOD", True), ("ok", False), ("normal", False)])
def test_training_images_are_read_or_refused_with_what_to_rename(root, name, is_read):
    bottle = make_large_mvtec(root / "mvtec_ad" / "bottle")
    (bottle / "train/good").rename(bottle / "train" / name)
    report = donnees.verify("mvtec_ad")
    if is_read:
        assert len(dataset.load("bottle").train) == 12 and report.problems == ()
    else:
        with pytest.raises(UserError, match=f"celles de train/{name} .*renommez ce dossier « good »") as caught:
            dataset.load("bottle")
        assert report.problems == (str(caught.value),)


def test_a_folder_without_a_single_mask_deserves_a_line(root):
    bottle = make_large_mvtec(root / "mvtec_ad" / "bottle")
    shutil.rmtree(bottle / "ground_truth/odd_one")
    problems = dataset.load("bottle").problems
    assert problems["file"].tolist() == ["test/odd_one"]
    assert "aucun masque pour ses 3 images" in problems["what"][0] and "sont-ce des défauts ?" in problems["what"][0]


# --- Neighbouring datasets -------------------------------------------------------------------------------------------


def test_mvtec_ad_2_is_read(root):
    can = make_large_mvtec(root / "mvtec_ad" / "can")
    (can / "test").rename(can / "test_public")
    (can / "ground_truth").rename(can / "test_public" / "ground_truth")
    write_image(can / "validation/good/000.png", 40)
    write_image(can / "test_private/000.png", 40)
    data = dataset.load("can")
    assert (len(data.train), len(data.test), int(data.test["is_defect"].sum())) == (12, 12, 6)
    assert data.test["masks"].map(len).sum() == 6
    said = dict(zip(data.problems["file"], data.problems["what"], strict=True))
    assert "MVTec AD 2" in said.pop("test_public") and "non utilisées" in said.pop("validation")
    assert "non utilisé" in said.pop("test_private") and not said


@pytest.mark.parametrize("is_grey", [True, False])
def test_a_grey_category_is_said(root, is_grey):
    grid = make_large_mvtec(root / "mvtec_ad" / "grid")
    if is_grey:
        from PIL import Image

        for path in (grid / "train/good").iterdir():
            Image.open(path).convert("L").save(path)
    data = dataset.load("grid")
    assert (files.GREY in dataset.opening_sentence([data])) == is_grey
    assert (files.GREY in set(data.problems["what"])) == is_grey
