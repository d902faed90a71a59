"""What a report says of rules, the positive class, swaps and scores."""

import numpy as np
import pytest

from holdfast import Policy, compare
from holdfast.comparison import compare_scores
from holdfast.render.page import render_page
from holdfast.report.answers import AnswerFacts, costs_of
from holdfast.report.saved import read_summary, to_json
from holdfast.report.summarise import summarise_comparison
from holdfast.rules import Argmax, Bands, Costs, Threshold

RULE = Threshold(0.2, positive="fraud")
COSTS = Costs([[0, 9], [1, 0]], answers=["ok", "fraud"], classes=["ok", "fraud"])


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    base = rng.beta(1, 6, 2_000)
    new = np.clip(base + rng.normal(0, 0.03, 2_000), 0, 1)
    return base, new, np.where(rng.random(2_000) < base, "fraud", "ok")


@pytest.fixture(scope="module")
def comparison(scores):
    base, new, truth = scores
    proba = [np.column_stack([p, 1 - p]) for p in (base, new)]
    return compare(*proba, truth, classes=["fraud", "ok"], rule=RULE)


@pytest.fixture(scope="module")
def answers(scores):
    base, new, truth = scores
    found = compare_scores(base, new, truth, positive="fraud", threshold=0.2)
    costs = costs_of(RULE.bind(["fraud", "ok"]), ["fraud", "ok"])
    return AnswerFacts((RULE, RULE), "fraud", costs, found)


def test_every_figure_is_that_of_the_comparison(answers, comparison, scores):
    facts = answers.to_dict(comparison)
    own = comparison.measures(costs=answers.costs)
    names = [one["name"] for one in facts["positive_measures"]]
    assert names == [
        f"{m}[fraud]" for m in ("recall", "precision", "f1", "specificity", "rate")
    ] + ["cost"]
    assert facts["positive_measures"] == [own[name].to_dict() for name in names]
    assert facts["swaps"] == comparison.swaps("fraud").to_dict()
    base, new, truth = scores
    swapped_in = (base < 0.2) & (new >= 0.2)
    assert facts["swaps"]["swapped_in"]["n"] == swapped_in.sum()
    assert facts["swaps"]["swapped_in"]["positive_rate"] == np.mean(truth[swapped_in] == "fraud")
    at_thresholds = facts["scores"]["swaps"]
    for part in ("swapped_in", "swapped_out", "kept_positive", "kept_negative"):
        assert facts["swaps"][part] == at_thresholds[part]
    cost = (truth == "ok") * (new >= 0.2) * 0.2 + (truth == "fraud") * (new < 0.2) * 0.8
    assert own["cost"].new == pytest.approx(cost.mean())


def test_the_page_and_the_text_show_them(answers, comparison, tmp_path):
    summary = summarise_comparison(comparison, answering=answers)
    path = tmp_path / "report.json"
    path.write_text(to_json(summary))
    page = render_page(read_summary(path))
    assert page == render_page(summary)
    for text in ("The rule of both models answers fraud", "Swapped in", "At the same rate".lower(),
                 "Recall, new model", "Cost, new model", "population stability index"):  # fmt: skip
        assert text in page
    lines = "\n".join(answers.lines(comparison))
    for text in ("recall[fraud]", "cost", "swapped in", "at the same rate", "AUC"):
        assert text in lines


def test_rules_in_words():
    assert AnswerFacts().rule_text() is None
    assert AnswerFacts((Argmax(), Argmax())).rule_text() is None
    assert AnswerFacts((None, Argmax())).rule_text() is None
    both = AnswerFacts((RULE, Threshold(0.3, positive="fraud"))).rule_text()
    assert both == (
        "The rule of the base model answers fraud from a probability of 0.2 on; that of the new "
        "model answers fraud from a probability of 0.3 on."
    )
    assert "is that of its answers" in AnswerFacts((None, RULE)).rule_text()


def test_costs_are_those_that_the_rule_keeps_low():
    assert costs_of(None, []) is None
    assert costs_of(Argmax().bind([0, 1]), [0, 1]) is None
    assert costs_of(COSTS.bind(["fraud", "ok"]), ["ok"]) is COSTS
    bound = Threshold(0.25, positive=1).bind([0, 1])
    assert costs_of(bound, [0, 1]) == {0: {0: 0.0, 1: 0.75}, 1: {0: 0.25, 1: 0.0}}
    assert costs_of(bound, [0, 1, 2]) is None  # a truth that the rule does not know
    bands = Bands((0.5,), answers=("a", "b"), positive=1).bind([0, 1])
    assert costs_of(bands, ["a"]) is None


def test_a_class_that_nobody_answers_has_no_swaps():
    found = compare(["a", "b"], ["b", "b"], ["c", "b"])
    facts = AnswerFacts(positive="c").to_dict(found)
    assert facts["swaps"] is None
    assert facts["positive_measures"]
    assert AnswerFacts(positive="d").to_dict(found)["positive_measures"] == []


@pytest.mark.parametrize(
    ("limit", "name", "status"),
    [
        ({"auc": {"min": 0.4}}, "auc", "pass"),
        ({"auc": {"min_change": 0.2}}, "auc change", "fail"),
        ({"log_loss": {"max_change": 0.5}}, "log_loss change", "pass"),
        ({"calibration_error": {"max": 0.9}}, "calibration_error", "underpowered"),
    ],
)
def test_limits_on_measures_of_scores(answers, comparison, limit, name, status):
    decision = Policy(limits=limit).decide(comparison, answers.scores)
    assert [(check.name, check.status) for check in decision.checks] == [(name, status)]
    summary = summarise_comparison(comparison, decision=decision, answering=answers)
    assert "at most" in render_page(summary) or "at least" in render_page(summary)


def test_checks_of_other_measures_say_their_bound_and_unit(comparison):
    decision = Policy(
        limits={"recall": {"min": 0.1}, "cost": {"max": 0.4}}, positive="fraud", costs=COSTS
    ).decide(comparison)
    assert [(c.bound, c.unit) for c in decision.checks] == [
        ("at least", "share"),
        ("at most", "number"),
    ]
    page = render_page(summarise_comparison(comparison, decision=decision))
    assert "at least 10" in page
    assert "at most 0.4" in page


def test_labelled_shares_are_shown():
    truth = ["a", None] * 50 + ["b"] * 10
    found = compare(["a"] * 100 + ["b"] * 10, ["a"] * 100 + ["a"] * 10, truth)
    assert [tuple(one.values()) for one in found.labeled_shares()] == [
        ("a", "a", 100, 0.5),
        ("b", "a", 10, 1.0),
    ]
    assert "labelled       a → a 50.0%, b → a 100.0%" in str(found)
    assert "Labelled rows" in render_page(summarise_comparison(found))
    assert compare(["a"], ["b"], ["a"]).labeled_shares() == []
