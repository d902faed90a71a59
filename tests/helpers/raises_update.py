"""Updates of classifiers that cannot be made, and what the message must hold."""

import copy
from functools import cache

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.neighbors import KNeighborsClassifier
from tests.helpers.cases import new_folder
from tests.helpers.raises_nn import too_fast

from holdfast import LowChurnClassifier, churn_floor, load_model, save_model
from holdfast.methods import Average, Distill
from holdfast.rules import Bands, Threshold, TopShare

X = np.random.default_rng(0).normal(size=(60, 2))
OTHERS = X + 10.0  # rows that are none of X
Y = (X[:, 0] > 0).astype(int)
THREE = np.where(X[:, 1] > 0.5, 2, Y)
BASE = LogisticRegression().fit(X, Y)
NOISY = np.where(np.arange(60) % 5, Y, 1 - Y)
PROBA = BASE.predict_proba(X)
FIT = ("base_proba", "base_pred", "seen_by_base", "groups", "X_unlabeled", "validation")


class Answers(ClassifierMixin, BaseEstimator):
    """Answers without probabilities."""

    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, X):
        return self.classes_[(np.asarray(X)[:, 0] > 0).astype(int)]


class Shouts(LogisticRegression):
    """Answers something that is no class."""

    def predict(self, X):
        return np.full(len(X), "!")


def update(estimator=None, base=BASE, X=X, y=Y, **options):
    fit = {name: options.pop(name) for name in FIT if name in options}
    learner = LogisticRegression() if estimator is None else estimator
    options = {"lambdas": [0.0, 0.5], "random_state": 0} | options
    return LowChurnClassifier(learner, base, **options).fit(X, y, **fit)


def without_base(**options):
    """Update where only probabilities of the base model are given."""
    return update(base=None, **({"base_proba": PROBA} | options))


def only_answers(**options):
    """Update a base model that has no probabilities."""
    return update(base=Answers().fit(X, Y), **options)


@cache
def fitted(**options):
    return update(**options)


def again(**params):
    """Select again from the candidates of a shared update."""
    return copy.copy(fitted()).with_budget(**params)


def from_file():
    path = new_folder() / "m.skops"
    save_model(fitted(), path)
    return load_model(path).model


CASES = {
    "selection/certificate.py raise_uncertified #1": (
        lambda: update(
            lambdas=[0.5], include_base=False, max_churn=0.3, confidence=0.99, churn="hard"
        ),
        "at best and not 0.3; that takes about ",
    ),
    "selection/limits.py Limit.rows #1": (
        lambda: again(max_churn={"country=DE": 0.5}),
        "got 'country', and it had none; name the group in the budget of a new fit",
    ),
    "selection/override_search.py _least_changes #1": (
        lambda: update(y=NOISY, mixture="override", min_accuracy=1.0),
        "by overriding the base model, got 1; lower it or use mixture='average'",
    ),
    "selection/override_search.py select_override #1": (
        lambda: update(base_proba=np.full((60, 2), np.nan), mixture="override", max_churn=0.5),
        "base_proba must have a prediction for at least one selection row, got none",
    ),
    "update/certification.py _Test.of #1": (
        lambda: update(
            max_churn={"overall": 1.0}, max_negative_flips=0.9, confidence=0.5, X_unlabeled=OTHERS
        ),
        "max_negative_flips must be left out with X_unlabeled",
        lambda: update(max_churn={"overall": 1.0}, confidence=0.5, X_unlabeled=OTHERS),
    ),
    "update/classifier.py LowChurnClassifier._trained #1": (
        lambda: from_file().with_budget(max_churn=1.0),
        "with_budget needs the selection rows of an update, got a model read from a file",
    ),
    "update/classifier.py LowChurnClassifier.compare_candidate #1": (
        lambda: fitted().compare_candidate(2),
        "position must be an integer from 0 to 1, got 2; see path_.labels",
        lambda: fitted().compare_candidate(1),
    ),
    "update/classifier.py LowChurnClassifier.with_budget #1": (
        lambda: again(lambdas=[0.0]),
        "got lambdas; fit a new model to change what is trained",
    ),
    "update/classifier.py LowChurnClassifier.with_budget #2": (
        lambda: fitted(refit=True).with_budget(max_churn=1.0),
        "got refit=True, which trains them again; fit a new model",
    ),
    "update/classifier.py LowChurnClassifier.with_budget #3": (
        lambda: again(max_churn=1.0, confidence=0.5),
        "confidence must have been given to the fit",
    ),
    "update/classifier.py _refuse_without_base #1": (
        lambda: update(base=None, base_pred=None, seen_by_base=Y == 1),
        "seen_by_base must be left out where there is no base model, got ndarray; give base_",
        lambda: without_base(seen_by_base=Y == 1),
    ),
    "update/fitting.py _report_failures #1": (
        lambda: too_fast(lambda fast, X: update(fast, X=X, y=Y[: len(X)])),
        "scale the features, look for infinite values, or lower the learning rate",
    ),
    "update/floor.py churn_floor #1": (
        lambda: churn_floor(KNeighborsClassifier(), X, Y, vary="seed"),
        "got KNeighborsClassifier without: all its retrainings are the same; give vary='bootstrap'",
        lambda: churn_floor(KNeighborsClassifier(), X, Y, vary="bootstrap", n_models=2),
    ),
    "update/inputs.py RowReader._unlabeled #1": (
        lambda: without_base(max_churn=1.0, confidence=0.5, X_unlabeled=OTHERS),
        "X_unlabeled must be a tuple (X, base_proba) or (X, base_proba, base_pred) when",
        lambda: without_base(max_churn=1.0, confidence=0.5, X_unlabeled=(OTHERS, PROBA)),
    ),
    "update/inputs.py RowReader._unlabeled #2": (
        lambda: update(max_churn=1.0, confidence=0.5, X_unlabeled=OTHERS[:, :1]),
        "X_unlabeled must have the columns of X, got other ones: X has 1 features",
    ),
    "update/inputs.py RowReader._validation #1": (
        lambda: update(validation=X),
        "got ndarray; give rows that are not among the training rows",
        lambda: update(validation=(X, Y)),
    ),
    "update/inputs.py RowReader._validation #2": (
        lambda: without_base(validation=(X, Y)),
        "got (X, y); give the base model's predictions for these rows",
        lambda: without_base(validation=(X, Y, PROBA)),
    ),
    "update/inputs.py RowReader._validation #3": (
        lambda: update(validation=(X, THREE)),
        "validation y must hold classes of y only, got 2; drop those rows or train on that class",
        lambda: update(validation=(X[THREE < 2], THREE[THREE < 2])),
    ),
    "update/inputs.py check_combinations #1": (
        lambda: update(max_churn=1.0, X_unlabeled=OTHERS),
        "give e.g. confidence=0.95, or leave X_unlabeled out",
        lambda: update(max_churn=1.0, X_unlabeled=OTHERS, confidence=0.95),
    ),
    "update/inputs.py check_combinations #2": (
        lambda: update(y=np.ones(60)),
        "y must have at least two classes, got one class, 1.0; give rows of every class",
    ),
    "update/inputs.py check_combinations #3": (
        lambda: update(seen_by_base=Y == 1, validation=(X, Y)),
        "only one of seen_by_base and validation may be given, got both",
        lambda: update(validation=(X, Y)),
    ),
    "update/inputs.py check_rows #1": (lambda: update(y=None), "give one class per row"),
    "update/inputs.py check_rows #2": (
        lambda: update(y=np.c_[Y, Y]),
        "got shape (60, 2); where several labels may hold at once, update one model for each",
    ),
    "update/plan.py Plan.for_answers_alone #1": (
        lambda: only_answers(method="distill"),
        "got 'distill(lam=0.5)'; use e.g. method='cold' with mixture='override'",
        lambda: only_answers(method="cold", mixture="override"),
    ),
    "update/plan.py Plan.of #1": (
        lambda: without_base(method=Average(0.5)),
        "which serves it beside the new model, got base_proba alone; give base_model or choose",
        lambda: without_base(method=Distill(0.5)),
    ),
    "update/rows.py UpdateRows.split #1": (
        lambda: update(y=np.where(np.arange(60) < 2, 2, Y), validation_fraction=0.9),
        "got a class of 2 rows; give more rows of it, or `validation`",
    ),
    "update/rows.py _check_seen #1": (
        lambda: update(seen_by_base=np.ones(60, bool)),
        "got dtype bool and 0 such rows; mark the rows that the base model was trained on",
    ),
    "update/rows.py halves #1": (
        lambda: update(max_churn=1.0, confidence=0.5, validation=(OTHERS[:1], Y[:1])),
        "confidence needs at least two held-out rows, got 1; ",
    ),
    "update/rows.py held_out_rows #1": (
        lambda: update(X=X[:2], y=[0, 1]),
        "X must have at least two rows that can be held out, got 0; give more rows of each class",
        lambda: update(X=X[:2], y=[0, 1], validation=(X, Y)),
    ),
    "update/ruling.py Ruling._utility #1": (
        lambda: update(rule=TopShare(0.2, positive=1), mixture="override", max_churn=1.0),
        "None; give e.g. 'balanced_accuracy', class weights or Costs",
        lambda: update(
            *(None, BASE),
            rule=TopShare(0.2, positive=1),
            mixture="override",
            max_churn=1.0,
            utility="balanced_accuracy",
        ),
    ),
    "update/ruling.py Ruling.check_copied #1": (
        lambda: update(
            rule=Bands([0.5], ["no", "yes"], positive=1), base_pred=np.full(60, "maybe")
        ),
        "where the base model answers 'maybe'; name a rule with these answers",
    ),
    "update/ruling.py Ruling.of #1": (
        lambda: update(y=THREE, rule="retuned"),
        "where there are 3 classes, got 'retuned', which looks for one threshold",
    ),
    "update/ruling.py first_release_rule #1": (
        lambda: update(base=None, rule="retuned"),
        "got 'retuned'; give a Threshold, or fit scikit-learn's TunedThresholdClassifierCV",
        lambda: update(base=None, rule=Threshold(0.4, positive=1)),
    ),
    "update/settings.py Settings.check_base_use #1": (
        lambda: without_base(mixture="override"),
        "base_model must be given with mixture='override', got base_proba alone",
    ),
    "update/settings.py Settings.check_base_use #2": (
        lambda: without_base(include_base=True),
        "include_base must be False or 'auto' without base_model, got True",
        lambda: without_base(include_base="auto"),
    ),
    "update/settings.py Settings.check_only_answers #1": (
        lambda: only_answers(churn="kl"),
        "got 'kl', which is a distance from its probabilities; give base_proba, or use churn=",
        lambda: only_answers(churn="hard", method="cold"),
    ),
    "update/settings.py Settings.check_only_answers #2": (
        lambda: only_answers(include_base=True),
        "its probabilities cannot be averaged; use mixture='override'",
        lambda: only_answers(mixture="override", method="cold"),
    ),
    "update/settings.py Settings.of #1": (
        lambda: update(refit="yes"),
        "refit must be True or False, got 'yes'",
    ),
    "update/settings.py _budget_of #1": (
        lambda: update(max_churn=0.1, min_accuracy=0.5),
        "only one of max_churn and min_accuracy may be given, got both",
    ),
    "update/settings.py _budget_of #2": (
        lambda: update(min_utility="high"),
        "min_utility must be a number or 'cold', got 'high'; give the mean utility",
    ),
    "update/settings.py _check_confidence #1": (
        lambda: update(confidence=0.9),
        "max_churn must be given with confidence, got None",
        lambda: update(confidence=0.5, max_churn=1.0),
    ),
    "update/settings.py _check_confidence #2": (
        lambda: update(confidence=0.9, max_churn=0.5, refit=True),
        "refit must be False with confidence, got True",
    ),
    "update/settings.py _check_estimator #1": (
        lambda: update(
            FixedThresholdClassifier(LogisticRegression(), response_method="decision_function")
        ),
        "got a FixedThresholdClassifier with response_method='decision_function'; use resp",
        lambda: update(
            FixedThresholdClassifier(
                LogisticRegression(), threshold=0.4, response_method="predict_proba"
            )
        ),
    ),
    "update/settings.py _check_override #1": (
        lambda: update(mixture="override", churn="kl"),
        "churn must be 'hard' with mixture='override', got 'kl'",
        lambda: update(mixture="average", churn="kl"),
    ),
    "update/settings.py _check_rule_name #1": (
        lambda: update(rule=0.12),
        "got float; give e.g. Threshold(0.12, positive=...)",
        lambda: update(rule=Threshold(0.12, positive=1)),
    ),
    "update/stating.py ServedAnswers.of #1": (
        lambda: update(Shouts(), include_base=False),
        "got '!' from predict, which is none of [0, 1]; correct its predict",
    ),
}
