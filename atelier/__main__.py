"""Command line: `python -m atelier --help`."""

from __future__ import annotations

import argparse
import itertools
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from atelier import donnees, export, notebooks, rendus, verification
from atelier.export import ReportLine
from commun import UserError, datasets, figures, french_argparse
from commun.card import FOLLOWED, IN_ORDER
from commun.datasets import ROOT
from commun.notebook import read_notebook

REPORTS = ROOT / "rapports"
PROFILES = ("essai", "rapide", "complet")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line.

    Returns:
        0: success; 1: a notebook failed or is not as it should be; 2: a mistake that the user can mend, wrong data
        included.
    """
    for stream in (sys.stdout, sys.stderr):  # a console that is not UTF-8 must not stop the job
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if not sys.warnoptions:  # libraries warn in English of what a reader of reports can't change
        warnings.simplefilter("ignore")
        logging.getLogger("traitlets").setLevel(logging.CRITICAL)
    french_argparse()
    options = _parser().parse_args(arguments)
    try:
        return options.action(options)
    except BrokenPipeError:  # the reader, `head` for instance, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (UserError, OSError) as error:
        print(f"Erreur : {rendus.sentence(error)}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m atelier", description="Exécute, exporte et vérifie les carnets.")
    commands = parser.add_subparsers(required=True, metavar="commande")

    for name, action, text in (
        ("rapports", _reports, "exécute tous les carnets, écrit les rapports HTML et leur sommaire"),
        ("executer", _execute, "exécute des carnets, sans écrire les rapports HTML"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("projets", nargs="*", metavar="projet", help="projets à exécuter (tous par défaut)")
        command.add_argument("--profil", choices=PROFILES, help="budget de calcul (celui des carnets par défaut)")
        command.add_argument(
            "-p", dest="parametres", nargs=2, action="append", default=[], metavar=("NOM", "VALEUR"),
            help="change un paramètre des carnets",
        )  # fmt: skip
        command.add_argument("--sortie", type=Path, default=REPORTS, help="dossier des résultats (rapports/)")
        command.set_defaults(action=action)

    files = "carnet, dossier de carnets, ou modèle comme « rendus/*.ipynb »"
    text = "exporte en HTML des carnets déjà exécutés"
    command = commands.add_parser("exporter", help=text, description=text)
    command.add_argument("fichiers", nargs="+", type=Path, metavar="FICHIER", help=files)
    command.add_argument("--sortie", type=Path, help="dossier des pages (celui de chaque carnet par défaut)")
    command.set_defaults(action=_export)

    text = "dit si des carnets ont été exécutés de haut en bas"
    command = commands.add_parser("verifier", help=text, description=text)
    command.add_argument("fichiers", nargs="+", type=Path, metavar="FICHIER", help=files)
    command.set_defaults(action=_verify)

    text = "liste, télécharge ou vérifie les jeux de données"
    command = commands.add_parser("donnees", help=text, description=text)
    command.add_argument("verbe", choices=("lister", "telecharger", "verifier"))
    command.add_argument("jeu", nargs="?", help="nom du jeu (voir « lister »)")
    command.add_argument("categorie", nargs="?", default="", help="une seule catégorie du jeu")
    command.set_defaults(action=_data)

    text = "réexécute sur l'échantillon les carnets du dépôt dont la carte ne correspond plus (pour les auteurs)"
    command = commands.add_parser("carnets", help=text, description=text)
    command.add_argument("projets", nargs="*", metavar="projet", help="projets concernés (tous par défaut)")
    command.add_argument("--tous", action="store_true", help="tous, même à jour")
    command.set_defaults(action=_refresh)
    return parser


# --- Running and exporting -------------------------------------------------------------------------------------------


def _reports(options: argparse.Namespace) -> int:
    lines, code = _run_all(options)
    pages = [line for line in lines if line.status != "non exécuté"]
    for _, neighbours in itertools.groupby(pages, lambda line: line.project):
        group = list(neighbours)
        for before, line, after in zip([None, *group[:-1]], group, [*group[1:], None], strict=True):
            page = options.sortie / line.page
            links = {"previous": _link(before), "following": _link(after), "index": "../index.html"}
            export.export_notebook(page.with_suffix(".ipynb"), page, **links)
    export.export_index(lines, options.sortie / "index.html")
    print(f"Rapports : {options.sortie / 'index.html'}")
    return code


def _link(line: ReportLine | None) -> tuple[str, str] | None:
    return line and (Path(line.page).name, line.title)


def _execute(options: argparse.Namespace) -> int:
    return _run_all(options)[1]


def _run_all(options: argparse.Namespace) -> tuple[list[ReportLine], int]:
    """Runs the notebooks of projects, all by default; returns how each ended, and the exit code."""
    groups = {project: notebooks.notebooks(project) for project in options.projets or notebooks.projects()}
    if not groups:
        raise UserError(f"Aucun carnet trouvé dans {ROOT}.")
    paths = [path for group in groups.values() for path in group]
    texts = dict(options.parametres) | ({"PROFIL": options.profil} if options.profil else {})
    values = notebooks.select_parameters(paths, texts)
    datasets.data_roots()  # refuses a wrong PROJETS_DATA before anything runs
    if warning := donnees.warning():
        print(f"Attention : {warning}", file=sys.stderr)
    lines, code = [], 0
    for project, group in groups.items():
        obstacle = ""  # the notebook that failed: those after it are not run
        for path in group:
            print(f"[{len(lines) + 1}/{len(paths)}] {project}/{path.name} ", end="", flush=True)
            line, mistake = _run_one(project, path, options.sortie, values[path], obstacle)
            time = f" en {figures.duration(line.seconds)}" if line.seconds else ""
            print(f"{line.status}{time}{f' : {line.error}' if line.error else ''}", flush=True)
            if line.status == "échec":
                obstacle, code = path.name, max(code, 2 if mistake else 1)
            lines.append(line)
    return lines, code


def _run_one(project: str, path: Path, output: Path, values: dict, obstacle: str) -> tuple[ReportLine, bool]:
    """Runs a notebook, unless another one failed before it; returns its line, and whether its error is a mistake."""
    page = f"{project}/{path.stem}.html"
    common = {"project": project, "title": export.title_of(path), "page": page}
    if obstacle:
        (output / page).unlink(missing_ok=True)
        reason = f"demande {obstacle}, qui a échoué"
        return ReportLine(**common, status="non exécuté", seconds=None, error=reason), False
    target = output / project / path.name
    outcome = notebooks.run(path, target, values)
    failure = export.failure_of(target) if outcome.error else None
    card = verification.card_of(read_notebook(target)) or {}
    line = ReportLine(
        **common,
        status="échec" if outcome.error else "réussi",
        seconds=outcome.seconds,
        error=outcome.error,
        error_anchor=failure.anchor if failure else "",
        profile=card.get("profil", ""),
        source=card.get("donnees", ""),
    )
    return line, outcome.mistake


def _export(options: argparse.Namespace) -> int:
    paths, code = rendus.expand_all(options.fichiers)
    targets = rendus.pages(paths, options.sortie)

    def write(path: Path) -> None:
        export.export_notebook(path, targets[path])
        print(targets[path], flush=True)

    return max(code, rendus.for_each(paths, write))


# --- Checking --------------------------------------------------------------------------------------------------------


def _verify(options: argparse.Namespace) -> int:
    paths, code = rendus.expand_all(options.fichiers)
    states, runs = [], {}

    def tell(path: Path) -> None:
        state, card = verification.check(path)
        states.append(state)
        detail = ""
        if card:
            known = {name: card.get(name) or "?" for name in ("profil", "donnees", "date")}
            about = f"profil {known['profil']}, {known['donnees']}, {known['date']}"
            detail = f" ({about}, identifiant {card['execution'][:12]})"
            detail += f" ; {FOLLOWED}" if verification.followed(path) else ""
            if card["execution"] not in verification.handed_out().values():
                runs[path] = card["execution"]
        print(f"{path} : {state}{detail}", flush=True)

    code = max(code, rendus.for_each(paths, tell))
    copies = rendus.repeated(runs)
    for run, same in copies.items():
        print(f"Une même exécution (identifiant {run[:12]}) dans {len(same)} rendus : {', '.join(map(str, same))}")
    return code or int(bool(copies) or any(state != IN_ORDER for state in states))


def _refresh(options: argparse.Namespace) -> int:
    os.environ["PROJETS_DATA"] = datasets.SAMPLE_ONLY
    for project in options.projets or notebooks.projects():
        paths = notebooks.notebooks(project)
        for path in paths if options.tous else verification.stale(paths):
            target = datasets.working_folder("carnets", project) / path.name
            outcome = notebooks.run(path, target, {})
            if outcome.error:
                print(f"{project}/{path.name} : échec : {outcome.error}")
                return 1
            notebooks.write_back(target, path)
            print(f"{project}/{path.name} : réexécuté en {figures.duration(outcome.seconds)}", flush=True)
    return 0


# --- Data ------------------------------------------------------------------------------------------------------------


def _data(options: argparse.Namespace) -> int:
    if options.verbe == "lister":
        print("\n".join(donnees.listing()))
        return 0
    if options.verbe == "telecharger":
        if not options.jeu:
            raise UserError(f"Quel jeu télécharger ? {', '.join(datasets.CATALOGUE)}.")
        for folder in donnees.fetch(options.jeu, options.categorie):
            print(f"Prêt : {folder}")
        return 0
    names = [options.jeu] if options.jeu else [name for name in datasets.CATALOGUE if datasets.find(name)]
    if not names:
        raise UserError("Aucun jeu réel n'est présent : rien à vérifier (voir « donnees lister »).")
    problems = 0
    for name in names:
        report = donnees.verify(name)
        problems += len(report.problems)
        print(f"{name} : {'correct' if not report.problems else f'{len(report.problems)} problème(s)'}")
        for line in (*report.problems, *report.notes):
            print(f"    {line}")
    return 2 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
