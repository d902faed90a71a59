"""`LowChurnClassifier`: wiring of targets, learner, path, selection and serving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils import column_or_1d, indexable
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _num_samples, check_is_fitted, validate_data

from holdfast.common.arrays import check_labels, check_same_length, check_weights
from holdfast.common.classes import class_index
from holdfast.common.parameters import check_choice, check_share
from holdfast.comparison.compare import compare
from holdfast.comparison.result import Comparison
from holdfast.exceptions import InvalidInputError
from holdfast.learners.estimators import proba_of
from holdfast.learners.interface import Learner
from holdfast.learners.lookup import learner_of, traits_of
from holdfast.methods.grid import resolve_methods, searched_methods
from holdfast.methods.training import Cold, Distill, Method
from holdfast.models.base import BaseModel, classes_of_columns
from holdfast.models.base_predictions import BasePredictions, base_predictions
from holdfast.models.card import LoadedModel
from holdfast.models.loading import as_loaded
from holdfast.models.served import serve
from holdfast.selection.budget import Selection
from holdfast.selection.certificate import Certificate
from holdfast.selection.limits import GroupColumns, Limits, group_columns
from holdfast.selection.override_search import OverrideSelection
from holdfast.selection.weights import CHURN_KINDS
from holdfast.update.base import check_two_objects, clone_but_base_model
from holdfast.update.candidates import Candidate, Path
from holdfast.update.certification import CertificationRows, halves
from holdfast.update.choosing import Chooser
from holdfast.update.fitting import PathFitter
from holdfast.update.lambda_search import search_candidates
from holdfast.update.rows import BaseReport, UpdateRows

__all__ = ["LowChurnClassifier"]

MIXTURES = ("average", "single", "override")


def _served_has_decision_function(model: Any) -> bool:
    return hasattr(getattr(model, "served_", model.estimator), "decision_function")


class LowChurnClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Retrain a classifier inside a churn budget.

    Fits clones of `estimator` to mixtures of the labels and the base model's probabilities, one for
    each λ of a grid and plain retraining among them, and serves the combination of lowest risk that
    keeps the budget on rows that none of them was trained on.

    Parameters
    ----------
    estimator : classifier
        Any scikit-learn classifier with `predict_proba`, or a `Pipeline` that ends in one. To learn
        soft targets it needs `sample_weight`; see `soft_targets`. Or a network, as a
        `holdfast.nn.NetworkClassifier` or a skorch `NeuralNetClassifier`: all settings are then
        trained in one `holdfast.nn.fit_many`, and some methods start from the base model's
        parameters, where that is such a network too. LightGBM's, XGBoost's and CatBoost's
        classifiers learn soft targets as they are, and can start from any base model: from its
        trees where it is of the same library, which gives one booster, else from its log-odds.
    base_model : fitted estimator, object with predict_proba, callable, str or path-like, optional
        The deployed model; a callable takes X and returns probabilities (n, K). It is only asked
        for predictions: never refitted, never cloned. A file (`.skops`, `.onnx`, `.safetensors`) or
        an address (``"models:/fraud@champion"``) is read by ``fit``, as `load_model` reads it, and
        its predictions for the rows are kept in a cache on disk; where types must be named trusted,
        give what `load_model` returns. Leave it out and give `base_proba` to ``fit``
        when only logged predictions are at hand; with neither, this is a first release: a plain
        fit.
    method : str, Method or list of these
        What is trained: a name or an object of `holdfast.methods`, several that compete, or
        ``"auto"``: ``"distill"``, for boosters ``"warm_distill"`` too, and ``"warm_distill"`` alone
        for a network that can start from the base model's parameters.
    max_churn : float or dict, optional
        The budget: a share of rows whose answer may change (hard), nats (kl), or squared distance
        (brier). A dict limits groups too, by a column of X or of `groups`, e.g.
        ``{"overall": 0.02, "country=DE": 0.01}``. It is a target on the selection rows, at which a
        hard budget is approached to half a standard error where possible; churn on other rows
        varies around it.
    max_negative_flips : float, optional
        Largest share of rows that may go from right to wrong, beside `max_churn`.
    min_accuracy : float or "cold", optional
        Ask for the lowest churn at this accuracy instead; ``"cold"`` is that of plain retraining,
        both on the selection rows. The default when no budget is given: the operating point of the
        paper.
    churn : {"hard", "kl", "brier"}
        Unit of the budget.
    lambdas : "auto" or sequence of float
        Grid of λ. "auto" looks for those that matter for the budget, of ``"distill"`` and
        ``"warm_distill"``, until another fit would gain nothing that can be measured on the
        selection rows: mostly one or two, three at most. Boosters that may be averaged with the
        base model, and whose second half of rounds gains nothing there, are tried with half as well
        (`FirstTrees`); where all rounds are better, the average itself stands for ``"distill"``.
        For other methods, and for networks, which train all settings together, it is .1, .2 … .9.
        Plain retraining (λ = 0) is always there.
    mixture : {"average", "single", "override"}
        Serve an average of candidates, one candidate, or the base model's class except where a
        candidate is clearly surer (`override_threshold`; needs the base model at serving). With
        ``method="auto"``, ``"average"`` and a hard budget an override competes too, by the average
        of the candidates whose risk is least, whatever it changes: it is served where it is more
        accurate (without `max_churn`: changes less, then it may be by one candidate too) on the
        selection rows.
    include_base : bool or "auto"
        Whether the base model itself may carry weight in the average. "auto": where `base_model` is
        there to be served, and only if that gains more than noise; with `confidence` in any case,
        as the safe end from which one goes as far as can be certified.
    confidence : float, optional
        Turns `max_churn` from a target into a promise: with this confidence, over the draw of the
        certification rows, churn on rows of the same kind is at most the budget. Half of the
        held-out rows certify and are used for nothing else; with `X_unlabeled` these do, and all
        held-out rows select. See `certificate_`.
    validation_fraction : float
        Share of rows held out for the selection, in (0, 1). Where `seen_by_base` is given, at most
        half of the rows that are new to the base model.
    refit : bool
        Train the chosen settings again on all rows. The served model then differs from the one that
        was measured: `comparison_` is None.
    n_jobs : int, optional
        Candidates fitted at once, through joblib; networks as `holdfast.nn.fit_many` has it;
        boosters one after the other, each with the threads that its own `n_jobs` gives it.
    random_state : int, optional
        Of the split and of drawn labels. The estimator's own seed is its own.
    verbose : int
    soft_targets : {"weights", "sample"}
        "weights": each row becomes K weighted rows, exact. "sample": one label a row is drawn from
        its target, for estimators that take no `sample_weight`. Networks learn soft targets as they
        are.
    average_in : {"probability", "log_odds"}
        Where candidates are averaged. In log-odds, linear models of one path are served as one
        model with interpolated coefficients, and boosters of one library, the base model among
        them, as one booster that holds the trees of all.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
    path_ : Path
        All candidates with their probabilities on the selection rows.
    selection_ : Selection, OverrideSelection or None
        What was chosen, with every alternative that was looked at; None for a first release.
    threshold_ : float
        τ of the override; only where one is served.
    rival_ : Selection, OverrideSelection or None
        What lost under ``method="auto"``: the average or the override.
    weights_ : ndarray of shape (m,)
        Weights of `estimators_`.
    base_weight_ : float
        Weight of the base model in the average.
    estimators_ : list of m fitted estimators
        The candidates that are served.
    lambda_ : float
        Weighted mean λ of what is served; the base model counts as 1.
    served_ : classifier
        What `predict` calls, holding nothing but what serving needs.
    serving_ : str
        One sentence: what serving needs.
    comparison_ : Comparison or None
        Base against served model on the selection rows; None for a first release and after a refit.
        The selection was made on these rows, so expect slightly more churn on others.
    certificate_ : Certificate or None
        What the certification rows promise; None without `confidence`.
    base_report_ : BaseReport or None
        Counts of missing, unknown and removed.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Raises
    ------
    InvalidInputError
        From ``fit``: for parameters or arrays that are not what they must be.
    UnsupportedEstimatorError
        From ``fit``: when the estimator cannot learn soft targets as asked.
    InfeasibleBudgetError
        From ``fit``: when no combination keeps the budget; names the lowest churn reachable. When
        nothing can be certified: names the rows that takes, and the tightest budget these certify.

    References
    ----------
    Jiang et al., "Churn Reduction via Distillation", ICLR 2022 (arXiv 2106.02654). Certificates:
    Angelopoulos et al., "Learn then Test", 2021 (arXiv 2110.01052).

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from sklearn.linear_model import LogisticRegression
    >>> X, y = make_classification(2000, n_informative=8, random_state=0)
    >>> base = LogisticRegression().fit(X[:200], y[:200])
    >>> model = LowChurnClassifier(LogisticRegression(), base, max_churn=0.02, random_state=0)
    >>> model.fit(X, y).comparison_.churn_rate <= 0.02
    True
    """

    def __init__(
        self,
        estimator: Any,
        base_model: Any = None,
        *,
        method: Any = "distill",
        max_churn: float | dict[str, float] | None = None,
        max_negative_flips: float | None = None,
        min_accuracy: float | str | None = None,
        churn: str = "hard",
        lambdas: Any = "auto",
        mixture: str = "average",
        include_base: bool | str = "auto",
        confidence: float | None = None,
        validation_fraction: float = 0.2,
        refit: bool = False,
        n_jobs: int | None = None,
        random_state: int | None = None,
        verbose: int = 0,
        soft_targets: str = "weights",
        average_in: str = "probability",
    ) -> None:
        self.estimator = estimator
        self.base_model = base_model
        self.method = method
        self.max_churn = max_churn
        self.max_negative_flips = max_negative_flips
        self.min_accuracy = min_accuracy
        self.churn = churn
        self.lambdas = lambdas
        self.mixture = mixture
        self.include_base = include_base
        self.confidence = confidence
        self.validation_fraction = validation_fraction
        self.refit = refit
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose
        self.soft_targets = soft_targets
        self.average_in = average_in

    def __sklearn_clone__(self) -> LowChurnClassifier:
        return clone_but_base_model(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = getattr(self.estimator, "__sklearn_tags__", None)
        if inner is not None:
            tags.input_tags = deepcopy(inner().input_tags)
            tags.classifier_tags = deepcopy(inner().classifier_tags) or tags.classifier_tags
        return tags

    _deployed: LoadedModel
    selection_: Selection | OverrideSelection | None
    rival_: Selection | OverrideSelection | None
    threshold_: float
    certificate_: Certificate | None
    lambda_: float
    comparison_: Comparison | None
    base_report_: BaseReport | None

    # --- fitting ----------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        base_proba: Any = None,
        base_classes: Any = None,
        sample_weight: Any = None,
        seen_by_base: Any = None,
        groups: Any = None,
        X_unlabeled: Any = None,
        validation: tuple[Any, ...] | None = None,
    ) -> LowChurnClassifier:
        """Fit the path and select.

        Parameters
        ----------
        X : array-like, sparse matrix or data frame of shape (n, d)
            For networks, an array of shape (n, …).
        y : array-like of shape (n,)
        base_proba : array-like of shape (n, K_base), optional
            Probabilities of the base model for these rows, in place of calling `base_model`. A row
            of NaN has no base prediction and is learned from its label alone.
        base_classes : array-like of shape (K_base,), optional
            Classes of the base model's columns. Left out: the columns of a data frame, the base
            model's ``classes_``, or the sorted labels, in this order.
        sample_weight : array-like of shape (n,), optional
            Weighs the rows in training, selection and measures.
        seen_by_base : array-like of bool of shape (n,), optional
            Rows that the base model was trained on. The selection rows are then drawn from the
            others: on its own training rows a base model looks better, and nearer to its successor,
            than it is.
        groups : dict or data frame of n rows, optional
            Columns that `max_churn` names and X does not have.
        X_unlabeled : array-like of shape (m, d), or tuple (X, base_proba), optional
            Rows to certify on (`confidence`), such as yesterday's traffic: churn needs no labels.
            With their base probabilities where `base_model` is not given.
        validation : tuple (X, y) or (X, y, base_proba), optional
            Rows for the selection and the certificate, in place of a split; with `base_proba` where
            `base_model` is not given.

        Returns
        -------
        self
        """
        X, labels, weight = self._check_rows(X, y, sample_weight)
        self._check_parameters()
        self.classes_ = np.unique(labels)
        index = np.searchsorted(self.classes_, labels)
        if base_proba is None and self.base_model is None:
            _refuse_without_base(
                base_classes=base_classes,
                seen_by_base=seen_by_base,
                groups=groups,
                X_unlabeled=X_unlabeled,
            )
            return self._fit_first_release(X, index, weight)
        self._check_update(seen_by_base, validation, X_unlabeled)
        self._deployed = as_loaded(self.base_model)
        learner, settings, searched = self._learner_and_settings()
        base_model, predictions = self._base_of(X, base_proba, base_classes)
        columns = self._group_columns(groups, X, "X")
        rows = UpdateRows(X, index, self.classes_, weight, predictions, columns)
        if validation is None:
            train, held_out = rows.split(self.validation_fraction, self.random_state, seen_by_base)
        else:
            train, held_out = rows, self._validation_rows(base_model, base_classes, validation)
        self.base_report_ = rows.base_report
        certifying = self._unlabeled_rows(X_unlabeled, base_model, base_classes)
        if self.confidence is not None and certifying is None:
            held_out, certifying = halves(held_out, self.random_state)
        fitter = self._fitter(learner, train, base_model, held_out)
        candidates = fitter.fit(settings)
        # The selection rows stay, without their features, so that other budgets need no training.
        self._selection_rows, self._base = replace(held_out, X=None), base_model
        self._certification = None
        if searched:
            candidates += self._search(searched, candidates, fitter)
        self.path_ = Path(tuple(candidates), self.classes_)
        if certifying is not None:
            self._certification = CertificationRows.of(candidates, certifying, len(train.y))
        again = self._fitter(learner, rows, base_model, None) if self.refit else None
        return self._select(None if again is None else again.fit)

    def with_budget(
        self,
        *,
        max_churn: float | None = None,
        min_accuracy: float | str | None = None,
        **params: Any,
    ) -> LowChurnClassifier:
        """Return a copy with another budget, selected from the same path: nothing is trained again.

        Where λ were searched for (``lambdas="auto"``), that was for the budget of the fit and for
        how it was to be served; give a grid to fit once for budgets that lie far apart, or to leave
        the base model out.

        Parameters
        ----------
        max_churn : float, optional
        min_accuracy : float or "cold", optional
            Either takes the place of the present budget, which stays when both are left out.
        **params
            Others of the selection: `churn`, `mixture`, `include_base`, `average_in`,
            `confidence`. Each certificate holds by itself, not all of several together.

        Returns
        -------
        LowChurnClassifier
            Fitted; it shares `path_` with this one.

        Raises
        ------
        InvalidInputError
            After a refit (the models on the path are not those that are served), for a first
            release, for other parameters or values out of range.
        InfeasibleBudgetError
            When no combination keeps the budget.

        Examples
        --------
        >>> from sklearn.datasets import make_classification
        >>> from sklearn.linear_model import LogisticRegression
        >>> X, y = make_classification(600, random_state=0)
        >>> base = LogisticRegression().fit(X[:100], y[:100])
        >>> model = LowChurnClassifier(LogisticRegression(), base, random_state=0).fit(X, y)
        >>> model.with_budget(max_churn=0.0).comparison_.churn_rate
        0.0
        """
        check_is_fitted(self, "served_")
        unknown = set(params) - {"churn", "mixture", "include_base", "average_in", "confidence"}
        if unknown:
            raise InvalidInputError(
                f"with_budget takes churn, mixture, include_base, average_in and confidence, got "
                f"{', '.join(sorted(unknown))}; fit a new model to change what is trained"
            )
        if self.refit or self.selection_ is None:
            raise InvalidInputError(
                "with_budget needs the selection rows of an update fitted with refit=False, got "
                f"{'refit=True' if self.refit else 'a first release'}; fit a new model"
            )
        other = copy(self)
        if max_churn is not None or min_accuracy is not None:
            params |= {"max_churn": max_churn, "min_accuracy": min_accuracy}
        other.set_params(**params)
        other._check_parameters()
        if other.confidence is not None and self._certification is None:
            raise InvalidInputError(
                "confidence must have been given to the fit, which then keeps rows for it, got "
                "None there; fit again with it"
            )
        other._check_base_use()
        return other._select(None)

    def compare_candidate(self, position: int = 0) -> Comparison:
        """Compare one candidate of the path with the base model, on the selection rows.

        Parameters
        ----------
        position : int
            In ``path_.candidates``; the first is plain retraining.

        Returns
        -------
        Comparison

        Raises
        ------
        InvalidInputError
            For a first release, which has no base model, or a position that is not on the path.

        Examples
        --------
        >>> from sklearn.datasets import make_classification
        >>> from sklearn.linear_model import LogisticRegression
        >>> X, y = make_classification(600, random_state=0)
        >>> base = LogisticRegression().fit(X[:100], y[:100])
        >>> model = LowChurnClassifier(LogisticRegression(), base, random_state=0).fit(X, y)
        >>> model.comparison_.churn_rate <= model.compare_candidate().churn_rate
        True
        """
        check_is_fitted(self, "served_")
        if self.selection_ is None:
            raise InvalidInputError(
                "compare_candidate needs an update of a base model, got a first release; give "
                "base_model or base_proba to the fit"
            )
        n = len(self.path_.candidates)
        if not isinstance(position, int) or not 0 <= position < n:
            raise InvalidInputError(
                f"position must be an integer from 0 to {n - 1}, got {position!r}; see path_.labels"
            )
        return self._compare(self.path_.proba[position].argmax(axis=1))

    def _select(self, refit: Callable[..., list[Candidate]] | None) -> LowChurnClassifier:
        """Choose from the path, train the chosen again if asked to, and build what is served."""
        chooser, proba = self._chooser, self.path_.proba
        choice = chooser.choose(proba)
        self.selection_, self.rival_ = choice.selection, choice.rival
        self.certificate_ = choice.certificate
        served = choice.served
        self._keep(served, choice.weights[served], choice.base_weight, choice.threshold)
        self.comparison_ = None
        if refit is None:
            self.comparison_ = self._compare(chooser.answers_of(choice, proba))
        else:
            again = refit([self.path_.candidates[i].method for i in served])
            self.estimators_ = [candidate.estimator for candidate in again]
        self._serve(self._base)
        return self

    def _check_rows(
        self, X: Any, y: Any, sample_weight: Any
    ) -> tuple[Any, NDArray[Any], NDArray[np.float64] | None]:
        if y is None:
            raise InvalidInputError(
                "y must be given, got None: this estimator requires y to be passed, but the target "
                "y is None; give one class per row"
            )
        (X,) = indexable(X)
        validate_data(self, X, skip_check_array=True)
        labels = column_or_1d(y, warn=True)
        if labels.dtype.kind in "fc" and np.isfinite(labels).all():
            check_classification_targets(labels)
        check_same_length(X=_row_range(X), y=labels)
        labels = check_labels("y", labels)
        weight = None
        if sample_weight is not None:
            weight = check_weights("sample_weight", sample_weight, len(labels))
        return X, labels, weight

    def _check_parameters(self) -> None:
        check_choice("mixture", self.mixture, MIXTURES)
        check_choice("churn", self.churn, CHURN_KINDS)
        check_choice("average_in", self.average_in, ("probability", "log_odds"))
        check_share("validation_fraction", self.validation_fraction, open_ends=True)
        if not isinstance(self.refit, bool):
            raise InvalidInputError(f"refit must be True or False, got {self.refit!r}")
        if self.max_churn is not None and self.min_accuracy is not None:
            raise InvalidInputError(
                "only one of max_churn and min_accuracy may be given, got both; a churn budget and "
                "an accuracy to keep are two different problems"
            )
        Limits.of(self.max_churn, self.max_negative_flips, self.churn)  # raises for wrong ones
        if self.min_accuracy is not None and self.min_accuracy != "cold":
            check_share("min_accuracy", self.min_accuracy)
        if self.confidence is not None:
            self._check_confidence()
        if not isinstance(self.include_base, bool):
            check_choice("include_base", self.include_base, ["auto"])
        if self.churn == "brier" and self.average_in == "log_odds":
            raise InvalidInputError(
                "average_in must be 'probability' with churn='brier', got 'log_odds': the Brier "
                "score is not convex in log-odds; use churn='kl' or 'hard'"
            )
        if self.mixture == "override" and self.churn != "hard":
            raise InvalidInputError(
                f"churn must be 'hard' with mixture='override', got {self.churn!r}: the override "
                "answers a hard budget; use mixture='average' for a soft one"
            )
        if not hasattr(self.estimator, "predict_proba"):
            raise InvalidInputError(
                f"estimator must have predict_proba, got {type(self.estimator).__name__}; "
                "use a probabilistic classifier (or wrap this one for calibration)"
            )

    def _check_confidence(self) -> None:
        check_share("confidence", self.confidence, open_ends=True)
        if self.max_churn is None:
            raise InvalidInputError(
                "max_churn must be given with confidence, got None: a certificate is about a "
                "budget; give one, or leave confidence out"
            )
        if self.refit:
            raise InvalidInputError(
                "refit must be False with confidence, got True: a certificate is about the model "
                "that was measured, not about one trained again; choose one of the two"
            )

    def _check_update(self, seen_by_base: Any, validation: Any, X_unlabeled: Any) -> None:
        """Refuse before anything is trained."""
        if X_unlabeled is not None and self.confidence is None:
            raise InvalidInputError(
                "confidence must be given with X_unlabeled, which serves to certify, got None; "
                "give e.g. confidence=0.95, or leave X_unlabeled out"
            )
        if len(self.classes_) < 2:
            raise InvalidInputError(
                f"y must have at least two classes, got one class, {self.classes_.tolist()[0]!r}; "
                "give rows of every class"
            )
        if seen_by_base is not None and validation is not None:
            raise InvalidInputError(
                "only one of seen_by_base and validation may be given, got both; seen_by_base says "
                "which rows not to hold out, and with validation none are"
            )
        self._check_base_use()

    def _check_base_use(self) -> None:
        if self.base_model is not None:
            return
        if self.mixture == "override":
            raise InvalidInputError(
                "base_model must be given with mixture='override', got base_proba alone: the base "
                "model's class is served wherever the new model is not clearly surer"
            )
        if self.include_base is True:
            raise InvalidInputError(
                "include_base must be False or 'auto' without base_model, got True: base_proba "
                "alone cannot be served; give base_model"
            )

    def _learner_and_settings(self) -> tuple[Learner, list[Method], list[type[Distill]]]:
        """Return the learner, the settings to fit in any case, and methods whose λ is searched."""
        traits = traits_of(
            self.estimator,
            soft_targets=self.soft_targets,
            base_model=self._deployed.model,
            classes=self.classes_,
        )
        searched: list[type[Distill]] = []
        named = self.method
        if not traits.at_once:
            searched, named = searched_methods(self.method, self.lambdas, auto=traits.auto)
        settings = resolve_methods(named, self.lambdas, auto=traits.auto)
        served = [s for s in settings if s.base_weight or s.threshold is not None]
        if served and self.base_model is None:
            raise InvalidInputError(
                f"base_model must be given for the method {served[0]}, which serves it beside the "
                "new model, got base_proba alone; give base_model or choose another method"
            )
        learner = learner_of(
            self.estimator,
            soft_targets=self.soft_targets,
            random_state=self.random_state,
            base_model=self._deployed.model,
            classes=self.classes_,
            methods=[*settings, *(family() for family in searched)],
        )
        return learner, settings, searched

    def _search(
        self, searched: list[type[Distill]], candidates: list[Candidate], fitter: PathFitter
    ) -> list[Candidate]:
        """Fit candidates of some methods at the λ that matter for the budget."""
        chooser = self._chooser

        def served(some: Sequence[Candidate], soft_budget: float | None) -> NDArray[np.float64]:
            path = Path(tuple(some), self.classes_)
            return chooser.serve_for_search(path.proba, soft_budget)

        return search_candidates(
            searched,
            candidates,
            chooser.search_rows,
            fit=fitter.fit,
            serve=served,
            along_chords=self.mixture == "average",
            compare_rounds=fitter.learner.in_rounds and chooser.mixes_base,
            exact_average=self.average_in == "probability",
        )

    def _fitter(
        self,
        learner: Learner,
        rows: UpdateRows,
        base_model: BaseModel | None,
        held_out: UpdateRows | None,
    ) -> PathFitter:
        return PathFitter(
            learner, rows, held_out, base_model, n_jobs=self.n_jobs, verbose=self.verbose
        )

    def _fit_first_release(
        self, X: Any, y: NDArray[np.intp], weight: NDArray[np.float64] | None
    ) -> LowChurnClassifier:
        learner = learner_of(
            self.estimator,
            soft_targets=self.soft_targets,
            random_state=self.random_state,
            base_model=None,
            classes=self.classes_,
            methods=(),
        )
        rows = UpdateRows(X, y, self.classes_, weight, None)
        fitter = PathFitter(learner, rows, None, None)
        self.path_ = Path(tuple(fitter.fit([Cold()])), self.classes_)
        self.selection_, self.comparison_, self.base_report_ = None, None, None
        self.rival_, self.certificate_ = None, None
        self._keep([0], np.ones(1))
        self._serve(None)
        return self

    @property
    def _limits(self) -> Limits:
        return Limits.of(self.max_churn, self.max_negative_flips, self.churn)

    def _group_columns(self, groups: Any, X: Any, source: str) -> GroupColumns:
        """Return the columns by which the budget tells groups."""
        return group_columns(groups, X, self._limits.columns, _num_samples(X), source=source)

    # --- the base model and the rows --------------------------------------------------------------

    def _base_of(
        self, X: Any, base_proba: Any, base_classes: Any
    ) -> tuple[BaseModel | None, BasePredictions]:
        model = None
        if self.base_model is not None:
            check_two_objects(self._deployed.model, self.estimator)
            model = BaseModel.of(self._deployed.model, base_classes, self.classes_)
        if base_proba is None:
            assert model is not None  # one of the two was given
            return model, model.predict(X, self.classes_, sha256=self._deployed.sha256)
        known = classes_of_columns(base_proba, base_classes, model, self.classes_)
        predictions = base_predictions(base_proba, known, self.classes_)
        check_same_length(X=_row_range(X), base_proba=predictions.pred)
        return model, predictions

    def _validation_rows(
        self, base_model: BaseModel | None, base_classes: Any, validation: tuple[Any, ...]
    ) -> UpdateRows:
        if not isinstance(validation, tuple) or len(validation) not in (2, 3):
            raise InvalidInputError(
                "validation must be a tuple (X, y) or (X, y, base_proba), got "
                f"{type(validation).__name__}; give rows that are not among the training rows"
            )
        X, y, proba = (*validation, None)[:3]
        labels = check_labels("validation y", y)
        check_same_length(**{"validation X": _row_range(X), "validation y": labels})
        if proba is None and base_model is None:
            raise InvalidInputError(
                "validation must hold base_proba as its third entry when base_model is not given, "
                "got (X, y); give the base model's probabilities for these rows"
            )
        index = class_index(labels, self.classes_)
        if (index < 0).any():
            raise InvalidInputError(
                f"validation y must hold classes of y only, got {labels[index < 0].tolist()[0]!r}; "
                "drop those rows or train on that class"
            )
        _, base = self._base_of(X, proba, base_classes)
        columns = self._group_columns(None, X, "validation X")
        return UpdateRows(X, index, self.classes_, None, base, columns)

    # --- certificates -----------------------------------------------------------------------------

    def _unlabeled_rows(
        self, X_unlabeled: Any, base_model: BaseModel | None, base_classes: Any
    ) -> UpdateRows | None:
        if X_unlabeled is None:
            return None
        X, proba = X_unlabeled if isinstance(X_unlabeled, tuple) else (X_unlabeled, None)
        if proba is None and base_model is None:
            raise InvalidInputError(
                "X_unlabeled must be a tuple (X, base_proba) when base_model is not given, got "
                f"{type(X_unlabeled).__name__}; give the base model's probabilities for these rows"
            )
        try:
            validate_data(self, X, skip_check_array=True, reset=False)
        except ValueError as error:
            raise InvalidInputError(
                f"X_unlabeled must have the columns of X, got other ones: {error} Give rows as the "
                "models see them"
            ) from error
        _, base = self._base_of(X, proba, base_classes)
        columns = self._group_columns(None, X, "X_unlabeled")
        return UpdateRows(X, np.full(_num_samples(X), -1), self.classes_, None, base, columns)

    # --- choosing and serving ---------------------------------------------------------------------

    @property
    def _chooser(self) -> Chooser:
        return Chooser(
            rows=self._selection_rows,
            limits=self._limits,
            min_accuracy=self.min_accuracy,
            churn=self.churn,
            mixture=self.mixture,
            average_in=self.average_in,
            include_base=False if self._base is None else self.include_base,
            override_competes=self._override_competes(),
            confidence=self.confidence,
            certification=self._certification,
        )

    def _override_competes(self) -> bool:
        """Whether everything that suits is asked for, and an override could be served."""
        names = [self.method] if isinstance(self.method, str) else self.method
        asked = isinstance(names, (list, tuple)) and "auto" in names and self.mixture == "average"
        allowed = self.include_base is not False and self.churn == "hard"
        return asked and allowed and self.base_model is not None

    def _keep(
        self,
        served: list[int],
        weights: NDArray[np.float64],
        base_weight: float = 0.0,
        threshold: float | None = None,
    ) -> None:
        self.estimators_ = [self.path_.candidates[i].estimator for i in served]
        self.weights_, self.base_weight_ = weights, base_weight
        self.lambda_ = float(self.path_.lambdas[served] @ weights + base_weight)
        if hasattr(self, "threshold_"):
            del self.threshold_
        if threshold is not None:
            self.threshold_ = threshold

    def _serve(self, base_model: BaseModel | None) -> None:
        served = serve(
            self.estimators_,
            self.weights_,
            self.classes_,
            average_in=self.average_in,
            base_model=base_model,
            base_weight=self.base_weight_,
            threshold=getattr(self, "threshold_", None),
        )
        self.served_, self.serving_ = served.model, served.needs

    def _compare(self, answers: NDArray[np.intp]) -> Comparison:
        rows = self._selection_rows
        base = rows.base_predictions
        known = base.answered
        return compare(
            base.served[known],
            self.classes_[answers][known],
            self.classes_[rows.y][known],
            sample_weight=None if rows.weight is None else rows.weight[known],
        )

    # --- serving ----------------------------------------------------------------------------------

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return probabilities of shape (n, K), columns in the order of `classes_`."""
        check_is_fitted(self, "served_")
        return proba_of(self.served_, X, self.classes_)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the served class of each row, shape (n,)."""
        check_is_fitted(self, "served_")
        return np.ravel(self.served_.predict(X))  # CatBoost answers several classes in a column

    @available_if(_served_has_decision_function)
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the decision function of a single served model that has one."""
        check_is_fitted(self, "served_")
        return self.served_.decision_function(X)


def _row_range(X: Any) -> range:
    """Return something whose length is the number of rows, sparse matrices included."""
    return range(_num_samples(X))


def _refuse_without_base(**arguments: Any) -> None:
    """Raise for what says something about a base model that is not there."""
    for name, value in arguments.items():
        if value is not None:
            raise InvalidInputError(
                f"{name} must be left out where there is no base model, got "
                f"{type(value).__name__}; give base_model or base_proba"
            )
