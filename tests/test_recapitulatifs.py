"""Every number of « Ce qu'il faut retenir », and of the cards, computed again after two runs of different seeds.

The runs are the chain and the hand-outs left unanswered. What is computed again comes from their models and the data,
by plain formulas: `recaps_projetN.py`, one function a notebook. Nothing is trained again.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import recaps
import recaps_projet1
import recaps_projet2
import recaps_projet3
from chain import SECOND
from recaps import Name, Word, check_sentences, verdict

MODULES = {
    "projet1_artistes": recaps_projet1,
    "projet2_cvae": recaps_projet2,
    "projet3_ssl_anomalies": recaps_projet3,
}
NOTEBOOKS = [(project, name) for project, module in MODULES.items() for name in module.RECAPS]


@pytest.fixture(scope="module")
def outputs(reports, unanswered):
    """Seed -> what its run wrote."""
    return {0: reports.output, SECOND["GRAINE"]: unanswered}


@pytest.fixture(scope="module", params=MODULES)
def computed(request, outputs, reports, tmp_path_factory):
    """A project, and what is computed again of it: name of a notebook and seed -> claims and results."""
    file = tmp_path_factory.mktemp("recaps") / "claims.pickle"
    script, module = Path(__file__).with_name("recaps_process.py"), MODULES[request.param].__name__
    command = [sys.executable, script, module, ",".join(map(str, outputs)), file]
    done = subprocess.run(command, env=os.environ | {"PROJETS_TRAVAIL": str(reports.work)}, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return request.param, pickle.loads(file.read_bytes())


@pytest.mark.carnets
def test_no_number_of_a_recap_is_contradicted_by_its_run(outputs, computed):
    project, claimed = computed
    assert set(claimed) == {(name, seed) for name in MODULES[project].RECAPS for seed in outputs}
    for (name, seed), claims in claimed.items():
        recap = recaps.read_recap(outputs[seed] / project / f"{name}.ipynb")
        assert recaps.check(recap, *claims) > 0, (name, seed)


@pytest.mark.carnets
def test_every_notebook_has_its_recap_computed_again(reports):
    paths = sorted(path.relative_to(reports.output) for path in reports.output.glob("*/*.ipynb"))
    assert [(path.parent.name, path.stem) for path in paths] == NOTEBOOKS


# --- What is compared, and how ---------------------------------------------------------------------------------------

SENTENCES = "- Le réseau fait **mieux**, 12,3\u00a0% contre 4\u202f000, en 3\u202fs (« figé »,\n  macro-F1 −0,05)."
CLAIMS = [Word("mieux"), 0.1234, 4000, 3, Name("figé"), -0.0512]


def test_sentences_that_say_what_is_claimed_pass():
    assert check_sentences(SENTENCES, CLAIMS) == 4


@pytest.mark.parametrize(
    ("place", "claim", "why"),
    [
        (0, Word("mieux", False), "the numbers deny"),
        (0, Word("moins"), "« mieux »"),
        (1, 0.1224, "« 12,3"),
        (2, 4, "« 4\u202f000 »"),
        (4, Name("réglé"), "« « figé » »"),
        (5, 0.0512, "« −0,05 »"),
    ],
)
def test_a_wrong_number_word_or_name_is_seen(place, claim, why):
    claims = [*CLAIMS[:place], claim, *CLAIMS[place + 1 :]]
    with pytest.raises(AssertionError, match=why):
        check_sentences(SENTENCES, claims)


def test_a_number_that_nothing_claims_is_seen_and_a_claim_that_nothing_says():
    with pytest.raises(pytest.fail.Exception, match="nothing claims"):
        check_sentences(SENTENCES, CLAIMS[:-1])
    with pytest.raises(AssertionError, match="no sentence holds"):
        check_sentences(SENTENCES, [*CLAIMS, 8])


def test_the_card_counts_as_the_sentences_do():
    recap = recaps.Recap("Rien.", {"exactitude": 0.5, "F1": 0.2}, "exactitude")
    assert recaps.check(recap, [], {"exactitude": 0.5, "F1": 0.2}) == 2
    for results in ({"exactitude": 0.5}, {"exactitude": 0.5, "F1": 0.3}, {"F1": 0.2, "exactitude": 0.5}):
        with pytest.raises(AssertionError):
            recaps.check(recap, [], results)


def test_a_verdict_follows_the_interval():
    assert verdict(0.1, 0.2) == Word("gain net")
    assert verdict(-0.2, -0.1) == Word("perte nette")
    assert verdict(-0.1, 0.2) == Word("hasard du tirage")
