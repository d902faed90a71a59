from functools import partial

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

torch = pytest.importorskip("torch")

from holdfast import LowChurnClassifier, load_model, save_model  # noqa: E402
from holdfast.exceptions import InvalidInputError, UnsupportedEstimatorError  # noqa: E402
from holdfast.learners.lookup import learner_of  # noqa: E402
from holdfast.learners.networks.learner import deployed_network  # noqa: E402
from holdfast.learners.networks.skorch import network_of_skorch  # noqa: E402
from holdfast.methods import (  # noqa: E402
    Average,
    Cold,
    Ensemble,
    FirstTrees,
    Interpolate,
    Override,
    Warm,
    WarmDistill,
    resolve_methods,
)
from holdfast.models.base_predictions import base_predictions  # noqa: E402
from holdfast.models.served import AveragedClassifier, OverrideClassifier  # noqa: E402
from holdfast.nn import (  # noqa: E402
    SGD,
    Adam,
    FullyConnected,
    NetworkClassifier,
    Run,
    TrainingWarning,
    fit_many,
    predict_many,
)
from holdfast.update.candidates import Path  # noqa: E402
from holdfast.update.fitting import PathFitter  # noqa: E402
from holdfast.update.rows import UpdateRows  # noqa: E402

X, POSITIONS = make_classification(700, 6, n_informative=4, flip_y=0.1, random_state=0)
X = X.astype(np.float32)
Y = np.array(["no", "yes"])[POSITIONS]
SEEN = np.arange(700) < 200
CLASSES = np.array(["no", "yes"])


def network(**options):
    options = {"max_epochs": 6, "random_state": 0, "n_jobs": 1} | options
    return NetworkClassifier(partial(FullyConnected, 6, 2, width=12), **options)


@pytest.fixture(scope="module")
def base():
    return network().fit(X[SEEN], Y[SEEN])


def low_churn(base, estimator=None, **options):
    options = {"random_state": 0, "lambdas": [0.5]} | options
    return LowChurnClassifier(estimator or network(), base, **options)


# --- the network as a classifier ------------------------------------------------------------------


def test_the_classifier_is_one_run_of_fit_many():
    model = network().fit(X, Y)
    rows, held_out = model.split(POSITIONS)
    (expected,) = fit_many(
        partial(FullyConnected, 6, 2, width=12),
        [Run(rows, held_out, seed=0)],
        X,
        POSITIONS,
        max_epochs=6,
        n_jobs=1,
    )
    for name, value in expected.state.items():
        torch.testing.assert_close(model.state_[name], value, rtol=0, atol=0)
    assert model.classes_.tolist() == ["no", "yes"]
    assert (model.predict(X) == CLASSES[model.predict_proba(X).argmax(axis=1)]).all()
    assert len(held_out) == 70
    assert abs(POSITIONS[held_out].mean() - POSITIONS.mean()) < 0.01
    assert (model.losses_, model.validation_losses_) == (
        expected.losses,
        expected.validation_losses,
    )


def test_without_patience_every_row_trains():
    rows, held_out = network(patience=None).split(POSITIONS)
    assert (len(rows), held_out) == (700, None)


def test_weights_of_the_classifier_are_proportions():
    weight = np.random.default_rng(0).uniform(0.5, 2, 700)
    one = network().fit(X, Y, sample_weight=weight).predict_proba(X)
    np.testing.assert_allclose(
        network().fit(X, Y, sample_weight=8 * weight).predict_proba(X), one, atol=1e-6
    )
    assert np.abs(one - network().fit(X, Y).predict_proba(X)).max() > 1e-4


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"validation_fraction": 1.0}, r"validation_fraction must be in \(0, 1\), got 1"),
        ({"batch_size": 0}, "batch_size must be"),
        ({"loss": "hinge"}, "loss must be one of"),
    ],
)
def test_bad_settings(options, match):
    with pytest.raises(InvalidInputError, match=match):
        network(**options).fit(X, Y)


def test_a_loss_that_is_not_finite_is_an_error():
    broken = np.where(np.arange(700)[:, None] == 3, np.inf, X)
    with pytest.warns(TrainingWarning), pytest.raises(InvalidInputError, match="finite loss"):
        network().fit(broken, Y)


def test_more_classes_than_outputs():
    with pytest.raises(InvalidInputError, match=r"y must be in \[0, 2\)"):
        network().fit(X, np.arange(700) % 3)


# --- storage --------------------------------------------------------------------------------------


def test_stored_weights_are_safetensors_and_come_back(base, tmp_path):
    import zipfile

    from safetensors.torch import load

    stored = base.__getstate__()["state_"]
    assert set(load(stored)) == set(base.state_)
    path = tmp_path / "network.skops"
    save_model(base, path)
    with zipfile.ZipFile(path) as archive:
        assert any(archive.read(name) == stored for name in archive.namelist())
    again = load_model(path).model
    np.testing.assert_array_equal(again.predict_proba(X), base.predict_proba(X))
    assert again.get_params()["random_state"] == 0
    clone(again).fit(X[SEEN], Y[SEEN])


def test_settings_are_stored_too(tmp_path):
    model = network(optimizer=SGD(lr=0.1, momentum=0.9)).fit(X, Y)
    save_model(model, tmp_path / "network.skops")
    assert load_model(tmp_path / "network.skops").model.optimizer == SGD(lr=0.1, momentum=0.9)


def test_a_module_of_no_class_cannot_be_stored(tmp_path):
    model = network().set_params(module=torch.nn.Linear(6, 2)).fit(X, Y)
    with pytest.raises(InvalidInputError, match="model must be storable without pickle"):
        save_model(model, tmp_path / "network.skops")
    assert not list(tmp_path.iterdir())


def test_a_crafted_architecture_is_refused(base):
    state = base.__getstate__()
    state["module"].kind = dict
    with pytest.raises(InvalidInputError, match=r"module must be a class of torch\.nn\.Module"):
        network().__setstate__(state)


# --- a path of networks ---------------------------------------------------------------------------


def path_of(base, methods, estimator=None):
    learner = learner_of(
        estimator or network(),
        soft_targets="weights",
        random_state=0,
        base_model=base,
        classes=CLASSES,
        methods=methods,
    )
    train, selecting = (
        UpdateRows(
            X[part],
            POSITIONS[part],
            CLASSES,
            None,
            base_predictions(base.predict_proba(X[part]), CLASSES, CLASSES),
        )
        for part in (slice(500), slice(500, None))
    )
    fitter = PathFitter(learner, train, selecting, None)
    return Path(tuple(fitter.fit(methods)), CLASSES)


def test_a_path_is_what_fit_many_trains(base):
    methods = resolve_methods(["distill", "warm_distill"], [0.3, 0.6])
    path = path_of(base, methods)
    rows, held_out = network().split(POSITIONS[:500])
    proba = base.predict_proba(X[:500])
    runs = [
        Run(rows, held_out, m, seed=0, base_proba=proba[rows], base_state=base.state_)
        for m in methods
    ]
    module = partial(FullyConnected, 6, 2, width=12)
    expected = fit_many(module, runs, X[:500], POSITIONS[:500], max_epochs=6, n_jobs=1)
    served = predict_many(module, [fitted.state for fitted in expected], X[500:])
    np.testing.assert_allclose(path.proba, served, atol=1e-6)
    assert path.labels == tuple(map(str, methods))


def test_interpolation_is_trained_once_and_serves_one_network(base):
    methods = [Cold(), Interpolate(0.0), Interpolate(0.4), Interpolate(1.0), Warm()]
    path = path_of(base, methods)
    ends = {str(c.method): c.estimator.state_ for c in path.candidates}
    for name, value in base.state_.items():
        trained = ends["warm"][name]
        blended = 0.4 * value + 0.6 * trained
        torch.testing.assert_close(ends["interpolate(weight=0.4, of=warm)"][name], blended)
        torch.testing.assert_close(ends["interpolate(weight=0, of=warm)"][name], trained)
        torch.testing.assert_close(ends["interpolate(weight=1, of=warm)"][name], value)
    assert len({c.fit_seconds for c in path.candidates[1:]}) == 1  # one training for all of them


def test_interpolation_is_served_as_one_model(base):
    model = low_churn(
        base,
        method="interpolate",
        lambdas=[0.3, 0.6, 0.9],
        mixture="single",
        max_churn=0.1,
        include_base=False,
    ).fit(X, Y, seen_by_base=SEEN)
    assert model.serving_ == "one model"
    assert isinstance(model.served_, NetworkClassifier)
    assert 0 < model.comparison_.churn_rate <= 0.1


def test_members_of_an_ensemble_differ_and_are_averaged(base):
    path = path_of(base, [Cold(), Ensemble(3)])
    ensemble = path.candidates[1]
    assert isinstance(ensemble.estimator, AveragedClassifier)
    members = [m.predict_proba(X[500:]) for m in ensemble.estimator.estimators]
    np.testing.assert_allclose(path.proba[0], members[0])  # the first is the plain one
    assert np.abs(members[0] - members[1]).max() > 1e-3
    np.testing.assert_allclose(ensemble.proba, np.mean(members, axis=0), atol=1e-9)


def test_average_and_override_hold_the_base_model(base):
    methods = [Average(0.3, of=WarmDistill(0.5)), Override(0.1)]
    model = low_churn(base, method=methods, min_accuracy="cold").fit(X, Y, seen_by_base=SEEN)
    cold, average, override = (c.estimator for c in model.path_.candidates)
    assert isinstance(average, AveragedClassifier)
    assert average.base_weight == 0.3
    assert isinstance(override, OverrideClassifier)
    new, old = cold.predict_proba(X), base.predict_proba(X)
    surer = new.max(axis=1) - new[np.arange(700), old.argmax(axis=1)] > 0.1
    expected = np.where(surer, new.argmax(axis=1), old.argmax(axis=1))
    assert (override.predict(X) == CLASSES[expected]).all()


def test_selection_keeps_the_budget_and_stores(base, tmp_path):
    model = low_churn(base, method="auto", lambdas="auto", max_churn=0.03)
    model.fit(X, Y, seen_by_base=SEEN)
    assert model.comparison_.churn_rate <= 0.03
    assert model.path_.labels[1].startswith("warm_distill")
    save_model(model.served_, tmp_path / "m.skops")
    again = load_model(tmp_path / "m.skops").model
    np.testing.assert_allclose(again.predict_proba(X), model.predict_proba(X), atol=1e-7)


def test_a_served_update_is_the_next_base(base):
    first = low_churn(
        base, method="interpolate", mixture="single", max_churn=0.5, include_base=False
    ).fit(X, Y)
    second = low_churn(first, method="warm", max_churn=0.5).fit(X, Y)
    assert second.path_.labels == ("cold", "warm")


def test_the_same_seed_gives_the_same_path(base):
    one = low_churn(base, max_churn=0.1).fit(X, Y).path_.proba
    np.testing.assert_array_equal(low_churn(base, max_churn=0.1).fit(X, Y).path_.proba, one)
    other = low_churn(base, max_churn=0.1, estimator=network(random_state=1)).fit(X, Y)
    assert np.abs(other.path_.proba - one).max() > 1e-3


def test_a_network_that_fails_leaves_the_path(base):
    state = {name: torch.full_like(value, torch.nan) for name, value in base.state_.items()}
    broken = clone(base).fit(X[SEEN], Y[SEEN])
    broken.state_ = state
    proba = base.predict_proba(X)
    model = low_churn(broken, method=["distill", "warm"], max_churn=0.2)
    # The logged probabilities are sound, but the base model that is served beside is broken.
    otherwise = pytest.warns(UserWarning, match="otherwise than its candidates' probabilities say")
    with otherwise, pytest.warns(UserWarning, match="not finite"):
        model.fit(X, Y, base_proba=proba)
    assert model.path_.labels == ("cold", "distill(lam=0.5)")


def test_a_first_release_is_a_plain_fit():
    model = LowChurnClassifier(network()).fit(X, Y)
    np.testing.assert_array_equal(model.predict_proba(X), network().fit(X, Y).predict_proba(X))


# --- pipelines ------------------------------------------------------------------------------------


def test_networks_that_start_from_the_base_see_its_features():
    pipeline = make_pipeline(StandardScaler(), network())
    base = clone(pipeline).fit(X[SEEN], Y[SEEN])
    warm = low_churn(base, pipeline, method="warm", max_churn=0.2).fit(X, Y)
    for candidate in warm.path_.candidates:
        np.testing.assert_array_equal(candidate.estimator[0].mean_, base[0].mean_)
    fresh = low_churn(base, pipeline, method="distill", max_churn=0.2).fit(X, Y)
    for candidate in fresh.path_.candidates:
        assert np.abs(candidate.estimator[0].mean_ - base[0].mean_).max() > 1e-3


def test_a_pipeline_starts_from_a_pipeline_only(base):
    pipeline = make_pipeline(StandardScaler(), network())
    with pytest.raises(UnsupportedEstimatorError, match="base_model must be a pipeline where"):
        low_churn(base, pipeline, method="warm").fit(X, Y)


# --- what cannot be ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["warm", "interpolate", "co_distillation", "shrink_perturb"])
def test_methods_that_need_the_base_s_parameters(method):
    other = LogisticRegression().fit(X[SEEN], Y[SEEN])
    with pytest.raises(UnsupportedEstimatorError, match="must be a network over the same classes"):
        low_churn(other, method=method).fit(X, Y)


def test_first_trees_are_of_boosters(base):
    match = "keeps the first rounds of boosting"
    with pytest.raises(UnsupportedEstimatorError, match=match):
        low_churn(base, method=[FirstTrees()]).fit(X, Y)
    with pytest.raises(UnsupportedEstimatorError, match="changes the rounds"):
        low_churn(base, LogisticRegression(), method=[FirstTrees()]).fit(X, Y)
    run = Run(np.arange(9), method=FirstTrees())
    with pytest.raises(InvalidInputError, match=match):
        fit_many(torch.nn.Linear(6, 2), [run], X[:9], POSITIONS[:9], patience=None, max_epochs=1)


def test_other_classes_give_no_start():
    other = network().fit(X[SEEN], np.where(SEEN[SEEN], Y[SEEN], "never"))
    other.classes_ = np.array(["no", "perhaps"])
    assert deployed_network(other, CLASSES) == (None, None)
    assert low_churn(other).fit(X, Y).path_.labels == ("cold", "distill(lam=0.5)")


def test_another_architecture_gives_no_start(base):
    wide = network(max_epochs=2).set_params(module=partial(FullyConnected, 6, 2, width=30))
    with pytest.raises(InvalidInputError, match="base_state must be of the same architecture"):
        low_churn(base, wide, method="warm").fit(X, Y)


@pytest.mark.parametrize("method", ["warm", "mixup", "co_distillation", "interpolate"])
def test_what_scikit_learn_cannot_train(base, method):
    with pytest.raises(UnsupportedEstimatorError, match="method must change nothing but targets"):
        low_churn(base, LogisticRegression(), method=method).fit(X, Y)


def test_sampled_targets_are_for_others(base):
    with pytest.raises(UnsupportedEstimatorError, match="soft_targets must be left out"):
        low_churn(base, soft_targets="sample").fit(X, Y)


def test_base_proba_alone_serves_no_average(base):
    with pytest.raises(InvalidInputError, match="base_model must be given for the method average"):
        low_churn(None, method="average").fit(X, Y, base_proba=base.predict_proba(X))


# --- skorch ---------------------------------------------------------------------------------------


def net(**options):
    skorch = pytest.importorskip("skorch")
    settings = {
        "module__n_features": 6,
        "module__n_classes": 2,
        "module__width": 12,
        "criterion": torch.nn.CrossEntropyLoss,
        "optimizer": torch.optim.Adam,
        "lr": 1e-3,
        "max_epochs": 6,
        "batch_size": 32,
        "callbacks": [skorch.callbacks.EarlyStopping(patience=3, load_best=True)],
        "verbose": 0,
    }
    return skorch.NeuralNetClassifier(FullyConnected, **settings | options)


def test_a_skorch_classifier_takes_part():
    torch.manual_seed(0)
    base = net().fit(X[SEEN], POSITIONS[SEEN].astype(np.int64))
    model = low_churn(base, net(), method=["warm", "distill"], max_churn=0.1)
    model.fit(X, POSITIONS, seen_by_base=SEEN)
    assert model.path_.labels == ("cold", "warm", "distill(lam=0.5)")
    assert model.comparison_.churn_rate <= 0.1
    ours, _ = deployed_network(base, np.array([0, 1]))
    for name, value in base.module_.state_dict().items():
        torch.testing.assert_close(ours[name], value)


def test_skorch_settings_carry_over():
    ours = network_of_skorch(net(lr=0.02, optimizer__weight_decay=0.1))
    assert (ours.batch_size, ours.max_epochs, ours.patience, ours.restore_best) == (32, 6, 3, True)
    assert ours.optimizer == Adam(lr=0.02, weight_decay=0.1)
    assert ours.validation_fraction == 0.2
    plain = network_of_skorch(net(callbacks=None, optimizer=torch.optim.SGD, train_split=None))
    assert (plain.patience, plain.optimizer) == (None, SGD(lr=1e-3))
    decoupled = network_of_skorch(net(optimizer=torch.optim.AdamW))
    assert decoupled.optimizer == Adam(lr=1e-3, weight_decay=1e-2, decoupled=True)


class Probabilities(torch.nn.Module):
    """What skorch expects with its default criterion."""

    def __init__(self):
        super().__init__()
        self.inner = FullyConnected(6, 2, width=12)

    def forward(self, x):
        return torch.softmax(self.inner(x), dim=1)


def test_modules_of_probabilities():
    skorch = pytest.importorskip("skorch")
    probabilities = skorch.NeuralNetClassifier(Probabilities, train_split=None)
    ours = network_of_skorch(probabilities)
    module = ours.module()
    x = torch.from_numpy(X[:5])
    torch.testing.assert_close(torch.softmax(module(x), dim=1), module.module(x))


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"optimizer": torch.optim.Rprop}, r"optimizer of the skorch classifier .*Rprop"),
        ({"optimizer__amsgrad": True}, "optimizer__amsgrad of the skorch classifier"),
        ({"criterion": torch.nn.MultiMarginLoss}, "criterion of the skorch .*MultiMarginLoss"),
        (
            {"criterion__label_smoothing": 0.1},
            "criterion__label_smoothing of the skorch .* without parameters",
        ),
        ({"train_split": None}, "train_split of the skorch .* EarlyStopping needs"),
        ({"batch_size": -1}, "batch_size of the skorch .* got -1"),
    ],
)
def test_skorch_settings_without_counterpart(options, match):
    with pytest.raises(UnsupportedEstimatorError, match=match):
        network_of_skorch(net(**options))


def test_skorch_callbacks_that_change_training():
    callbacks = pytest.importorskip("skorch.callbacks")
    with pytest.raises(UnsupportedEstimatorError, match=r"callbacks of the skorch .*LRScheduler"):
        network_of_skorch(net(callbacks=[callbacks.LRScheduler()]))
    with pytest.raises(UnsupportedEstimatorError, match="monitor 'valid_loss'"):
        network_of_skorch(net(callbacks=[callbacks.EarlyStopping(monitor="train_loss")]))
    looking = [("seconds", callbacks.EpochTimer()), callbacks.PrintLog()]
    assert network_of_skorch(net(callbacks=looking)).patience is None


def test_skorch_subclasses_with_training_of_their_own():
    skorch = pytest.importorskip("skorch")

    class Own(skorch.NeuralNetClassifier):
        def train_step(self, *args, **kwargs):
            raise NotImplementedError

    with pytest.raises(UnsupportedEstimatorError, match="train_step of the skorch classifier"):
        network_of_skorch(Own(FullyConnected, criterion=torch.nn.CrossEntropyLoss))
