"""Archives of hand-ins: what comes out, what is refused, and that nothing ever leaves the folder."""

import io
import os
import stat
import struct
import unicodedata
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atelier import archives
from atelier.archives import Bounds, unpack
from commun import UserError

NOTEBOOK = b'{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'
MEGA = 2**20


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    """The bytes of a zip of (name or ZipInfo, content), or of (name, content, Unix mode)."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, content, *mode in members:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name)
            info.compress_type = method
            if mode:
                info.external_attr = mode[0] << 16
            archive.writestr(info, content)
    return buffer.getvalue()


@pytest.fixture
def unzip(tmp_path):
    """Unpacks bytes in a folder, and checks that nothing was written elsewhere, nor anything but notebooks."""

    def run(content, bounds=None, name="rendu.zip"):
        around = tmp_path / "autour"
        (around / "a" / "b").mkdir(parents=True)
        (around / name).write_bytes(content)
        target = around / "a" / "b" / "cible"
        unpacked = unpack(around / name, target, bounds)
        files = {path for path in around.rglob("*") if not path.is_dir() or path.is_symlink()} - {around / name}
        assert files == set(unpacked.notebooks)
        assert all(path.resolve().is_relative_to(target.resolve()) for path in files)
        assert all(path.suffix.lower() == ".ipynb" and stat.S_ISREG(path.lstat().st_mode) for path in files)
        assert all(sentence.strip().endswith(".") and "\n" not in sentence for sentence in unpacked.problems)
        return [path.relative_to(target).as_posix() for path in unpacked.notebooks], unpacked.problems

    return run


def test_notebooks_come_out_of_folders_and_of_zips_within_zips(unzip):
    inner = zipped(("projet/02.ipynb", NOTEBOOK), ("données.csv", b"1"))
    content = zipped(("Zoé/01.ipynb", NOTEBOOK), ("Ali/rendu.zip", inner), ("Ali/seul.IPYNB", NOTEBOOK), ("Vide/", b""))
    names, problems = unzip(content)
    assert names == ["Zoé/01.ipynb", "Ali/rendu/projet/02.ipynb", "Ali/seul.IPYNB"]
    assert problems == ["rendu.zip › Ali/rendu.zip contient un fichier qui n'est pas un carnet (.csv), laissé de côté."]


def test_the_content_is_kept(tmp_path):
    (tmp_path / "a.zip").write_bytes(zipped(("01.ipynb", NOTEBOOK)))
    unpacked = unpack(tmp_path / "a.zip", tmp_path / "cible")
    assert [path.read_bytes() for path in unpacked.notebooks] == [NOTEBOOK] and unpacked.problems == []


@pytest.mark.parametrize(
    "name",
    [
        "../01.ipynb",
        "a/../../01.ipynb",
        "../../../../../../tmp/evade.ipynb",
        "/tmp/evade.ipynb",
        "//serveur/partage/01.ipynb",
        "..\\..\\01.ipynb",
        "a\\..\\..\\..\\01.ipynb",
        "C:\\01.ipynb",
        "c:01.ipynb",
        "\\\\serveur\\01.ipynb",
        ".. /.. /01.ipynb",
        "a/... /../01.ipynb",
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(unzip, name):
    names, problems = unzip(zipped((name, NOTEBOOK), ("bon/01.ipynb", NOTEBOOK)))
    assert names == ["bon/01.ipynb"]
    assert len(problems) == 1 and "son chemin sort du dossier" in problems[0]


def test_a_zip_whose_name_leaves_the_folder_is_refused(unzip):
    names, problems = unzip(zipped(("../../x.zip", zipped(("01.ipynb", NOTEBOOK)))))
    assert names == [] and "sort du dossier" in problems[0]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_links_and_special_files_are_refused(unzip, kind):
    member = ("01.ipynb", b"/etc/passwd", kind | 0o777)
    names, problems = unzip(zipped(member, ("02.ipynb", NOTEBOOK, stat.S_IFREG | 0o644)))
    assert names == ["02.ipynb"] and len(problems) == 1
    assert ("lien" if kind == stat.S_IFLNK else "ordinaire") in problems[0]


def test_a_link_to_a_folder_does_not_lead_outside(unzip):
    members = ("dossier", b"/tmp", stat.S_IFLNK | 0o777), ("dossier/evade.ipynb", NOTEBOOK)
    names, _ = unzip(zipped(*members))
    assert names == ["dossier/evade.ipynb"]


def test_links_already_in_the_folder_are_not_followed(tmp_path):
    (tmp_path / "dehors").mkdir()
    (tmp_path / "dehors" / "précieux.ipynb").write_text("à garder", encoding="utf-8")
    target = tmp_path / "cible"
    target.mkdir()
    (target / "a").symlink_to(tmp_path / "dehors")
    (target / "b.ipynb").symlink_to(tmp_path / "dehors" / "précieux.ipynb")
    (tmp_path / "r.zip").write_bytes(zipped(("a/01.ipynb", NOTEBOOK), ("b.ipynb", NOTEBOOK)))
    unpacked = unpack(tmp_path / "r.zip", target)
    assert [path.name for path in unpacked.notebooks] == ["b (2).ipynb"]
    assert "sortirait du dossier" in unpacked.problems[0]
    assert [path.name for path in (tmp_path / "dehors").iterdir()] == ["précieux.ipynb"]
    assert (tmp_path / "dehors" / "précieux.ipynb").read_text(encoding="utf-8") == "à garder"


# --- Bombs -----------------------------------------------------------------------------------------------------------


def test_what_swells_too_much_is_refused(unzip):
    names, problems = unzip(zipped(("01.ipynb", bytes(8 * MEGA)), ("02.ipynb", NOTEBOOK)))
    assert names == ["02.ipynb"] and "bombe de décompression" in problems[0]


def test_a_notebook_that_is_too_big_is_refused(unzip):
    content = os.urandom(3 * MEGA)
    names, problems = unzip(zipped(("01.ipynb", content), ("02.ipynb", NOTEBOOK)), Bounds(notebook=2 * MEGA))
    assert names == ["02.ipynb"] and "il dépasse 2 Mo" in problems[0]


def test_a_bomb_in_a_zip_in_a_zip_costs_only_its_own_hand_in(unzip):
    bomb = zipped(*((f"{i}.ipynb", os.urandom(MEGA)) for i in range(6)))
    content = zipped(("Éva/rendu.zip", bomb), ("Éva/seul.ipynb", NOTEBOOK), ("Luc/01.ipynb", NOTEBOOK))
    names, problems = unzip(content, Bounds(hand_in=8 * MEGA))
    assert "Luc/01.ipynb" in names and "Éva/seul.ipynb" not in names
    assert problems == ["rendu.zip › Éva : il en sort trop de données ; le reste n'a pas été extrait."]


def test_all_that_comes_out_is_bounded(unzip):
    members = [(f"{i}/01.ipynb", os.urandom(MEGA)) for i in range(5)]
    names, problems = unzip(zipped(*members), Bounds(total=3 * MEGA))
    assert len(names) == 3 and "trop de données" in problems[0]


def test_files_are_bounded_for_a_hand_in_and_in_all(unzip):
    members = [(f"{who}/{i}.ipynb", NOTEBOOK) for who in "abc" for i in range(5)]
    names, problems = unzip(zipped(*members), Bounds(hand_in_files=3, files=8))
    assert len(names) == 3 + 3 + 2
    assert [problem.split(" : ")[0] for problem in problems] == ["rendu.zip › a", "rendu.zip › b", "rendu.zip"]


def test_zips_within_zips_have_a_bottom(unzip):
    content = zipped(("01.ipynb", NOTEBOOK))
    for _ in range(4):
        content = zipped(("encore.zip", content))
    names, problems = unzip(content)
    assert names == [] and "trop profonde" in problems[0]
    assert problems[-1] == "Aucun carnet (.ipynb) n'a pu être extrait de rendu.zip."


def test_sizes_declared_are_not_believed(unzip):
    """A member declared of ten bytes, in both headers, still swells to what it is: nothing of it stays."""
    content = zipped(("01.ipynb", bytes(8 * MEGA)), ("02.ipynb", NOTEBOOK))
    assert content.count(struct.pack("<I", 8 * MEGA)) == 2
    names, problems = unzip(content.replace(struct.pack("<I", 8 * MEGA), struct.pack("<I", 10)))
    assert names == ["02.ipynb"] and "abîmé" in problems[0]


def test_a_huge_table_of_contents_is_not_read(unzip, monkeypatch):
    monkeypatch.setattr(archives, "_TABLE", 2**17)
    names, problems = unzip(zipped(*((f"{i:0100}.ipynb", b"") for i in range(1000))))
    assert names == [] and "démesuré" in problems[0]


def test_a_long_table_within_a_hand_in_costs_it_dear(unzip):
    inner = zipped(*((f"{i}.png", b"") for i in range(600)))
    names, problems = unzip(zipped(("a/rendu.zip", inner), ("b/01.ipynb", NOTEBOOK)), Bounds(hand_in=MEGA // 2))
    assert names == ["b/01.ipynb"] and "rendu.zip › a : il en sort trop" in problems[0]


def test_other_compressions_are_refused(unzip):
    """LZMA may ask for gigabytes of memory before its first byte."""
    names, problems = unzip(zipped(("01.ipynb", NOTEBOOK), method=zipfile.ZIP_LZMA))
    assert names == [] and "méthode de compression" in problems[0]


def test_many_problems_are_counted(unzip):
    _, problems = unzip(zipped(*((f"../{i}.ipynb", NOTEBOOK) for i in range(50))))
    assert len(problems) == 22 and "30 de plus" in problems[20]


# --- Damaged files ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"PK", b"PK\x03\x04" + bytes(50), b"Rar!\x1a\x07" + bytes(99), bytes(3000)])
def test_what_is_no_zip_is_said(unzip, content):
    names, problems = unzip(content)
    assert names == [] and problems[0].startswith("rendu.zip n'est pas une archive zip lisible")


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_truncated_zip_is_said(unzip, share):
    content = zipped(("01.ipynb", NOTEBOOK), ("02.ipynb", os.urandom(5000)))
    names, problems = unzip(content[: int(share * len(content))])
    assert names == [] and "tronqué" in problems[0]


def test_a_damaged_member_leaves_nothing_behind(unzip):
    content = zipped(("01.ipynb", os.urandom(200_000)), ("02.ipynb", NOTEBOOK), method=zipfile.ZIP_STORED)
    names, problems = unzip(content[:100_000] + bytes(100) + content[100_100:])
    assert names == ["02.ipynb"] and "abîmé" in problems[0]


def test_a_password_is_said(unzip):
    content = bytearray(zipped(("01.ipynb", NOTEBOOK)))
    content[6] |= 1  # flags, in the local header
    content[content.index(b"PK\x01\x02") + 8] |= 1
    names, problems = unzip(bytes(content))
    assert names == [] and "mot de passe" in problems[0]


def test_another_kind_of_archive_is_said(unzip):
    names, problems = unzip(zipped(("Ali/rendu.rar", b"Rar!"), ("Eva/rendu.7z", b"7z"), ("Luc/01.ipynb", NOTEBOOK)))
    assert names == ["Luc/01.ipynb"] and len(problems) == 2 and "en zip" in problems[0]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_damage_is_survived(tmp_path_factory, data):
    content = bytearray(zipped(("a/01.ipynb", NOTEBOOK), ("b.zip", zipped(("02.ipynb", NOTEBOOK)))))
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    folder = tmp_path_factory.mktemp("abîmé")
    (folder / "r.zip").write_bytes(content)
    unpacked = unpack(folder / "r.zip", folder / "cible")
    files = {path for path in folder.rglob("*") if not path.is_dir()} - {folder / "r.zip"}
    assert files == set(unpacked.notebooks) and all(path.is_relative_to(folder / "cible") for path in files)


def test_a_missing_file_is_a_mistake(tmp_path):
    with pytest.raises(UserError, match="n'est pas un fichier"):
        unpack(tmp_path / "absent.zip", tmp_path)
    with pytest.raises(UserError, match="n'est pas un fichier"):
        unpack(tmp_path, tmp_path)


# --- Names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("held", "code"), [("Zo_/tp.ipynb", "cp850"), ("Zo__/tp.ipynb", "utf-8")])
def test_accents_without_the_mark_of_utf8(unzip, held, code):
    raw = "Zoé/tp.ipynb".encode(code)
    content = zipped((held, NOTEBOOK))
    assert content.count(held.encode()) == 2 and len(raw) == len(held)
    assert unzip(content.replace(held.encode(), raw))[0] == ["Zoé/tp.ipynb"]


def test_french_capitals_of_old_windows(unzip):
    raw = "ÀÊÔ.ipynb".encode("cp850")
    assert unzip(zipped(("___.ipynb", NOTEBOOK)).replace(b"___.ipynb", raw))[0] == ["ÀÊÔ.ipynb"]


def test_accents_are_composed(unzip):
    assert unzip(zipped((unicodedata.normalize("NFD", "Zoé/é.ipynb"), NOTEBOOK)))[0] == ["Zoé/é.ipynb"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_meet_are_numbered(unzip):
    names = ["01.ipynb", "01.ipynb", "01.IPYNB", unicodedata.normalize("NFD", "é.ipynb"), "é.ipynb"]
    found, problems = unzip(zipped(*((name, NOTEBOOK) for name in names)))
    assert found == ["01.ipynb", "01 (2).ipynb", "01 (3).IPYNB", "é.ipynb", "é (2).ipynb"] and problems == []


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("CON.ipynb", "_CON.ipynb"),
        ("aux/01.ipynb", "_aux/01.ipynb"),
        ("Com1.x.ipynb", "_Com1.x.ipynb"),
        ("a. /01.ipynb", "a/01.ipynb"),
        ('q<u>o"t|e?*.ipynb', "q_u_o_t_e__.ipynb"),
        ("flux.ipynb:cache.ipynb", "flux.ipynb_cache.ipynb"),
        ("ret\nour\u202e.ipynb", "ret_our_.ipynb"),
        ("./a//b/./01.ipynb", "a/b/01.ipynb"),
        ("a\\b\\01.ipynb", "a/b/01.ipynb"),
        ("01.ipynb ", "01.ipynb"),
    ],
)
def test_names_become_portable(unzip, name, found):
    assert unzip(zipped((name, NOTEBOOK)))[0] == [found]


def test_long_names_are_cut(unzip):
    names, _ = unzip(zipped((f"{'é' * 300}/{'x' * 3000}.ipynb", NOTEBOOK), (f"{'a/' * 40}01.ipynb", NOTEBOOK)))
    assert len(names) == 1 and all(len(part.encode()) <= 80 for part in names[0].split("/"))
    assert names[0].endswith("x.ipynb")


def test_hidden_files_are_no_hand_ins(unzip):
    hidden = ("__MACOSX/._01.ipynb", ".ipynb_checkpoints/01-checkpoint.ipynb", "a/._02.ipynb", ".DS_Store")
    assert unzip(zipped(*((name, NOTEBOOK) for name in hidden), ("01.ipynb", NOTEBOOK))) == (["01.ipynb"], [])


def test_a_file_where_a_folder_is_needed(unzip):
    names, problems = unzip(zipped(("a.ipynb", NOTEBOOK), ("a.ipynb/b.ipynb", NOTEBOOK), ("c.ipynb", NOTEBOOK)))
    assert names == ["a.ipynb", "c.ipynb"] and "porte déjà le nom" in problems[0]


@settings(max_examples=200, deadline=None)
@given(name=st.text(min_size=1, max_size=60))
def test_any_name_stays_inside(tmp_path_factory, name):
    folder = tmp_path_factory.mktemp("noms")
    try:
        content = zipped((f"{name}.ipynb", NOTEBOOK))
    except (UnicodeError, ValueError):
        return
    (folder / "r.zip").write_bytes(content)
    unpacked = unpack(folder / "r.zip", folder / "cible")
    files = {path for path in folder.rglob("*") if not path.is_dir()} - {folder / "r.zip"}
    assert files == set(unpacked.notebooks) and all(path.is_relative_to(folder / "cible") for path in files)
