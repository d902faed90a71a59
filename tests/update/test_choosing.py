"""The choice among candidates, from arrays alone."""

from dataclasses import replace

import numpy as np
import pytest

from holdfast import InfeasibleBudgetError, select
from holdfast.models.base_predictions import base_predictions
from holdfast.selection.answering import Answering
from holdfast.selection.override import override_classes
from holdfast.selection.override_search import OverrideSelection
from holdfast.update.choosing import Choice, Chooser
from holdfast.update.rows import UpdateRows
from holdfast.update.settings import Settings

N, CLASSES = 400, np.array(["a", "b", "c"])


class Anything:
    predict_proba = None


def draw(seed=0, size=3):
    rng = np.random.default_rng(seed)
    z = 1.5 * rng.normal(size=(N, 3))

    def proba(logits):
        odds = np.exp(logits)
        return odds / odds.sum(axis=-1, keepdims=True)

    y = np.array([rng.choice(3, p=p) for p in proba(z)])
    base = proba(z + rng.normal(size=z.shape))
    return proba(z + 0.8 * rng.normal(size=(size, N, 3))), base, y


def settings(**changed):
    params = {
        "estimator": Anything(), "base_model": Anything(), "method": "distill", "max_churn": None,
        "max_negative_flips": None, "min_accuracy": None, "churn": "hard", "lambdas": "auto",
        "mixture": "average", "include_base": "auto", "confidence": None,
        "validation_fraction": 0.2, "refit": False, "n_jobs": None, "random_state": 0,
        "verbose": 0, "soft_targets": "weights", "average_in": "probability",
        "rule": "base", "utility": None, "min_utility": None,
    }  # fmt: skip
    return Settings.of(params | changed)


def chooser_of(base, y, *, serves_base=True, **changed):
    rows = UpdateRows(None, y, CLASSES, None, base_predictions(base, CLASSES, CLASSES))
    return Chooser(rows, settings(**changed), serves_base, Answering.argmax(CLASSES))


def churn(chooser, choice, proba):
    return np.mean(chooser.answers_of(choice, proba) != chooser.rows.base.pred)


@pytest.mark.parametrize("mixture", ["average", "single", "override"])
@pytest.mark.parametrize("budget", [0.02, 0.1, 0.3])
def test_the_choice_keeps_the_budget_with_caution(mixture, budget):
    proba, base, y = draw()
    chooser = chooser_of(base, y, max_churn=budget, mixture=mixture)
    choice = chooser.choose(proba)
    inside = budget - 0.5 * np.sqrt(budget * (1 - budget) / N)
    assert churn(chooser, choice, proba) <= inside + 1e-12
    assert choice.selection.max_churn == budget
    assert choice.selection.churn_rate == pytest.approx(churn(chooser, choice, proba), abs=1e-12)
    certified = chooser_of(base, y, max_churn=budget, mixture=mixture, confidence=0.9)
    bolder = certified.choose(proba)  # a certificate needs no caution
    assert churn(chooser, bolder, proba) >= churn(chooser, choice, proba)


@pytest.mark.parametrize(
    "changed", [{"churn": "kl"}, {"churn": "brier"}, {"average_in": "log_odds"}]
)
def test_it_is_the_choice_of_the_public_function(changed):
    proba, base, y = draw(1)
    limit = 0.02 if "churn" in changed else 0.2
    choice = chooser_of(base, y, max_churn=limit, confidence=0.9, **changed).choose(proba)
    expected = select(proba, base, y, max_churn=limit, include_base=True, **changed)
    np.testing.assert_array_equal(choice.weights, expected.weights)
    assert choice.base_weight == expected.base_weight
    assert vars(choice.selection).keys() == vars(expected).keys()
    for name in ("risk", "accuracy", "churn_rate", "soft_churn"):
        assert getattr(choice.selection, name) == getattr(expected, name)


@pytest.mark.parametrize("mixture", ["average", "override"])
@pytest.mark.parametrize("asked", [None, "cold", 0.5])
def test_without_a_limit_the_accuracy_is_kept(asked, mixture):
    proba, base, y = draw(2)
    chooser = chooser_of(base, y, min_accuracy=asked, mixture=mixture)
    choice = chooser.choose(proba)
    wanted = np.mean(proba[0].argmax(axis=1) == y) if asked in (None, "cold") else asked
    assert np.mean(chooser.answers_of(choice, proba) == y) >= wanted - 1e-12
    assert choice.selection.min_accuracy == pytest.approx(wanted)


def test_the_base_model_has_no_weight_where_it_cannot_be_served():
    proba, base, y = draw(3)
    alone = chooser_of(base, y, serves_base=False, max_churn=0.3)
    assert alone.choose(proba).base_weight == 0
    assert not alone.mixes_base
    base[:5] = np.nan
    assert not chooser_of(base, y, max_churn=0.3).mixes_base
    with pytest.raises(InfeasibleBudgetError, match="max_churn must be at least"):
        chooser_of(base, y, max_churn=0.0).choose(proba)


@pytest.mark.parametrize("seed", range(4))
def test_an_override_competes_where_everything_may(seed):
    proba, base, y = draw(seed)
    options = {"max_churn": 0.1, "method": "auto"}
    chooser = chooser_of(base, y, **options)
    choice = chooser.choose(proba)
    kinds = {isinstance(one, OverrideSelection) for one in (choice.selection, choice.rival)}
    assert kinds == {True, False}
    merits = [np.mean(chooser.answers_of(Choice.of(one), proba) == y)
              for one in (choice.selection, choice.rival)]  # fmt: skip
    if isinstance(choice.selection, OverrideSelection):
        assert merits[0] > merits[1]
        new = chooser.proba_of(Choice(choice.selection, choice.weights), proba)
        served = override_classes(new, chooser.rows.base.pred, choice.threshold)
        np.testing.assert_array_equal(chooser.answers_of(choice, proba), served)


def test_a_search_sees_the_selected_probabilities():
    proba, base, y = draw(5)
    chooser = chooser_of(base, y, max_churn=0.1)
    free = chooser.choose_for_search(proba, None)
    assert free.shape == base.shape
    soft = [chooser.search_rows.point(0.0, chooser.choose_for_search(proba, limit)).churn
            for limit in (0.01, 0.05)]  # fmt: skip
    np.testing.assert_allclose(soft, [0.01, 0.05], rtol=1e-6)
    override = chooser_of(base, y, max_churn=0.1, mixture="override")
    served = override.choose_for_search(proba, None).argmax(axis=1)
    assert np.mean(served != base.argmax(axis=1)) <= 0.1


def gain(chooser, choice, proba):
    """Return how much more accurate than the base model a choice is."""
    answers, rows = chooser.answers_of(choice, proba), chooser.rows
    return np.mean(answers == rows.y) - np.mean(rows.base.pred == rows.y)


@pytest.mark.parametrize("average_in", ["probability", "log_odds"])
@pytest.mark.parametrize("budget", [0.02, 0.05, {"overall": 0.05, "base_answer=a": 0.03}])
def test_a_choice_is_not_worth_less_than_the_base_model_where_that_is_asked_for(budget, average_in):
    below = 0
    for seed in range(8):
        (base, *_), other, y = draw(seed)
        proba = np.stack([other, 0.2 / 3 + 0.8 * np.roll(base, 1, axis=1)])  # one is no good
        free = chooser_of(base, y, max_churn=budget, average_in=average_in, include_base=True)
        groups = {"base_answer": CLASSES[base.argmax(axis=1)]}
        free = replace(free, rows=replace(free.rows, groups=groups))
        kept = replace(free, never_below_base=True)
        before, after = free.choose(proba), kept.choose(proba)
        assert gain(kept, after, proba) >= 0
        assert churn(kept, after, proba) <= churn(free, before, proba)
        assert after.weights.sum() + after.base_weight == pytest.approx(1.0)
        below += gain(free, before, proba) < 0
        if gain(free, before, proba) >= 0:
            np.testing.assert_array_equal(after.weights, before.weights)
    assert below


def test_without_a_base_model_to_serve_the_choice_is_as_it_was():
    for seed in range(4):
        proba, base, y = draw(seed)
        free = chooser_of(base, y, max_churn=0.5, serves_base=False, include_base=False)
        other = replace(free, never_below_base=True)
        np.testing.assert_array_equal(free.choose(proba).weights, other.choose(proba).weights)
