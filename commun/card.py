"""The run's card: what a kernel executed, with which versions and data; `atelier verifier` compares it with cells."""

from __future__ import annotations

import ast
import hashlib
import html
import importlib.metadata
import json
import os
import platform
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from commun import UserError, figures
from commun.datasets import ROOT, Location

CARD_MIME = "application/vnd.projets.carte+json"
IN_ORDER, MODIFIED, DISORDER = "exécuté de haut en bas", "modifié après exécution", "dans le désordre"
_ADVICE = {
    DISORDER: " : redémarrez le noyau et exécutez tout",
    MODIFIED: " : enregistrez le carnet, redémarrez le noyau et exécutez tout",
}
_PACKAGES = ("keras", "tensorflow", "numpy", "pandas", "matplotlib", "scikit-learn", "optuna")
_START = time.time()


def carte(carnet: str, *, profil: str, donnees: Location) -> None:
    """Shows the run's card: what this kernel executed, with which versions, profile and data.

    It reads the kernel's own history, so it holds in JupyterLab, in VS Code and in a batch run alike.

    Args:
        carnet: path of the notebook in the repository, with "/" ("projet2_cvae/01_preparation.ipynb").
        profil: "essai", "rapide" or "complet".
        donnees: where the data came from.
    """
    from IPython import get_ipython
    from IPython.display import display

    inputs = [source for source in get_ipython().history_manager.input_hist_raw[1:] if source.strip()]
    parameters = [source for source in inputs if source.startswith("# Parameters\n")]  # papermill's cell
    cells = hashes(source for source in inputs if source not in parameters)
    path = Path(os.environ.get("PROJETS_CARNET") or ROOT / carnet)
    card = {
        "carnet": carnet,
        "etat": compare(cells, hashes(code_cells(path))) if path.is_file() else "carnet introuvable",
        "cellules": cells,
        "parametres": parameters[0].split("\n", 1)[1].strip() if parameters else "",
        "profil": profil,
        "donnees": donnees.title if donnees.is_real else f"échantillon synthétique ({donnees.title})",
        "donnees_reelles": donnees.is_real,
        "versions": {"python": platform.python_version(), **_versions()},
        "systeme": f"{platform.system()} {platform.machine()}",
        "date": date.today().isoformat(),
        "duree_s": round(time.time() - _START),
        "execution": uuid.uuid4().hex,
    }
    display({CARD_MIME: card, "text/html": _html(card), "text/plain": _text(card)}, raw=True)


def read_notebook(path: Path) -> dict[str, Any]:
    """Reads a notebook, the source of each cell as one text.

    Raises:
        UserError: the file is missing or is not a notebook.
    """
    try:
        notebook = json.loads(Path(path).read_text(encoding="utf-8"))
        for cell in notebook["cells"]:
            cell["source"] = "".join(cell["source"])
        return notebook
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} est introuvable ou n'est pas un carnet Jupyter.") from error


def code_cells(path: Path) -> list[str]:
    """Returns the sources of a notebook's code cells, without the cell of parameters that papermill injects.

    Raises:
        UserError: the file is missing or is not a notebook.
    """
    return [
        cell["source"]
        for cell in read_notebook(path)["cells"]
        if cell["cell_type"] == "code" and "injected-parameters" not in cell.get("metadata", {}).get("tags", [])
    ]


def hashes(sources: Iterable[str]) -> list[str]:
    """Returns the hashes of cells, without the empty ones."""
    return [h for h in map(cell_hash, sources) if h]


def cell_hash(source: str) -> str:
    """Returns a hash of what a cell computes: its syntax tree, without comments, blank lines or layout.

    An empty cell (comments only) gives "". The dump is our own, because `ast.dump` differs between Python versions.
    """
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return hashlib.sha256(source.encode("utf-8")).hexdigest()[:12]
    return hashlib.sha256(_dump(tree).encode("utf-8")).hexdigest()[:12] if tree.body else ""


def compare(executed: Sequence[str], expected: Sequence[str]) -> str:
    """Says in French how the inputs that a kernel executed relate to a notebook's cells (lists of hashes)."""
    if list(executed) == list(expected):
        return IN_ORDER
    return DISORDER if set(executed) <= set(expected) else MODIFIED


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
    return [
        ("Carnet", card["carnet"]),
        ("Exécution", f"{card['etat']} ({len(card['cellules'])} cellules){_ADVICE.get(card['etat'], '')}"),
        ("Paramètres modifiés", card["parametres"].replace("\n", " ; ") or "aucun"),
        ("Profil", card["profil"]),
        ("Données", card["donnees"]),
        ("Date et durée", f"{card['date']}, {figures.duration(card['duree_s'])}"),
        ("Versions", ", ".join(f"{k} {v}" for k, v in card["versions"].items())),
        ("Identifiant", card["execution"][:12]),
    ]


def _html(card: Mapping) -> str:
    rows = "".join(f"<tr><th scope='row'>{k}</th><td>{html.escape(v)}</td></tr>" for k, v in _rows(card))
    return f"<table class='carte'><caption>Carte d'exécution</caption><tbody>{rows}</tbody></table>"


def _text(card: Mapping) -> str:
    return "\n".join(f"{k} : {v}" for k, v in _rows(card))
