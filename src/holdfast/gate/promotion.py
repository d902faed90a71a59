"""What a gate writes to an MLflow registry: the run of a comparison, and the alias that moves."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.exceptions import InvalidInputError, RegistryError
from holdfast.models.mlflow.address import ModelAddress
from holdfast.models.mlflow.session import asking, client, mlflow_module

__all__ = ["LoggedRun", "check_experiment", "check_promotable", "log_run", "promote"]

_REGISTRATION_SECONDS = 60


@dataclass(frozen=True)
class LoggedRun:
    """A run that holds a comparison."""

    run_id: str
    name: str
    experiment: str


def log_run(
    candidate: ModelAddress,
    *,
    name: str,
    metrics: Mapping[str, float],
    params: Mapping[str, str],
    tags: Mapping[str, str],
    files: Mapping[str, str],
    experiment: str | None = None,
) -> LoggedRun:
    """Log a finished run.

    Parameters
    ----------
    candidate : ModelAddress
        Whose experiment the run goes to.
    name : str
        Of the run.
    metrics, params, tags : mapping
    files : mapping of str to str
        Name of each artifact and its text.
    experiment : str, optional
        Another experiment, which is made where there is none.

    Returns
    -------
    LoggedRun

    Raises
    ------
    InvalidInputError
        When no experiment is named and the candidate has none.
    RegistryError
        When the tracking server does not answer, or refuses.
    """
    from mlflow.entities import Metric, Param, RunTag

    check_experiment(candidate, experiment)
    now = int(time.time() * 1000)
    with asking("logging the comparison", "its run may be incomplete; no alias was moved"):
        asked = client()
        home = _experiment(asked, candidate, experiment)
        run_id = asked.create_run(home.experiment_id, run_name=name).info.run_id
        try:
            asked.log_batch(
                run_id,
                metrics=[Metric(key, value, now, 0) for key, value in metrics.items()],
                params=[Param(key, value) for key, value in params.items()],
                tags=[RunTag(key, value) for key, value in tags.items()],
            )
            with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:
                for file, text in files.items():
                    (Path(folder) / file).write_text(text, encoding="utf-8")
                asked.log_artifacts(run_id, folder)
        except BaseException:
            with suppress(Exception):
                asked.set_terminated(run_id, "FAILED")
            raise
        asked.set_terminated(run_id, "FINISHED")
    return LoggedRun(run_id, name, home.name)


def check_experiment(candidate: ModelAddress, experiment: str | None) -> None:
    """Raise where it is not known which experiment a comparison is logged to."""
    if experiment is None and candidate.experiment_id is None:
        raise InvalidInputError(
            f"the experiment must be known, got {candidate}, which belongs to none; name one with "
            "--experiment"
        )


def _experiment(asked: Any, candidate: ModelAddress, name: str | None) -> Any:
    if name is None:
        return asked.get_experiment(candidate.experiment_id)
    found = asked.get_experiment_by_name(name)
    return found or asked.get_experiment(asked.create_experiment(name))


def check_promotable(champion: ModelAddress, candidate: ModelAddress) -> None:
    """Raise where an alias could not be moved from one model to the other.

    Parameters
    ----------
    champion, candidate : ModelAddress

    Raises
    ------
    InvalidInputError
        When the champion was not named by an alias, or the candidate is registered elsewhere.
    """
    if champion.alias is None:
        raise InvalidInputError(
            "--champion must name an alias to move, e.g. models:/fraud@champion, got "
            f"{champion.address}; name one, or leave --promote out"
        )
    if candidate.name not in (None, champion.name):
        raise InvalidInputError(
            f"--candidate must be a version of {champion.name}, or a model of a run, got "
            f"{candidate}; register it as a version of {champion.name}"
        )


def promote(champion: ModelAddress, candidate: ModelAddress, *, run_id: str | None = None) -> str:
    """Move the champion's alias to the candidate, if it still points to the champion.

    Parameters
    ----------
    champion : ModelAddress
        Named by the alias that moves.
    candidate : ModelAddress
        A version of the same registered model, or a model that becomes one.
    run_id : str, optional
        The comparison's run, which is told the version that was promoted.

    Returns
    -------
    str
        The version that the alias points to now, as read back.

    Raises
    ------
    RegistryError
        When the alias points elsewhere by now, or the registry does not answer; says where the
        alias points, as far as that can be known.

    Notes
    -----
    MLflow cannot compare and move an alias in one step: another client that moves it in the few
    milliseconds between the two is noticed afterwards only if it comes last.
    """
    check_promotable(champion, candidate)
    alias = f"alias {champion.alias} of {champion.name}"
    with asking("promoting the candidate", f"{alias} was not moved"):
        _check_unmoved(champion)
        version = candidate.version or _version_of(champion, candidate)
        _check_unmoved(champion)
    _move(champion, version)
    with asking("reading the alias back", f"{alias} was moved to version {version}"):
        now = _pointed_at(champion)
    if now != version:
        raise RegistryError(
            f"{alias} must point to version {version}, to which it was moved, got version {now}, "
            "to which another client moved it right after; look at both"
        )
    with asking("marking the run as promoted", f"{alias} was moved to version {version}"):
        if run_id is not None:
            client().set_tag(run_id, "holdfast.promoted_version", version)
    return version


def _pointed_at(champion: ModelAddress) -> str:
    found = client().get_model_version_by_alias(champion.name, champion.alias)
    return str(found.version)


def _check_unmoved(champion: ModelAddress) -> None:
    now = _pointed_at(champion)
    if now != champion.version:
        raise RegistryError(
            f"alias {champion.alias} of {champion.name} must still point to version "
            f"{champion.version}, which was compared, got version {now}: it changed meanwhile and "
            "was left as it is; compare with the new champion"
        )


def _move(champion: ModelAddress, version: str) -> None:
    """Move the alias; where that fails, tell what can be known of where it points."""
    alias = f"alias {champion.alias} of {champion.name}"
    try:
        with asking("moving the alias", f"whether {alias} was moved is not known; look it up"):
            client().set_registered_model_alias(champion.name, champion.alias, version)
    except RegistryError as error:
        now = None
        with suppress(Exception):
            now = _pointed_at(champion)
        if now is None:
            raise
        raise RegistryError(f"{error} (it points to version {now})") from error


def _version_of(champion: ModelAddress, candidate: ModelAddress) -> str:
    """Return the candidate's version of the champion's registered model; make one if need be."""
    wanted = f"source_path='{candidate.source}'"
    if candidate.run_id is not None:
        wanted = f"run_id='{candidate.run_id}'"
    found = client().search_model_versions(wanted)
    same = [v for v in found if v.name == champion.name and v.source == candidate.source]
    if same:
        return str(max(int(version.version) for version in same))
    made = mlflow_module().register_model(
        candidate.uri, champion.name, await_registration_for=_REGISTRATION_SECONDS
    )
    return str(made.version)
