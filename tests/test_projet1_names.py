"""Names of artists, however they are written."""

import unicodedata
import urllib.parse

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

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
    assume(names.repair(name) == name)  # "Ãœ" may be a name, or "Ü" in UTF-8
    damaged = name
    for _ in range(times):
        damaged = damaged.encode().decode("cp437")
    assert names.repair(damaged) == name
    assert names.repair(names.repair(damaged)) == name


def test_names_that_differ_have_different_keys():
    artists = ["Paul Klee", "Paul Cezanne", "Jan van Eyck", "Claude Monet", "Edouard Manet", "Ede 1", "Ede 11"]
    assert len({names.key(name) for name in artists}) == len(artists)


# --- Any name, damaged in any way ------------------------------------------------------------------------------------

LETTERS = "abcdefghijklmnopqrstuvwxyzàâäáãåçèéêëìíîïñòóôõöøùúûüýÿœæšžčřßłőğ"
WORD = st.text(LETTERS, min_size=2, max_size=8).map(str.title)
NAMES = st.lists(WORD, min_size=1, max_size=3).map("_".join).map(lambda name: unicodedata.normalize("NFC", name))


def read_as(page: str):
    """UTF-8 read with a code page; the bytes that cp1252 has no letter for become control characters, as on Windows."""

    def damage(name: str) -> str:
        raw = name.encode()
        if page == "cp1252":
            return "".join(bytes([b]).decode("latin-1" if b in b"\x81\x8d\x8f\x90\x9d" else page) for b in raw)
        return raw.decode(page)

    return damage


DAMAGES = {
    **{page: read_as(page) for page in names.PAGES},
    "NFD": lambda name: unicodedata.normalize("NFD", name),
    "NFC": lambda name: unicodedata.normalize("NFC", name),
    "#U00fc": lambda name: "".join(c if c.isascii() else f"#U{ord(c):04x}" for c in name),
    "%C3%BC": lambda name: urllib.parse.quote(name, safe="_"),
}


@settings(max_examples=500, deadline=None)
@given(NAMES, st.lists(st.sampled_from(sorted(DAMAGES)), max_size=3), st.sampled_from(["", "_1", "_207"]))
def test_any_chain_of_damages_is_undone(name, chain, number):
    """With the artists of the table at hand, and without them; as a folder's name and as a file's."""
    assume(chain.count("#U00fc") <= 1)  # an escape has no letter to escape
    damaged = name + number
    for damage in chain:
        damaged = DAMAGES[damage](damaged)
    known = {names.key(name), "someone else"}
    assert names.key(damaged, known) == names.key(name + number)
    assert names.repair(names.repair(damaged, known), known) == names.repair(damaged, known)


@settings(max_examples=500, deadline=None)
@given(NAMES, st.sampled_from(sorted(names.PAGES)), st.integers(0, 2))
def test_without_a_table_a_name_of_letters_is_found_again(name, page, times):
    """Two pages may give the same text for two names: without a table, which one it was is not always known."""
    assume(names.repair(name) == name)  # "Ãœ" may be a name, or "Ü" in UTF-8
    damaged = name
    for _ in range(times):
        damaged = DAMAGES[page](damaged)
    repaired = names.repair(damaged)
    assert all(c.isalpha() or c == "_" for c in repaired) and len(repaired) <= len(name)
    assert repaired == name or times and page != "cp437"


@pytest.mark.parametrize("read", names.PAGES)
@pytest.mark.parametrize("written", names.PAGES)
def test_one_page_read_as_another_is_undone_for_the_artists_of_the_table(written, read):
    try:
        damaged = DURER.encode(written).decode(read)
    except UnicodeError:
        return
    assert names.key(damaged, {"albrecht durer"}) == "albrecht durer"
    assert names.key(f"{damaged}_12", {"albrecht durer"}) == "albrecht durer 12"


@pytest.mark.parametrize(
    "name", ["Илья_Репин", "Łódź", "葛飾北斎", "Ελ_Γκρέκο", "Paul_100%", "Ada#1", "D'Été", "Ñandú_№_5"]
)
def test_sound_names_are_left_as_they_are(name):
    assert names.repair(name) == name == names.repair(name, {"albrecht durer"})
