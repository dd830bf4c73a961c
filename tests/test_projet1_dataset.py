"""The paintings as project 1 reads them: names, files, near-duplicates, and a split that separates none of them."""

from __future__ import annotations

import contextlib
import io
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance, ImageOps

from commun import UserError
from commun.datasets import Location, working_folder
from projet1_artistes import dataset
from projet1_artistes.dataset import PARTS, TEST, TRAINING, VALIDATION

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


# --- Names -----------------------------------------------------------------------------------------------------------

DURER = "Albrecht_Dürer"
MANGLED = unicodedata.normalize("NFD", DURER).encode().decode("cp437")
TWICE = MANGLED.encode().decode("cp437")


def test_the_mangled_names_are_those_of_the_real_archive():
    assert (MANGLED, TWICE) == ("Albrecht_Du╠êrer", "Albrecht_DuΓòá├¬rer")


@pytest.mark.parametrize(
    "name",
    [
        DURER,
        unicodedata.normalize("NFD", DURER),
        MANGLED,
        TWICE,
        DURER.encode().decode("cp437"),
        "Albrecht_Durer",
        "Albrecht Dürer",
        " ALBRECHT  DÜRER ",
        "albrecht-dürer",
    ],
)
def test_one_artist_however_the_name_is_written(name):
    assert dataset.key(name) == "albrecht durer"


@pytest.mark.parametrize("name", [DURER, "Pierre-Auguste_Renoir", "El_Greco", "Élie Dürel", "Joan Miró", "Łódź"])
@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_repair_undoes_the_damage(name, times):
    damaged = name
    for _ in range(times):
        damaged = damaged.encode().decode("cp437")
    assert dataset.repair(damaged) == name
    assert dataset.repair(dataset.repair(damaged)) == name


def test_names_that_differ_have_different_keys():
    names = ["Paul Klee", "Paul Cezanne", "Jan van Eyck", "Claude Monet", "Edouard Manet", "Ede 1", "Ede 11"]
    assert len({dataset.key(name) for name in names}) == len(names)


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
    numbers = [dataset.key(path.stem) for path in data.works["path"][data.labels == 1]]
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
    assert len(dataset.pixels(data)) == len(data.works) == 7  # a row of pixels for each row of the table, and no more
    assert len(data.files) == 8


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
    pixels = dataset.pixels(data).astype(int)
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
    for side in (16, 128):
        found = dataset.pixels(data, side)
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
    images, present = dataset.low_pixels(data, rows, 16)
    assert present.tolist() == [True, True, False, False, True]
    assert images.shape == (3, 16, 16, 3)
    high = dataset.pixels(data, 16)[rows[present]].astype(int)
    distances = np.abs(high[:, None] - images[None]).mean(axis=(2, 3, 4))
    assert distances.argmin(axis=1).tolist() == [0, 1, 2]  # each is the copy of its own work


def test_no_low_quality_at_all(root):
    data = opened(collection(root, {"Ada_Bleu": 3}, low=False))
    assert data.works["low"].isna().all()
    images, present = dataset.low_pixels(data, np.arange(3), 16)
    assert images.shape == (0, 16, 16, 3) and not present.any()
    assert dataset.low_pixels(data, np.arange(0), 16)[1].shape == (0,)


def test_a_file_that_changes_is_read_again(root):
    collection(root, {"Ada_Bleu": 3})
    assert opened(root).works["width"].tolist() == [48, 48, 48]
    save(root / "images/images/Ada_Bleu/Ada_Bleu_2.jpg", picture(9, (70, 40)))
    assert opened(root).works["width"].tolist() == [48, 70, 48]


def test_a_part_of_a_file_of_pixels_is_that_part(data):
    pixels = dataset.pixels(data)
    assert isinstance(pixels, np.memmap)
    hashes, fine = dataset.perceptual_hash(np.array(pixels)), dataset.details(np.array(pixels))
    for rows in (slice(None), slice(3, 9), slice(20, None, -2)):
        np.testing.assert_array_equal(dataset.perceptual_hash(pixels[rows]), hashes[rows])
        np.testing.assert_allclose(dataset.details(pixels[rows]), fine[rows], atol=1e-6)
    np.testing.assert_array_equal(dataset.near_duplicates(pixels), dataset.near_duplicates(np.array(pixels)))


# --- Near-duplicates -------------------------------------------------------------------------------------------------


def squares(pictures: list[Image.Image], side: int = 128) -> np.ndarray:
    return np.stack([np.asarray(image.convert("RGB").resize((side, side))) for image in pictures])


def recompressed(image: Image.Image, quality: int = 40) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    return Image.open(stream)


def test_copies_are_found_and_strangers_are_not():
    originals = [picture(seed, (128, 128)) for seed in range(40)]
    copies = [
        recompressed(originals[3]),
        originals[7].resize((50, 50)),
        ImageEnhance.Brightness(originals[11]).enhance(1.2),
        ImageOps.grayscale(originals[20]),
        originals[30].crop((3, 3, 125, 125)),
    ]
    pairs = dataset.near_duplicates(squares(originals + copies))
    assert {tuple(pair) for pair in pairs} == {(3, 40), (7, 41), (11, 42), (20, 43), (30, 44)}
    assert pairs.dtype == np.int64


def test_no_pairs_without_images():
    assert dataset.near_duplicates(np.empty((0, 64, 64, 3), np.uint8)).shape == (0, 2)
    assert dataset.near_duplicates(squares([picture(0)])).shape == (0, 2)


def test_flat_pictures_are_not_errors():
    flat = np.full((3, 64, 64, 3), 120, np.uint8)
    assert np.isfinite(dataset.details(flat)).all()
    assert dataset.perceptual_hash(flat).shape == (3, 63)
    dataset.near_duplicates(flat)


def test_a_hash_says_which_low_frequencies_are_strong():
    x = (np.arange(64) + 0.5) * np.pi / 64
    waves = [np.outer(np.cos(3 * x), np.cos(2 * x)), np.outer(np.cos(5 * x), np.ones(64))]
    images = np.stack([np.repeat((127 + 120 * w)[..., None], 3, axis=2) for w in waves]).astype(np.uint8)
    hashes = dataset.perceptual_hash(images)
    assert hashes.dtype == bool and hashes[0, 3 * 8 + 2 - 1] and hashes[1, 5 * 8 - 1]
    brighter = np.clip(images.astype(int) + 8, 0, 255).astype(np.uint8)
    assert dataset.perceptual_hash(brighter)[0, 25] and dataset.perceptual_hash(brighter)[1, 39]
    with pytest.raises(ValueError, match="multiple of 32"):
        dataset.perceptual_hash(np.zeros((1, 40, 40, 3), np.uint8))


def test_details_are_correlations():
    fine = dataset.details(squares([picture(seed) for seed in range(6)]))
    assert fine.shape == (6, 1024) and fine.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(fine, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(fine.mean(axis=1), 0, atol=1e-6)
    darker = dataset.details(squares([ImageEnhance.Brightness(picture(seed)).enhance(0.6) for seed in range(6)]))
    assert ((fine * darker).sum(axis=1) > 0.98).all()
    assert np.abs(fine @ fine.T - np.eye(6)).max() < 0.5


@pytest.mark.parametrize("compared", [1, 60, 1000])
@pytest.mark.parametrize("distance", [0, 5, 20, 63])
def test_close_pairs_are_those_of_a_double_loop(monkeypatch, compared, distance):
    monkeypatch.setattr(dataset, "COMPARED", compared)
    random = np.random.default_rng(distance)
    base = random.random((6, 63)) < 0.5
    hashes = base[random.integers(0, 6, 20)] ^ (random.random((20, 63)) < 0.08)
    found = dataset.close_pairs(hashes, distance=distance)
    expected = [(i, j) for i in range(20) for j in range(i + 1, 20) if (hashes[i] ^ hashes[j]).sum() <= distance]
    assert [tuple(pair) for pair in found] == expected


def test_connected_links_links():
    pairs = np.array([(0, 4), (4, 2), (5, 6)])
    groups = dataset.connected(pairs, 8)
    assert groups.dtype == np.int64
    assert groups[0] == groups[4] == groups[2] and groups[5] == groups[6]
    assert len(set(groups)) == 5
    assert sorted(dataset.connected(np.empty((0, 2), np.int64), 4)) == [0, 1, 2, 3]


def test_the_same_work_by_two_artists_is_one_group(data):
    by_name = dict(zip((path.stem for path in data.works["path"]), data.works["group"], strict=True))
    assert by_name["Ada_Bleu_3"] == by_name["Ada_Bleu_9"] == by_name["Bo_Gris_2"]
    assert len(set(data.groups)) == 21
    spanning = dataset.spanning(data)
    assert spanning["artists"].tolist() == ["Ada Bleu, Bo Gris"]
    assert spanning["files"].tolist() == ["Ada_Bleu_3.jpg, Ada_Bleu_9.jpg, Bo_Gris_2.jpg"]
    assert data.works["part"][data.groups == by_name["Bo_Gris_2"]].nunique() == 1


# --- The split -------------------------------------------------------------------------------------------------------


def random_works(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels and groups of 2 to 8 artists, 3 to 90 works each; most groups are of one work."""
    random = np.random.default_rng(seed)
    counts = random.integers(3, 91, random.integers(2, 9))
    labels = random.permutation(np.repeat(np.arange(len(counts)), counts))
    groups, ends = np.arange(len(labels)), [np.flatnonzero(labels == c) for c in range(len(counts))]
    for rows in ends:
        for _ in range(len(rows) // 12):
            groups[random.choice(rows, random.integers(2, 4), replace=False)] = groups[rows[0]]
    return labels, groups + 1000 * (seed % 2)


@pytest.mark.parametrize("seed", range(25))
def test_the_split_keeps_its_promises(seed):
    labels, groups = random_works(seed)
    split = dataset.split_by_group(labels, groups, seed=seed)
    assert list(split) == list(PARTS)
    part = np.full(len(labels), -1)
    for number, rows in enumerate(split.values()):
        assert (np.diff(rows) > 0).all() and (part[rows] == -1).all()  # sorted, disjoint
        part[rows] = number
    assert (part >= 0).all()  # complete
    assert all(len(set(part[groups == group])) == 1 for group in set(groups))
    for artist in set(labels):
        mine = labels == artist
        counts = np.bincount(part[mine], minlength=3)
        assert (counts >= 1).all()
        largest = max(np.bincount(np.unique(groups[mine], return_inverse=True)[1]))
        gaps = np.abs(counts - mine.sum() * np.array(list(PARTS.values())))
        assert (gaps < largest * np.array([2, 1, 1]) + 1e-9).all()


@pytest.mark.parametrize("seed", range(5))
def test_single_works_are_shared_out_to_the_nearest(seed):
    labels = np.repeat([0, 1, 2], [100, 20, 47])
    split = dataset.split_by_group(labels, np.arange(len(labels)), seed=seed)
    counts = [np.bincount(labels[rows], minlength=3).tolist() for rows in split.values()]
    assert np.transpose(counts).tolist() == [dataset.largest_remainder(n, [0.7, 0.15, 0.15]) for n in (100, 20, 47)]


def test_a_seed_is_a_split():
    labels, groups = random_works(3)
    first, same = (dataset.split_by_group(labels, groups, seed=7) for _ in range(2))
    other = dataset.split_by_group(labels, groups, seed=8)
    for part in PARTS:
        np.testing.assert_array_equal(first[part], same[part])
    assert any(not np.array_equal(first[part], other[part]) for part in PARTS)
    known = dataset.split_by_group(np.zeros(10, int), np.arange(10), seed=0)
    assert [known[part].tolist() for part in (VALIDATION, TEST)] == [[2, 6], [4]]  # on any machine


def test_an_artist_leaves_the_others_alone():
    labels, groups = np.repeat([0, 1], [30, 40]), np.arange(70)
    whole, alone = dataset.split_by_group(labels, groups), dataset.split_by_group(labels[:30], groups[:30])
    for part in PARTS:
        np.testing.assert_array_equal(whole[part][whole[part] < 30], alone[part])


@pytest.mark.parametrize("groups", [[0, 0, 0, 0, 0], [0, 0, 1, 1, 1], [0], [0, 1]])
def test_an_artist_with_too_few_groups_only_trains(groups):
    labels = np.concatenate([np.zeros(len(groups), int), np.ones(20, int)])
    split = dataset.split_by_group(labels, np.concatenate([groups, np.arange(10, 30)]))
    assert (labels[split[TRAINING]] == 0).sum() == len(groups)
    assert (labels[split[TEST]] == 1).all() and (labels[split[VALIDATION]] == 1).all()


def test_three_groups_are_one_each():
    for seed in range(10):
        groups = np.array([0] * 9 + [1] * 2 + [2])
        split = dataset.split_by_group(np.zeros(12, int), groups, seed=seed)
        assert sorted(len(set(groups[rows])) for rows in split.values()) == [1, 1, 1]
        assert len(split[TRAINING]) == 9  # the parts that judge take the smallest groups


def test_a_group_of_two_artists_stays_whole():
    labels = np.array([0] * 12 + [1] * 12)
    groups = np.arange(24)
    groups[[3, 14, 15]] = 3
    for seed in range(10):
        split = dataset.split_by_group(labels, groups, seed=seed)
        assert sum(3 in groups[rows] for rows in split.values()) == 1


@pytest.mark.parametrize(
    ("labels", "groups", "parts"),
    [
        ([0, 0], [0], PARTS),
        ([0], [0], {"a": 0.5, "b": 0.4}),
        ([0], [0], {"a": 1.5, "b": -0.5}),
        ([0], [0], {"a": 1.0, "b": 0.0}),
    ],
)
def test_impossible_splits_are_refused(labels, groups, parts):
    with pytest.raises(UserError):
        dataset.split_by_group(np.array(labels), np.array(groups), parts=parts)


def test_nothing_to_split():
    split = dataset.split_by_group(np.empty(0, int), np.empty(0, int))
    assert {part: len(rows) for part, rows in split.items()} == dict.fromkeys(PARTS, 0)


def test_two_parts_and_four():
    labels, groups = random_works(2)
    for parts in ({"a": 0.9, "b": 0.1}, {"a": 0.4, "b": 0.3, "c": 0.2, "d": 0.1}):
        split = dataset.split_by_group(labels, groups, parts=parts)
        assert sorted(np.concatenate(list(split.values())).tolist()) == list(range(len(labels)))
        for part, share in parts.items():
            assert len(split[part]) / len(labels) == pytest.approx(share, abs=0.06)


@pytest.mark.parametrize("seed", range(20))
def test_largest_remainder(seed):
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.ones(random.integers(1, 6)))
    count = int(random.integers(0, 200))
    found = dataset.largest_remainder(count, shares)
    assert sum(found) == count
    assert (np.abs(found - count * shares) < 1).all()


def test_largest_remainder_by_hand():
    assert dataset.largest_remainder(10, [0.7, 0.15, 0.15]) == [7, 2, 1]
    assert dataset.largest_remainder(20, [0.7, 0.15, 0.15]) == [14, 3, 3]
    assert dataset.largest_remainder(3, [0.7, 0.15, 0.15]) == [2, 1, 0]
    assert dataset.largest_remainder(0, [0.5, 0.5]) == [0, 0]


def test_parts_of_the_data(data):
    rows = {part: data.rows(part) for part in PARTS}
    assert sorted(np.concatenate(list(rows.values())).tolist()) == list(range(23))
    assert all((np.diff(found) > 0).all() for found in rows.values())
    again = dataset.split_by_group(data.labels, data.groups)
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
    (path,) = working_folder("decoupages", "projet1_artistes").iterdir()
    saved = pd.read_csv(path, encoding="utf-8")
    assert saved["file"].tolist() == [p.name for p in first.works["path"]]
    assert saved["part"].tolist() == first.works["part"].tolist()
    with monkeypatch.context() as patch:
        patch.setattr(dataset, "near_duplicates", lambda images: pytest.fail("computed again"))
        patch.setattr(dataset, "size", lambda path: pytest.fail("read again"))
        pd.testing.assert_frame_equal(opened(root).works, first.works)
    save(root / "images/images/Bo_Gris/Bo_Gris_7.jpg", picture(77))
    more = opened(root)
    assert len(more.works) == 15 and more.works["part"].notna().all()
    assert len(list(path.parent.iterdir())) == 2
    monkeypatch.setattr(dataset, "SPLIT_SEED", 1)
    opened(root)
    assert len(list(path.parent.iterdir())) == 3


def test_load_reads_the_real_paintings_where_they_are(root, monkeypatch):
    collection(root / dataset.NAME, {"Ada_Bleu": 4, "Bo_Gris": 3})
    monkeypatch.setenv("PROJETS_DATA", str(root))
    data = dataset.load()
    assert data.location.is_real and data.names == ["Ada Bleu", "Bo Gris"]


# --- Folds -----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize("seed", range(5))
def test_folds_are_stratified_and_keep_groups_whole(seed):
    labels, groups = random_works(seed)
    fold = dataset.folds(labels, groups, 5, seed=seed)
    assert fold.dtype == np.int64 and set(fold) == set(range(5))
    assert all(len(set(fold[groups == group])) == 1 for group in set(groups))
    np.testing.assert_array_equal(fold, dataset.folds(labels, groups, 5, seed=seed))
    for artist in np.unique(labels):
        counts = np.bincount(fold[labels == artist], minlength=5)
        assert counts.max() - counts.min() <= 2 + max(np.bincount(groups[labels == artist]))
    assert (fold != dataset.folds(labels, groups, 5, seed=seed + 1)).any()
