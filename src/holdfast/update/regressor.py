"""`LowChurnRegressor`: the same update for squared loss, where the target is a plain mixture."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from joblib import Parallel, delayed
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin
from sklearn.utils import _safe_indexing, column_or_1d, indexable
from sklearn.utils.validation import (
    _check_y,
    _num_samples,
    check_is_fitted,
    validate_data,
)

from holdfast.common.arrays import check_same_length, check_weights
from holdfast.common.parameters import (
    check_choice,
    check_jobs,
    check_seed,
    check_share,
    first_line,
    on_one_line,
)
from holdfast.exceptions import HoldfastError, InvalidInputError
from holdfast.learners.estimators import fresh, own_columns, without_changing
from holdfast.learners.sklearn import fit_plain
from holdfast.methods.grid import resolve_methods
from holdfast.selection.budget import Budget, choose_cautiously
from holdfast.selection.outcome import Selection
from holdfast.selection.regression import Moves
from holdfast.selection.search import choose
from holdfast.update.base import check_two_objects, clone_but_base_model
from holdfast.update.rows import held_out_rows

__all__ = ["LowChurnRegressor"]

CHURN_KINDS = ("hard", "squared")
MIXTURES = ("average", "single")
TINY = float(np.finfo(np.float64).tiny)


class LowChurnRegressor(MetaEstimatorMixin, RegressorMixin, BaseEstimator):
    """Retrain a regressor inside a churn budget.

    Under squared loss the distillation target is a number, (1 − λ)·y + λ·g(x), so any regressor
    learns it directly. Candidates of a grid of λ, plain retraining among them, are averaged with
    the weights of least squared error that keep the budget on rows that none of them was trained
    on.

    Parameters
    ----------
    estimator : regressor
        Any scikit-learn regressor or pipeline.
    base_model : fitted regressor or callable, optional
        The deployed model. It is only asked for predictions, never refitted and never cloned.
        Without it and without `base_pred`, ``fit`` is a plain fit.
    max_churn : float, optional
        The budget: the share of predictions that move by more than `tolerance` (hard), or the mean
        squared move (squared).
    min_score : float or "cold", optional
        Asks for the lowest churn at this R² on the selection rows instead. ``"cold"``, the default
        without a budget, is the R² of plain retraining.
    tolerance : float
        Largest move, in units of y, that is no churn.
    churn : {"hard", "squared"}
        Unit of the budget.
    lambdas : "auto" or sequence of float
        Grid of λ; "auto" is .1, .2 … .9. Plain retraining (λ = 0) is always there.
    mixture : {"average", "single"}
        Serve an average of candidates or one.
    include_base : bool or "auto"
        Whether the base model may carry weight. "auto" lets it where it is there to be served, if
        that gains more than noise.
    validation_fraction : float
        Share of rows held out for the selection, in (0, 1).
    refit : bool
        Train the chosen λ again on all rows. The served model was then never measured: the measures
        of `selection_` are NaN.
    n_jobs, random_state, verbose
        As for `LowChurnClassifier`.

    Attributes
    ----------
    selection_ : Selection or None
        The choice, measured by what `predict` answers on the selection rows. Its accuracy is R²,
        its risk the mean squared error. None for a first release.
    churn_rate_ : float or None
        Share of selection rows that moved by more than the tolerance; None for a first release and
        after a refit.
    squared_move_ : float or None
        Mean squared move on the selection rows; None for a first release and after a refit.
    estimators_ : list of m fitted regressors
        The candidates that are served.
    weights_ : ndarray of shape (m,)
        Weights of `estimators_`.
    base_weight_ : float
        Weight of the base model.
    lambdas_ : ndarray of shape (L,)
        λ of all candidates.
    lambda_ : float
        Weighted mean λ of the served candidates; the base model counts as 1.
    n_without_base_ : int
        Number of rows without a base prediction.

    Raises
    ------
    InvalidInputError
        From ``fit``: for parameters or arrays that are not what they must be.
    InfeasibleBudgetError
        From ``fit``: when no combination keeps the budget; names the lowest churn reachable.

    References
    ----------
    Jiang et al., "Churn Reduction via Distillation", ICLR 2022 (arXiv 2106.02654).

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.linear_model import Ridge
    >>> X, y = make_regression(600, 10, noise=20.0, random_state=0)
    >>> base = Ridge().fit(X[:60], y[:60])
    >>> model = LowChurnRegressor(
    ...     Ridge(), base, max_churn=0.1, tolerance=5.0, random_state=0
    ... ).fit(X, y)
    >>> model.churn_rate_ <= 0.1
    True
    """

    def __init__(
        self,
        estimator: Any,
        base_model: Any = None,
        *,
        max_churn: float | None = None,
        min_score: float | str | None = None,
        tolerance: float = 0.0,
        churn: str = "hard",
        lambdas: Any = "auto",
        mixture: str = "average",
        include_base: bool | str = "auto",
        validation_fraction: float = 0.2,
        refit: bool = False,
        n_jobs: int | None = None,
        random_state: int | None = None,
        verbose: int = 0,
    ) -> None:
        self.estimator = estimator
        self.base_model = base_model
        self.max_churn = max_churn
        self.min_score = min_score
        self.tolerance = tolerance
        self.churn = churn
        self.lambdas = lambdas
        self.mixture = mixture
        self.include_base = include_base
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_clone__(self) -> LowChurnRegressor:
        return clone_but_base_model(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = getattr(self.estimator, "__sklearn_tags__", None)
        if inner is not None:
            tags.input_tags = inner().input_tags
            tags.regressor_tags = inner().regressor_tags or tags.regressor_tags
        return tags

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        base_pred: Any = None,
        sample_weight: Any = None,
        seen_by_base: Any = None,
    ) -> LowChurnRegressor:
        """Fit the candidates and select.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, d)
        y : array-like of shape (n,)
        base_pred : array-like of shape (n,), optional
            Predictions of the base model for these rows, in place of calling `base_model`. NaN: no
            prediction; the row is learned from its label alone.
        sample_weight : array-like of shape (n,), optional
        seen_by_base : array-like of bool of shape (n,), optional
            Rows that the base model was trained on; none of them is held out.

        Returns
        -------
        self
        """
        X, y, weight = self._check_rows(X, y, sample_weight)
        self._check_parameters()
        self.lambdas_ = np.zeros(1)
        if base_pred is None and self.base_model is None:
            if seen_by_base is not None:
                raise InvalidInputError(
                    "seen_by_base must be left out where there is no base model, got "
                    f"{type(seen_by_base).__name__}; give base_model or base_pred"
                )
            self._keep([self._fit_one(X, y, weight)], [0], np.ones(1), 0.0)
            self.selection_ = self.churn_rate_ = self.squared_move_ = None
            self.n_without_base_ = 0
            return self
        base = self._base_values(X, base_pred)
        known = np.isfinite(base)
        kept, held_out = held_out_rows(
            len(y), self.validation_fraction, self.random_state, seen_by_base
        )
        self.lambdas_ = np.array([m.lam for m in resolve_methods("distill", self.lambdas)])
        fitted = self._fit_path(self.lambdas_, X, y, base, weight, kept)
        X_selection = _safe_indexing(X, held_out)
        problem = self._problem(
            fitted,
            X_selection,
            y[held_out],
            base[held_out],
            None if weight is None else weight[held_out],
        )
        chosen = self._choose(problem)
        served = np.flatnonzero(chosen.weights)
        if self.refit:
            everything = np.arange(len(y))
            models = self._fit_path(self.lambdas_[served], X, y, base, weight, everything)
        else:
            models = [fitted[i] for i in served]
        self._keep(models, served, chosen.weights[served], chosen.base_weight)
        self.selection_ = self._measured(chosen, problem, X_selection)
        self.churn_rate_ = None if self.refit else self.selection_.churn_rate
        self.squared_move_ = None if self.refit else self.selection_.soft_churn
        self.n_without_base_ = int(np.count_nonzero(~known))
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the served predictions, shape (n,)."""
        check_is_fitted(self, "estimators_")
        served = sum(
            weight * np.asarray(_asked("the model", model.predict, X), dtype=np.float64)
            for model, weight in zip(self.estimators_, self.weights_, strict=True)
        )
        if not self.base_weight_:
            return np.asarray(served)
        base = self._base_values(X, None)
        missing = np.isnan(base)
        if missing.any() and not self.estimators_:
            raise InvalidInputError(
                "base_model must predict every row when it is served alone, got "
                f"{np.count_nonzero(missing)} of {len(base)} rows without; leave those rows out, "
                "or update with a larger budget"
            )
        average = served + self.base_weight_ * base
        # Without a base prediction, the average of the others.
        return np.where(missing, served / max(1 - self.base_weight_, TINY), average)

    # --- checks -----------------------------------------------------------------------------------

    def _check_rows(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[Any, NDArray[np.float64], NDArray[np.float64] | None]:
        if y is None:
            raise InvalidInputError(
                "y must be given, got None: this estimator requires y to be passed, but the target "
                "y is None; give one number per row"
            )
        (X,) = indexable(X)
        validate_data(self, X, skip_check_array=True)
        values = _check_y(column_or_1d(y, warn=True), y_numeric=True, estimator=self)
        check_same_length(X=range(_num_samples(X)), y=values)
        weight = None
        if sample_weight is not None:
            weight = check_weights("sample_weight", sample_weight, len(values))
        return X, values.astype(np.float64, copy=False), weight

    def _check_parameters(self) -> None:
        check_choice("churn", self.churn, CHURN_KINDS)
        check_choice("mixture", self.mixture, MIXTURES)
        check_share("validation_fraction", self.validation_fraction, open_ends=True)
        check_jobs(self.n_jobs)
        check_seed(self.random_state)
        if not isinstance(self.refit, bool):
            raise InvalidInputError(f"refit must be True or False, got {self.refit!r}")
        check_share("tolerance", self.tolerance, high=np.inf)
        if self.max_churn is not None and self.min_score is not None:
            raise InvalidInputError(
                "only one of max_churn and min_score may be given, got both; a churn budget and a "
                "score to keep are two different problems"
            )
        if self.max_churn is not None:
            check_share("max_churn", self.max_churn, high=1.0 if self.churn == "hard" else np.inf)
        if self.min_score is not None and self.min_score != "cold":
            check_share("min_score", self.min_score, low=-np.inf)
        if not isinstance(self.include_base, bool):
            check_choice("include_base", self.include_base, ["auto"])
        model = self.base_model
        if model is not None and not hasattr(model, "predict") and not callable(model):
            raise InvalidInputError(
                "base_model must have predict or be a callable X -> values, got "
                f"{type(model).__name__}; give a fitted regressor, or base_pred"
            )
        check_two_objects(model, self.estimator)

    def _base_values(self, X: Any, base_pred: Any) -> NDArray[np.float64]:
        name = "base_pred"
        if base_pred is None:
            name = "predictions of base_model"
            call = getattr(self.base_model, "predict", self.base_model)
            call = partial(without_changing, call)
            base_pred = _asked("base_model", call, own_columns(self.base_model, X))
        base, fault = np.empty(0), ""
        try:
            base = np.asarray(base_pred, dtype=np.float64)
        except (TypeError, ValueError) as error:
            fault = first_line(error)
        if base.ndim != 1:
            fault = f"shape {base.shape}"
        elif np.isinf(base).any():
            fault = f"infinite ones in {np.count_nonzero(np.isinf(base))} rows"
        if fault:
            raise InvalidInputError(
                f"{name} must be finite numbers of shape (n,), got {fault}; correct them, where "
                "NaN marks a row without a prediction"
            )
        check_same_length(**{"X": range(_num_samples(X)), name: base})
        return base

    # --- fitting ----------------------------------------------------------------------------------

    def _fit_one(self, X: Any, y: NDArray[np.float64], weight: NDArray[np.float64] | None) -> Any:
        return fit_plain(fresh(self.estimator), X, y, weight)

    def _fit_path(
        self,
        lambdas: NDArray[np.float64],
        X: Any,
        y: NDArray[np.float64],
        base: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
        rows: NDArray[np.intp],
    ) -> list[Any]:
        part = _safe_indexing(X, rows)
        teacher = np.where(np.isfinite(base), base, y)[rows]
        row_weight = None if weight is None else weight[rows]
        return Parallel(n_jobs=self.n_jobs, verbose=self.verbose)(
            delayed(self._fit_one)(part, (1 - lam) * y[rows] + lam * teacher, row_weight)
            for lam in lambdas
        )

    def _problem(
        self,
        fitted: list[Any],
        X: Any,
        y: NDArray[np.float64],
        base: NDArray[np.float64],
        weight: NDArray[np.float64] | None,
    ) -> Moves:
        known = np.isfinite(base)
        if not known.any():
            raise InvalidInputError(
                "base_pred must have a prediction for at least one selection row, got none; give "
                "rows that the base model has predicted"
            )
        row_weight = np.ones(len(y)) if weight is None else weight
        churn_weight = np.where(known, row_weight, 0.0)
        return Moves(
            values=np.stack([np.asarray(m.predict(X), dtype=np.float64) for m in fitted]),
            base=np.where(known, base, 0.0),
            y=y,
            tolerance=float(self.tolerance),
            risk_weight=row_weight / row_weight.sum(),
            churn_weight=churn_weight / churn_weight.sum(),
        )

    def _choose(self, problem: Moves) -> Selection:
        if self.include_base is True and not (self._can_serve_base and problem.base_everywhere):
            raise InvalidInputError(
                "include_base must be False or 'auto' without a base_model that predicts every "
                "row, got True; give base_model"
            )
        include_base = self.include_base if self._can_serve_base else False
        budget = Budget(
            "hard" if self.churn == "hard" else "soft",
            self.max_churn,
            self.min_score,
            accuracy_name="min_score",
        ).keeping(lambda kept: problem.measure(np.eye(problem.size)[0]).accuracy)

        def choose_at(budget: Budget) -> Selection:
            return choose(problem, budget, mixture=self.mixture, include_base=include_base)

        if self.max_churn is None or budget.churn == "soft":
            return choose_at(budget)
        return choose_cautiously(choose_at, budget, problem.churn_weight)

    @property
    def _can_serve_base(self) -> bool:
        return self.base_model is not None

    def _measured(self, chosen: Selection, problem: Moves, X: Any) -> Selection:
        """Return the selection with the measures of what `predict` answers; NaN after a refit."""
        if self.refit:
            nan = float("nan")
            return replace(chosen, risk=nan, accuracy=nan, churn_rate=nan, soft_churn=nan)
        served = replace(problem, values=self.predict(X)[None]).measure(np.ones(1))
        return replace(
            chosen,
            risk=served.risk,
            accuracy=served.accuracy,
            churn_rate=served.churn_rate,
            soft_churn=served.soft_churn,
        )

    def _keep(
        self, models: list[Any], served: Any, weights: NDArray[np.float64], base_weight: float
    ) -> None:
        self.estimators_ = models
        self.weights_, self.base_weight_ = weights, base_weight
        self.lambda_ = float(self.lambdas_[served] @ weights + base_weight)


def _asked(name: str, call: Any, X: Any) -> Any:
    """Return what a model says of X, or raise an error that names the model."""
    try:
        return call(X)
    except HoldfastError:
        raise
    except Exception as error:
        remedy = ", or base_pred" if name == "base_model" else ""
        raise InvalidInputError(
            f"{name} must give values for X, got {type(error).__name__}: {on_one_line(error)}; "
            f"give X as in its training{remedy}"
        ) from error
