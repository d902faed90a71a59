"""`LowChurnClassifier`: the scikit-learn face of an update under a budget."""

from __future__ import annotations

from copy import copy, deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, MetaEstimatorMixin
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from holdfast.comparison.result import Comparison
from holdfast.exceptions import InvalidInputError
from holdfast.learners.estimators import proba_of
from holdfast.models.deciding import inner_estimator
from holdfast.models.served import answers_of
from holdfast.rules import Rule
from holdfast.selection.certificate import Certificate
from holdfast.selection.outcome import Selection
from holdfast.selection.override_search import OverrideSelection
from holdfast.update.base import clone_but_base_model
from holdfast.update.candidates import Path
from holdfast.update.inputs import RowReader, check_combinations, check_rows
from holdfast.update.plan import Plan
from holdfast.update.rows import BaseReport
from holdfast.update.ruling import first_release_rule
from holdfast.update.settings import Settings
from holdfast.update.update import Outcome, Update, fit_first_release, fit_update, refit

__all__ = ["LowChurnClassifier"]

OF_THE_SELECTION = (
    "churn",
    "mixture",
    "include_base",
    "average_in",
    "utility",
    "min_utility",
    "confidence",
)


def _served_has_decision_function(model: Any) -> bool:
    return hasattr(getattr(model, "served_", model.estimator), "decision_function")


class LowChurnClassifier(MetaEstimatorMixin, ClassifierMixin, BaseEstimator):
    """Retrain a classifier inside a churn budget.

    Clones of `estimator` learn mixtures of the labels and the base model's probabilities, one clone
    for each λ of a grid, plain retraining among them. The combination of lowest risk is served that
    keeps the budget on rows that none of them was trained on.

    Parameters
    ----------
    estimator : classifier
        The learner. It may be:

        - any scikit-learn classifier with `predict_proba`, or a `Pipeline` that ends in one. To
          learn soft targets it needs `sample_weight`; see `soft_targets`.
        - a network, as a `holdfast.nn.NetworkClassifier` or a skorch `NeuralNetClassifier`. All
          settings are then trained in one `holdfast.nn.fit_many`. Some methods start from the base
          model's parameters, where that is such a network too.
        - a classifier of LightGBM, XGBoost or CatBoost, which learns soft targets as they are. It
          can start from any base model: from the trees of a model of the same library, which gives
          one booster, and otherwise from the base model's log-odds.
        - a `FixedThresholdClassifier` or `TunedThresholdClassifierCV` of scikit-learn. The
          classifier inside learns, and its threshold is the rule; that of the second is tuned on
          the selection rows (``rule="retuned"``).
    base_model : fitted estimator, object with predict_proba or predict, callable, str or path-like
        The deployed model, optional. It is only asked for predictions, never refitted and never
        cloned. Its answers are those of its own `predict`. A model that only answers takes part in
        whatever needs no probabilities. A callable takes X and returns probabilities (n, K), or
        answers (n,). A file (`.skops`, `.onnx`,
        `.safetensors`) or an address (``"models:/fraud@champion"``) is read by ``fit`` as
        `load_model` reads it, and its predictions for the rows are kept in a cache on disk; where
        types must be named trusted, give what `load_model` returns. Leave `base_model` out and give
        `base_proba` or `base_pred` to ``fit`` when only logged predictions are at hand. With none
        of these, this is a first release: a plain fit.
    method : str, Method or list of these
        The method of training: a name or an object of `holdfast.methods`, or several that compete.
        ``"auto"`` is ``"distill"``; for boosters it is ``"warm_distill"`` too, and for a network
        that can start from the base model's parameters ``"warm_distill"`` alone.
    max_churn : float or dict, optional
        The budget: a share of rows whose answer may change (hard), nats (kl), or squared distance
        (brier). A dict limits groups too, by a column of X or of `groups`, e.g.
        ``{"overall": 0.02, "country=DE": 0.01}``, and the rows of one answer of the base model,
        e.g. ``{"base_answer=fraud": 0.05}``. The budget is a target on the selection rows. A hard
        budget is approached there to half a standard error where possible; churn on other rows
        varies around it.
    max_negative_flips : float, optional
        Largest share of rows whose new answer is worth less than the base model's, beside
        `max_churn`. By default these are the rows that go from right to wrong; under `Costs` they
        are the rows whose cost rises.
    min_accuracy : float or "cold", optional
        Asks for the lowest churn at this accuracy instead. ``"cold"`` is the accuracy of plain
        retraining; both are measured on the selection rows. It is the default when no budget is
        given: the operating point of the paper. Where the utility of answers decides, the default
        is ``min_utility="cold"``.
    churn : {"hard", "kl", "brier"}
        Unit of the budget.
    lambdas : "auto" or sequence of float
        Grid of λ. Plain retraining (λ = 0) is always in it. "auto" searches the λ of ``"distill"``
        and ``"warm_distill"`` that matter for the budget, until another fit would gain nothing that
        can be measured on the selection rows: mostly one or two, three at most. Other methods, and
        networks, which train all settings together, have the grid .1, .2 … .9. Boosters that may be
        averaged with the base model are also tried with half of their rounds where the second half
        gains nothing (`FirstTrees`); where all rounds are better, their average with the base model
        stands in for ``"distill"``.
    mixture : {"average", "single", "override"}
        Serve an average of candidates, one candidate, or an override: the base model's answer
        except where a candidate's own answer has a clearly higher expected utility (see
        `override_threshold`; needs the base model at serving). With ``method="auto"``,
        ``"average"`` and a hard budget an override competes too. The candidates' average of least
        risk overrides, whatever it changes. It is served where it is more accurate on the selection
        rows. Without `max_churn` it is served where it changes fewer answers, and a single
        candidate may override as well.
    include_base : bool or "auto"
        Whether the base model itself may carry weight in the average. "auto" lets it where
        `base_model` is there to be served, if that gains more than noise. With `confidence` it
        always may, as the safe end from which one goes as far as can be certified.
    confidence : float, optional
        Turns `max_churn` from a target into a promise: with this confidence, over the draw of the
        certification rows, churn on rows of the same kind is at most the budget. Half of the
        held-out rows certify and are used for nothing else. With `X_unlabeled` these rows certify,
        and all held-out rows select. See `certificate_`.
    validation_fraction : float
        Share of rows held out for the selection, in (0, 1). Where `seen_by_base` is given, at most
        half of the rows that are new to the base model are held out.
    refit : bool
        Train the chosen settings again on all rows. The served model was then never measured:
        `comparison_` is None, and the measures of `selection_` are NaN.
    n_jobs : int, optional
        Number of candidates fitted at once, through joblib. Networks use it as
        `holdfast.nn.fit_many` does. Boosters are fitted one after the other, each with the threads
        of its own `n_jobs`.
    random_state : int, optional
        Random seed of the split and of drawn labels. The estimator keeps a seed of its own.
    verbose : int
        Verbosity of joblib and of `holdfast.nn.fit_many`.
    soft_targets : {"weights", "sample"}
        "weights": each row becomes K weighted rows, which is exact. "sample": each row gets one
        label drawn from its target, for estimators that take no `sample_weight`. Networks and
        boosters learn soft targets as they are.
    average_in : {"probability", "log_odds"}
        Scale on which candidates are averaged. In log-odds, linear models of one path are served as
        one model with interpolated coefficients. Boosters of one library, the base model among
        them, are served as one booster that holds the trees of all. Where that one model would
        answer otherwise than the average, the average is served.
    rule : "base", "same_rate", "retuned" or a rule of `holdfast.rules`
        How the new model's probabilities become answers. ``"base"`` copies the base model's rule,
        if it is known: that of a model which holdfast serves, or the threshold of a
        `FixedThresholdClassifier` or `TunedThresholdClassifierCV`. Otherwise it is the most
        probable class, and a warning says where the base model answers otherwise. Two more look for
        one threshold between two classes on the selection rows: ``"same_rate"`` answers positive as
        often as the base model does, and ``"retuned"`` has the highest utility inside the budget.
        A `TopShare` is fitted to these rows too. The positive class is the second of two.
    utility : "accuracy", "balanced_accuracy", mapping, Costs or array of shape (A, K), optional
        What an answer is worth given the truth; see `holdfast.rules.utility_matrix`. By default it
        is what the rule optimises: a right answer for most probable classes; for `Threshold` a
        false alarm costs the threshold t and a miss 1 − t; for `Costs` its matrix. `Bands` and
        `TopShare` have none. Where the estimator has `class_weight`, right answers are weighted by
        class. Unless it is accuracy, it decides between mixtures inside the budget, in place of the
        risk, and between average and override.
    min_utility : float or "cold", optional
        Asks for the lowest churn at this mean utility instead; ``"cold"`` is that of plain
        retraining.

    Attributes
    ----------
    classes_ : ndarray of shape (K,)
        The classes, sorted.
    path_ : Path
        All candidates with their probabilities on the selection rows. Boosters that go on from the
        base model and fit worse than it are not among them; `path_.dropped` names these.
    selection_ : Selection, OverrideSelection or None
        The choice, with every alternative that was looked at. Its own measures are those of the
        served model's answers; those of the alternatives come from the candidates' probabilities.
        None for a first release.
    override_threshold_ : float
        τ of the override, the expected gain above which the new model's answer is served; only
        where an override is served.
    rule_ : Rule or None
        The rule by which the served model answers. None for a first release without a rule.
    rival_ : Selection, OverrideSelection or None
        The selection that lost under ``method="auto"``: the average or the override.
    weights_ : ndarray of shape (m,)
        Weights of `estimators_`.
    base_weight_ : float
        Weight of the base model in the average.
    estimators_ : list of m fitted estimators
        The candidates that are served.
    lambda_ : float
        Weighted mean λ of the served candidates; the base model counts as 1.
    served_ : classifier
        The model that `predict` asks. It holds nothing but what serving needs.
    serving_ : str
        One sentence that says what serving needs.
    comparison_ : Comparison or None
        The base model's answers against those of `predict`, on the selection rows. The selection
        was made on these rows, so expect slightly more churn on others. None for a first release
        and after a refit.
    certificate_ : Certificate or None
        The promise that the certification rows allow; None without `confidence`.
    base_report_ : BaseReport or None
        Counts of missing predictions, unknown classes and removed classes.
    n_features_in_, feature_names_in_
        As in scikit-learn.

    Raises
    ------
    InvalidInputError
        From ``fit``: for parameters or arrays that are not what they must be.
    UnsupportedEstimatorError
        From ``fit``: when the estimator cannot learn soft targets as asked.
    InfeasibleBudgetError
        From ``fit``: when no combination keeps the budget; the error names the lowest churn
        reachable. Or when nothing can be certified; the error names the number of rows that would
        suffice, and the tightest budget that these rows certify.

    Warns
    -----
    UserWarning
        From ``fit`` and `with_budget`: when the served model answers otherwise than the candidates'
        probabilities say, as a classifier does whose `predict` does not follow `predict_proba`.
        When one model in place of several would answer otherwise than their average, and the
        average is served. When a booster that goes on from the base model is dropped.

    Notes
    -----
    The features of the selection rows stay with the fitted object, by reference, so that
    `with_budget` can measure what it serves. `served_` and model files hold none of them.

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
        rule: Rule | str = "base",
        utility: Any = None,
        min_utility: float | str | None = None,
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
        self.rule = rule
        self.utility = utility
        self.min_utility = min_utility

    def __sklearn_clone__(self) -> LowChurnClassifier:
        return clone_but_base_model(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        inner = getattr(self.estimator, "__sklearn_tags__", None)
        if inner is not None:
            tags.input_tags = deepcopy(inner().input_tags)
            tags.classifier_tags = deepcopy(inner().classifier_tags) or tags.classifier_tags
        return tags

    _update: Update | None
    classes_: NDArray[Any]
    path_: Path
    selection_: Selection | OverrideSelection | None
    rival_: Selection | OverrideSelection | None
    weights_: NDArray[np.float64]
    base_weight_: float
    override_threshold_: float
    rule_: Rule | None
    estimators_: list[Any]
    certificate_: Certificate | None
    lambda_: float
    served_: Any
    serving_: str
    comparison_: Comparison | None
    base_report_: BaseReport | None

    # --- fitting ----------------------------------------------------------------------------------

    def fit(
        self,
        X: Any,
        y: Any,
        *,
        base_proba: Any = None,
        base_pred: Any = None,
        base_classes: Any = None,
        sample_weight: Any = None,
        max_weight: float | None = None,
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
            of NaN has none and is learned from its label alone.
        base_pred : array-like of shape (n,), optional
            Answers of the base model to these rows, as they were logged, in place of calling
            `base_model`. A missing value is no answer. Without it and without `base_model`, the
            most probable classes of `base_proba` are the answers. Given alone, the base model takes
            part in whatever needs no probabilities.
        base_classes : array-like of shape (K_base,), optional
            Classes of the base model's columns. Left out: the named columns of a data frame, the
            base model's ``classes_``, or the sorted labels, in this order. The default columns
            0, 1, … of a frame of pandas are positions and no names.
        sample_weight : array-like of shape (n,), optional
            Weight of each row in training, selection and measures.
        max_weight : float, optional
            What no weight of the population exceeds, whether such a row is among these or not. It
            is needed with `confidence` where rows of unequal weights certify.
        seen_by_base : array-like of bool of shape (n,), optional
            Marks the rows that the base model was trained on. The selection rows are then drawn
            from the others: on its own training rows a base model looks better, and nearer to its
            successor, than it is.
        groups : dict or data frame of n rows, optional
            Columns that `max_churn` names and X does not have.
        X_unlabeled : array-like of shape (m, d), or tuple (X, base_proba, base_pred), optional
            Rows to certify on (`confidence`), such as yesterday's traffic: churn needs no labels.
            Give the base model's predictions too where `base_model` is not given; `base_pred` may
            be left out, and `base_proba` may be None.
        validation : tuple (X, y), (X, y, base_proba) or (X, y, base_proba, base_pred), optional
            Rows for the selection and the certificate, in place of a split. Give the base model's
            predictions too where `base_model` is not given; `base_proba` may be None.

        Returns
        -------
        self
        """
        labeled = check_rows(self, X, y, sample_weight)
        settings = Settings.of(self.get_params(deep=False))
        estimator = inner_estimator(self.estimator)
        if base_proba is None and base_pred is None and self.base_model is None:
            _refuse_without_base(
                base_classes=base_classes,
                seen_by_base=seen_by_base,
                groups=groups,
                X_unlabeled=X_unlabeled,
            )
            rule = first_release_rule(settings, labeled.classes)
            own = self.estimator if rule is None else estimator
            plan = Plan.first_release(own, settings, labeled.classes)
            self.base_report_ = None
            return self._keep(None, *fit_first_release(labeled, settings, plan, rule))
        check_combinations(
            labeled, settings, seen_by_base, validation, X_unlabeled, max_weight=max_weight
        )
        reader = RowReader.of(self, labeled.classes, settings, base_classes)
        plan = Plan.of(estimator, settings, reader.base_model, labeled.classes)
        inputs = reader.read(
            self,
            labeled,
            base_proba=base_proba,
            base_pred=base_pred,
            seen_by_base=seen_by_base,
            groups=groups,
            X_unlabeled=X_unlabeled,
            validation=validation,
            max_weight=max_weight,
        )
        if inputs.everything.base.only_answers:
            plan = plan.for_answers_alone(settings)
        update = fit_update(inputs, settings, plan, reader.ruling)
        self.base_report_ = inputs.everything.base_report
        if settings.refit:
            return self._keep(update, update.path, refit(update, inputs, settings, plan))
        return self._keep(update, update.path, update.outcome(settings))

    def with_budget(
        self,
        *,
        max_churn: float | None = None,
        min_accuracy: float | str | None = None,
        **params: Any,
    ) -> LowChurnClassifier:
        """Return a copy with another budget, selected from the same path: nothing is trained again.

        With ``lambdas="auto"`` the fit searched λ for its own budget and its own way of serving.
        Give a grid to fit once for budgets that lie far apart, or to leave the base model out
        later.

        Parameters
        ----------
        max_churn : float, optional
        min_accuracy : float or "cold", optional
            Either takes the place of the present budget, which stays when both are left out.
        **params
            Other parameters of the selection: `churn`, `mixture`, `include_base`, `average_in`,
            `utility`, `min_utility`, `confidence`. Each certificate holds by itself, not all of
            several together.

        Returns
        -------
        LowChurnClassifier
            Fitted; it shares `path_` with this one.

        Raises
        ------
        InvalidInputError
            After a refit, since the models on the path are not those that are served. For a first
            release or a model that was read from a file. For other parameters, or values out of
            range.
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
        unknown = set(params) - set(OF_THE_SELECTION)
        if unknown:
            *most, last = OF_THE_SELECTION
            raise InvalidInputError(
                f"with_budget may change max_churn, min_accuracy, {', '.join(most)} and {last}, "
                f"got {', '.join(sorted(unknown))}; fit a new model to change what is trained"
            )
        update = self._trained("with_budget")
        if self.refit:
            raise InvalidInputError(
                "with_budget needs the models that are served to be on the path, got refit=True, "
                "which trains them again; fit a new model"
            )
        other = copy(self)
        if not (max_churn is min_accuracy is params.get("min_utility")):
            params |= {"max_churn": max_churn, "min_accuracy": min_accuracy}
            params.setdefault("min_utility", None)
        other.set_params(**params)
        settings = Settings.of(other.get_params(deep=False))
        if settings.confidence is not None and update.certification is None:
            raise InvalidInputError(
                "confidence must have been given to the fit, which then keeps rows for it, got "
                "None there; fit again with it"
            )
        settings.check_base_use()
        return other._keep(update, update.path, update.outcome(settings))

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
            For a first release or a model that was read from a file, and for a position that is not
            on the path.

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
        update = self._trained("compare_candidate")
        n = len(self.path_.candidates)
        if not isinstance(position, int) or not 0 <= position < n:
            raise InvalidInputError(
                f"position must be an integer from 0 to {n - 1}, got {position!r}; see path_.labels"
            )
        return update.compare_candidate(position, Settings.of(self.get_params(deep=False)))

    def _trained(self, caller: str) -> Update:
        """Return what the fit has trained, with the selection rows."""
        update = getattr(self, "_update", None)
        if update is not None:
            return update
        first = self.selection_ is None
        got = "a first release" if first else "a model read from a file, which does not hold them"
        raise InvalidInputError(
            f"{caller} needs the selection rows of an update, got {got}; fit a new model"
        )

    def _keep(self, update: Update | None, path: Path, outcome: Outcome) -> LowChurnClassifier:
        """Set every fitted attribute."""
        self._update = update
        self.path_, self.classes_ = path, path.classes
        self.selection_, self.rival_ = outcome.selection, outcome.rival
        self.comparison_, self.certificate_ = outcome.comparison, outcome.certificate
        self.estimators_, self.weights_ = outcome.estimators, outcome.weights
        self.base_weight_, self.lambda_ = outcome.base_weight, outcome.lam
        self.served_, self.serving_ = outcome.served.model, outcome.served.needs
        self.rule_ = None if outcome.rule is None else outcome.rule.rule
        self.__dict__.pop("override_threshold_", None)
        if outcome.threshold is not None:
            self.override_threshold_ = outcome.threshold
        return self

    def without_rows(self) -> LowChurnClassifier:
        """Return a copy that holds no selection rows, as it is stored in a model file.

        It predicts as this one does; `with_budget` and `compare_candidate` need the rows.

        Returns
        -------
        LowChurnClassifier

        Examples
        --------
        >>> from sklearn.linear_model import LogisticRegression
        >>> model = LowChurnClassifier(LogisticRegression()).fit([[0.0], [1.0]], [0, 1])
        >>> model.without_rows().predict([[1.0]])
        array([1])
        """
        other = copy(self)
        other._update = None
        return other

    # --- serving ----------------------------------------------------------------------------------

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Return probabilities of shape (n, K), columns in the order of `classes_`."""
        check_is_fitted(self, "served_")
        return proba_of(self.served_, X, self.classes_)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the served class of each row, shape (n,)."""
        check_is_fitted(self, "served_")
        return answers_of(self.served_, X)

    @available_if(_served_has_decision_function)
    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return the decision function of a single served model that has one."""
        check_is_fitted(self, "served_")
        return self.served_.decision_function(X)


def _refuse_without_base(**arguments: Any) -> None:
    """Raise for what says something about a base model that is not there."""
    for name, value in arguments.items():
        if value is not None:
            raise InvalidInputError(
                f"{name} must be left out where there is no base model, got "
                f"{type(value).__name__}; give base_model or base_proba"
            )
