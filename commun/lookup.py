"""What lies in a folder of data that somebody brings: what counts in it, and where a dataset plainly is."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Container, Iterator
from pathlib import Path

SYSTEM_FILES = {
    "__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "$recycle.bin", "system volume information",
    "@eadir",
}  # fmt: skip
ARCHIVES = re.compile(r"\.(zip|7z|rar|tar|t[gx]z|(tar\.)?(gz|xz|bz2))$", re.IGNORECASE)
GOOD = re.compile(
    r"ok|goods?|normale?s?|bon(ne)?s?|nominal|conformes?|sansdefauts?|(no|non|without)(defects?|anomal(y|ies))"
)
IDX_NAME = re.compile(r"(train|t10k|test)\W?(images|labels)", re.IGNORECASE)
DEEPEST = 3  # levels under a folder


def visible(folder: Path) -> list[Path]:
    """Returns what a folder holds, sorted, without hidden files and those that Windows, macOS or a NAS leave there."""
    return sorted(folder / entry.name for entry in _entries(folder))


def folders(folder: Path) -> list[Path]:
    """Returns the folders of a folder, sorted; see `visible`."""
    return sorted(folder / entry.name for entry in _entries(folder) if entry.is_dir())


def _entries(folder: Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:  # it says what is a folder without a call to the disk for each file
            return [e for e in entries if e.name[0] != "." and e.name.casefold() not in SYSTEM_FILES]
    except OSError:
        return []


def archives(folder: Path) -> list[Path]:
    """Returns the archives of a folder; a compressed IDX file is none."""
    return [p for p in visible(folder) if ARCHIVES.search(p.name) and not IDX_NAME.match(p.name) and p.is_file()]


def contents(folder: Path, count: int = 8) -> str:
    """Says in French what a folder holds: its first `count` names."""
    names = [f"`{path.name}`" for path in visible(folder)]
    listed = ", ".join(names[:count]) + (f" et {len(names) - count} autres" if len(names) > count else "")
    return f"ce dossier contient {listed}" if names else "ce dossier est vide"


def under(folder: Path, depth: int = DEEPEST, *, but: Container[Path] = ()) -> Iterator[Path]:
    """Returns the folders under a folder, level by level; not those in the folders `but`."""
    level = [folder]
    for _ in range(depth):
        level = [inner for path in level if path not in but for inner in folders(path)]
        yield from level


def is_good(name: str) -> bool:
    """Says if the name of a folder announces parts without defect: "good", "OK", "normal", "sans défaut"..."""
    plain = unicodedata.normalize("NFD", name.casefold())
    return bool(GOOD.fullmatch(re.sub(r"[\W_]", "", "".join(c for c in plain if not unicodedata.combining(c)))))


# --- Layouts ---------------------------------------------------------------------------------------------------------


def categories(folder: Path) -> list[Path]:
    """Returns the categories of a folder of them, or the folder itself if it is one: they hold `train` or `test`."""
    return [path for path in [folder, *folders(folder)] if _parts(path) & {"train", "test", "test_public"}]


def misplaced(folder: Path) -> str:
    """Says in French what to move where categories lie too deep in a folder of them; "" where none does."""
    direct = categories(folder)
    for path in under(folder, but=direct):
        if path.parent == folder or not _is_category(path):
            continue
        if path.name == path.parent.name and path.parent not in direct:
            return f"{path} est un dossier de trop : déplacez tout ce qu'il contient dans {path.parent}."
        if not direct:
            what = f"déplacez tout ce qu'il contient, dont « {path.name} », dans {folder}"
            return f"{path.parent} est un dossier de trop : {what}."
    return ""


def holds_artists(folder: Path) -> bool:
    """Says if there are folders in `images/images`."""
    return bool(folders(folder / "images" / "images"))


def holds_idx(folder: Path) -> bool:
    """Says if the four IDX files are there, in a folder that does not bear the name of another dataset like MNIST."""
    names = {m[0].lower() for m in map(IDX_NAME.match, (path.name for path in visible(folder))) if m}
    place = "/".join(folder.parts[-2:]).lower()
    return len(names) >= 4 and ("mnist" not in place or "fashion" in place)


def holds_categories(folder: Path) -> bool:
    """Says if a folder is a category, or holds some."""
    return any(_is_category(path) for path in [folder, *folders(folder)])


LAYOUTS: dict[str, Callable[[Path], bool]] = {
    "artists": holds_artists,
    "idx": holds_idx,
    "categories": holds_categories,
}


def find_layout(root: Path, layout: str, *, but: set[str]) -> Iterator[Path]:
    """Returns the folders in a layout: `root` itself, then those under it; not in folders whose names are in `but`."""
    for path in [root, *under(root)]:
        if not but & set(path.relative_to(root).parts) and LAYOUTS[layout](path):
            yield path


def _is_category(folder: Path) -> bool:
    return any(is_good(path.name) for path in folders(folder / "train"))


def _parts(folder: Path) -> set[str]:
    return {path.name.casefold() for path in folders(folder)}
