"""Budgets of groups and of negative flips: against the exact program, by counting, and refused."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression

from holdfast import InfeasibleBudgetError, InvalidInputError, LowChurnClassifier, select
from holdfast.metrics import churn_divergence, churn_rate, negative_flip_rate

pytestmark = pytest.mark.slow

N = 400
GROUP = np.where(np.arange(N) % 3 == 0, "DE", "FR")


def draw(seed, n_classes=3, size=5):
    rng = np.random.default_rng(seed)
    z = 1.5 * rng.normal(size=(N, n_classes))

    def proba(logits):
        odds = np.exp(logits)
        return odds / odds.sum(axis=-1, keepdims=True)

    y = np.array([rng.choice(n_classes, p=p) for p in proba(z)])
    base = proba(z + rng.normal(size=z.shape))
    return proba(z + 0.7 * rng.normal(size=(size, N, n_classes))), base, y


def exact_risk(candidates, base, y, limits, churn):
    """The program with a constraint for each set of rows."""
    size = len(candidates)
    weights = cp.Variable(size, nonneg=True)
    labels = np.arange(N)
    if churn == "kl":
        objective = -cp.sum(cp.log(candidates[:, labels, y].T @ weights)) / N
    else:
        mixture = candidates.reshape(size, -1).T @ weights
        objective = cp.sum_squares(mixture - np.eye(base.shape[1])[y].ravel()) / N
    constraints = [cp.sum(weights) == 1]
    for rows, limit in limits:
        own, target = candidates[:, rows].reshape(size, -1).T @ weights, base[rows].ravel()
        if churn == "kl":
            value = (-target @ cp.log(own) + target @ np.log(target)) / rows.sum()
        else:
            value = cp.sum_squares(own - target) / rows.sum()
        constraints.append(value <= limit)
    problem = cp.Problem(cp.Minimize(objective), constraints)
    try:
        problem.solve(solver=cp.CLARABEL)
    except cp.error.SolverError:  # it may give up; which problems it solves differs by machine
        return None
    return float(problem.value) if problem.status == "optimal" else None


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate:UserWarning")
@pytest.mark.parametrize("churn", ["kl", "brier"])
def test_soft_budgets_of_groups_agree_with_the_convex_program(churn):
    compared = 0
    for seed in range(8):
        candidates, base, y = draw(seed)
        everywhere, german = np.ones(N, dtype=bool), GROUP == "DE"
        free = select(candidates, base, y, max_churn={"kl": 9.0, "brier": 2.0}[churn], churn=churn)
        safe = min(free.frontier, key=lambda point: point.soft_churn)
        mixed = np.tensordot(safe.weights, candidates, axes=1)
        kind = {"churn": churn, "include_base": False, "groups": {"country": GROUP}}
        lowest = churn_divergence(base[german], mixed[german], divergence=churn)
        overall, grouped = 0.3 * safe.soft_churn + 0.7 * free.soft_churn, 1.02 * lowest
        budget = {"overall": overall, "country=DE": grouped}
        ours = select(candidates, base, y, max_churn=budget, **kind)
        assert ours.soft_churn <= overall + 1e-9
        assert ours.others["country=DE"][1] <= grouped + 1e-9
        limits = [(everywhere, overall), (german, grouped)]
        best = exact_risk(candidates, base, y, limits, churn)
        if best is not None:
            assert ours.risk == pytest.approx(best, abs=1e-6)
            compared += 1
    assert compared >= 4


@pytest.mark.parametrize(
    ("mixture", "include_base", "overall", "german", "flips"),
    [("average", True, 0.3, 0.22, 0.15), ("single", True, 0.3, 0.2, 0.1),
     ("average", False, 0.4, 0.36, 0.2)],
)  # fmt: skip
def test_hard_budgets_are_kept_in_every_group(mixture, include_base, overall, german, flips):
    candidates, base, y = draw(1)
    ours = select(
        candidates, base, y,
        max_churn={"overall": overall, "country=DE": german}, max_negative_flips=flips,
        groups={"country": GROUP}, mixture=mixture, include_base=include_base,
    )  # fmt: skip
    weights = np.append(ours.weights, ours.base_weight)
    served = np.tensordot(weights, np.concatenate([candidates, base[None]]), axes=1).argmax(axis=1)
    before, rows = base.argmax(axis=1), GROUP == "DE"
    measured = {
        "country=DE": churn_rate(before[rows], served[rows]),
        "negative flips": negative_flip_rate(y, before, served),
    }
    assert churn_rate(before, served) <= overall
    assert {name: limit for name, (limit, _) in ours.others.items()} == {
        "country=DE": german,
        "negative flips": flips,
    }
    for name, (limit, value) in ours.others.items():
        assert value == pytest.approx(measured[name], abs=1e-12)
        assert value <= limit


def test_limits_that_bind_nothing_change_nothing():
    candidates, base, y = draw(2)
    plain = select(candidates, base, y, max_churn=0.2, include_base=True)
    wide = select(
        candidates, base, y,
        max_churn={"overall": 0.2, "country=DE": 1.0}, max_negative_flips=1.0,
        groups=pd.DataFrame({"country": GROUP}), include_base=True,
    )  # fmt: skip
    np.testing.assert_array_equal(plain.weights, wide.weights)


@pytest.mark.parametrize(
    ("max_churn", "groups", "message"),
    [
        ({"overall": 0.1, "country": 0.1}, {"country": GROUP}, "keys 'overall' or 'column=value'"),
        ({"overall": 0.1, "city=X": 0.1}, {"country": GROUP}, "by columns of `groups`"),
        ({"country=US": 0.1}, {"country": GROUP}, "must name rows that there are.*has DE, FR"),
        ({"country=DE": 1.2}, {"country": GROUP}, "must be in"),
        ({"country=DE": 0.1}, {"country": GROUP[:-1]}, "same number of rows"),
        ({"country=DE": 0.1}, None, "by columns of `groups`"),
        ({}, None, "must name at least one limit"),
    ],
)
def test_wrong_groups_are_refused(max_churn, groups, message):
    candidates, base, y = draw(0)
    with pytest.raises(InvalidInputError, match=message):
        select(candidates, base, y, max_churn=max_churn, groups=groups)


def test_negative_flips_need_a_budget():
    candidates, base, y = draw(0)
    with pytest.raises(InvalidInputError, match="max_churn must be given with max_negative_flips"):
        select(candidates, base, y, min_accuracy=0.1, max_negative_flips=0.1)


# --- the estimator --------------------------------------------------------------------------------

X, Y = make_classification(5000, n_features=8, n_informative=6, flip_y=0.15, random_state=0)
COUNTRY = np.where(X[:, 0] + np.random.default_rng(0).normal(size=5000) > 0, "DE", "FR")
TABLE = pd.DataFrame(X, columns=list("abcdefgh"))
BASE = LogisticRegression(C=0.002).fit(TABLE[:150], Y[:150])
LIMITS = {"overall": 0.06, "country=DE": 0.03}


def update(mixture="average", X=TABLE, groups=None, fit=None, **params):
    defaults = {"max_churn": LIMITS, "random_state": 0, "validation_fraction": 0.5}
    model = LowChurnClassifier(LogisticRegression(), BASE, mixture=mixture, **defaults | params)
    groups = {"country": COUNTRY} if groups is None else groups
    return model.fit(X, Y, groups=groups, **(fit or {}))


@pytest.mark.parametrize("mixture", ["average", "override"])
def test_an_update_keeps_the_budget_of_a_group(mixture):
    free = update(mixture, max_churn=0.06)
    model = update(mixture, max_negative_flips=0.02)
    limit, value = model.selection_.others["country=DE"]
    assert (limit, value <= limit) == (0.03, True)
    limit, value = model.selection_.others["negative flips"]
    assert (limit, value <= limit) == (0.02, True)
    changed = {m: m.predict(TABLE) != BASE.predict(TABLE) for m in (free, model)}
    german = COUNTRY == "DE"
    assert changed[model][german].mean() < changed[free][german].mean()
    assert changed[model].mean() < 0.07


def test_groups_may_be_features():
    table = TABLE.assign(a=TABLE["a"].round().astype(int))
    base = LogisticRegression(C=0.002).fit(table[:150], Y[:150])
    model = LowChurnClassifier(
        LogisticRegression(), base, max_churn={"overall": 0.1, "a=0": 0.02}, random_state=0
    ).fit(table, Y)
    assert model.selection_.others["a=0"][1] <= 0.02


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("mixture", ["average", "override"])
def test_joint_certificates(mixture, weighted):
    weight = np.random.default_rng(1).integers(1, 3, 5000).astype(float) if weighted else None
    fit = {"sample_weight": weight, "max_weight": 2.0 if weighted else None}
    model = update(mixture, max_negative_flips=0.04, confidence=0.9, fit=fit)
    limits = {one.name: one for one in model.certificate_.limits}
    assert list(limits) == ["churn", "country=DE", "negative flips"]
    for name, limit in (("churn", 0.06), ("country=DE", 0.03), ("negative flips", 0.04)):
        assert limits[name].limit == limit
        assert limits[name].value <= limits[name].upper <= limit
    assert limits["country=DE"].n < limits["churn"].n == limits["negative flips"].n
    assert model.certificate_.passed >= 1
    assert "country=DE at most 3.00%" in str(model.certificate_)


def test_groups_may_overlap():
    region = {"country": COUNTRY, "half": np.where(np.arange(5000) % 2, "odd", "even")}
    limits = {"overall": 0.06, "country=DE": 0.04, "half=odd": 0.05, "half=even": 0.05}
    model = update(max_churn=limits, groups=pd.DataFrame(region), confidence=0.9)
    certified = model.certificate_.limits
    assert [one.name for one in certified] == ["churn", "country=DE", "half=odd", "half=even"]
    assert all(one.upper <= one.limit for one in certified)
    assert certified[2].n + certified[3].n == certified[0].n


def test_groups_of_unlabeled_rows():
    table = TABLE.assign(h=(COUNTRY == "DE").astype(int))
    base = LogisticRegression(C=0.002).fit(table[:150], Y[:150])
    model = LowChurnClassifier(
        LogisticRegression(), base, max_churn={"overall": 0.1, "h=1": 0.05}, confidence=0.9,
        random_state=0,
    ).fit(table[:2500], Y[:2500], X_unlabeled=table[2500:])  # fmt: skip
    _, grouped = model.certificate_.limits
    assert (grouped.name, grouped.n) == ("h=1", int(table["h"][2500:].sum()))
    assert grouped.upper <= 0.05
    with pytest.raises(InvalidInputError, match="by columns of X_unlabeled"):
        update(confidence=0.9, fit={"X_unlabeled": TABLE + 1})
    with pytest.raises(InvalidInputError, match=r"max_negative_flips.*X_unlabeled"):
        update(
            max_churn=0.1, max_negative_flips=0.1, confidence=0.9, fit={"X_unlabeled": TABLE + 1}
        )


def test_other_budgets_of_the_same_columns():
    model = update()
    tighter = model.with_budget(max_churn={"overall": 0.06, "country=FR": 0.01})
    assert tighter.selection_.others["country=FR"][1] <= 0.01
    with pytest.raises(InvalidInputError, match="by columns"):
        model.with_budget(max_churn={"city=X": 0.1})


def test_empty_and_tiny_groups():
    with pytest.raises(InvalidInputError, match="must name rows that there are"):
        update(max_churn={"overall": 0.06, "country=US": 0.01})
    few = np.where(np.arange(5000) < 60, "small", COUNTRY)
    with pytest.raises(InfeasibleBudgetError, match="country=small of the safest candidate"):
        update(
            max_churn={"overall": 0.06, "country=small": 0.01},
            groups={"country": few},
            confidence=0.95,
        )
