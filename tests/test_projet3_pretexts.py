"""The pretext tasks of project 3: what is hidden, what may be seen of it, losses, errors, what a network gives back.

Backend-neutral: `make test-jax` runs this file too.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator

import numpy as np
import pytest
from anomalies import SIDE, config, noise, parts, shaken, shallow, turned

from projet3_ssl_anomalies import losses, pretexts, reconstructor, training
from projet3_ssl_anomalies.colour import to_lab
from projet3_ssl_anomalies.pretexts import PRETEXTS, Pretext
from projet3_ssl_anomalies.reconstructor import Reconstructor
from projet3_ssl_anomalies.training import Good

import keras  # isort: skip

TASKS = ("colorization", "inpainting", "masked_autoencoder", "repair")
HIDING, GUESSED_FROM_AROUND = TASKS[:3], TASKS[1:3]


@pytest.fixture(scope="module", autouse=True)
def quick() -> Generator[None]:
    with shallow():
        yield


@pytest.fixture(scope="module")
def models() -> Callable[[str], Reconstructor]:
    """A model of each task whose weights all matter."""

    @functools.cache
    def made(task: str) -> Reconstructor:
        model = shaken(config(task=task))
        model.mean_image.assign(to_lab(parts(1, seed=9))[0])
        return model

    return made


def _pretext(task: str, **changes) -> Pretext:
    return PRETEXTS[task](config(task=task, **changes))


def _masks(seed: int = 0, *, task: str = "inpainting", **changes) -> np.ndarray:
    return _pretext(task, **changes).masks(np.random.default_rng(seed))


def _given(pretext: Pretext, images: np.ndarray, hidden: np.ndarray | None = None) -> list[np.ndarray]:
    """What the network receives, starting from a mean image; without `hidden`, of whole images."""
    base = np.repeat(to_lab(parts(1, seed=9)), len(images), axis=0)
    given = pretext.whole(images, base) if hidden is None else pretext.corrupt(images, base, hidden)
    return [np.asarray(a) for a in keras.tree.flatten(given)]


def _perfect(task: str, images: np.ndarray, damage: np.ndarray) -> np.ndarray:
    """The output that the task asks for; that of the repair also says where the damage is."""
    if task == "colorization":
        return images[..., 1:]
    return (
        np.concatenate([np.where(damage, np.float32(20), np.float32(-20))[..., None], images], axis=-1)
        if task == "repair"
        else images
    )


# --- What is hidden --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_a_partition_hides_every_pixel(task: str) -> None:
    partitions = _masks(task=task)
    assert partitions.dtype == bool and partitions.shape[2:] == (SIDE, SIDE)
    assert partitions.any(axis=1).all()


@pytest.mark.parametrize("cells", [(16, 8, 4), (32,), (2,)])
def test_inpainting_deals_cells_into_disjoint_thirds(cells: tuple) -> None:
    partitions = _masks(cells=cells)
    assert partitions.shape[:2] == (len(cells), 3)
    assert (partitions.sum(axis=1) == 1).all()
    for count, masks in zip(cells, partitions, strict=True):
        size = SIDE // count
        blocks = masks.reshape(3, count, size, count, size)
        assert (blocks.all(axis=(2, 4)) == blocks.any(axis=(2, 4))).all()  # a cell is hidden whole, or seen whole
        dealt = blocks.all(axis=(2, 4)).sum(axis=(1, 2))
        assert np.ptp(dealt) <= 1 and dealt.sum() == count**2


@pytest.mark.parametrize("patch", [4, 8])
def test_the_autoencoder_sees_one_patch_in_four(patch: int) -> None:
    partitions = _masks(task="masked_autoencoder", patch=patch)
    blocks = partitions.reshape(*partitions.shape[:2], SIDE // patch, patch, SIDE // patch, patch)
    hidden = blocks.all(axis=(3, 5))
    assert (hidden == blocks.any(axis=(3, 5))).all()
    assert (hidden.mean(axis=(2, 3)) == 0.75).all()
    assert (hidden.sum(axis=1) == 3).all()


@pytest.mark.parametrize("task", GUESSED_FROM_AROUND)
def test_masks_depend_on_their_generator_alone(task: str) -> None:
    np.testing.assert_array_equal(_masks(task=task), _masks(task=task, seed=0))
    assert (_masks(task=task) != _masks(seed=1, task=task)).any()
    first, other = (_pretext(task, seed=seed) for seed in (0, 1))  # what scoring hides is no matter of luck
    np.testing.assert_array_equal(first.scoring_masks, other.scoring_masks)


@pytest.mark.parametrize("task", HIDING)
def test_training_draws_what_it_hides_among_masks(task: str) -> None:
    pretext, images = _pretext(task), parts(40)
    shown, hidden = pretext.examples(images, images, np.random.default_rng(0))
    assert shown is images and hidden.shape == images.shape[:3] and hidden.dtype == bool
    known, drawn = ({row.tobytes() for row in masks} for masks in (pretext.training_masks, hidden))
    assert drawn <= known and {row.tobytes() for row in pretext.scoring_masks.reshape(-1, SIDE, SIDE)} <= known
    assert len(drawn) > 10 or len(known) == 1


def test_the_repair_is_shown_damaged_images_and_told_where() -> None:
    images, donors = parts(12), parts(3, seed=1)
    before = images.copy()
    shown, hidden = _pretext("repair").examples(images, donors, np.random.default_rng(0))
    np.testing.assert_array_equal(images, before)
    assert shown.dtype == np.uint8 and hidden.dtype == bool
    np.testing.assert_array_equal((shown != images).any(axis=-1), hidden)
    assert hidden.any(axis=(1, 2)).mean() > 0.8


# --- What may be seen ------------------------------------------------------------------------------------------------


def _tampered(task: str, images: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Changes all that the network must guess, and nothing else."""
    change = noise(*images.shape, seed=3)
    if task == "colorization":
        return images + change * np.float32([0, 1, 1])
    return np.where(hidden[None, ..., None], images + change, images)


@pytest.mark.parametrize("task", HIDING)
def test_the_network_receives_nothing_of_what_it_must_guess(task: str, models: Callable) -> None:
    model, images = models(task), to_lab(parts(2, seed=4))
    for hidden in model.pretext.scoring_masks.reshape(-1, SIDE, SIDE):
        of_each, tampered = np.repeat(hidden[None], 2, axis=0), _tampered(task, images, hidden)
        darker = images - np.float32([0.1, 0, 0])
        given, same, other = (_given(model.pretext, x, of_each) for x in (images, tampered, darker))
        for one, equal in zip(given, same, strict=True):
            np.testing.assert_array_equal(one, equal)
        assert any((one != different).any() for one, different in zip(given, other, strict=True))
    outputs = [np.asarray(model.output_of(x, of_each)) for x in (images, tampered, darker)]
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-5)
    assert np.abs(outputs[0] - outputs[2]).max() > 1e-3


@pytest.mark.parametrize("task", GUESSED_FROM_AROUND)
def test_a_pixel_never_weighs_in_the_guess_of_its_own_cell(task: str, models: Callable) -> None:
    model, places = models(task), [(0, 0), (13, 18), (31, 31), (16, 3), (7, 24)]
    images = np.repeat(to_lab(parts(1, seed=4)), 1 + len(places), axis=0)
    for row, place in enumerate(places, start=1):
        images[row][place] += [20, 10, -10]
    masks = model.pretext.scoring_masks
    guesses = np.asarray(model.reconstruct(images, masks))
    assert guesses.shape == (len(masks), *images.shape)
    sizes = [model.config.patch] * len(masks)
    if task == "inpainting":
        sizes = [SIDE // count for count in model.config.cells]
    for size, (whole, *others) in zip(sizes, guesses, strict=True):
        for (y, x), other in zip(places, others, strict=True):
            cell = np.s_[y // size * size :, x // size * size :]
            np.testing.assert_allclose(other[cell][:size, :size], whole[cell][:size, :size], atol=1e-5)
            assert np.abs(other - whole).max() > 1e-3  # while it weighs in others


def test_colour_never_weighs_in_the_guess_of_colour(models: Callable) -> None:
    model, images = models("colorization"), to_lab(parts(3))
    grey = images * np.float32([1, 0, 0])
    guesses = np.asarray(model.reconstruct(np.concatenate([images, grey]), model.pretext.scoring_masks))[0]
    np.testing.assert_allclose(guesses[:3], guesses[3:], atol=1e-5)


@pytest.mark.parametrize("task", TASKS)
def test_of_a_whole_image_nothing_is_hidden(task: str) -> None:
    pretext, places = _pretext(task), [(0, 0), (13, 18), (31, 31), (16, 3), (7, 24)]
    images = np.repeat(to_lab(parts(1, seed=4)), 1 + len(places), axis=0)
    for row, place in enumerate(places, start=1):
        images[row][place] += [0.5, 0.3, -0.3]
    given, *_ = _given(pretext, images)
    assert all((given[row] != given[0]).any() for row in range(1, len(images)))


def test_the_whole_image_is_what_each_task_shows_when_it_hides_nothing() -> None:
    images, nothing = to_lab(parts(2, seed=4)), np.zeros((2, SIDE, SIDE), bool)
    (inpainting,) = _given(_pretext("inpainting"), images)
    np.testing.assert_array_equal(inpainting[..., :3], images)
    assert not inpainting[..., 3].any()
    for task in ("colorization", "repair"):
        np.testing.assert_array_equal(_given(_pretext(task), images), _given(_pretext(task), images, nothing))


def test_the_encoder_of_the_autoencoder_sees_all_the_patches_of_whole_images(models: Callable) -> None:
    model, images = models("masked_autoencoder"), to_lab(parts(2, seed=4))
    count = (SIDE // model.config.patch) ** 2
    tokens, places, ranks, _ = _given(model.pretext, images)
    assert tokens.shape[1] == count
    np.testing.assert_array_equal(places, np.tile(np.arange(count), (2, 1)))
    np.testing.assert_array_equal(ranks, places)
    hidden = np.repeat(model.pretext.scoring_masks[0, :1], 2, axis=0)
    visible, where, _, _ = _given(model.pretext, images, hidden)  # the same tokens, in a quarter of the places
    assert visible.shape[1] == count // 4
    np.testing.assert_array_equal(visible, np.take_along_axis(tokens, where[..., None], axis=1))
    encoder = keras.Model(model.network.inputs, model.network.get_layer("code").output)
    codes = np.asarray(encoder(model.pretext.whole(images, model.mean_images(images))))
    for patch in np.ndindex(SIDE // model.config.patch, SIDE // model.config.patch):
        spot = tuple(patch_index * model.config.patch + 3 for patch_index in patch)
        changed = images.copy()
        changed[:, *spot] += 0.5
        others = np.asarray(encoder(model.pretext.whole(changed, model.mean_images(images))))
        assert np.abs(others - codes).max() > 1e-4


# --- Losses and errors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("structure", [0.0, 0.5])
def test_the_loss_is_quadratic_where_hidden_and_structural_everywhere(structure: float) -> None:
    pretext = _pretext("inpainting", structure=structure)
    images, hidden = to_lab(parts(3)), pretext.masks(np.random.default_rng(0))[:, 0]
    output = images + 0.1 * noise(3, SIDE, SIDE, 3)
    terms = (losses.gradient_difference(images, output), losses.structural_difference(images, output))
    squares = np.square(output - images)[hidden].sum(axis=-1).mean()
    expected = squares + structure * sum(float(np.asarray(t).mean()) for t in terms)
    assert float(np.asarray(pretext.loss(images, output, hidden))) == pytest.approx(expected, rel=1e-3)
    seen_changed = np.where(hidden[..., None], images, output)
    assert (float(np.asarray(pretext.loss(images, seen_changed, hidden))) > 1e-3) == bool(structure)


@pytest.mark.parametrize("task", TASKS)
def test_a_perfect_output_has_no_loss_and_any_other_has(task: str) -> None:
    pretext, images = _pretext(task), to_lab(parts(3))
    hidden = np.zeros((3, SIDE, SIDE), bool)
    hidden[:, 5:12, 8:20] = True
    perfect = _perfect(task, images, hidden)
    other = np.where(hidden[..., None], perfect[::-1] + 0.1, perfect)
    losses_of = [float(np.asarray(pretext.loss(images, output, hidden))) for output in (perfect, other)]
    assert abs(losses_of[0]) < 1e-3 < 1e-2 < losses_of[1]


def test_the_repair_is_asked_for_the_good_image_and_the_place_of_the_damage() -> None:
    pretext, good = _pretext("repair"), parts(6)
    shown, hidden = pretext.examples(good, parts(3, seed=1), np.random.default_rng(0))
    images, damaged = to_lab(good), to_lab(shown)

    def loss(repaired: np.ndarray, said: np.ndarray) -> float:
        return float(np.asarray(pretext.loss(images, _perfect("repair", repaired, said), hidden)))

    none = np.zeros_like(hidden)
    assert loss(images, hidden) < 1e-3
    assert loss(damaged, hidden) > 0.05 and loss(images, none) > 0.05 and loss(images, ~hidden) > loss(images, none)


@pytest.mark.parametrize("task", TASKS)
def test_the_loss_of_a_model_compares_its_output_with_the_good_images(task: str, models: Callable) -> None:
    model, good = models(task), parts(4)
    shown, hidden = model.pretext.examples(good, parts(3, seed=1), np.random.default_rng(0))
    inputs = [to_lab(good), to_lab(shown), hidden]
    returned = model(inputs)
    found = float(np.asarray(model.compute_loss(inputs, y_pred=returned)))
    output = np.asarray(model.output_of(inputs[1], hidden))  # from what is shown alone
    np.testing.assert_allclose(np.asarray(returned[1]), output, atol=1e-5)
    assert found == pytest.approx(float(np.asarray(model.pretext.loss(inputs[0], output, hidden))), rel=1e-4)


def test_colorization_errs_in_colour_only() -> None:
    pretext, images = _pretext("colorization"), to_lab(parts(2))
    output = images[..., 1:] + np.float32([0.3, 0.4])
    assert float(np.asarray(pretext.loss(images, output, None))) == pytest.approx(0.5, rel=1e-4)
    expected = np.broadcast_to(np.float32([-0.3, -0.4]), output.shape)  # with their sign
    np.testing.assert_allclose(np.asarray(pretext.error_map(images, output)), expected, rtol=1e-4)
    shown = pretext.picture(images, output)
    np.testing.assert_array_equal(shown[..., :1], images[..., :1])
    np.testing.assert_array_equal(shown[..., 1:], output)


@pytest.mark.parametrize("task", TASKS)
def test_error_maps_have_the_channels_that_the_task_names(task: str) -> None:
    pretext, images = _pretext(task), to_lab(parts(2))
    nowhere = np.zeros((2, SIDE, SIDE), bool)
    perfect = _perfect(task, images, nowhere)
    for output, none in ((perfect, True), (perfect[:, ::-1], False)):
        found = np.asarray(pretext.error_map(images, output))
        assert found.shape == (2, SIDE, SIDE, len(pretext.channels))
        errors = found[..., :-1] if task == "repair" else found  # its last channel is what it says of the damage
        assert (np.abs(errors).max(axis=(0, 1, 2)) < 1e-3).all() == none


def test_the_repair_says_where_it_sees_damage_in_its_last_channel() -> None:
    images, damage = to_lab(parts(1)), np.zeros((1, SIDE, SIDE), bool)
    damage[:, 5:12, 8:20] = True
    found = np.asarray(_pretext("repair").error_map(images, _perfect("repair", images, damage)))
    np.testing.assert_array_equal(found[..., -1] > 0, damage)


# --- What a network gives back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_reconstructing_at_once_is_reconstructing_mask_by_mask(task: str, models: Callable) -> None:
    model, images = models(task), to_lab(parts(3, seed=4))
    expected = []
    for masks in model.pretext.scoring_masks:
        outputs = [np.asarray(model.output_of(images, np.repeat(h[None], 3, axis=0))) for h in masks]
        weights = np.broadcast_to(masks[:, None, :, :, None], np.shape(outputs)).astype("float64")
        expected.append(np.average(outputs, axis=0, weights=weights))
    found = np.asarray(model.reconstruct(images, model.pretext.scoring_masks))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("task", TASKS)
def test_pictures_of_what_goes_in_and_comes_out(task: str, models: Callable) -> None:
    model, images = models(task), parts(2, seed=2)
    before, hidden = images.copy(), model.pretext.scoring_masks[0, 0]
    seen = reconstructor.hidden_view(model, images)
    whole, one = (reconstructor.reconstruction_picture(model, images, unseen=u) for u in (True, False))
    for shown in (seen, whole, one):
        assert shown.shape == images.shape and shown.dtype == np.uint8
    np.testing.assert_array_equal(images, before)
    if task == "colorization":
        assert np.ptp(seen.astype(int), axis=-1).max() <= 1
        np.testing.assert_allclose(to_lab(seen)[..., 0], to_lab(images)[..., 0], atol=0.01)
    elif task == "repair":
        np.testing.assert_array_equal(seen, images)
    else:
        np.testing.assert_array_equal(seen[:, ~hidden], images[:, ~hidden])
        assert len(np.unique(seen[:, hidden].reshape(-1, 3), axis=0)) == 1
    assert (whole != one).any() == (task in GUESSED_FROM_AROUND)


@pytest.mark.parametrize("task", TASKS)
def test_a_network_starts_from_the_mean_image_or_for_the_repair_from_the_image(task: str) -> None:
    images, model = to_lab(parts(3, seed=4)), training.build(config(task=task))
    base = noise(SIDE, SIDE, 3)
    model.mean_image.assign(base)
    expected = {"colorization": base[None, ..., 1:], "repair": _perfect("repair", images, images[..., 0] > 9)}
    for guess in np.asarray(model.reconstruct(images, model.pretext.scoring_masks)):
        if task == "repair":
            assert not guess[..., 0].any()  # it says nothing yet
            guess = np.concatenate([np.full_like(guess[..., :1], -20), guess[..., 1:]], axis=-1)
        np.testing.assert_allclose(guess, np.broadcast_to(expected.get(task, base[None]), guess.shape), atol=1e-5)


@pytest.mark.parametrize("turns", [False, True])
def test_the_mean_image_is_over_the_turns_of_parts_that_turn(turns: bool) -> None:
    good = Good(parts(7), turns)
    found = good.mean_image()
    assert found.shape == (SIDE, SIDE, 3) and found.dtype == np.float32
    pictures = [way for image in to_lab(good.images) for way in turned(image)[: 8 if turns else 1]]
    np.testing.assert_allclose(found, np.mean(pictures, axis=0), atol=1e-5)


@pytest.mark.parametrize("base", [True, False])
def test_the_mean_image_is_that_of_good_parts_or_grey(base: bool) -> None:
    good = Good(parts(4))
    found = np.asarray(training.build(config(start_from_mean=base), good).mean_image)
    np.testing.assert_array_equal(found, good.mean_image() if base else np.zeros((SIDE, SIDE, 3)))


def test_every_task_has_a_name_a_title_and_levels_that_its_network_has() -> None:
    assert set(TASKS) <= set(PRETEXTS)
    assert len({made.title for made in PRETEXTS.values()}) == len(PRETEXTS)
    for task, made in PRETEXTS.items():
        network = pretexts.PRETEXTS[task](config(task=task)).network()
        assert made.name == task and all(network.get_layer(level) for level in (*made.levels, "code"))
