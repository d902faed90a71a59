"""Certificates: what they say, how often they are wrong, and what cannot be certified."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB

from holdfast import InfeasibleBudgetError, InvalidInputError, LowChurnClassifier
from holdfast.models.base_predictions import base_predictions
from holdfast.rules import Threshold
from holdfast.selection import select
from holdfast.selection.budget import Budget
from holdfast.selection.certificate import Certificate
from holdfast.selection.override import override_classes
from holdfast.selection.override_search import select_override
from holdfast.update.certification import CertificationRows, certify
from holdfast.update.choosing import Chooser
from holdfast.update.rows import UpdateRows
from holdfast.update.ruling import Ruling
from holdfast.update.settings import Settings

pytestmark = pytest.mark.slow

X, Y = make_classification(6000, n_features=8, n_informative=6, flip_y=0.15, random_state=0)
BASE = LogisticRegression(C=0.002).fit(X[:150], Y[:150])
NEW, REST = slice(150, 3150), slice(3150, None)


def update(fit=None, **params):
    defaults = {"max_churn": 0.03, "confidence": 0.95, "random_state": 0}
    model = LowChurnClassifier(
        LogisticRegression(), BASE, **defaults | {"validation_fraction": 0.4} | params
    )
    return model.fit(X[NEW], Y[NEW], **(fit or {}))


# --- how often it is wrong ------------------------------------------------------------------------

N = 30_000
RNG = np.random.default_rng(0)
LOGIT = RNG.normal(size=N)
POOL_BASE = 1 / (1 + np.exp(-LOGIT))
POOL_NEW = [1 / (1 + np.exp(-LOGIT - RNG.normal(0, spread, N))) for spread in (0.15, 0.4)]
POOL_Y = (RNG.random(N) < POOL_NEW[1]).astype(int)


def columns(positive):
    return np.column_stack([1 - positive, positive])


def chosen(kind, draw, weight):
    """Select on 300 rows and certify on another 700; return the true churn of what is served."""
    candidates = np.stack([columns(p[draw]) for p in POOL_NEW])
    base, y = columns(POOL_BASE[draw]), POOL_Y[draw]
    first, second = slice(300), slice(300, None)
    pred = base.argmax(axis=1)
    classes = np.arange(2)
    rows = UpdateRows(
        None,
        y[second],
        classes,
        None if weight is None else weight[draw][second],
        base_predictions(base[second], classes, classes),
    )
    if kind == "override":
        selection = select_override(
            candidates[:, first], pred[first], np.ones(300, bool), y[first],
            budget=Budget(max_churn=0.03),
        )  # fmt: skip
    else:
        selection = select(
            candidates[:, first], base[first], y[first],
            max_churn=0.03 if kind != "kl" else 0.005, churn=kind, include_base=True,
        )  # fmt: skip
    limit = 0.005 if kind == "kl" else 0.03
    budget = Budget("kl" if kind == "kl" else "hard", limit)
    known = CertificationRows(rows, candidates[:, second], max_weight=3.0)
    found = certify(selection, known, budget, confidence=0.8, n_selection=300).step
    w = np.ones(N) if weight is None else weight
    if kind == "override":
        proba, base_pred = columns(POOL_NEW[int(found.weights.argmax())]), POOL_BASE > 0.5
        served = override_classes(proba, base_pred.astype(int), found.threshold)
        return np.average(served != base_pred, weights=w), limit
    mixed = found.base_weight * POOL_BASE + found.weights @ np.stack(POOL_NEW)
    if kind == "hard":
        return np.average((mixed > 0.5) != (POOL_BASE > 0.5), weights=w), limit
    g, h = columns(POOL_BASE), columns(mixed)
    return np.average((g * np.log(g / h)).sum(axis=1), weights=w), limit


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("kind", ["hard", "override", "kl"])
def test_the_budget_is_exceeded_no_more_often_than_promised(kind, weighted):
    rng, runs = np.random.default_rng(1), 100 if kind == "override" and not weighted else 30
    weight = rng.integers(1, 4, N).astype(float) if weighted else None
    churn = []
    for _ in range(runs):
        value, limit = chosen(kind, rng.choice(N, 1000, replace=False), weight)
        churn.append(value)
    allowed = 0.2 + 3 * np.sqrt(0.2 * 0.8 / runs)  # at a confidence of .8
    assert np.mean(np.array(churn) > limit) <= allowed
    assert np.median(churn) > 0.3 * limit


# --- a rule that is no majority -------------------------------------------------------------------

RARE = RNG.normal(-3.5, 1.2, N)
RARE_BASE = 1 / (1 + np.exp(-RARE))
RARE_NEW = [1 / (1 + np.exp(-RARE - RNG.normal(0, spread, N))) for spread in (0.2, 0.7)]
RARE_Y = (RNG.random(N) < RARE_NEW[1]).astype(int)
THRESHOLD = Threshold(0.1, positive=1).bind(np.arange(2))
RARE_ANSWERS = (RARE_BASE >= 0.1).astype(int)
RARE_LIMIT = 0.03


def rare_rows(drawn):
    """Return rows whose base model answers by a threshold, and the candidates' probabilities."""
    classes = np.arange(2)
    base = base_predictions(
        columns(RARE_BASE[drawn]), classes, classes, answers=RARE_ANSWERS[drawn]
    )
    rows = UpdateRows(None, RARE_Y[drawn], classes, None, base)
    return rows, np.stack([columns(p[drawn]) for p in RARE_NEW])


def changed_answers(step, answering):
    """Return which answers of the whole pool a step changes."""
    if not step.weights.any():
        return np.zeros(N, dtype=bool)
    mixed = step.base_weight * RARE_BASE + step.weights @ np.stack(RARE_NEW)
    own = (mixed >= step.rule.rule.threshold).astype(int)
    changed = own != RARE_ANSWERS
    if step.threshold is None:
        return changed
    gain = answering.gains(columns(mixed), own, RARE_ANSWERS, step.rule)
    return changed & (gain > step.threshold)


def selected(rows, proba, settings, fitted):
    """Return a selection, how its models answer, and the rule of each mixture."""
    answering = Ruling(THRESHOLD, fitted).answering(rows, settings)
    chooser = Chooser(rows, settings, serves_base=True, answering=answering)

    @cache
    def rule_of(base_weight, *weights):
        return chooser.rule_at(np.array(weights), base_weight, proba)

    selection = chooser.choose(proba).selection
    return selection, answering, fitted and (lambda w, base_weight: rule_of(base_weight, *w))


@pytest.mark.parametrize("fitted", [None, "same_rate"])
@pytest.mark.parametrize("mixture", ["average", "override"])
def test_a_threshold_exceeds_the_budget_no_more_often_than_promised(mixture, fitted):
    """What is certified is a share of the base model's own answers, which are by a threshold."""
    rng = np.random.default_rng(2)
    learner = LowChurnClassifier(
        LogisticRegression(), BASE, max_churn=RARE_LIMIT, mixture=mixture, confidence=0.9
    )
    settings, churn = Settings.of(learner.get_params(deep=False)), []
    for repetition in range(300):
        if repetition % 50 == 0:
            rows, proba = rare_rows(rng.integers(0, N, 600))
            selection, answering, rule_at = selected(rows, proba, settings, fitted)
        drawn = rng.integers(0, N, 700)
        found = certify(
            selection, CertificationRows(*rare_rows(drawn)), settings.budget, confidence=0.9,
            n_selection=600, answering=answering, rule_at=rule_at,
        )  # fmt: skip
        changed = changed_answers(found.step, answering)
        assert found.certificate.limits[0].value == pytest.approx(changed[drawn].mean(), abs=1e-12)
        churn.append(changed.mean())
    allowed = 0.1 + 2 * np.sqrt(0.1 * 0.9 / len(churn))
    assert np.mean(np.array(churn) > RARE_LIMIT) <= allowed
    assert np.median(churn) > 0.5 * RARE_LIMIT


# --- what the estimator says ----------------------------------------------------------------------


@pytest.mark.parametrize("mixture", ["average", "single", "override"])
@pytest.mark.parametrize("churn", ["hard", "kl", "brier"])
def test_certificate_of_an_update(mixture, churn):
    if mixture == "override" and churn != "hard":
        pytest.skip("overrides answer a hard budget")
    model = update(mixture=mixture, churn=churn)
    certificate = model.certificate_
    (limit,) = certificate.limits
    assert (limit.name, limit.limit, certificate.churn) == ("churn", 0.03, churn)
    assert limit.value <= limit.upper <= 0.03
    assert certificate.n == certificate.n_selection == model.selection_.n == 600
    assert certificate.n_train == 1800
    assert not certificate.unlabeled
    assert certificate.passed >= 1
    # What is told of the selection is about what is served.
    measured = model.comparison_.churn_rate
    assert model.selection_.churn_rate == pytest.approx(measured, abs=1e-12)
    assert "certified at 95% by 600 rows" in str(certificate)
    assert certificate.to_dict()["limits"][0]["upper"] == limit.upper


def test_more_rows_certify_more():
    few, many = update(validation_fraction=0.1), update(validation_fraction=0.5)
    assert few.certificate_.limits[0].value < many.certificate_.limits[0].value


def test_unlabeled_rows_certify_in_place_of_held_out_ones():
    model = update(fit={"X_unlabeled": X[REST]})
    certificate = model.certificate_
    assert certificate.unlabeled
    assert certificate.n == len(X[REST])
    assert certificate.n_selection == 1200
    changed = model.predict(X[REST]) != BASE.predict(X[REST])
    assert certificate.limits[0].value == pytest.approx(changed.mean(), abs=1e-12)
    proba = BASE.predict_proba(X)
    logged = LowChurnClassifier(
        LogisticRegression(), max_churn=0.2, confidence=0.9, validation_fraction=0.4, random_state=0
    )
    fit = {"base_proba": proba[NEW], "X_unlabeled": (X[REST], proba[REST])}
    assert logged.fit(X[NEW], Y[NEW], **fit).certificate_.unlabeled


def test_rows_without_an_answer_do_not_count():
    proba = BASE.predict_proba(X[NEW])
    proba[::3] = np.nan
    model = update(fit={"base_proba": proba}, max_churn=0.2, include_base=False)
    assert model.certificate_.limits[0].n < model.certificate_.n


def test_other_budgets_are_certified_on_the_same_rows():
    model = update()
    tighter = model.with_budget(max_churn=0.02)
    assert tighter.certificate_.limits[0].limit == 0.02
    assert tighter.certificate_.limits[0].upper <= 0.02
    assert model.with_budget(confidence=0.5).certificate_.confidence == 0.5
    with pytest.raises(InvalidInputError, match="confidence must have been given to the fit"):
        update(confidence=None).with_budget(confidence=0.9)


def test_no_certificate_without_confidence():
    assert update(confidence=None).certificate_ is None
    assert LowChurnClassifier(LogisticRegression()).fit(X, Y).certificate_ is None


def test_a_certificate_under_weights_states_what_it_assumes():
    weights = 1.0 + (np.arange(len(Y[NEW])) % 2)
    one, other = (
        update(fit={"sample_weight": weights, "max_weight": bound}, max_churn=0.2).certificate_
        for bound in (2.0, 4.0)
    )
    assert (one.max_weight, other.max_weight) == (2.0, 4.0)
    assert "if no row has a weight above 2" in str(one)
    assert other.passed <= one.passed
    equal = update(fit={"sample_weight": np.full(len(Y[NEW]), 3.0)}).certificate_
    assert equal.max_weight is None
    assert equal == update().certificate_


def test_a_row_that_repeats_counts_once():
    many = np.concatenate([X[REST], np.repeat(X[REST][:1], 500, axis=0)])
    with pytest.warns(UserWarning, match=f"500 of {len(many)} rows of X_unlabeled repeat another"):
        found = update(fit={"X_unlabeled": many}).certificate_
    assert found == update(fit={"X_unlabeled": X[REST]}).certificate_
    with (
        pytest.warns(UserWarning, match="499 of 500 rows of X_unlabeled repeat another"),
        pytest.raises(InfeasibleBudgetError, match="takes about"),
    ):
        update(fit={"X_unlabeled": np.repeat(X[REST][:1], 500, axis=0)})


def test_equal_rows_are_usual_where_features_have_few_values():
    coarse = (X > 0).astype(float)
    base = LogisticRegression().fit(coarse[:150], Y[:150])
    model = LowChurnClassifier(
        LogisticRegression(), base, max_churn=0.2, confidence=0.9, random_state=0
    )
    model.fit(coarse[NEW], Y[NEW], X_unlabeled=coarse[REST])
    assert model.certificate_.n == len(coarse[REST])


@pytest.mark.parametrize("mixture", ["average", "override"])
def test_the_only_rows_of_their_classes_count_as_changed(mixture):
    rare = Y[NEW].astype(int)
    rare[::20] = 100 + np.arange(len(rare[::20]))  # 5 % of the rows
    options = {"confidence": 0.9, "mixture": mixture, "random_state": 0}
    model = LowChurnClassifier(GaussianNB(), BASE, max_churn=0.3, **options)
    found = model.fit(X[NEW], rare).certificate_
    n_common = len(rare) - len(rare[::20])
    assert found.n_lone == np.ceil((found.n - found.n_lone) / n_common * len(rare[::20]))
    assert found.limits[0].value >= found.n_lone / found.n
    assert f"{found.n_lone:,} rows, each the only one of its class, count as changed" in str(found)
    with pytest.raises(InfeasibleBudgetError, match="churn of the safest candidate is"):
        LowChurnClassifier(GaussianNB(), BASE, max_churn=0.04, **options).fit(X[NEW], rare)


def test_the_certified_model_is_the_served_one():
    model = update(mixture="average", include_base=True)
    parts = [e.predict_proba(X[REST]) for e in model.estimators_]
    mixed = model.base_weight_ * BASE.predict_proba(X[REST])
    mixed = mixed + sum(w * p for w, p in zip(model.weights_, parts, strict=True))
    np.testing.assert_allclose(model.predict_proba(X[REST]), mixed, atol=1e-12)
    assert model.base_weight_ == model.selection_.base_weight


# --- what cannot be certified ---------------------------------------------------------------------


def test_too_few_rows_name_how_many_are_needed():
    with pytest.raises(InfeasibleBudgetError, match="that takes about 149 rows") as caught:
        update(max_churn=0.02, validation_fraction=0.02)
    assert 0.02 < caught.value.lowest_churn < 0.2


@pytest.mark.parametrize(
    ("fit", "params", "message"),
    [
        ({}, {"confidence": 1.0}, "confidence must be in"),
        ({}, {"refit": True}, "refit must be False with confidence"),
        ({}, {"max_churn": None}, "max_churn must be given with confidence"),
        ({}, {"max_churn": None, "min_accuracy": 0.8}, "max_churn must be given with confidence"),
        ({"X_unlabeled": X}, {"confidence": None}, "confidence must be given with X_unlabeled"),
        ({"X_unlabeled": X[:, :3]}, {}, "X_unlabeled must have the columns of X"),
        ({"X_unlabeled": X[NEW]}, {}, "X_unlabeled must hold rows that are not among the training"),
        ({"validation": (X[NEW], Y[NEW])}, {}, "validation must hold rows that are not among the"),
        ({"max_weight": 2.0}, {}, "max_weight needs sample_weight"),
        ({"sample_weight": 1 + Y[NEW]}, {}, "max_weight must be given with sample_weight and conf"),
        (
            {"sample_weight": 1 + Y[NEW], "max_weight": 1.5},
            {},
            "must be a number that no weight ex",
        ),
        ({"sample_weight": 1 + Y[NEW], "max_weight": True}, {}, "must be a number that no weight"),
    ],
)
def test_wrong_use_is_refused(fit, params, message):
    with pytest.raises(InvalidInputError, match=message):
        update(fit=fit, **params)


def test_the_base_model_steps_in_where_candidates_are_too_bold():
    assert update(max_churn=0.05, validation_fraction=0.06).base_weight_ > 0
    with pytest.raises(InfeasibleBudgetError, match="of the safest candidate is"):
        update(max_churn=0.05, validation_fraction=0.06, include_base=False)


def test_unlabeled_rows_need_base_predictions():
    model = LowChurnClassifier(LogisticRegression(), max_churn=0.1, confidence=0.9)
    proba = BASE.predict_proba(X[NEW])
    with pytest.raises(InvalidInputError, match=r"X_unlabeled must be a tuple \(X, base_proba\)"):
        model.fit(X[NEW], Y[NEW], base_proba=proba, X_unlabeled=X[REST])
    with pytest.raises(InvalidInputError, match="X_unlabeled must be left out"):
        LowChurnClassifier(LogisticRegression()).fit(X, Y, X_unlabeled=X)


def test_unlabeled_frames_are_checked_by_name():
    names = [f"f{i}" for i in range(X.shape[1])]
    frame = pd.DataFrame(X, columns=names)
    base = LogisticRegression().fit(frame[:150], Y[:150])
    model = LowChurnClassifier(LogisticRegression(), base, max_churn=0.1, confidence=0.9)
    with pytest.raises(InvalidInputError, match="X_unlabeled must have the columns of X"):
        model.fit(frame[NEW], Y[NEW], X_unlabeled=frame[REST].rename(columns={"f0": "other"}))


def test_certificates_are_plain_values():
    certificate = update().certificate_
    assert isinstance(certificate, Certificate)
    assert json.loads(json.dumps(certificate.to_dict()))["confidence"] == 0.95
