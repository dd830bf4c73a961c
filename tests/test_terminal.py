"""Texts of a terminal: their last state, their colours, their bounds."""

from __future__ import annotations

import html
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atelier import terminal

LINK = "\x1b]8;;https://exemple.org\x1b\\la doc\x1b]8;;\x1b\\"


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("a\nb\n", "a\nb\n"),
        ("a\r\nb\r\n", "a\nb\n"),
        ("\r  0%|     | 0/2\r 50%|##   | 1/2\r100%|#####| 2/2\n", "100%|#####| 2/2\n"),
        ("avant\n\r 0%\r 9%", "avant\n 9%"),
        ("fin sans suite\r", "fin sans suite"),
        # two bars, one under the other, as tqdm writes them: it goes down, writes, and comes up again
        ("\rA 0%\n\rB 0%\x1b[A\rA 50%\n\rB 90%\x1b[A\rA 100%\n\n", "A 100%\nB 90%\n"),
        ("1/2 [==>  ]\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\x08\r2/2 [=====]\n", "2/2 [=====]\n"),
        ("compte : 1\x082\x083\n", "compte : 3\n"),
        ("\x1b[31m12\x1b[0m\x08\x08ok", "\x1b[31m\x1b[0mok"),
        ("long texte\r\x1b[Kbref", "bref"),
        (LINK, "la doc"),
        ("\x1b]0;titre\x07texte", "texte"),
        ("\x1b]8;;https://exemple.org\nsuite", "\nsuite"),
        ("\x1b[?25l\x1b[2K\x1b[1;5Htexte\x1b(B\x1b=\x1b[>4;1m", "texte"),
        ("\x1b[1m\x1b[32mok\x1b[0m", "\x1b[1m\x1b[32mok\x1b[0m"),
        ("a\x00b\x07c\x1b", "abc"),
        ("👩‍🚀 مرحبا é\u0301", "👩‍🚀 مرحبا é\u0301"),
    ],
)
def test_a_text_is_what_a_terminal_shows_in_the_end(written, shown):
    assert terminal.clean(written) == shown


@pytest.mark.parametrize(
    ("text", "page"),
    [
        ("a < b & c", "a &lt; b &amp; c"),
        ("\x1b[31mrouge\x1b[0m puis", '<span class="ansi-red-fg">rouge</span> puis'),
        ("\x1b[1;32mok", '<span class="ansi-green-intense-fg ansi-bold">ok</span>'),
        ("\x1b[94;43mx", '<span class="ansi-blue-intense-fg ansi-yellow-bg">x</span>'),
        ("\x1b[34;43m\x1b[39mx", '<span class="ansi-yellow-bg">x</span>'),
        ("\x1b[7mx\x1b[27my", '<span class="ansi-default-inverse-fg ansi-default-inverse-bg">x</span>y'),
        ("\x1b[38;5;196mx", '<span style="color: rgb(255, 0, 0)">x</span>'),
        ("\x1b[48;2;1;2;3mx\x1b[m", '<span style="background-color: rgb(1, 2, 3)">x</span>'),
        ("\x1b[38:5:3mx", '<span class="ansi-yellow-fg">x</span>'),
        ("\x1b[38;2;999;0;0mx\x1b[999999999mx", "xx"),
        ("\x1b[4mx\x1b[24m", '<span class="ansi-underline">x</span>'),
    ],
)  # fmt: skip
def test_colours_are_spans(text, page):
    assert terminal.to_html(text) == page


def test_colours_are_those_of_nbconvert():
    from nbconvert.filters import ansi2html

    codes = [*range(30, 38), *range(90, 98), *range(40, 48), 0, 1, 33, 7, 0]
    text = "".join(f"\x1b[{code}mtexte {code} " for code in codes)
    ours, theirs = terminal.to_html(text), str(ansi2html(text))
    assert re.findall(r'class="(.*?)"', ours) == re.findall(r'class="(.*?)"', theirs)
    assert re.sub("<.*?>", "", ours) == re.sub("<.*?>", "", theirs)


@pytest.mark.parametrize("size", [1_000_000])
def test_a_coloured_log_takes_a_time_that_grows_with_its_length(size):
    line = "\x1b[32mINFO\x1b[0m \x1b[1métape\x1b[0m perte 0,1234\n"
    text = line * (size // len(line))
    start = time.process_time()
    page = terminal.to_html(terminal.clean(text))
    assert time.process_time() - start < 3  # 0.4 s here; it was 48 s
    assert page.count("<span") == 2 * text.count("\n")


def test_a_text_in_bounds_is_whole():
    text = "x\n" * terminal.MAX_LINES
    assert terminal.shorten(text) == text


@pytest.mark.parametrize("end", ["", "\n"])
def test_a_long_text_keeps_its_head_and_its_tail(end):
    lines = [f"étape {i}" for i in range(240_000)]
    shown = terminal.shorten("\n".join(lines) + end).split("\n")
    half = terminal.MAX_LINES // 2
    assert shown[:half] == lines[:half]
    assert shown[half] == "[… 238\u202f000 lignes ne sont pas montrées …]"
    assert shown[half + 1 :] == [*lines[-half:], *[""] * bool(end)]


def test_a_long_line_is_cut_in_characters():
    text = "é" * 5_000_000
    head, mention, tail = terminal.shorten(text).split("\n")
    assert mention == "[… 4\u202f800\u202f000 caractères ne sont pas montrés …]"
    assert head == tail == "é" * (terminal.MAX_CHARACTERS // 2)


@pytest.mark.parametrize("shift", range(9))
def test_no_sequence_is_cut_in_two(shift):
    text = "x" * shift + "\x1b[1;32mab" * 100_000
    page = terminal.to_html(terminal.shorten(text))
    assert "\x1b" not in page
    assert not re.search(r"[;\[]|\dm", html.unescape(re.sub("<.*?>|\\[….*?…\\]", "", page)))


@pytest.mark.parametrize("start", ["", "\r 0%\r 9%\n"])
def test_a_long_coloured_text_is_shortened_once_and_cleaned(start):
    text = start + "".join(f"\x1b[32metape\x1b[0m {i} {LINK}\x1b[?25l\n" for i in range(5000))
    lines = re.sub("<.*?>", "", terminal.to_html(terminal.show(text))).split("\n")
    assert lines[0] == (" 9%" if start else "etape 0 la doc")
    assert lines[-2] == "etape 4999 la doc"
    assert [line for line in lines if "…" in line] == [f"[… 3\u202f00{bool(start):d} lignes ne sont pas montrées …]"]
    assert len(lines) == terminal.MAX_LINES + 2


CODES = [
    *("\x1b[31m", "\x1b[0m", "\x1b[A", "\x1b[2K", "\x1b]8;;u\x1b\\", "\x1b", "\x9b1m", "\x1b[38;5m"),
    *("\r", "\x08", "\n", "\x07", "<b>", "é", " "),
]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.one_of(st.sampled_from(CODES), st.text(max_size=5)), max_size=40).map("".join))
def test_whatever_is_written_becomes_a_page(text):
    text = text.encode("utf-8", "replace").decode("utf-8")
    cleaned = terminal.clean(text)
    page = terminal.to_html(terminal.shorten(cleaned))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", page)
    assert terminal.clean(cleaned) == cleaned
    assert page.count("<span") == page.count("</span>")
    if text.isprintable():
        assert html.unescape(page) == text
