from itertools import pairwise

import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import minimize

from holdfast import select
from holdfast.exceptions import InfeasibleBudgetError, InvalidInputError
from holdfast.metrics import churn_divergence, churn_rate, risk

pytestmark = pytest.mark.slow

PROBLEMS = 50
LOSS = {"kl": "log_loss", "brier": "brier"}


def softmax(z):
    odds = np.exp(z - z.max(axis=-1, keepdims=True))
    return odds / odds.sum(axis=-1, keepdims=True)


def draw(seed, n=None, n_classes=None, size=None):
    """Candidates (L, n, K), base (n, K) and labels (n,) that have to do with each other."""
    rng = np.random.default_rng(seed)
    size = size or int(rng.integers(1, 10))
    n_classes = n_classes or int(rng.integers(2, 7))
    n = n or int(rng.integers(30, 201))
    z = rng.normal(size=(n, n_classes))
    y = np.array([rng.choice(n_classes, p=p) for p in softmax(z)])
    base = softmax(z + rng.normal(size=z.shape))
    noise = rng.uniform(0.1, 1.5, size=(size, 1, 1)) * rng.normal(size=(size, n, n_classes))
    return softmax(rng.uniform(0.3, 2, size=(size, 1, 1)) * z + noise), base, y


def draw_path(seed, n, size):
    """Candidates between a new model and the base, as a path over λ gives them."""
    rng = np.random.default_rng(seed)
    z = 1.5 * rng.normal(size=(n, 3))
    y = np.array([rng.choice(3, p=p) for p in softmax(z)])
    base, cold = z + rng.normal(size=z.shape), z + 0.5 * rng.normal(size=z.shape)
    share = np.linspace(0, 0.9, size)[:, None, None]
    noise = 0.2 * rng.normal(size=(size, n, 3))
    return softmax((1 - share) * cold + share * base + noise), softmax(base), y


def soft_range(candidates, base, y, churn, **options):
    """Lowest soft churn of any mixture, and that of the mixture of lowest risk."""
    free = select(
        candidates, base, y, max_churn={"kl": 50.0, "brier": 2.0}[churn], churn=churn, **options
    )
    return min(point.soft_churn for point in free.frontier), free.soft_churn


# --- against the exact convex program -------------------------------------------------------------

SETTINGS = ({"max_step_fraction": 0.9}, {}, {"equilibrate_enable": False})


def program(candidates, base, y, budget, churn):
    """The convex program of the paper, each mean taken over rows."""
    size, n, n_classes = candidates.shape
    weights = cp.Variable(size, nonneg=True)
    if churn == "kl":
        objective = -cp.sum(cp.log(candidates[:, np.arange(n), y].T @ weights)) / n
        cross = -base.ravel() @ cp.log(candidates.reshape(size, -1).T @ weights) / n
        soft_churn = cross + (base * np.log(base)).sum() / n
    else:
        mixture = candidates.reshape(size, -1).T @ weights
        objective = cp.sum_squares(mixture - np.eye(n_classes)[y].ravel()) / n
        soft_churn = cp.sum_squares(mixture - base.ravel()) / n
    return cp.Problem(cp.Minimize(objective), [cp.sum(weights) == 1, soft_churn <= budget])


def exact_risk(candidates, base, y, budget, churn):
    """The program's optimum, or None where the solver does not vouch for it."""
    for setting in SETTINGS:
        problem = program(candidates, base, y, budget, churn)
        try:
            problem.solve(solver=cp.CLARABEL, **setting)
        except cp.SolverError:
            continue
        if problem.status == "optimal":
            return float(problem.value)
    return None


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate:UserWarning")
@pytest.mark.parametrize("churn", ["kl", "brier"])
def test_agrees_with_the_convex_program(churn):
    solved, seed = 0, 0
    while solved < PROBLEMS:
        assert seed < 3 * PROBLEMS
        candidates, base, y = draw(seed)
        seed += 1
        low, high = soft_range(candidates, base, y, churn)
        share = np.random.default_rng(seed).uniform(0.005, 1.2)
        budget = low + (high - low) * share + 1e-6
        ours = select(candidates, base, y, max_churn=budget, churn=churn)
        assert ours.soft_churn <= budget + 1e-9
        assert ours.weights.min() >= 0
        assert ours.weights.sum() == pytest.approx(1, abs=1e-12)
        best = exact_risk(candidates, base, y, budget, churn)
        if best is not None:
            assert ours.risk == pytest.approx(best, abs=1e-6)
            solved += 1


def test_tight_constraint_of_the_program_is_spent():
    for seed in range(10):
        candidates, base, y = draw(seed, size=5)
        low, high = soft_range(candidates, base, y, "kl")
        budget = (low + high) / 2
        ours = select(candidates, base, y, max_churn=budget, churn="kl")
        assert ours.soft_churn == pytest.approx(budget, abs=1e-7)


def log_odds_mixture(candidates, weights):
    return softmax(np.tensordot(weights, np.log(candidates), axes=1))


@pytest.mark.parametrize("seed", range(6))
def test_log_odds_agrees_with_a_solver_from_many_starts(seed):
    candidates, base, y = draw(seed, n=60, size=4)
    low, high = soft_range(candidates, base, y, "kl", average_in="log_odds")
    budget = low + 0.4 * (high - low)
    ours = select(candidates, base, y, max_churn=budget, churn="kl", average_in="log_odds")
    assert ours.soft_churn <= budget + 1e-9
    mixed = log_odds_mixture(candidates, ours.weights)
    assert ours.risk == pytest.approx(risk(y, mixed), abs=1e-12)
    assert ours.soft_churn == pytest.approx(churn_divergence(base, mixed), abs=1e-12)

    def slack(weights):
        mixture = log_odds_mixture(candidates, weights)
        return budget - (base * np.log(base / mixture)).sum(axis=1).mean()

    def objective(weights):
        mixture = log_odds_mixture(candidates, weights)
        return -np.log(mixture[np.arange(len(y)), y]).mean()

    values = []
    for start in np.random.default_rng(seed).dirichlet(np.ones(4), 6):
        found = minimize(
            objective,
            start,
            bounds=[(0, 1)] * 4,
            constraints=[
                {"type": "eq", "fun": lambda w: w.sum() - 1},
                {"type": "ineq", "fun": slack},
            ],
            method="SLSQP",
            options={"ftol": 1e-12, "maxiter": 300},
        )
        if slack(found.x) >= -1e-8:
            values.append(found.fun)
    assert values
    assert ours.risk <= min(values) + 1e-6
    assert ours.risk >= min(values) - 1e-5


# --- the ends -------------------------------------------------------------------------------------


@pytest.mark.parametrize("churn", ["kl", "brier"])
def test_budget_zero_with_the_base_in_the_hull_gives_the_base(churn):
    candidates, base, y = draw(3)
    chosen = select(candidates, base, y, max_churn=0.0, churn=churn, include_base=True)
    assert chosen.base_weight == pytest.approx(1, abs=1e-3)
    assert chosen.soft_churn <= 1e-9
    assert chosen.risk == pytest.approx(risk(y, base, loss=LOSS[churn]), abs=1e-4)


def test_hard_budget_zero_flips_nothing():
    candidates, base, y = draw(3)
    chosen = select(candidates, base, y, max_churn=0.0, include_base=True)
    assert chosen.churn_rate == 0
    assert chosen.risk <= risk(y, base)


@pytest.mark.parametrize("churn", ["kl", "brier"])
def test_budget_above_free_churn_gives_the_free_optimum(churn):
    for seed in range(5):
        candidates, base, y = draw(seed, size=5)
        _, high = soft_range(candidates, base, y, churn)
        best = exact_risk(candidates, base, y, 10.0, churn)
        for budget in (high, high + 0.1):
            chosen = select(candidates, base, y, max_churn=budget, churn=churn)
            assert chosen.risk == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("churn", ["hard", "kl", "brier"])
def test_one_candidate(churn):
    candidates, base, y = draw(1, size=1)
    chosen = select(candidates, base, y, max_churn=1.0, churn=churn)
    assert chosen.weights.tolist() == [1.0]
    assert chosen.base_weight == 0
    assert len(chosen.frontier) == 1


@pytest.mark.parametrize("churn", ["kl", "brier", "hard"])
def test_infeasible_budget_names_the_lowest_churn(churn):
    candidates, base, y = draw(5, size=4)
    with pytest.raises(InfeasibleBudgetError, match="max_churn must be at least") as caught:
        select(candidates, base, y, max_churn=0.0, churn=churn)
    lowest = caught.value.lowest_churn
    assert 0 < lowest < 1
    chosen = select(candidates, base, y, max_churn=lowest, churn=churn)
    assert lowest == pytest.approx(
        chosen.churn_rate if churn == "hard" else chosen.soft_churn, abs=1e-9
    )
    if churn == "brier":
        weights = cp.Variable(4, nonneg=True)
        mixture = candidates.reshape(4, -1).T @ weights
        distance = cp.sum_squares(mixture - base.ravel()) / len(y)
        reference = cp.Problem(cp.Minimize(distance), [cp.sum(weights) == 1]).solve()
        assert lowest == pytest.approx(reference, abs=1e-7)


def test_measures_are_those_of_the_metrics():
    candidates, base, y = draw(8, size=4)
    weight = np.random.default_rng(0).uniform(0.1, 3, len(y))
    chosen = select(candidates, base, y, max_churn=0.25, sample_weight=weight, include_base=True)
    mixture = np.tensordot(chosen.weights, candidates, axes=1) + chosen.base_weight * base
    assert chosen.risk == pytest.approx(risk(y, mixture, sample_weight=weight), abs=1e-9)
    assert chosen.soft_churn == pytest.approx(
        churn_divergence(base, mixture, sample_weight=weight), abs=1e-9
    )
    assert chosen.churn_rate == pytest.approx(
        churn_rate(base.argmax(1), mixture.argmax(1), sample_weight=weight), abs=1e-12
    )
    assert chosen.accuracy == pytest.approx(
        np.average(mixture.argmax(1) == y, weights=weight), abs=1e-12
    )
    assert chosen.n == len(y)


# --- hard budgets ---------------------------------------------------------------------------------


def simplex_grid(size, steps):
    if size == 1:
        return np.array([[steps]])
    return np.array(
        [[i, *rest] for i in range(steps + 1) for rest in simplex_grid(size - 1, steps - i)]
    )


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("seed", range(5))
def test_hard_budget_against_brute_force(size, seed):
    candidates, base, y = draw_path(seed, 300, size)
    grid = simplex_grid(size, 200 if size == 2 else 60) / (200 if size == 2 else 60)
    mixtures = np.einsum("gl,lnk->gnk", grid, candidates)
    rates = (mixtures.argmax(2) != base.argmax(1)).mean(axis=1)
    risks = -np.log(mixtures[:, np.arange(len(y)), y]).mean(axis=1)
    for share in (0.1, 0.5, 0.8):
        budget = rates.min() + share * (rates.max() - rates.min())
        chosen = select(candidates, base, y, max_churn=budget)
        assert chosen.churn_rate <= budget + 1e-12
        best, worst = risks[rates <= budget].min(), risks[rates <= budget].max()
        # The sweep looks at some paths through the simplex: near the best, not the best.
        assert chosen.risk <= best + 0.15 * (worst - best) + 1e-6
    loose = select(candidates, base, y, max_churn=1.0)
    assert loose.risk <= risks.min() + 1e-8


def test_tight_hard_budgets_are_spent_between_the_base_and_the_first_step():
    candidates, base, y = draw(2, n=200, size=4, n_classes=2)
    zero = select(candidates, base, y, max_churn=0.0, include_base=True)
    one = select(candidates, base, y, max_churn=0.01, include_base=True)
    assert one.risk <= zero.risk
    assert zero.base_weight < 1  # no flip does not mean no change of the probabilities


def test_larger_budgets_are_never_worse():
    candidates, base, y = draw(11, n=200, size=6)
    for churn in ("kl", "brier"):
        low, high = soft_range(candidates, base, y, churn)
        risks = [
            select(candidates, base, y, max_churn=budget, churn=churn).risk
            for budget in np.linspace(low + 1e-6, high, 6)
        ]
        assert all(later <= earlier + 1e-9 for earlier, later in pairwise(risks))


def test_single_takes_the_best_single_candidate():
    candidates, base, y = draw(9, size=6)
    rates = (candidates.argmax(2) != base.argmax(1)).mean(axis=1)
    budget = float(np.median(rates))
    chosen = select(candidates, base, y, max_churn=budget, mixture="single")
    risks = np.array([risk(y, proba) for proba in candidates])
    assert np.flatnonzero(chosen.weights).tolist() == [
        int(np.where(rates <= budget, risks, np.inf).argmin())
    ]
    with pytest.raises(InfeasibleBudgetError, match="must be at least") as caught:
        select(candidates, base, y, max_churn=0.0, mixture="single")
    assert caught.value.lowest_churn == pytest.approx(rates.min())


# --- an accuracy to keep --------------------------------------------------------------------------


@pytest.mark.parametrize("churn", ["hard", "kl", "brier"])
def test_min_accuracy_takes_the_lowest_churn_that_is_accurate_enough(churn):
    candidates, base, y = draw(4, n=200, size=5)
    accuracies = (candidates.argmax(2) == y).mean(axis=1)
    target = float(np.median(accuracies))
    chosen = select(candidates, base, y, min_accuracy=target, churn=churn)
    assert chosen.accuracy >= target - 1e-12
    single = select(candidates, base, y, min_accuracy=target, churn=churn, mixture="single")
    unit = "churn_rate" if churn == "hard" else "soft_churn"
    assert getattr(chosen, unit) <= getattr(single, unit)
    enough = [i for i in range(5) if accuracies[i] >= target]
    assert np.flatnonzero(single.weights)[0] in enough
    with pytest.raises(InfeasibleBudgetError, match="min_accuracy must be at most") as caught:
        select(candidates, base, y, min_accuracy=1.0, churn=churn)
    assert caught.value.highest_accuracy >= accuracies.max()
    assert caught.value.lowest_churn is None


# --- the base model in the hull -------------------------------------------------------------------


def test_include_base_true_is_the_program_with_one_more_candidate():
    candidates, base, y = draw(6, size=4)
    _, high = soft_range(candidates, base, y, "kl")
    ours = select(candidates, base, y, max_churn=high / 3, churn="kl", include_base=True)
    wide = select([*candidates, base], base, y, max_churn=high / 3, churn="kl")
    assert ours.risk == pytest.approx(wide.risk, abs=1e-9)
    assert ours.base_weight == pytest.approx(wide.weights[-1], abs=1e-4)
    assert len(ours.weights) == 4
    assert ours.base_weight + ours.weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("churn", ["hard", "kl", "brier"])
def test_auto_follows_the_one_standard_error_rule(churn):
    outcomes = set()
    for seed in range(12):
        candidates, base, y = draw(seed, n=150, size=3)
        low, high = soft_range(candidates, base, y, "brier" if churn == "brier" else "kl")
        budget = low + 0.2 * (high - low)
        if churn == "hard":
            budget = float(np.mean(candidates.argmax(2) != base.argmax(1)))
        options = {"max_churn": budget, "churn": churn}
        auto = select(candidates, base, y, include_base="auto", **options)
        within = select(candidates, base, y, include_base=True, **options)
        without = select(candidates, base, y, **options)
        per_row = rows_of_loss(candidates, base, y, without, churn) - rows_of_loss(
            candidates, base, y, within, churn
        )
        error = per_row.std() / np.sqrt(len(y))
        if per_row.mean() <= error or within.base_weight == 0:
            assert auto.base_weight == 0
            assert auto.risk == pytest.approx(without.risk, abs=1e-9)
        else:
            assert auto.base_weight > 0
            assert auto.risk == within.risk
        outcomes.add(auto.base_weight > 0)
    assert outcomes == {True, False}


def rows_of_loss(candidates, base, y, selection, churn):
    mixture = np.tensordot(selection.weights, candidates, axes=1) + selection.base_weight * base
    truth = np.eye(base.shape[1])[y]
    if churn == "brier":
        return ((mixture - truth) ** 2).sum(axis=1)
    return -np.log((mixture * truth).sum(axis=1))


def test_auto_takes_the_base_where_nothing_else_is_feasible():
    candidates, base, y = draw(5, size=4)
    chosen = select(candidates, base, y, max_churn=0.0, churn="kl", include_base="auto")
    assert chosen.base_weight > 0.99


@pytest.mark.parametrize("churn", ["hard", "kl", "brier"])
def test_auto_under_min_accuracy_prefers_the_models_without_the_base(churn):
    candidates, base, y = draw(7, n=200, size=4)
    target = float((candidates[0].argmax(1) == y).mean())
    options = {"min_accuracy": target, "churn": churn}
    auto = select(candidates, base, y, include_base="auto", **options)
    within = select(candidates, base, y, include_base=True, **options)
    assert auto.accuracy >= target - 1e-12
    if auto.base_weight:
        assert auto.churn_rate == within.churn_rate
    with pytest.raises(InfeasibleBudgetError, match="min_accuracy must be at most"):
        select(candidates, base, y, min_accuracy=1.0, include_base="auto")


# --- missing base predictions, classes that are gone ----------------------------------------------


def test_rows_without_base_prediction_count_for_the_risk_only():
    candidates, base, y = draw(10, size=4)
    missing = np.zeros(len(y), dtype=bool)
    missing[::3] = True
    holes = np.where(missing[:, None], np.nan, base)
    for churn in ("hard", "kl", "brier"):
        budget = 0.6 if churn == "hard" else sum(soft_range(candidates, holes, y, churn)) / 2
        chosen = select(candidates, holes, y, max_churn=budget, churn=churn)
        mixture = np.tensordot(chosen.weights, candidates, axes=1)
        assert chosen.risk == pytest.approx(
            risk(y, mixture, loss=LOSS.get(churn, "log_loss")), abs=1e-9
        )
        assert chosen.churn_rate == pytest.approx(
            (mixture.argmax(1) != base.argmax(1))[~missing].mean()
        )
        assert chosen.soft_churn == pytest.approx(
            churn_divergence(
                base[~missing],
                mixture[~missing],
                divergence="brier" if churn == "brier" else "kl",
            ),
            abs=1e-9,
        )
    auto = select(candidates, holes, y, max_churn=1.0, include_base="auto")
    assert auto.base_weight == 0
    with pytest.raises(InvalidInputError, match="include_base must be False where base"):
        select(candidates, holes, y, max_churn=1.0, include_base=True)
    with pytest.raises(InvalidInputError, match="at least one selection row"):
        select(candidates, np.full_like(base, np.nan), y, max_churn=1.0)


def test_base_with_missing_rows_of_no_weight_may_be_included():
    candidates, base, y = draw(10, size=2)
    weight = np.ones(len(y))
    weight[:5] = 0
    holes = base.copy()
    holes[:5] = np.nan
    chosen = select(
        candidates, holes, y, max_churn=0.0, churn="kl", include_base=True, sample_weight=weight
    )
    assert chosen.base_weight > 0.99


def test_answers_that_are_gone_always_count_as_churn():
    candidates, base, y = draw(12, n=100, size=3)
    pred = base.argmax(1)
    pred[:10] = -1
    chosen = select(candidates, base, y, max_churn=1.0, base_pred=pred)
    mixture = np.tensordot(chosen.weights, candidates, axes=1)
    assert chosen.churn_rate == pytest.approx((mixture.argmax(1) != pred).mean())
    with pytest.raises(InfeasibleBudgetError, match=r"must be at least 0\.1 ") as caught:
        select(candidates, base, y, max_churn=0.05, base_pred=pred, include_base=True)
    assert caught.value.lowest_churn == pytest.approx(0.1)


def test_an_answer_without_probabilities_counts_as_churn_where_it_is_named():
    candidates, base, y = draw(12, n=100, size=3)
    pred, holes = base.argmax(1), base.copy()
    pred[:10], holes[:10] = -1, np.nan
    unnamed = select(candidates, holes, y, max_churn=1.0, base_pred=pred)
    named = select(
        candidates, holes, y, max_churn=1.0, base_pred=pred, answered=np.ones(100, dtype=bool)
    )
    assert named.churn_rate == pytest.approx(0.1 + 0.9 * unnamed.churn_rate)
    assert named.soft_churn == pytest.approx(unnamed.soft_churn)


# --- invariances ----------------------------------------------------------------------------------


@pytest.mark.parametrize("churn", ["kl", "brier", "hard"])
def test_weights_are_repetitions(churn):
    candidates, base, y = draw(13, n=60, size=4)
    times = np.random.default_rng(1).integers(0, 4, len(y))
    budget = 0.5 if churn == "hard" else sum(soft_range(candidates, base, y, churn)) / 2
    weighted = select(candidates, base, y, max_churn=budget, churn=churn, sample_weight=times)
    rows = np.repeat(np.arange(len(y)), times)
    repeated = select(candidates[:, rows], base[rows], y[rows], max_churn=budget, churn=churn)
    assert weighted.risk == pytest.approx(repeated.risk, abs=1e-6)
    assert weighted.churn_rate == pytest.approx(repeated.churn_rate, abs=1e-9)
    assert weighted.soft_churn == pytest.approx(repeated.soft_churn, abs=1e-4)


@pytest.mark.parametrize("churn", ["kl", "brier"])
def test_order_of_candidates_rows_and_classes_does_not_matter(churn):
    candidates, base, y = draw(14, size=5, n_classes=4)
    low, high = soft_range(candidates, base, y, churn)
    options = {"max_churn": (low + high) / 2, "churn": churn}
    chosen = select(candidates, base, y, **options)
    rng = np.random.default_rng(2)
    order = rng.permutation(5)
    moved = select(candidates[order], base, y, **options)
    assert moved.risk == pytest.approx(chosen.risk, abs=1e-8)
    np.testing.assert_allclose(moved.weights, chosen.weights[order], atol=1e-3)
    rows = rng.permutation(len(y))
    moved = select(candidates[:, rows], base[rows], y[rows], **options)
    assert moved.risk == pytest.approx(chosen.risk, abs=1e-8)
    columns = rng.permutation(4)
    names = np.array(["a", "b", "c", "d"])
    moved = select(
        candidates[:, :, columns], base[:, columns], names[y], classes=names[columns], **options
    )
    assert moved.risk == pytest.approx(chosen.risk, abs=1e-8)
    np.testing.assert_allclose(moved.weights, chosen.weights, atol=1e-3)


def test_probabilities_in_single_precision_keep_their_budget():
    for seed in range(10):
        candidates, base, y = draw(seed, size=4)
        candidates, base = candidates.astype(np.float32), base.astype(np.float32)
        base[:, 0] += 5e-4  # within the tolerance of sums
        low, high = soft_range(candidates, base, y, "kl")
        budget = low + 0.3 * (high - low) + 1e-6
        chosen = select(candidates, base, y, max_churn=budget, churn="kl")
        assert chosen.soft_churn <= budget + 1e-9


def test_probabilities_of_zero_are_allowed():
    rng = np.random.default_rng(0)
    sure = np.eye(3)[rng.integers(0, 3, (4, 50))]
    base, y = np.eye(3)[rng.integers(0, 3, 50)], rng.integers(0, 3, 50)
    for average_in in ("probability", "log_odds"):
        chosen = select(sure, base, y, max_churn=0.9, average_in=average_in, include_base=True)
        assert np.isfinite(chosen.risk)


# --- wrong input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({}, "exactly one of max_churn and min_accuracy"),
        ({"max_churn": 0.1, "min_accuracy": 0.9}, "exactly one of max_churn and min_accuracy"),
        ({"max_churn": 1.7}, r"max_churn must be in \[0, 1\], got 1.7"),
        ({"max_churn": -0.1, "churn": "kl"}, "max_churn must be in"),
        ({"max_churn": 2.5, "churn": "brier"}, r"max_churn must be in \[0, 2\]"),
        ({"max_churn": float("nan")}, "max_churn must be in"),
        ({"min_accuracy": 90}, r"min_accuracy must be in \[0, 1\], got 90"),
        ({"max_churn": 0.1, "churn": "hrad"}, "did you mean 'hard'"),
        ({"max_churn": 0.1, "mixture": "override"}, "mixture must be one of"),
        ({"max_churn": 0.1, "include_base": "yes"}, "include_base must be one of 'auto'"),
        ({"max_churn": 0.1, "include_base": None}, "include_base must be one of 'auto'"),
        (
            {"max_churn": 0.1, "churn": "brier", "average_in": "log_odds"},
            "average_in must be 'probability' with churn='brier'",
        ),
        ({"max_churn": 0.1, "classes": ["a", "b", "c"]}, "y and classes|labels of one type|among"),
        ({"max_churn": 0.1, "classes": [0, 1]}, "classes must be 3 distinct names"),
        ({"max_churn": 0.1, "base_pred": [0.0] * 40}, "base_pred must be columns from 0 to 2"),
        ({"max_churn": 0.1, "base_pred": [3] * 40}, "base_pred must be columns from 0 to 2"),
        ({"max_churn": 0.1, "base_pred": [0] * 39}, "same number of rows"),
        ({"max_churn": 0.1, "answered": [1] * 40}, "answered must be booleans"),
        ({"max_churn": 0.1, "sample_weight": np.zeros(40)}, "not every weight zero"),
    ],
)
def test_wrong_options(options, match):
    candidates, base, y = draw(0, n=40, n_classes=3, size=2)
    with pytest.raises(InvalidInputError, match=match):
        select(candidates, base, y, **options)


def test_wrong_arrays():
    candidates, base, y = draw(0, n=40, n_classes=3, size=2)
    with pytest.raises(InvalidInputError, match=r"candidate_proba\[1\] must be probabilities"):
        select([candidates[0], np.log(candidates[1])], base, y, max_churn=0.1)
    with pytest.raises(InvalidInputError, match=r"candidate_proba\[0\] must have the shape"):
        select(candidates[:, :30], base, y, max_churn=0.1)
    with pytest.raises(InvalidInputError, match="at least one candidate"):
        select([], base, y, max_churn=0.1)
    with pytest.raises(InvalidInputError, match="same number of rows"):
        select(candidates, base, y[:-1], max_churn=0.1)
    with pytest.raises(InvalidInputError, match="y must be among the classes"):
        select(candidates, base, y + 1, max_churn=0.1)
    candidates[0, 0] = np.nan
    with pytest.raises(InvalidInputError, match="missing values"):
        select(candidates, base, y, max_churn=0.1)
