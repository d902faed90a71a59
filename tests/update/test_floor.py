"""The churn floor against retrainings done by hand."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from holdfast import InvalidInputError, UnsupportedEstimatorError, churn_floor

X, Y = make_classification(900, n_features=6, flip_y=0.2, random_state=0)
TRAIN, TEST = slice(600), slice(600, None)
FOREST = RandomForestClassifier(5, random_state=0)


def test_pairs_are_counted_as_by_hand():
    found = churn_floor(FOREST, X[TRAIN], Y[TRAIN], test=(X[TEST], Y[TEST]), n_models=3)
    answers = []
    for draw in np.random.SeedSequence(0).spawn(3):
        seed = int(np.random.default_rng(draw).integers(2**31))
        forest = RandomForestClassifier(5, random_state=seed).fit(X[TRAIN], Y[TRAIN])
        answers.append(forest.predict(X[TEST]))
    pairs = [(a != b).mean() for a, b in combinations(answers, 2)]
    assert found.churn_rate == pytest.approx(np.mean(pairs))
    assert (found.lowest, found.highest) == pytest.approx((min(pairs), max(pairs)))
    assert found.accuracy == pytest.approx(np.mean([(a == Y[TEST]).mean() for a in answers]))
    assert found.to_dict()["n"] == 300


@pytest.mark.parametrize("piped", [False, True])
def test_bootstrap_samples_move_what_seeds_do_not(piped):
    linear = LogisticRegression()
    estimator = make_pipeline(StandardScaler(), linear) if piped else linear
    weight = np.random.default_rng(0).random(len(Y))
    options = {"vary": "bootstrap", "sample_weight": weight, "n_models": 3}
    assert churn_floor(estimator, X, Y, **options).churn_rate > 0
    assert churn_floor(estimator, X, Y).churn_rate == 0


def test_the_same_twice_and_no_class_is_lost():
    rare = np.where(np.arange(900) == 7, 2, Y)
    floors = [churn_floor(FOREST, X, rare, vary="bootstrap", random_state=3) for _ in range(2)]
    assert floors[0] == floors[1]
    assert "5 retrainings that differ in the rows drawn" in str(floors[0])


def test_wrong_use_is_refused():
    from sklearn.neighbors import KNeighborsClassifier

    with pytest.raises(UnsupportedEstimatorError, match="give vary='bootstrap'"):
        churn_floor(KNeighborsClassifier(), X, Y)
    with pytest.raises(InvalidInputError, match="n_models must be at least 2"):
        churn_floor(FOREST, X, Y, n_models=1)
    with pytest.raises(InvalidInputError, match="vary must be"):
        churn_floor(FOREST, X, Y, vary="weather")
    with pytest.raises(InvalidInputError, match="X"):
        churn_floor(FOREST, X, Y[:-1])
