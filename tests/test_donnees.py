"""`atelier.donnees`: what is checked, downloaded and unpacked, and above all what is refused."""

from __future__ import annotations

import dataclasses
import errno
import functools
import gzip
import hashlib
import io
import shutil
import stat
import struct
import tarfile
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import server as local
from layouts import (
    MAKERS,
    content,
    label,
    make_artworks,
    make_autovi,
    make_fashion,
    make_mvtec,
    write_idx,
    write_image,
)

from atelier import donnees
from commun import UserError, datasets

REPOSITORY = Path(datasets.__file__).parents[1]
pytestmark = pytest.mark.usefixtures("depot")


# --- Check ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", MAKERS)
def test_verify_accepts_the_official_layout(depot, name):
    MAKERS[name](depot / "data" / name)
    report = donnees.verify(name)
    assert report.problems == ()


def test_every_dataset_has_a_reader():
    assert set(donnees.READERS) == set(datasets.CATALOGUE)


@pytest.mark.parametrize("use", [donnees.fetch, donnees.verify])
def test_a_missing_projets_data_and_an_unknown_dataset_are_refused(monkeypatch, tmp_path, use):
    with pytest.raises(UserError, match="« mnist ».*best-artworks-of-all-time, fashion_mnist, mvtec_ad, autovi"):
        use("mnist")
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path / "absent"))
    with pytest.raises(UserError, match="PROJETS_DATA désigne .*absent, qui n'existe pas. Corrigez ou retirez"):
        use("fashion_mnist")


def test_verify_says_where_it_looked_for_an_absent_dataset(depot, tmp_path, monkeypatch):
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path))
    with pytest.raises(UserError, match="AutoVI est absent.*python -m atelier donnees telecharger autovi") as caught:
        donnees.verify("autovi")
    assert str(tmp_path / "autovi") in str(caught.value)
    assert str(depot / "data" / "autovi") in str(caught.value)


@pytest.mark.parametrize(
    ("name", "missing", "says"),
    [
        ("fashion_mnist", "t10k-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz est introuvable"),
        ("mvtec_ad", "bottle/train", "bottle/train/good ne contient aucune image"),
        ("mvtec_ad", "bottle", "mvtec_ad est vide"),
        ("autovi", "engine_wiring/train/good/0000.png", "engine_wiring/train/good ne contient aucune image"),
        ("best-artworks-of-all-time", "images", "images/images est absent"),
        ("best-artworks-of-all-time", "images/images/*", "images/images ne contient aucune œuvre lisible"),
    ],
)
def test_verify_names_what_is_missing(depot, name, missing, says):
    assert any(says in problem.replace("\\", "/") for problem in without(depot, name, missing).problems)


@pytest.mark.parametrize(
    ("name", "missing", "says"),
    [
        ("mvtec_ad", "bottle/test", "aucune image défectueuse au test"),
        ("mvtec_ad", "bottle/ground_truth", "bottle : ground_truth : dossier absent"),
        ("best-artworks-of-all-time", "artists.csv", "artists.csv : absent"),
        ("autovi", "engine_wiring/defects_config.json", "defects_config.json : absent"),
    ],
)
def test_what_the_loader_does_without_is_a_note(depot, name, missing, says):
    report = without(depot, name, missing)
    assert report.problems == () and any(says in note for note in report.notes)


def without(depot: Path, name: str, missing: str) -> datasets.Report:
    folder = MAKERS[name](depot / "data" / name)
    for path in list(folder.glob(missing)):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return donnees.verify(name)


@pytest.mark.parametrize(
    ("name", "mask", "image"),
    [
        ("mvtec_ad", "bottle/ground_truth/broken_large/001_mask.png", "test/broken_large/001.png"),
        ("autovi", "engine_wiring/ground_truth/fastening/0000", "test/fastening/0000.png"),
    ],
)
def test_verify_notes_each_missing_mask(depot, name, mask, image):
    folder = MAKERS[name](depot / "data" / name)
    assert not any("masque" in note for note in donnees.verify(name).notes)
    (folder / mask).rename(folder / "mis de côté")
    assert [note for note in donnees.verify(name).notes if f"{image} : image défectueuse sans masque" in note]


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("mvtec_ad", "bottle/train/good/001.png"),
        ("mvtec_ad", "bottle/ground_truth/broken_large/000_mask.png"),
        ("autovi", "engine_wiring/test/good/0000.png"),
        ("best-artworks-of-all-time", "images/images/Titian/Titian_1.jpg"),
    ],
)
@pytest.mark.parametrize("damage", ["cut", "not an image", "empty"])
def test_undecodable_images_are_counted_and_listed_without_spoiling_the_rest(depot, name, image, damage):
    path = MAKERS[name](depot / "data" / name) / image
    raw = path.read_bytes()
    path.write_bytes({"cut": raw[: len(raw) // 2], "not an image": b"<html>", "empty": b""}[damage])
    report = donnees.verify(name)
    assert report.problems == ()
    assert "1 illisible" in report.notes[0] or "illisibles : 1" in report.notes[0]
    assert [note for note in report.notes[1:] if path.name in note]


def test_works_are_counted_as_the_loader_counts_them(depot):
    folder = make_artworks(depot / "data" / "best-artworks-of-all-time")
    assert "4 images de 2 artistes (4 selon artists.csv), 0 illisibles" in donnees.verify(folder.name).notes[0]


@pytest.mark.parametrize("table", [b"id,name\n0,Titian\n", b"id,name,paintings\n0,Titian,beaucoup\n"], ids=label)
def test_unknown_counts_of_works_are_said(depot, table):
    folder = make_artworks(depot / "data" / "best-artworks-of-all-time")
    (folder / "artists.csv").write_bytes(table)
    assert "nombre attendu inconnu" in donnees.verify(folder.name).notes[0]


def swap(folder: Path, first: str, second: str) -> None:
    (folder / first).rename(folder / "x")
    (folder / second).rename(folder / first)
    (folder / "x").rename(folder / second)


def test_verify_refuses_swapped_idx_files(depot):
    folder = make_fashion(depot / "data" / "fashion_mnist")
    (images, labels), (_, test_labels) = datasets.IDX_FILES.values()
    swap(folder, images, labels)
    assert "forme lue : (120,)" in donnees.verify("fashion_mnist").problems[0]
    swap(folder, images, labels)
    swap(folder, labels, test_labels)
    assert "étiquettes de forme (20,)" in donnees.verify("fashion_mnist").problems[0]
    swap(folder, labels, test_labels)
    assert donnees.verify("fashion_mnist").problems == ()


@pytest.mark.parametrize(
    ("file", "array", "says"),
    [
        ("train-labels-idx1-ubyte.gz", np.arange(5), "120 images, étiquettes de forme (5,)"),
        ("train-labels-idx1-ubyte.gz", np.full(120, 10), "l'étiquette 10"),
        ("train-labels-idx1-ubyte.gz", np.zeros((120, 28, 28)), "étiquettes de forme (120, 28, 28)"),
        ("train-images-idx3-ubyte.gz", np.zeros((120, 32, 32)), "28 × 28 pixels (forme lue : (120, 32, 32))"),
        ("train-labels-idx1-ubyte.gz", np.arange(120) % 9, "0 image(s) d'apprentissage pour « bottine »"),
    ],
)
def test_verify_refuses_wrong_shapes_and_counts(depot, file, array, says):
    folder = make_fashion(depot / "data" / "fashion_mnist")
    write_idx(folder / file, array)
    (problem,) = donnees.verify("fashion_mnist").problems
    assert says in problem


def test_another_hash_than_the_official_one_is_a_note(depot):
    make_fashion(depot / "data" / "fashion_mnist")
    report = donnees.verify("fashion_mnist")
    assert report.problems == ()
    assert sum("empreinte SHA-256 différente" in note for note in report.notes) == 4


def test_verify_passes_over_what_a_killed_download_left(depot):
    make_mvtec(depot / "data" / "mvtec_ad" / "bottle")
    (depot / "data" / "mvtec_ad" / ".capsule-abc").mkdir()
    assert donnees.verify("mvtec_ad").problems == ()


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
        "bottle.tar.xz", (web.url + "bottle.tar.xz",), None, (len(raw) / 2e6, len(raw) / 0.5e6), 1
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
    assert donnees.fetch("fashion_mnist") == [target]
    assert {f"a/{file.name}" for file in files} <= set(web.requests)
    assert content(depot) == {f"data/fashion_mnist/{name}" for name in (*(f.name for f in files), "SHA256SUMS")}
    sums = (target / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert sums == [f"{sha256((target / f.name).read_bytes())}  {f.name}" for f in files]
    report = donnees.verify("fashion_mnist")
    assert report == datasets.Report((), ("120 images d'apprentissage, 20 de test.",))  # no note on hashes


def test_fetch_an_archive_without_a_published_hash(bottle, depot):
    (target,) = donnees.fetch("mvtec_ad", "bottle")
    assert target == depot / "data" / "mvtec_ad" / "bottle"
    expected = content(make_mvtec(depot / "official"))
    assert content(target) == expected | {"SHA256SUMS"}  # the archive and its top folder are gone
    assert (target / "SHA256SUMS").read_text(encoding="utf-8") == f"{sha256(bottle)}  bottle.tar.xz\n"
    assert donnees.verify("mvtec_ad").problems == ()


@pytest.mark.parametrize("top", ["", "bottle", "mvtec_bottle_v2"])
def test_the_top_folder_of_an_archive_is_removed_whatever_its_name(bottle, web, depot, top):
    web.answers["bottle.tar.xz"] = tar_of(make_mvtec(depot / "official"), top)
    (target,) = donnees.fetch("mvtec_ad", "bottle")
    assert {path.name for path in target.iterdir()} == {*("train", "test", "ground_truth", "license.txt", "SHA256SUMS")}


def test_a_top_folder_beside_other_files_is_removed_too(web, depot, tmp_path, monkeypatch):
    make_autovi(tmp_path / "official" / "engine_wiring")
    (tmp_path / "official" / "readme.txt").write_text("AutoVI", encoding="utf-8")
    raw = Path(shutil.make_archive(str(tmp_path / "a"), "zip", tmp_path / "official")).read_bytes()
    web.answers["e.zip"] = raw
    file = datasets.File("engine_wiring.zip", (web.url + "e.zip",), sha256(raw), (0, 1), 1)
    offer(monkeypatch, "autovi", "engine_wiring", file)
    (target,) = donnees.fetch("autovi")
    expected = content(tmp_path / "official" / "engine_wiring")
    assert content(target) == expected | {"readme.txt", "SHA256SUMS"}


def zip_of(folder: Path, top: str, target: Path, **junk: bytes) -> Path:
    with zipfile.ZipFile(target, "w") as bundle:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                bundle.write(path, f"{top}{path.relative_to(folder).as_posix()}")
        for name, raw in junk.items():
            bundle.writestr(name, raw)
    return target


@pytest.mark.parametrize("top", ["archive/", "best-artworks-of-all-time/", "images de Kaggle/", ""])
@pytest.mark.parametrize("place", ["", "best-artworks-of-all-time/"])
def test_an_archive_zipped_again_by_finder_is_unpacked_wherever_it_lies(depot, tmp_path, monkeypatch, top, place):
    official, name = make_artworks(tmp_path / "official"), "best-artworks-of-all-time"
    (file,) = datasets.CATALOGUE[name].files[""]
    offer(monkeypatch, name, "", dataclasses.replace(file, megabytes=(0, 1)))
    (depot / "data" / place).mkdir(exist_ok=True)
    junk = {f"__MACOSX/{top}._artists.csv": b"\0\5\x16\7", ".DS_Store": b"Bud1"}
    zip_of(official, top, depot / "data" / place / f"{name}.zip", **junk)
    (target,) = donnees.fetch(name)
    assert content(target) == content(official) | {"SHA256SUMS", ".DS_Store"}
    assert donnees.verify(name).problems == ()


def test_the_only_folder_of_an_archive_may_be_part_of_the_layout(depot, tmp_path, monkeypatch):
    official, name = make_artworks(tmp_path / "official"), "best-artworks-of-all-time"
    (official / "artists.csv").unlink()
    (file,) = datasets.CATALOGUE[name].files[""]
    offer(monkeypatch, name, "", dataclasses.replace(file, megabytes=(0, 1)))
    zip_of(official, "", depot / "data" / f"{name}.zip")
    (target,) = donnees.fetch(name)
    assert content(target) == content(official) | {"SHA256SUMS"}


def refusal(depot: Path, name: str = "mvtec_ad", **options) -> str:
    """Fetches, expects a refusal that leaves everything as it was, and returns its sentence."""
    before = content(depot)
    with pytest.raises(UserError) as caught:
        donnees.fetch(name, **options)
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
    donnees.fetch("mvtec_ad")


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
    (target,) = donnees.fetch("mvtec_ad")
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
    (target,) = donnees.fetch("mvtec_ad")
    assert web.requests == []
    assert donnees.verify("mvtec_ad").problems == ()
    assert (depot / "data" / "bottle.tar.xz").read_bytes() == bottle
    assert sha256(bottle) in (target / "SHA256SUMS").read_text(encoding="utf-8")


def test_hand_placed_plain_files_are_copied(web, depot, tmp_path, monkeypatch):
    files = fashion_files(web, tmp_path)
    offer(monkeypatch, "fashion_mnist", "", *files)
    shutil.copytree(tmp_path / "official" / "fashion", depot / "data", dirs_exist_ok=True)
    donnees.fetch("fashion_mnist")
    assert web.requests == []
    assert not any("SHA-256" in note for note in donnees.verify("fashion_mnist").notes)


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
    (target,) = donnees.fetch("best-artworks-of-all-time")
    assert content(target) == content(tmp_path / "official") | {"SHA256SUMS"}


def test_what_is_present_is_left_untouched(bottle, web, depot):
    target = make_mvtec(depot / "data" / "mvtec_ad" / "bottle")
    (target / "mes notes.txt").write_text("à moi", encoding="utf-8")
    before = content(depot)
    assert donnees.fetch("mvtec_ad") == [target]
    assert content(depot) == before
    assert web.requests == []


def test_a_broken_folder_is_neither_taken_as_done_nor_replaced(bottle, web, depot):
    target = make_mvtec(depot / "data" / "mvtec_ad" / "bottle")
    shutil.rmtree(target / "train")
    before = content(depot)
    with pytest.raises(UserError, match="est déjà là, mais inutilisable.*train.*donnez d'abord un autre nom"):
        donnees.fetch("mvtec_ad")
    assert content(depot) == before


def test_an_empty_folder_is_filled(bottle, depot):
    (depot / "data" / "mvtec_ad" / "bottle").mkdir(parents=True)
    donnees.fetch("mvtec_ad")
    assert donnees.verify("mvtec_ad").problems == ()


def test_an_unknown_category_is_refused_with_the_list():
    with pytest.raises(UserError, match="« cable ».*bottle, hazelnut, capsule, toothbrush"):
        donnees.fetch("mvtec_ad", "cable")
    with pytest.raises(UserError, match="« bottle ». Catégories de fashion_mnist : aucune"):
        donnees.fetch("fashion_mnist", "bottle")


def test_fetch_into_projets_data_or_a_given_root(bottle, tmp_path, monkeypatch):
    (tmp_path / "jeux").mkdir()
    monkeypatch.setenv("PROJETS_DATA", str(tmp_path / "jeux"))
    assert donnees.fetch("mvtec_ad") == [tmp_path / "jeux" / "mvtec_ad" / "bottle"]
    given = tmp_path / "pas encore là"
    assert donnees.fetch("mvtec_ad", root=given) == [given / "mvtec_ad" / "bottle"]


# --- Unpack -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def unpack(tmp_path):
    """Extracts into a folder and returns it; whatever happens, nothing may appear outside it."""
    folder = tmp_path / "sortie" / "dossier"
    folder.mkdir(parents=True)
    (tmp_path / "témoin").write_text("intact", encoding="utf-8")

    def run(archive: Path, max_megabytes: float = 1) -> Path:
        before = set(tmp_path.rglob("*"))
        try:
            donnees.unpack(archive, folder, max_megabytes=max_megabytes)
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
def test_unpack_reads_what_was_packed(unpack, tmp_path, kind):
    official = make_artworks(tmp_path / "official")
    (official / "vide").mkdir()
    folder = unpack(Path(shutil.make_archive(str(tmp_path / "a"), kind, official)))
    assert content(folder) == content(official)
    assert (folder / "vide").is_dir()
    assert (folder / "artists.csv").read_bytes() == (official / "artists.csv").read_bytes()


@pytest.mark.parametrize("name", ["../dehors.txt", "a/../../dehors.txt", "../dossier-bis/dehors.txt"])
def test_unpack_refuses_a_path_that_leaves_the_folder(unpack, tmp_path, name):
    archive = make_tar(tmp_path / "a.tar", (member(name), b"x"), mode="w")
    with pytest.raises(UserError, match=r"a\.tar contient .*un chemin qui sort du dossier \(.*dehors\.txt\) : refusée"):
        unpack(archive)


@pytest.mark.parametrize("name", ["../dehors.txt", "a/../../dehors.txt", "{outside}", "../dossier-bis/dehors.txt"])
def test_a_path_of_a_zip_that_leaves_the_folder_lands_inside(unpack, tmp_path, name):
    folder = unpack(make_zip(tmp_path / "a.zip", **{name.format(outside=tmp_path / "dehors.txt"): b"x"}))
    (path,) = content(folder)
    assert path.endswith("dehors.txt") and (folder / path).read_bytes() == b"x"


def test_an_absolute_path_of_a_tar_lands_inside(unpack, tmp_path):
    folder = unpack(make_tar(tmp_path / "a.tar.gz", (member(str(tmp_path / "dehors.txt")), b"x")))
    assert content(folder) == {(tmp_path / "dehors.txt").relative_to(tmp_path.anchor).as_posix()}


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
def test_unpack_refuses_links_and_devices_of_a_tar(unpack, tmp_path, info):
    archive = make_tar(tmp_path / "a.tar.gz", (member("image.png"), b"x"), (info, b""))
    with pytest.raises(UserError, match=r"contient un lien, un fichier spécial .*\(lien\) : refusée"):
        unpack(archive)


def test_unpack_refuses_a_file_written_through_a_link(unpack, tmp_path):
    archive = make_tar(
        tmp_path / "a.tar.gz", (member("lien", tarfile.SYMTYPE, str(tmp_path)), b""), (member("lien/témoin"), b"x")
    )
    with pytest.raises(UserError, match=r"\(lien\) : refusée"):
        unpack(archive)


def test_a_link_of_a_zip_becomes_a_file_that_holds_its_target(unpack, tmp_path):
    info = zipfile.ZipInfo("lien")
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as bundle:
        bundle.writestr(info, "/etc/passwd")
    assert (unpack(tmp_path / "a.zip") / "lien").read_text(encoding="utf-8") == "/etc/passwd"


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_unpack_refuses_a_bomb_before_writing_it(unpack, tmp_path, kind):
    archive, raw = tmp_path / f"a.{kind}", bytes(600_000)
    if kind == "zip":
        make_zip(archive, a=raw, b=raw)
    else:
        make_tar(archive, (member("a"), raw), (member("b"), raw))
    assert archive.stat().st_size < 5_000
    with pytest.raises(UserError, match="dépasse une fois extraite les 1 Mo du catalogue"):
        unpack(archive)
    assert sum(p.stat().st_size for p in (tmp_path / "sortie").rglob("*") if p.is_file()) <= 1_000_000


def test_unpack_refuses_a_zip_that_lies_about_its_size(unpack, tmp_path):
    archive = make_zip(tmp_path / "a.zip", bombe=bytes(5_000_000))
    raw = archive.read_bytes()
    size = struct.pack("<I", 5_000_000)
    assert raw.count(size) == 2  # the member's own header, and the central directory
    archive.write_bytes(raw.replace(size, struct.pack("<I", 10)))
    with pytest.raises(UserError, match="n'est pas une archive lisible"):
        unpack(archive)
    assert sum(p.stat().st_size for p in (tmp_path / "sortie").rglob("*") if p.is_file()) <= 10


def test_unpack_writes_no_more_of_a_tar_than_it_announces(unpack, tmp_path):
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
def test_unpack_refuses_a_corrupt_archive(unpack, tmp_path, kind, damage):
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


def test_unpack_explains_a_compression_that_python_lacks(unpack, tmp_path):
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
