"""`commun.images`: every kind of file gives the same upright RGB picture, and is decoded once."""

from __future__ import annotations

import io
import json
import os
import weakref
from pathlib import Path

import edited
import numpy as np
import pytest
from PIL import Image

from commun import images
from commun.datasets import working_folder

GREY = np.linspace(0, 255, 48 * 32).reshape(32, 48).astype(np.uint8)  # 48 wide, 32 high, brighter downwards
COLOURS = np.stack([GREY, 255 - GREY, np.full_like(GREY, 90)], axis=2)


def save(path: Path, image: Image.Image | np.ndarray, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path, **options)
    return path


def noise(seed: int = 0, side: int = 24) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)


# --- Any file right --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "image", "expected", "tolerance"),
    [
        ("rvb.png", Image.fromarray(COLOURS), COLOURS, 0),
        ("RVB.JPG", Image.fromarray(COLOURS), COLOURS, 12),
        ("gris.png", Image.fromarray(GREY), GREY, 0),
        ("gris.jpeg", Image.fromarray(GREY), GREY, 6),
        ("palette.png", Image.fromarray(COLOURS).quantize(256), COLOURS, 24),
        ("cmjn.tif", Image.fromarray(COLOURS).convert("CMYK"), COLOURS, 1),
        ("cmjn.jpg", Image.fromarray(COLOURS).convert("CMYK"), COLOURS, 16),
        ("16 bits.png", Image.fromarray(GREY.astype(np.uint16) * 257), GREY, 0),
        ("16 bits.tif", Image.fromarray(GREY.astype(np.uint16) * 257), GREY, 0),
        ("32 bits.tif", Image.fromarray(GREY.astype(np.int32) * 257), GREY, 0),
        ("flottants 0 à 1.tif", Image.fromarray(GREY.astype(np.float32) / 255), GREY, 0),
        ("flottants 0 à 255.tif", Image.fromarray(GREY.astype(np.float32)), GREY, 0),
        ("noir et blanc.png", Image.fromarray(GREY > 127), 255 * (GREY > 127), 0),
        ("opaque.png", Image.fromarray(COLOURS).convert("RGBA"), COLOURS, 0),
        ("accentué é.bmp", Image.fromarray(COLOURS), COLOURS, 0),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_mode_gives_the_same_picture(tmp_path, name, image, expected, tolerance):
    path = save(tmp_path / name, image, **({"quality": 95} if name.lower().endswith(("jpg", "jpeg")) else {}))
    found = images.decode(path)
    assert found.dtype == np.uint8 and found.shape == (32, 48, 3)
    expected = np.broadcast_to(np.asarray(expected).reshape(32, 48, -1), found.shape)
    assert np.abs(found.astype(int) - expected).max() <= tolerance
    assert images.size(path) == (48, 32)


def test_transparency_is_laid_on_white(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[..., 0], pixels[:2, :, 3], pixels[2, :, 3] = 200, 255, 128
    found = images.decode(save(tmp_path / "a.png", pixels))
    assert found[0, 0].tolist() == [200, 0, 0]
    assert found[3, 0].tolist() == [255, 255, 255]
    np.testing.assert_allclose(found[2, 0], [227, 127, 127], atol=1)
    palette = Image.fromarray(np.zeros((4, 4), np.uint8)).convert("P")
    assert images.decode(save(tmp_path / "p.png", palette, transparency=0)).min() == 255


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.jpg", COLOURS, exif=exif, quality=95)
    back = {1: 0, 2: 0, 3: 2, 4: 2, 5: 1, 6: 3, 7: 3, 8: 1}[orientation]  # quarter turns, anticlockwise
    upright = np.rot90(COLOURS[:, ::-1] if orientation in {2, 4, 5, 7} else COLOURS, back)
    found = images.decode(path)
    assert found.shape == upright.shape and images.size(path) == upright.shape[1::-1]
    assert np.abs(found.astype(int) - upright).max() <= 12
    small = np.asarray(Image.fromarray(np.ascontiguousarray(upright)).resize((8, 8), Image.Resampling.BOX))
    assert np.abs(images.decode(path, 8).astype(int) - small).max() <= 24


def test_broken_exif_does_not_spoil_the_pixels(tmp_path):
    path = save(tmp_path / "a.jpg", COLOURS, exif=b"Exif\0\0nothing that makes sense", quality=95)
    assert images.size(path) == (48, 32)
    assert np.abs(images.decode(path).astype(int) - COLOURS).max() <= 12


def test_resizing_stretches_and_does_not_alias(tmp_path):
    halves = np.zeros((20, 60, 3), np.uint8)
    halves[:, 30:] = 255
    found = images.decode(save(tmp_path / "halves.png", halves), 16)
    assert found.shape == (16, 16, 3) and found[:, :6].max() < 10 and found[:, 10:].min() > 245
    board = np.indices((128, 128)).sum(axis=0) % 2 * np.full((3, 1, 1), 255)
    fine = images.decode(save(tmp_path / "board.png", board.transpose(1, 2, 0).astype(np.uint8)), 32)
    assert np.abs(fine[4:-4, 4:-4].astype(int) - 128).max() <= 3
    own = images.decode(save(tmp_path / "own.png", noise()), 24)
    np.testing.assert_array_equal(own, noise())  # nothing to resize, nothing changed


def test_a_jpeg_decoded_small_looks_like_the_large_one(tmp_path):
    scene = Image.fromarray(noise(side=8)).resize((800, 600), Image.Resampling.BICUBIC)
    path = save(tmp_path / "a.jpg", scene, quality=95)
    whole = np.asarray(Image.fromarray(images.decode(path)).resize((64, 64), Image.Resampling.LANCZOS))
    assert np.abs(images.decode(path, 64).astype(int) - whole).mean() < 2


@pytest.mark.parametrize(
    ("width", "height", "box"),
    [
        (60, 20, (20, 0, 40, 20)),
        (20, 60, (0, 20, 20, 40)),
        (33, 33, (0, 0, 33, 33)),
        (21, 20, (0.5, 0, 20.5, 20)),
        (1, 9, (0, 4, 1, 5)),
    ],
)
def test_the_centred_square(width, height, box):
    left, top, right, bottom = images.centred_square(width, height)
    assert (left, top, right, bottom) == box
    assert right - left == bottom - top == min(width, height)
    assert left == width - right and top == height - bottom


def test_cropping_keeps_the_middle_and_the_proportions(tmp_path):
    thirds = np.zeros((20, 60, 3), np.uint8)
    thirds[:, :20], thirds[:, 20:40], thirds[:, 40:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    for name, pixels in (("wide.png", thirds), ("tall.png", thirds.transpose(1, 0, 2))):
        found = images.decode(save(tmp_path / name, np.ascontiguousarray(pixels)), 8, crop=True)
        assert found.shape == (8, 8, 3)
        assert np.abs(found.astype(int) - (0, 255, 0)).max() < 20  # the filter reaches a little over the edge
        assert (found[3:5, 3:5] == (0, 255, 0)).all()
    y, x = np.indices((40, 90))
    disc = np.where(np.hypot(y - 19.5, x - 44.5) < 15, 255, 0).astype(np.uint8)
    found = images.decode(save(tmp_path / "disc.png", disc), 40, crop=True)[..., 0] > 127
    assert found.any(axis=0).sum() == found.any(axis=1).sum() == 30  # still round


def test_a_square_is_cropped_to_itself(tmp_path):
    path = save(tmp_path / "a.png", noise(side=32))
    np.testing.assert_array_equal(images.decode(path, 16, crop=True), images.decode(path, 16))
    np.testing.assert_array_equal(images.decode(path, 32, crop=True), noise(side=32))


def test_cropping_follows_the_upright_picture(tmp_path):
    thirds = np.zeros((48, 144, 3), np.uint8)
    thirds[:, 48:96] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turned a quarter: what is stored wide is seen tall
    path = save(tmp_path / "a.jpg", thirds, exif=exif, quality=95)
    assert images.size(path) == (48, 144)
    assert images.decode(path, 24, crop=True)[3:-3].min() > 245


def test_a_large_jpeg_is_cropped_like_the_whole(tmp_path):
    scene = Image.fromarray(noise(side=8)).resize((900, 500), Image.Resampling.BICUBIC)
    path = save(tmp_path / "a.jpg", scene, quality=95)
    middle = Image.fromarray(images.decode(path)).crop((200, 0, 700, 500)).resize((48, 48), Image.Resampling.LANCZOS)
    assert np.abs(images.decode(path, 48, crop=True).astype(int) - np.asarray(middle)).mean() < 2


# --- What can't be read ----------------------------------------------------------------------------------------------


def encoded(kind: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(noise(side=64)).save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "absent"),
        (b"", "vide"),
        (b"Ceci est un texte.", "pas une image"),
        (encoded("png")[:40], "tronquée"),
        (encoded("png")[:-900], "tronquée"),
        (encoded("jpeg")[:-900], "tronquée"),
        (encoded("png").replace(b"IDAT", b"IDAX", 1), "tronquée"),
    ],
    ids=["absent", "empty", "text", "header only", "png cut", "jpeg cut", "no pixels"],
)
@pytest.mark.parametrize("side", [None, 8])
def test_a_short_french_reason(tmp_path, content, reason, side):
    path = tmp_path / "a.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        images.decode(path, side)


def test_too_large_an_image_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = save(tmp_path / "a.png", noise(side=40))
    monkeypatch.setattr(images, "MAX_PIXELS", 1599)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    for read in (images.decode, images.size):
        with pytest.raises(ValueError, match="trop grande"):
            read(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 700)  # Pillow's own limit, at twice that
    with pytest.raises(ValueError, match="trop grande"):
        images.size(path)


# --- All of them in one file -----------------------------------------------------------------------------------------


@pytest.fixture
def paths(tmp_path, work):
    return [save(tmp_path / "données" / f"{i}.png", noise(i)) for i in range(7)]


def test_rows_follow_the_paths_and_the_unreadable_have_none(paths, tmp_path):
    broken, missing = tmp_path / "cassée.png", tmp_path / "absente.png"
    broken.write_bytes(paths[0].read_bytes()[:200])
    mixed = [paths[3], broken, paths[1], missing, paths[0]]
    found, problems = images.read_images(mixed, 24, project="essai")
    assert problems == {broken: "image tronquée ou abîmée", missing: "fichier absent"}
    np.testing.assert_array_equal(found, [images.decode(p) for p in mixed if p not in problems])
    wide = save(tmp_path / "large.png", np.hstack([noise(8), noise(9)]))
    for crop in (False, True):
        cut, _ = images.read_images([wide], 12, project="essai", crop=crop)
        np.testing.assert_array_equal(cut[0], images.decode(wide, 12, crop=crop))
    assert isinstance(found, np.memmap) and not found.flags.writeable
    assert found.dtype == np.uint8


@pytest.mark.parametrize("chunk", [1, 3, 64])
def test_the_size_of_a_chunk_changes_nothing(paths, monkeypatch, chunk):
    monkeypatch.setattr(images, "_CHUNK", chunk)
    found, problems = images.read_images(paths, 12, project="essai")
    np.testing.assert_array_equal(found, [images.decode(p, 12) for p in paths])
    assert problems == {}


@pytest.fixture
def decodings(monkeypatch):
    """The paths of the images that were opened, in order; the decoder itself is part of the cache's key."""
    paths, opening = [], Image.open
    monkeypatch.setattr(Image, "open", lambda path: (paths.append(path), opening(path))[1])
    return paths


def test_a_second_call_decodes_nothing_and_a_change_does(paths, decodings):
    first, _ = images.read_images(paths, 24, project="essai")
    assert sorted(decodings) == sorted(paths)
    again, _ = images.read_images(list(paths), 24, project="essai")
    assert len(decodings) == 7
    np.testing.assert_array_equal(first, again)

    def decoded(*arguments, **options) -> int:
        before = len(decodings)
        images.read_images(*arguments, **options)
        return len(decodings) - before

    assert decoded(paths, 12, project="essai") == 7
    assert decoded(paths, 24, project="autre") == 7
    assert decoded(paths[::-1], 24, project="essai") == 7
    assert decoded(paths, 24, project="essai", crop=True) == 7
    assert decoded(paths, 24, project="essai", crop=True) == 0
    assert decoded(paths, 24, project="essai") == 0
    save(paths[2], noise(99))
    os.utime(paths[2], ns=(1, 1))
    assert decoded(paths, 24, project="essai") == 7
    np.testing.assert_array_equal(images.read_images(paths, 24, project="essai")[0][2], noise(99))


@pytest.mark.parametrize(
    ("before", "after", "corner"),
    [
        ('image.size, "white")', 'image.size, "black")', 0),  # a function that decode calls
        ("MAX_PIXELS = 80_000_000", "MAX_PIXELS = 80_000_001", 255),  # a constant
        ("# broken EXIF data does not spoil", "# spoilt EXIF data does not spoil", 255),
    ],
)
def test_images_are_decoded_again_when_the_decoder_was_edited(
    tmp_path, work, monkeypatch, decodings, before, after, corner
):
    transparent = [save(tmp_path / "a.png", np.zeros((4, 4, 4), np.uint8))]
    source = Path(images.__file__).read_text(encoding="utf-8")
    assert before in source
    original = edited.load(tmp_path / "decodeur.py", source, monkeypatch)
    assert original.read_images(transparent, 4, project="essai")[0][0, 0, 0, 0] == 255
    changed = edited.load(tmp_path / "decodeur.py", source.replace(before, after), monkeypatch)
    assert changed.read_images(transparent, 4, project="essai")[0][0, 0, 0, 0] == corner
    assert len(decodings) == (1 if "#" in before else 2)


def test_problems_are_remembered(paths, decodings):
    paths[4].write_bytes(b"")
    first = images.read_images(paths, 24, project="essai")[1]
    assert images.read_images(paths, 24, project="essai")[1] == first == {paths[4]: "fichier vide"}
    assert len(decodings) == 7


def test_nothing_readable_and_nothing_at_all(work, tmp_path):
    (tmp_path / "a.png").write_bytes(b"")
    for paths in ([], [tmp_path / "a.png"]):
        found, problems = images.read_images(paths, 16, project="essai")
        assert found.shape == (0, 16, 16, 3) and found.dtype == np.uint8
        assert list(problems) == paths


def test_an_interrupted_run_leaves_nothing(paths, monkeypatch):
    def interrupted(path, side, **options):
        if path == paths[5]:
            raise KeyboardInterrupt
        return noise()

    with monkeypatch.context() as patch:
        patch.setattr(images, "decode", interrupted)
        with pytest.raises(KeyboardInterrupt):
            images.read_images(paths, 24, project="essai")
    assert list(working_folder("images", "essai").iterdir()) == []
    assert len(images.read_images(paths, 24, project="essai")[0]) == 7


def test_memory_does_not_grow_with_the_number_of_images(paths, monkeypatch):
    alive, peak = weakref.WeakSet(), [0]

    class Watched(np.ndarray):  # a plain array can't be put into a weak set
        __hash__ = object.__hash__

    def decode(path, side, **options):
        array = np.zeros((side, side, 3), np.uint8).view(Watched)
        alive.add(array)
        peak[0] = max(peak[0], len(alive))
        return array

    monkeypatch.setattr(images, "_CHUNK", 4)
    monkeypatch.setattr(images, "decode", decode)
    assert len(images.read_images(paths * 8, 8, project="essai")[0]) == 56
    assert 1 <= peak[0] <= 2 * 4


def test_what_is_on_disk_is_plain(paths):
    images.read_images(paths[:2], 24, project="essai")
    (folder,) = working_folder("images", "essai").iterdir()
    assert (folder / "pixels.uint8").stat().st_size == 2 * 24 * 24 * 3
    assert json.loads((folder / "problemes.json").read_text(encoding="utf-8")) == [None, None]
