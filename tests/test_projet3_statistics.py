"""From signals to scores: what is normal against brute force, good parts judged by the others, smoothing, fusion."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from projet3_ssl_anomalies import statistics as stats
from projet3_ssl_anomalies.dataset import SIDE
from projet3_ssl_anomalies.statistics import GoodBank, NormalStatistics, ScoringConfig

PLAIN = ScoringConfig(map_sigma=0.0, top_fraction=0.01, shrinkage=1.0, weights={}, fusion="arithmetic")
GEOMETRIC = dataclasses.replace(PLAIN, fusion="geometric")


@pytest.fixture(autouse=True)
def _a_bank_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """Banks as large as usual: the detectors that other modules learn have smaller ones, to be quick."""
    monkeypatch.setattr(stats, "BANK", 4000)


def _signal(count: int, *, side: int = 8, channels: int = 3, seed: int = 0) -> np.ndarray:
    """A signal whose mean, spread and correlations depend on the cell."""
    random = np.random.default_rng(seed)
    cells = np.random.default_rng(99)
    mixing = cells.normal(size=(side, side, channels, channels)) * cells.uniform(0.2, 2, channels)
    noise = np.einsum("hwij,nhwj->nhwi", mixing, random.normal(size=(count, side, side, channels)))
    return (cells.normal(size=(side, side, channels)) + noise).astype("float32")


def _maps(count: int, *, side: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gamma(2, 1, (count, side, side)).astype("float32")


def _gaussians(signal: np.ndarray, shrinkage: float, of_all: np.ndarray | None = None) -> tuple:
    """The mean and the covariance of each cell, by their definitions; the variances of all are of another signal."""
    everywhere = np.diag((signal if of_all is None else of_all).astype("float64").var(axis=(0, 1, 2)))
    mean = signal.astype("float64").mean(axis=0)
    gaps = signal - mean
    scatter = (gaps[..., None] * gaps[..., None, :]).sum(axis=0)
    return mean, (scatter + shrinkage * everywhere) / (len(signal) + shrinkage)


def _mahalanobis(signal: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    """By the definition, cell after cell."""
    found = np.empty(signal.shape[:3])
    for n, y, x in np.ndindex(*found.shape):
        gap = signal[n, y, x] - mean[y, x]
        found[n, y, x] = np.sqrt(gap @ np.linalg.inv(covariance[y, x]) @ gap / len(gap))
    return found


# --- Cell by cell -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shrinkage", [1e-3, 3.0, 1e9])
def test_covariances_of_cells_are_shrunk_towards_the_global_variances(shrinkage: float) -> None:
    signal, other = _signal(9), _signal(2, seed=1)
    found = NormalStatistics.fit(signal, dataclasses.replace(PLAIN, shrinkage=shrinkage))
    assert found.mean.dtype == found.whitening.dtype == np.float32
    np.testing.assert_allclose(found.distances(other), _mahalanobis(other, *_gaussians(signal, shrinkage)), rtol=5e-3)


def test_distances_are_about_one_on_good_parts() -> None:
    """Where cells hardly vary along a direction, the variances of all cells count for something: 400 parts prevail."""
    scoring = dataclasses.replace(PLAIN, shrinkage=0.01)
    found = NormalStatistics.fit(_signal(400), scoring)
    for signal in (_signal(400), _signal(50, seed=1)):  # those of the fit, and others
        squares = np.square(found.distances(signal))
        assert squares.mean() == pytest.approx(1, rel=0.05)
        assert np.ptp(squares.mean(axis=0)) < 0.8  # in all the cells alike, whatever their spread
    assert np.square(found.left_out(_signal(400), scoring)).mean() == pytest.approx(1, rel=0.05)


def test_a_signal_is_unusual_by_its_direction_too() -> None:
    """Channels that always go together: one that goes alone is further than both together."""
    random = np.random.default_rng(0)
    common = random.normal(size=(40, 8, 8, 1))
    signal = (common + 0.1 * random.normal(size=(40, 8, 8, 2))).astype("float32")
    found = NormalStatistics.fit(signal, PLAIN)
    together, alone = (np.broadcast_to(np.float32(gap), (1, 8, 8, 2)) for gap in ([1, 1], [1, -1]))
    assert (found.distances(alone) > 2 * found.distances(together)).all()


@pytest.mark.parametrize("kind", [NormalStatistics, GoodBank])
def test_signals_that_do_not_vary_are_no_infinite_anomaly(kind: type) -> None:
    signal = np.full((4, 8, 8, 1), 0.25, "float32")
    found = kind.fit(signal, PLAIN)
    for distances in (found.distances(signal), found.left_out(signal, PLAIN)):
        np.testing.assert_allclose(distances, 0, atol=0.1)
    others = found.distances(signal + 0.1)
    assert (others > 100).all() and np.isfinite(others).all()


@pytest.mark.parametrize("count", [2, 3, 12])
@pytest.mark.parametrize("shrinkage", [0.25, 4.0])
def test_left_out_is_the_distance_to_the_gaussian_of_the_others(count: int, shrinkage: float) -> None:
    """To 1 %, for 32-bit floats are inverted; the global variances, to which cells are shrunk, are those of all."""
    signal, scoring = _signal(count), dataclasses.replace(PLAIN, shrinkage=shrinkage)
    found = NormalStatistics.fit(signal, scoring).left_out(signal, scoring)
    for row, own in enumerate(signal):
        others = _gaussians(np.delete(signal, row, axis=0), shrinkage, of_all=signal)
        np.testing.assert_allclose(found[row], _mahalanobis(own[None], *others)[0], rtol=1e-2)


@pytest.mark.parametrize(("count", "gap"), [(6, 0.2), (40, 0.02)])
def test_left_out_is_nearly_a_fit_without_the_part(count: int, gap: float) -> None:
    """To `gap`: the global variances keep the part itself."""
    signal = _signal(count)
    fitted = NormalStatistics.fit(signal, PLAIN)
    found = fitted.left_out(signal, PLAIN)
    others = (NormalStatistics.fit(np.delete(signal, row, axis=0), PLAIN) for row in range(count))
    expected = [other.distances(own) for other, own in zip(others, signal, strict=True)]
    np.testing.assert_allclose(found, expected, rtol=gap)
    assert (found > fitted.distances(signal)).all()  # otherwise good parts look better than they are


# --- Banks ------------------------------------------------------------------------------------------------------------


def _nearest(own: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """By the definition: how far the nearest vector is from each cell, over the square root of the channels."""
    gaps = own.reshape(-1, 1, own.shape[-1]) - vectors.reshape(1, -1, own.shape[-1])
    return np.sqrt(np.square(gaps).mean(axis=-1).min(axis=1)).reshape(own.shape[:-1])


def test_a_bank_measures_to_the_nearest_good_cell_wherever_it_was_seen() -> None:
    signal, other = _signal(5), _signal(2, seed=1)
    scale = signal.std(axis=(0, 1, 2))
    found = GoodBank.fit(signal, PLAIN)
    np.testing.assert_allclose(found.distances(other), [_nearest(o / scale, signal / scale) for o in other], atol=2e-3)
    np.testing.assert_allclose(found.distances(signal), 0, atol=5e-3)
    np.testing.assert_allclose(found.distances(signal[:, ::-1, ::-1]), 0, atol=5e-3)
    np.testing.assert_allclose(
        GoodBank.fit(100 * signal, PLAIN).distances(100 * other), found.distances(other), atol=2e-3
    )


def test_a_good_part_is_never_judged_by_its_own_vectors() -> None:
    signal = _signal(5)
    scale = signal.std(axis=(0, 1, 2))
    found = GoodBank.fit(signal, PLAIN).left_out(signal, PLAIN)
    expected = [_nearest(own / scale, np.delete(signal, row, axis=0) / scale) for row, own in enumerate(signal)]
    np.testing.assert_allclose(found, expected, atol=2e-3)


@pytest.mark.parametrize("kept", [30, 1000])
def test_a_bank_holds_no_more_than_it_may_and_knows_where_its_vectors_come_from(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stats, "BANK", kept)
    monkeypatch.setattr(stats, "DRAWN", 200)
    signal = _signal(6)
    signal[4, 2:4, 2:4] += 30  # cells of one part that no other has
    found = GoodBank.fit(signal, PLAIN)
    assert len(found.vectors) == len(found.parts) == min(kept, 200) and set(found.parts) == set(range(6))
    for vector, part in zip(found.vectors, found.parts, strict=True):
        assert np.abs(signal[part] / found.scale - vector).max(axis=-1).min() < 1e-5
    assert found.left_out(signal, PLAIN)[4, 2:4, 2:4].min() > 3
    assert GoodBank.fit(signal, PLAIN).vectors.tobytes() == found.vectors.tobytes()


def test_vectors_are_compared_alike_whatever_the_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    signal = _signal(4)
    whole = GoodBank.fit(signal, PLAIN).distances(signal[::-1] + 0.1)
    monkeypatch.setattr(stats, "CHUNK", 50)
    np.testing.assert_allclose(GoodBank.fit(signal, PLAIN).distances(signal[::-1] + 0.1), whole, atol=1e-4)


def test_each_vector_of_a_coreset_is_the_farthest_from_those_before() -> None:
    vectors = np.random.default_rng(0).normal(size=(200, 3)).astype("float32")
    rows = stats.coreset(vectors, 40)
    assert len(rows) == len(set(rows.tolist())) == 40
    for rank in range(1, 40):
        nearest = np.linalg.norm(vectors[:, None] - vectors[rows[:rank]], axis=-1).min(axis=1)
        assert nearest[rows[rank]] == pytest.approx(nearest.max(), rel=1e-3)
    np.testing.assert_array_equal(stats.coreset(vectors[:40], 40), np.arange(40))


def test_kinds_of_signals_that_are_banked_may_be_usual_elsewhere() -> None:
    scoring = dataclasses.replace(PLAIN, banked={"representation": 1.0})
    names = ("baseline", "a/error", "a/representation", "representation")
    assert [scoring.bank_share(name) for name in names] == [0, 0, 1, 1]
    signal = _signal(12)
    signal[:, :4] += 20  # usual in this half alone
    kinds = {name: stats.fit_normal(name, signal, scoring) for name in names[1:3]}
    assert type(kinds["a/error"]) is NormalStatistics and type(kinds["a/representation"]) is GoodBank
    moved = signal[:1, ::-1]
    assert kinds["a/error"].distances(moved).mean() > 3 > kinds["a/representation"].distances(moved).mean()


@pytest.mark.parametrize("share", [0.25, 0.5])
def test_both_comparisons_are_combined_by_their_shares(share: float) -> None:
    """A cell is unusual where neither its place nor the bank explains it."""
    signal, other = _signal(9), _signal(2, seed=1)
    both = stats.fit_normal("a/error", signal, dataclasses.replace(PLAIN, banked={"error": share}))
    placed, banked = NormalStatistics.fit(signal, PLAIN), GoodBank.fit(signal, PLAIN)

    logarithms = [np.log(normal.distances(other)) for normal in (placed, banked)]
    expected = np.exp((1 - share) * logarithms[0] + share * logarithms[1])
    np.testing.assert_allclose(both.distances(other), expected, rtol=1e-5)


def test_the_less_parts_keep_their_place_the_less_it_counts() -> None:
    """In the order of the candidates; the rival that learns nothing only knows places."""
    candidates = list(stats.CANDIDATES.values())
    assert candidates[0] == stats.SCORING and {c.bank_share("baseline") for c in candidates} == {0}
    for before, after in itertools.pairwise(candidates):
        assert before.weight("baseline") > after.weight("baseline")
        shares = [(c.bank_share("a/error"), c.bank_share("a/representation")) for c in (before, after)]
        assert shares[0] != shares[1] and all(x <= y <= 1 for x, y in zip(*shares, strict=True))
        assert dataclasses.replace(after, banked=before.banked, weights=before.weights) == before


def test_comparisons_are_taken_apart_without_changing_what_is_not_banked() -> None:
    scoring = dataclasses.replace(PLAIN, banked={"error": 0.3})
    placed, banked = stats.apart(scoring)
    assert [c.bank_share(name) for c in (placed, banked) for name in ("a/error", "baseline")] == [0, 0, 1, 0]
    assert {dataclasses.replace(alone, banked=scoring.banked) == scoring for alone in (placed, banked)} == {True}


def test_without_a_part_is_what_the_others_say() -> None:
    signal, part = _signal(9), 4
    alone = NormalStatistics.fit(signal).without(part, signal)
    expected = NormalStatistics.fit(np.delete(signal, part, axis=0))
    np.testing.assert_array_equal(alone.mean, expected.mean)
    np.testing.assert_array_equal(alone.whitening, expected.whitening)
    bank = GoodBank.fit(signal)
    assert part in bank.parts and part not in bank.without(part, signal).parts
    assert bank.distances(signal[part]).max() < 1e-2 < bank.without(part, signal).distances(signal[part]).min()


# --- Smoothing, fusion, scores ---------------------------------------------------------------------------------------


def test_smoothing_spreads_without_adding() -> None:
    maps = _maps(3, side=32)
    found = stats.smooth(maps, 20.0)
    assert found.shape == maps.shape and found.dtype == np.float32
    np.testing.assert_allclose(found.mean(axis=(1, 2)), maps.mean(axis=(1, 2)), rtol=1e-3)
    assert (found.std(axis=(1, 2)) < maps.std(axis=(1, 2))).all()
    np.testing.assert_allclose(stats.smooth(maps, 0.0), maps)
    np.testing.assert_allclose(stats.smooth(maps[1:2], 20.0), found[1:2])  # each map alone


@pytest.mark.parametrize("side", [32, 64])
def test_blur_is_in_pixels_of_a_256_pixel_image(side: int) -> None:
    maps = np.zeros((1, side, side), "float32")
    maps[0, side // 2, side // 2] = 1
    spot = stats.smooth(maps, 16.0)[0]
    spread = (np.indices(spot.shape)[1] - side // 2) ** 2
    assert (spot * spread).sum() ** 0.5 == pytest.approx(16 * side / SIDE, rel=0.03)


def test_signals_weigh_by_their_name_and_by_their_kind() -> None:
    scoring = dataclasses.replace(PLAIN, weights={"a/error": 0.5, "error": 4, "baseline": 3, "unknown": 9})
    weights = {name: scoring.weight(name) for name in ("a/error", "b/error", "a/representation", "baseline", "error")}
    assert weights == {"a/error": 2, "b/error": 4, "a/representation": 1, "baseline": 3, "error": 4}


@pytest.mark.parametrize("fusion", ["arithmetic", "geometric"])
def test_maps_are_fused_by_weight_one_by_default(fusion: str) -> None:
    first, second, third = (_maps(2, seed=seed) for seed in range(3))
    maps = {"baseline": first, "a/error": second, "a/representation": third}

    def fused(*terms: tuple[np.ndarray, float]) -> np.ndarray:
        total = sum(weight for _, weight in terms)
        if fusion == "arithmetic":
            return sum(m * weight for m, weight in terms) / total
        return np.exp(sum(np.log(m) * weight for m, weight in terms) / total)

    plain = dataclasses.replace(PLAIN, fusion=fusion)
    np.testing.assert_allclose(stats.fuse(maps, plain), fused((first, 1), (second, 1), (third, 1)), rtol=1e-4)
    weighted = dataclasses.replace(plain, weights={"baseline": 2, "error": 0.5})
    np.testing.assert_allclose(stats.fuse(maps, weighted), fused((first, 2), (second, 0.5), (third, 1)), rtol=1e-4)
    without = dataclasses.replace(plain, weights={"representation": 0})
    absent = {name: m for name, m in maps.items() if name != "a/representation"}
    np.testing.assert_allclose(stats.fuse(maps, without), stats.fuse(absent, plain), rtol=1e-5)
    np.testing.assert_allclose(stats.fuse({"baseline": first}, plain), first, rtol=1e-5)
    ignored = dataclasses.replace(plain, weights=dict.fromkeys(maps, 0))  # all: what others would outweigh is there
    np.testing.assert_allclose(stats.fuse(maps, ignored), stats.fuse(maps, plain), rtol=1e-5)


def test_a_geometric_mean_does_not_care_for_the_scale_of_a_signal() -> None:
    maps = {name: _maps(4, seed=seed) for seed, name in enumerate(("baseline", "a/error"))}
    scaled = {**maps, "a/error": 100 * maps["a/error"]}
    ratio = stats.fuse(scaled, GEOMETRIC) / stats.fuse(maps, GEOMETRIC)
    np.testing.assert_allclose(ratio, 10, rtol=1e-4)
    zero = {**maps, "a/error": np.zeros_like(maps["a/error"])}
    assert np.isfinite(stats.fuse(zero, GEOMETRIC)).all()


@pytest.mark.parametrize(("fraction", "count"), [(1e-9, 1), (0.01, 3), (0.25, 64), (1.0, 256)])
def test_the_score_is_the_mean_of_the_highest_cells(fraction: float, count: int) -> None:
    maps = _maps(4)
    expected = [np.sort(m.ravel())[::-1][:count].mean() for m in maps]
    found = stats.image_scores(maps, dataclasses.replace(PLAIN, top_fraction=fraction))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_maps_are_enlarged_without_going_beyond_their_values() -> None:
    maps = _maps(2)
    found = stats.enlarge(maps, 64)
    assert found.shape == (2, 64, 64) and found.dtype == np.float32
    assert maps.min() - 1e-5 <= found.min() and found.max() <= maps.max() + 1e-5
    np.testing.assert_allclose(found.mean(axis=(1, 2)), maps.mean(axis=(1, 2)), rtol=0.02)
    np.testing.assert_array_equal(stats.enlarge(maps, 16), maps)
    assert stats.enlarge(maps).shape == (2, SIDE, SIDE)
