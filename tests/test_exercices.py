"""What a check says of a student's answer, and what the card keeps of it."""

import pytest

from commun import exercices, figures
from commun.exercices import RIGHT, UNANSWERED, WRONG


@pytest.fixture
def shown(monkeypatch):
    texts = []
    monkeypatch.setattr(exercices, "_marks", {})
    monkeypatch.setattr(figures, "afficher", lambda bundle, **options: texts.append(bundle))
    return texts


def check(answer, expected=4):
    return exercices.right("oui") if answer == expected else exercices.wrong("a < b & c")


@pytest.mark.parametrize(
    ("answer", "state"),
    [(4, RIGHT), (5, WRONG), (0, WRONG), (..., UNANSWERED), (None, UNANSWERED), (" Votre réponse ici ", UNANSWERED)],
)
def test_an_answer_is_right_wrong_or_missing(shown, answer, state):
    exercices.verifier(2, check, answer)
    assert exercices.marks() == {"2": state}
    assert state in shown[0]["text/plain"] and "Question 2" in shown[0]["text/html"]


def test_the_reason_is_shown_as_text_and_the_context_reaches_the_check(shown):
    exercices.verifier(1, check, 4, 5)
    assert "a &lt; b &amp; c" in shown[0]["text/html"] and "a < b & c" in shown[0]["text/plain"]
    exercices.verifier(1, check, 5, 5)
    assert exercices.marks() == {"1": RIGHT}  # the last word counts


def test_a_check_that_the_answer_breaks_says_so_and_goes_on(shown):
    exercices.verifier(3, lambda answer: exercices.right(answer + 1), "texte")
    assert exercices.marks() == {"3": WRONG}
    assert "TypeError" in shown[0]["text/plain"]


def left(x: int) -> int:
    """Doubles."""
    ...


def written(x: int) -> int:
    return 2 * x


class LeftClass:
    """To be written."""

    name = "x"

    def loss(self):
        """Says."""
        ...


class WrittenClass(LeftClass):
    def loss(self):
        return 1


def test_functions_and_classes_left_to_be_written_are_no_answer():
    assert [exercices.repondu(item) for item in (left, written, LeftClass, WrittenClass)] == [False, True, False, True]
    assert [exercices.repondu(item) for item in ((1, 2), (1, ...), [], 0, False)] == [True, False, True, True, True]
