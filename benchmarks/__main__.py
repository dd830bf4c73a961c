"""All the scripts of this folder, one after another: `python -m benchmarks`, or `make bench`.

Writes what they say, with the machine and the date, to `travail/vitesse.md`. Let nothing else run meanwhile. Two rivals
need what the project does not: name in $PYTHON_RIVAUX the Python of an environment that has PyTorch, pythae and
anomalib. Shared studies need an empty PostgreSQL database, in $PROJETS_ETUDES. Faults (`pannes.py`) are left out: they
are no speed, and take a quarter of an hour.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from commun import results
from commun.datasets import atomic_file, working_folder

FOLDER = Path(__file__).parent
RIVALS, DATABASE = "PYTHON_RIVAUX", "PROJETS_ETUDES"
SCRIPTS = (  # what is measured, the command, the variable without which it is left out
    ("Entraînement du CVAE dense, contre le tutoriel Keras", "entrainement.py --images 40000 --tours 5", ""),
    ("Entraînement du CVAE convolutif, contre le même", "entrainement.py --images 10000 --forme conv --tours 3", ""),
    ("VAE, contre celui de pythae", f"cvae_pythae.py --python ${RIVALS}", RIVALS),
    ("Entraînement du projet 1, contre le tutoriel Keras", "peintures.py --tours 3", ""),
    ("Entraînements de référence, à côté de ce que reference/ a noté", "references.py", ""),
    ("Préparation du projet 1, seconde fois contre première", "preparation.py", ""),
    ("Lecture des œuvres, contre image_dataset_from_directory", "lecture.py", ""),
    ("La même, œuvres agrandies à 1 024 pixels", "lecture.py --cote 1024", ""),
    ("Notation du projet 3, contre un masque à la fois", "notation.py --images 24 --tours 2", ""),
    ("Ce qui est normal, contre anomalib", f"detection_anomalib.py --python ${RIVALS}", RIVALS),
    ("Export, contre nbconvert", "export_nbconvert.py", ""),
    ("Export d'un journal coloré", "export_journal.py", ""),
    ("Vérification de 10 à 80 rendus", "verification.py --tours 1", ""),
    ("Croissance de 1 à 8 fois", "croissance.py", ""),
    ("Deux ouvriers contre un", "ouvriers.py --images 150000 --essais 6", DATABASE),
)


def main() -> int:
    """Runs the scripts, writes the table; returns 1 if one failed."""
    lines = ["# Vitesse", "", f"{results.hardware()}, {time.strftime('%d/%m/%Y')}.", ""]
    failed = False
    for title, command, needed in SCRIPTS:
        lines += [f"## {title}", "", f"`python benchmarks/{command}`", ""]
        print(f"{title}…", flush=True)
        if needed and not os.environ.get(needed):
            lines += [f"Non mesuré : {needed} n'est pas donnée.", ""]
            continue
        script, *arguments = [os.environ.get(RIVALS, "") if w == f"${RIVALS}" else w for w in command.split()]
        start = time.monotonic()
        ended = subprocess.run(
            [sys.executable, str(FOLDER / script), *arguments], capture_output=True, text=True, check=False
        )
        failed |= bool(ended.returncode)
        said = ended.stdout if not ended.returncode else f"Échec :\n{(ended.stdout + ended.stderr)[-2000:]}"
        table = said.lstrip().startswith("|")
        lines += [
            said.strip() if table else f"```\n{said.strip()}\n```",
            "",
            f"En {time.monotonic() - start:.0f} s.",
            "",
        ]
    target = working_folder() / "vitesse.md"
    with atomic_file(target) as temporary:
        temporary.write_text("\n".join(lines), encoding="utf-8")
    print(f"Mesures : {target}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
