"""The text that programs write for a terminal, as a page shows it: its last state, its colours, its head and tail."""

from __future__ import annotations

import html
import re

MAX_LINES, MAX_CHARACTERS = 2_000, 200_000  # of a text; above, half of it is its head and half its tail

_COLOUR = r"\x1b\[[\d;:]*m"
_LINK = re.compile(r"(?:\x1b[\]PX^_]|[\x90\x9d])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?")  # OSC 8, titles of windows...
_ESCAPE = re.compile(
    rf"({_COLOUR})|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?|\x1b[ -/]*[0-Z\\-~]?|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
_MOVE = re.compile(r"(\n|\r|\x08+|\x1b\[\d*[ABK]|\x1b\[2?J)")
_MOVED = re.compile(r"\r(?!\n)|\x08|\x1b\[\d*[ABK]|\x1b\[2?J")
_CUT_START, _CUT_END = re.compile(r"\x1b(\[[\d;:]*)?$"), re.compile(r"[\d;:\[]*m")
_RANGES = ((30, "fg", ""), (40, "bg", ""), (90, "fg", "-intense"), (100, "bg", "-intense"))
_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")


def show(text: str) -> str:
    """Returns what a page shows of a text: its last state, in bounds, with its colours."""
    if _MOVED.search(text):
        return shorten(clean(text))
    return clean(shorten(text))  # what is not shown needs no cleaning


def clean(text: str) -> str:
    """Returns a text as a terminal shows it in the end, with no escape sequence left but those of colours.

    A line that a bar of progress writes again and again is kept as it was last written.
    """
    text = _LINK.sub("", text)
    if _MOVED.search(text):
        text = _last_state(text)
    return _ESCAPE.sub(lambda match: match[1] or "", text)


def shorten(text: str) -> str:
    """Returns a text, or its head and its tail with a line that says how much is not shown between them."""
    if len(text) <= MAX_CHARACTERS and text.count("\n") <= MAX_LINES:
        return text
    head, tail = _head_end(text), _tail_start(text)
    if head >= tail:
        return text
    lines, characters = text.count("\n", head, tail), tail - head
    left = f"{_grouped(lines)} lignes ne sont pas montrées" if lines > 1 else ""
    left = left or f"{_grouped(characters)} caractères ne sont pas montrés"
    reset = "\x1b[0m" if "\x1b" in text else ""
    before = "" if text[:head].endswith("\n") else "\n"
    return f"{text[:head]}{reset}{before}[… {left} …]\n{text[tail:]}"


def to_html(text: str) -> str:
    """Returns a text as HTML, its colours as spans with nbconvert's classes, in a time that grows with its length."""
    parts, style, opened = [], {}, ""
    for index, part in enumerate(re.split(r"\x1b\[([\d;:]*)m", text)):
        if index % 2:
            _apply(style, part)
            continue
        if not part:
            continue
        tag = _span(style)
        if tag != opened:
            parts.append(("</span>" if opened else "") + tag)
            opened = tag
        parts.append(html.escape(part, quote=False))
    return "".join(parts) + ("</span>" if opened else "")


# --- The last state of a screen --------------------------------------------------------------------------------------


def _last_state(text: str) -> str:
    lines: list[list[str]] = [[]]
    row, again = 0, False  # `again`: what comes next takes the place of the line
    for piece in _MOVE.split(text):
        if piece == "\n":
            row += 1
            again = row < len(lines)
            if not again:
                lines.append([])
        elif piece == "\r":
            again = True
        elif piece[:1] == "\x08":
            _erase(lines[row], len(piece))
        elif piece[:1] == "\x1b" and _MOVE.fullmatch(piece):
            count = int(re.sub(r"\D", "", piece) or 1)
            if piece[-1] == "A":
                row = max(0, row - count)
            elif piece[-1] == "B":
                row = min(len(lines) - 1, row + count)
            elif again or piece[2:3] == "2":  # erased from its start
                lines[row].clear()
        elif piece:
            if again:
                lines[row].clear()
                again = False
            lines[row].append(piece)
    return "\n".join(map("".join, lines))


def _erase(line: list[str], count: int) -> None:
    """Erases the last characters of a line, its colours left."""
    while line and count:
        parts = re.split(rf"({_COLOUR})", line.pop())
        for index in range(len(parts) - 1, -1, -2):
            part = parts[index]
            parts[index] = part[: max(0, len(part) - count)]
            count -= len(part) - len(parts[index])
        if kept := "".join(parts):
            line.append(kept)
            if not re.sub(_COLOUR, "", kept):  # only colours are left of it: go on before them
                if len(line) == 1 or not count:
                    return
                line[-2:] = ["".join(line[-2:])]
            elif not count:
                return


# --- Long texts ------------------------------------------------------------------------------------------------------


def _head_end(text: str) -> int:
    end = -1
    for _ in range(MAX_LINES // 2):
        end = text.find("\n", end + 1)
        if not -1 < end < MAX_CHARACTERS // 2:
            break
    else:
        return end + 1
    end = text.rfind("\n", 0, MAX_CHARACTERS // 2) + 1 or MAX_CHARACTERS // 2
    cut = _CUT_START.search(text, max(0, end - 40), end)
    return cut.start() if cut else end


def _tail_start(text: str) -> int:
    start, floor = len(text.rstrip("\n")), len(text) - MAX_CHARACTERS // 2
    for _ in range(MAX_LINES // 2):
        start = text.rfind("\n", 0, start)
        if start < floor:
            break
    else:
        return start + 1
    newline = text.find("\n", floor)
    start = newline + 1 if -1 < newline < len(text) - 1 else floor
    if _CUT_START.search(text, max(0, start - 40), start) and (end := _CUT_END.match(text, start)):
        return end.end()
    return start


def _grouped(count: int) -> str:
    return f"{count:,}".replace(",", "\u202f")


# --- Colours ---------------------------------------------------------------------------------------------------------


def _apply(style: dict[str, str], code: str) -> None:
    """Changes a style as a colour sequence asks."""
    numbers = [int(number or 0) if len(number) < 6 else -1 for number in re.split("[;:]", code)]
    while numbers:
        number = numbers.pop(0)
        if number == 0:
            style.clear()
        elif number in (1, 5):
            style["bold"] = "ansi-bold"
        elif number in (4, 7):
            style["underline" if number == 4 else "inverse"] = "x"
        elif number in (21, 22, 24, 27):
            style.pop({24: "underline", 27: "inverse"}.get(number, "bold"), None)
        elif number in (39, 49):
            style.pop("fg" if number == 39 else "bg", None)
        elif number in (38, 48):
            colour = _extended(numbers)
            if colour:
                style["fg" if number == 38 else "bg"] = colour
        else:
            for first, where, suffix in _RANGES:
                if first <= number < first + 8:
                    style[where] = f"ansi-{_NAMES[number - first]}{suffix}"


def _extended(numbers: list[int]) -> str:
    """Takes from the numbers one colour of 256, or a triple, and returns its name or its value."""
    kind = numbers.pop(0) if numbers else 0
    if kind == 5 and numbers and 0 <= (index := numbers.pop(0)) < 256:
        if index < 16:
            return f"ansi-{_NAMES[index % 8]}{'-intense' * (index > 7)}"
        if index >= 232:
            return "rgb({0}, {0}, {0})".format((index - 232) * 10 + 8)
        levels = ((index - 16) // 36, (index - 16) // 6 % 6, (index - 16) % 6)
        return f"rgb({', '.join(str(level and 55 + level * 40) for level in levels)})"
    if kind == 2 and len(numbers) >= 3:
        triple = [numbers.pop(0) for _ in range(3)]
        return f"rgb({', '.join(map(str, triple))})" if all(0 <= level < 256 for level in triple) else ""
    return ""


def _span(style: dict[str, str]) -> str:
    """Returns the tag that opens a text of this style; "" for plain text."""
    fg, bg = style.get("fg", ""), style.get("bg", "")
    if "bold" in style and fg.startswith("ansi-") and fg.removeprefix("ansi-") in _NAMES:
        fg += "-intense"
    if "inverse" in style:
        fg, bg = bg or "ansi-default-inverse", fg or "ansi-default-inverse"
    classes = [f"{name}-{where}" for name, where in ((fg, "fg"), (bg, "bg")) if name.startswith("ansi-")]
    classes += ["ansi-bold"] * ("bold" in style) + ["ansi-underline"] * ("underline" in style)
    values = (("color", fg), ("background-color", bg))
    css = "; ".join(f"{name}: {value}" for name, value in values if value.startswith("rgb"))
    attributes = f' class="{" ".join(classes)}"' * bool(classes) + f' style="{css}"' * bool(css)
    return attributes and f"<span{attributes}>"
