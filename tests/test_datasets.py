"""`commun.datasets`: what is read, found and written, and above all what is refused."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import stat
import struct
import subprocess
import sys
from pathlib import Path

import edited
import numpy as np
import pytest
from layouts import content, idx_bytes, label, make_fashion, make_mvtec, write_idx

from commun import UserError, datasets

REPOSITORY = Path(datasets.__file__).parents[1]
pytestmark = pytest.mark.usefixtures("depot")


# --- IDX files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 28, 28), (2, 3, 4, 5)])
def test_read_idx_gives_back_what_was_written(tmp_path, shape):
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    write_idx(tmp_path / "x.gz", array)
    read = datasets.read_idx(tmp_path / "x.gz")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)


GOOD = idx_bytes(np.arange(200).reshape(2, 10, 10))


def idx_sizes(*sizes: int) -> bytes:
    return b"\x00\x00\x08" + bytes([len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (gzip.compress(GOOD)[:-30], "tronqué"),
        (gzip.compress(GOOD)[:5], "tronqué"),
        (gzip.compress(GOOD)[:-8] + bytes(8), "tronqué ou abîmé"),  # wrong checksum
        (gzip.compress(GOOD)[:12] + b"\xff\xff\xff" + gzip.compress(GOOD)[15:], "abîmé"),  # damaged in the middle
        (gzip.compress(GOOD[:-1]), "moins de données que les 200 octets"),
        (gzip.compress(GOOD + b"x"), "plus de données que les 200 octets"),
        (gzip.compress(GOOD[:9]), "l'en-tête est incomplet"),
        (gzip.compress(b"\x00\x00\x0d" + GOOD[3:]), "n'est pas un fichier IDX d'octets (nombre magique 00000d03)"),
        (gzip.compress(b"\x00\x00\x08\x00" + GOOD[4:]), "n'est pas un fichier IDX"),
        (gzip.compress(b""), "n'est pas un fichier IDX"),
        (b"", "n'est pas un fichier IDX"),
        (b"<html>404 Not Found</html>", "n'est pas un fichier IDX"),
        (GOOD[:-1], "moins de données"),
        (b"PK\x03\x04 zip", "est une archive"),
        (gzip.compress(idx_sizes(2**31, 2)), "invraisemblable"),
        (gzip.compress(idx_sizes(2**16, 2**16, 2**16, 2**16)), "invraisemblable"),  # 2**64: 0 in 64-bit integers
        (gzip.compress(idx_sizes(2**32 - 1, 2**32 - 1)), "invraisemblable"),  # negative in 64-bit integers
        (gzip.compress(idx_sizes(0, 28, 28)), "invraisemblable"),
    ],
    ids=label,
)
def test_read_idx_refuses(tmp_path, raw, says):
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(raw)
    with pytest.raises(UserError) as caught:
        datasets.read_idx(path)
    assert str(path) in str(caught.value)
    assert says in str(caught.value)
    if "archive" in says:
        return
    assert "donnez un autre nom au dossier" in str(caught.value) and "donnees telecharger" in str(caught.value)
    assert "supprimez" not in str(caught.value)


def test_read_idx_refuses_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(UserError, match="absent.gz est introuvable.*donnees telecharger"):
        datasets.read_idx(tmp_path / "absent.gz")
    (tmp_path / "dossier.gz").mkdir()
    with pytest.raises(UserError, match="dossier.gz ne peut pas être lu.*donnees telecharger"):
        datasets.read_idx(tmp_path / "dossier.gz")


def test_read_idx_refuses_an_unreadable_file(tmp_path, monkeypatch):
    def refuse(path, mode):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    (tmp_path / "x.gz").write_bytes(gzip.compress(GOOD))
    monkeypatch.setattr(gzip, "open", refuse)
    with pytest.raises(UserError, match=r"x\.gz ne peut pas être lu \(Permission denied\)"):
        datasets.read_idx(tmp_path / "x.gz")


# --- Folders ----------------------------------------------------------------------------------------------------------


def fill(temporary: Path, text: str) -> None:
    """Writes into what `atomic_folder` or `atomic_file` gave."""
    (temporary / "x.txt" if temporary.is_dir() else temporary).write_text(text, encoding="utf-8")


def text_of(target: Path) -> str:
    return (target / "x.txt" if target.is_dir() else target).read_text(encoding="utf-8")


ATOMIC = pytest.mark.parametrize("atomic", [datasets.atomic_folder, datasets.atomic_file])


@ATOMIC
def test_atomic_appears_only_at_the_end_and_replaces(tmp_path, atomic):
    target = tmp_path / "sous" / "résultat.txt"
    for text in ("un", "deux"):
        with atomic(target) as temporary:
            assert temporary.parent == target.parent  # the same disk, or the renaming is a copy
            fill(temporary, text)
            assert not target.exists() if text == "un" else text_of(target) == "un"
        assert text_of(target) == text
    assert [path.name for path in target.parent.iterdir()] == ["résultat.txt"]


def test_atomic_file_keeps_the_suffix_and_is_readable_by_others(tmp_path):
    with datasets.atomic_file(tmp_path / "modèle.keras") as temporary:
        assert temporary.suffix == ".keras"
        temporary.write_bytes(b"x")
    if os.name == "posix":
        assert stat.S_IMODE((tmp_path / "modèle.keras").stat().st_mode) == 0o644


@ATOMIC
@pytest.mark.parametrize("before", [None, "ancien"])
@pytest.mark.parametrize("error", [ValueError("raté"), KeyboardInterrupt(), FileNotFoundError(errno.ENOENT, "rien")])
def test_atomic_leaves_things_as_they_were_on_error(tmp_path, atomic, before, error):
    target = tmp_path / "résultat"
    if before:
        with atomic(target) as temporary:
            fill(temporary, before)
    with pytest.raises(type(error)) as caught, atomic(target) as temporary:
        fill(temporary, "à moitié")
        raise error
    assert caught.value is error
    assert (text_of(target) == before) if before else not target.exists()
    assert len(list(tmp_path.iterdir())) == (1 if before else 0)


@ATOMIC
@pytest.mark.parametrize(
    ("number", "says"),
    [(errno.ENOSPC, "disque est plein"), (errno.EACCES, "accès refusé"), (errno.EROFS, "accès refusé")],
)
def test_atomic_explains_a_full_or_forbidden_disk(tmp_path, atomic, number, says):
    target = tmp_path / "résultat"
    with pytest.raises(UserError, match=says) as caught, atomic(target):
        raise OSError(number, "message du système")
    assert str(target) in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert not list(tmp_path.iterdir())


@ATOMIC
def test_atomic_explains_a_forbidden_parent(tmp_path, atomic, monkeypatch):
    def refuse(*args, **kwargs):
        raise PermissionError(errno.EACCES, "Permission denied", "/interdit")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(UserError, match="accès refusé à /interdit.*PROJETS_TRAVAIL"), atomic(tmp_path / "a" / "b"):
        pass


def test_atomic_folder_never_removes_the_old_version_under_its_own_name(tmp_path, monkeypatch):
    """A process killed during that removal would leave half of the old version in place."""
    target, removed, remove = tmp_path / "résultat", [], shutil.rmtree
    monkeypatch.setattr(shutil, "rmtree", lambda path, **options: (removed.append(path), remove(path, **options)))
    for text in ("un", "deux"):
        with datasets.atomic_folder(target) as temporary:
            fill(temporary, text)
    assert removed and target not in removed
    assert text_of(target) == "deux"


@pytest.mark.parametrize("atomic", ["atomic_folder", "atomic_file"])
def test_a_killed_process_leaves_no_target(tmp_path, atomic):
    code = f"""if True:
        import sys, time
        from pathlib import Path
        from commun.datasets import {atomic}
        with {atomic}(Path(sys.argv[1])) as temporary:
            (temporary / "x.txt" if temporary.is_dir() else temporary).write_text("à moitié", encoding="utf-8")
            print("written", flush=True)
            time.sleep(60)
    """
    target = tmp_path / "résultat"
    command = [sys.executable, "-c", code, str(target)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "written\n"
        process.kill()
    assert not target.exists()
    with getattr(datasets, atomic)(target) as temporary:  # what the killed process left is no hindrance
        fill(temporary, "entier")
    assert text_of(target) == "entier"


def test_working_folder(depot, tmp_path, monkeypatch):
    assert datasets.working_folder("a", "b") == depot / "travail" / "a" / "b"
    assert (depot / "travail" / "a" / "b").is_dir()
    monkeypatch.setenv("PROJETS_TRAVAIL", str(tmp_path / "ailleurs"))
    assert datasets.working_folder("a") == tmp_path / "ailleurs" / "a"
    monkeypatch.setenv("PROJETS_TRAVAIL", "ici")
    monkeypatch.chdir(tmp_path)  # a notebook's kernel starts in the notebook's folder
    assert datasets.working_folder("a") == depot / "ici" / "a"


def test_importing_datasets_loads_neither_keras_nor_pooch():
    code = "import sys, commun.datasets; print([m for m in ('tensorflow', 'keras', 'pooch') if m in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert output.stdout == "[]\n"


# --- Find -------------------------------------------------------------------------------------------------------------


def test_data_is_looked_for_in_projets_data_then_in_data(depot, tmp_path, monkeypatch):
    assert datasets.find("fashion_mnist") is None
    make_fashion(depot / "data" / "fashion_mnist")
    make_mvtec(depot / "data" / "mvtec_ad" / "bottle")
    assert datasets.find("fashion_mnist") == depot / "data" / "fashion_mnist"
    make_fashion(tmp_path / "mes données" / "fashion_mnist")
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path / "mes données"))
    assert datasets.find("fashion_mnist") == tmp_path / "mes données" / "fashion_mnist"
    assert datasets.find("mvtec_ad", "bottle") == depot / "data" / "mvtec_ad" / "bottle"
    assert datasets.find("mvtec_ad", "capsule") is None
    monkeypatch.setenv("PROJETS_DATA", "")
    assert datasets.find("fashion_mnist") == depot / "data" / "fashion_mnist"


@pytest.mark.parametrize("start", ["here", "notebook"])
def test_projets_data_may_be_relative(depot, tmp_path, monkeypatch, start):
    make_fashion((tmp_path if start == "here" else depot) / "jeux" / "fashion_mnist")
    (depot / "projet1_artistes").mkdir()
    monkeypatch.chdir(tmp_path if start == "here" else depot / "projet1_artistes")
    monkeypatch.setenv("PROJETS_DATA", "jeux")
    found = datasets.find("fashion_mnist")
    assert found.is_absolute()
    assert found == (tmp_path if start == "here" else depot) / "jeux" / "fashion_mnist"


def test_a_missing_projets_data_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path / "absent"))
    with pytest.raises(UserError, match="PROJETS_DATA désigne .*absent, qui n'existe pas. Corrigez ou retirez"):
        datasets.find("fashion_mnist")


def test_an_unknown_dataset_is_refused_with_the_list():
    for use in (datasets.dataset, datasets.find, lambda name: datasets.locate(name, draw=fill)):
        with pytest.raises(UserError, match="« mnist ».*best-artworks-of-all-time, fashion_mnist, mvtec_ad, autovi"):
            use("mnist")


def test_the_sample_is_drawn_once_then_reused(depot):
    drawings = []

    def draw(folder):
        drawings.append(folder)
        fill(folder, f"dessin {len(drawings)}")

    first = datasets.locate("mvtec_ad", draw=draw, category="bottle")
    again = datasets.locate("mvtec_ad", draw=draw, category="bottle")
    assert first == again
    assert not first.is_real and "échantillon synthétique" in first.sentence and "MVTec AD" in first.sentence
    assert len(drawings) == 1 and text_of(first.folder) == "dessin 1"
    assert first.folder.is_relative_to(depot / "travail")
    other = datasets.locate("mvtec_ad", draw=draw, category="hazelnut")
    assert first.folder != other.folder
    assert len(drawings) == 2


DRAWING = """
SIZE = 3


def draw(folder):
    '''Draws.'''
    (folder / "x.txt").write_text(pattern() * SIZE, encoding="utf-8")


def pattern():
    return "o"
"""


@pytest.mark.parametrize(
    ("before", "after", "text"),
    [
        ('"o"', '"x"', "xxx"),  # a function that draw calls
        ("SIZE = 3", "SIZE = 2", "oo"),  # a constant
        ("pattern() * SIZE", "SIZE * pattern() + pattern()", "oooo"),
        ("'''Draws.'''", "'''Draws well.'''  # a comment", "ooo"),
    ],
)
def test_a_sample_is_drawn_again_when_its_code_was_edited(tmp_path, monkeypatch, before, after, text):
    path = tmp_path / "dessin.py"
    first = datasets.locate("fashion_mnist", draw=edited.load(path, DRAWING, monkeypatch).draw)
    assert text_of(first.folder) == "ooo"
    assert before in DRAWING
    second = datasets.locate(
        "fashion_mnist", draw=edited.load(path, DRAWING.replace(before, after), monkeypatch).draw
    )
    assert text_of(second.folder) == text
    assert (first == second) == (text == "ooo")


def test_a_drawing_that_fails_leaves_nothing(depot):
    def draw(folder):
        fill(folder, "à moitié")
        raise RuntimeError("raté")

    with pytest.raises(RuntimeError, match="raté"):
        datasets.locate("fashion_mnist", draw=draw)
    assert content(depot) == set()
    location = datasets.locate("fashion_mnist", draw=lambda folder: fill(folder, "entier"))
    assert text_of(location.folder) == "entier"


def test_real_data_is_preferred_by_category(depot):
    def draw(folder):
        fill(folder, "échantillon")

    before = datasets.locate("mvtec_ad", draw=draw, category="bottle")
    make_mvtec(depot / "data" / "mvtec_ad" / "bottle")
    after = datasets.locate("mvtec_ad", draw=draw, category="bottle")
    assert (before.is_real, after.is_real) == (False, True)
    assert after.folder == depot / "data" / "mvtec_ad" / "bottle"
    assert "jeu réel" in after.sentence
    assert not datasets.locate("mvtec_ad", draw=draw, category="hazelnut").is_real


def test_an_empty_folder_is_not_taken_for_data(depot):
    (depot / "data" / "fashion_mnist").mkdir()
    with pytest.raises(UserError, match="est vide.*telecharger fashion_mnist.*supprimez-le") as caught:
        datasets.locate("fashion_mnist", draw=lambda folder: None)
    assert str(depot / "data" / "fashion_mnist") in str(caught.value)


def test_the_catalogue_is_complete():
    for name, entry in datasets.CATALOGUE.items():
        assert entry.name == name
        assert all((entry.title, entry.licence, entry.size, entry.files))
        for file in (file for files in entry.files.values() for file in files):
            assert file.urls or "{root}" in entry.manual
            assert file.sha256 is None or len(file.sha256) == 64
            assert 0 < file.megabytes[0] < file.megabytes[1]


def test_the_guide_to_the_data_describes_every_dataset():
    """It says whom to credit and draws the official trees."""
    guide = (REPOSITORY / "data" / "README.md").read_text(encoding="utf-8")
    chapters = {text.split("\n")[0]: text for text in guide.split("\n## ")}
    for entry in datasets.CATALOGUE.values():
        chapter = chapters[entry.title]
        assert "**Citation**" in chapter and f"\n{entry.name}/" in chapter and f"| {entry.licence} |" in guide


def test_calls_are_made_in_processes_and_their_errors_come_back(tmp_path):
    datasets.in_processes(Path.write_text, ((tmp_path / f"{n}.txt", str(n)) for n in range(20)))
    assert [(tmp_path / f"{n}.txt").read_text(encoding="utf-8") for n in range(20)] == [str(n) for n in range(20)]
    with pytest.raises(FileNotFoundError):
        datasets.in_processes(Path.write_text, [(tmp_path / "absent" / "1.txt", "")])
