"""Formulas: right as MathML Core, which browsers draw without help, or shown as their source."""

from __future__ import annotations

import re
import unicodedata

import pytest
from bs4 import BeautifulSoup

from atelier import formules
from atelier.export import FormulaError, mathml
from atelier.texte import Writer

CORE = {
    "math", "merror", "mfrac", "mi", "mmultiscripts", "mn", "mo", "mover", "mpadded", "mphantom", "mprescripts",
    "mroot", "mrow", "ms", "mspace", "msqrt", "mstyle", "msub", "msubsup", "msup", "mtable", "mtd", "mtext", "mtr",
    "munder", "munderover", "none", "semantics", "annotation",
}  # fmt: skip
# LaTeX -> what a reader reads, spaces left out.
USUAL = {
    r"\theta^* = \operatorname*{arg\,min}_\theta J(\theta)": "θ∗=argminθJ(θ)",
    r"\operatorname{ReLU}(x)": "ReLU(x)",
    r"\mathcal L": "ℒ",
    r"{\cal L}": "ℒ",
    r"\mathscr{L}": "ℒ",
    r"\mathcal{N}(\mu, \sigma^2)": "𝒩(μ,σ2)",
    r"\mathbb R^d": "ℝd",
    r"\mathbb{1}_{y = c}": "𝟙y=c",
    r"\mathds{1}": "𝟙",
    r"\mathbbm{1}": "𝟙",
    r"\mathfrak{g}": "𝔤",
    r"\mathbf{x}^\top \boldsymbol\mu": "𝐱⊤𝝁",
    r"\bigl\{ x \bigr\}": "{x}",
    r"\Bigl\lVert x \Bigr\rVert_2": "‖x‖2",
    r"\text{a < b}": "a<b",
    r"\textbf{gras}": "gras",
    r"perte_{été} + \text{coût}": "perteété+coût",
    r"5{,}2\,\%": "5,2%",
    r"\llbracket 1, n \rrbracket": "⟦1,n⟧",
    r"\DeclareMathOperator{\KL}{KL} \KL(q)": "KL(q)",
    r"\newcommand{\E}[1]{\mathbb{E}[#1]} \E{x}": "𝔼[x]",
    r"p(x \mid z) \neq p(x|z)": unicodedata.normalize("NFC", "p(x|z)≠p(x|z)"),
    r"x \notin A \setminus B": "x∉A∖B",
}


def read(element: str) -> str:
    """Returns the characters of a formula, without spaces nor invisible operators."""
    text = unicodedata.normalize("NFC", BeautifulSoup(element, "html.parser").get_text())
    return "".join(c for c in text if not c.isspace() and unicodedata.category(c) != "Cf")


@pytest.mark.parametrize(("latex", "text"), USUAL.items(), ids=list(USUAL))
def test_usual_formulas_read_as_they_should(latex, text):
    element = mathml(latex)
    assert read(element) == text
    assert {tag.name for tag in BeautifulSoup(element, "html.parser").find_all(True)} <= CORE
    assert not re.search(r'mathvariant="(?!normal)', element)  # browsers no longer read it


@pytest.mark.parametrize(
    "latex",
    [
        r"\begin{align} z &= \mu + \sigma \odot \varepsilon \\ \hat{y} &= \arg\max_{c} p(c \mid x) \end{align}",
        r"\begin{cases} 0 & \text{si } x < 0 \\ x & \text{sinon} \end{cases}",
        r"\underbrace{\mathbb{E}_{q}\left[\log p_\theta(x)\right]}_{\text{terme}} - \beta D_{\mathrm{KL}}(q \,\|\, p)",
        r"\bigl\lVert \boldsymbol\mu \bigr\rVert_2^2 \sim \operatorname{softmax}(-x)",
        r"x' = 5{,}2\,\% \label{eq:un}",
        r"\left. \frac{\mathrm{d}f}{\mathrm{d}x} \right|_{x=0} = \begin{pmatrix} a & b \\ c & d \end{pmatrix}",
        r"\sum_{\substack{i < j \\ j < n}} \overline{x_{ij}} \xrightarrow[n \to \infty]{\text{p.s.}} \sqrt[3]{x}",
    ],
)
def test_usual_formulas_convert(latex):
    converted = mathml(latex, block=True)
    tree = BeautifulSoup(converted, "html.parser")
    assert tree.math["display"] == "block"
    assert {tag.name for tag in tree.find_all(True)} - CORE <= {"span"}  # the place of a number
    assert "\\" not in tree.get_text() and "&" not in tree.get_text()


@pytest.mark.parametrize("latex", [r"\cancel{x}", r"\bcancel{x}", r"\xcancel{x}", r"\sout{x}", r"\overline{x}"])
def test_lines_across_and_over_are_drawn_by_the_style_sheet(latex):
    element = BeautifulSoup(mathml(latex), "html.parser").math
    assert "menclose" not in mathml(latex)
    css = (formules.TEMML.parent / "formules.css").read_text(encoding="utf-8")
    assert all(f".{name}" in css for name in element.mrow["class"])


def test_a_box_is_drawn():
    assert "border:" in mathml(r"\boxed{E = mc^2}")


@pytest.mark.parametrize(
    "latex",
    ["", r"\frac{1", r"\inconnue{a}", r"\left( x", "a}{b", r"\frac{1}", "a & b", r"\ref{eq}", r"\ce{H2O}", "95 %",
     r"\href{https://a.b}{x}", r"\includegraphics{x.png}", r"\cancelto{0}{x}", r"\def\a{\a\a}\a"],
)  # fmt: skip
def test_a_formula_that_would_be_wrong_is_refused(latex):
    with pytest.raises(FormulaError):
        mathml(latex)


def test_a_refused_formula_shows_its_source():
    page = BeautifulSoup(Writer().render(r"Soit $\inconnue{x}$ et $$\autre{y < z}$$"), "html.parser")
    assert [code.get_text() for code in page.select("code")] == [r"$\inconnue{x}$", r"$$\autre{y < z}$$"]
    assert page.select_one(".formule.source")


def test_a_conversion_that_does_not_end_is_stopped(monkeypatch):
    monkeypatch.setattr(formules, "MAX_TIME", 0.2)
    monkeypatch.setattr(formules, "_engines", formules.threading.local())
    with pytest.raises(FormulaError):
        mathml(r"\def\a#1{\b{#1#1}}\def\b#1{\a{#1}} \a{xxxxxxxxxx}")


def test_what_a_formula_defines_serves_the_next_cells():
    writer = Writer()
    defined = BeautifulSoup(writer.render(r"$\newcommand{\KL}{\mathrm{KL}}$"), "html.parser")
    assert defined.code.has_attr("hidden")
    assert read(writer.render(r"$\KL(q)$")) == "KL(q)"
    assert read(Writer().render(r"$\KL(q)$")) == r"$\KL(q)$"


def test_equations_have_no_number_as_in_jupyterlab():
    rendered = Writer().render(
        "\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}\n\n\\begin{eqnarray}a &=& b\\end{eqnarray}"
    )
    page = BeautifulSoup(rendered, "html.parser")
    assert len(page.select(".formule math")) == 2 and "tml-eqn" not in rendered


@pytest.mark.parametrize(
    "text",
    [
        "Coûte 5 $ à l'un et 10 $ à l'autre",
        "budget de 3$ et 4$, ou de 10$-15$, ou de $5 à 10$ selon le jour",
        "de $5 à $10, soit US$5 et CA$6",
        "export PATH=$HOME/bin:$PATH",
        "dans $HOME/$USER ou ${HOME}/x:${PATH}",
        "un \\$5 et un \\$6",
        "`$x$` et ``echo $a $b``",
        "```sh\necho $x$ $y\n```",
        "    echo $x$ $y",
        "un $ seul, et $$ vide",
    ],
)
def test_dollars_that_are_no_formula(text):
    page = BeautifulSoup(Writer().render(text), "html.parser")
    assert not page.select("math, .source, .maths")
    assert page.get_text().count("$") == text.count("$")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("$x$", 1),
        ("le $n$ième, un $k$-means, ($y$), l'$\\alpha$.", 4),
        ("un noyau 3$\\times$3 et $ \\beta $", 2),
        ("il a 5$ et la formule $x$", 1),
        ("> $$\n> a < b\n> $$", 1),
        ("- a\n\n  $$\n  x\n\n  y\n  $$", 1),
        ("\\\\(x\\\\) et \\\\[y\\\\]", 2),
        ("**$x$** et _$y_1$_, $a_1$ et $b_1$, $x*y$ et $z*t$", 6),
        ("<div class='alert'>Soit $x$</div>\n\n<details><summary>Avec $y$</summary>\n\n$z$\n\n</details>", 3),
        ("| a |\n|---|\n| $p(x|z)$ |", 1),
    ],
)
def test_dollars_that_are_formulas(text, count):
    page = BeautifulSoup(Writer().render(text), "html.parser")
    assert len(page.select("math")) == count
    assert "$" not in page.get_text().replace("5$", "") and not page.select(".source")
