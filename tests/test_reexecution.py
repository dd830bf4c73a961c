"""Hand-ins run again: what the enclosure keeps from them, when they are stopped, how they are compared.

The hostile notebooks are inert: each stops by itself at a bound of its own, a little past the limit that must stop it.
"""

import contextlib
import json
import os
import socket
import tempfile
import threading
from pathlib import Path

import psutil
import pytest

from atelier import cartes, enceinte, reexecution
from atelier.enceinte import BARE, BWRAP, UNSHARE, Limits
from commun import UserError
from commun.datasets import ROOT

MEGA = 2**20
LIMITS = Limits(seconds=300)
pytestmark = pytest.mark.skipif(os.name == "nt", reason="ces limites sont celles de Linux et de macOS")


def notebook(*sources):
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": {}, "source": text, "outputs": [], "execution_count": None}
        for i, text in enumerate(sources)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def written(path, *sources):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook(*sources)), encoding="utf-8")
    return path


def printed(run):
    cells = json.loads(run.executed.read_text(encoding="utf-8"))["cells"]
    return "".join(output.get("text", "") for cell in cells for output in cell["outputs"])


def only(path, work, limits=LIMITS, enclosure=None):
    (run,) = reexecution.rerun([path], work, limits, enclosure=enclosure)
    return run


@pytest.fixture(params=[BWRAP, UNSHARE, BARE])
def enclosure(request):
    if request.param not in enceinte.kinds():
        pytest.skip(f"{request.param} ne fonctionne pas sur cette machine")
    return request.param


# --- What it can't reach ---------------------------------------------------------------------------------------------


@pytest.fixture
def listener():
    """A port of this machine, and the number of connections to it."""
    connections = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        done = threading.Event()

        def accept():
            while not done.is_set():
                try:
                    server.accept()[0].close()
                    connections.append(1)
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        yield server.getsockname()[1], connections
        done.set()
        thread.join()


PROBE = """
import json, os, pathlib, socket, subprocess, sys
seen = {"numpy": __import__("numpy").__file__, "commun": __import__("commun").__file__, "env": dict(os.environ)}
def attempt(name, action):
    try:
        seen[name] = str(action())
    except OSError as error:
        seen[name] = "refusé"
attempt("secret", lambda: pathlib.Path(SECRET).read_text())
attempt("voisins", lambda: sorted(os.listdir(pathlib.Path(SECRET).parent)))
for place in PLACES:
    attempt(place, lambda: pathlib.Path(place, "evade.txt").write_text("x"))
attempt("réseau", lambda: socket.create_connection(("127.0.0.1", PORT), timeout=5).close())
attempt("ici", lambda: pathlib.Path("ici.txt").write_text("x"))
attempt("travail", lambda: pathlib.Path(os.environ["PROJETS_TRAVAIL"], "ici.txt").write_text("x"))
attempt("processus", lambda: pathlib.Path(f"/proc/{PID}/status").exists())
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
seen["enfant"] = child.pid
print(json.dumps(seen))
"""


def test_what_a_hand_in_reaches(enclosure, tmp_path, listener, monkeypatch):
    """One run of a notebook that tries everything; what it must not get depends on the enclosure, and is said."""
    port, connections = listener
    monkeypatch.setenv("JETON_DE_L_ENSEIGNANT", "tr3s-secret")
    hand_ins = tmp_path / "rendus" / "élève 1"
    secret = tmp_path / "rendus" / "secret.txt"
    places = [tmp_path, tmp_path / "rendus", hand_ins] if enclosure != BWRAP else [
        tmp_path, tmp_path / "rendus", hand_ins, ROOT, ROOT / "commun", ROOT / "tests", "/", "/usr", "/etc", "/dev",
        Path.home(), Path.home() / ".config",
    ]  # fmt: skip
    setup = f"SECRET, PORT, PID, PLACES = {str(secret)!r}, {port}, {os.getpid()}, {list(map(str, places))!r}"
    path = written(hand_ins / "01.ipynb", setup, PROBE)
    secret.write_text("les notes de la classe", encoding="utf-8")
    for decoy in (hand_ins / "numpy.py", hand_ins / "commun" / "__init__.py"):
        decoy.parent.mkdir(exist_ok=True)
        decoy.write_text("raise SystemExit('leurre')", encoding="utf-8")
    run = only(path, tmp_path / "bac", enclosure=enclosure)
    assert run.executed, run
    seen = json.loads(printed(run))
    assert "JETON_DE_L_ENSEIGNANT" not in seen["env"] and seen["env"]["HOME"] != str(Path.home())
    assert "site-packages" in seen["numpy"] and seen["commun"] == str(ROOT / "commun" / "__init__.py")
    assert seen["ici"] == seen["travail"] == "1"
    said = " ".join(run.limits_missing)
    free = enclosure == BARE
    assert (seen["réseau"] == "refusé") == (not free) == (connections == []) == ("réseau" not in said)
    assert (seen["processus"] == "True") == (free and Path("/proc/self").exists())
    outside = enclosure != BWRAP
    assert (seen["secret"] == "refusé") == (seen["voisins"] == "refusé") == (not outside)
    assert ("lire et écrire tous vos fichiers" in said) == outside
    own = tempfile.gettempdir()  # that of bwrap is its own: a repository there stands in a folder that it may write
    apart = not outside and str(ROOT).startswith(own)
    asked = [place for place in places if not (apart and str(place).startswith(str(ROOT)))]
    assert all((seen[str(place)] == "refusé") == (not outside) for place in asked)
    assert [path.name for path in tmp_path.rglob("evade.txt")] == ["evade.txt"] * (3 if outside else 0)
    if free:  # elsewhere its number is not one of ours
        with contextlib.suppress(psutil.NoSuchProcess):
            assert "survivre" in said  # the watch looks now and then: what detaches itself between may escape it
            psutil.Process(seen["enfant"]).kill()
    assert [p.name for p in (tmp_path / "bac").glob("*/*")] == ["01-execute.ipynb"]  # the rest is cleared


def test_an_enclosure_that_does_not_work_is_refused(tmp_path):
    with pytest.raises(UserError, match="ne fonctionne pas sur cette machine"):
        reexecution.rerun([], tmp_path, enclosure="prison")


@pytest.mark.parametrize("shape", ["lien", "tube", "énorme"])
def test_what_it_writes_in_place_of_the_result_is_not_believed(shape, tmp_path):
    """The notebook kills what runs it, once it has put something else where the result is awaited."""
    secret = tmp_path / "secret.ipynb"
    secret.write_text(json.dumps(notebook("'les notes'")), encoding="utf-8")
    act = {
        "lien": f"os.symlink({str(secret)!r}, target)",
        "tube": "os.mkfifo(target)",
        "énorme": "with open(target, 'wb') as stream:\n    stream.write(b'{\"cells\": []}' + b' ' * (150 * 2**20))",
    }[shape]
    source = (
        "import os, signal, glob\nos.chdir(os.path.dirname(os.environ['PROJETS_CARNET']))\ntarget = 'execute.ipynb'"
    )
    kill = "os.kill(os.getppid(), signal.SIGSTOP)\nos.path.lexists(target) and os.remove(target)\n" + act
    path = written(tmp_path / "01.ipynb", source, f"{kill}\nos.kill(os.getppid(), signal.SIGKILL)")
    run = only(path, tmp_path / "bac")
    assert run.status == reexecution.FAILED and run.executed is None
    assert "s'est arrêté avant la fin" in run.differences[0]


# --- What it may take ------------------------------------------------------------------------------------------------


def test_an_endless_loop_is_stopped(tmp_path):
    run = only(written(tmp_path / "01.ipynb", "while True:\n    pass"), tmp_path / "bac", Limits(seconds=5))
    assert run.status == reexecution.LONG and "arrêté après 5" in run.differences[0]


def test_a_loop_is_stopped_without_an_enclosure_too(tmp_path):
    limits = Limits(seconds=5)
    run = only(written(tmp_path / "01.ipynb", "while True:\n    pass"), tmp_path / "bac", limits, BARE)
    assert run.status == reexecution.LONG


HOG = """
import time
kept = []
for _ in range(60):  # at most 3 GB
    kept.append(bytearray(b"x") * (50 * 2**20))
    time.sleep(0.05)
"""


def test_a_memory_hog_is_stopped(tmp_path):
    run = only(written(tmp_path / "01.ipynb", HOG), tmp_path / "bac", Limits(seconds=300, memory=2**30))
    assert run.status == reexecution.MEMORY and "plus de 1 Go de mémoire" in run.differences[0].replace("\xa0", " ")


def test_memory_asked_at_once_is_refused(tmp_path):
    """What is more than twice the limit is refused by the system, before the watch sees anything."""
    path = written(tmp_path / "01.ipynb", "block = bytearray(4 * 2**30)")
    run = only(path, tmp_path / "bac", Limits(seconds=300, memory=2**30))
    assert run.status == reexecution.MEMORY and "MemoryError" in run.differences[0]


def test_500_megabytes_of_output_fill_nothing(tmp_path):
    flood = "for _ in range(500):\n    print('x' * 2**20)"
    run = only(written(tmp_path / "01.ipynb", "1", flood), tmp_path / "bac", Limits(seconds=300, output=3 * MEGA))
    assert run.status == reexecution.OUTPUTS and "affichaient plus de 3 Mo" in run.differences[0].replace("\xa0", " ")
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 10 * MEGA


def test_updates_of_a_display_count_too(tmp_path):
    cells = "from IPython.display import display\nhandle = display('', display_id=True)"
    flood = "for _ in range(100):\n    handle.update({'text/plain': 'x' * 2**18}, raw=True)"
    run = only(written(tmp_path / "01.ipynb", cells, flood), tmp_path / "bac", Limits(seconds=300, output=3 * MEGA))
    assert run.status == reexecution.OUTPUTS


FILES = """
import os, pathlib, time
try:
    with open("gros", "wb") as stream:
        for _ in range(40):
            stream.write(bytes(2**20)); stream.flush()
except OSError as error:
    print("refusé", os.path.getsize("gros"))
folder = pathlib.Path(os.environ["PROJETS_TRAVAIL"])
if MANY:
    for i in range(200):
        (folder / f"{i}").write_bytes(os.urandom(2**20))
    time.sleep(600)
"""


def test_a_big_file_is_refused_by_the_system(tmp_path):
    limits = Limits(seconds=300, file=20 * MEGA)
    run = only(written(tmp_path / "01.ipynb", "MANY = False", FILES), tmp_path / "bac", limits)
    assert printed(run).split() == ["refusé", str(20 * MEGA)]


@pytest.mark.parametrize("bound", [{"disk": 100 * MEGA}, {"files": 100}])
def test_a_disk_that_fills_stops_it(bound, tmp_path):
    path = written(tmp_path / "01.ipynb", "MANY = True", FILES)
    run = only(path, tmp_path / "bac", Limits(seconds=90, **bound))  # it would last longer
    assert run.status == reexecution.OUTPUTS and "trop de fichiers" in run.differences[0]
    assert {path.name for path in (tmp_path / "bac").glob("*/*")} <= {"01-execute.ipynb"}


def test_a_folder_that_hides_what_it_holds_stops_it(tmp_path, monkeypatch):
    """The owner of a folder may close it to the watch."""

    def refuse(path):
        raise PermissionError(path)

    assert not enceinte._is_full([tmp_path], LIMITS)
    monkeypatch.setattr(os, "scandir", refuse)
    assert enceinte._is_full([tmp_path], LIMITS)


def test_links_are_not_followed_to_measure_a_folder(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "elsewhere").symlink_to("/usr")
    assert not enceinte._is_full([tmp_path], Limits(files=10))


def test_too_many_processes_stop_it(tmp_path):
    crowd = "import threading, time\nfor _ in range(200):\n    threading.Thread(target=time.sleep, args=(60,)).start()"
    path = written(tmp_path / "01.ipynb", f"{crowd}\ntime.sleep(60)")
    run = only(path, tmp_path / "bac", Limits(seconds=300, tasks=150))
    assert run.status == reexecution.FAILED
    assert "plus de 150 processus" in run.differences[0] or "RuntimeError" in run.differences[0]


def test_the_limits_of_the_system_are_set(tmp_path):
    kinds = "r.RLIMIT_FSIZE, r.RLIMIT_CORE, r.RLIMIT_DATA"
    show = f"import resource as r\nprint(*(r.getrlimit(kind)[1] for kind in ({kinds})))"
    raise_it = "r.setrlimit(r.RLIMIT_FSIZE, (2**40, 2**40))"
    path = written(
        tmp_path / "01.ipynb", show, f"try:\n    {raise_it}\nexcept (OSError, ValueError):\n    print('non')"
    )
    run = only(path, tmp_path / "bac", Limits(seconds=300, file=10 * MEGA, memory=3 * 2**30))
    expected = [str(10 * MEGA), "0", str(6 * 2**30)]
    assert printed(run).split()[:3] == expected
    if BWRAP in enceinte.kinds() or os.geteuid():
        assert printed(run).split()[3:] == ["non"]


# --- What goes wrong, and what is compared ---------------------------------------------------------------------------


def test_one_that_fails_does_not_stop_the_next(tmp_path):
    first = written(
        tmp_path / "01.ipynb",
        "import os, pathlib\nshared = pathlib.Path(os.environ['PROJETS_TRAVAIL'])\n(shared / 'a').write_text('vu')",
        "open('ici', 'w').close()\nraise ValueError('raté <b>')",
    )
    second = written(
        tmp_path / "02.ipynb",
        "import os, pathlib\nshared = pathlib.Path(os.environ['PROJETS_TRAVAIL'])",
        "print((shared / 'a').read_text(), os.path.exists('ici'))",
    )
    broken = tmp_path / "03.ipynb"
    broken.write_text("{", encoding="utf-8")
    runs = reexecution.rerun([first, second, broken], tmp_path / "bac", LIMITS)
    assert [run.path for run in runs] == [first, second, broken]
    assert [run.status for run in runs] == [reexecution.FAILED, reexecution.INCOMPARABLE, reexecution.FAILED]
    assert runs[0].differences == ["La cellule de code n° 2 a échoué : ValueError : raté <b>"]
    assert printed(runs[1]).split() == ["vu", "False"]
    assert "n'est pas un carnet lisible" in runs[2].differences[0]


def test_a_kernel_that_dies_is_said(tmp_path):
    run = only(written(tmp_path / "01.ipynb", "import os\nos.kill(os.getpid(), 9)"), tmp_path / "bac")
    assert run.status == reexecution.FAILED and "s'est arrêté avant la fin" in run.differences[0]


def test_a_file_too_big_to_be_a_notebook_is_not_read(tmp_path):
    path = tmp_path / "01.ipynb"
    with path.open("wb") as stream:
        stream.truncate(2**27)
    run = only(path, tmp_path / "bac")
    assert run.status == reexecution.FAILED and "trop gros" in run.differences[0] and run.seconds == 0


CARD = {
    "profil": "essai",
    "donnees": "x",
    "resultats": {"justesse": 0.80, "perte": 230.0},
    "reponses": {"1": "juste", "2": "sans réponse"},
}


def changed(**values):
    return {**CARD, **values}


def differences(*cards):
    return reexecution.differences(*(card and cartes.read(card) for card in cards))


@pytest.mark.parametrize(
    ("after", "sentences"),
    [
        (CARD, []),
        (changed(resultats={"justesse": 0.815, "perte": 234.0}), []),
        (changed(resultats={"justesse": 0.83, "perte": 230}), ["« justesse » diffère : 0,800 dans le rendu, 0,830"]),
        (changed(resultats={"justesse": 0.8, "perte": 235}), ["« perte » diffère : 230 dans le rendu, 235"]),
        (changed(resultats={"justesse": 0.8}), ["« perte » n'est donné que dans le rendu"]),
        (changed(resultats={**CARD["resultats"], "z": 1}), ["« z » n'est donné qu'à la réexécution"]),
        (changed(reponses={"1": "fausse", "2": "sans réponse"}), ["1 était juste dans le rendu, elle est fausse"]),
        (changed(reponses={"1": "juste"}), ["La réponse 2 était sans réponse dans le rendu, elle est absente"]),
        (changed(resultats={"justesse": float("nan"), "perte": 230}), ["diffère : 0,800 dans le rendu, indéfini"]),
        (changed(resultats={"justesse": "<script>", "perte": True}), ["« <script> »", "« True »"]),
        (changed(resultats=[1, 2], reponses=None), ["justesse", "perte", "La réponse 1", "La réponse 2"]),
        (changed(resultats={"justesse": 10**400, "perte": -(10**400)}), ["justesse", "perte"]),
    ],
)
def test_cards_are_compared_within_tolerances(after, sentences):
    comparable, found = differences(CARD, after)
    assert comparable and len(found) == len(sentences)
    assert all(part in sentence for part, sentence in zip(sentences, found, strict=True))
    assert all(len(sentence) < 1000 for sentence in found)


def test_undefined_values_are_equal():
    card = changed(resultats={"a": float("nan"), "b": float("inf")})
    assert differences(card, card) == (True, [])
    assert differences(card, changed(resultats={"a": float("nan"), "b": -float("inf")}))[1]


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (None, CARD, "ne porte pas de carte"),
        (CARD, None, "n'a pas donné de carte"),
        (CARD, changed(profil="complet"), "pas le profil du rendu"),
        (changed(donnees=["<b>"] * 9999), CARD, "pas les données du rendu"),
        (changed(resultats={}, reponses={}), CARD, "ni résultat ni réponse"),
    ],
)
def test_what_can_not_be_compared_is_said(before, after, why):
    comparable, (sentence,) = differences(before, after)
    assert not comparable and why in sentence and len(sentence) < 1000


def test_what_the_enclosure_lacks_is_said():
    assert all(sentence.endswith(".") for kind in (BWRAP, UNSHARE, BARE) for sentence in enceinte.missing(kind))
    counts = [len(enceinte.missing(kind)) for kind in (BWRAP, UNSHARE, BARE)]
    assert counts[0] < counts[1] < counts[2]
