"""A trial gives what training and asking each model by hand gives, whatever it shares."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

from holdfast.bench.trials import trial as trial_module
from holdfast.bench.trials.architectures import Architecture
from holdfast.bench.trials.contenders import chosen
from holdfast.bench.trials.data import BenchData, Source, data_of, read
from holdfast.bench.trials.protocol import COUNTS, Trial, rows_of, seed_of
from holdfast.bench.trials.trial import run_trial
from holdfast.datasets import Dataset
from holdfast.exceptions import InvalidInputError
from holdfast.learners.interface import TrainingRows
from holdfast.learners.sklearn import SklearnLearner
from holdfast.methods import Cold, Distill
from holdfast.selection.override import override_proba

pytestmark = pytest.mark.slow

SIZES = {"n_init": 60, "n_val": 20, "n_batch": 40, "n_test": 0}
BOOSTER = "hist_gradient_boosting"


@pytest.fixture(autouse=True)
def small_boosters(monkeypatch):
    def booster(self, seed):
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(
            max_iter=4, random_state=seed, early_stopping=False, min_samples_leaf=5
        )

    monkeypatch.setattr(Architecture, "booster", booster)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(0)
    n = 1500
    X = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
    X["kind"] = rng.choice(["red", "blue", None], n)
    X.loc[rng.random(n) < 0.1, "a"] = np.nan
    score = X["b"] + X["c"] ** 2 + (X["kind"] == "red") + rng.normal(size=n)
    y = np.digitize(score, np.quantile(score, [0.5, 0.8]))
    order = rng.permutation(n)
    return BenchData(
        name="drawn",
        kind="table",
        X=X,
        y=y,
        classes=np.array(["high", "low", "mid"]),
        train=np.sort(order[:1000]),
        test=np.sort(order[1000:]),
        sha="abc",
    )


def key(**changed):
    whole = {"dataset": "drawn", "network": BOOSTER, "order": "random", "data": "abc", "run": 0}
    return Trial(**whole | SIZES | changed)


def by_setting(frame):
    return frame.set_index(["method", "setting"]).sort_index()


class ByHand:
    """Trains and measures one model at a time."""

    def __init__(self, data, trial):
        self.data = data
        self.rows = rows_of(trial, data.y, data.train, data.test)
        fitted_on = data.train
        if trial.order == "time":
            initial = self.rows.initial
            fitted_on = np.concatenate([initial.train, initial.validation])
        self.X = data.ready("trees", np.sort(fitted_on), np.arange(len(data.y)))
        self.trial = trial

    def proba(self, rows, update, target=None, member=0):
        estimator = Architecture(BOOSTER, BOOSTER).booster(seed_of(self.trial, update, member))
        prepared = TrainingRows(None, self.X[rows], self.data.y[rows], np.arange(3), None)
        fitted = SklearnLearner(clone(estimator)).fit_target(prepared, target)
        return fitted.predict_proba(self.X)

    def counts(self, base, new, test):
        y, old, now = self.data.y[test], base[test].argmax(axis=1), new[test].argmax(axis=1)
        return {
            "n": len(test),
            "correct": sum(now == y),
            "base_correct": sum(old == y),
            "changed": sum(now != old),
            "negative": sum((old == y) & (now != y)),
        }


def assert_counts(row, expected):
    assert {name: int(row[name]) for name in COUNTS} == {k: int(v) for k, v in expected.items()}


def test_random_trial_by_hand(data):
    trial = key()
    found = by_setting(run_trial(trial, data, chosen(able=["target"])))
    hand = ByHand(data, trial)
    base = hand.proba(hand.rows.initial.train, 0)
    (update,) = hand.rows.updates
    cold = hand.proba(update.train, 1)
    members = [hand.proba(update.train, 1, member=m) for m in range(4)]
    ensemble = np.mean(members, axis=0)
    target = Distill(0.3).target(data.y[update.train], base[update.train], np.arange(3))
    distilled = hand.proba(update.train, 1, target)
    test = update.test
    expected = {
        ("cold", "cold"): cold,
        ("distill", "distill(lam=0.3)"): distilled,
        ("average", "average(weight=0.4, of=cold)"): 0.6 * cold + 0.4 * base,
        ("ensemble", "ensemble(members=4, of=cold)"): ensemble,
        ("average_ensemble", "average(weight=0.7, of=ensemble(members=4, of=cold))"): 0.3 * ensemble
        + 0.7 * base,
        ("override", "override(threshold=0.1, of=cold)"): override_proba(
            cold, base.argmax(axis=1), 0.1
        ),
        (
            "override_ensemble",
            "override(threshold=0.1, of=ensemble(members=4, of=cold))",
        ): override_proba(ensemble, base.argmax(axis=1), 0.1),
    }
    for name, proba in expected.items():
        assert_counts(found.loc[name], hand.counts(base, proba, test))
    kl = (base[test] * np.log(base[test] / cold[test])).sum(axis=1).mean()
    row = found.loc[("cold", "cold")]
    assert row["kl"] == pytest.approx(kl, abs=1e-6)
    truth = cold[test][np.arange(len(test)), data.y[test]]
    assert row["log_loss"] == pytest.approx(-np.log(truth).mean(), abs=1e-6)
    answers = [member[test].argmax(axis=1) for member in members]
    differ = [np.mean(one != other) for one, other in combinations(answers, 2)]
    floor = found.loc[("ensemble", "ensemble(members=4, of=cold)"), "member_churn"]
    assert floor == pytest.approx(np.mean(differ), abs=1e-6)
    assert np.isnan(found.loc[("cold", "cold"), "member_churn"])
    assert set(found.loc["average_ensemble"]["cost"]) == {4}
    assert set(found.loc["average_ensemble"]["served"]) == {5}


def test_a_stream_by_hand(data):
    trial = key(order="time")
    names = ["distill", "average", "override"]
    frame = run_trial(trial, data, chosen(names))
    assert sorted(set(frame["update"])) == list(range(1, 11))
    hand = ByHand(data, trial)
    first = hand.proba(hand.rows.initial.train, 0)
    bases = {"cold": first, "distill(lam=0.5)": first, "average(weight=0.5, of=cold)": first}
    bases["override(threshold=0.2, of=cold)"] = first
    for number, update in enumerate(hand.rows.updates, start=1):
        found = frame[frame["update"] == number].set_index("setting")
        cold = hand.proba(update.train, number)
        before = bases["distill(lam=0.5)"][update.train]
        target = Distill(0.5).target(data.y[update.train], before, np.arange(3))
        served = {
            "cold": cold,
            "distill(lam=0.5)": hand.proba(update.train, number, target),
            "average(weight=0.5, of=cold)": 0.5 * cold
            + 0.5 * bases["average(weight=0.5, of=cold)"],
            "override(threshold=0.2, of=cold)": override_proba(
                cold, bases["override(threshold=0.2, of=cold)"].argmax(axis=1), 0.2
            ),
        }
        for setting, proba in served.items():
            assert_counts(found.loc[setting], hand.counts(bases[setting], proba, update.test))
        bases = served


@pytest.mark.parametrize("order", ["random", "time"])
def test_a_method_does_not_depend_on_the_others(data, order):
    trial = key(order=order)
    names = ["distill", "average_ensemble", "anchor"]
    together = run_trial(trial, data, chosen(names))
    for name in names:
        alone = run_trial(trial, data, chosen([name]))
        expected = together[together["method"].isin(["cold", name])].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, expected)


def test_renaming_the_classes_in_their_order_changes_nothing(data):
    split = np.array(["train", "test"])[np.isin(np.arange(len(data.y)), data.test).astype(int)]
    facts = {"target": "y", "numeric": (), "categorical": (), "source": "", "sha256": "f" * 64}
    found = [
        run_trial(
            key(),
            data_of(Dataset(name="d", X=data.X, y=names[data.y], split=split, **facts), "drawn"),
            chosen(["distill"]),
        )
        for names in (np.array(["a", "b", "c"]), np.array([10, 20, 300]))
    ]
    pd.testing.assert_frame_equal(*found)
    pd.testing.assert_frame_equal(found[0], run_trial(key(), data, chosen(["distill"])))


def test_a_setting_that_diverges_has_no_counts(data, monkeypatch):
    """In a stream it ends there; the others go on."""
    made = trial_module.models_of

    def models_of(*args, **options):
        models = made(*args, **options)
        fit = type(models).fit

        def without_one(self, trainings, rows):
            fitted = fit(self, trainings, rows)
            number = next(calls)
            return [
                None if number == 3 and training.method == Distill(0.5) else model
                for training, model in zip(trainings, fitted, strict=True)
            ]

        monkeypatch.setattr(type(models), "fit", without_one)
        return models

    calls = iter(range(100))
    monkeypatch.setattr(trial_module, "models_of", models_of)
    found = run_trial(key(order="time"), data, chosen(["distill"]))
    lost = found[found["setting"] == "distill(lam=0.5)"]
    assert lost["correct"].isna().tolist() == [False] * 2 + [True] * 8
    assert lost["kl"].isna().tolist() == lost["correct"].isna().tolist()
    assert lost["n"].notna().all()
    others = found[found["setting"] != "distill(lam=0.5)"].drop(columns="member_churn")
    assert others.notna().all(axis=None)


def test_networks_by_hand(data):
    pytest.importorskip("torch")
    from functools import partial

    from holdfast.methods import Average, Interpolate, WarmDistill
    from holdfast.nn import FullyConnected, Run, fit_many, predict_many

    trial = key(network="fcn-7")
    names = ["warm_distill", "interpolate_warm_distill", "average_warm_distill", "co_distillation"]
    found = by_setting(run_trial(trial, data, chosen(names)))
    hand = ByHand(data, trial)
    X = data.ready("numbers", data.train, np.arange(len(data.y)))
    module = partial(FullyConnected, X.shape[1], 3, width=7)
    (update,) = hand.rows.updates
    initial = hand.rows.initial

    def train(rows, seed, **options):
        run = Run(rows.train, rows.validation, seed=seed, **options)
        (network,) = fit_many(module, [run], X, data.y, n_jobs=1)
        return network, predict_many(module, [network.state], X)[0]

    base_network, base = train(initial, seed_of(trial, 0))
    options = {"base_proba": base[update.train], "base_state": base_network.state}
    seed = seed_of(trial, 1)
    _, warm = train(update, seed, method=WarmDistill(0.3), **options)
    between = Interpolate(0.5, of=WarmDistill(0.3))
    _, interpolated = train(update, seed, method=between, **options)
    averaged = 0.5 * warm + 0.5 * base
    _, cold = train(update, seed, method=Cold())
    expected = {
        ("cold", "cold"): cold,
        ("warm_distill", "warm_distill(lam=0.3)"): warm,
        ("interpolate_warm_distill", str(between)): interpolated,
        ("average_warm_distill", str(Average(0.5, of=WarmDistill(0.3)))): averaged,
    }
    for name, proba in expected.items():
        counts = hand.counts(base, proba, update.test)
        # Stacked and alone differ in the last digits: a row may be on the other side.
        for column, value in counts.items():
            assert abs(int(found.loc[name][column]) - value) <= 1, (name, column)


def test_networks_in_a_stream_start_from_the_model_before(data):
    pytest.importorskip("torch")
    from functools import partial

    from holdfast.methods import Interpolate, Warm, WarmDistill
    from holdfast.nn import FullyConnected, Run, fit_many, predict_many

    trial = key(network="fcn-5", order="time", n_init=100)
    names = ["warm", "interpolate", "warm_distill"]
    found = run_trial(trial, data, chosen(names))
    hand = ByHand(data, trial)
    initial = np.sort(np.concatenate([hand.rows.initial.train, hand.rows.initial.validation]))
    X = data.ready("numbers", initial, np.arange(len(data.y)))
    module = partial(FullyConnected, X.shape[1], 3, width=5)

    def train(rows, update, **options):
        run = Run(rows.train, rows.validation, seed=seed_of(trial, update), **options)
        (network,) = fit_many(module, [run], X, data.y, n_jobs=1)
        return network.state, predict_many(module, [network.state], X)[0]

    first = train(hand.rows.initial, 0)
    for method in (Warm(), Interpolate(0.5), WarmDistill(0.5)):
        state, base = first
        for number, update in enumerate(hand.rows.updates[:3], start=1):
            options = {"base_state": state, "base_proba": base[update.train]}
            state, new = train(update, number, method=method, **options)
            row = found[(found["update"] == number) & (found["setting"] == str(method))].iloc[0]
            for column, value in hand.counts(base, new, update.test).items():
                assert abs(int(row[column]) - value) <= 1, (method, number, column)
            base = new


@pytest.mark.parametrize(
    ("network", "match"),
    [
        ("convnet-1", r"--network must suit drawn, which is a table, got one that takes images"),
        ("transformer-1", "which is a table, got one that takes tokens; choose fcn or a booster"),
    ],
)
def test_networks_that_do_not_suit_the_data(data, network, match):
    with pytest.raises(InvalidInputError, match=match):
        run_trial(key(network=network), data, chosen(["distill"]))


def test_a_base_model_that_diverges(data, monkeypatch):
    from holdfast.bench.trials import training

    monkeypatch.setattr(training._Boosters, "fit", lambda self, trainings, rows: [None])
    with pytest.raises(InvalidInputError, match=r"the base model of drawn × hist.* finite loss"):
        run_trial(key(), data, chosen(["distill"]))


def test_data_by_name():
    wine = read(Source("wine"))
    assert (wine.name, wine.kind, len(wine.classes)) == ("wine", "table", 3)
    assert len(wine.train) + len(wine.test) == 178
    assert read(Source("wine")) is wine


def test_images_and_texts():
    facts = {"target": "y", "numeric": (), "categorical": (), "source": "", "sha256": "f" * 64}
    images = np.full((30, 1, 28, 28), 51, dtype=np.uint8)
    split = np.array(["train"] * 20 + ["test"] * 10)
    y = np.arange(30) % 2
    found = data_of(Dataset(name="i", X=images, y=y, split=split, **facts), "i")
    ready = found.ready("numbers", found.train, found.test)
    assert (ready.shape, ready.dtype) == ((10, 1, 28, 28), np.float32)
    assert ready.max() == np.float32(51 / 255)
    frame = pd.DataFrame({"t": ["a good film", "a bad one"] * 15})
    found = data_of(Dataset(name="t", X=frame, y=y, split=split, **facts, text=("t",)), "t")
    assert found.ready("tokens", found.train, found.test).shape == (10, 200)
    with pytest.raises(InvalidInputError, match="which is texts, got one that takes numbers"):
        found.ready("numbers", found.train, found.test)
    two = Dataset(name="t", X=frame.assign(b=1), y=y, split=split, **facts, text=("t",))
    two = Dataset(**vars(two) | {"numeric": ("b",)})
    with pytest.raises(InvalidInputError, match="t must have one column of text and no other"):
        data_of(two, "t")


def test_images_and_texts_through_their_networks():
    pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    y = np.arange(150) % 2
    images = (rng.integers(0, 120, (150, 1, 12, 12)) + 120 * y[:, None, None, None]).astype(
        np.uint8
    )
    words = np.array(["bad dull slow", "good bright quick"])[y]
    parts = {"train": np.arange(100), "test": np.arange(100, 150), "classes": np.arange(2)}
    sizes = {"n_init": 40, "n_val": 10, "n_batch": 40}
    shown = BenchData(name="drawn", kind="images", X=images, y=y, sha="abc", **parts)
    told = BenchData(
        name="drawn", kind="texts", X=pd.DataFrame({"text": words}), y=y, sha="abc", **parts
    )
    for data, network, names in (
        (shown, "convnet-1", ["mixup", "interpolate", "average_ensemble"]),
        (shown, "fcn-20", ["warm_distill"]),
        (told, "transformer-1", ["warm"]),
    ):
        found = run_trial(key(network=network, **sizes), data, chosen(names))
        assert set(found["method"]) == {"cold", *names}
        assert found[[*COUNTS]].notna().all(axis=None)
        assert (found["n"] == 50).all()
