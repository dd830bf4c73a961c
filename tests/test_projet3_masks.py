"""Masks as annotation tools write them: read right, or listed."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_projet3_dataset import make_mvtec, said, save

from projet3_ssl_anomalies import checks, dataset
from projet3_ssl_anomalies.mask_files import read_mask, shrink

SIDE = 32
BYTE = st.integers(1, 255)


@st.composite
def instances(draw) -> np.ndarray:
    """Zones numbered from 1, on a ground of 0: int, shape (SIDE, SIDE)."""
    labels = np.zeros((SIDE, SIDE), int)
    for number in range(1, draw(st.integers(1, 4)) + 1):
        top, left = draw(st.tuples(st.integers(0, 28), st.integers(0, 28)))
        labels[top : top + draw(st.integers(1, 9)), left : left + draw(st.integers(1, 9))] = number
    return labels


@st.composite
def encoded(draw, labels: np.ndarray) -> tuple[Image.Image, str]:
    """An image that says where the zones are, in one of the ways that tools have, and the suffix of its file."""
    inside, way = labels > 0, draw(st.sampled_from(sorted(WAYS)))
    return WAYS[way](draw, labels, inside)


def one_level(draw, labels, inside):
    return Image.fromarray((inside * draw(BYTE)).astype(np.uint8)), draw(st.sampled_from([".png", ".bmp", ".tif"]))


def one_bit(draw, labels, inside):
    return Image.fromarray(inside), ".png"


def deep(draw, labels, inside):
    return Image.fromarray((inside * draw(st.integers(1, 65535))).astype(np.uint16)), draw(
        st.sampled_from([".png", ".tif"])
    )


def deeper(draw, labels, inside):
    value = draw(st.integers(1, 2**31 - 1))
    kind = draw(st.sampled_from([np.int32, np.float32]))
    return Image.fromarray((inside * value).astype(kind)), ".tif"


def coloured(draw, labels, inside):
    colour = np.array(draw(st.tuples(BYTE, st.integers(0, 255), st.integers(0, 255))), np.uint8)
    return Image.fromarray(inside[..., None] * colour), ".png"


def transparent(draw, labels, inside):
    """The defect is opaque, whatever its colour; the ground is transparent, whatever its colour."""
    mode = draw(st.sampled_from(["RGBA", "LA"]))
    tones = st.tuples(*[st.integers(0, 255)] * (len(mode) - 1))
    pixels = np.zeros((SIDE, SIDE, len(mode)), np.uint8)
    pixels[~inside, :-1], pixels[inside, :-1] = draw(tones), draw(tones)
    pixels[inside, -1] = draw(BYTE)
    return Image.fromarray(pixels), ".png"


def all_opaque(draw, labels, inside):
    """A channel of transparency that says nothing, as some tools always add."""
    pixels = np.full((SIDE, SIDE, 4), draw(st.integers(0, 255)), np.uint8)
    pixels[..., :3] = (inside * draw(BYTE))[..., None]
    return Image.fromarray(pixels), ".png"


def palette(draw, labels, inside):
    image = Image.fromarray(labels.astype(np.uint8)).convert("P")
    colours = [draw(st.tuples(BYTE, BYTE, BYTE)) for _ in range(4)]
    if draw(st.booleans()):  # the ground of the palette has a colour, and is transparent
        image.putpalette([*draw(st.tuples(BYTE, BYTE, BYTE)), *(level for colour in colours for level in colour)])
        image.info["transparency"] = 0
    elif draw(st.booleans()):  # all black: only the numbers tell
        image.putpalette([0] * 15)
    else:
        image.putpalette([0, 0, 0, *(level for colour in colours for level in colour)])
    return image, draw(st.sampled_from([".png", ".gif"]))


def numbered(draw, labels, inside):
    """A level an instance: 1, 2, 3..., or any."""
    bits = draw(st.sampled_from([np.uint8, np.uint16]))
    top = np.iinfo(bits).max
    chosen = draw(st.one_of(st.just([1, 2, 3, 4]), st.lists(st.integers(1, top), min_size=4, max_size=4, unique=True)))
    return Image.fromarray(np.array([0, *chosen])[labels].astype(bits)), ".png"


def inverted(draw, labels, inside):
    return Image.fromarray((~inside * draw(BYTE)).astype(np.uint8)), ".png"


def colour_key(draw, labels, inside):
    """A ground made transparent by its level, in the header of a PNG."""
    ground, defect = draw(st.lists(st.integers(0, 255), min_size=2, max_size=2, unique=True))
    image = Image.fromarray(np.where(inside, defect, ground).astype(np.uint8))
    image.info["transparency"] = ground
    return image, ".png"


WAYS = {
    way.__name__: way
    for way in (
        one_level, one_bit, deep, deeper, coloured, transparent, all_opaque, palette, numbered, inverted, colour_key,
    )
}  # fmt: skip


@settings(max_examples=500, deadline=None)
@given(st.data())
def test_a_mask_is_read_right_or_listed(data: st.DataObject) -> None:
    labels = data.draw(instances())
    image, suffix = data.draw(encoded(labels))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"masque{suffix}"
        image.save(path, **({"transparency": image.info["transparency"]} if "transparency" in image.info else {}))
        mask = read_mask(path)
    assert mask.labels.shape == (SIDE, SIDE)
    assert mask.remark or np.array_equal(mask.labels > 0, labels > 0)
    if (mask.labels > 0).mean() > 0.5:
        assert "masque inversé ?" in mask.remark


def test_usual_masks_are_read_without_a_remark(tmp_path: Path) -> None:
    """The property above would hold for a reader that lists them all."""
    labels = np.zeros((SIDE, SIDE), np.uint8)
    labels[4:10, 5:12], labels[20:24, 20:30] = 1, 2
    inside, rgba, la = labels > 0, np.zeros((SIDE, SIDE, 4), np.uint8), np.zeros((SIDE, SIDE, 2), np.uint8)
    rgba[inside], la[inside] = (255, 0, 0, 255), (0, 255)
    voc = Image.fromarray(labels).convert("P")
    voc.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    ways = [inside, inside * np.uint8(1), inside * np.uint16(1), inside * np.uint16(65535), labels, 100 * labels]
    ways += [labels.astype(np.uint16), rgba, la, np.dstack([inside * np.uint8(255)] * 3), rgba[..., :3]]
    black = voc.copy()
    black.putpalette([0] * 9)
    for number, way in enumerate([*map(Image.fromarray, ways), voc, black]):
        way.save(tmp_path / f"{number}.png")
        mask = read_mask(tmp_path / f"{number}.png")
        assert (mask.remark, (mask.labels > 0).tolist()) == ("", inside.tolist()), number
    Image.fromarray(inside.astype(np.int32)).save(tmp_path / "32 bits.tif")
    assert read_mask(tmp_path / "32 bits.tif").values == [1]
    assert read_mask(tmp_path / "4.png").values == [2, 1]  # a defect a level
    assert read_mask(tmp_path / "3.png").values == [255]  # 8 bits written as 16


def test_blurred_edges_are_no_defects(tmp_path: Path) -> None:
    inside = np.zeros((64, 64), bool)
    inside[10:30, 12:41] = True
    whole = Image.fromarray(inside * np.uint8(255))
    small, large = (whole.resize((side, side), Image.Resampling.BILINEAR) for side in (48, 96))
    whole.save(tmp_path / "a.jpg", quality=60)
    small.save(tmp_path / "b.png")
    large.save(tmp_path / "c.png")
    for name, side in (("a.jpg", 64), ("b.png", 48), ("c.png", 96)):
        found, wanted = shrink(read_mask(tmp_path / name).labels > 0, 64), shrink(inside, 64)
        assert (found & wanted).sum() / (found | wanted).sum() > 0.9, (name, side)


@pytest.mark.parametrize(
    ("pixels", "says"),
    [
        (np.zeros((8, 8), np.uint8), "masque vide"),
        (np.full((8, 8), 255, np.uint8), "100 % de l'image : masque inversé ?"),
        (np.where(np.eye(8) > 0, 0, 255).astype(np.uint8), "88 % de l'image : masque inversé ?"),
        (np.where(np.eye(8) > 0, 9, 5).astype(np.uint8), "aucun pixel à zéro : le niveau le plus bas, 5"),
    ],
)
def test_what_is_doubtful_is_said(tmp_path: Path, pixels: np.ndarray, says: str) -> None:
    assert says in read_mask(save(tmp_path / "a.png", pixels)).remark


def test_a_doubtful_mask_is_in_the_table_of_problems(tmp_path: Path, work: Path, monkeypatch) -> None:
    bottle = make_mvtec(tmp_path / "mvtec_ad" / "bottle")
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path))
    path = bottle / "ground_truth/crack/001_mask.png"
    save(path, 255 - np.asarray(Image.open(path)))
    assert "masque inversé ?" in said(checks.check(dataset.load("bottle")), "ground_truth/crack/001_mask.png")


@pytest.mark.parametrize(
    ("names", "wanted"),
    [
        (["000.png"], 1),
        (["000_gt.png"], 1),
        (["mask_000.png"], 1),
        (["000-Mask.PNG"], 1),
        (["000_mask_1.png", "000_mask_2.png"], 2),
        (["000_0.png", "000_1.png", "000_2.bmp"], 3),
        (["000_1_mask.png", "000_mask1.png"], 2),
        (["0001.png", "zzz.png"], 0),
    ],
)
def test_masks_of_one_image_under_the_names_that_tools_give(bottle_of_one: Path, names: list[str], wanted: int) -> None:
    for name in names:
        save(bottle_of_one / "ground_truth/crack" / name, np.eye(40, dtype=np.uint8))
    _, test, problems = dataset.index(bottle_of_one)
    assert test["masks"].map(len).sum() == wanted
    assert problems["what"].str.startswith("masque sans image").sum() == len(names) - wanted


def test_a_number_in_the_name_of_an_image_is_its_own(bottle_of_one: Path) -> None:
    save(bottle_of_one / "test/crack/000_1.png", np.zeros((40, 40, 3), np.uint8))
    save(bottle_of_one / "test/crack/defect_7.png", np.zeros((40, 40, 3), np.uint8))
    for name in ("000_mask.png", "000_1_mask.png", "defect_7_mask.png"):
        save(bottle_of_one / "ground_truth/crack" / name, np.eye(40, dtype=np.uint8))
    masks = {row["path"].stem: [p.name for p in row["masks"]] for _, row in dataset.index(bottle_of_one)[1].iterrows()}
    assert masks["000"] == ["000_mask.png"] and masks["000_1"] == ["000_1_mask.png"]
    assert masks["defect_7"] == ["defect_7_mask.png"]


@pytest.fixture
def bottle_of_one(tmp_path: Path) -> Path:
    save(tmp_path / "train/good/000.png", np.zeros((40, 40, 3), np.uint8))
    save(tmp_path / "test/crack/000.png", np.zeros((40, 40, 3), np.uint8))
    return tmp_path
