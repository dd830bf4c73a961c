"""What notebook 01 shows as tables, which works it draws, and the checks of the split, which can fail."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest
from test_projet1_figures_preparation import changed, paintings, row_of

from projet1_artistes import augmentation, checks, dataset, tables
from projet1_artistes.dataset import Data
from projet1_artistes.split import TEST, TITLES, TRAINING, VALIDATION


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    yield from paintings(tmp_path_factory)


def test_imbalance(data):
    found = tables.imbalance(data, threshold=8)
    assert found == {
        "most": "Ada Bleu",
        "least": "Do Noir",
        "fewest": 2,
        "ratio": 15,
        "share": pytest.approx(30 / 51),
        "few": 2,
    }


def test_differences_are_those_of_the_table_and_the_disk(data):
    assert len(tables.differences(data)) == 0
    artists = data.artists.assign(announced=[30, 17, np.nan, 1])
    table = tables.differences(dataclasses.replace(data, artists=artists))
    assert table["artiste"].tolist() == ["Cy Brun", "Bo Gris", "Do Noir"]
    assert table["écart"].tolist() == ["inconnu", "−5", "+1"]
    assert table["lisibles"].tolist() == [7, 12, 2]


def test_problems_are_counted_by_reason(data):
    table = tables.problems_by_reason(data)
    assert table["constat"].tolist() == ["fichier vide : laissé de côté"]
    assert table["fichiers"].tolist() == [2]
    assert table["exemple"].tolist() == ["Bo_Gris/Bo_Gris_13.jpg"]
    same = pd.DataFrame({"file": list("abc"), "what": [f"même œuvre que {n}.jpg : laissée de côté" for n in "xyz"]})
    table = tables.problems_by_reason(dataclasses.replace(data, problems=same))
    assert table["fichiers"].tolist() == [3]
    none = dataclasses.replace(data, problems=data.problems.iloc[:0])
    assert len(tables.problems_by_reason(none)) == 0


def test_merged_artists_are_those_of_several_folders(data):
    assert len(tables.merged_artists(data)) == 0
    artists = data.artists.assign(folder=["A et B", "C", "D", "E"])
    table = tables.merged_artists(dataclasses.replace(data, artists=artists))
    assert table.to_numpy().tolist() == [["Ada Bleu", "A et B", 30]]


def test_groups_of_several_artists_come_first_then_the_most_alike(data):
    (group,) = dataset.duplicate_groups(data)
    assert group.tolist() == [row_of(data, stem) for stem in ("Ada_Bleu_5", "Ada_Bleu_6", "Bo_Gris_3")]
    groups = data.groups.copy()
    groups[[10, 11, 12, 13]], groups[[20, 35]] = 900, 901
    sizes = [len(rows) for rows in dataset.duplicate_groups(changed(data, group=groups))]
    assert sizes == [3, 2, 4]
    groups = np.arange(51)
    groups[[10, 11]], groups[group[:2]] = 900, 901  # strangers, and twins
    alike, others = dataset.duplicate_groups(changed(data, group=groups))
    assert alike.tolist() == group[:2].tolist() and others.tolist() == [10, 11]


def test_no_group_is_no_error(data):
    alone = changed(data, group=np.arange(51))
    assert dataset.duplicate_groups(alone) == []
    assert list(tables.shared_groups(alone)) == ["artistes", "œuvres", "partie"]


def test_the_table_of_the_split_counts_every_work_once(data):
    table = tables.split_table(data)
    assert table[list(TITLES.values())].to_numpy().sum() == 51 and table.columns.name is None
    assert table["artiste"].tolist() == ["Ada Bleu", "Bo Gris", "Cy Brun", "Do Noir"]
    assert table["évalué"].tolist() == ["oui", "oui", "oui", "non"]
    assert table["parts (%)"].iloc[-1] == "100 / 0 / 0"
    assert checks.split_counts(data).index.equals(data.artists.index)


def test_showings_follow_the_threshold(data):
    table = tables.oversampling_counts(data, 15)
    works = checks.split_counts(data)[TRAINING]
    assert table["works"].tolist() == works.tolist()
    assert table["pictures"].tolist() == [max(count, 15) for count in works]
    shown_once = tables.oversampling_counts(data, 0)
    assert (shown_once["pictures"] == shown_once["works"]).all()
    played = augmentation.oversampled_indices(data.labels[data.rows(TRAINING)], 15, seed=0)
    assert np.bincount(data.labels[data.rows(TRAINING)][played]).tolist() == table["pictures"].tolist()


def test_works_are_drawn_from_as_many_artists_as_there_are(data):
    assert sorted(data.labels[dataset.random_works(data, 4, seed=1)]) == [0, 1, 2, 3]
    nine = dataset.random_works(data, 9, seed=1)
    assert len(set(nine)) == 9 and np.bincount(data.labels[nine]).tolist() == [3, 2, 2, 2]
    np.testing.assert_array_equal(nine, dataset.random_works(data, 9, seed=1))
    assert set(nine) != set(dataset.random_works(data, 9, seed=2))
    assert sorted(dataset.random_works(data, 1000, seed=0)) == list(range(51))


def test_the_smallest_artists_are_shown_by_a_training_work(data):
    rows = dataset.random_works_of_smallest(data, 3, seed=5)
    assert data.labels[rows].tolist() == [3, 2, 1]
    assert set(rows) <= set(data.rows(TRAINING))
    assert len(dataset.random_works_of_smallest(data, 40, seed=5)) == 4


# --- The split, checked ----------------------------------------------------------------------------------------------


def test_the_split_passes_its_checks(data):
    table = checks.check_split(data)
    assert len(table) == 7 and table["passed"].all(), table
    assert "Do Noir" in table["finding"][3]


def failed(data: Data) -> list[int]:
    return np.flatnonzero(~checks.check_split(data)["passed"].to_numpy(bool)).tolist()


def test_a_work_moved_to_another_part_is_seen(data):
    parts = data.works["part"].to_numpy().copy()
    parts[row_of(data, "Bo_Gris_3")] = TEST if parts[row_of(data, "Bo_Gris_3")] != TEST else TRAINING
    assert {1, 2, 6} <= set(failed(changed(data, part=parts)))  # group, pixels, seed


def test_the_same_pixels_in_two_parts_are_seen_even_without_a_group(data):
    parts, groups = data.works["part"].to_numpy().copy(), data.groups.copy()
    row = row_of(data, "Ada_Bleu_6")
    parts[row] = TEST if parts[row] != TEST else TRAINING
    groups[row] = 999
    assert 2 in failed(changed(data, part=parts, group=groups))


def test_an_unknown_part_and_a_work_listed_twice_are_seen(data):
    parts = data.works["part"].to_numpy().copy()
    parts[0] = "ailleurs"
    assert 0 in failed(changed(data, part=parts))
    paths = data.works["path"].to_numpy().copy()
    paths[0] = paths[1]
    assert 0 in failed(changed(data, path=paths))


def test_a_missing_artist_and_wrong_proportions_are_seen(data):
    parts = data.works["part"].to_numpy().copy()
    parts[(data.labels == 2) & (parts == TEST)] = TRAINING
    assert 3 in failed(changed(data, part=parts))
    parts = data.works["part"].to_numpy().copy()
    parts[np.flatnonzero((data.labels == 0) & (parts == TRAINING))[:6]] = VALIDATION
    assert 4 in failed(changed(data, part=parts))
    parts = data.works["part"].to_numpy().copy()
    parts[data.labels == 3] = TEST  # an artist who is not judged has no business there
    assert 3 in failed(changed(data, part=parts))


def test_classes_numbered_after_the_split_are_seen(data):
    labels, mine = data.labels.copy(), data.labels == 1
    parts = np.where(mine, TRAINING, data.works["part"])
    test = (parts == TEST) & ~mine
    labels[test] = np.unique(labels[test], return_inverse=True)[1]  # the part, without that artist, numbers its own
    assert 5 in failed(changed(data, artist=labels, part=parts))
    backwards = dataclasses.replace(data, artists=data.artists.iloc[::-1].reset_index(drop=True))
    assert 5 in failed(backwards)


def test_the_headline_of_notebook_03_is_that_of_its_measures():
    measures = {"test_accuracy": {"value": 0.8}, "test_macro_f1": {"value": 0.7}, "test_top3": {"value": 0.9}}
    assert tables.headline(measures) == {"exactitude au test": 0.8, "macro-F1 au test": 0.7}
    assert tables.headline(None) == {}


def test_the_stages_of_the_pre_trained_network_are_those_that_are_built():
    from projet1_artistes import efficientnet

    table = tables.backbone_table()
    assert len(table) == len(efficientnet.STAGES) - 2 == 7
    assert table["cartes rendues"].tolist() == [channels for *_, channels in efficientnet.BLOCKS]
