"""The paintings as project 1 reads them: names, files, near-duplicates, and a split that separates none of them."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps
from test_projet1_names import MANGLED, TWICE

from commun import UserError
from commun.datasets import Location, working_folder
from projet1_artistes import PROJECT, checks, dataset, duplicates, files, split
from projet1_artistes.names import key
from projet1_artistes.split import PARTS, TRAINING, split_by_group

HEADER = "id,name,years,genre,nationality,bio,wikipedia,paintings"


def picture(seed: int, size: tuple[int, int] = (48, 40)) -> Image.Image:
    """A smooth picture of its own, of this width and height."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), np.uint8)
    return Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)


def save(path: Path, image: Image.Image, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)
    return path


def table(folder: Path, announced: Mapping[str, int | str]) -> None:
    lines = [f'{i},{n},1900 - 1980,"Cubism,Realism",French,x,y,{c}' for i, (n, c) in enumerate(announced.items())]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "artists.csv").write_text("\n".join([HEADER, *lines]), encoding="utf-8")


def collection(folder: Path, counts: Mapping[str, int], *, low: bool = True) -> Path:
    """Works in the official layout, all different: folder of the artist -> number of works."""
    for rank, (name, count) in enumerate(counts.items()):
        for number in range(1, count + 1):
            work = picture(1000 * rank + number)
            save(folder / "images/images" / name / f"{name}_{number}.jpg", work, quality=92)
            if low:
                save(folder / "resized/resized" / f"{name}_{number}.jpg", work.resize((12, 10)), quality=80)
    table(folder, {name.replace("_", " "): count for name, count in counts.items()})
    return folder


def opened(folder: Path) -> dataset.Data:
    return dataset.open_folder(Location(folder, True, "essai"))


@pytest.fixture
def root(tmp_path: Path, work: Path) -> Path:
    return tmp_path / "données"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dataset.Data:
    """Three artists, 23 works, among them three that are the same."""
    folder = collection(tmp_path_factory.mktemp("œuvres"), {"Ada_Bleu": 10, "Bo_Gris": 7, "Zoé_Vert": 6})
    twin = Image.open(folder / "images/images/Ada_Bleu/Ada_Bleu_3.jpg")
    save(folder / "images/images/Ada_Bleu/Ada_Bleu_9.jpg", twin, quality=60)
    save(folder / "images/images/Bo_Gris/Bo_Gris_2.jpg", twin.resize((60, 50)), quality=90)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJETS_TRAVAIL", str(tmp_path_factory.mktemp("travail")))
        yield opened(folder)


# --- The list of works -----------------------------------------------------------------------------------------------


def test_works_artists_and_classes(data):
    assert data.names == ["Ada Bleu", "Bo Gris", "Zoé Vert"]
    assert data.artists["announced"].tolist() == [10, 7, 6]
    assert data.artists["works"].tolist() == [10, 7, 6]
    assert data.artists["genre"].tolist() == ["Cubism,Realism"] * 3
    assert data.artists["evaluated"].all()
    assert len(data.problems) == 0
    assert np.bincount(data.labels).tolist() == [10, 7, 6]
    assert [path.parent.name for path in data.works["path"]] == [data.artists["folder"][a] for a in data.labels]
    first = data.works["path"].iloc[:10]
    assert [path.stem for path in first] == [f"Ada_Bleu_{n}" for n in range(1, 11)]  # 10 after 9
    assert [path.name for path in data.works["low"]] == [path.name for path in data.works["path"]]
    assert data.works[["width", "height"]].drop_duplicates().to_numpy().tolist() == [[48, 40], [60, 50]]


def test_the_trap_of_durer(root):
    collection(root, {"Ada_Bleu": 4})
    table(root, {"Ada Bleu": 4, "Albrecht Dürer": 6})
    for name, numbers in ((MANGLED, range(1, 6)), (TWICE, range(2, 7)), ("Albrecht_Durer", [6])):
        for number in numbers:
            save(root / "images/images" / name / f"{name}_{number}.jpg", picture(number))
            save(root / "resized/resized" / f"{name}_{number}.jpg", picture(number, (12, 10)))
    data = opened(root)
    assert data.names == ["Ada Bleu", "Albrecht Dürer"]
    assert data.artists["works"].tolist() == [4, 6]
    assert data.artists["announced"].tolist() == [4, 6]
    assert set(data.artists["folder"][1].split(" et ")) == {MANGLED, TWICE, "Albrecht_Durer"}
    numbers = [key(path.stem) for path in data.works["path"][data.labels == 1]]
    assert sorted(numbers) == [f"albrecht durer {n}" for n in range(1, 7)]
    assert data.works["low"].notna().all()
    assert data.problems["what"].str.startswith("même œuvre").sum() == len(data.problems) == 5


def test_without_the_table_artists_have_the_names_of_their_folders(root):
    collection(root, {TWICE: 3, "Bo_Gris": 3})
    (root / "artists.csv").unlink()
    data = opened(root)
    assert data.names == ["Albrecht Dürer", "Bo Gris"]
    assert data.artists["announced"].isna().all()
    assert data.problems["file"].tolist() == ["artists.csv"]
    assert "absent" in data.problems["what"][0]


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe\x00\x81 nothing", b'a,b\n"never closed,1\n2,3,4', b"id,title\n1,x\n", b"\x89PNG\r\n\x1a\n\0\0"],
    ids=["empty", "binary", "open quote", "no name", "picture"],
)
def test_a_damaged_table_is_not_fatal(root, content):
    collection(root, {"Ada_Bleu": 3})
    (root / "artists.csv").write_bytes(content)
    data = opened(root)
    assert data.names == ["Ada Bleu"]
    assert data.artists["announced"].isna().all()
    assert len(data.works) == 3


TABLE = """id,name,years,genre,nationality,bio,wikipedia,paintings
0,Joan Miró,1893 - 1983,Surrealism,Spanish,"Né à Barcelone, en 1893.",http://exemple.org,6
1,Albrecht Dürer,1471 - 1528,Northern Renaissance,German,Bio courte,http://exemple.org,4
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize(
    "heads",
    [
        "id,name,years,genre,nationality,bio,wikipedia,paintings",
        "id,Name,Years,Genre,Nationality,Bio,Wikipedia,Paintings",
        "id,artist,Years,Style,Country,bio,wikipedia,nb_paintings",
        "n°,Nom de l'artiste,Années,Genres,Nationalité,bio,wikipedia,Nombre d'œuvres",
    ],
)
def test_the_table_is_read_as_spreadsheets_write_it(root, encoding, separator, heads):
    collection(root, {"Albrecht_Durer": 3, "Joan_Miro": 3})
    rows = list(csv.reader(io.StringIO(TABLE)))
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows([heads.split(","), *rows[1:]])
    (root / "artists.csv").write_bytes(text.getvalue().encode(encoding))
    data = opened(root)
    assert data.names == ["Albrecht Dürer", "Joan Miró"]
    assert data.artists[["announced", "genre", "years", "nationality"]].to_numpy().tolist() == [
        [4, "Northern Renaissance", "1471 - 1528", "German"],
        [6, "Surrealism", "1893 - 1983", "Spanish"],
    ]
    assert data.problems.empty


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("id;titre\n0;x\n", "aucun nom d'artiste dans une colonne « name » (colonnes lues : « id », « titre »)"),
        ("name,paintings\nAda Bleu,3\n", "sans colonne « years », « genre », « nationality »"),
        ("sep=;\nname;years;genre;nationality;paintings\nAda Bleu;1;2;3;3\n", ""),
    ],
)
def test_what_the_table_lacks_is_said(root, content, says):
    collection(root, {"Ada_Bleu": 3})
    (root / "artists.csv").write_text(content, encoding="utf-8")
    problems = opened(root).problems
    assert problems["file"].tolist() == ["artists.csv"] * bool(says)
    assert not says or says in problems["what"][0]


@pytest.mark.parametrize("surname", ["DuÔòá├¬rer", "DÃ¼rer", "D√ºrer", "D#U00fcrer", "D%C3%BCrer", "Dⁿrer"])
def test_damaged_folders_files_and_copies_are_one_artist(root, surname):
    damaged = f"Albrecht_{surname}"
    collection(root, {"Ada_Bleu": 3})
    table(root, {"Ada Bleu": 3, "Albrecht Dürer": 6})
    for name, numbers in (("Albrecht_Durer", range(1, 5)), (damaged, range(1, 7))):
        for number in numbers:
            save(root / "images/images" / name / f"{name}_{number}.jpg", picture(number))
    for number in range(1, 7):
        save(root / "resized/resized" / f"{damaged}_{number}.jpg", picture(number, (12, 10)))
    data = opened(root)
    assert data.names == ["Ada Bleu", "Albrecht Dürer"] and data.artists["works"].tolist() == [3, 6]
    assert data.works["low"].notna().all()
    assert data.problems["what"].str.startswith("même œuvre").sum() == len(data.problems) == 4
    assert checks.check_split(data)["passed"].all()


def test_a_table_with_odd_lines(root):
    collection(root, {"Ada_Bleu": 3, "Bo_Gris": 3})
    table(root, {"Ada Bleu": "beaucoup", "": 4, "Absent Jamais": 12})
    data = opened(root)
    assert data.names == ["Ada Bleu", "Bo Gris"]
    assert data.artists["announced"].isna().all()
    assert data.artists["genre"].notna().tolist() == [True, False]
    assert data.problems["what"].tolist() == ["sans aucun dossier d'images : Absent Jamais"]


def test_files_that_are_no_works_are_listed(root):
    collection(root, {"Ada_Bleu": 4, "Bo_Gris": 3})
    folder = root / "images/images"
    (folder / "perdu.jpg").write_bytes(b"x")
    (folder / ".DS_Store").write_bytes(b"x")
    (folder / "Ada_Bleu/.caché.jpg").write_bytes(b"x")
    (folder / "Ada_Bleu/note.txt").write_text("bonjour", encoding="utf-8")
    (folder / "Ada_Bleu/dossier.jpg").mkdir()
    (folder / "Ada_Bleu/Ada_Bleu_5.jpg").write_bytes(b"")
    (folder / "Ada_Bleu/Ada_Bleu_6.jpg").write_bytes(b"<html>404</html>")
    whole = (folder / "Bo_Gris/Bo_Gris_3.jpg").read_bytes()
    (folder / "Ada_Bleu/Ada_Bleu_7.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "Vide").mkdir()
    with contextlib.suppress(OSError):  # Windows may refuse links
        (folder / "Ada_Bleu/Ada_Bleu_8.jpg").symlink_to(folder / "nulle_part.jpg")
    data = opened(root)
    assert data.artists["works"].tolist() == [4, 3]
    assert data.names == ["Ada Bleu", "Bo Gris"]
    found = dict(zip(data.problems["file"].str.removeprefix("images/images/"), data.problems["what"], strict=True))
    assert "absent" in found.pop("Ada_Bleu/Ada_Bleu_8.jpg", "absent")
    assert set(found) == {
        "perdu.jpg",
        "Vide",
        *(f"Ada_Bleu/{n}" for n in ("note.txt", "dossier.jpg", "Ada_Bleu_5.jpg", "Ada_Bleu_6.jpg", "Ada_Bleu_7.jpg")),
    }
    assert found["Ada_Bleu/Ada_Bleu_5.jpg"].startswith("fichier vide")
    assert found["Ada_Bleu/Ada_Bleu_6.jpg"].startswith("pas une image")
    assert "tronquée" in found["Ada_Bleu/Ada_Bleu_7.jpg"]
    assert "dossier inattendu" in found["Ada_Bleu/dossier.jpg"]
    assert len(data.images) == len(data.works) == 7  # a row of pixels for each row of the table, and no more


def test_every_kind_of_file_is_a_work(root):
    folder = root / "images/images/Ada_Bleu"
    whole = picture(5, (48, 48))
    exif = Image.Exif()
    exif[0x0112] = 6
    save(folder / "1.jpg", whole.rotate(90, expand=True), exif=exif, quality=95)
    save(folder / "2.JPEG", whole.convert("CMYK"), format="JPEG", quality=95)
    save(folder / "3.png", whole.quantize(255))
    save(folder / "4.webp", whole, quality=95)
    save(folder / "5.bmp", ImageOps.grayscale(whole))
    data = opened(root)
    pixels = data.images.astype(int)
    assert len(data.works) == 5
    reference = np.asarray(whole.resize((128, 128), Image.Resampling.LANCZOS)).astype(int)
    assert (np.abs(pixels[:4] - reference).mean(axis=(1, 2, 3)) < 12).all()
    assert (pixels[4][..., 0] == pixels[4][..., 2]).all()
    assert len(set(data.groups)) == 1  # the same work, five times


def test_an_absent_folder_of_images_is_one_sentence(tmp_path, work):
    with pytest.raises(UserError, match="est absent"):
        opened(tmp_path)


@pytest.mark.parametrize("content", [None, b"", b"text"])
def test_no_work_at_all_is_one_sentence(root, content):
    (root / "images/images/Ada_Bleu").mkdir(parents=True)
    if content is not None:
        (root / "images/images/Ada_Bleu/1.jpg").write_bytes(content)
    with pytest.raises(UserError, match="aucune œuvre lisible"):
        opened(root)


def test_works_that_have_a_header_and_no_pixels(root):
    whole = io.BytesIO()
    picture(0).save(whole, "PNG")
    folder = root / "images/images/Ada_Bleu"
    folder.mkdir(parents=True)
    (folder / "1.png").write_bytes(whole.getvalue()[:60])
    with pytest.raises(UserError, match="aucune œuvre lisible"):
        opened(root)


# --- Pixels ----------------------------------------------------------------------------------------------------------


def test_pixels_follow_the_rows(data):
    assert isinstance(data.images, np.memmap)
    for side, found in ((16, dataset.squares(data.works["path"], 16)[0]), (128, data.images)):
        assert found.shape == (23, side, side, 3) and found.dtype == np.uint8
        for row in (0, 11, 22):
            image = Image.open(data.works["path"].iloc[row])
            middle = ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
            assert np.abs(found[row].astype(int) - np.asarray(middle)).mean() < 3


def test_low_quality_copies_and_those_that_miss(root):
    collection(root, {"Ada_Bleu": 5, "Bo_Gris": 3})
    small = root / "resized/resized"
    (small / "Ada_Bleu_2.jpg").unlink()
    (small / "Ada_Bleu_4.jpg").write_bytes(b"")
    (small / "Bo_Gris_1.jpg").rename(small / "Bo_Gris_1.JPEG")
    data = opened(root)
    rows = np.array([5, 4, 3, 1, 0])  # Bo 1, Ada 5, 4, 2, 1
    images, present = dataset.low_images(data, rows)
    assert present.tolist() == [True, True, False, False, True]
    assert images.shape == (3, 128, 128, 3)
    high = data.images[rows[present]].astype(int)
    distances = np.abs(high[:, None] - images[None]).mean(axis=(2, 3, 4))
    assert distances.argmin(axis=1).tolist() == [0, 1, 2]  # each is the copy of its own work


def test_no_low_quality_at_all(root):
    data = opened(collection(root, {"Ada_Bleu": 3}, low=False))
    assert data.works["low"].isna().all()
    images, present = dataset.low_images(data, np.arange(3))
    assert images.shape == (0, 128, 128, 3) and not present.any()
    assert dataset.low_images(data, np.arange(0))[1].shape == (0,)


def test_a_file_that_changes_is_read_again(root):
    collection(root, {"Ada_Bleu": 3})
    assert opened(root).works["width"].tolist() == [48, 48, 48]
    save(root / "images/images/Ada_Bleu/Ada_Bleu_2.jpg", picture(9, (70, 40)))
    assert opened(root).works["width"].tolist() == [48, 70, 48]


# --- Near-duplicates and the split ------------------------------------------------------------------------------------


def test_the_same_work_by_two_artists_is_one_group(data):
    by_name = dict(zip((path.stem for path in data.works["path"]), data.works["group"], strict=True))
    assert by_name["Ada_Bleu_3"] == by_name["Ada_Bleu_9"] == by_name["Bo_Gris_2"]
    assert len(set(data.groups)) == 21
    assert data.works["part"][data.groups == by_name["Bo_Gris_2"]].nunique() == 1


def test_parts_of_the_data(data):
    rows = {part: data.rows(part) for part in PARTS}
    assert sorted(np.concatenate(list(rows.values())).tolist()) == list(range(23))
    assert all((np.diff(found) > 0).all() for found in rows.values())
    again = split_by_group(data.labels, data.groups)
    for part in PARTS:
        np.testing.assert_array_equal(rows[part], again[part])
    spread = {artist: set(part) for artist, part in data.works.groupby("artist")["part"]}
    assert all(parts == set(PARTS) for parts in spread.values())


def test_an_artist_of_two_works_is_not_evaluated(root):
    data = opened(collection(root, {"Ada_Bleu": 6, "Bo_Gris": 2}))
    assert data.artists["evaluated"].tolist() == [True, False]
    assert (data.works["part"][data.labels == 1] == TRAINING).all()


def test_the_split_is_saved_and_found_again(root, monkeypatch):
    collection(root, {"Ada_Bleu": 8, "Bo_Gris": 6})
    first = opened(root)
    (path,) = working_folder("decoupages", PROJECT).iterdir()
    saved = pd.read_csv(path, encoding="utf-8")
    assert saved["file"].tolist() == [p.name for p in first.works["path"]]
    assert saved["part"].tolist() == first.works["part"].tolist()
    with monkeypatch.context() as patch:
        patch.setattr(Image, "open", lambda *arguments: pytest.fail("read again"))
        pd.testing.assert_frame_equal(opened(root).works, first.works)
    save(root / "images/images/Bo_Gris/Bo_Gris_7.jpg", picture(77))
    more = opened(root)
    assert len(more.works) == 15 and more.works["part"].notna().all()
    assert len(list(path.parent.iterdir())) == 2


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (duplicates, "NEAR_BITS", 13),
        (split, "PARTS", {TRAINING: 0.6, "validation": 0.2, "test": 0.2}),
        (split, "largest_remainder", lambda count, shares: [count - 2, 1, 1]),
        (duplicates, "details", lambda images: np.zeros((len(images), 1), np.float32)),
    ],
)
def test_a_split_is_made_again_when_what_makes_it_was_edited(root, monkeypatch, module, name, value):
    opened(collection(root, {"Ada_Bleu": 8}))
    monkeypatch.setattr(module, name, value)
    opened(root)
    opened(root)
    assert len(list(working_folder("decoupages", PROJECT).iterdir())) == 2
    assert len(list(working_folder("entetes", PROJECT).iterdir())) == 1


def test_headers_are_read_again_when_what_reads_them_was_edited(root, monkeypatch):
    opened(collection(root, {"Ada_Bleu": 4}))
    monkeypatch.setattr(files, "size", lambda path: (7, 5))
    assert (opened(root).works[["width", "height"]] == [7, 5]).all(axis=None)


def test_near_duplicates_are_sought_on_the_squares_that_models_see(root):
    """Two pictures of one painting, the second with wide margins: the same centred square, another whole."""
    collection(root, {"Ada_Bleu": 6, "Bo_Gris": 4})
    square, wide = picture(501, (96, 96)), picture(502, (288, 96))
    wide.paste(square, (96, 0))
    save(root / "images/images/Ada_Bleu/Ada_Bleu_7.jpg", square, quality=95)
    save(root / "images/images/Ada_Bleu/Ada_Bleu_8.jpg", wide, quality=95)
    data = opened(root)
    groups = data.groups[[path.stem in ("Ada_Bleu_7", "Ada_Bleu_8") for path in data.works["path"]]]
    assert len(groups) == 2 and groups[0] == groups[1]
    assert len(set(data.groups)) == len(data.works) - 1


def test_load_reads_the_real_paintings_where_they_are(root, monkeypatch):
    collection(root / dataset.NAME, {"Ada_Bleu": 4, "Bo_Gris": 3})
    monkeypatch.setenv("PROJETS_DATA", str(root))
    data = dataset.load()
    assert data.location.is_real and data.names == ["Ada Bleu", "Bo Gris"]
