"""`commun.datasets`: what is read, found, checked, downloaded and unpacked, and above all what is refused."""

from __future__ import annotations

import dataclasses
import errno
import functools
import gzip
import hashlib
import io
import os
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import server as local
from PIL import Image

import commun.datasets as datasets
from commun import UserError

REPOSITORY = Path(datasets.__file__).parents[1]


@pytest.fixture(autouse=True)
def depot(tmp_path_factory, monkeypatch):
    """An empty repository: no test reads or writes the real `data/` and `travail/`."""
    depot = tmp_path_factory.mktemp("dépôt avec espaces")
    (depot / "data").mkdir()
    monkeypatch.setattr(datasets, "ROOT", depot)
    for name in ("PROJETS_DATA", "PROJETS_TRAVAIL"):
        monkeypatch.delenv(name, raising=False)
    return depot


def content(folder: Path) -> set[str]:
    """Returns everything under a folder, hidden things included, except folders that hold nothing and have no dot."""
    return {
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() or path.name.startswith(".")
    }


# --- Small datasets in the official layouts ---------------------------------------------------------------------------


def idx_bytes(array: np.ndarray) -> bytes:
    header = b"\x00\x00\x08" + bytes([array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def write_idx(path: Path, array: np.ndarray) -> None:
    path.write_bytes(gzip.compress(idx_bytes(array)))


def make_fashion(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for (images, labels), count in zip(datasets.IDX_FILES.values(), (6, 4), strict=True):
        write_idx(folder / images, rng.integers(0, 256, (count, 28, 28)))
        write_idx(folder / labels, np.arange(count))
    return folder


def write_image(path: Path, size: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)).save(path)


def make_mvtec(category: Path) -> Path:
    for name in ("train/good/000", "train/good/001", "test/good/000", "test/broken_large/000", "test/broken_large/001"):
        write_image(category / f"{name}.png")
    for name in ("000", "001"):
        write_image(category / f"ground_truth/broken_large/{name}_mask.png")
    (category / "license.txt").write_text("CC BY-NC-SA 4.0", encoding="utf-8")
    return category


def make_autovi(category: Path) -> Path:
    for name in ("train/good/0000", "test/good/0000", "test/fastening/0000"):
        write_image(category / f"{name}.png")
    for name in ("0000", "0001"):
        write_image(category / f"ground_truth/fastening/0000/{name}.png")
    (category / "defects_config.json").write_text("[]", encoding="utf-8")
    return category


def make_artworks(folder: Path) -> Path:
    for artist in ("Albrecht_Dürer", "Albrecht_Du╠êrer", "Titian"):
        for number in (1, 2):
            write_image(folder / "images" / "images" / artist / f"{artist}_{number}.jpg")
    table = "id,name,paintings\n0,Albrecht Dürer,2\n1,Titian,2\n"
    (folder / "artists.csv").write_text(table, encoding="utf-8")
    return folder


MAKERS = {
    "fashion_mnist": make_fashion,
    "mvtec_ad": lambda folder: make_mvtec(folder / "bottle").parent,
    "autovi": lambda folder: make_autovi(folder / "engine_wiring").parent,
    "best-artworks-of-all-time": make_artworks,
}


# --- IDX files --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 28, 28), (2, 3, 4, 5)])
def test_read_idx_gives_back_what_was_written(tmp_path, shape):
    array = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    write_idx(tmp_path / "x.gz", array)
    read = datasets.read_idx(tmp_path / "x.gz")
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)


def label(value: object) -> str:
    """Names a case by its words: pytest would show bytes."""
    return value if isinstance(value, str) else ""


GOOD = idx_bytes(np.arange(200).reshape(2, 10, 10))


def idx_sizes(*sizes: int) -> bytes:
    return b"\x00\x00\x08" + bytes([len(sizes)]) + struct.pack(f">{len(sizes)}I", *sizes)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (gzip.compress(GOOD)[:-30], "tronqué"),
        (gzip.compress(GOOD)[:5], "tronqué"),
        (gzip.compress(GOOD)[:-8] + bytes(8), "tronqué ou n'est pas une archive gzip"),  # wrong checksum
        (gzip.compress(GOOD)[:12] + b"\xff\xff\xff" + gzip.compress(GOOD)[15:], "gzip"),  # damaged in the middle
        (gzip.compress(GOOD[:-1]), "moins de données que les 200 octets"),
        (gzip.compress(GOOD + b"x"), "plus de données que les 200 octets"),
        (gzip.compress(GOOD[:9]), "l'en-tête est incomplet"),
        (gzip.compress(b"\x00\x00\x0d" + GOOD[3:]), "n'est pas un fichier IDX d'octets (nombre magique 00000d03)"),
        (gzip.compress(b"\x00\x00\x08\x00" + GOOD[4:]), "n'est pas un fichier IDX"),
        (gzip.compress(b""), "n'est pas un fichier IDX"),
        (b"", "n'est pas un fichier IDX"),
        (GOOD, "n'est pas une archive gzip"),
        (b"<html>404 Not Found</html>", "n'est pas une archive gzip"),
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
    assert "supprimez le dossier, puis lancez python -m atelier donnees telecharger" in str(caught.value)


def test_read_idx_refuses_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(UserError, match="absent.gz est introuvable.*donnees telecharger"):
        datasets.read_idx(tmp_path / "absent.gz")
    (tmp_path / "dossier.gz").mkdir()
    with pytest.raises(UserError, match="dossier.gz ne peut pas être lu.*donnees telecharger"):
        datasets.read_idx(tmp_path / "dossier.gz")


def test_read_idx_refuses_an_unreadable_file(tmp_path, monkeypatch):
    def refuse(path, mode):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

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
    for use in (
        lambda: datasets.find("fashion_mnist"),
        lambda: datasets.fetch("fashion_mnist"),
        lambda: datasets.verify("fashion_mnist"),
    ):
        with pytest.raises(UserError, match="PROJETS_DATA désigne .*absent, qui n'existe pas. Corrigez ou retirez"):
            use()


def test_an_unknown_dataset_is_refused_with_the_list():
    for use in (
        datasets.entry,
        datasets.find,
        datasets.verify,
        datasets.fetch,
        lambda name: datasets.locate(name, draw=fill, version=1),
    ):
        with pytest.raises(UserError, match="« mnist ».*best-artworks-of-all-time, fashion_mnist, mvtec_ad, autovi"):
            use("mnist")


def test_the_sample_is_drawn_once_then_reused(depot):
    drawn = []

    def draw(folder):
        drawn.append(folder)
        fill(folder, f"dessin {len(drawn)}")

    first = datasets.locate("mvtec_ad", draw=draw, version=1, category="bottle")
    again = datasets.locate("mvtec_ad", draw=draw, version=1, category="bottle")
    assert first == again
    assert not first.is_real and "échantillon synthétique" in first.sentence and "MVTec AD" in first.sentence
    assert len(drawn) == 1 and text_of(first.folder) == "dessin 1"
    assert first.folder.is_relative_to(depot / "travail")
    other = datasets.locate("mvtec_ad", draw=draw, version=1, category="hazelnut")
    newer = datasets.locate("mvtec_ad", draw=draw, version=2, category="bottle")
    assert len({first.folder, other.folder, newer.folder}) == 3
    assert len(drawn) == 3


def test_a_drawing_that_fails_leaves_nothing(depot):
    def draw(folder):
        fill(folder, "à moitié")
        raise RuntimeError("raté")

    with pytest.raises(RuntimeError, match="raté"):
        datasets.locate("fashion_mnist", draw=draw, version=1)
    assert content(depot) == set()
    location = datasets.locate("fashion_mnist", draw=lambda folder: fill(folder, "entier"), version=1)
    assert text_of(location.folder) == "entier"


def test_real_data_is_preferred_by_category(depot):
    def draw(folder):
        fill(folder, "échantillon")

    before = datasets.locate("mvtec_ad", draw=draw, version=1, category="bottle")
    make_mvtec(depot / "data" / "mvtec_ad" / "bottle")
    after = datasets.locate("mvtec_ad", draw=draw, version=1, category="bottle")
    assert (before.is_real, after.is_real) == (False, True)
    assert after.folder == depot / "data" / "mvtec_ad" / "bottle"
    assert "jeu réel" in after.sentence
    assert not datasets.locate("mvtec_ad", draw=draw, version=1, category="hazelnut").is_real


def test_an_empty_folder_is_not_taken_for_data(depot):
    (depot / "data" / "fashion_mnist").mkdir()
    with pytest.raises(UserError, match="est vide.*telecharger fashion_mnist.*supprimez-le") as caught:
        datasets.locate("fashion_mnist", draw=lambda folder: None, version=1)
    assert str(depot / "data" / "fashion_mnist") in str(caught.value)


# --- Check ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_verify_accepts_the_official_layout(depot, name):
    MAKERS[name](depot / "data" / name)
    report = datasets.verify(name)
    assert report.problems == ()


def test_verify_says_where_it_looked_for_an_absent_dataset(depot, tmp_path, monkeypatch):
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path))
    with pytest.raises(UserError, match="AutoVI est absent.*python -m atelier donnees telecharger autovi") as caught:
        datasets.verify("autovi")
    assert str(tmp_path / "autovi") in str(caught.value)
    assert str(depot / "data" / "autovi") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "missing", "says"),
    [
        ("fashion_mnist", "t10k-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz est introuvable"),
        ("mvtec_ad", "bottle/train", "bottle/train/good ne contient aucune image"),
        ("mvtec_ad", "bottle/test", "bottle/test ne contient aucune image"),
        ("mvtec_ad", "bottle/ground_truth", "bottle/ground_truth ne contient aucune image"),
        ("mvtec_ad", "bottle", "mvtec_ad est vide"),
        ("autovi", "engine_wiring/train/good/0000.png", "engine_wiring/train/good ne contient aucune image"),
        ("best-artworks-of-all-time", "artists.csv", "artists.csv est absent"),
        ("best-artworks-of-all-time", "images", "images/images est absent"),
        ("best-artworks-of-all-time", "images/images/*", "images/images ne contient aucune image"),
    ],
)
def test_verify_names_what_is_missing(depot, name, missing, says):
    folder = MAKERS[name](depot / "data" / name)
    for path in list(folder.glob(missing)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert any(says in problem.replace("\\", "/") for problem in datasets.verify(name).problems)


@pytest.mark.parametrize(
    ("name", "mask", "image"),
    [
        ("mvtec_ad", "bottle/ground_truth/broken_large/001_mask.png", "bottle/test/broken_large/001.png"),
        ("autovi", "engine_wiring/ground_truth/fastening/0000", "engine_wiring/test/fastening/0000.png"),
    ],
)
def test_verify_notes_each_missing_mask(depot, name, mask, image):
    folder = MAKERS[name](depot / "data" / name)
    assert not any("masque" in note for note in datasets.verify(name).notes)
    (folder / mask).rename(folder / "mis de côté")
    assert [note for note in datasets.verify(name).notes if f"{folder / image} n'a pas de masque" in note]


def test_verify_notes_a_missing_configuration_of_defects(depot):
    folder = MAKERS["autovi"](depot / "data" / "autovi")
    assert not any("defects_config" in note for note in datasets.verify("autovi").notes)
    (folder / "engine_wiring" / "defects_config.json").unlink()
    report = datasets.verify("autovi")
    assert report.problems == ()
    assert any("defects_config.json est absent" in note for note in report.notes)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("mvtec_ad", "bottle/train/good/001.png"),
        ("mvtec_ad", "bottle/ground_truth/broken_large/000_mask.png"),
        ("autovi", "engine_wiring/test/fastening/0000.png"),
    ],
)
@pytest.mark.parametrize("damage", ["cut", "not an image", "empty"])
def test_verify_lists_each_undecodable_image(depot, name, image, damage):
    path = MAKERS[name](depot / "data" / name) / image
    raw = path.read_bytes()
    path.write_bytes({"cut": raw[: len(raw) // 2], "not an image": b"<html>", "empty": b""}[damage])
    assert [p for p in datasets.verify(name).problems if "ne se décode pas" in p and str(path) in p]


def test_undecodable_artworks_are_counted_and_listed_without_spoiling_the_rest(depot):
    folder = make_artworks(depot / "data" / "best-artworks-of-all-time")
    bad = folder / "images" / "images" / "Titian" / "Titian_1.jpg"
    bad.write_bytes(bad.read_bytes()[:100])
    report = datasets.verify(folder.name)
    assert report.problems == ()
    assert "6 images (4 selon artists.csv), 1 illisibles" in report.notes[0]
    assert str(bad) in report.notes[1]


@pytest.mark.parametrize(
    "table",
    [b"id,name\n0,Titian\n", b"id,name,paintings\n0,Titian,beaucoup\n", b"id,name,paintings\n0,D\xfcrer,2\n"],
    ids=label,
)
def test_an_unreadable_table_of_artists_is_said(depot, table):
    folder = make_artworks(depot / "data" / "best-artworks-of-all-time")
    (folder / "artists.csv").write_bytes(table)
    assert "artists.csv est illisible" in datasets.verify(folder.name).notes[0]


def swap(folder: Path, first: str, second: str) -> None:
    (folder / first).rename(folder / "x")
    (folder / second).rename(folder / first)
    (folder / "x").rename(folder / second)


def test_verify_refuses_swapped_idx_files(depot):
    folder = make_fashion(depot / "data" / "fashion_mnist")
    (images, labels), (_, test_labels) = datasets.IDX_FILES.values()
    swap(folder, images, labels)
    assert "images 28 × 28 étaient attendues, la forme est (6,)" in datasets.verify("fashion_mnist").problems[0]
    swap(folder, images, labels)
    swap(folder, labels, test_labels)
    assert len(datasets.verify("fashion_mnist").problems) == 2
    assert "6 étiquettes étaient attendues, la forme est (4,)" in datasets.verify("fashion_mnist").problems[0]
    swap(folder, labels, test_labels)
    assert datasets.verify("fashion_mnist").problems == ()


@pytest.mark.parametrize(
    ("file", "array", "says"),
    [
        ("train-labels-idx1-ubyte.gz", np.arange(5), "6 étiquettes étaient attendues"),
        ("train-labels-idx1-ubyte.gz", np.full(6, 10), "étiquette 10 hors de 0 à 9"),
        ("train-labels-idx1-ubyte.gz", np.zeros((6, 28, 28)), "6 étiquettes étaient attendues"),
        ("train-images-idx3-ubyte.gz", np.zeros((6, 32, 32)), "images 28 × 28 étaient attendues"),
    ],
)
def test_verify_refuses_wrong_shapes_and_counts(depot, file, array, says):
    folder = make_fashion(depot / "data" / "fashion_mnist")
    write_idx(folder / file, array)
    (problem,) = datasets.verify("fashion_mnist").problems
    assert says in problem


def test_another_hash_than_the_official_one_is_a_note(depot):
    make_fashion(depot / "data" / "fashion_mnist")
    report = datasets.verify("fashion_mnist")
    assert report.problems == ()
    assert sum("empreinte SHA-256 différente" in note for note in report.notes) == 4


def test_verify_passes_over_what_a_killed_download_left(depot):
    make_mvtec(depot / "data" / "mvtec_ad" / "bottle")
    (depot / "data" / "mvtec_ad" / ".capsule-abc").mkdir()
    assert datasets.verify("mvtec_ad").problems == ()


# --- Fetch ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def web(monkeypatch):
    """A server on this machine; pooch doesn't wait between its attempts."""
    import pooch.core

    monkeypatch.setattr(pooch.core, "time", types.SimpleNamespace(sleep=lambda seconds: None))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1")
    with local.running() as running:
        yield running


def sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def offer(monkeypatch, name: str, category: str, *files: datasets.File) -> None:
    """Puts `files` in the catalogue, as all that the dataset has."""
    changed = dataclasses.replace(datasets.CATALOGUE[name], files={category: files})
    monkeypatch.setitem(datasets.CATALOGUE, name, changed)


def tar_of(folder: Path, top: str) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:xz") as bundle:
        for child in sorted(folder.iterdir()):
            bundle.add(child, f"{top}/{child.name}" if top else child.name)
    return raw.getvalue()


@pytest.fixture
def bottle(web, monkeypatch, tmp_path):
    """Offers an archive of MVTec AD bottle, without a published hash; returns its bytes."""
    raw = tar_of(make_mvtec(tmp_path / "official" / "bottle"), "bottle")
    web.answers["bottle.tar.xz"] = raw
    file = datasets.File(
        "bottle.tar.xz", (web.url + "bottle.tar.xz",), None, (len(raw) / 2e6, len(raw) / 0.5e6), 1, "bottle"
    )
    offer(monkeypatch, "mvtec_ad", "bottle", file)
    return raw


def fashion_files(web, tmp_path) -> list[datasets.File]:
    files = []
    for path in sorted(make_fashion(tmp_path / "official" / "fashion").iterdir()):
        raw = path.read_bytes()
        web.answers[f"b/{path.name}"] = raw
        urls = (f"{web.url}a/{path.name}", f"{web.url}b/{path.name}")
        files.append(datasets.File(path.name, urls, sha256(raw), (0, 1)))
    return files


def test_fetch_plain_files_from_the_second_mirror(web, depot, tmp_path, monkeypatch):
    files = fashion_files(web, tmp_path)
    offer(monkeypatch, "fashion_mnist", "", *files)
    target = depot / "data" / "fashion_mnist"
    assert datasets.fetch("fashion_mnist", progress=False) == [target]
    assert {f"a/{file.name}" for file in files} <= set(web.requests)
    assert content(depot) == {f"data/fashion_mnist/{name}" for name in (*(f.name for f in files), "SHA256SUMS")}
    sums = (target / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert sums == [f"{sha256((target / f.name).read_bytes())}  {f.name}" for f in files]
    report = datasets.verify("fashion_mnist")
    assert report == datasets.Report()  # no note: the hashes are those of the catalogue


@pytest.mark.parametrize("progress", [True, False])
def test_fetch_an_archive_without_a_published_hash(bottle, depot, progress):
    (target,) = datasets.fetch("mvtec_ad", "bottle", progress=progress)
    assert target == depot / "data" / "mvtec_ad" / "bottle"
    expected = content(make_mvtec(depot / "official"))
    assert content(target) == expected | {"SHA256SUMS"}  # the archive and its top folder are gone
    assert (target / "SHA256SUMS").read_text(encoding="utf-8") == f"{sha256(bottle)}  bottle.tar.xz\n"
    assert datasets.verify("mvtec_ad").problems == ()


@pytest.mark.parametrize("top", ["", "bottle", "mvtec_bottle_v2"])
def test_the_top_folder_of_an_archive_is_removed_whatever_its_name(bottle, web, depot, top):
    web.answers["bottle.tar.xz"] = tar_of(make_mvtec(depot / "official"), top)
    (target,) = datasets.fetch("mvtec_ad", "bottle", progress=False)
    assert {path.name for path in target.iterdir()} == {*("train", "test", "ground_truth", "license.txt", "SHA256SUMS")}


def test_a_top_folder_beside_other_files_is_removed_too(web, depot, tmp_path, monkeypatch):
    make_autovi(tmp_path / "official" / "engine_wiring")
    (tmp_path / "official" / "readme.txt").write_text("AutoVI", encoding="utf-8")
    raw = Path(shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "official")).read_bytes()
    web.answers["e.zip"] = raw
    file = datasets.File("engine_wiring.zip", (web.url + "e.zip",), sha256(raw), (0, 1), 1, "engine_wiring")
    offer(monkeypatch, "autovi", "engine_wiring", file)
    (target,) = datasets.fetch("autovi", progress=False)
    expected = content(tmp_path / "official" / "engine_wiring")
    assert content(target) == expected | {"readme.txt", "SHA256SUMS"}


def refusal(depot: Path, name: str = "mvtec_ad", **options) -> str:
    """Fetches, expects a refusal that leaves everything as it was, and returns its sentence."""
    before = content(depot)
    with pytest.raises(UserError) as caught:
        datasets.fetch(name, progress=False, **options)
    assert content(depot) == before
    assert datasets.find(name, "bottle" if name == "mvtec_ad" else "") is None
    return str(caught.value)


def by_hand(web, depot: Path, message: str) -> bool:
    """Whether the message gives the manual route."""
    url, place = f"À la main : téléchargez {web.url}bottle.tar.xz", f"placez le fichier dans {depot / 'data'}"
    return url in message and place in message and "sous le nom bottle.tar.xz" in message and "vérifiez" in message


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (404, "erreur HTTP 404"),
        (503, "erreur HTTP 503"),
        (local.hang_up, "connexion impossible ou coupée"),
        (b"<html>Cette page n'existe plus</html>", "tronqué ou page d'erreur"),
        (bytes(200_000), "tronqué ou page d'erreur"),
    ],
    ids=label,
)
def test_a_failed_download_gives_the_manual_route(bottle, web, depot, answer, says):
    web.answers["bottle.tar.xz"] = answer
    message = refusal(depot)
    assert f"{web.url}bottle.tar.xz (" in message
    assert says in message
    assert by_hand(web, depot, message) and "entre" in message and "Mo" in message
    web.answers["bottle.tar.xz"] = bottle  # and trying again later works
    datasets.fetch("mvtec_ad", progress=False)


def test_a_truncated_body_is_never_taken_for_a_file(bottle, web, depot):
    web.answers["bottle.tar.xz"] = local.cut(bottle)
    message = refusal(depot)
    assert "connexion impossible ou coupée" in message
    assert by_hand(web, depot, message)


def test_a_server_that_never_answers(bottle, web, depot, monkeypatch):
    import pooch

    impatient = functools.partial(pooch.HTTPDownloader)
    monkeypatch.setattr(pooch, "HTTPDownloader", lambda progressbar, timeout: impatient(progressbar, timeout=0.05))
    web.answers["bottle.tar.xz"] = local.say_nothing
    assert by_hand(web, depot, refusal(depot))


def test_a_server_that_is_not_there(bottle, web, depot):
    web.shutdown()
    web.server_close()
    message = refusal(depot)
    assert "connexion impossible" in message
    assert by_hand(web, depot, message)


def test_a_download_with_another_hash_is_refused(web, depot, tmp_path, monkeypatch):
    files = fashion_files(web, tmp_path)
    offer(monkeypatch, "fashion_mnist", "", *files)
    web.answers[f"b/{files[-1].name}"] = gzip.compress(b"autre chose")
    message = refusal(depot, "fashion_mnist")
    assert f"{files[-1].urls[0]} (erreur HTTP 404)" in message
    assert f"{files[-1].urls[1]} (empreinte SHA-256 différente" in message
    assert f"vérifiez son empreinte SHA-256 {files[-1].sha256}" in message
    assert f"dans {depot / 'data'} sous le nom {files[-1].name}" in message


def test_a_mirror_with_a_wrong_size_gives_way_to_the_next(bottle, web, depot, monkeypatch):
    (file,) = datasets.CATALOGUE["mvtec_ad"].files["bottle"]
    web.answers["gone.tar.xz"] = b"<html>"
    offer(monkeypatch, "mvtec_ad", "bottle", dataclasses.replace(file, urls=(web.url + "gone.tar.xz", *file.urls)))
    (target,) = datasets.fetch("mvtec_ad", progress=False)
    assert f"{sha256(bottle)}  bottle.tar.xz\n" == (target / "SHA256SUMS").read_text(encoding="utf-8")


def test_an_archive_of_something_else_is_refused(bottle, web, depot, tmp_path):
    write_image(tmp_path / "autre" / "photo.png", size=16)
    web.answers["bottle.tar.xz"] = tar_of(tmp_path / "autre", "bottle")
    message = refusal(depot)
    assert "n'a pas la forme attendue" in message
    assert str(depot / "data" / "mvtec_ad" / "bottle") in message
    assert ".bottle-" not in message  # the temporary folder, already gone, would mislead


def test_a_full_disk_during_a_download(bottle, web, depot, monkeypatch):
    import pooch

    def full(self, url, output_file, pooch, check_only=False):
        Path(output_file).write_bytes(b"x")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(pooch.HTTPDownloader, "__call__", full)
    assert "disque est plein" in refusal(depot)


def test_a_hand_placed_archive_is_used_without_the_network(bottle, web, depot):
    (depot / "data" / "bottle.tar.xz").write_bytes(bottle)
    (target,) = datasets.fetch("mvtec_ad", progress=False)
    assert web.requests == []
    assert datasets.verify("mvtec_ad").problems == ()
    assert (depot / "data" / "bottle.tar.xz").read_bytes() == bottle
    assert sha256(bottle) in (target / "SHA256SUMS").read_text(encoding="utf-8")


def test_hand_placed_plain_files_are_copied(web, depot, tmp_path, monkeypatch):
    files = fashion_files(web, tmp_path)
    offer(monkeypatch, "fashion_mnist", "", *files)
    shutil.copytree(tmp_path / "official" / "fashion", depot / "data", dirs_exist_ok=True)
    datasets.fetch("fashion_mnist", progress=False)
    assert web.requests == []
    assert datasets.verify("fashion_mnist") == datasets.Report()


def test_a_bad_hand_placed_archive_is_refused_and_kept(bottle, web, depot, monkeypatch):
    place = depot / "data" / "bottle.tar.xz"
    place.write_bytes(b"<html>")
    assert f"{place} pèse" in refusal(depot)
    (file,) = datasets.CATALOGUE["mvtec_ad"].files["bottle"]
    offer(monkeypatch, "mvtec_ad", "bottle", dataclasses.replace(file, sha256="0" * 64))
    place.write_bytes(bottle)
    message = refusal(depot)
    assert f"L'empreinte SHA-256 de {place} est {sha256(bottle)}" in message and "Effacez-le" in message
    assert web.requests == []


def test_kaggle_is_explained_then_its_archive_accepted(depot, tmp_path, monkeypatch):
    message = refusal(depot, "best-artworks-of-all-time")
    assert "kaggle.com/datasets/ikarus777/best-artworks-of-all-time" in message
    assert f"best-artworks-of-all-time.zip et placez-la dans {depot / 'data'}" in message
    make_artworks(tmp_path / "official")
    shutil.make_archive(str(depot / "data" / "best-artworks-of-all-time"), "zip", tmp_path / "official")
    (file,) = datasets.CATALOGUE["best-artworks-of-all-time"].files[""]
    offer(monkeypatch, "best-artworks-of-all-time", "", dataclasses.replace(file, megabytes=(0, 1)))
    (target,) = datasets.fetch("best-artworks-of-all-time", progress=False)
    assert content(target) == content(tmp_path / "official") | {"SHA256SUMS"}


def test_what_is_present_is_left_untouched(bottle, web, depot):
    target = make_mvtec(depot / "data" / "mvtec_ad" / "bottle")
    (target / "mes notes.txt").write_text("à moi", encoding="utf-8")
    before = content(depot)
    assert datasets.fetch("mvtec_ad", progress=False) == [target]
    assert content(depot) == before
    assert web.requests == []


def test_a_broken_folder_is_neither_taken_as_done_nor_replaced(bottle, web, depot):
    target = make_mvtec(depot / "data" / "mvtec_ad" / "bottle")
    shutil.rmtree(target / "ground_truth")
    before = content(depot)
    with pytest.raises(UserError, match="est déjà là, mais inutilisable.*ground_truth.*renommez ou supprimez"):
        datasets.fetch("mvtec_ad", progress=False)
    assert content(depot) == before


def test_an_empty_folder_is_filled(bottle, depot):
    (depot / "data" / "mvtec_ad" / "bottle").mkdir(parents=True)
    datasets.fetch("mvtec_ad", progress=False)
    assert datasets.verify("mvtec_ad").problems == ()


def test_an_unknown_category_is_refused_with_the_list():
    with pytest.raises(UserError, match="« cable ».*bottle, hazelnut, capsule, toothbrush"):
        datasets.fetch("mvtec_ad", "cable")
    with pytest.raises(UserError, match="« bottle ». Catégories de fashion_mnist : aucune"):
        datasets.fetch("fashion_mnist", "bottle")


def test_fetch_into_projets_data_or_a_given_root(bottle, tmp_path, monkeypatch):
    (tmp_path / "jeux").mkdir()
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path / "jeux"))
    assert datasets.fetch("mvtec_ad", progress=False) == [tmp_path / "jeux" / "mvtec_ad" / "bottle"]
    given = tmp_path / "pas encore là"
    assert datasets.fetch("mvtec_ad", root=given, progress=False) == [given / "mvtec_ad" / "bottle"]


def test_the_catalogue_is_complete():
    for name, entry in datasets.CATALOGUE.items():
        assert entry.name == name
        assert all((entry.title, entry.licence, entry.citation, entry.layout, entry.size, entry.files))
        for part, files in entry.files.items():
            for file in files:
                assert file.part == part
                assert file.urls or "{root}" in entry.manual
                assert file.sha256 is None or len(file.sha256) == 64
                assert 0 < file.megabytes[0] < file.megabytes[1]


# --- Extract ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def unpack(tmp_path):
    """Extracts into a folder and returns it; whatever happens, nothing may appear outside it."""
    folder = tmp_path / "sortie" / "dossier"
    folder.mkdir(parents=True)
    (tmp_path / "témoin").write_text("intact", encoding="utf-8")

    def run(archive: Path, max_megabytes: float = 1) -> Path:
        before = set(tmp_path.rglob("*"))
        try:
            datasets.extract(archive, folder, max_megabytes=max_megabytes)
        finally:
            new = set(tmp_path.rglob("*")) - before
            assert all(path.is_relative_to(folder) for path in new)
            assert not any(path.is_symlink() for path in new)
            assert (tmp_path / "témoin").read_text(encoding="utf-8") == "intact"
        return folder

    return run


def make_zip(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        for name, raw in members.items():
            bundle.writestr(name, raw)
    return path


def make_tar(path: Path, *members: tuple[tarfile.TarInfo, bytes], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as bundle:
        for info, raw in members:
            info.size = len(raw)
            bundle.addfile(info, io.BytesIO(raw))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar", "bztar", "xztar"])
def test_extract_reads_what_was_packed(unpack, tmp_path, kind):
    official = make_artworks(tmp_path / "official")
    (official / "vide").mkdir()
    folder = unpack(Path(shutil.make_archive(str(tmp_path / "a"), kind, official)))
    assert content(folder) == content(official)
    assert (folder / "vide").is_dir()
    assert (folder / "artists.csv").read_bytes() == (official / "artists.csv").read_bytes()


@pytest.mark.parametrize("name", ["../dehors.txt", "a/../../dehors.txt", "{outside}", "../dossier-bis/dehors.txt"])
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_extract_refuses_a_path_that_leaves_the_folder(unpack, tmp_path, name, kind):
    name = name.format(outside=tmp_path / "dehors.txt")
    archive = tmp_path / f"a.{kind}"
    if kind == "zip":
        make_zip(archive, **{name: b"x"})
    else:
        make_tar(archive, (member(name), b"x"))
    with pytest.raises(UserError, match=rf"a\.{kind} contient un chemin qui sort du dossier"):
        unpack(archive)


@pytest.mark.parametrize(
    "info",
    [
        member("lien", tarfile.SYMTYPE, "/etc/passwd"),
        member("lien", tarfile.SYMTYPE, "image.png"),
        member("lien", tarfile.LNKTYPE, "image.png"),
        member("lien", tarfile.LNKTYPE, "../../témoin"),
        member("lien", tarfile.CHRTYPE),
        member("lien", tarfile.BLKTYPE),
        member("lien", tarfile.FIFOTYPE),
    ],
)
def test_extract_refuses_links_and_devices_of_a_tar(unpack, tmp_path, info):
    archive = make_tar(tmp_path / "a.tar.gz", (member("image.png"), b"x"), (info, b""))
    with pytest.raises(UserError, match=r"lien ou un fichier spécial \(lien\)"):
        unpack(archive)


def test_extract_refuses_a_file_written_through_a_link(unpack, tmp_path):
    archive = make_tar(
        tmp_path / "a.tar.gz", (member("lien", tarfile.SYMTYPE, str(tmp_path)), b""), (member("lien/témoin"), b"x")
    )
    with pytest.raises(UserError, match="lien"):
        unpack(archive)


def test_extract_refuses_links_of_a_zip(unpack, tmp_path):
    info = zipfile.ZipInfo("lien")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bundle:
        bundle.writestr(info, "/etc/passwd")
    with pytest.raises(UserError, match=r"lien ou un fichier spécial \(lien\)"):
        unpack(tmp_path / "a.zip")


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_extract_refuses_a_bomb_before_writing_it(unpack, tmp_path, kind):
    archive, raw = tmp_path / f"a.{kind}", bytes(600_000)
    if kind == "zip":
        make_zip(archive, a=raw, b=raw)
    else:
        make_tar(archive, (member("a"), raw), (member("b"), raw))
    assert archive.stat().st_size < 5_000
    with pytest.raises(UserError, match="dépasse une fois extraite les 1 Mo du catalogue"):
        unpack(archive)
    assert sum(p.stat().st_size for p in (tmp_path / "sortie").rglob("*") if p.is_file()) <= 1_000_000


def test_extract_refuses_a_zip_that_lies_about_its_size(unpack, tmp_path):
    archive = make_zip(tmp_path / "a.zip", bombe=bytes(5_000_000))
    raw = archive.read_bytes()
    size = struct.pack("<I", 5_000_000)
    assert raw.count(size) == 2  # the member's own header, and the central directory
    archive.write_bytes(raw.replace(size, struct.pack("<I", 10)))
    with pytest.raises(UserError, match="n'est pas une archive lisible"):
        unpack(archive)
    assert sum(p.stat().st_size for p in (tmp_path / "sortie").rglob("*") if p.is_file()) <= 10


def test_extract_writes_no_more_of_a_tar_than_it_announces(unpack, tmp_path):
    archive = make_tar(tmp_path / "a.tar", (member("bombe"), bytes([7]) * 100_000), mode="w")
    raw = bytearray(archive.read_bytes())
    info = tarfile.TarInfo("bombe")
    info.size = 10
    raw[:512] = info.tobuf()
    archive.write_bytes(raw)
    assert (unpack(archive, max_megabytes=0.001) / "bombe").read_bytes() == bytes([7]) * 10


@pytest.mark.parametrize(
    ("kind", "damage"),
    [(kind, damage) for kind in ("zip", "tar", "gztar", "xztar") for damage in ("cut", "cut early", "empty")]
    + [(kind, "flipped") for kind in ("zip", "gztar", "xztar")],  # a plain tar holds no checksum of its contents
)
def test_extract_refuses_a_corrupt_archive(unpack, tmp_path, kind, damage):
    noise = np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8).tobytes()
    (tmp_path / "official").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "official" / name).write_bytes(noise)
    archive = Path(shutil.make_archive(str(tmp_path / "archive"), kind, tmp_path / "official"))
    raw = bytearray(archive.read_bytes())
    middle = len(raw) // 2
    if damage == "flipped":
        raw[middle : middle + 64] = bytes(byte ^ 255 for byte in raw[middle : middle + 64])
    else:
        del raw[{"cut": middle, "cut early": 300, "empty": 0}[damage] :]
    archive.write_bytes(raw)
    with pytest.raises(UserError, match=rf"{archive.name} n'est pas une archive lisible. Remplacez-la"):
        unpack(archive)


def test_extract_explains_a_compression_that_python_lacks(unpack, tmp_path):
    archive = make_zip(tmp_path / "a.zip", a=bytes(1000))
    raw = bytearray(archive.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        place = raw.index(signature) + offset
        raw[place : place + 2] = struct.pack("<H", 9)  # Deflate64, with which Windows packs big files
    archive.write_bytes(raw)
    with pytest.raises(UserError, match="ne s'extrait pas ici.*Extrayez-la à la main"):
        unpack(archive)


def test_a_corrupt_archive_leaves_no_dataset(bottle, web, depot):
    """The published archives of MVTec AD have no hash: only their reading shows the damage."""
    raw = bytearray(bottle)
    raw[len(raw) // 2] ^= 255
    web.answers["bottle.tar.xz"] = bytes(raw)
    assert "bottle.tar.xz n'est pas une archive lisible" in refusal(depot)


def test_calls_are_made_in_processes_and_their_errors_come_back(tmp_path):
    datasets.in_processes(Path.write_text, ((tmp_path / f"{n}.txt", str(n)) for n in range(20)))
    assert [(tmp_path / f"{n}.txt").read_text(encoding="utf-8") for n in range(20)] == [str(n) for n in range(20)]
    with pytest.raises(FileNotFoundError):
        datasets.in_processes(Path.write_text, [(tmp_path / "absent" / "1.txt", "")])
