"""Logs a comparison as an MLflow run, and moves the alias of a registered model."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast.common.files import temporary_folder
from holdfast.exceptions import InvalidInputError, RegistryError
from holdfast.models.mlflow.address import ModelAddress
from holdfast.models.mlflow.session import asking, client, mlflow_module

__all__ = ["LoggedRun", "check_experiment", "check_promotable", "log_run", "promote"]

_REGISTRATION_SECONDS = 60


@dataclass(frozen=True)
class LoggedRun:
    """An MLflow run that holds a comparison."""

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
    """Log a comparison as a finished run.

    Parameters
    ----------
    candidate : ModelAddress
        The model to whose experiment the run is logged.
    name : str
        The name of the run.
    metrics : mapping of str to float
    params, tags : mapping of str to str
    files : mapping of str to str
        The name and the text of each artifact.
    experiment : str, optional
        Another experiment to log to. It is created if it does not exist.

    Returns
    -------
    LoggedRun

    Raises
    ------
    InvalidInputError
        When no experiment is given and the candidate belongs to none.
    RegistryError
        When the tracking server does not answer, or refuses the run.
    """
    from mlflow.entities import Metric, Param, RunTag

    check_experiment(candidate, experiment)
    now = int(time.time() * 1000)
    with asking("logging the comparison", "its run may be incomplete; no alias was moved"):
        server = client()
        home = _experiment(server, candidate, experiment)
        run_id = server.create_run(home.experiment_id, run_name=name).info.run_id
        try:
            server.log_batch(
                run_id,
                metrics=[Metric(key, value, now, 0) for key, value in metrics.items()],
                params=[Param(key, value) for key, value in params.items()],
                tags=[RunTag(key, value) for key, value in tags.items()],
            )
            with temporary_folder() as folder:
                for file, text in files.items():
                    (Path(folder) / file).write_text(text, encoding="utf-8")
                server.log_artifacts(run_id, folder)
        except BaseException:
            with suppress(Exception):
                server.set_terminated(run_id, "FAILED")
            raise
        server.set_terminated(run_id, "FINISHED")
    return LoggedRun(run_id, name, home.name)


def check_experiment(candidate: ModelAddress, experiment: str | None) -> None:
    """Raise if no experiment is given and the candidate belongs to none."""
    if experiment is None and candidate.experiment_id is None:
        raise InvalidInputError(
            f"the experiment must be known, got {candidate}, which belongs to none; name one with "
            "--experiment"
        )


def _experiment(server: Any, candidate: ModelAddress, name: str | None) -> Any:
    if name is None:
        return server.get_experiment(candidate.experiment_id)
    existing = server.get_experiment_by_name(name)
    return existing or server.get_experiment(server.create_experiment(name))


def check_promotable(champion: ModelAddress, candidate: ModelAddress) -> None:
    """Raise if the champion's alias could not be moved to the candidate.

    Parameters
    ----------
    champion, candidate : ModelAddress

    Raises
    ------
    InvalidInputError
        When the champion's address has no alias, or the candidate is registered under another name.
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
        The deployed model. Its address has the alias that moves.
    candidate : ModelAddress
        A version of the same registered model, or a model that becomes one.
    run_id : str, optional
        The run of the comparison, to which the promoted version is added as a tag.

    Returns
    -------
    str
        The version to which the alias points now, as read back from the registry.

    Raises
    ------
    RegistryError
        When the alias points elsewhere by now, or the registry does not answer. The message says
        where the alias points, as far as that is known.

    Notes
    -----
    MLflow cannot check and move an alias in one step. If another client moves it in the few
    milliseconds in between, this is noticed only if that client moves it last.
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
            "to which another client moved it right after; compare both versions"
        )
    with asking("marking the run as promoted", f"{alias} was moved to version {version}"):
        if run_id is not None:
            client().set_tag(run_id, "holdfast.promoted_version", version)
    return version


def _pointed_at(champion: ModelAddress) -> str:
    version = client().get_model_version_by_alias(champion.name, champion.alias)
    return str(version.version)


def _check_unmoved(champion: ModelAddress) -> None:
    now = _pointed_at(champion)
    if now != champion.version:
        raise RegistryError(
            f"alias {champion.alias} of {champion.name} must still point to version "
            f"{champion.version}, which was compared, got version {now}: the alias was moved in "
            "the meantime and left there; compare with the new champion"
        )


def _move(champion: ModelAddress, version: str) -> None:
    """Move the alias; if that fails, say where it points, as far as that is known."""
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
    """Return the candidate's version of the champion's registered model, or register one."""
    query = f"source_path='{candidate.source}'"
    if candidate.run_id is not None:
        query = f"run_id='{candidate.run_id}'"
    versions = client().search_model_versions(query)
    same = [v for v in versions if v.name == champion.name and v.source == candidate.source]
    if same:
        return str(max(int(version.version) for version in same))
    registered = mlflow_module().register_model(
        candidate.uri, champion.name, await_registration_for=_REGISTRATION_SECONDS
    )
    return str(registered.version)
