"""A real Chromium, without a network, for the tests that look at pages."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--enable-logging=stderr",
    "--v=0",
)
TIMEOUT = 120  # seconds


def chromium() -> str | None:
    """Returns the path of a Chromium or Chrome, or None."""
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return next(filter(None, found), None)


def _run(page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True) as profile:
        return subprocess.run(
            [chromium(), *FLAGS, f"--user-data-dir={profile}", *flags, page.resolve().as_uri()],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=TIMEOUT,
            check=True,
        )


def dump(page: Path) -> tuple[str, list[str]]:
    """Opens a page without a network.

    Returns:
        The rendered document, and what went wrong: one line for each console error or blocked load, one for each
        request to the network that the page made.
    """
    with tempfile.TemporaryDirectory(prefix="netlog-") as folder:
        log = Path(folder, "net.json")
        run = _run(page, "--dump-dom", f"--log-net-log={log}", "--virtual-time-budget=3000")
        failed = [f"console: {line}" for line in re.findall(r":CONSOLE[^\]]*\] (.*)", run.stderr)]
        return run.stdout, failed + _requests(log)


def _requests(log: Path) -> list[str]:
    """Returns the addresses that a document asked for, apart from files and from Chromium's own requests."""
    record = json.loads(log.read_text(encoding="utf-8"))
    found = []
    for event in record["events"]:
        params = event.get("params", {})
        if (
            re.match(r"(https?|wss?|ftp):", params.get("url", ""))
            and params.get("initiator", "not an origin") != "not an origin"
        ):
            found.append(f"request: {params['url']}")
    return sorted(set(found))


def screenshot(page: Path, png: Path, width: int, height: int, *, dark: bool = False) -> None:
    """Writes a picture of the top of a page, `width` by `height` CSS pixels.

    A headless window is at least 500 pixels wide: the page is put in a frame, which a phone's width fits.
    """
    with tempfile.TemporaryDirectory(prefix="frame-") as folder:
        frame = Path(folder, "frame.html")
        frame.write_text(
            "<!DOCTYPE html><meta charset=utf-8><style>body{margin:0}iframe{border:0;display:block}</style>"
            f'<iframe src="{page.resolve().as_uri()}" width="{width}" height="{height}"></iframe>',
            encoding="utf-8",
        )
        scheme = ["--blink-settings=preferredColorScheme=0"] if dark else []
        _run(frame, f"--screenshot={png.resolve()}", f"--window-size={max(width, 500)},{height}", *scheme)


def print_to_pdf(page: Path, pdf: Path) -> None:
    """Prints a page as a PDF file."""
    _run(page, f"--print-to-pdf={pdf.resolve()}", "--no-pdf-header-footer")
