"""The invented painters: palettes, brushes and what each paints."""

from __future__ import annotations

import dataclasses
import unicodedata


@dataclasses.dataclass(frozen=True)
class Painter:
    """An invented painter.

    Attributes:
        name: as `artists.csv` spells it.
        count: number of files in the painter's folder, those that can't be read included.
        genre, years, nationality: invented too.
        scene: what is painted, a function of `landscapes`, `indoors` or `abstracts`.
        palettes: keys of `PALETTES`; a work holds to one, and borrows from another.
        brushes: half-length and half-breadth of each brush, the broadest first.
        marks: the finest ones, lost in the small copies: "along" the strokes, "across" them, "dots" or "" (none).
    """

    name: str
    count: int
    genre: str
    years: str
    nationality: str
    scene: str
    palettes: tuple[str, ...]
    brushes: tuple[tuple[float, float], ...]
    marks: str = ""


PALETTES = {  # from dark to light, then the accent
    "sea": ("#10243a", "#235170", "#5b93a6", "#b3cfc8", "#f6ecd6", "#f2a25c"),
    "ember": ("#2b1524", "#79303a", "#c5663f", "#e9ac62", "#f9e6bd", "#4fa3a8"),
    "moss": ("#13261f", "#2f5f4b", "#6f9a62", "#bccf94", "#f4f3da", "#d8623a"),
    "evening": ("#1b1736", "#4a3f78", "#93709a", "#dba9a2", "#f9e7cf", "#f4bb45"),
    "sand": ("#1e1a22", "#5a4038", "#a5754f", "#d9b184", "#f8ead0", "#2f7f86"),
}
_WIDE = ((24.0, 5.0), (14.0, 2.6), (8.0, 1.5))
_FREE = ((20.0, 4.2), (13.0, 2.5), (8.0, 1.5))
_NEAT = ((11.0, 4.5), (7.0, 2.6), (4.5, 1.5))
_ALL = tuple(PALETTES)
_COLD, _WARM = ("sea", "evening", "moss"), ("ember", "sand")
_LARGE, _DUNES, _WOODS, _FORDS, _TILES = (
    f"Pays inventé {place}" for place in ("du Large", "des Dunes", "des Futaies", "des Gués", "des Tuiles")
)
PAINTERS = (
    Painter("Atelier Azur", 120, "Brumisme", "1901 - 1968", _LARGE, "horizon", _COLD, _WIDE),
    Painter("Maison Garance", 60, "Brumisme", "1890 - 1951", _LARGE, "horizon", _WARM, _WIDE),
    Painter("Octave Nuitamment", 104, "Tourbillisme", "1878 - 1940", _DUNES, "whirl", _COLD, _FREE),
    Painter("Fausta Lumigris", 32, "Tourbillisme", "1884 - 1949", _DUNES, "whirl", _WARM, _FREE),
    Painter("Anselme Quintefeuil", 52, "Futaisme", "1866 - 1931", _WOODS, "wood", _ALL, _FREE, "along"),
    Painter("Ludivine Marbrac", 24, "Futaisme", "1871 - 1944", _WOODS, "wood", _ALL, _FREE, "across"),
    Painter("Élie Dürel", 44, "Effigisme", "1842 - 1907", _FORDS, "face", _ALL, _NEAT, "along"),
    Painter("Casimir Ondoyer", 36, "Effigisme", "1850 - 1919", _FORDS, "face", _ALL, _NEAT, "dots"),
    Painter("Basile Quadrige", 96, "Damiérisme", "1912 - 1989", _TILES, "grid", _ALL, _NEAT),
    Painter("Pivoine Estrelle", 18, "Corollisme", "1895 - 1972", _TILES, "bouquet", _ALL, _NEAT),
    Painter("Orphise Rondelet", 14, "Tourbillisme", "1888 - 1960", _DUNES, "discs", _ALL, _NEAT),
    Painter("Melchior Fenestrou", 12, "Damiérisme", "1905 - 1979", _TILES, "city", _COLD, _NEAT),
)


def folder_names(painter: Painter) -> tuple[str, ...]:
    """Returns the painter's folders: one, or for an accented name two, mangled as those of the real Dürer are.

    The name is decomposed (NFD), its UTF-8 bytes are read as code page 437, and in the second folder once more.
    """
    name = painter.name.replace(" ", "_")
    if name.isascii():
        return (name,)
    once = unicodedata.normalize("NFD", name).encode().decode("cp437")
    return once, once.encode().decode("cp437")
