"""Twenty made-up hand-ins, honest and hostile, to try `python -m atelier verifier` on.

They belong to a tiny made-up course of two projects, written to `DOSSIER/cours`; the hand-ins go to `DOSSIER/rendus`,
one folder or zip each. The notebooks that are said to be executed are, by real kernels, once. The hostile ones are
inert: they bear marks (`ATTAQUE`, `evade`) that must not be found where they have no business.

    python tests/hand_ins.py DOSSIER
    python -m atelier verifier DOSSIER/rendus --sujet DOSSIER/cours --html DOSSIER/rapport
"""

from __future__ import annotations

import copy
import dataclasses
import functools
import json
import os
import shutil
import stat
import sys
import tempfile
import unicodedata
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from atelier import notebooks

NEVER, FAILED, NO_CARD = "jamais exécuté", "en erreur", "exécuté sans carte"
IN_ORDER, MODIFIED, DISORDER = "exécuté de haut en bas", "modifié après exécution", "dans le désordre"
ALTERED, UNREADABLE = "sorties modifiées", "illisible"
DICE, WALK, FAR = "projet1_hasard/01_tirages.ipynb", "projet2_marche/01_pas.ipynb", "projet2_marche/02_loin.ipynb"
SUBJECT, OLD_SUBJECT = "5e1f0a2b", "0ld0ld00"
MARK = "ATTAQUE"  # in everything that must not be executed by a browser
ESCAPED = "evade"  # in the name of every file that must not be written
_FLOOD = 500  # megabytes of the notebook of 500 MB


@dataclasses.dataclass(frozen=True)
class Expected:
    """What must be said of a hand-in.

    Attributes:
        kind: what was done to it, in French.
        states: notebook of the course ("" if it is of none) -> state that `verifier` gives.
        told: whether something of an archive is refused, and told.
        missing: notebooks of its project that were not handed in.
        alike: the other hand-in that has the same work.
        marks: of the checks, as the card tells them.
        changed: whether code that is no answer differs from the hand-out.
        rerun: status of `atelier.reexecution`, where running it again tells something.
    """

    kind: str
    states: Mapping[str, str]
    told: bool = False
    missing: tuple[str, ...] = ()
    alike: str = ""
    marks: Mapping[str, str] | None = None
    changed: bool | None = None
    rerun: str = ""


def make(folder: Path, *, flood: int = _FLOOD) -> dict[str, Expected]:
    """Writes the course and the hand-ins, and returns what must be said of each entry of `folder/rendus`.

    Args:
        folder: new or empty.
        flood: megabytes of the notebook "of 500 MB".
    """
    for name, notebook in course().items():
        _write(folder / "cours" / name, notebook)
    target = folder / "rendus"
    with tempfile.TemporaryDirectory() as work:
        runs = _execute_all(_to_run(), Path(work))
    return _hand_in(target, runs, flood)


# --- The course ------------------------------------------------------------------------------------------------------


def course(*, stub: bool = False) -> dict[str, dict[str, Any]]:
    """Returns the notebooks of the course, with their solutions, or as they are handed out (`stub`)."""
    return {DICE: _dice(stub), WALK: _walk(stub), FAR: _far(stub)}


def _cell(name: str, source: str, *tags: str, text: bool = False) -> dict[str, Any]:
    cell = {"cell_type": "markdown", "id": name, "metadata": {"tags": list(tags)} if tags else {}, "source": source}
    return cell if text else {**cell, "cell_type": "code", "execution_count": None, "outputs": []}


def _notebook(*cells: dict[str, Any]) -> dict[str, Any]:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"cells": list(cells), "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}


def _solution(name: str, source: str, stub: bool, *, text: bool = False) -> dict[str, Any]:
    empty = "*Votre réponse ici.*" if text else f"{source.split(' = ')[0]} = ...  # Votre réponse ici"
    return _cell(name, empty if stub else source, "reponse" if stub else "solution", text=text)


def _parameters(name: str, extra: str = "") -> dict[str, Any]:
    source = f'NOM: str = ""  # votre nom\nGROUPE: str = ""  # votre groupe\nSUJET: str = "{SUBJECT}"{extra}'
    return _cell(name, source, "parameters")


def _card(name: str, carnet: str, results: str) -> dict[str, Any]:
    source = f'''results.carte(
    "{carnet}",
    profil="essai",
    donnees=donnees,
    auteur=(NOM, GROUPE, SUJET),
    resultats={results},
)'''
    return _cell(name, source)


_IMPORTS = """from pathlib import Path

import numpy as np

from commun import exercices, results
from commun.datasets import Location

donnees = Location(Path("."), False, "nombres tirés au sort")"""


def _dice(stub: bool) -> dict[str, Any]:
    check = """def controle(part):
    juste = abs(part - (tirages == 6).mean()) < 1e-6
    return exercices.right("c'est la part des six.") if juste else exercices.wrong("comptez les six.")"""
    return _notebook(
        _cell("de-titre", "# Tirer au sort\n\nUn dé montre-t-il chaque face une fois sur six ?", text=True),
        _parameters("de-parametres", "\nTIRAGES: int = 1000  # nombre de lancers"),
        _cell("de-imports", f"{_IMPORTS}\n\n\n{check}"),
        _cell("de-tirages", "tirages = np.random.default_rng(7).integers(1, 7, TIRAGES)"),
        _cell("de-faces", 'print("Un dé ordinaire a six faces.")'),
        _cell("de-moyenne", 'print(f"La moyenne des tirages vaut {tirages.mean():.3f}.")'),
        _cell("de-question-1", "**Question 1.** Quelle est la part des six parmi les tirages ?", "question", text=True),
        _solution("de-reponse-1", "q1 = float((tirages == 6).mean())", stub),
        _cell("de-controle-1", "exercices.verifier(1, controle, q1)", "verification"),
        _cell("de-question-2", "**Question 2.** Pourquoi n'est-ce pas exactement un sixième ?", "question", text=True),
        _solution("de-reponse-2", "Une fréquence s'approche de la probabilité sans l'atteindre.", stub, text=True),
        _card("de-carte", DICE, '{"moyenne des tirages": float(tirages.mean())}'),
    )  # fmt: skip


def _walk(stub: bool) -> dict[str, Any]:
    return _notebook(
        _cell("pas-titre", "# Marcher au hasard\n\nOù mène une suite de pas tirés à pile ou face ?", text=True),
        _parameters("pas-parametres"),
        _cell("pas-imports", _IMPORTS),
        _cell("pas-marche", "marche = np.random.default_rng(3).choice([-1, 1], 500).cumsum()"),
        _cell("pas-question-1", "**Question 1.** Où la marche se termine-t-elle ?", "question", text=True),
        _solution("pas-reponse-1", "q1 = int(marche[-1])", stub),
        _card("pas-carte", WALK, '{"distance parcourue": float(abs(marche[-1]))}'),
    )


def _far(stub: bool) -> dict[str, Any]:
    return _notebook(
        _cell("loin-titre", "# Aller loin\n\nDe combien s'éloigne-t-on en moyenne ?", text=True),
        _parameters("loin-parametres"),
        _cell("loin-imports", _IMPORTS),
        _cell("loin-marches", "marches = np.random.default_rng(4).choice([-1, 1], (200, 500)).cumsum(axis=1)"),
        _cell("loin-question-1", "**Question 1.** Quelle est la distance moyenne ?", "question", text=True),
        _solution("loin-reponse-1", "q1 = float(abs(marches[:, -1]).mean())", stub),
        _card("loin-carte", FAR, '{"distance moyenne": float(abs(marches[:, -1]).mean())}'),
    )


# --- Students at work ------------------------------------------------------------------------------------------------

_ANSWERS = {
    "Alice Martin": ("q1 = sum(t == 6 for t in tirages) / len(tirages)", "Le hasard fait fluctuer la fréquence."),
    "Bruno Petit": ("q1 = np.count_nonzero(tirages == 6) / TIRAGES", "Mille lancers ne suffisent pas."),
    "David Roux": ("q1 = list(tirages).count(6) / TIRAGES", "On observe un échantillon, pas la loi."),
    "Emma Blanc": ("q1 = float(np.mean(tirages > 5))", "L'écart diminue comme la racine du nombre."),
    "Farid Haddad": ("six = tirages[tirages == 6]\nq1 = six.size / tirages.size", "Parce que le tirage est fini."),
    "Karim Noir": ("q1 = np.bincount(tirages)[6] / 1000", "C'est une estimation, donc elle se trompe un peu."),
    "Zoé Lefèvre": ("q1 = 1 - np.mean(tirages != 6)", "Chaque série donne une autre valeur."),
    "Paul Vidal": ("q1 = float(np.average(tirages == 6))", "La loi des grands nombres ne vaut qu'à l'infini."),
}
_HOSTILE = f"<script>{MARK}</script><img src=x onerror={MARK}>"


def _of(author: str, name: str = DICE, **sources: str) -> dict[str, Any]:
    """Returns a hand-out filled by a student: name, answers, then other sources by identifier of cell."""
    notebook = course(stub=True)[name]
    code, text = _ANSWERS.get(author, ("q1 = 1", "Je ne sais pas."))
    prefix = name.partition("/")[2][3:5]
    answers = {"de-reponse-1": code, "de-reponse-2": text} if prefix == "ti" else {}
    for cell in notebook["cells"]:
        if cell["id"].endswith("-parametres"):
            cell["source"] = cell["source"].replace('NOM: str = ""', f"NOM: str = {author!r}")
            cell["source"] = cell["source"].replace('GROUPE: str = ""', 'GROUPE: str = "B"')
        cell["source"] = (answers | sources).get(cell["id"], cell["source"])
    return notebook


def _to_run() -> dict[str, tuple[str, dict[str, Any], list[str]]]:
    """Returns what kernels must run: name -> (notebook of the course, the student's notebook, cells to exchange)."""
    runs = {
        author: (DICE, _of(author), ["de-tirages", "de-faces"] if author == "Bruno Petit" else [])
        for author in _ANSWERS
        if author != "Farid Haddad"
    }
    old = {"de-tirages": "tirages = np.random.default_rng(6).integers(1, 7, TIRAGES)"}
    stale = _of("Farid Haddad", **old)
    for cell in stale["cells"]:
        cell["source"] = cell["source"].replace(SUBJECT, OLD_SUBJECT)
    empty = course(stub=True)[DICE]
    hostile = _of(_HOSTILE)
    parts = {
        "text/html": f"<script>{MARK}</script><svg onload={MARK}><a href='javascript:{MARK}'>ici</a></svg>",
        "image/svg+xml": f"<svg xmlns='http://www.w3.org/2000/svg' onload='{MARK}'><script>{MARK}</script></svg>",
        "text/markdown": f"[ici](javascript:{MARK}) <iframe srcdoc='<script>{MARK}</script>'></iframe>",
        "text/plain": f"</pre>{_HOSTILE}",
    }
    shown = "from IPython.display import display\n" + "\n".join(
        f"display({{{mime!r}: {value!r}}}, raw=True)" for mime, value in parts.items()
    )
    hostile["cells"].insert(6, _cell("attaque-sorties", f"{shown}\nprint({_HOSTILE!r})"))
    hostile["cells"].insert(7, _cell("attaque-texte", f"{_HOSTILE}\n\n{parts['text/markdown']}", text=True))
    hostile["cells"][-1]["source"] = hostile["cells"][-1]["source"].replace("moyenne des tirages", _HOSTILE)
    return runs | {
        "ancien": (DICE, stale, []),
        "vide": (DICE, empty, []),
        "injection": (DICE, hostile, []),
        "manque": (WALK, _of("Oscar Leroy", WALK, **{"pas-reponse-1": "q1 = marche[499]"}), []),
        "autre 1": (WALK, _of("Sami Fabre", WALK, **{"pas-reponse-1": "q1 = marche.tolist().pop()"}), []),
        "autre 2": (FAR, _of("Sami Fabre", FAR, **{"loin-reponse-1": "q1 = np.abs(marches)[:, -1].mean()"}), []),
    }


def _execute_all(runs: Mapping[str, tuple], work: Path) -> dict[str, dict[str, Any]]:
    """Runs notebooks in real kernels, two at once."""

    def one(index: int, run: tuple) -> dict[str, Any]:
        name, notebook, exchanged = run
        return _execute(notebook, exchanged, work / str(index) / Path(name).name)

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(runs, pool.map(one, range(len(runs)), runs.values()), strict=True))


def _execute(notebook: dict[str, Any], exchanged: list[str], path: Path) -> dict[str, Any]:
    """Runs a notebook; two of its cells may be executed in each other's place, as a student clicks."""
    import nbformat
    from nbclient import NotebookClient

    _write(path, notebook)
    opened = nbformat.from_dict(copy.deepcopy(notebook))
    order = list(range(len(opened.cells)))
    if exchanged:
        a, b = ([cell["id"] for cell in opened.cells].index(name) for name in exchanged)
        order[a], order[b] = b, a
    opened.cells = [opened.cells[i] for i in order]
    client = NotebookClient(opened, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}})
    environment = {**os.environ, "PROJETS_CARNET": str(path), "PROJETS_TRAVAIL": str(path.parent / "travail")}
    notebooks.with_a_kernel(functools.partial(client.execute, env=environment))
    opened.cells = [opened.cells[order.index(i)] for i in range(len(order))]
    return json.loads(nbformat.writes(opened))


# --- Hand-ins --------------------------------------------------------------------------------------------------------


def _hand_in(target: Path, runs: Mapping[str, dict[str, Any]], flood: int) -> dict[str, Expected]:
    """Writes the hand-ins made from executed notebooks."""
    dice = Path(DICE).name
    right = {"1": "juste"}

    def put(folder: str, notebook: dict[str, Any], name: str = dice) -> None:
        _write(target / folder / name, notebook)

    put("alice_bon", runs["Alice Martin"])
    put("bruno_desordre", runs["Bruno Petit"])
    put("chloe_jamais", course(stub=True)[DICE])
    put("david_apres", _changed(runs["David Roux"], "de-faces", source='print("Un dé truqué aussi.")'))
    put("emma_retouche", _retouched(runs["Emma Blanc"]))
    put("farid_ancien", runs["ancien"])
    put("gaelle_erreur", _stopped("de-moyenne", "print(moyenne)", "NameError", "name 'moyenne' is not defined"))
    put("hugo_boucle", _stopped("de-faces", "while True:\n    pass", "KeyboardInterrupt", ""))
    hog = (
        "reserve = []\nfor _ in range(160):  # 8 Go, puis s'arrête\n    reserve.append(bytearray(b'x') * (50 * 2**20))"
    )
    put("ines_memoire", _stopped("de-faces", hog))
    put("jules_sorties", _stopped("de-faces", f"for _ in range({_FLOOD}):\n    print('x' * 2**20)"))
    _write_flood(target / "jules_sorties" / "rendu.zip", _stopped("de-faces", "print('x')"), flood)
    _write_slip(target / "karim_chemins.zip", runs["Karim Noir"])
    _write_bomb(target / "lea_bombe.zip")
    put("mehdi_injection", runs["injection"], dice if os.name == "nt" else f"01 <img src=x onerror={MARK}>.ipynb")
    (target / "nina_encodage").mkdir()
    latin = json.dumps(_stopped("de-faces", "print('été')"), ensure_ascii=False)
    (target / "nina_encodage" / dice).write_bytes(latin.encode("latin-1", errors="replace"))
    accents = unicodedata.normalize("NFD", "Zoé Lefèvre (élève)")
    put(accents, runs["Zoé Lefèvre"], "01 tirages d'été (1).ipynb")
    put("oscar_manque", runs["manque"], Path(WALK).name)
    put("paul_original", runs["Paul Vidal"])
    put("quentin_jumeau", runs["Paul Vidal"])
    put("rose_vide", runs["vide"])
    put("sami_autre", runs["autre 1"], Path(WALK).name)
    put("sami_autre", runs["autre 2"], Path(FAR).name)
    put("theo_ailleurs", _other_course(), "tp3_tri.ipynb")
    return {
        "alice_bon": Expected("bon", {DICE: IN_ORDER}, marks=right, changed=False, rerun="réexécuté"),
        "bruno_desordre": Expected("exécuté dans le désordre", {DICE: DISORDER}, marks=right, changed=False),
        "chloe_jamais": Expected("jamais exécuté", {DICE: NEVER}, changed=False),
        "david_apres": Expected("modifié après l'exécution", {DICE: MODIFIED}, marks=right, changed=True),
        "emma_retouche": Expected("sortie retouchée à la main", {DICE: ALTERED}, marks=right, changed=False),
        "farid_ancien": Expected("fait sur un ancien sujet", {DICE: IN_ORDER}, marks=right, changed=True),
        "gaelle_erreur": Expected("en erreur", {DICE: FAILED}, changed=True, rerun="en erreur"),
        "hugo_boucle": Expected("boucle sans fin", {DICE: FAILED}, changed=True, rerun="trop long"),
        "ines_memoire": Expected("prend toute la mémoire", {DICE: NO_CARD}, changed=True, rerun="trop de mémoire"),
        "jules_sorties": Expected("500 Mo de sorties", {DICE: NO_CARD}, told=True, changed=True,
                                  rerun="trop de sorties"),
        "karim_chemins.zip": Expected("chemins qui sortent du dossier", {DICE: IN_ORDER}, told=True, marks=right),
        "lea_bombe.zip": Expected("bombe de décompression", {}, told=True),
        "mehdi_injection": Expected("scripts dans les noms, les sorties, la carte", {DICE: IN_ORDER}, changed=True),
        "nina_encodage": Expected("mauvais encodage", {"": UNREADABLE}),
        accents: Expected("espaces et accents", {DICE: IN_ORDER}, marks=right, changed=False),
        "oscar_manque": Expected("un carnet manque", {WALK: IN_ORDER}, missing=(FAR,), changed=False),
        "paul_original": Expected("deux copies d'un travail", {DICE: IN_ORDER}, alike="quentin_jumeau", marks=right),
        "quentin_jumeau": Expected("deux copies d'un travail", {DICE: IN_ORDER}, alike="paul_original", marks=right),
        "rose_vide": Expected("sans réponses", {DICE: IN_ORDER}, marks={"1": "sans réponse"}, changed=False),
        "sami_autre": Expected("un autre projet", {WALK: IN_ORDER, FAR: IN_ORDER}, changed=False),
        "theo_ailleurs": Expected("un carnet d'un autre cours", {"": NO_CARD}),
    }  # fmt: skip


def _changed(notebook: Mapping[str, Any], name: str, **fields: Any) -> dict[str, Any]:
    cells = [{**cell, **fields} if cell["id"] == name else cell for cell in notebook["cells"]]
    return {**notebook, "cells": cells}


def _retouched(notebook: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a notebook with the mean that a cell shows replaced in its stored output."""
    output = {"output_type": "stream", "name": "stdout", "text": "La moyenne des tirages vaut 6.000.\n"}
    return _changed(notebook, "de-moyenne", outputs=[output])


def _stopped(name: str, source: str, error: str = "", why: str = "") -> dict[str, Any]:
    """Returns a notebook whose run ended in a cell, with an error, or without a word if its kernel died."""
    notebook, count = _of("", **{name: source}), 0
    for cell in notebook["cells"]:
        if cell["cell_type"] != "code":
            continue
        if cell["id"] != name:
            count = cell["execution_count"] = count + 1
            continue
        if error:
            cell["execution_count"] = count + 1
            trace = {"output_type": "error", "ename": error, "evalue": why, "traceback": [f"{error}: {why}"]}
            cell["outputs"] = [trace]
        break
    return notebook


def _other_course() -> dict[str, Any]:
    listing = _cell("tri-1", "print(sorted([3, 1, 2]))")
    listing |= {"execution_count": 1, "outputs": [{"output_type": "stream", "name": "stdout", "text": "[1, 2, 3]\n"}]}
    return _notebook(_cell("tri-titre", "# TP 3 : trier une liste", text=True), listing)


def _write(path: Path, notebook: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(notebook, ensure_ascii=False, indent=1), encoding="utf-8")


def _write_flood(path: Path, notebook: dict[str, Any], megabytes: int) -> None:
    """Writes a zip whose notebook has that much output, without ever holding it."""
    start, end = json.dumps(_changed(notebook, "de-faces", outputs="@")).split('"@"')
    before, after = '[{"output_type": "stream", "name": "stdout", "text": "', '"}]'
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(Path(DICE).name, "w", force_zip64=True) as stream,
    ):
        stream.write(f"{start}{before}".encode())
        for _ in range(megabytes):
            stream.write(b"x" * 2**20)
        stream.write(f"{after}{end}".encode())


def _write_slip(path: Path, notebook: Mapping[str, Any]) -> None:
    content = json.dumps(notebook)
    names = f"../../{ESCAPED}.ipynb", f"/tmp/{ESCAPED}.ipynb", f"..\\..\\{ESCAPED}.ipynb", f"C:\\{ESCAPED}.ipynb"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, content)
        link = zipfile.ZipInfo("lien.ipynb")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
        archive.writestr(f"projet1_hasard/{Path(DICE).name}", content)


def _write_bomb(path: Path) -> None:
    """Writes 20 kB which would be 1.6 GB: a zip of eight zips of the same 200 MB."""
    with tempfile.TemporaryFile() as inner:
        with (
            zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open(Path(DICE).name, "w") as stream,
        ):
            for _ in range(200):
                stream.write(bytes(2**20))
        inner.seek(0)
        content = inner.read()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(8):
            archive.writestr(f"partie {i}.zip", content)


def main(arguments: list[str], tell: Callable[[str], None] = print) -> int:
    """Writes the hand-ins in the folder named, and tells what must be said of each."""
    if len(arguments) != 1 or (Path(arguments[0]).exists() and any(Path(arguments[0]).iterdir())):
        tell("Utilisation : python tests/hand_ins.py DOSSIER, où DOSSIER est nouveau ou vide.")
        return 2
    folder = Path(arguments[0])
    try:
        expected = make(folder)
    except BaseException:
        shutil.rmtree(folder / "rendus", ignore_errors=True)
        raise
    for name, one in expected.items():
        states = ", ".join(dict.fromkeys(one.states.values())) or "aucun carnet"
        tell(f"{name} ({one.kind}) : {states}{' ; un avertissement' if one.told else ''}")
    tell(f"Essayez : python -m atelier verifier {folder}/rendus --sujet {folder}/cours --html {folder}/rapport")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
