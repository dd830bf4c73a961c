"""The run's card: what a kernel executed, with which versions and data; `atelier verifier` compares it with cells."""

from __future__ import annotations

import ast
import hashlib
import html
import importlib.metadata
import os
import platform
import re
import time
import uuid
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from commun import UserError, exercices, figures, seen
from commun.datasets import ROOT, Location
from commun.notebook import code_cells, replace_surrogates

CARD_MIME = "application/vnd.projets.carte+json"
IN_ORDER, MODIFIED, DISORDER = "exécuté de haut en bas", "modifié après exécution", "dans le désordre"
FOLLOWED = "des cellules suivent la carte"
_ADVICE = {
    DISORDER: " : redémarrez le noyau et exécutez tout",
    MODIFIED: " : enregistrez le carnet, redémarrez le noyau et exécutez tout",
}
_CELL_MAGIC = re.compile(r"\s*%%(\w+).*(?:\r\n|\r|\n|$)")
_PYTHON_MAGICS = ("capture", "prun", "time", "timeit")  # the rest of the cell is Python: its layout does not count
_PACKAGES = ("keras", "tensorflow", "numpy", "pandas", "matplotlib", "scikit-learn", "optuna")
_START = time.time()


def carte(
    carnet: str,
    *,
    profil: str,
    donnees: Location,
    auteur: tuple[str, str, str] = ("", "", ""),
    resultats: Mapping[str, float] | None = None,
    references: Mapping[str, float] | None = None,
) -> None:
    """Shows the run's card: what this kernel executed, with which versions, profile and data.

    It reads the kernel's own history, so it holds in JupyterLab, in VS Code and in a batch run alike.

    Args:
        carnet: path of the notebook in the repository, with "/" ("projet2_cvae/01_preparation.ipynb").
        profil: "essai", "rapide" or "complet".
        donnees: where the data came from.
        auteur: name, group and identifier of the hand-out: the notebook's NOM, GROUPE and SUJET.
        resultats: what this run measured, the most important first: French name -> value.
        references: the same on real data, from `reference/`, where there are some.
    """
    from IPython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    history = {count: code for count, code in enumerate(shell.history_manager.input_hist_raw) if count and code.strip()}
    cells, state, parameters, followed, kept = _judge(list(history.values()), _notebook_path(carnet, shell.user_ns))
    counts = [list(history)[index] for index in kept]
    card = {
        "carnet": carnet,
        "etat": state,
        "cellules": cells,
        "suite": followed,
        "parametres": parameters,
        **dict(zip(("nom", "groupe", "sujet"), auteur, strict=True)),
        "resultats": {name: float(value) for name, value in (resultats or {}).items()},
        "principal": next(iter(resultats or {}), ""),  # a file does not keep the order of names
        "references": {name: float(value) for name, value in (references or {}).items()},
        "reponses": exercices.marks(),
        "modeles": dict(seen.models),
        "profil": profil,
        "donnees": donnees.title if donnees.is_real else f"échantillon synthétique ({donnees.title})",
        "donnees_reelles": donnees.is_real,
        "avertissement": donnees.warning.replace("`", ""),
        "versions": {"python": platform.python_version(), **_versions()},
        "systeme": f"{platform.system()} {platform.machine()}",
        "date": date.today().isoformat(),
        "duree_s": round(time.time() - _START),
        "execution": uuid.uuid4().hex,
    }
    shown = {"text/html": _html(card), "text/plain": _text(card)}
    card["sorties"] = [*(seen.sent(count, history[count]) for count in counts[:-1]), seen.of_bundle(shown)]
    card["empreinte"] = seen.json_hash(card)
    display({CARD_MIME: card, **shown}, raw=True)


def hashes(sources: Iterable[str], *, old: bool = False) -> list[str]:
    """Returns the hashes of cells, without the empty ones; `old`: as the first cards made them."""
    return [h for h in (cell_hash(source, old=old) for source in sources) if h]


def cell_hash(source: str, *, old: bool = False) -> str:
    """Returns a hash of what a cell computes: its syntax tree, without comments, blank lines or layout.

    An empty cell (comments only) gives "". The dump is our own, because `ast.dump` differs between Python versions.
    What is not Python for the parser is translated as IPython does (magics, `!`, `?`) and parsed again; else it counts
    as text, less the ends of its lines, which a kernel's history and a file don't keep alike. The first cards took
    whatever is not Python as text (`old`).
    """
    tree = _parse(source)
    if tree is None and old:
        return _digest(source.rstrip("\n"))
    if tree is None and (magic := _CELL_MAGIC.match(source)):
        body = source[magic.end() :]
        return _digest(f"{magic[0].strip()}\n{cell_hash(body) if magic[1] in _PYTHON_MAGICS else _lines(body)}")
    if tree is None:
        tree = _parse(_translate(source))
    if tree is None:
        return _digest(_lines(source))
    return _digest(_dump(tree)) if tree.body else ""


def compare(executed: Sequence[str], expected: Sequence[str]) -> str:
    """Says in French how the inputs that a kernel executed relate to a notebook's cells (lists of hashes)."""
    if list(executed) == list(expected):
        return IN_ORDER
    return DISORDER if set(executed) <= set(expected) else MODIFIED


def is_whole(card: Mapping[str, Any]) -> bool:
    """Says whether a card is as it was shown: no field changed since; true of the first cards, which can't tell."""
    rest = {name: value for name, value in card.items() if name != "empreinte"}
    return seen.json_hash(rest) == card.get("empreinte") if {"empreinte", "sorties"} & set(card) else True


def _judge(inputs: Sequence[str], path: Path | None) -> tuple[list[str], str, str, bool, list[int]]:
    """Compares what a kernel executed with its notebook, up to the cell that asks, which is the last one executed.

    papermill adds a cell of parameters that the notebook lacks: it is left out where the rest is then the notebook. A
    student's cell with the same first line stays.

    Returns:
        The hashes of the inputs, the state, the parameters that papermill changed, whether other cells follow, and
        the indices of the inputs that have these hashes.
    """
    filled = [index for index, source in enumerate(inputs) if cell_hash(source)]
    executed = hashes(inputs)
    try:
        expected = hashes(code_cells(path)) if path else None
    except UserError:
        expected = None
    if expected is None:
        return executed, "carnet introuvable", "", False, filled
    for added in (None, *(i for i, source in enumerate(inputs) if source.startswith("# Parameters\n"))):
        rest = hashes(source for i, source in enumerate(inputs) if i != added)
        if rest == expected[: len(rest)]:
            parameters = "" if added is None else inputs[added].split("\n", 1)[1].strip()
            kept = [index for index in filled if index != added]
            return rest, IN_ORDER, parameters, len(expected) > len(rest), kept
    return executed, compare(executed, expected), "", False, filled


def _notebook_path(carnet: str, names: Mapping[str, Any]) -> Path | None:
    """Returns the file that this kernel runs, as `atelier executer`, VS Code or Jupyter says, else the repository's."""
    for name in (os.environ.get("PROJETS_CARNET"), names.get("__vsc_ipynb_file__"), os.environ.get("JPY_SESSION_NAME")):
        if name and str(name).endswith(".ipynb") and Path(name).is_file():
            return Path(name)
    path = ROOT / carnet
    return path if path.is_file() and not os.environ.get("PROJETS_CARNET") else None


def _parse(source: str) -> ast.Module | None:
    """Returns the syntax tree of a source, None if it is not Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "invalid escape sequence": the kernel has said so
        try:
            return ast.parse(replace_surrogates(source))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None


def _translate(source: str) -> str:
    """Returns the Python of a cell that has magics, as IPython makes it; "(", which is no Python, if it can't."""
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        return TransformerManager().transform_cell(replace_surrogates(source))
    except Exception:  # whatever a text that is no code makes of its transformers
        return "("


def _lines(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()).strip("\n")


def _digest(text: str) -> str:
    return hashlib.sha256(replace_surrogates(text).encode("utf-8")).hexdigest()[:12]


def _dump(node: Any) -> str:
    if isinstance(node, ast.JoinedStr):  # Python 3.12 adds empty texts to f-strings
        node = ast.JoinedStr([part for part in node.values if part.value != ""])
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if value not in (None, []) and name != "kind")
        return f"{type(node).__name__}({','.join(f'{name}={_dump(value)}' for name, value in fields)})"
    if isinstance(node, list):
        return f"[{','.join(map(_dump, node))}]"
    return repr(node)


def _versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return versions


def _rows(card: Mapping) -> list[tuple[str, str]]:
    followed = f" ; {FOLLOWED}" if card["suite"] else ""
    author = ", ".join(filter(None, (card.get("nom"), card.get("groupe") and f"groupe {card['groupe']}")))
    counts, models = Counter(card.get("reponses", {}).values()), card.get("modeles", {})
    return [
        ("Carnet", card["carnet"]),
        *([("Auteur", author)] if author else []),
        ("Exécution", f"{card['etat']} ({len(card['cellules'])} cellules){_ADVICE.get(card['etat'], followed)}"),
        *(("Résultat", f"{name} : {figures.number(value)}") for name, value in card.get("resultats", {}).items()),
        *([("Réponses", ", ".join(f"{n} {state}" for state, n in counts.items()))] if counts else []),
        *([("Modèles", ", ".join(f"{n} {what}{'s' * (n > 1)}" for what, n in models.items()))] if models else []),
        ("Paramètres modifiés", card["parametres"].replace("\n", " ; ") or "aucun"),
        ("Profil", card["profil"]),
        ("Données", " ".join(filter(None, (card["donnees"], card["avertissement"] and f"({card['avertissement']})")))),
        ("Date et durée", f"{card['date']}, {figures.duration(card['duree_s'])}"),
        ("Versions", ", ".join(f"{k} {v}" for k, v in card["versions"].items())),
        ("Identifiant", card["execution"][:12]),
    ]


def _html(card: Mapping) -> str:
    rows = "".join(f"<tr><th scope='row'>{k}</th><td>{html.escape(v)}</td></tr>" for k, v in _rows(card))
    return f"<table class='carte'><caption>Carte d'exécution</caption><tbody>{rows}</tbody></table>"


def _text(card: Mapping) -> str:
    return "\n".join(f"{k} : {v}" for k, v in _rows(card))
