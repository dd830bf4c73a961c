"""The index of the reports: the projects by their questions, and of each notebook what it asks, shows and finds."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from atelier import gabarits, texte, vignettes
from atelier.bilan import Bilan
from atelier.vignettes import Thumbnail
from commun.datasets import atomic_file
from commun.figures import duration
from commun.notebook import read_notebook

PROJECTS = Path(__file__).with_name("projets.json")
MAX_QUESTION = 240  # characters

Status = Literal["réussi", "échec", "non exécuté"]
_CLASSES = {"réussi": "reussi", "échec": "echec", "non exécuté": "jamais"}
_MARKS = {"réussi": "✓", "échec": "✗", "non exécuté": "–"}


@dataclasses.dataclass(frozen=True)
class ReportLine:
    """A line of the index: a report, or a notebook that has none.

    Attributes:
        project: heading under which it stands, a project's folder; lines of one project follow each other.
        title: title of the notebook.
        page: address of the report, relative to the index; "" where there is none.
        status: how the run ended.
        seconds: how long it took, None if unknown.
        error_anchor: identifier of the failing cell in the page.
        error: the error, on one line.
        question: what the notebook asks.
        thumbnail: its main figure.
        bilan: what the head of its page says.
    """

    project: str
    title: str
    page: str
    status: Status
    seconds: float | None
    error_anchor: str = ""
    error: str = ""
    question: str = ""
    thumbnail: Thumbnail | None = None
    bilan: Bilan | None = None

    @property
    def mark(self) -> str:
        """Sign of the status, so that it is not told by colour alone."""
        return _MARKS[self.status]

    @property
    def kind(self) -> str:
        """Class of the status in the style sheet."""
        return _CLASSES[self.status]

    @property
    def numbered(self) -> tuple[str, str]:
        """Number and title of the notebook: ("2.4", "Ce que…") of "Projet 2.4 : ce que…"; ("", its title) of others."""
        match = re.fullmatch(r"Projet\s+(\d+\.\d+)\s*:\s*(.+)", self.title)
        return (match[1], match[2][:1].upper() + match[2][1:]) if match else ("", self.title)

    @property
    def checked(self) -> Bilan | None:
        """What the check says, where it adds something to the status."""
        return self.bilan if self.status == "réussi" else None

    @property
    def details(self) -> list[str]:
        """What the line tells after the status and the check: duration, profile, data, answers."""
        known = self.bilan
        return [
            *([duration(self.seconds)] if self.seconds is not None else []),
            *([f"profil {known.card.profile}"] if known and known.card.profile else []),
            *([known.card.data] if known and known.card.data else []),
            *([f"réponses : {known.answers}"] if known and known.answers else []),
        ]


def question_of(notebook: Path) -> str:
    """Returns the question that a notebook asks under its title: a sentence in bold, else the first question.

    Without a question, it is the first sentence; "" without a text.

    Raises:
        UserError: the notebook can't be read.
    """
    from bs4 import BeautifulSoup

    sources = (cell["source"] for cell in read_notebook(notebook)["cells"] if cell["cell_type"] == "markdown")
    cell = next((source for source in sources if texte.title(source)), "")
    if not cell:
        return ""
    soup = BeautifulSoup(texte.Writer().render(cell), features="html.parser")
    paragraphs = soup.h1.find_next_siblings("p")
    bold = (strong.get_text() for paragraph in paragraphs for strong in paragraph.find_all("strong"))
    asked = next((text for text in map(_one_line, bold) if text.endswith("?")), "")
    if not asked:
        text = _one_line(" ".join(paragraph.get_text() for paragraph in paragraphs))
        sentences = re.findall(r".+?[.?!…](?=\s|$)", text) or [text]
        asked = next((sentence.strip() for sentence in sentences if sentence.endswith("?")), sentences[0].strip())
    return asked[:1].upper() + (asked[1:] if len(asked) <= MAX_QUESTION else asked[1 : MAX_QUESTION - 1] + "…")


def thumbnail_of(notebook: Path) -> Thumbnail | None:
    """Returns the thumbnail of a notebook's main figure, None if it has none.

    Raises:
        UserError: the notebook can't be read.
    """
    return vignettes.thumbnail(read_notebook(notebook)["cells"])


def export_index(lines: Sequence[ReportLine], target: Path) -> None:
    """Writes the page that lists the reports, by project, in the order given.

    Args:
        lines: the reports.
        target: the page to write; it appears complete or not at all.

    Raises:
        UserError: the page can't be written.
    """
    groups: dict[str, list[ReportLine]] = {}
    for line in lines:
        groups.setdefault(line.project, []).append(line)
    known = json.loads(PROJECTS.read_text(encoding="utf-8"))
    sections = [(known.get(project, {"titre": project, "sujet": ""}), group) for project, group in groups.items()]
    title = "Projets d'apprentissage profond"
    page = gabarits.render(
        "rapports.html.j2",
        title=title,
        css=gabarits.css(title),
        summary=_summary(lines),
        sections=sections,
        synthetic=_synthetic(lines),
    )
    with atomic_file(target) as temporary:
        temporary.write_text(page, encoding="utf-8", newline="\n")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _synthetic(lines: Sequence[ReportLine]) -> str:
    """Returns the sentence on the data of the reports: all synthetic, some, or none ("")."""
    told = [line.bilan for line in lines if line.bilan]
    drawn = [known for known in told if known.synthetic]
    if not drawn:
        return ""
    if len(drawn) < len(told):
        return (
            "Certains de ces carnets, signalés plus bas, ont travaillé sur un échantillon dessiné par leur projet : "
            "leurs chiffres ne se comparent ni à la référence, ni à ceux des autres."
        )
    return (
        "Ces carnets ont travaillé sur des échantillons dessinés par les projets : leurs chiffres ne valent que pour "
        "eux, et ne se comparent pas à la référence, mesurée sur les données réelles."
    )


def _summary(lines: Sequence[ReportLine]) -> str:
    counts = {status: sum(line.status == status for line in lines) for status in _CLASSES}
    words = {
        "réussi": ("réussi", "réussis"),
        "échec": ("en échec", "en échec"),
        "non exécuté": ("non exécuté", "non exécutés"),
    }
    parts = [f"{count} {words[status][count > 1]}" for status, count in counts.items() if count]
    total = sum(line.seconds or 0 for line in lines)
    time = f". La somme de leurs durées est de {duration(total)}" if total else ""
    return f"{len(lines)} carnet{'s' * (len(lines) > 1)} : {', '.join(parts) or 'rien encore'}{time}."
