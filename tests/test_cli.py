"""What the commands that make `reference/` share."""

import pytest

from commun import UserError, cli
from commun.datasets import ROOT, Location

OPTIONS = {"--images": (400, "images vues par un modèle"), "--plis": (3, "plis")}


def test_options_have_their_defaults_and_a_french_help(capsys):
    parser = cli.parser("projet9_essai", OPTIONS)
    options = parser.parse_args(["--plis", "5"])
    assert (options.images, options.plis, options.sans_test) == (400, 5, False)
    assert parser.parse_args(["--sans-test"]).sans_test
    with pytest.raises(SystemExit):
        parser.parse_args(["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert text.startswith("utilisation : python -m projet9_essai")
    assert "images vues par un modèle (400 par défaut)" in text


def test_a_wrong_option_is_told_in_french(capsys):
    with pytest.raises(SystemExit):
        cli.parser("projet9_essai", OPTIONS).parse_args(["--images", "beaucoup"])
    assert "Erreur : --images : 'beaucoup' n'est pas de type int" in capsys.readouterr().err


def test_synthetic_data_makes_no_reference():
    real, drawn = Location(ROOT, True, "Réel"), Location(ROOT, False, "Dessiné")
    cli.require_real([real], advice="téléchargez-les")
    with pytest.raises(UserError, match=r"Dessiné n'en a pas ici .* PROJETS_DATA, ou téléchargez-les\."):
        cli.require_real([real, drawn, drawn], advice="téléchargez-les")
