"""Names of artists, however they are written: damaged letters, accents, case and punctuation."""

from __future__ import annotations

import re
import unicodedata


def key(name: str) -> str:
    """Returns what identifies an artist, however the name is written: words without accents, small letters.

    "Albrecht Dürer", "Albrecht_Durer" and "Albrecht_DuΓòá├¬rer" (UTF-8 read as cp437, twice) have the same key.
    """
    plain = name
    if not name.isascii():
        plain = unicodedata.normalize("NFD", repair(name))
        plain = "".join(c for c in plain if not unicodedata.combining(c))
    return " ".join(re.split(r"[\W_]+", plain.casefold())).strip()


def repair(name: str) -> str:
    """Undoes UTF-8 read as cp437, as often as it happened, and composes accents (NFC)."""
    for _ in range(4):
        try:
            better = name.encode("cp437").decode("utf-8")
        except UnicodeError:
            break
        if better == name:
            break
        name = better
    return unicodedata.normalize("NFC", name)
