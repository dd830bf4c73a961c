"""Studies: trials shared by as many workers as one likes, on any machine that reaches their database.

The database is the PostgreSQL URL of `$PROJETS_ETUDES`, or a local SQLite file, for one worker. Workers take turns to
claim a trial, so that each is done once and the study ends with as many as asked; they train at the same time. A worker
that dies is noticed at once on its own machine, by its heartbeat elsewhere, and its trial is done again: done alone, a
study that was interrupted ends with the trials that it would have had. A database that stops is waited for.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from commun import UserError, processes
from commun.datasets import working_folder

VARIABLE = "PROJETS_ETUDES"
HEARTBEAT = 20  # seconds between two signs of life of a worker; after three without any, it is taken for dead
PATIENCE = 1800  # seconds that a database which does not answer is waited for
RETRIES = 2  # times that a trial is done again: one that kills its workers does not kill them all
POLL = 2.0  # seconds between two looks at the trials that others are running
OWNER = "owner"  # attribute: machine, process and start of the process of the worker that does a trial
FAILED = "failed"  # attribute of the trials that failed by themselves, which would fail again
_REFUSALS = 20  # claims that fail in a row although the database answers


def database(project: str) -> str:
    """Returns the URL of the studies of a project."""
    url = os.environ.get(VARIABLE)
    if not url:
        return f"sqlite:///{(working_folder('etudes') / f'{project}.db').as_posix()}"
    scheme, found, rest = url.partition("://")
    return f"postgresql+psycopg://{rest}" if found and scheme in ("postgres", "postgresql") else url


def is_shared(url: str) -> bool:
    """Says if a database takes several workers."""
    return url.startswith("postgresql")


def whereabouts() -> str:
    """Says in French where studies live, without the address, which may hold a password."""
    if is_shared(database("")):
        return f"Ses essais sont dans la base de {VARIABLE}, que d'autres ouvriers peuvent partager."
    return (
        "Ses essais restent dans le dossier de travail, pour un seul ouvrier : pour plusieurs, donnez l'adresse d'une "
        f"base PostgreSQL dans {VARIABLE}."
    )


def import_optuna():
    """Imports Optuna without tqdm's remark on widgets, which a saved notebook would keep."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import optuna
    return optuna


class Study:
    """An Optuna study, and what its workers need to share it.

    Attributes:
        study: the Optuna study.
    """

    def __init__(
        self,
        project: str,
        name: str,
        *,
        pruner: Any = None,
        sampler: Callable[[int], Any] | None = None,
        first: Sequence[dict] = (),
    ) -> None:
        """Opens a study, or makes it.

        Args:
            project: whose study it is; names the local file.
            name: identity of the study: workers that give the same one share it.
            pruner: of Optuna.
            sampler: from the number of trials so far, those that dead workers had left out, to the sampler of the next.
            first: parameters tried before any draw.

        Raises:
            UserError: the database can't be reached, or its driver is missing.
        """
        optuna = import_optuna()
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        url = database(project)
        self._sampler, self._first = sampler, first
        self._begun, self._raised = False, None  # whether the objective was called, what it raised
        self._outage = _Outage()
        try:
            from sqlalchemy import create_engine
            from sqlalchemy.pool import NullPool

            engine = create_engine(url, poolclass=NullPool, connect_args=_connection(url)) if is_shared(url) else None
            self._turn = functools.partial(_Turn, engine)
            with self._turn("tables"), warnings.catch_warnings():  # the heartbeat is experimental since 2021
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self._retry = optuna.storages.RetryHeartbeatStaleTrialCallback(max_retry=RETRIES)
                self._storage = _patient_storage(url, self._outage, self._retry)
                self.study = optuna.create_study(
                    storage=self._storage, study_name=name, load_if_exists=True, pruner=pruner
                )
        except ImportError as error:
            raise UserError(
                f"Le pilote de la base des études manque ({error.name or error}). Pour PostgreSQL : python -m pip "
                f'install "psycopg[binary]". Sinon, vérifiez {VARIABLE}.'
            ) from error
        except Exception as error:  # every driver has errors of its own
            raise UserError(
                f"La base des études est inaccessible ({type(error).__name__}). Vérifiez {VARIABLE}, ou retirez cette "
                "variable pour travailler avec un fichier local."
            ) from error

    def close(self) -> None:
        """Ends its connections to the database."""
        self._storage.remove_session()
        self._storage.engine.dispose()

    def settled(self) -> list:
        """Returns the trials that have ended; one that a dead worker had is there once done again, at its place."""
        ended = [trial for trial in self._current() if self._is_settled(trial)]
        return sorted(ended, key=lambda trial: trial.system_attrs.get("retry_history", [trial.number])[0])

    def work(
        self,
        objective: Callable[[Any], float],
        *,
        trials: int,
        failures: tuple[type[Exception], ...] = (),
        tell: Callable[[str], None] | None = None,
    ) -> None:
        """Does trials until the study has as many as asked, those of the other workers included.

        At the end, it waits for the trials of the others, one of which may be dead.

        Args:
            objective: from an Optuna trial to its value; it may raise `TrialPruned`.
            trials: number of trials wanted, pruned and failed ones included.
            failures: what it raises where a trial has failed, and would fail again; NaN is such a failure too.
            tell: is called after each trial of this worker with an empty text, and with what it waits for, in French.

        Raises:
            UserError: the database has not answered for `PATIENCE` seconds.
        """
        optuna = import_optuna()
        outages, refusals, told = _outages(), 0, ""
        while True:
            try:
                with self._turn(self.study.study_name) as turn:
                    missing, running = self._prepare(trials)
                    if missing > running:
                        self._do_one(objective, failures, turn)
                refusals = 0
            except (*outages, _TurnLost) as error:
                refusals += 1
                self._outage.wait_for(self._storage.ping)
                if refusals > _REFUSALS:
                    raise UserError(
                        f"La base des études refuse les essais ({type(error).__name__}). Vérifiez que son disque n'est "
                        f"pas plein et que l'utilisateur de {VARIABLE} peut y écrire."
                    ) from error
                continue
            except (ValueError, AssertionError, optuna.exceptions.UpdateFinishedTrialError) as error:
                # Optuna's, for a trial that has ended meanwhile, or the objective's own.
                if not self._begun or error is self._raised:
                    raise
                _say("Cet essai a été confié à un autre ouvrier, faute de signe de vie de celui-ci.")
                continue
            except Exception as error:
                if self._outage.gave_up and not isinstance(error, UserError):  # Optuna's own clean-up fails too
                    raise self._outage.gave_up from error
                raise
            if missing <= 0:
                return
            waits = "" if missing > running else f"{running} en cours ailleurs"
            if tell and (not waits or waits != told):
                tell(waits)
            told = waits
            if waits:
                _pause(POLL)

    def _do_one(self, objective: Callable, failures: tuple[type[Exception], ...], turn: _Turn) -> None:
        """Claims a trial, ends this worker's turn, then does the trial."""
        if self._sampler:
            self.study.sampler = self._sampler(sum(trial.state.name != "WAITING" for trial in self._current()))

        def attempt(trial) -> float:
            trial.set_user_attr(OWNER, processes.myself())
            if not turn.end():  # others have had theirs meanwhile: the count of trials may be wrong
                raise _TurnLost
            self._begun = True
            try:
                value = objective(trial)
            except Exception as error:
                self._raised = error
                if isinstance(error, failures):
                    trial.set_user_attr(FAILED, True)
                raise
            if math.isnan(value):
                trial.set_user_attr(FAILED, True)
            return value

        self._begun, self._raised = False, None
        self.study.optimize(attempt, n_trials=1, catch=failures)

    def _prepare(self, trials: int) -> tuple[int, int]:
        """Puts back in the queue what dead workers had; returns how many trials are missing, and are running."""
        optuna = import_optuna()
        for trial in self.study.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
            if processes.is_gone(trial.user_attrs.get(OWNER)):
                self.study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            optuna.storages.fail_stale_trials(self.study)
        for params in self._first:
            self.study.enqueue_trial(params, skip_if_exists=True)
        current = self._current()
        settled = [self._is_settled(trial) for trial in current]
        for trial, is_settled in zip(current, settled, strict=True):
            if trial.state.name == "FAIL" and not is_settled:  # interrupted, not found by its heartbeat
                self._retry(self.study, trial)  # it changes the trial that it is given
        return trials - sum(settled), sum(trial.state.name == "RUNNING" for trial in current)

    def _current(self) -> list:
        """Returns the trials, without those that have been put back in the queue."""
        found = self.study.trials
        replaced = {number for trial in found for number in trial.system_attrs.get("retry_history", ())}
        return [trial for trial in found if trial.number not in replaced]

    @staticmethod
    def _is_settled(trial) -> bool:
        """Says if a trial will not be done again."""
        if trial.state.name != "FAIL":
            return trial.state.is_finished()
        return FAILED in trial.user_attrs or len(trial.system_attrs.get("retry_history", ())) >= RETRIES


# --- One worker at a time --------------------------------------------------------------------------------------------


class _TurnLost(Exception):
    """Another worker may have had its turn before this one's was over."""


class _Turn:
    """The turn of one worker: a lock of PostgreSQL, which falls with its connection. A local file has one worker."""

    def __init__(self, engine: Any, name: str) -> None:
        """Takes the engine of a shared database, None for any other, and the name of what is locked."""
        self._engine, self._connection = engine, None
        self._key = int.from_bytes(hashlib.sha256(name.encode("utf-8")).digest()[:7])

    def __enter__(self) -> _Turn:
        """Waits for its turn."""
        if self._engine is not None:
            from sqlalchemy import text

            self._connection = self._engine.connect()
            # That of a machine which is cut off ends by itself.
            self._connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '60s'"))
            self._connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": self._key})
        return self

    def end(self) -> bool:
        """Lets the next worker in; says if nobody was before."""
        if self._connection is None:
            return True
        connection, self._connection = self._connection, None
        try:
            from sqlalchemy import text

            connection.execute(text("SELECT 1"))
            connection.close()
        except _outages():
            connection.invalidate()
            return False
        return True

    def __exit__(self, *_: object) -> None:
        """Lets the next worker in."""
        self.end()


def _pause(seconds: float) -> None:
    time.sleep(seconds)


# --- A database that may stop ----------------------------------------------------------------------------------------


class _Outage:
    """Waits for a database that does not answer, says so once, and gives up after `PATIENCE` seconds.

    Attributes:
        gave_up: what was raised, if it did.
    """

    def __init__(self) -> None:
        self.gave_up: UserError | None = None
        self._since: float | None = None
        self._lock = threading.Lock()

    def wait_for(self, call: Callable[[], Any], *, again: Callable[[], Any] | None = None) -> Any:
        """Returns what a call to the database returns, once it answers; after a failure, calls `again` if given."""
        delay = 0.5
        while True:
            try:
                result = call()
            except _outages() as error:
                self._down(error)
                _pause(delay)
                delay, call = min(2 * delay, 15), again or call
            else:
                self._up()
                return result

    def _down(self, error: Exception) -> None:
        with self._lock:
            now = time.monotonic()
            if self._since is None:
                self._since = now
                minutes = f"{PATIENCE // 60} minutes" if PATIENCE >= 120 else f"{PATIENCE} secondes"
                _say(f"La base des études ne répond pas. J'attends qu'elle revienne, pendant {minutes} au plus…")
            elif now - self._since > PATIENCE:
                self.gave_up = UserError(
                    "La base des études ne répond plus. Relancez-la, puis cette commande : les essais finis sont "
                    "gardés."
                )
                raise self.gave_up from error

    def _up(self) -> None:
        with self._lock:
            if self._since is not None:
                self._since = None
                _say("La base des études répond de nouveau.")


def _patient_storage(url: str, outage: _Outage, retry: Callable) -> Any:
    """Returns Optuna's storage, whose calls wait for a database that does not answer."""
    import sqlalchemy
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.storages import RDBStorage
    from optuna.storages._rdb import models
    from optuna.trial import TrialState

    class Patient(RDBStorage):
        def ping(self) -> None:
            with self.engine.connect() as connection:
                connection.execute(sqlalchemy.text("SELECT 1"))

        def set_trial_state_values(self, trial_id, state, values=None) -> bool:
            usual = functools.partial(super().set_trial_state_values, trial_id, state, values)

            def again() -> bool:  # the first call may have succeeded before the answer was lost
                try:
                    return usual()
                except UpdateFinishedTrialError:
                    if self.get_trial(trial_id).state != state:
                        raise
                    return True

            return outage.wait_for(usual, again=again)

        def record_heartbeat(self, trial_id: int) -> None:
            try:
                super().record_heartbeat(trial_id)
            except _outages():
                pass  # the next one will do

        def _get_stale_trial_ids(self, study_id: int) -> list[int]:
            return outage.wait_for(functools.partial(self._stale, study_id))

        def _stale(self, study_id: int) -> list[int]:
            with self.engine.connect() as connection:
                if is_shared(url):
                    age = "SELECT extract(epoch FROM now() - pg_postmaster_start_time())"
                    if connection.execute(sqlalchemy.text(age)).scalar() < self.grace_period:
                        return []  # while the database was down, the living gave no sign of life either
                trial, beat = models.TrialModel, models.TrialHeartbeatModel
                running = sqlalchemy.select(trial.trial_id).where(
                    trial.study_id == study_id, trial.state == TrialState.RUNNING
                )
                silent = running.where(trial.trial_id.not_in(sqlalchemy.select(beat.trial_id)))
                never = connection.execute(silent).scalars().all()
            for trial_id in never:  # a worker may die before its first sign of life: it is given one
                self.record_heartbeat(trial_id)
            return super()._get_stale_trial_ids(study_id)

    def patient(name: str) -> Callable:
        usual = getattr(RDBStorage, name)

        @functools.wraps(usual)
        def call(self, *arguments, **options):
            return outage.wait_for(functools.partial(usual, self, *arguments, **options))

        return call

    for name in (  # whatever can be done twice; the creation of a trial can't
        "get_study_id_from_name", "get_study_name_from_id", "get_study_directions", "get_study_user_attrs",
        "get_study_system_attrs", "set_study_user_attr", "set_study_system_attr", "get_trial", "_get_trials",
        "_set_trial_param", "set_trial_intermediate_value", "set_trial_user_attr", "set_trial_system_attr",
    ):  # fmt: skip
        setattr(Patient, name, patient(name))
    options = {"pool_pre_ping": True, "connect_args": _connection(url)}
    return Patient(
        url,
        engine_kwargs=options,
        heartbeat_interval=HEARTBEAT,
        grace_period=3 * HEARTBEAT,
        heartbeat_stale_trial_callback=retry,
    )


def _connection(url: str) -> dict[str, Any]:
    """Returns the options of a connection: a machine cut off is noticed, and a change of time is not."""
    if not is_shared(url):
        return {}
    return {"connect_timeout": 10, "keepalives_idle": 30, "options": "-c timezone=UTC"}


@functools.cache
def _outages() -> tuple[type[Exception], ...]:
    """Returns what a database that stops, or is not there, makes of a call."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import InterfaceError, OperationalError

    return StorageInternalError, OperationalError, InterfaceError


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
