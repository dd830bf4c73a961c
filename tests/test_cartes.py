"""The run's card of a hand-in: whatever it holds is read, in bounds; an honest one loses nothing."""

from __future__ import annotations

import functools
import json
import math
import unicodedata
from datetime import date

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atelier import cartes, notebooks, reexecution, verification
from commun import exercices
from commun.notebook import read_notebook

TEXTS = {
    "notebook": "carnet", "name": "nom", "group": "groupe", "subject": "sujet", "profile": "profil", "data": "donnees",
    "warning": "avertissement", "run": "execution",
}  # fmt: skip
TABLES = {"told": "resultats", "references": "references", "marks": "reponses", "models": "modeles",
          "versions": "versions"}  # fmt: skip
OTHERS = {"parametres", "principal", "donnees_reelles", "date", "duree_s", "cellules", "sorties"}
UNREAD = {"etat", "suite", "systeme", "empreinte"}  # or by the check alone
FIELDS = {*TEXTS.values(), *TABLES.values(), *OTHERS}
PATHS = [path for project in notebooks.projects() for path in notebooks.notebooks(project)]

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text()
    | st.sampled_from([10**400, -(10**400), 2.0**64, "juste", "2026-11-01", "a\u202e\x1b[31m\n\x00b", "x" * 5000])
)  # fmt: skip
NAMES = st.text(max_size=5) | st.sampled_from(["1", "entraîné", "\u202e", "n" * 500])
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=8,
)
RAW = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, VALUES | st.dictionaries(NAMES, SCALARS, max_size=4)))
UNDEFINED = {"resultats": {"a": math.nan, "b": -math.inf}}
DEEP = functools.reduce(lambda inner, _: [inner], range(5000), [])


def is_line(text, limit: int) -> bool:
    """Says whether a text is clean, on one line and in bounds."""
    clean = isinstance(text, str) and not any(unicodedata.category(c)[0] == "C" for c in text)
    return clean and text == " ".join(text.split()) and len(text) <= limit


def check_types(raw):
    card = cartes.read(raw)
    bounds = dict.fromkeys(TEXTS, cartes.MAX_TEXT) | {"warning": cartes.MAX_WARNING, "parameters": cartes.MAX_TEXT}
    assert all(is_line(getattr(card, name), limit) for name, limit in bounds.items())
    for table in (*(getattr(card, name) for name in TABLES), card.results):
        assert len(table) <= cartes.MAX_ENTRIES and all(name and is_line(name, cartes.MAX_NAME) for name in table)
    told = card.told.values()
    assert all(type(value) is float or is_line(value, cartes.MAX_TEXT) for value in told)
    finite = [*card.results.values(), *card.references.values()]
    assert all(type(value) is float and math.isfinite(value) for value in finite)
    assert set(card.marks.values()) <= set(exercices.STATES) and all(number.isdigit() for number in card.marks)
    assert set(card.models) <= set(cartes.MODELS)
    assert all(type(count) is int and 0 <= count < cartes.MAX_MODELS for count in card.models.values())
    assert all(version and is_line(version, cartes.MAX_NAME) for version in card.versions.values())
    assert card.real is None or type(card.real) is bool
    assert card.day is None or type(card.day) is date
    assert card.seconds is None or (type(card.seconds) is float and 0 <= card.seconds <= cartes.MAX_DAYS * 86400)
    assert type(card.cells) is int and card.tells_outputs == ("sorties" in raw)
    assert is_line(card.author, 2 * cartes.MAX_TEXT + 10)


@given(raw=RAW)
@example(raw={"resultats": dict(zip("abcd", [math.nan, math.inf, 10**400, "x\n" * 999], strict=True))})
@example(raw={"modeles": {"entraîné": True}})
def test_any_card_is_read_with_the_types_promised(raw):
    check_types(raw)


@pytest.mark.parametrize("value", [DEEP, {"1": DEEP, "entraîné": DEEP}, {str(i): 1 for i in range(1000)}])
def test_a_card_too_deep_or_too_long_is_read(value):
    check_types(dict.fromkeys(FIELDS, value))


@given(before=RAW, after=RAW)
@example(before=UNDEFINED, after={})
def test_any_two_cards_are_compared_and_one_is_like_itself(before, after):
    cards = [cartes.read(before), cartes.read(after)]
    _, sentences = reexecution.differences(*cards)
    assert all(len(sentence) < 1000 for sentence in sentences)
    comparable, sentences = reexecution.differences(cards[0], cards[0])
    assert len(sentences) == (not comparable)


# --- Honest cards ----------------------------------------------------------------------------------------------------

WORD = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12)
LINE = st.lists(WORD, max_size=4).map(" ".join)
NAME = st.lists(WORD, min_size=1, max_size=4).map(" ".join)
NUMBERS = st.dictionaries(NAME, st.floats(), max_size=6)
HONEST = st.fixed_dictionaries(
    {name: LINE for name in TEXTS.values()}
    | {
        "resultats": NUMBERS,
        "references": st.dictionaries(NAME, st.floats(allow_nan=False, allow_infinity=False), max_size=6),
        "reponses": st.dictionaries(st.integers(1, 40).map(str), st.sampled_from(exercices.STATES)),
        "modeles": st.dictionaries(st.sampled_from(cartes.MODELS), st.integers(1, 1000)),
        "versions": st.dictionaries(NAME, NAME, max_size=8),
        "parametres": st.lists(NAME, max_size=3).map("\n".join),
        "donnees_reelles": st.booleans(),
        "date": st.dates().map(date.isoformat),
        "duree_s": st.integers(0, 86400),
        "cellules": st.lists(WORD, max_size=5),
        "sorties": st.lists(WORD, max_size=5),
    }
)


def check_nothing_is_lost(raw):
    card = cartes.read(raw)
    assert {name: getattr(card, name) for name in TEXTS} == {name: raw[field] for name, field in TEXTS.items()}
    for name, field in TABLES.items():  # as texts: an undefined result is unlike itself
        assert sorted(map(repr, getattr(card, name).items())) == sorted(map(repr, raw[field].items()))
    assert list(card.told)[:1] == ([raw["principal"]] if raw["resultats"] else [])
    assert list(card.results) == [name for name, value in card.told.items() if math.isfinite(value)]
    assert card.parameters == raw["parametres"].replace("\n", " ; ")
    assert (card.real, card.day.isoformat()) == (raw["donnees_reelles"], raw["date"])
    assert (card.seconds, card.cells, card.tells_outputs) == (raw["duree_s"], len(raw["cellules"]), True)


@given(raw=HONEST)
def test_an_honest_card_loses_nothing(raw):
    raw["principal"] = next(iter(raw["resultats"]), "")
    check_nothing_is_lost(json.loads(json.dumps(raw, sort_keys=True)))


@pytest.mark.parametrize("path", PATHS, ids=[f"{path.parent.name}/{path.stem}" for path in PATHS])
def test_the_card_of_a_committed_notebook_loses_nothing(path):
    raw = verification.card_of(read_notebook(path))
    assert set(raw) == FIELDS | UNREAD
    check_nothing_is_lost(raw)
