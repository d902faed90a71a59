import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin, clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import make_classification
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits

from holdfast.exceptions import UnsupportedEstimatorError
from holdfast.learners import repeated_rows
from holdfast.learners.estimators import final_of, join
from holdfast.learners.interface import TrainingRows
from holdfast.learners.sklearn import SklearnLearner, fit_plain
from holdfast.methods import Distill
from holdfast.targets import distill

NAMES = np.array(["ant", "bee", "cat"])


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    """Small boosters in several threads wait for each other on a busy machine."""
    with threadpool_limits(1):
        yield


def draw(n=200, n_classes=3, seed=0):
    X, y = make_classification(
        n,
        6,
        n_informative=4,
        n_classes=n_classes,
        n_clusters_per_class=1,
        flip_y=0.1,
        random_state=seed,
    )
    base = np.random.default_rng(seed).dirichlet(np.ones(n_classes), n)
    return X, y, base


def learn(estimator, X, y, target, *, classes=None, sample_weight=None, **options):
    """The whole fitted estimator."""
    classes = NAMES[: target.shape[1]] if classes is None and target is not None else classes
    learner = learner_of(estimator, **options)
    rows = ready(learner, TrainingRows(None, X, y, classes, sample_weight))
    return join(learner.estimator, rows, learner.fit_target(rows, target))


def learner_of(estimator, soft_targets="weights", random_state=None):
    """The learner of soft targets, or an error where there is none."""
    return SklearnLearner.of(estimator, soft_targets, random_state, [Distill()])


def ready(learner, rows):
    """Rows as the last step sees them."""
    return learner.prepare(rows, np.full((len(rows.y), len(rows.classes)), np.nan), None).rows


def integer_target(n, n_classes, total, seed=0):
    """Targets whose entries are multiples of 1/total, and the integers."""
    counts = np.random.default_rng(seed).multinomial(total, np.ones(n_classes) / n_classes, n)
    return counts / total, counts


# --- weighted rows are exact ----------------------------------------------------------------------


@pytest.mark.parametrize("n_classes", [2, 3])
def test_logistic_regression_minimises_the_soft_cross_entropy(n_classes):
    X, y, base = draw(120, n_classes)
    weight = np.random.default_rng(1).uniform(0.2, 2, len(y))
    target = distill(y, base, 0.4)
    model = learn(
        LogisticRegression(C=0.7, tol=1e-10, max_iter=5000), X, y, target, sample_weight=weight
    )

    def objective(flat):
        # Two classes have one vector of coefficients, several have one each.
        shaped = flat.reshape(-1, X.shape[1] + 1)
        scores = X @ shaped[:, :-1].T + shaped[:, -1]
        if n_classes == 2:
            scores = np.column_stack([np.zeros(len(X)), scores])
        loss = -(weight[:, None] * target * log_softmax(scores, axis=1)).sum()
        return 0.7 * loss + 0.5 * (shaped[:, :-1] ** 2).sum()

    start = np.zeros((1 if n_classes == 2 else n_classes) * (X.shape[1] + 1))
    found = minimize(objective, start, method="BFGS", options={"gtol": 1e-7})
    own = np.column_stack([model.coef_, model.intercept_])
    assert objective(own.ravel()) == pytest.approx(found.fun, rel=1e-8)
    np.testing.assert_allclose(model.coef_, found.x.reshape(-1, X.shape[1] + 1)[:, :-1], atol=1e-4)
    assert model.classes_.tolist() == NAMES[:n_classes].tolist()


def repeated(X, counts):
    """Rows and labels as often as the counts say."""
    row, label = np.nonzero(counts)
    times = counts[row, label]
    return X[np.repeat(row, times)], np.repeat(label, times)


@pytest.mark.parametrize(
    "estimator",
    [
        DecisionTreeClassifier(min_samples_split=2, random_state=0),
        DecisionTreeClassifier(min_samples_leaf=7, random_state=0),
        DecisionTreeClassifier(min_samples_split=0.1, min_samples_leaf=0.05, random_state=0),
        ExtraTreesClassifier(n_estimators=3, min_samples_leaf=4, random_state=0),
        HistGradientBoostingClassifier(max_iter=5, min_samples_leaf=10, early_stopping=False),
    ],
)
def test_trees_are_those_of_repeated_rows(estimator):
    """Every row is there `total` times, so a count of rows means `total` times as many."""
    total = 4
    X, y, _ = draw(150)
    target, counts = integer_target(len(y), 3, total)
    ours = learn(estimator, X, y, target, classes=np.arange(3))
    longer = clone(estimator)
    for name, value in estimator.get_params().items():
        if name.startswith("min_samples") and isinstance(value, int) and value > 1:
            longer.set_params(**{name: value * total})
    theirs = longer.fit(*repeated(X, counts))
    if isinstance(estimator, HistGradientBoostingClassifier):
        # Its own hessian limit is in units of weight, and the rows weigh 1 here, total there.
        theirs = clone(longer).set_params(l2_regularization=0.0).fit(*repeated(X, counts))
    np.testing.assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), atol=1e-7, rtol=0)


def test_gaussian_naive_bayes_in_closed_form():
    X, y, base = draw()
    target = distill(y, base, 0.6)
    model = learn(GaussianNB(var_smoothing=0.0), X, y, target)
    mass = target.sum(axis=0)
    mean = target.T @ X / mass[:, None]
    variance = target.T @ X**2 / mass[:, None] - mean**2
    np.testing.assert_allclose(model.class_prior_, mass / mass.sum())
    np.testing.assert_allclose(model.theta_, mean, atol=1e-10)
    np.testing.assert_allclose(model.var_, variance, atol=1e-8)


def test_classes_without_any_part_in_the_target():
    X, y, base = draw()
    target = np.zeros_like(base)
    target[:, :2] = base[:, :2] / base[:, :2].sum(axis=1, keepdims=True)
    for estimator in (LogisticRegression(), DecisionTreeClassifier(max_depth=3)):
        model = learn(estimator, X, y, target)
        proba = model.predict_proba(X)
        assert proba[:, model.classes_ == "cat"].sum() < 1e-9


def test_rows_of_no_mass_have_no_part():
    X, y, base = draw()
    target = distill(y, base, 0.5)
    target[:50] = 0
    for estimator in (
        LogisticRegression(tol=1e-8),
        DecisionTreeClassifier(min_samples_leaf=5, random_state=0),
    ):
        ours = learn(estimator, X, y, target)
        fewer = learn(estimator, X[50:], y[50:], target[50:])
        np.testing.assert_allclose(ours.predict_proba(X), fewer.predict_proba(X), atol=1e-5)


# --- λ = 0 is the plain fit -----------------------------------------------------------------------

PLAIN = [
    LogisticRegression(),
    LogisticRegression(class_weight="balanced"),
    SGDClassifier(loss="log_loss", random_state=0),
    GaussianNB(),
    BernoulliNB(),
    DecisionTreeClassifier(class_weight="balanced", random_state=0),
    RandomForestClassifier(n_estimators=4, random_state=0),
    ExtraTreesClassifier(n_estimators=4, random_state=0),
    AdaBoostClassifier(n_estimators=4, random_state=0),
    BaggingClassifier(LogisticRegression(), n_estimators=3, random_state=0),
    GradientBoostingClassifier(n_estimators=4, random_state=0),
    HistGradientBoostingClassifier(max_iter=4, random_state=0),
    make_pipeline(StandardScaler(), LogisticRegression()),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("estimator", PLAIN, ids=lambda e: type(e).__name__)
def test_lambda_zero_is_the_plain_fit_bit_for_bit(estimator, weighted):
    X, y, base = draw()
    weight = np.random.default_rng(3).uniform(0.5, 2, len(y)) if weighted else None
    ours = learn(estimator, X, y, distill(y, base, 0.0), sample_weight=weight)
    theirs = clone(estimator)
    if weight is None:
        theirs.fit(X, NAMES[y])
    elif isinstance(estimator, Pipeline):
        theirs.fit(X, NAMES[y], **{f"{theirs.steps[-1][0]}__sample_weight": weight})
    else:
        theirs.fit(X, NAMES[y], sample_weight=weight)
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))
    assert ours.classes_.tolist() == NAMES.tolist()


def one_label_as_soft_target(estimator, X, y, weight):
    """A soft target that is the labels, forced through the twins."""
    learner = SklearnLearner(estimator)
    rows = ready(learner, TrainingRows(None, X, y, NAMES[: y.max() + 1], weight))
    final = clone(final_of(estimator))
    repeated_rows.fit_weighted(final, rows, np.eye(y.max() + 1)[y])
    return join(learner.estimator, rows, final)


CONTINUOUS = [
    LogisticRegression(tol=1e-8, max_iter=1000),
    LogisticRegression(class_weight="balanced", tol=1e-8, max_iter=1000),
    LogisticRegression(class_weight={"ant": 3.0}, tol=1e-8, max_iter=1000),
    GaussianNB(),
    DecisionTreeClassifier(max_depth=4, class_weight="balanced", random_state=0),
    DecisionTreeClassifier(min_samples_split=9, min_samples_leaf=3, random_state=0),
    DecisionTreeClassifier(min_samples_leaf=0.03, random_state=0),
    GradientBoostingClassifier(n_estimators=4, min_samples_leaf=5, random_state=0),
    HistGradientBoostingClassifier(max_iter=4, class_weight="balanced"),
    MLPClassifier(4, solver="lbfgs", max_iter=20, random_state=0),
]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("estimator", CONTINUOUS, ids=repr)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_way_to_lambda_zero_is_continuous(estimator, weighted):
    X, y, base = draw()
    weight = np.random.default_rng(3).uniform(0.5, 2, len(y)) if weighted else None
    plain = fit_plain(clone(estimator), X, NAMES[y], weight).predict_proba(X)
    twins = one_label_as_soft_target(estimator, X, y, weight)
    np.testing.assert_allclose(twins.predict_proba(X), plain, atol=2e-5)
    if weighted:  # rows of equal weight make splits of equal gain, and anything decides those
        near = learn(estimator, X, y, distill(y, base, 1e-9), sample_weight=weight)
        np.testing.assert_allclose(near.predict_proba(X), plain, atol=2e-5)


def test_counted_rows_are_those_of_the_data_whatever_the_base_says():
    """A base model that is sure leaves one twin with weight; the counts must not notice."""
    X, y, _ = draw(200)
    sure = np.eye(3)[np.random.default_rng(0).integers(0, 3, 200)]
    unsure = np.clip(sure, 1e-14, None)
    unsure /= unsure.sum(axis=1, keepdims=True)
    for estimator in (
        DecisionTreeClassifier(min_samples_split=20, random_state=0),
        DecisionTreeClassifier(min_samples_leaf=0.04, random_state=0),
        HistGradientBoostingClassifier(max_iter=3, min_samples_leaf=20, early_stopping=False),
    ):
        a = learn(estimator, X, y, distill(y, sure, 0.5)).predict_proba(X)
        b = learn(estimator, X, y, distill(y, unsure, 0.5)).predict_proba(X)
        np.testing.assert_allclose(a, b, atol=1e-6)


# --- forests and bagging draw rows ----------------------------------------------------------------


@pytest.mark.skipif(not repeated_rows.DRAWS_BY_WEIGHT, reason="needs scikit-learn 1.9")
@pytest.mark.parametrize(
    "estimator",
    [
        RandomForestClassifier(n_estimators=100, min_samples_leaf=5, random_state=0),
        BaggingClassifier(
            DecisionTreeClassifier(min_samples_leaf=5), n_estimators=100, random_state=0
        ),
    ],
)
def test_forests_near_lambda_zero_are_forests_of_the_same_kind(estimator):
    X, y, base = draw(200)
    plain = clone(estimator).fit(X, NAMES[y])
    near = learn(estimator, X, y, distill(y, base, 1e-6))
    again = clone(estimator).set_params(random_state=1).fit(X, NAMES[y])

    def leaves(model):
        return np.mean([tree.get_n_leaves() for tree in model.estimators_])

    assert leaves(near) == pytest.approx(leaves(plain), rel=0.05)
    noise = np.abs(again.predict_proba(X) - plain.predict_proba(X)).mean()
    assert np.abs(near.predict_proba(X) - plain.predict_proba(X)).mean() < 2 * noise
    assert near.get_params()["max_samples"] == plain.get_params()["max_samples"]


# --- row counts are scaled during the fit and restored --------------------------------------------


class Recorder(ClassifierMixin, BaseEstimator):
    """Remembers what fit was given; predicts the shares of the classes."""

    def __init__(self, min_samples_leaf=3, max_samples=0.5, batch_size="auto"):
        self.min_samples_leaf = min_samples_leaf
        self.max_samples = max_samples
        self.batch_size = batch_size

    def fit(self, X, y, sample_weight=None):
        self.classes_, counts = np.unique(y, return_counts=True)
        self.seen_ = {"X": X, "y": y, "weight": sample_weight, **self.get_params()}
        self.share_ = counts / len(y)
        return self

    def predict_proba(self, X):
        return np.tile(self.share_, (X.shape[0], 1))


def test_row_counts_are_scaled_during_the_fit_and_restored():
    X, y, base = draw(60)
    model = learn(Recorder(), X, y, distill(y, base, 0.5))
    assert model.seen_["min_samples_leaf"] == 9
    assert model.seen_["max_samples"] == 0.5
    assert model.seen_["batch_size"] == 180
    assert model.get_params() == Recorder().get_params()
    assert len(model.seen_["y"]) == 180
    np.testing.assert_array_equal(model.seen_["y"][:60], NAMES[y])  # own labels first
    assert model.seen_["weight"].reshape(3, 60).sum(axis=0) == pytest.approx(np.ones(60))


def test_parameters_are_restored_when_the_fit_fails():
    class Failing(Recorder):
        def fit(self, X, y, sample_weight=None):
            raise RuntimeError("no luck")

    X, y, base = draw(60)
    learner = SklearnLearner(Failing())
    rows = ready(learner, TrainingRows(None, X, y, NAMES, None))
    final = Failing()
    with pytest.raises(RuntimeError, match="no luck"):
        repeated_rows.fit_weighted(final, rows, base)
    assert final.get_params() == Failing().get_params()


@pytest.mark.parametrize(
    "estimator",
    [
        BaggingClassifier(DecisionTreeClassifier(min_samples_leaf=6), n_estimators=2),
        AdaBoostClassifier(DecisionTreeClassifier(min_samples_leaf=6), n_estimators=2),
        HistGradientBoostingClassifier(max_iter=2, class_weight="balanced"),
    ],
)
def test_fitted_models_show_the_parameters_of_the_user(estimator):
    X, y, base = draw(60)
    fitted = learn(estimator, X, y, distill(y, base, 0.5))
    shown = {k: v for k, v in fitted.get_params().items() if not isinstance(v, (list, object))}
    asked = {k: v for k, v in estimator.get_params().items() if k in shown}
    assert shown == asked
    assert repr(fitted) == repr(estimator)


# --- early stopping of histogram gradient boosting ------------------------------------------------


class RecordingBoosting(HistGradientBoostingClassifier):
    def fit(self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None):
        self.train_, self.held_out_ = X, X_val
        self.weight_val_, self.y_val_ = sample_weight_val, y_val
        return super().fit(
            X, y, sample_weight, X_val=X_val, y_val=y_val, sample_weight_val=sample_weight_val
        )


@pytest.mark.parametrize("random_state", [0, 7])
def test_early_stopping_never_sees_twins_on_both_sides(random_state):
    X, y, base = draw(300)
    estimator = RecordingBoosting(
        max_iter=3, early_stopping=True, validation_fraction=0.2, random_state=random_state
    )
    model = learn(estimator, X, y, distill(y, base, 0.5))
    train = {tuple(row) for row in model.train_}
    held_out = {tuple(row) for row in model.held_out_}
    assert len(train) == 240
    assert len(held_out) == 60
    assert not train & held_out
    # The split is the classifier's own.
    seed = np.random.RandomState(random_state).randint(np.iinfo(np.uint32).max, dtype="u8")
    _, own = train_test_split(X, test_size=0.2, stratify=y, random_state=seed)
    assert held_out == {tuple(row) for row in own}
    assert model.early_stopping is True
    assert model.weight_val_.sum() == pytest.approx(60)


@pytest.mark.parametrize("class_weight", [None, "balanced", {0: 2.0, 1: 1.0, 2: 0.5}])
@pytest.mark.parametrize("weighted", [False, True])
def test_early_stopping_is_that_of_the_plain_fit_near_lambda_zero(class_weight, weighted):
    X, y, _ = draw(400)
    weight = np.random.default_rng(0).uniform(0.5, 2, 400) if weighted else None
    estimator = HistGradientBoostingClassifier(
        max_iter=15,
        max_leaf_nodes=8,
        early_stopping=True,
        n_iter_no_change=3,
        class_weight=class_weight,
        random_state=3,
    )
    plain = clone(estimator).fit(X, NAMES[y], sample_weight=weight)
    twins = one_label_as_soft_target(estimator, X, y, weight)
    assert twins.n_iter_ == plain.n_iter_
    np.testing.assert_allclose(twins.validation_score_, plain.validation_score_, atol=1e-6)
    np.testing.assert_allclose(twins.predict_proba(X), plain.predict_proba(X), atol=1e-5)


def test_early_stopping_begins_at_ten_thousand_original_rows():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(10_001, 2))
    y = (X[:, 0] + rng.normal(size=10_001) > 0).astype(int)
    base = rng.dirichlet(np.ones(2), 10_001)
    estimator = RecordingBoosting(max_iter=2, max_leaf_nodes=4, random_state=0)
    zero = learn(estimator, X, y, distill(y, base, 0.0))
    plain = HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=4, random_state=0)
    np.testing.assert_array_equal(zero.predict_proba(X[:99]), plain.fit(X, y).predict_proba(X[:99]))
    assert learn(estimator, X, y, distill(y, base, 0.5)).held_out_ is not None
    short = learn(estimator, X[:9_000], y[:9_000], distill(y[:9_000], base[:9_000], 0.5))
    assert short.held_out_ is None
    assert not short.do_early_stopping_
    assert short.early_stopping == "auto"


def test_a_generator_as_seed_is_not_drawn_from_twice():
    X, y, base = draw(200)
    a = HistGradientBoostingClassifier(
        max_iter=3, early_stopping=True, max_features=0.5, random_state=np.random.RandomState(5)
    )
    b = clone(a).set_params(random_state=5)
    target = distill(y, base, 0.5)
    np.testing.assert_array_equal(
        learn(a, X, y, target).predict_proba(X), learn(b, X, y, target).predict_proba(X)
    )


# --- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("estimator", "match"),
    [
        (LogisticRegressionCV(cv=3), "cv=3"),
        (CalibratedClassifierCV(GaussianNB()), "cv=None"),
        (MLPClassifier(early_stopping=True), "early_stopping=True"),
        (SGDClassifier(loss="log_loss", early_stopping=True), "early_stopping=True"),
        (GradientBoostingClassifier(n_iter_no_change=5), "n_iter_no_change=5"),
        (RandomForestClassifier(oob_score=True), "oob_score=True"),
        (BaggingClassifier(oob_score=True), "oob_score=True"),
        (SVC(probability=True), "probability=True"),
        (RandomForestClassifier(class_weight="balanced_subsample"), "balanced_subsample"),
        (
            BaggingClassifier(LogisticRegression(class_weight="balanced")),
            "estimator__class_weight='balanced'",
        ),
        (
            AdaBoostClassifier(HistGradientBoostingClassifier()),
            "estimator__early_stopping='auto'",
        ),
        (make_pipeline(StandardScaler(), LogisticRegressionCV(cv=3)), "cv=3"),
    ],
    ids=repr,
)
def test_internal_splits_are_refused_by_name(estimator, match):
    with pytest.raises(UnsupportedEstimatorError, match="must not split or count") as caught:
        learner_of(estimator)
    assert match in str(caught.value)
    assert "soft_targets='sample'" in str(caught.value)
    learner_of(estimator, soft_targets="sample")


@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsClassifier(),
        GridSearchCV(GaussianNB(), {}, cv=3),
        StackingClassifier([("a", GaussianNB())]),
        VotingClassifier([("a", GaussianNB()), ("b", KNeighborsClassifier())]),
    ],
    ids=lambda e: type(e).__name__,
)
def test_estimators_without_weights_are_told_of_sampling(estimator):
    with pytest.raises(UnsupportedEstimatorError, match="soft_targets='sample'"):
        learner_of(estimator)
    learner_of(estimator, soft_targets="sample")


@pytest.mark.parametrize(
    "estimator",
    [*PLAIN, SVC(), CalibratedClassifierCV(GaussianNB(), cv="prefit")],
    ids=lambda e: type(e).__name__,
)
def test_the_others_are_not_refused(estimator):
    learner_of(estimator)


def test_unknown_way_is_refused():
    with pytest.raises(ValueError, match="soft_targets must be one of 'weights', 'sample'"):
        learner_of(GaussianNB(), soft_targets="weight")


def test_weights_for_an_estimator_without_them_are_refused():
    X, y, _ = draw(60)
    with pytest.raises(UnsupportedEstimatorError, match="leave sample_weight out"):
        learn(
            KNeighborsClassifier(),
            X,
            y,
            np.eye(3)[y],
            sample_weight=np.ones(60),
            soft_targets="sample",
        )


# --- drawing labels instead -----------------------------------------------------------------------


def test_sampled_labels_are_right_in_expectation():
    X, y, base = draw(30)
    target = distill(y, base, 0.5)
    counts = np.zeros((30, 3))
    for seed in range(400):
        model = learn(Recorder(), X, y, target, soft_targets="sample", random_state=seed)
        counts += np.eye(3)[np.searchsorted(NAMES, model.seen_["y"])]
        assert model.seen_["weight"] is None
    # Five standard errors of a share.
    np.testing.assert_allclose(counts / 400, target, atol=5 * 0.5 / np.sqrt(400))


def test_sampled_labels_change_with_lambda_one_way():
    X, y, base = draw(300)
    drawn = [
        learn(Recorder(), X, y, distill(y, base, lam), soft_targets="sample", random_state=0)
        for lam in (0.0, 0.1, 0.5, 1.0)
    ]
    changed = [np.mean(model.seen_["y"] != NAMES[y]) for model in drawn]
    assert changed[0] == 0
    assert changed == sorted(changed)
    again = learn(Recorder(), X, y, distill(y, base, 0.5), soft_targets="sample", random_state=0)
    np.testing.assert_array_equal(again.seen_["y"], drawn[2].seen_["y"])


def test_sampled_rows_keep_the_mass_of_their_target():
    X, y, base = draw(50)
    target = distill(y, base, 0.5) * np.where(np.arange(50) < 10, 0.0, 0.5)[:, None]
    model = learn(Recorder(), X, y, target, soft_targets="sample", random_state=0)
    np.testing.assert_allclose(model.seen_["weight"], target.sum(axis=1))
    with pytest.raises(UnsupportedEstimatorError, match="whose rows do not sum to 1"):
        learn(KNeighborsClassifier(), X, y, target, soft_targets="sample")


# --- pipelines ------------------------------------------------------------------------------------


class CountingScaler(TransformerMixin, BaseEstimator):
    fits = 0

    def fit(self, X, y=None, sample_weight=None):
        type(self).fits += 1
        self.rows_, self.weight_, self.labels_ = X.shape[0], sample_weight, y
        return self

    def transform(self, X):
        return X


def test_transformers_see_the_original_rows_once():
    X, y, base = draw(50)
    CountingScaler.fits = 0
    learner = SklearnLearner(make_pipeline(CountingScaler(), StandardScaler(), GaussianNB()))
    rows = ready(learner, TrainingRows(None, X, y, NAMES, None))
    models = [
        join(learner.estimator, rows, learner.fit_target(rows, distill(y, base, lam)))
        for lam in (0, 0.4, 0.9)
    ]
    assert CountingScaler.fits == 1
    assert models[0][0].rows_ == 50
    np.testing.assert_array_equal(models[0][0].labels_, NAMES[y])
    assert all(model[1] is models[0][1] for model in models)
    assert all(model.predict(X).shape == (50,) for model in models)
    assert learner.estimator[0].__dict__ == {}


def test_weights_reach_transformers_that_request_them_only():
    from sklearn import config_context

    X, y, base = draw(50)
    weight = np.random.default_rng(0).uniform(0.5, 2, 50)
    silent = make_pipeline(CountingScaler(), GaussianNB())
    fitted = learn(silent, X, y, distill(y, base, 0.5), sample_weight=weight)
    assert fitted[0].weight_ is None
    with config_context(enable_metadata_routing=True):
        asking = CountingScaler().set_fit_request(sample_weight=True)
    fitted = learn(
        make_pipeline(asking, GaussianNB()), X, y, distill(y, base, 0.5), sample_weight=weight
    )
    np.testing.assert_array_equal(fitted[0].weight_, weight)
    plain = fit_plain(make_pipeline(clone(asking), GaussianNB()), X, NAMES[y], weight)
    np.testing.assert_array_equal(plain[0].weight_, weight)
    expected = GaussianNB().fit(X, NAMES[y], sample_weight=weight)
    np.testing.assert_array_equal(plain.predict_proba(X), expected.predict_proba(X))


def test_pipeline_of_one_step():
    X, y, base = draw(50)
    ours = learn(make_pipeline(GaussianNB()), X, y, distill(y, base, 0.5))
    theirs = learn(GaussianNB(), X, y, distill(y, base, 0.5))
    np.testing.assert_array_equal(ours.predict_proba(X), theirs.predict_proba(X))


def test_set_output_reaches_the_last_step():
    X, y, base = draw(50)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    pipeline = make_pipeline(StandardScaler(), Recorder()).set_output(transform="pandas")
    fitted = learn(pipeline, frame, y, distill(y, base, 0.5))
    assert isinstance(fitted[-1].seen_["X"], pd.DataFrame)
    assert fitted[-1].seen_["X"].shape == (150, 6)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (np.asarray, np.ndarray),
        (sp.csr_matrix, sp.csr_matrix),
        (sp.csr_array, sp.csr_array),
        (sp.csc_matrix, sp.csr_matrix),
        (sp.coo_matrix, sp.csr_matrix),
        (lambda X: pd.DataFrame(X, columns=list("abcdef")), pd.DataFrame),
        (lambda X: pl.DataFrame(X, schema=list("abcdef")), pl.DataFrame),
    ],
)
def test_inputs_keep_their_type(make, kind):
    X, y, base = draw(50)
    for lam in (0.0, 0.5):
        seen = learn(Recorder(), make(X), y, distill(y, base, lam)).seen_["X"]
        assert isinstance(seen, kind)
        assert seen.shape == (50 if lam == 0 else 150, 6)
        if hasattr(seen, "columns"):
            assert list(seen.columns) == list("abcdef")


# --- boosters -------------------------------------------------------------------------------------


def test_lightgbm():
    lightgbm = pytest.importorskip("lightgbm")
    X, y, base = draw(400)
    estimator = lightgbm.LGBMClassifier(n_estimators=5, min_child_samples=30, n_jobs=1, verbose=-1)
    frame = pd.DataFrame(X, columns=list("abcdef"))
    plain = clone(estimator).fit(frame, NAMES[y])
    zero = learn(estimator, frame, y, distill(y, base, 0.0))
    np.testing.assert_array_equal(zero.predict_proba(frame), plain.predict_proba(frame))
    near = learn(estimator, frame, y, distill(y, base, 1e-9))
    # Bins and leaf sizes are those of the original rows.
    assert near.booster_.trees_to_dataframe().shape == plain.booster_.trees_to_dataframe().shape
    assert np.abs(near.predict_proba(frame) - plain.predict_proba(frame)).mean() < 0.02
    assert near.get_params()["min_child_samples"] == 30
    far = learn(estimator, frame, y, distill(y, base, 0.9)).predict_proba(frame)
    assert np.abs(far - base).mean() < np.abs(plain.predict_proba(frame) - base).mean()


def test_xgboost():
    xgboost = pytest.importorskip("xgboost")
    X, y, base = draw(400)
    estimator = xgboost.XGBClassifier(n_estimators=5, max_depth=3, n_jobs=1)
    plain = clone(estimator).fit(X, y)
    zero = learn(estimator, X, y, distill(y, base, 0.0), classes=np.arange(3))
    np.testing.assert_array_equal(zero.predict_proba(X), plain.predict_proba(X))
    near = learn(estimator, X, y, distill(y, base, 1e-9), classes=np.arange(3))
    assert np.abs(near.predict_proba(X) - plain.predict_proba(X)).mean() < 0.02


def test_catboost():
    catboost = pytest.importorskip("catboost")
    X, y, base = draw(300)
    estimator = catboost.CatBoostClassifier(
        iterations=5,
        depth=3,
        thread_count=1,
        random_seed=0,
        verbose=False,
        allow_writing_files=False,
        bootstrap_type="No",
        random_strength=0,
        learning_rate=0.3,  # left out, it would follow from the number of rows, twins included
    )
    plain = clone(estimator).fit(X, NAMES[y])
    zero = learn(estimator, X, y, distill(y, base, 0.0))
    np.testing.assert_allclose(zero.predict_proba(X), plain.predict_proba(X))
    near = learn(estimator, X, y, distill(y, base, 1e-6))
    assert np.abs(near.predict_proba(X) - plain.predict_proba(X)).mean() < 0.05
