"""One trial: a base model, and every setting of every method, trained from it and measured.

The result is a pure function of the trial's key and the data set. Settings share the base model,
and every training that more than one of them needs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from holdfast.bench.trials.architectures import architecture
from holdfast.bench.trials.contenders import cost, models_served
from holdfast.bench.trials.data import BenchData
from holdfast.bench.trials.protocol import (
    COUNTS,
    MEANS,
    ModelRows,
    Trial,
    TrialRows,
    rows_of,
    seed_of,
)
from holdfast.bench.trials.training import Base, Models, Training, models_of
from holdfast.exceptions import InvalidInputError
from holdfast.methods.method import Method
from holdfast.methods.training import Cold
from holdfast.metrics import divergence_per_row, loss_per_row
from holdfast.models.base_predictions import BasePredictions, base_predictions
from holdfast.models.served import served_proba

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["run_trial"]

Proba = NDArray[np.float64]

DECIMALS = 6  # decimals of means; further ones are noise, and would fill most of a store


def run_trial(
    trial: Trial,
    data: BenchData,
    contenders: Mapping[str, Sequence[Method]],
    *,
    n_jobs: int | None = 1,
    device: str = "cpu",
) -> pd.DataFrame:
    """Train and measure every setting of a trial.

    Parameters
    ----------
    trial : Trial
    data : BenchData
    contenders : mapping of str to sequence of Method
        Settings of each method, as `contenders.chosen` returns them.
    n_jobs : int or None
        Number of processes that train networks, as in `nn.fit_many`.
    device : str
        Device that networks are trained on.

    Returns
    -------
    pandas.DataFrame
        One row for each update, method and setting. It has the key; `cost`, the number of models
        trained; and `served`, the number of models served, without those of earlier updates. It
        counts the test rows (`n`), those that the new and the base model have right (`correct`,
        `base_correct`), `changed` answers and `negative` flips. Its means are `kl`, that of
        KL(base ‖ new), `log_loss` and, for settings of several members, `member_churn`: the share
        of answers in which two members differ, averaged over pairs. Counts are missing where
        training diverged.

    Raises
    ------
    InvalidInputError
        For data that have too few rows or are not of the kind that the network takes, for initial
        rows of one class, and for a base model whose loss is not finite.
    """
    import pandas as pd

    rows = rows_of(trial, data.y, data.train, data.test)
    one = _OneTrial(trial, data, rows, n_jobs, device)
    settings = list(dict.fromkeys(m for methods in contenders.values() for m in methods))
    measured = one.measure(settings)
    records = [
        (*trial.key().values(), update, name, str(method), cost(method), models_served(method))
        + measured[update - 1][method]
        for update in range(1, len(rows.updates) + 1)
        for name, methods in contenders.items()
        for method in methods
    ]
    columns = (*trial.key(), "update", "method", "setting", "cost", "served", *COUNTS, *MEANS)
    return pd.DataFrame(records, columns=list(columns)).astype(dict.fromkeys(COUNTS, "Int64"))


class _OneTrial:
    """The models of one trial; rows are positions among the rows that it uses."""

    def __init__(
        self, trial: Trial, data: BenchData, rows: TrialRows, n_jobs: int | None, device: str
    ) -> None:
        self.trial = trial
        self.used = np.unique(np.concatenate([_all(r) for r in (rows.initial, *rows.updates)]))
        self.y = data.y[self.used]
        self.initial = self._own(rows.initial)
        self.updates = [self._own(update) for update in rows.updates]
        network = architecture(trial.network)
        fitted_on = data.train if trial.order == "random" else _all(rows.initial)
        X = data.ready(network.encoding, fitted_on, self.used)
        n_classes = len(data.classes)
        self.classes = np.arange(n_classes)
        self.models: Models = models_of(network, X, self.y, n_classes, n_jobs=n_jobs, device=device)

    def _own(self, rows: ModelRows) -> ModelRows:
        return ModelRows(
            *(np.searchsorted(self.used, part) for part in (rows.train, rows.validation, rows.test))
        )

    def measure(self, settings: Sequence[Method]) -> list[dict[Method, tuple[Any, ...]]]:
        """Return the measures of each setting in each update."""
        bases: dict[Method, Base | None] = dict.fromkeys(settings, self._first_base())
        found = []
        for number, rows in enumerate(self.updates, start=1):
            update = _Update(self, number, rows, bases)
            last = number == len(self.updates)
            measured, bases = update.run(settings, keep=not last)
            found.append(measured)
        return found

    def later(self, number: int) -> NDArray[np.intp]:
        """Return the rows that are needed once update `number` (0: the base model) is trained."""
        parts = [self.updates[number - 1].test] if number else []
        for rows in self.updates[number:]:
            parts += [rows.train, rows.test]
        return np.unique(np.concatenate(parts))

    def spread(self, rows: NDArray[np.intp], proba: Proba) -> Proba:
        """Return an array for all rows of the trial, NaN where a row has no probabilities."""
        whole = np.full((len(self.used), len(self.classes)), np.nan)
        whole[rows] = proba
        return whole

    def _first_base(self) -> Base:
        training = Training(Cold(), seed_of(self.trial, 0), None)
        (fitted,) = self.models.fit([training], self.initial)
        if fitted is None:
            raise InvalidInputError(
                f"the base model of {self.trial} must end with a finite loss, got one that is not; "
                "look for infinite or very large values"
            )
        rows = self.later(0)
        proba = self.spread(rows, self.models.proba(fitted, rows))
        return Base(proba, self.models.state(fitted))


class _Update:
    """One update of every setting, each of which has its own base model."""

    def __init__(
        self,
        one: _OneTrial,
        number: int,
        rows: ModelRows,
        bases: Mapping[Method, Base | None],
    ) -> None:
        self.one, self.rows, self.bases = one, rows, bases
        self.needed = one.later(number)
        self.seeds = {m: seed_of(one.trial, number, m) for m in range(_most_members(bases))}
        keys = {
            self._key(method, member): method
            for method, base in bases.items()
            if base is not None
            for member in range(method.members)
        }
        trainings = [
            Training(method.trained, self.seeds[member], bases[method])
            for (_, member, _), method in keys.items()
        ]
        fitted = one.models.fit(trainings, rows) if trainings else []
        self.fitted = dict(zip(keys, fitted, strict=True))
        self._known: dict[Any, Proba] = {}
        self._base_predictions: dict[int, BasePredictions] = {}

    def _key(self, method: Method, member: int) -> tuple[Method, int, int]:
        """Return a key that is equal for two settings that can share a model."""
        trained = method.trained
        uses_base = trained.needs_base_proba or trained.needs_base_parameters
        return trained, member, id(self.bases[method]) if uses_base else 0

    def run(
        self, settings: Sequence[Method], *, keep: bool
    ) -> tuple[dict[Method, tuple[Any, ...]], dict[Method, Base | None]]:
        """Return the measures of each setting, and what it serves if that is to be kept."""
        measured, served = {}, {}
        # Settings of one training come together; then their models' probabilities can go.
        for training in dict.fromkeys(method.trained for method in settings):
            for method in settings:
                if method.trained == training:
                    new = self.serve(method)
                    measured[method] = self.measures(method, new)
                    served[method] = new if keep else None
            self._known.clear()
        return measured, served

    def serve(self, method: Method) -> Base | None:
        """Return what a setting serves; None if its training or that of its base diverged."""
        base = self.bases[method]
        members = [self.fitted.get(self._key(method, m)) for m in range(method.members)]
        if base is None or any(member is None for member in members):
            return None
        proba = served_proba(
            np.stack([self._proba(method, m) for m in range(method.members)]),
            np.full(method.members, (1 - method.base_weight) / method.members),
            base=self._base(base),
            base_weight=method.base_weight,
            threshold=method.threshold,
        )
        finished = self.one.models.finish(members[0], method, base)
        return Base(self.one.spread(self.needed, proba), self.one.models.state(finished))

    def _proba(self, method: Method, member: int) -> Proba:
        """Return the probabilities of one model, which several settings may share."""
        made = "parameters" in method.changes
        key = (self._key(method, member), method if made else None)
        if key not in self._known:
            fitted = self.fitted[self._key(method, member)]
            finished = self.one.models.finish(fitted, method, self.bases[method])
            self._known[key] = self.one.models.proba(finished, self.needed)
        return self._known[key]

    def _base(self, base: Base) -> BasePredictions:
        if id(base) not in self._base_predictions:
            classes = self.one.classes
            found = base_predictions(base.proba[self.needed], classes, classes)
            self._base_predictions[id(base)] = found
        return self._base_predictions[id(base)]

    def measures(self, method: Method, served: Base | None) -> tuple[Any, ...]:
        """Return counts and means on the test rows."""
        rows, base = self.rows.test, self.bases[method]
        if served is None or base is None:
            return (len(rows), *[None] * (len(COUNTS) - 1), *[np.nan] * len(MEANS))
        y, old, new = self.one.y[rows], base.proba[rows], served.proba[rows]
        old_class, new_class = old.argmax(axis=1), new.argmax(axis=1)
        right, was_right = new_class == y, old_class == y
        counted = (right, was_right, new_class != old_class, was_right & ~right)
        return (
            len(rows),
            *(int(np.count_nonzero(of)) for of in counted),
            round(float(divergence_per_row(old, new, "kl").mean()), DECIMALS),
            round(float(loss_per_row(y, new, "log_loss").mean()), DECIMALS),
            round(self._member_churn(method), DECIMALS),
        )

    def _member_churn(self, method: Method) -> float:
        """Return the share of test rows on which two members differ; NaN for a single member."""
        tested = np.searchsorted(self.needed, self.rows.test)
        members = range(method.members)
        answers = [self._proba(method, member)[tested].argmax(axis=1) for member in members]
        pairs = [np.mean(one != other) for one, other in combinations(answers, 2)]
        return float(np.mean(pairs)) if pairs else np.nan


def _all(rows: ModelRows) -> NDArray[np.intp]:
    return np.concatenate([rows.train, rows.validation, rows.test])


def _most_members(methods: Mapping[Method, Any]) -> int:
    return max(method.members for method in methods)
