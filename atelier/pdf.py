"""Pages printed as PDF files by a Chromium that is already there: nothing is installed, nothing is downloaded."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from commun import UserError
from commun.datasets import atomic_file

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "msedge")
TIMEOUT = 180  # seconds for one page
_PLACES = (  # where the browser is when no command names it
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "%ProgramFiles%/Google/Chrome/Application/chrome.exe",
    "%ProgramFiles(x86)%/Google/Chrome/Application/chrome.exe",
    "%ProgramFiles%/Microsoft/Edge/Application/msedge.exe",
    "%ProgramFiles(x86)%/Microsoft/Edge/Application/msedge.exe",
)
_FLAGS = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no network: a page is whole without one
    "--no-pdf-header-footer",  # the style of the pages brings its own
    "--generate-pdf-document-outline",
    "--virtual-time-budget=5000",
)


def browser() -> str:
    """Returns the command of a browser that can print.

    Raises:
        UserError: there is none.
    """
    found = (shutil.which(name) for name in NAMES)
    places = (os.path.expandvars(place) for place in _PLACES)
    if command := next(filter(None, [*found, *filter(os.path.isfile, places)]), None):
        return command
    raise UserError(
        "Pour écrire des PDF, il faut Chromium, Google Chrome ou Microsoft Edge, et aucun n'a été trouvé. Installez "
        "l'un d'eux, ou relancez sans --pdf puis imprimez les pages HTML depuis votre navigateur."
    )


def write(page: Path, target: Path) -> None:
    """Prints a page as a PDF file.

    Args:
        page: the HTML page.
        target: the file to write; it appears complete or not at all.

    Raises:
        UserError: there is no browser, or it did not print the page.
    """
    command = browser()
    root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium refuses its sandbox to root
    with tempfile.TemporaryDirectory(prefix="pdf-", ignore_cleanup_errors=True) as folder, atomic_file(target) as new:
        made = Path(folder, "page.pdf")
        flags = [*_FLAGS, *(["--no-sandbox"] if root else []), f"--user-data-dir={Path(folder, 'profil')}"]
        try:
            subprocess.run(
                [command, *flags, f"--print-to-pdf={made}", page.resolve().as_uri()],
                capture_output=True,
                timeout=TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UserError(f"{_failed(command, page)} ({type(error).__name__})") from error
        if not made.is_file() or not made.read_bytes().startswith(b"%PDF"):
            raise UserError(_failed(command, page))
        shutil.copyfile(made, new)


def _failed(command: str, page: Path) -> str:
    return (
        f"{command} n'a pas réussi à imprimer {page}. La page HTML est bien écrite : ouvrez-la dans un navigateur et "
        "imprimez-la en PDF."
    )
