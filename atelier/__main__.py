"""Command line: `python -m atelier --help`."""

from __future__ import annotations

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from atelier import export, notebooks
from commun import UserError, datasets, figures, french_argparse, results
from commun.datasets import ROOT

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
    french_argparse()
    options = _parser().parse_args(arguments)
    try:
        return options.action(options)
    except UserError as error:
        print(f"Erreur : {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        print("Erreur : le disque est plein. Libérez de la place, puis relancez.", file=sys.stderr)
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

    text = "exporte en HTML des carnets déjà exécutés"
    command = commands.add_parser("exporter", help=text, description=text)
    command.add_argument("fichiers", nargs="+", type=Path, metavar="FICHIER")
    command.add_argument("--sortie", type=Path, help="dossier des pages (celui de chaque carnet par défaut)")
    command.set_defaults(action=_export)

    text = "dit si des carnets ont été exécutés de haut en bas"
    command = commands.add_parser("verifier", help=text, description=text)
    command.add_argument("fichiers", nargs="+", type=Path, metavar="FICHIER")
    command.set_defaults(action=_check)

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


def _run_all(options: argparse.Namespace) -> tuple[list[export.Entry], int]:
    """Runs the notebooks of the chosen projects; returns how each ended, and the exit code."""
    chosen = {project: notebooks.notebooks(project) for project in options.projets or notebooks.projects()}
    if not chosen:
        raise UserError(f"Aucun carnet trouvé dans {ROOT}.")
    paths = [path for group in chosen.values() for path in group]
    given = dict(options.parametres) | ({"PROFIL": options.profil} if options.profil else {})
    values = notebooks.select_parameters(paths, given)
    datasets.data_roots()  # refuses a wrong PROJETS_DATA before anything runs
    entries, code = [], 0
    for project, group in chosen.items():
        failed = ""
        for path in group:
            print(f"[{len(entries) + 1}/{len(paths)}] {project}/{path.name} ", end="", flush=True)
            entry, mistake = _run_one(project, path, options.sortie, values[path], failed)
            detail = f" : {entry.error}" if entry.error else ""
            print(
                f"{entry.status}{f' en {figures.duration(entry.seconds)}' if entry.seconds else ''}{detail}", flush=True
            )
            if entry.status == "échec":
                failed, code = path.name, max(code, 2 if mistake else 1)
            entries.append(entry)
    return entries, code


def _run_one(project: str, path: Path, output: Path, values: dict, failed: str) -> tuple[export.Entry, bool]:
    page = f"{project}/{path.stem}.html"
    common = {"project": project, "title": export.title_of(path), "page": page}
    if failed:
        (output / page).unlink(missing_ok=True)
        return export.Entry(
            **common, status="non exécuté", seconds=None, error=f"demande {failed}, qui a échoué"
        ), False
    target = output / project / path.name
    outcome = notebooks.run(path, target, values)
    failure = export.failure_of(target) if outcome.error else None
    card = notebooks.card(results.read_notebook(target)) or {}
    entry = export.Entry(
        **common,
        status="échec" if outcome.error else "réussi",
        seconds=outcome.seconds,
        error=outcome.error,
        error_anchor=failure.anchor if failure else "",
        profile=card.get("profil", ""),
        source=card.get("donnees", ""),
    )
    return entry, outcome.mistake


def _reports(options: argparse.Namespace) -> int:
    entries, code = _run_all(options)
    ran = [entry for entry in entries if entry.status != "non exécuté"]
    for index, entry in enumerate(ran):
        near = [
            ran[i] if 0 <= i < len(ran) and ran[i].project == entry.project else None for i in (index - 1, index + 1)
        ]
        links = [(Path(other.page).name, other.title) if other else None for other in near]
        page = options.sortie / entry.page
        export.export_notebook(
            page.with_suffix(".ipynb"), page, previous=links[0], following=links[1], index="../index.html"
        )
    export.export_index(entries, options.sortie / "index.html")
    print(f"Rapports : {options.sortie / 'index.html'}")
    return code


def _execute(options: argparse.Namespace) -> int:
    return _run_all(options)[1]


def _export(options: argparse.Namespace) -> int:
    for path in options.fichiers:
        target = (options.sortie or path.parent) / f"{path.stem}.html"
        export.export_notebook(path, target)
        print(target)
    return 0


# --- Checking --------------------------------------------------------------------------------------------------------


def _check(options: argparse.Namespace) -> int:
    states = []
    for path in options.fichiers:
        state, card = notebooks.check(path)
        states.append(state)
        detail = ""
        if card:
            detail = (
                f" (profil {card['profil']}, {card['donnees']}, {card['date']}, identifiant {card['execution'][:12]})"
            )
        print(f"{path} : {state}{detail}")
    return int(any(state != notebooks.IN_ORDER for state in states))


def _refresh(options: argparse.Namespace) -> int:
    os.environ["PROJETS_DATA"] = datasets.SAMPLE_ONLY
    for project in options.projets or notebooks.projects():
        for path in notebooks.notebooks(project) if options.tous else notebooks.stale(project):
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
        for dataset in datasets.CATALOGUE.values():
            place = datasets.find(dataset.name) or "absent : l'échantillon synthétique est utilisé"
            categories = ", ".join(filter(None, dataset.files))
            print(f"{dataset.name} : {dataset.title}, {dataset.size}, licence {dataset.licence}")
            print(f"    {place}{f' ; catégories : {categories}' if categories else ''}")
        return 0
    if options.verbe == "telecharger":
        if not options.jeu:
            raise UserError(f"Quel jeu télécharger ? {', '.join(datasets.CATALOGUE)}.")
        for folder in datasets.fetch(options.jeu, options.categorie):
            print(f"Prêt : {folder}")
        return 0
    names = [options.jeu] if options.jeu else [name for name in datasets.CATALOGUE if datasets.find(name)]
    if not names:
        raise UserError("Aucun jeu réel n'est présent : rien à vérifier (voir « donnees lister »).")
    problems = 0
    for name in names:
        report = datasets.verify(name)
        problems += len(report.problems)
        print(f"{name} : {'correct' if not report.problems else f'{len(report.problems)} problème(s)'}")
        for line in (*report.problems, *report.notes):
            print(f"    {line}")
    return 2 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
