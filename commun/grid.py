"""Grids: trials known beforehand, which workers share where a database is given (see `studies`)."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from commun import UserError, studies

Point = TypeVar("Point")


def evaluate(project: str, name: str, points: Sequence[Point], work: Callable[[Point], Any]) -> list:
    """Returns what `work` makes of each point of a grid, in order.

    Without a shared database, it does them one after another. With one, each is a trial of a study, done once by one
    of the workers that call this function, and what it gives is kept in the database, where all read it.

    Args:
        project: whose study it is.
        name: identity of the study: it must change with anything on which the results depend, points and code too.
        points: what is evaluated.
        work: from a point to its result, which JSON can write.

    Raises:
        UserError: the database can't be reached, or the workers that did one of the points died each time.
    """
    if not studies.is_shared(studies.database(project)):
        return [work(point) for point in points]

    def objective(trial: Any) -> float:
        index = trial.suggest_int("point", 0, len(points) - 1)
        trial.set_user_attr("result", work(points[index]))
        return 0.0

    first = [{"point": index} for index in range(len(points))]
    with contextlib.closing(studies.Study(project, name, first=first)) as study:
        study.work(objective, trials=len(points))
        found = {trial.params["point"]: trial.user_attrs["result"] for trial in study.settled() if trial.values}
    if missing := [index for index in range(len(points)) if index not in found]:
        raise UserError(
            f"Étude {project} : les ouvriers se sont arrêtés à chaque fois qu'ils ont fait l'essai {missing[0] + 1} "
            f"sur {len(points)} (mémoire épuisée ?)."
        )
    return [found[index] for index in range(len(points))]
