import json

import numpy as np
import pytest
from sklearn import metrics

from holdfast.comparison import Comparison, MeasureChange, compare
from holdfast.comparison.measures import cost_change
from holdfast.exceptions import InvalidInputError

NAMES = np.array(["ant", "bee", "cow"])


def draw(n=600, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    base = np.where(rng.random(n) < 0.7, y, rng.integers(0, 3, n))
    new = np.where(rng.random(n) < 0.8, base, rng.integers(0, 3, n))
    return NAMES[base], NAMES[new], NAMES[y]


def by_sklearn(pred, y, weight):
    """Every measure of a model, as scikit-learn computes it."""
    found = {}
    for name in NAMES:
        keys = {"sample_weight": weight, "zero_division": 0}
        own = (y == name, pred == name)
        found[f"recall[{name}]"] = metrics.recall_score(*own, **keys)
        found[f"precision[{name}]"] = metrics.precision_score(*own, **keys)
        found[f"f1[{name}]"] = metrics.f1_score(*own, **keys)
        found[f"specificity[{name}]"] = metrics.recall_score(*own, pos_label=False, **keys)
        found[f"rate[{name}]"] = np.average(pred == name, weights=weight)
    found["balanced_accuracy"] = metrics.balanced_accuracy_score(y, pred, sample_weight=weight)
    return found


@pytest.mark.parametrize("weighted", [False, True])
def test_values_equal_those_of_scikit_learn(weighted):
    base, new, y = draw()
    weight = np.random.default_rng(1).integers(0, 4, len(y)) * 0.5 if weighted else None
    found = compare(base, new, y, sample_weight=weight).measures()
    expected = [by_sklearn(pred, y, weight) for pred in (base, new)]
    assert found.keys() == expected[0].keys()
    for name, measure in found.items():
        assert measure.base == pytest.approx(expected[0][name]), name
        assert measure.new == pytest.approx(expected[1][name]), name
        assert measure.change == pytest.approx(measure.new - measure.base)
        for value, (low, high) in (
            (measure.change, measure.interval),
            (measure.base, measure.base_interval),
            (measure.new, measure.new_interval),
        ):
            assert low <= value <= high
    rows = y == "cow" if weight is None else (y == "cow") & (weight > 0)
    assert found["recall[cow]"].positives == found["recall[cow]"].n == rows.sum()


def test_measures_that_are_asked_for():
    base, new, y = draw()
    found = compare(base, new, y)
    own = found.measures(positive="bee")
    names = [f"{name}[bee]" for name in ("rate", "recall", "precision", "f1", "specificity")]
    assert list(own) == [*names, "balanced_accuracy"]
    some = found.measures(labels=["cow", "ant"])
    assert some["f1[ant]"] == found.measures()["f1[ant]"]
    assert "f1[bee]" not in some
    everything = found.to_dict()["measures"]
    assert json.loads(json.dumps(everything)) == everything
    assert everything["recall[cow]"]["interval"] == list(found.measures()["recall[cow]"].interval)
    assert isinstance(own["f1[bee]"], MeasureChange)


def test_json_has_the_most_frequent_classes():
    y = np.repeat(np.arange(30), np.arange(1, 31))
    measures = compare(y, y.copy()[::-1], y).to_dict()["measures"]
    f1 = [name for name in measures if name.startswith("f1")]
    assert f1 == [f"f1[{c}]" for c in range(10, 30)]


@pytest.mark.parametrize("weighted", [False, True])
def test_costs(weighted):
    rng = np.random.default_rng(0)
    base, new = rng.choice(["approve", "decline", "review"], (2, 500))
    y = rng.choice(["fraud", "legit"], 500, p=[0.1, 0.9])
    weight = rng.random(500) if weighted else None
    table = {
        "approve": {"fraud": 50.0, "legit": 0.0},
        "decline": {"fraud": 0.0, "legit": 5.0},
        "review": {"fraud": 1.0, "legit": 1.0},
    }
    comparison = compare(base, new, y, sample_weight=weight)
    found = comparison.measures(costs=table)
    assert [name for name in found if not name.startswith("rate")] == ["cost"]
    cost = found["cost"]
    each = [np.array([table[a][t] for a, t in zip(pred, y, strict=True)]) for pred in (base, new)]
    assert cost.base == pytest.approx(np.average(each[0], weights=weight))
    assert cost.new == pytest.approx(np.average(each[1], weights=weight))
    assert cost.change == pytest.approx(cost.new - cost.base)
    difference = each[1] - each[0] - cost.change
    w = np.ones(500) if weight is None else weight
    error = np.sqrt((w**2) @ difference**2) / w.sum()
    assert cost.interval == pytest.approx(
        (cost.change - 1.96 * error, cost.change + 1.96 * error), abs=0.3 * error
    )
    matrix = [[50.0, 0.0], [0.0, 5.0], [1.0, 1.0]]
    assert comparison.measures(costs=matrix)["cost"] == cost
    free = comparison.measures(costs=np.zeros((3, 2)))["cost"]
    assert (free.change, free.interval) == (0, (0, 0))


def test_cost_of_an_error_is_the_error_rate():
    base, new, y = draw()
    found = compare(base, new, y)
    cost = found.measures(costs=1 - np.eye(3))["cost"]
    assert cost.new == pytest.approx(1 - found.accuracy_new)
    assert cost.change == pytest.approx(-found.accuracy_gain)


def test_measures_do_not_depend_on_how_rows_are_counted():
    base, new, y = draw()
    whole = compare(base, new, y)
    parts = [compare(base[i::3], new[i::3], y[i::3]).counts for i in range(3)]
    costs = 1 - np.eye(3)
    assert Comparison.from_counts(sum(parts)).measures(costs=costs) == whole.measures(costs=costs)
    doubled = compare(base, new, y, sample_weight=np.full(len(y), 2.0)).measures(costs=costs)
    for name, measure in whole.measures(costs=costs).items():
        assert doubled[name].interval == pytest.approx(measure.interval)
        assert doubled[name].new_interval == pytest.approx(measure.new_interval)
        assert (doubled[name].n, doubled[name].positives) == (measure.n, measure.positives)
    swapped = compare(new, base, y).measures(costs=costs)
    for name, measure in whole.measures(costs=costs).items():
        low, high = measure.interval
        assert swapped[name].interval == pytest.approx((-high, -low), abs=1e-9), name


def test_interval_of_a_weighted_cost_covers_the_change():
    rng = np.random.default_rng(0)

    def sample(n):
        size = rng.choice([0.0, 1.0, 20.0], n, p=[0.8, 0.17, 0.03])
        difference = size * rng.choice([-1, 1], n, p=[0.4, 0.6])
        # Rows that changed weigh more, which Kish's number does not see.
        return difference, np.where(size > 0, 3.0, 1.0) * rng.gamma(2, size=n)

    difference, weight = sample(1_000_000)
    true = np.average(difference, weights=weight)
    worst = np.array([20.0, 1.0])
    found = [cost_change(d, w, w**2, worst, 0.95)[1] for d, w in map(sample, [800] * 400)]
    assert 0.92 < np.mean([low <= true <= high for low, high in found]) < 0.98


def test_undefined_measures_are_none():
    found = compare(["a", "b"], ["a", "a"], ["a", "c"]).measures()
    assert found["precision[b]"].base == 0
    assert found["precision[b]"].new is found["precision[b]"].change is None
    assert found["precision[b]"].interval is found["precision[b]"].new_interval is None
    assert found["recall[b]"].base is None
    assert (found["recall[b]"].positives, found["recall[b]"].reliable) == (0, False)
    assert "rate[c]" not in found


def test_few_positives_are_not_reliable():
    for positives, reliable in ((9, False), (10, True)):
        y = np.arange(200) < positives
        found = compare(y, ~y, y).measures(positive=True, costs=1 - np.eye(2))
        for name in ("recall[True]", "balanced_accuracy", "cost"):
            assert found[name].reliable is reliable
            assert found[name].positives == positives


def test_without_the_truth_only_rates():
    base, new, y = draw()
    assert list(compare(base, new).measures()) == ["rate[ant]", "rate[bee]", "rate[cow]"]
    some = compare(base, new, np.where(np.arange(600) < 300, y.astype(object), None)).measures()
    assert (some["rate[ant]"].n, some["balanced_accuracy"].n) == (600, 300)
    assert some["rate[ant]"].new == np.mean(new == "ant")


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"positive": "dog"}, "positive must be among the answers and labels, got 'dog'; choose"),
        ({"labels": ["ant", "x"]}, "labels must be among the answers and labels, got 'x'"),
        ({"positive": "ant", "labels": ["ant"]}, "positive and labels must not both be given"),
        ({"costs": [[1, 2]]}, r"costs must have shape \(3, 3\), one row for each answer"),
        ({"costs": [["a"]]}, "costs must be finite numbers"),
        ({"costs": {"ant": {"ant": 1}}}, "got none of answer 'ant' for class 'bee'; add it"),
    ],
)
def test_bad_requests(options, match):
    with pytest.raises(InvalidInputError, match=match):
        compare(*draw()).measures(**options)
    with pytest.raises(InvalidInputError, match="costs need labels, got a comparison without"):
        compare(*draw()[:2]).measures(costs=np.zeros((3, 3)))
