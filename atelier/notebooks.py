"""Notebooks as files: which exist, which parameters they take, how they are run."""

from __future__ import annotations

import ast
import codecs
import dataclasses
import functools
import json
import os
import re
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from atelier import verification
from commun import UserError
from commun.datasets import ROOT, SAMPLE_ONLY, atomic_file, data_roots, working_folder
from commun.notebook import INJECTED, read_notebook, tags
from commun.results import write_json

_TYPES = {"int": int, "float": float, "str": str, "bool": lambda text: {"true": True, "false": False}[text.lower()]}
_STARTS = 3  # of a kernel, at most
_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def projects() -> list[str]:
    """Returns the names of the projects that hold notebooks, in order."""
    return sorted({path.parent.name for path in ROOT.glob("projet*/[0-9][0-9]_*.ipynb")})


def notebooks(project: str) -> list[Path]:
    """Returns a project's notebooks in order.

    Raises:
        UserError: no project has this name.
    """
    paths = sorted((ROOT / project).glob("[0-9][0-9]_*.ipynb"))
    if not paths:
        raise UserError(f"Projet inconnu : « {project} ». Projets : {', '.join(projects())}.")
    return paths


def parameters(path: Path) -> dict[str, str]:
    """Returns the parameters that a notebook declares, name -> type ("int", "float", "str" or "bool").

    Raises:
        UserError: the notebook can't be read, or its cell of parameters is not Python.
    """
    for cell in read_notebook(path)["cells"]:
        if "parameters" in tags(cell):
            try:
                lines = ast.parse(cell["source"]).body
            except (SyntaxError, ValueError) as error:
                raise UserError(f"Dans {path}, la cellule des paramètres n'est pas du Python : {error}.") from error
            return {
                line.target.id: ast.unparse(line.annotation)
                for line in lines
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
            }
    return {}


def select_parameters(paths: Sequence[Path], texts: Mapping[str, str]) -> dict[Path, dict[str, Any]]:
    """Returns the values of each notebook's parameters, converted from texts to their declared types.

    Raises:
        UserError: no notebook declares one of the names, or a value is not of its type.
    """
    declared = {path: parameters(path) for path in paths}
    known = {name: kind for names in declared.values() for name, kind in names.items()}
    values = {}
    for name, text in texts.items():
        if not known:
            raise UserError(
                f"Aucun de ces carnets n'a de paramètre : {name} ne peut pas être changé. Redonnez l'étiquette "
                "« parameters » à leur cellule de paramètres."
            )
        if name not in known:
            raise UserError(f"Paramètre inconnu : « {name} ». Paramètres de ces carnets : {', '.join(sorted(known))}.")
        try:
            values[name] = _TYPES[known[name]](text)
        except (ValueError, KeyError) as error:
            raise UserError(f"« {text} » ne convient pas au paramètre {name}, de type {known[name]}.") from error
    return {path: {n: v for n, v in values.items() if n in names} for path, names in declared.items()}


# --- Running ---------------------------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run ended; `error` is empty if it succeeded, `mistake` says if the user can mend it (a UserError)."""

    seconds: float
    error: str = ""
    mistake: bool = False


def run(source: Path, target: Path, values: Mapping[str, Any], *, threads: int | None = None) -> Outcome:
    """Runs a notebook from a fresh kernel and writes what was executed, up to the failing cell if one fails.

    Several may run at the same time, each in a thread of this process.

    Args:
        source: the notebook.
        target: where the executed one goes.
        values: parameters that are changed.
        threads: of its computations, at most; as many as its libraries like if None.

    Raises:
        UserError: the notebook can't be read.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    notebook = _runnable(source)
    target.parent.mkdir(parents=True, exist_ok=True)
    extra = {"PROJETS_CARNET": str(source)} | dict.fromkeys(_THREADS if threads else (), str(threads))
    if os.environ.get("PROJETS_DATA", SAMPLE_ONLY) not in ("", SAMPLE_ONLY):
        extra["PROJETS_DATA"] = str(data_roots()[0])  # in full: the kernel starts in the notebook's folder
    log = working_folder() / f"noyau-{source.parent.name}.log"
    start = time.perf_counter()
    try:
        with log.open("wb") as errors, tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / source.name
            copy.write_text(json.dumps(notebook), encoding="utf-8")
            execute = functools.partial(
                papermill.execute_notebook,
                *(str(path).replace("{", "{{").replace("}", "}}") for path in (copy, target)),  # it fills templates
                parameters=dict(values),
                kernel_name="python3",
                kernel_manager_class=_kernel_manager(os.environ | extra, errors),
                language="python",
                cwd=str(source.parent),
                progress_bar=False,
                request_save_on_cell_execute=False,  # else it is written twice for each cell
            )
            with_a_kernel(execute)
    except PapermillExecutionError as error:
        mistake = error.ename == UserError.__name__
        message = error.evalue if mistake else f"{error.ename}: {error.evalue}"
        return Outcome(time.perf_counter() - start, message, mistake)
    except DeadKernelError:
        message = f"le noyau Python s'est arrêté (mémoire épuisée ?) ; ses derniers messages sont dans {log}"
        return Outcome(time.perf_counter() - start, message)
    except RuntimeError as error:
        if not _never_started(error):
            raise
        message = f"le noyau Python n'a pas pu démarrer ; ses derniers messages sont dans {log}"
        return Outcome(time.perf_counter() - start, message)
    return Outcome(time.perf_counter() - start)


def with_a_kernel(execute: Callable[[], Any]) -> None:
    """Executes a notebook, again where its kernel dies before it starts: nothing was executed.

    Its five ports are chosen before it takes them, and another program may take one meanwhile.
    """
    for left in reversed(range(_STARTS)):
        try:
            execute()
        except RuntimeError as error:
            if not left or not _never_started(error):
                raise
        else:
            return


def _never_started(error: RuntimeError) -> bool:
    return str(error).startswith("Kernel died before")  # says jupyter_client


def _kernel_manager(environment: Mapping[str, str], errors: BinaryIO) -> type:
    """Returns what starts a kernel in this environment, its native messages written to a file."""
    from jupyter_client.manager import AsyncKernelManager

    class KernelManager(AsyncKernelManager):
        async def start_kernel(self, **options: Any) -> None:
            await super().start_kernel(env=dict(environment), stderr=errors, **options)

    return KernelManager


def _runnable(path: Path) -> dict[str, Any]:
    """Reads a notebook and gives it what papermill asks for: a kernel and identifiers of its cells."""
    notebook = read_notebook(path)
    if path.read_bytes().startswith(codecs.BOM_UTF8):
        raise UserError(
            f"{path} commence par une marque (UTF-8 avec BOM) que Jupyter refuse. Enregistrez-le en UTF-8 sans BOM."
        )
    notebook["nbformat"], notebook["nbformat_minor"] = 4, 5
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook["metadata"]["kernelspec"] = kernel | notebook["metadata"].get("kernelspec", {}) | {"name": "python3"}
    seen = set()
    for position, cell in enumerate(notebook["cells"]):
        name = cell.get("id")
        if not isinstance(name, str) or not re.fullmatch(r"[\w-]{1,64}", name, flags=re.ASCII) or name in seen:
            cell["id"] = f"cellule-{position}"
        seen.add(cell["id"])
        if cell["cell_type"] == "code":
            cell["outputs"], cell["execution_count"] = [], None
    return notebook


def write_back(executed: Path, source: Path) -> None:
    """Puts an executed notebook in place of its source, without volatile metadata, and records its run id.

    Raises:
        UserError: it was executed with other parameters than its own, which would be added to it.
    """
    import nbformat

    notebook = nbformat.read(executed, as_version=4)
    if any(INJECTED in tags(cell) for cell in notebook.cells):
        raise UserError(f"{executed} a été exécuté avec d'autres paramètres que les siens : relancez-le sans -p.")
    notebook.metadata = {k: v for k, v in notebook.metadata.items() if k in ("kernelspec", "language_info", "jupytext")}
    for cell in notebook.cells:
        cell.metadata = {"tags": own} if (own := cell.metadata.get("tags")) else {}
    with atomic_file(source) as temporary:
        nbformat.write(notebook, temporary)
    card = verification.card_of(read_notebook(source))
    run_ids = verification.handed_out() | {f"{source.parent.name}/{source.name}": card["execution"]}
    write_json(verification.HANDED_OUT, dict(sorted(run_ids.items())))
