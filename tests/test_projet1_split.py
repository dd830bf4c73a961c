"""The split: complete, stratified, seeded, and no group is ever separated."""

import numpy as np
import pytest

from commun import UserError
from projet1_artistes.split import (
    PARTS,
    TEST,
    TRAINING,
    VALIDATION,
    folds,
    largest_remainder,
    split_by_group,
)


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
    split = split_by_group(labels, groups, seed=seed)
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
    split = split_by_group(labels, np.arange(len(labels)), seed=seed)
    counts = [np.bincount(labels[rows], minlength=3).tolist() for rows in split.values()]
    assert np.transpose(counts).tolist() == [largest_remainder(n, [0.7, 0.15, 0.15]) for n in (100, 20, 47)]


def test_a_seed_is_a_split():
    labels, groups = random_works(3)
    first, same = (split_by_group(labels, groups, seed=7) for _ in range(2))
    other = split_by_group(labels, groups, seed=8)
    for part in PARTS:
        np.testing.assert_array_equal(first[part], same[part])
    assert any(not np.array_equal(first[part], other[part]) for part in PARTS)
    known = split_by_group(np.zeros(10, int), np.arange(10), seed=0)
    assert [known[part].tolist() for part in (VALIDATION, TEST)] == [[2, 6], [4]]  # on any machine


def test_an_artist_leaves_the_others_alone():
    labels, groups = np.repeat([0, 1], [30, 40]), np.arange(70)
    whole, alone = split_by_group(labels, groups), split_by_group(labels[:30], groups[:30])
    for part in PARTS:
        np.testing.assert_array_equal(whole[part][whole[part] < 30], alone[part])


@pytest.mark.parametrize("groups", [[0, 0, 0, 0, 0], [0, 0, 1, 1, 1], [0], [0, 1]])
def test_an_artist_with_too_few_groups_only_trains(groups):
    labels = np.concatenate([np.zeros(len(groups), int), np.ones(20, int)])
    split = split_by_group(labels, np.concatenate([groups, np.arange(10, 30)]))
    assert (labels[split[TRAINING]] == 0).sum() == len(groups)
    assert (labels[split[TEST]] == 1).all() and (labels[split[VALIDATION]] == 1).all()


def test_three_groups_are_one_each():
    for seed in range(10):
        groups = np.array([0] * 9 + [1] * 2 + [2])
        split = split_by_group(np.zeros(12, int), groups, seed=seed)
        assert sorted(len(set(groups[rows])) for rows in split.values()) == [1, 1, 1]
        assert len(split[TRAINING]) == 9  # the parts that judge take the smallest groups


def test_a_group_of_two_artists_stays_whole():
    labels = np.array([0] * 12 + [1] * 12)
    groups = np.arange(24)
    groups[[3, 14, 15]] = 3
    for seed in range(10):
        split = split_by_group(labels, groups, seed=seed)
        assert sum(3 in groups[rows] for rows in split.values()) == 1


def random_mixed_works(seed):
    """Labels and groups of 1 to 6 artists, some of very few works; groups of any size, of one artist or several."""
    random = np.random.default_rng(seed)
    counts = random.integers(1, random.choice([5, 20, 60]), random.integers(1, 7))
    labels = random.permutation(np.repeat(np.arange(len(counts)), counts))
    groups = np.arange(len(labels))
    for _ in range(random.integers(0, len(labels) // 2 + 1)):
        groups[random.integers(len(labels))] = groups[random.integers(len(labels))]
    return labels, groups


@pytest.mark.parametrize("seed", range(300))
def test_who_is_judged_has_works_to_learn_from(seed):
    labels, groups = random_mixed_works(seed)
    split = split_by_group(labels, groups, seed=seed)
    part = np.empty(len(labels), object)
    for name, rows in split.items():
        part[rows] = name
    assert sum(map(len, split.values())) == len(labels)
    assert all(len(set(part[groups == group])) == 1 for group in set(groups))
    for artist in set(labels):
        assert set(part[labels == artist]) in ({TRAINING}, set(PARTS)), artist
        alone = [group for group in set(groups[labels == artist]) if set(labels[groups == group]) == {artist}]
        others = set(labels[np.isin(groups, groups[labels == artist])]) - {artist}
        if len(alone) >= 3 and not others:
            assert set(part[labels == artist]) == set(PARTS), artist


def test_two_small_groups_do_not_fill_the_test_and_leave_nothing_to_learn_from():
    groups = np.repeat([0, 1, 2], [1, 1, 12])
    for seed in range(20):
        split = split_by_group(np.zeros(14, int), groups, seed=seed)
        assert [len(set(groups[rows])) for rows in split.values()] == [1, 1, 1]


def test_an_artist_whose_works_follow_those_of_another_is_not_judged_without_having_been_learnt():
    labels = np.array([0] * 12 + [1] * 2)
    groups = np.array([0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 0, 1])  # the works of the second go with the first's
    for seed in range(20):
        split = split_by_group(labels, groups, seed=seed)
        assert set(np.flatnonzero(labels == 1)) <= set(split[TRAINING])


def test_as_many_labels_as_groups():
    with pytest.raises(UserError, match="autant"):
        split_by_group(np.zeros(2, int), np.zeros(1, int))


def test_nothing_to_split():
    split = split_by_group(np.empty(0, int), np.empty(0, int))
    assert {part: len(rows) for part, rows in split.items()} == dict.fromkeys(PARTS, 0)


@pytest.mark.parametrize("seed", range(20))
def test_largest_remainder(seed):
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.ones(random.integers(1, 6)))
    count = int(random.integers(0, 200))
    found = largest_remainder(count, shares)
    assert sum(found) == count
    assert (np.abs(found - count * shares) < 1).all()


def test_largest_remainder_by_hand():
    assert largest_remainder(10, [0.7, 0.15, 0.15]) == [7, 2, 1]
    assert largest_remainder(20, [0.7, 0.15, 0.15]) == [14, 3, 3]
    assert largest_remainder(3, [0.7, 0.15, 0.15]) == [2, 1, 0]
    assert largest_remainder(0, [0.5, 0.5]) == [0, 0]


# --- Folds -----------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize("seed", range(5))
def test_folds_are_stratified_and_keep_groups_whole(seed):
    labels, groups = random_works(seed)
    fold = folds(labels, groups, 5, seed=seed)
    assert fold.dtype == np.int64 and set(fold) == set(range(5))
    assert all(len(set(fold[groups == group])) == 1 for group in set(groups))
    np.testing.assert_array_equal(fold, folds(labels, groups, 5, seed=seed))
    for artist in np.unique(labels):
        counts = np.bincount(fold[labels == artist], minlength=5)
        assert counts.max() - counts.min() <= 2 + max(np.bincount(groups[labels == artist]))
    assert (fold != folds(labels, groups, 5, seed=seed + 1)).any()
