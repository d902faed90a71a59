"""Budgets and figures are about the answers of deployed models, however these decide."""

import warnings

import numpy as np
import pytest
from sklearn.datasets import load_digits, make_classification
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import SVC, LinearSVC

from holdfast import InvalidInputError, LowChurnClassifier, compare
from holdfast.models.served import answers_of
from holdfast.rules import Argmax, Bands, Costs, Threshold, TopShare

N = 6000
X, Y = make_classification(
    N, n_features=8, n_informative=5, weights=[0.95], flip_y=0.03, class_sep=0.8, random_state=0
)
Y = np.array(["fine", "fraud"])[Y]
OLD, ROWS = slice(0, 1000), slice(0, 3000)
SELECTING, FRESH = slice(3000, 4500), slice(4500, N)
CANNOT_BE_COPIED = "do not follow from its probabilities"


def fitted(model):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # SVC's probabilities are to go
        return model.fit(X[OLD], Y[OLD])


def one_hot(rows):
    """Answer with certainty, as an engine of rules behind a service does."""
    positive = (rows[:, 0] + rows[:, 1] > 1.5).astype(float)
    return np.column_stack([1 - positive, positive])


def by_rules(rows):
    return np.where(one_hot(rows)[:, 1] > 0, "fraud", "fine")


def onnx_file():
    """Return an ONNX file whose labels are not the most probable classes."""
    skl2onnx = pytest.importorskip("skl2onnx")
    pytest.importorskip("onnxruntime")
    from holdfast.models.onnx.model import OnnxModel

    model = fitted(SVC(probability=True, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        graph = skl2onnx.to_onnx(model, X[:1].astype(np.float32), options={"zipmap": False})
    return OnnxModel(np.frombuffer(graph.SerializeToString(), np.uint8))


BASES = {
    "argmax": lambda: fitted(GaussianNB()),
    "fixed threshold": lambda: fitted(
        FixedThresholdClassifier(LogisticRegression(), threshold=0.1, pos_label="fraud")
    ),
    "tuned threshold": lambda: fitted(
        TunedThresholdClassifierCV(LogisticRegression(), scoring="balanced_accuracy", cv=3)
    ),
    "SVC": lambda: fitted(SVC(probability=True, random_state=0)),
    "SGD": lambda: fitted(SGDClassifier(loss="modified_huber", random_state=0)),
    "ONNX": onnx_file,
    "one-hot callable": lambda: one_hot,
    "answers of a callable": lambda: by_rules,
    "LinearSVC": lambda: fitted(LinearSVC()),
}
ONLY_ANSWERS = ("answers of a callable", "LinearSVC", "logged answers")


@pytest.fixture(scope="module", params=[*BASES, "logged answers"])
def deployed(request):
    """Return the name of a kind, the model (None where its answers were logged), its answers."""
    if request.param == "logged answers":
        return request.param, None, by_rules(X)
    model = BASES[request.param]()
    if not hasattr(model, "predict"):
        classes = np.array(["fine", "fraud"])
        given = model(X)
        return request.param, model, classes[given.argmax(1)] if given.ndim == 2 else given
    return request.param, model, model.predict(X)


def update(deployed, **params):
    kind, model, answers = deployed
    defaults = {"max_churn": 0.02, "lambdas": [0.3, 0.7], "random_state": 0}
    if kind in ONLY_ANSWERS:
        defaults["method"] = "cold"
    given = {"validation": (X[SELECTING], Y[SELECTING])}
    if model is None:
        given = {
            "base_pred": answers[ROWS],
            "validation": (X[SELECTING], Y[SELECTING], None, answers[SELECTING]),
        }
    learner = LowChurnClassifier(LogisticRegression(), model, **defaults | params)
    return learner.fit(X[ROWS], Y[ROWS], **given)


@pytest.mark.filterwarnings(f"ignore:.*{CANNOT_BE_COPIED}")
@pytest.mark.parametrize("mixture", ["average", "single", "override"])
def test_what_is_stated_is_what_is_answered(deployed, mixture):
    kind, model, answers = deployed
    budget = 0.02 if mixture == "override" or kind not in ONLY_ANSWERS else 0.5
    if mixture == "override" and model is None:
        with pytest.raises(InvalidInputError, match="base_model must be given"):
            update(deployed, mixture=mixture)
        return
    updated = update(deployed, mixture=mixture, max_churn=budget)
    new = updated.predict(X[SELECTING])
    expected = compare(answers[SELECTING], new, Y[SELECTING])
    assert updated.comparison_.to_dict() == expected.to_dict()
    assert updated.selection_.churn_rate == expected.churn_rate <= budget
    assert updated.selection_.accuracy == expected.accuracy_new
    fresh = np.mean(updated.predict(X[FRESH]) != answers[FRESH])
    assert fresh <= budget + 3 * np.sqrt(budget / 1500)
    if kind not in ONLY_ANSWERS:
        again = updated.with_budget(max_churn=0.0, mixture=mixture)
        np.testing.assert_array_equal(again.predict(X[SELECTING]), answers[SELECTING])


def test_the_rule_of_the_base_model_is_copied(deployed):
    kind, model, _answers = deployed
    if kind not in ("fixed threshold", "tuned threshold"):
        pytest.skip("argmax, or a rule that is not known")
    updated = update(deployed)
    expected = 0.1 if kind == "fixed threshold" else model.best_threshold_
    assert updated.rule_.threshold == pytest.approx(expected)
    positive = updated.predict_proba(X)[:, 1] >= expected
    np.testing.assert_array_equal(updated.predict(X), np.where(positive, "fraud", "fine"))


def test_a_rule_that_cannot_be_copied_is_reported(deployed):
    kind, *_ = deployed
    if kind not in ("SVC", "ONNX"):
        pytest.skip("answers follow from probabilities, or there are none")
    with pytest.warns(UserWarning, match=CANNOT_BE_COPIED):
        update(deployed)


@pytest.mark.parametrize("mixture", ["average", "single", "override"])
def test_answers_among_many_classes_that_are_not_the_most_probable(mixture):
    """Rows far from every class have equal probabilities, and the decision function decides."""
    rows, digits = load_digits(return_X_y=True)
    rows = rows / 16
    base = SGDClassifier(loss="modified_huber", random_state=0).fit(rows[:300], digits[:300])
    answers = base.predict(rows)
    assert np.mean(answers != base.predict_proba(rows).argmax(axis=1)) > 0.01
    learner = LowChurnClassifier(
        LogisticRegression(), base, max_churn=0.03, mixture=mixture, random_state=0
    )
    with pytest.warns(UserWarning, match=CANNOT_BE_COPIED):
        learner.fit(rows[:1200], digits[:1200], validation=(rows[1200:], digits[1200:]))
    expected = compare(answers[1200:], learner.predict(rows[1200:]), digits[1200:])
    assert learner.comparison_.to_dict() == expected.to_dict()
    assert expected.churn_rate <= 0.03


def test_a_threshold_that_fits_is_named():
    class Deployed:
        classes_ = np.array(["fine", "fraud"])

        def predict_proba(self, rows):
            return base.predict_proba(rows)

        def predict(self, rows):
            return np.where(base.predict_proba(rows)[:, 1] >= 0.2, "fraud", "fine")

    base = fitted(LogisticRegression())
    advice = r"give e\.g\. rule=Threshold\(0\.\d+, positive='fraud'\)"
    with pytest.warns(UserWarning, match=advice) as caught:
        update(("a service", Deployed(), base.predict(X)))
    named = str(caught[0].message).partition("Threshold(")[2].partition(",")[0]
    rule = Threshold(float(named), positive="fraud")
    decided = rule.decide(base.predict_proba(X[ROWS]), classes=["fine", "fraud"])
    np.testing.assert_array_equal(decided, Deployed().predict(X[ROWS]))


def test_what_needs_probabilities_is_refused_where_there_are_only_answers():
    base = ("LinearSVC", fitted(LinearSVC()), None)
    with pytest.raises(InvalidInputError, match="method must need no probabilities"):
        update(base, method="distill")
    with pytest.raises(InvalidInputError, match="churn must be 'hard'"):
        update(base, churn="kl")
    with pytest.raises(InvalidInputError, match="include_base must be False or 'auto'"):
        update(base, include_base=True)
    auto = update(base, method="auto")
    assert np.mean(auto.predict(X[SELECTING]) != base[1].predict(X[SELECTING])) <= 0.02


@pytest.mark.parametrize(
    "rule",
    [
        "same_rate",
        "retuned",
        Threshold(0.2, positive="fraud"),
        TopShare(0.03, positive="fraud"),
        Costs([[0, 10], [1, 0]]),
        Argmax(),
    ],
    ids=str,
)
@pytest.mark.parametrize("mixture", ["average", "single", "override"])
def test_other_rules_for_the_new_model(rule, mixture):
    base = ("fixed threshold", *[BASES["fixed threshold"]()] * 2)
    utility = "balanced_accuracy" if isinstance(rule, TopShare) else None
    updated = update(base, rule=rule, mixture=mixture, utility=utility, max_churn=0.05)
    answers, new = base[1].predict(X[SELECTING]), updated.predict(X[SELECTING])
    assert updated.comparison_.to_dict() == compare(answers, new, Y[SELECTING]).to_dict()
    assert updated.comparison_.churn_rate <= 0.05
    if mixture != "override" and updated.estimators_:
        decided = updated.rule_.decide(updated.predict_proba(X), classes=updated.classes_)
        np.testing.assert_array_equal(updated.predict(X), decided)
    if rule == "same_rate" and mixture == "single" and updated.estimators_:
        assert np.mean(new == "fraud") == pytest.approx(np.mean(answers == "fraud"), abs=1 / 1500)


def test_retuned_is_never_worse_than_the_copied_threshold():
    base = ("fixed threshold", *[BASES["fixed threshold"]()] * 2)
    for mixture in ("single", "average"):
        copied = update(base, mixture=mixture, include_base=False, max_churn=0.1)
        retuned = update(base, mixture=mixture, include_base=False, max_churn=0.1, rule="retuned")
        assert retuned.selection_.utility >= copied.selection_.utility - 1e-12


def test_bands_are_answers_of_their_own():
    bands = Bands((0.05, 0.3), answers=("approve", "review", "decline"), positive="fraud")
    inner = fitted(LogisticRegression())
    worth = np.array([[0, -20.0], [-1, -2], [-5, 0]])

    class Deployed:
        classes_ = inner.classes_

        def predict_proba(self, rows):
            return inner.predict_proba(rows)

        def predict(self, rows):
            return bands.decide(inner.predict_proba(rows), classes=self.classes_)

    deployed = ("bands", Deployed(), Deployed().predict(X))
    for mixture in ("average", "override"):
        updated = update(deployed, rule=bands, utility=worth, mixture=mixture)
        new = updated.predict(X[SELECTING])
        assert set(new) <= {"approve", "review", "decline"}
        assert updated.comparison_.churn_rate == np.mean(new != deployed[2][SELECTING]) <= 0.02
    with pytest.raises(InvalidInputError, match="utility must be given"):
        update(deployed, rule=bands, mixture="override")
    with pytest.raises(InvalidInputError, match="rule must give answers that the base model gives"):
        update(deployed, rule=Threshold(0.2, positive="fraud"))


def test_a_threshold_classifier_is_unwrapped():
    estimator = FixedThresholdClassifier(LogisticRegression(), threshold=0.3, pos_label="fraud")
    base = fitted(GaussianNB())
    updated = LowChurnClassifier(estimator, base, max_churn=0.1, random_state=0).fit(
        X[ROWS], Y[ROWS]
    )
    assert updated.rule_ == Threshold(0.3, positive="fraud")
    tuned = TunedThresholdClassifierCV(LogisticRegression(), scoring="f1")
    updated = LowChurnClassifier(tuned, base, max_churn=0.1, random_state=0).fit(X[ROWS], Y[ROWS])
    assert isinstance(updated.rule_, Threshold)
    wrong = FixedThresholdClassifier(LogisticRegression(), response_method="decision_function")
    with pytest.raises(InvalidInputError, match="response_method='decision_function'"):
        LowChurnClassifier(wrong, base, max_churn=0.1).fit(X[ROWS], Y[ROWS])


def test_an_update_of_an_update_copies_its_rule():
    first = update(("fixed threshold", *[BASES["fixed threshold"]()] * 2))
    second = update(("served", first, first.predict(X)), random_state=1)
    assert second.rule_ == first.rule_
    assert second.comparison_.churn_rate == np.mean(
        second.predict(X[SELECTING]) != answers_of(first, X[SELECTING])
    )


def test_limits_on_the_base_model_s_answers():
    base = ("fixed threshold", *[BASES["fixed threshold"]()] * 2)
    limits = {"overall": 0.05, "base_answer=fraud": 0.02}
    answers = base[1].predict(X[SELECTING])
    for mixture in ("average", "override"):
        updated = update(base, max_churn=limits, mixture=mixture)
        changed = updated.predict(X[SELECTING]) != answers
        assert changed.mean() <= 0.05
        assert changed[answers == "fraud"].mean() <= 0.02
        assert (
            updated.selection_.others["base_answer=fraud"][1] == changed[answers == "fraud"].mean()
        )


def test_negative_flips_are_rows_whose_cost_rises():
    base = ("fixed threshold", *[BASES["fixed threshold"]()] * 2)
    costs = Costs([[0, 10], [1, 0]])
    updated = update(base, rule=costs, max_churn=0.2, max_negative_flips=0.01)
    old, new = base[1].predict(X[SELECTING]), updated.predict(X[SELECTING])
    cost = {("fine", "fraud"): 10, ("fraud", "fine"): 1}
    rises = [
        cost.get((b, t), 0) > cost.get((a, t), 0)
        for a, b, t in zip(old, new, Y[SELECTING], strict=True)
    ]
    limit, measured = updated.selection_.others["negative flips"]
    assert measured == pytest.approx(np.mean(rises), abs=1e-12)
    assert measured <= limit == 0.01
