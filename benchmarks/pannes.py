"""Faults: what becomes of the chain of the notebooks when the machine or the user fails it.

Each fault is put in for real, in folders of its own, on the drawn sample. It must end in the right result, that is the
figures of an undisturbed run, digit for digit, or in one French sentence and exit code 2, and nothing must be lost: the
next run ends well. Those that need an administrator (small or read-only disks) are left out, and said so, elsewhere.

    python benchmarks/pannes.py [--projets projet2_cvae …] [--morts 20] [--graine 0] [--pannes morts disque_plein …]
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil

from atelier import verification
from commun.notebook import read_notebook

ROOT = Path(__file__).resolve().parents[1]


class Chain:
    """The command that runs the notebooks, in folders of its own."""

    def __init__(self, folder: Path, projects: list[str], **environment: str) -> None:
        """Takes a folder, the projects, and what changes in the environment."""
        self.work, self.output = folder / "travail", folder / "rapports"
        self.arguments = ["rapports", *projects, "--profil", "essai", "--sortie", str(self.output)]
        self.environment = os.environ | {"PROJETS_TRAVAIL": str(self.work), "PROJETS_DATA": "echantillon"} | environment

    def start(self) -> subprocess.Popen:
        """Starts it, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "atelier", *self.arguments],
            cwd=ROOT,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self) -> tuple[int, str]:
        """Runs it to its end; returns its exit code and what it said."""
        process = self.start()
        said = process.communicate()[0]
        return process.returncode, said

    def figures(self) -> dict[str, object]:
        """Returns the results of each executed notebook, as its card gives them."""
        cards = {path: verification.card_of(read_notebook(path)) for path in sorted(self.output.glob("*/*.ipynb"))}
        return {str(path.relative_to(self.output)): (card["etat"], card["resultats"]) for path, card in cards.items()}


def right(chain: Chain, expected: dict[str, object]) -> str:
    """Returns "" if the figures are those of an undisturbed run, or what differs."""
    found = chain.figures()
    wrong = [name for name in expected if found.get(name) != expected[name]]
    pages = len(list(chain.output.rglob("*.html")))
    return f"diffère : {', '.join(wrong)}" if wrong else "" if pages == len(expected) + 1 else f"{pages} pages"


def sentence(code: int, said: str) -> str:
    """Returns the sentence in which a command ended, or what it said instead."""
    lines = [line for line in said.splitlines() if "Erreur : " in line or "échec" in line]
    return lines[0][:160] if code == 2 and lines and "Traceback" not in said else f"CODE {code} : {said[-300:]}"


def killed(folder: Path, projects: list[str], expected: dict, count: int, seed: int) -> Iterator[tuple[str, str, bool]]:
    """Kills chains at random moments, `count` times in all, each followed by a new run of the same command."""
    draw, kills, chains, redone, faults = random.Random(seed), 0, 0, 0, []
    while kills < count:
        chain, chains, done = Chain(folder / f"morts {chains}", projects), chains + 1, set()
        while True:
            process, delay = chain.start(), draw.uniform(2, 60) if kills < count else None
            said: list[str] = []
            reader = threading.Thread(target=lambda out=process.stdout, said=said: said.extend(out), daemon=True)
            reader.start()
            try:
                process.wait(delay)
            except subprocess.TimeoutExpired:
                kills += 1
                if kills % 2:
                    os.killpg(process.pid, signal.SIGKILL)  # all at once, as a power cut
                else:
                    process.kill()  # the command alone: its kernels find out by themselves
                process.wait()
            reader.join(5)
            faults += [line.strip() for line in said if "échec" in line]
            ended = {line.split()[1] for line in said if "réussi" in line and "précédente" not in line}
            redone += len(ended & done)
            done |= ended
            if process.returncode != -signal.SIGKILL:
                break
        if process.returncode or (wrong := right(chain, expected)):
            faults.append(f"code {process.returncode}" if process.returncode else wrong)
            print(f"{faults[-1]}\n{''.join(said)}\n{chain.figures()}", file=sys.stderr, flush=True)
    wrong = f"{len(faults)} écart(s) : {' ; '.join(faults)}" if faults else "mêmes chiffres"
    how = f"{kills} arrêts, {chains} chaîne(s) finie(s) ; {wrong} ; {redone} carnet(s) fini(s) refait(s)"
    yield "`kill -9` à des moments tirés au hasard, puis la même commande", how, not faults and not redone


def two_at_once(folder: Path, projects: list[str], expected: dict) -> Iterator[tuple[str, str, bool]]:
    """Starts a second chain in the same folder while the first runs."""
    first = Chain(folder / "deux", projects)
    process = first.start()
    time.sleep(15)
    told = sentence(*first.run())
    process.communicate()
    fine = "Une autre exécution écrit déjà" in told and not process.returncode and not right(first, expected)
    yield "deux chaînes à la fois, même dossier", f"la seconde : « {told} » ; la première finit bien", fine
    pair = [Chain(folder / "deux travaux", projects) for _ in range(2)]
    pair[1].output = folder / "deux travaux" / "autres rapports"
    pair[1].arguments[-1] = str(pair[1].output)
    processes = [chain.start() for chain in pair]
    codes = [process.wait() for process in processes if process.communicate() is not None]
    fine = not any(codes) and not any(right(chain, expected) for chain in pair)
    yield "deux chaînes à la fois, même `travail/`, rapports séparés", f"codes {codes}, mêmes chiffres", fine


def mounted(folder: Path, options: str) -> bool:
    """Mounts a disk in memory on a folder; returns False where this needs an administrator."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    return not subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode


def disks(folder: Path, projects: list[str], expected: dict) -> Iterator[tuple[str, str, bool]]:
    """Gives the chain a working folder on a disk that is full, or can only be read, then a sound one."""
    for title, options in (("disque plein (5 Mo) pour `travail/`", "size=5m"), ("`travail/` en lecture seule", "ro")):
        chain = Chain(folder / options, projects)
        if not mounted(chain.work, options):
            yield title, "non essayé : il faut être administrateur", True
            continue
        try:
            told = sentence(*chain.run())
        finally:
            subprocess.run(["umount", "-l", str(chain.work)], check=True)
        code, _ = chain.run()
        wrong = right(chain, expected)
        fine = not told.startswith("CODE") and not code and not wrong
        yield title, f"« {told} » ; puis, réparé, {wrong or 'mêmes chiffres'}", fine


def clock(folder: Path, projects: list[str], expected: dict) -> Iterator[tuple[str, str, bool]]:
    """Runs the chain on files of tomorrow, as when the clock was moved back."""
    chain = Chain(folder / "horloge", projects)
    chain.run()
    tomorrow = time.time() + 86_400
    for path in [*chain.work.rglob("*"), *chain.output.rglob("*")]:
        os.utime(path, (tomorrow, tomorrow))
    code, _ = chain.run()
    wrong = right(chain, expected)
    yield "horloge reculée d'un jour entre deux exécutions", wrong or "mêmes chiffres", not code and not wrong


def homeless(folder: Path, projects: list[str], expected: dict) -> Iterator[tuple[str, str, bool]]:
    """Runs the chain for a user without a home folder."""
    nowhere = {"HOME": "/nulle/part", "XDG_CACHE_HOME": "", "MPLCONFIGDIR": "", "JUPYTER_RUNTIME_DIR": ""}
    chain = Chain(folder / "sans maison", projects, **nowhere)
    code, said = chain.run()
    wrong = right(chain, expected) if not code else sentence(code, said)
    yield "aucun dossier personnel (`HOME` n'existe pas)", wrong or "mêmes chiffres", not wrong


def network(folder: Path, projects: list[str], expected: dict) -> Iterator[tuple[str, str, bool]]:
    """Downloads through a proxy that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        proxy = f"http://127.0.0.1:{server.getsockname()[1]}"
        environment = os.environ | {"HTTPS_PROXY": proxy, "https_proxy": proxy, "PROJETS_DATA": str(folder)}
        command = [sys.executable, "-m", "atelier", "donnees", "telecharger", "fashion_mnist"]
        start = time.monotonic()
        ended = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900, check=False
        )
        seconds = time.monotonic() - start
    said = ended.stdout + ended.stderr
    fine = ended.returncode == 2 and "Traceback" not in said
    yield (
        "réseau muet pendant `donnees telecharger`",
        f"« {sentence(ended.returncode, said)} » en {seconds:.0f} s",
        fine,
    )


def memory(folder: Path, projects: list[str], expected: dict) -> Iterator[tuple[str, str, bool]]:
    """Measures the memory of the chain and of all its processes, pages that they share counted once."""
    chain, peak = Chain(folder / "mémoire", projects), 0.0
    chain.arguments += ["--ensemble", "1"]
    process = chain.start()
    drain = threading.Thread(target=process.stdout.read, daemon=True)
    drain.start()
    family = psutil.Process(process.pid)
    while process.poll() is None:
        used = 0
        for member in [family, *family.children(recursive=True)]:
            try:
                used += member.memory_full_info().pss
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        peak = max(peak, used / 2**30)
        time.sleep(0.5)
    wrong = right(chain, expected)
    yield "mémoire, un projet à la fois", f"{peak:.1f} Go au plus", peak < 4 and not process.returncode and not wrong


FAULTS: dict[str, Callable] = {
    "morts": killed,
    "ensemble": two_at_once,
    "disques": disks,
    "horloge": clock,
    "maison": homeless,
    "reseau": network,
    "memoire": memory,
}


def main() -> None:
    """Puts the faults in, and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--projets", nargs="*", default=[], help="projets de la chaîne (tous par défaut)")
    parser.add_argument("--morts", type=int, default=20, help="arrêts par kill -9")
    parser.add_argument("--graine", type=int, default=0, help="tire les moments des arrêts")
    parser.add_argument("--pannes", nargs="*", choices=FAULTS, default=list(FAULTS), help="pannes essayées")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        calm, start = Chain(folder / "calme", options.projets), time.monotonic()
        code, said = calm.run()
        if code:
            sys.exit(said)
        expected = calm.figures()
        print(f"exécution calme : {len(expected)} carnets, {time.monotonic() - start:.0f} s\n", flush=True)
        print("| panne | ce qui arrive | |\n|---|---|---|", flush=True)
        bad = 0
        for fault in options.pannes:
            more = {"count": options.morts, "seed": options.graine} if fault == "morts" else {}
            for title, how, fine in FAULTS[fault](folder, options.projets, expected, **more):
                bad += not fine
                print(f"| {title} | {how} | {'bien' if fine else '**mal**'} |", flush=True)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
