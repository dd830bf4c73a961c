"""A worker of the tests: `python study_worker.py TRIALS FOLDER [MACHINE]` shares a tiny study, here or elsewhere.

Each trial leaves a file `begun-PID-NUMBER` in FOLDER; it ends when there is a file `go` there.
"""

import os
import sys
import time
from pathlib import Path

from commun import UserError, processes, studies

trials, folder = int(sys.argv[1]), Path(sys.argv[2])
studies.HEARTBEAT, studies.POLL = 1, 0.1
if sys.argv[3:]:
    processes._machine = lambda: sys.argv[3]
FIRST = ({"x": 0.25}, {"x": 0.75})


def objective(trial) -> float:
    x = trial.suggest_float("x", 0.0, 1.0)
    (folder / f"begun-{os.getpid()}-{trial.number}").touch()
    while not (folder / "go").exists():
        time.sleep(0.02)
    trial.report(x, 0)
    trial.set_user_attr("worker", os.getpid())
    return x


try:
    studies.Study("essai", "étude", first=FIRST).work(objective, trials=trials)
except UserError as error:
    sys.exit(f"Erreur : {error}")
