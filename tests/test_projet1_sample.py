"""The synthetic twin of Best Artworks of All Time: reproducible, in the official layout, with its traps and twins."""

from __future__ import annotations

import csv
import dataclasses
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, UnidentifiedImageError

from commun import images
from commun.sources import code_hash
from projet1_artistes import sample
from projet1_artistes.sample import NEAR_DUPLICATES, ODDITIES, PAINTERS, files, painting

BY_NAME = {painter.name: painter for painter in PAINTERS}
UNREADABLE = ("truncated", "empty", "text")
MANGLED = ("E╠ülie_Du╠êrel", "EΓòá├╝lie_DuΓòá├¬rel")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("échantillon") / "un dossier"
    folder.mkdir()
    sample.draw(folder)
    return folder


def _high(root: Path, name: str, number: int, suffix: str = ".jpg") -> Path:
    folder = sample.folder_names(BY_NAME[name])[0]
    return root / "images" / "images" / folder / f"{folder}_{number}{suffix}"


def _low(root: Path, name: str, number: int) -> Path:
    return root / "resized" / "resized" / f"{sample.folder_names(BY_NAME[name])[0]}_{number}.jpg"


def _odd(root: Path, kind: str) -> tuple[Path, Path]:
    """The file of an oddity, and its low-quality copy."""
    [(name, number)] = [key for key, value in ODDITIES.items() if value == kind]
    return _high(root, name, number, ".png" if kind == "transparent" else ".jpg"), _low(root, name, number)


def _pixels(image: Image.Image | Path, size: tuple[int, int] = (64, 64)) -> np.ndarray:
    """RGB of a picture stretched to a size, float, 0..255."""
    image = Image.fromarray(images.decode(image)) if isinstance(image, Path) else image
    return np.asarray(image.convert("RGB").resize(size, Image.Resampling.LANCZOS), float)


def _likeness(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def _pair(first: str, second: str, number: int) -> tuple[Image.Image, Image.Image]:
    """The same subject by two painters."""
    return tuple(sample.paint(BY_NAME[name], np.random.default_rng([9, number])) for name in (first, second))


# --- Painters --------------------------------------------------------------------------------------------------------


def test_twelve_painters_unequally_productive() -> None:
    counts = sorted(painter.count for painter in PAINTERS)
    assert len(BY_NAME) == len(PAINTERS) == 12
    assert counts[0] == 12 and counts[-1] == 120 and 570 <= sum(counts) <= 630
    assert 3 <= sum(count < 25 for count in counts) <= 4 and sum(count > 90 for count in counts) >= 2
    assert 4 <= len({painter.genre for painter in PAINTERS}) <= 8  # some are shared: blocks in a confusion matrix


def test_traps_are_works_that_exist_and_do_not_overlap() -> None:
    works = {(painter.name, number) for painter in PAINTERS for number in range(1, painter.count + 1)}
    assert not ODDITIES.keys() & (NEAR_DUPLICATES.keys() | set(NEAR_DUPLICATES.values()))
    assert ODDITIES.keys() | NEAR_DUPLICATES.keys() | set(NEAR_DUPLICATES.values()) <= works


def test_works_do_not_depend_on_what_was_drawn_before(root: Path) -> None:
    for name, number in (("Maison Garance", 3), ("Casimir Ondoyer", 2), ("Melchior Fenestrou", 12)):
        first, again = (sample.work(BY_NAME[name], number) for _ in range(2))
        assert first.tobytes() == again.tobytes()
        assert files._jpeg(again) == _high(root, name, number).read_bytes()
        assert files._low_quality(again) == _low(root, name, number).read_bytes()


def test_another_process_paints_the_same(root: Path) -> None:
    code = (
        "import sys; from projet1_artistes.sample import PAINTERS, files, work;"
        "painter = {p.name: p for p in PAINTERS}['Pivoine Estrelle'];"
        "sys.stdout.buffer.write(files._jpeg(work(painter, 2)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == _high(root, "Pivoine Estrelle", 2).read_bytes()


@pytest.mark.parametrize("scene", sorted({painter.scene for painter in PAINTERS}))
def test_an_edited_scene_has_the_sample_drawn_again(monkeypatch: pytest.MonkeyPatch, scene: str) -> None:
    before = code_hash(sample.draw)
    assert code_hash(sample.draw) == before
    monkeypatch.setattr(painting, scene, lambda rng, width, height: None)
    assert code_hash(sample.draw) != before


# --- Layout ----------------------------------------------------------------------------------------------------------


def test_layout_is_the_official_one(root: Path) -> None:
    expected = {"artists.csv"}
    for painter in PAINTERS:
        for folder in sample.folder_names(painter):
            for number in range(1, painter.count + 1):
                suffix = ".png" if ODDITIES.get((painter.name, number)) == "transparent" else ".jpg"
                expected.add(f"images/images/{folder}/{folder}_{number}{suffix}")
                expected.add(f"resized/resized/{folder}_{number}.jpg")
    assert {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()} == expected


def test_table_lists_the_painters_and_miscounts_one(root: Path) -> None:
    with (root / "artists.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["id", "name", "years", "genre", "nationality", "bio", "wikipedia", "paintings"]
    assert [(int(row["id"]), row["name"]) for row in rows] == [(k, p.name) for k, p in enumerate(PAINTERS)]
    assert sum(int(row["paintings"]) != BY_NAME[row["name"]].count for row in rows) == 1
    assert all("inventé" in row["bio"] and "inventé" in row["nationality"] for row in rows)
    assert all(unicodedata.is_normalized("NFC", row["name"]) for row in rows)


def test_sizes_and_shapes_vary(root: Path) -> None:
    high = [images.size(_high(root, p.name, n)) for p in PAINTERS for n in (1, 2, 3)]
    low = [images.size(_low(root, p.name, n)) for p in PAINTERS for n in (1, 2, 3)]
    shorter = [min(size) for size in high]
    assert min(shorter) >= 200 and max(shorter) <= 280 and max(shorter) - min(shorter) > 50
    assert all(min(size) == 64 for size in low)
    ratios = [width / height for width, height in high]
    assert min(ratios) < 0.85 and max(ratios) > 1.3
    assert ratios == pytest.approx([width / height for width, height in low], rel=0.02)


def test_low_quality_copies_show_the_same_works(root: Path) -> None:
    for painter in PAINTERS:
        assert _likeness(_pixels(_high(root, painter.name, 2)), _pixels(_low(root, painter.name, 2))) > 0.97


# --- Traps -----------------------------------------------------------------------------------------------------------


def test_accented_painter_has_two_mangled_folders_with_the_same_works(root: Path) -> None:
    [painter] = [p for p in PAINTERS if not p.name.isascii()]
    assert sample.folder_names(painter) == MANGLED
    for times, folder in enumerate(MANGLED, start=1):
        assert (root / "images" / "images" / folder).is_dir()
        name = folder
        for _ in range(times):
            name = name.encode("cp437").decode("utf-8")
        assert unicodedata.normalize("NFC", name).replace("_", " ") == painter.name != name.replace("_", " ")
    for number in range(1, painter.count + 1):
        for place in (root / "images" / "images" / "{0}", root / "resized" / "resized"):
            paths = [Path(str(place).format(folder)) / f"{folder}_{number}.jpg" for folder in MANGLED]
            assert paths[0].read_bytes() == paths[1].read_bytes()


def test_only_the_first_three_oddities_cannot_be_read(root: Path) -> None:
    unreadable = set()
    for path in (root / "images" / "images").rglob("*.*"):
        try:
            images.decode(path)
        except ValueError:
            unreadable.add(path)
    assert unreadable == {_odd(root, kind)[0] for kind in UNREADABLE}


def test_unreadable_files_are_truncated_empty_and_text(root: Path) -> None:
    paths = {kind: _odd(root, kind)[0] for kind in UNREADABLE}
    with Image.open(paths["truncated"]) as image, pytest.raises(OSError, match="truncated"):
        image.load()
    assert paths["empty"].read_bytes() == b""
    assert b"html" in paths["text"].read_bytes()
    with pytest.raises(UnidentifiedImageError):
        Image.open(paths["text"])


@pytest.mark.parametrize(("kind", "mode"), [("grey", "L"), ("cmyk", "CMYK"), ("transparent", "P"), ("turned", "RGB")])
def test_readable_oddities_are_what_they_claim(root: Path, kind: str, mode: str) -> None:
    path, low = _odd(root, kind)
    with Image.open(path) as image:
        assert image.mode == mode
        assert image.format == ("PNG" if kind == "transparent" else "JPEG")
        assert ("transparency" in image.info) == (kind == "transparent")
        assert (image.getexif().get(0x0112) == 6) == (kind == "turned")
    assert _likeness(_pixels(path), _pixels(low)) > 0.97  # upright, on white: as commun reads it


def test_turned_picture_is_stored_lying_on_its_side(root: Path) -> None:
    path, low = _odd(root, "turned")
    with Image.open(path) as image:
        assert ImageOps.exif_transpose(image).size == image.size[::-1]
        assert _likeness(_pixels(image), _pixels(low)) < 0.8


def test_transparent_picture_has_worn_corners(root: Path) -> None:
    alpha = np.asarray(Image.open(_odd(root, "transparent")[0]).convert("RGBA"))[..., 3]
    assert (alpha[[0, 0, -1, -1], [0, -1, 0, -1]] == 0).all() and (alpha == 255).mean() > 0.9
    assert (images.decode(_odd(root, "transparent")[0])[0, 0] == 255).all()


def test_near_duplicates_are_the_same_work_otherwise_photographed(root: Path) -> None:
    crossing = [copy[0] != original[0] for copy, original in NEAR_DUPLICATES.items()]
    assert Counter(crossing) == {True: 1, False: 1}
    for copy, original in NEAR_DUPLICATES.items():
        paths = _high(root, *copy), _high(root, *original)
        assert images.size(paths[0]) != images.size(paths[1])
        near, far = (_pixels(path, (16, 16)) for path in (paths[0], _high(root, original[0], original[1] + 1)))
        assert _likeness(near, _pixels(paths[1], (16, 16))) > 0.95 > _likeness(far, _pixels(paths[1], (16, 16)))


# --- Twins -----------------------------------------------------------------------------------------------------------


def _differences(first: str, second: str) -> set[str]:
    one, other = (dataclasses.asdict(BY_NAME[name]) for name in (first, second))
    return {key for key in one if one[key] != other[key]} - {"name", "count", "years"}


PALETTE_TWINS = [("Atelier Azur", "Maison Garance"), ("Octave Nuitamment", "Fausta Lumigris")]
STROKE_TWINS = [("Anselme Quintefeuil", "Ludivine Marbrac"), ("Élie Dürel", "Casimir Ondoyer")]


@pytest.mark.parametrize(("first", "second"), PALETTE_TWINS)
def test_palette_twins_differ_in_colour_only(first: str, second: str) -> None:
    assert _differences(first, second) == {"palettes"}
    warmth = []
    for number in range(8):
        cold, warm = (_pixels(image) for image in _pair(first, second, number))
        assert _likeness(cold.mean(axis=2), warm.mean(axis=2)) > 0.8  # the same subject, in grey
        warmth.append([(image[..., 0] - image[..., 2]).mean() for image in (cold, warm)])
    difference = np.diff(warmth, axis=1)
    assert (difference > 0).mean() > 0.8 and difference.mean() > 30  # works of one painter differ too


@pytest.mark.parametrize(("first", "second"), STROKE_TWINS)
def test_stroke_twins_differ_in_fine_marks_only(first: str, second: str) -> None:
    assert _differences(first, second) == {"marks"}
    for number in range(4):
        one, other = _pair(first, second, number)
        assert one.size == other.size
        full = [_pixels(image, one.size) for image in (one, other)]
        scale = 64 / min(one.size)
        small = [_pixels(image, (round(one.width * scale), round(one.height * scale))) for image in (one, other)]
        assert np.abs(small[0] - small[1]).mean() < 0.22 * np.abs(full[0] - full[1]).mean()


def test_fine_marks_follow_or_cross_the_strokes() -> None:
    def steepness(image: Image.Image) -> float:
        """How much grey levels vary downwards against sideways, at the scale of the marks."""
        grey = np.asarray(image.convert("L"), float)
        grey = grey[grey.shape[0] // 8 : grey.shape[0] // 2]  # trunks and air: the strokes go up
        return float((np.diff(grey, 2, axis=0) ** 2).mean() / (np.diff(grey, 2, axis=1) ** 2).mean())

    for number in range(4):
        along, across = _pair(*STROKE_TWINS[0], number)
        assert steepness(across) > 1.5 * steepness(along)


def test_colour_says_something_but_not_everything(root: Path) -> None:
    """Nearest neighbour in colour histograms: better than always the same painter, far from perfect."""
    histograms, labels = [], []
    for k, painter in enumerate(PAINTERS):
        for number in range(1, painter.count - 1):
            levels = _pixels(_low(root, painter.name, number), (32, 32)).astype(int) // 32
            histograms.append(np.concatenate([np.bincount(levels[..., c].ravel(), minlength=8) for c in range(3)]))
            labels.append(k)
    histograms, labels = np.sqrt(np.array(histograms, float)), np.array(labels)
    distances = ((histograms[:, None] - histograms[None]) ** 2).sum(axis=2)
    np.fill_diagonal(distances, np.inf)
    right = (labels[distances.argmin(axis=1)] == labels).mean()
    assert np.bincount(labels).max() / len(labels) + 0.1 < right < 0.65
