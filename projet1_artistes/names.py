"""Names of artists, however they are written: damaged letters, accents, case and punctuation."""

from __future__ import annotations

import re
import unicodedata
import urllib.parse
from collections.abc import Container, Iterator

PAGES = ("cp437", "cp850", "cp866", "cp1252", "mac_roman", "latin-1")  # what archives' names are read with
_ESCAPES = re.compile(r"%(?:[0-9A-Fa-f]{2})|[#\\]U([0-9A-Fa-f]{4})", re.IGNORECASE)


def key(name: str, known: Container[str] = ()) -> str:
    """Returns what identifies an artist, however the name is written: words without accents, small letters.

    "Albrecht Dürer", "Albrecht_Durer" and "Albrecht_DuΓòá├¬rer" (UTF-8 read as cp437, twice) have the same key.

    Args:
        name: that of an artist, or of a file: the artist's, then a number.
        known: keys of artists, of which it may be one; see `repair`.
    """
    return _words(repair(name, known))


def repair(name: str, known: Container[str] = ()) -> str:
    """Undoes the reading of a name with wrong code pages, as often as it happened, and composes accents (NFC).

    UTF-8 read with any of `PAGES` is undone as long as that gives UTF-8, escapes (`%C3%BC`, `#U00fc`) included. The
    first form whose key is among `known`, with or without a number behind it, is the name; failing that, names that
    were not UTF-8 are tried too (one page read as another), and at last the most repaired form is taken.
    """
    level, seen = [name], [name]
    while level and len(seen) < 200:
        for form in level:
            if _is_known(form, known):
                return unicodedata.normalize("NFC", form)
        level = [form for form in dict.fromkeys(f for damaged in level for f in _undone(damaged)) if form not in seen]
        seen += level
    for form in seen if known else ():
        for other in _reread(form):
            if _is_known(other, known):
                return unicodedata.normalize("NFC", other)
    return unicodedata.normalize("NFC", min(seen, key=_oddness))


def _undone(name: str) -> Iterator[str]:
    """Returns what a name was before one damage."""
    if (composed := unicodedata.normalize("NFC", name)) != name:
        yield composed
    if _ESCAPES.search(name):
        yield _ESCAPES.sub(lambda m: chr(int(m[1], 16)) if m[1] else urllib.parse.unquote(m[0], "latin-1"), name)
    for page in PAGES:
        try:
            better = _bytes(name, page).decode("utf-8")
        except UnicodeError:
            continue
        if better != name:
            yield better


def _reread(name: str) -> Iterator[str]:
    """Returns a name that was encoded with one page and read with another."""
    for written in PAGES:
        for read in PAGES:
            try:
                yield _bytes(name, read).decode(written)
            except UnicodeError:
                continue


def _bytes(name: str, page: str) -> bytes:
    """Encodes a name; cp1252 leaves five bytes without a letter, which Windows reads as control characters."""
    if page != "cp1252":
        return name.encode(page)
    return b"".join(c.encode("latin-1" if "\x80" <= c <= "\x9f" else page) for c in name)


def _is_known(name: str, known: Container[str]) -> bool:
    words = _words(name) if known else ""
    return words in known or re.sub(r" \d+$", "", words) in known


def _words(name: str) -> str:
    plain = "".join(c for c in unicodedata.normalize("NFD", name) if not unicodedata.combining(c))
    return " ".join(re.split(r"[\W_]+", plain.casefold())).strip()


def _oddness(name: str) -> tuple[int, int, int]:
    """Ranks the forms of a name: fewest signs and alphabets first, then usual letters, then the shortest."""
    composed = unicodedata.normalize("NFC", name)
    letters = [c for c in composed if unicodedata.category(c)[0] == "L"]
    alphabets = {unicodedata.name(c, c).split()[0] for c in letters}
    signs = sum(not c.isascii() for c in composed) - sum(not c.isascii() for c in letters)
    return signs + max(0, len(alphabets) - 1), sum(c > "ſ" for c in letters), len(name)
