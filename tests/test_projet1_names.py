"""Names of artists, however they are written."""

import unicodedata

import pytest

from projet1_artistes import names

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
    assert names.key(name) == "albrecht durer"


@pytest.mark.parametrize("name", [DURER, "Pierre-Auguste_Renoir", "El_Greco", "Élie Dürel", "Joan Miró", "Łódź"])
@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_repair_undoes_the_damage(name, times):
    damaged = name
    for _ in range(times):
        damaged = damaged.encode().decode("cp437")
    assert names.repair(damaged) == name
    assert names.repair(names.repair(damaged)) == name


def test_names_that_differ_have_different_keys():
    artists = ["Paul Klee", "Paul Cezanne", "Jan van Eyck", "Claude Monet", "Edouard Manet", "Ede 1", "Ede 11"]
    assert len({names.key(name) for name in artists}) == len(artists)
