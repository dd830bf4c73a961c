"""What the commands of the projects share."""

import pytest

from commun import UserError, exit_code


def test_a_command_that_succeeds_gives_zero(capsys):
    done = []
    assert exit_code(lambda: done.append(1)) == 0
    assert done == [1]
    assert capsys.readouterr().err == ""


def test_a_mistake_of_the_user_is_one_sentence_and_the_code_two(capsys):
    def work():
        raise UserError("le dossier est vide.")

    assert exit_code(work) == 2
    assert capsys.readouterr().err == "Erreur : le dossier est vide.\n"


def test_any_other_error_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        exit_code(lambda: 1 / 0)
