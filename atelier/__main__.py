"""Command line: `python -m atelier --help`."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

from atelier import (
    attendus,
    classe,
    distribution,
    donnees,
    export,
    notebooks,
    ouvriers,
    pdf,
    rapports,
    rendus,
    verification,
)
from atelier.index import ReportLine
from commun import UserError, datasets, figures, french_argparse
from commun.card import FOLLOWED, IN_ORDER
from commun.datasets import ROOT
from commun.notebook import read_notebook

REPORTS = ROOT / "rapports"
PAPERS, CORRECTED = ROOT / "sujets", ROOT / "corriges"
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
    parser = argparse.ArgumentParser(
        prog="python -m atelier", description="Distribue, exécute, exporte et vérifie les carnets."
    )
    commands = parser.add_subparsers(required=True, metavar="commande")
    printed = "écrit aussi chaque page en PDF, avec un navigateur Chromium, Chrome ou Edge déjà installé"

    for name, action, text in (
        ("rapports", _reports, "exécute tous les carnets, écrit les rapports HTML et leur sommaire"),
        ("executer", _execute, "exécute des carnets, sans écrire les rapports HTML"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("projets", nargs="*", metavar="projet", help="projets à exécuter (tous par défaut)")
        command.add_argument(
            "--profil", choices=PROFILES, help="budget de calcul (celui que dit chaque carnet par défaut)"
        )
        command.add_argument(
            "-p", dest="parametres", nargs=2, action="append", default=[], metavar=("NOM", "VALEUR"),
            help="donne une autre valeur à un paramètre des carnets ; peut se répéter",
        )  # fmt: skip
        command.add_argument("--sortie", type=Path, default=REPORTS, help="dossier où écrire (rapports/ par défaut)")
        if name == "rapports":
            command.add_argument("--pdf", action="store_true", help=printed)
        text = "projets exécutés en même temps (par défaut, selon les cœurs et la mémoire)"
        command.add_argument("--ensemble", type=int, choices=range(1, 9), metavar="N", help=text)
        command.set_defaults(action=action)

    files = "carnet, dossier de carnets, ou modèle comme « rendus/*.ipynb »"
    text = "exporte en HTML des carnets déjà exécutés"
    command = commands.add_parser("exporter", help=text, description=text)
    command.add_argument("fichiers", nargs="+", type=Path, metavar="FICHIER", help=files)
    command.add_argument("--sortie", type=Path, help="dossier où écrire les pages (celui de chaque carnet par défaut)")
    command.add_argument("--pdf", action="store_true", help=printed)
    command.set_defaults(action=_export)

    text = "dit si des carnets ont été exécutés de haut en bas ; pour une classe, en fait un rapport"
    command = commands.add_parser("verifier", help=text, description=text)
    command.add_argument("fichiers", nargs="+", type=Path, metavar="FICHIER", help=f"{files}, ou archive zip")
    command.add_argument(
        "--html", type=Path, metavar="DOSSIER", help="écrit un rapport : une ligne par élève, et une page pour chacun"
    )
    command.add_argument("--csv", type=Path, metavar="FICHIER", help="écrit le tableau de la classe pour un tableur")
    command.add_argument(
        "--sujet", type=Path, metavar="DOSSIER", help="dossier des sujets distribués (les carnets du dépôt par défaut)"
    )
    command.add_argument(
        "--reexecuter",
        action="store_true",
        help="exécute de nouveau chaque rendu, enfermé ; sans cela, rien n'en est exécuté",
    )
    text = "minutes laissées à chaque carnet réexécuté (30 par défaut)"
    command.add_argument("--minutes", type=int, default=30, choices=range(1, 1441), metavar="N", help=text)
    command.set_defaults(action=_verify)

    text = "écrit les sujets à distribuer, c'est-à-dire les carnets sans leurs solutions"
    more = " ; avec --corrige, remet les solutions dans des sujets ou dans des rendus"
    command = commands.add_parser("distribuer", help=text, description=text + more)
    command.add_argument("projets", nargs="*", metavar="projet", help="projets à distribuer (tous par défaut)")
    command.add_argument("--groupe", default="", help="groupe inscrit d'avance dans les sujets")
    command.add_argument(
        "--corrige", nargs="+", type=Path, metavar="FICHIER", help=f"remet les solutions dans ces rendus : {files}"
    )
    command.add_argument(
        "--garder", action="store_true", help="avec --corrige, garde chaque réponse au-dessus de sa solution"
    )
    command.add_argument("--sortie", type=Path, help="dossier où écrire (sujets/ ou, avec --corrige, corriges/)")
    command.set_defaults(action=_distribute)

    text = "liste, télécharge ou vérifie les jeux de données"
    command = commands.add_parser("donnees", help=text, description=text)
    command.add_argument("verbe", choices=("lister", "telecharger", "verifier"), help="ce qu'il faut faire")
    command.add_argument("jeu", nargs="?", help="nom du jeu, parmi ceux que donne « lister »")
    command.add_argument("categorie", nargs="?", default="", help="une seule catégorie du jeu")
    command.set_defaults(action=_data)

    text = "fait des essais d'une étude, avec d'autres ouvriers s'il y en a, jusqu'à ce qu'elle les ait tous"
    command = commands.add_parser("ouvrier", help=text, description=text)
    command.add_argument("etude", help="nom de l'étude, par exemple projet2_cvae, la recherche de son carnet 03")
    command.add_argument("--profil", choices=PROFILES, default="rapide", help="budget de calcul (rapide par défaut)")
    command.set_defaults(action=_work)

    text = "réexécute sur l'échantillon les carnets du dépôt dont la carte ne correspond plus (pour les auteurs)"
    command = commands.add_parser("carnets", help=text, description=text)
    command.add_argument("projets", nargs="*", metavar="projet", help="projets concernés (tous par défaut)")
    command.add_argument("--tous", action="store_true", help="réexécute aussi ceux qui sont à jour")
    command.set_defaults(action=_refresh)

    text = "mesure l'intervalle attendu des résultats, d'après plusieurs graines (pour les auteurs)"
    command = commands.add_parser("attendus", help=text, description=text)
    command.add_argument("fichiers", nargs="+", type=Path, metavar="FICHIER", help=files)
    command.set_defaults(action=_expect)
    for command in commands.choices.values():  # a line of the list of commands, as a sentence
        command.description = f"{command.description[0].upper()}{command.description[1:]}."
    return parser


# --- Running and exporting -------------------------------------------------------------------------------------------


def _reports(options: argparse.Namespace) -> int:
    if options.pdf:
        pdf.browser()  # refuses before anything runs
    lines, code = _run(options)
    written = rapports.write(lines, options.sortie)
    if options.pdf:
        code = max(code, rendus.for_each(written, lambda page: pdf.write(page, page.with_suffix(".pdf"))))
    print(f"Rapports : {written[0]}")
    return code


def _execute(options: argparse.Namespace) -> int:
    return _run(options)[1]


def _run(options: argparse.Namespace) -> tuple[list[ReportLine], int]:
    """Runs the notebooks of projects, all by default; returns how each ended, and the exit code."""
    groups = {project: notebooks.notebooks(project) for project in options.projets or notebooks.projects()}
    if not groups:
        raise UserError(f"Aucun carnet trouvé dans {ROOT}.")
    texts = dict(options.parametres) | ({"PROFIL": options.profil} if options.profil else {})
    values = notebooks.select_parameters([path for group in groups.values() for path in group], texts)
    datasets.data_roots()  # refuses a wrong PROJETS_DATA before anything runs
    if warning := donnees.warning():
        print(f"Attention : {warning}", file=sys.stderr)
    return rapports.run(groups, options.sortie, values, options.ensemble)


def _work(options: argparse.Namespace) -> int:
    datasets.data_roots()  # refuses a wrong PROJETS_DATA before anything runs
    ouvriers.work(options.etude, options.profil)
    return 0


def _export(options: argparse.Namespace) -> int:
    if options.pdf:
        pdf.browser()  # refuses before anything is written
    paths, code = rendus.expand_all(options.fichiers)
    targets = rendus.pages(paths, options.sortie)

    def write(path: Path) -> None:
        page = targets[path]
        export.export_notebook(path, page)
        print(page, flush=True)
        if options.pdf:
            printed = page.with_name(f"{page.stem}.pdf")
            pdf.write(page, printed)
            print(printed, flush=True)

    return max(code, rendus.for_each(paths, write))


# --- Checking --------------------------------------------------------------------------------------------------------


def _verify(options: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="rendus-", ignore_cleanup_errors=True) as work:
        found, problems, code = rendus.find(options.fichiers, Path(work))
        for problem in problems:
            print(f"Attention : {classe.shown(problem)}", file=sys.stderr, flush=True)
        if not found:
            return code or 2
        if options.html or options.csv or options.reexecuter:
            return max(code, _verify_class(options, found, problems, Path(work)))
        return max(code, _verify_files(found))


def _verify_files(found: Sequence[rendus.Found]) -> int:
    """Prints a line for each notebook."""
    states, runs = [], {}

    def tell(one: rendus.Found) -> None:
        try:
            notebook = read_notebook(one.path)
        except UserError as error:  # an archive's file is named as in the archive
            raise UserError(classe.shown(str(error).replace(str(one.path), one.label))) from error
        state, card = verification.judge(notebook)
        states.append(state)
        detail = ""
        if card:
            about = f"profil {card.profile or '?'}, {card.data or '?'}, {card.day or '?'}"
            detail = f" ({about}, identifiant {card.run[:12]})"
            detail += f" ; {FOLLOWED}" if verification.followed(notebook) else ""
            if card.run and card.run not in verification.handed_out().values():
                runs[one.label] = card.run
        print(classe.shown(f"{one.label} : {state}{detail}"), flush=True)

    code = rendus.for_each(found, tell)
    copies = rendus.repeated(runs)
    for run, same in copies.items():
        labels = ", ".join(map(classe.shown, same))
        print(f"Une même exécution (identifiant {classe.shown(run[:12])}) dans {len(same)} rendus : {labels}")
    return code or int(bool(copies) or any(state != IN_ORDER for state in states))


def _verify_class(
    options: argparse.Namespace, found: Sequence[rendus.Found], problems: Sequence[str], work: Path
) -> int:
    """Writes the report of a class, and prints a line for each student; `work` is where hand-ins are run again."""
    students, code = [], int(bool(problems))
    for student in classe.review(found, options.sujet):
        if options.reexecuter:
            student, limits = classe.rerun(student, work, minutes=options.minutes)
            problems = list(dict.fromkeys([*problems, *limits]))
        about = classe.summary(student)
        states = ", ".join(f"{name} {state}" for name, state, *_ in about.states)
        again = "".join(f" ; {name} {status}" for name, status in about.reruns)
        print(classe.shown(f"{student.name} : {states}{again}"), flush=True)
        students.append(student)
        code = max(code, int(not classe.is_good(student)))
    if options.html:
        print(f"Rapport : {classe.write_html(students, problems, options.html)}")
    if options.csv:
        classe.write_csv(students, options.csv)
        print(f"Tableau : {options.csv}")
    return code


def _distribute(options: argparse.Namespace) -> int:
    if options.corrige:
        if options.projets or options.groupe:
            raise UserError("--corrige ne se combine ni avec un nom de projet ni avec --groupe. Lancez deux commandes.")
        return _correct(options)
    if options.garder:
        raise UserError("--garder ne sert qu'avec --corrige, suivi des rendus à corriger.")
    output = options.sortie or PAPERS
    subject, papers = distribution.distribute(options.projets, output, group=options.groupe)
    for paper in papers:
        counts = [(paper.questions, "question"), (paper.answers, "cellule")]
        questions, answers = (f"{count} {name}{'s' * (count > 1)}" for count, name in counts)
        print(f"{paper.path} : {questions}, {answers} à remplir")
    print(f"Sujets : {output} (identifiant {subject})")
    return 0


def _correct(options: argparse.Namespace) -> int:
    paths, code = rendus.expand_all(options.corrige)
    targets = distribution.corrected_pages(paths, options.sortie or CORRECTED)

    def write(path: Path) -> None:
        original = distribution.correct(path, targets[path], keep=options.garder)
        print(f"{targets[path]} : solutions de {original.parent.name}/{original.name}", flush=True)

    return max(code, rendus.for_each(paths, write))


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


def _expect(options: argparse.Namespace) -> int:
    paths, code = rendus.expand_all(options.fichiers)
    attendus.measure(paths)
    print(f"Intervalles attendus : {attendus.FILE}")
    return code


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
