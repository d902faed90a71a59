"""Rows and seeds of a trial follow from its key; architectures, contenders, suites by name."""

import hashlib
from importlib.util import find_spec

import numpy as np
import pytest

from holdfast.bench.trials.architectures import architecture, installed_boosters
from holdfast.bench.trials.contenders import CONTENDERS, chosen, cost, models_served
from holdfast.bench.trials.protocol import PROTOCOL, UPDATES, Trial, rows_of, seed_of
from holdfast.bench.trials.suites import SUITES, Sizes, suite_of
from holdfast.exceptions import InvalidInputError
from holdfast.methods import Average, CoDistillation, Cold, Ensemble, Override

Y = np.arange(900) % 3
TRAIN, TEST = np.arange(0, 600), np.arange(600, 900)


def trial(**changed):
    key = {
        "dataset": "data",
        "network": "fcn-10",
        "order": "random",
        "n_init": 30,
        "n_val": 10,
        "n_batch": 20,
        "n_test": 0,
        "data": "abc",
        "run": 0,
    }
    return Trial(**key | changed)


def rows(y=Y, train=TRAIN, test=TEST, **changed):
    return rows_of(trial(**changed), y, train, test)


def test_random_rows():
    found = rows()
    (update,) = found.updates
    initial = found.initial
    assert [len(p) for p in (initial.train, initial.validation, initial.test)] == [30, 10, 0]
    assert [len(p) for p in (update.train, update.validation, update.test)] == [50, 10, 300]
    np.testing.assert_array_equal(update.train[:30], initial.train)
    np.testing.assert_array_equal(update.validation, initial.validation)
    used = np.concatenate([update.train, update.validation])
    assert len(np.unique(used)) == 60
    assert np.isin(used, TRAIN).all()
    np.testing.assert_array_equal(update.test, TEST)


def test_rows_follow_from_the_key_alone():
    first, again, other = rows(), rows(network="fcn-1000"), rows(run=1)
    np.testing.assert_array_equal(first.updates[0].train, again.updates[0].train)
    assert not np.array_equal(first.updates[0].train, other.updates[0].train)


def test_fewer_test_rows_are_the_same_for_every_run():
    some = [rows(n_test=40, run=run).updates[0].test for run in (0, 1)]
    assert len(some[0]) == 40
    np.testing.assert_array_equal(*some)
    np.testing.assert_array_equal(rows(n_test=5000).updates[0].test, TEST)


def test_a_draw_of_one_class_is_drawn_again():
    rare = (np.arange(900) % 60 == 0).astype(int)
    for run in range(20):
        found = rows(y=rare, n_init=5, run=run)
        assert len(np.unique(rare[found.initial.train])) == 2


def test_stream():
    found = rows(order="time")
    assert len(found.updates) == UPDATES
    start = min(found.initial.train.min(), found.initial.validation.min())
    first = np.sort(np.concatenate([found.initial.train, found.initial.validation]))
    np.testing.assert_array_equal(first, np.arange(start, start + 40))
    for number, update in enumerate(found.updates, start=1):
        seen = np.sort(np.concatenate([update.train, update.validation]))
        end = start + 40 + 20 * number
        np.testing.assert_array_equal(seen, np.arange(end - 60, end))
        np.testing.assert_array_equal(update.test, np.arange(end, end + 20))
        assert (len(update.train), len(update.validation)) == (50, 10)
        # Among the newest: the base model, trained before they came, never saw them.
        assert update.validation.min() >= end - 20


def test_a_window_of_one_class_is_drawn_again():
    by_label = (np.arange(900) > 600).astype(int)
    for run in range(10):
        initial = rows(y=by_label, order="time", run=run, n_batch=15).initial
        assert len(np.unique(by_label[initial.train])) == 2


def test_streams_begin_at_different_places():
    starts = {int(rows(order="time", run=run).updates[0].test[0]) for run in range(10)}
    assert len(starts) > 5


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        ({"n_init": 571}, r"training part of data must have 601 rows .*, got 600; ask for fewer"),
        ({"order": "time", "n_batch": 80}, r"the stream of data must have 920 rows .* got 900"),
        ({"y": np.zeros(900, int)}, "must have two classes or more, got one in each of 100 draws"),
        ({"y": np.zeros(900, int), "order": "time"}, "got one in each of 100 windows"),
        ({"n_val": 20, "order": "time"}, "must have fewer validation rows than rows of an update"),
        ({"y": np.arange(900)}, "at least two initial rows for each of its 900 classes, got 30"),
    ],
)
def test_impossible_rows(bad, match):
    with pytest.raises(InvalidInputError, match=match):
        rows(**bad)


def test_seeds_differ_between_runs_updates_and_members_only():
    seeds = {
        seed_of(trial(run=run), update, member)
        for run in range(20)
        for update in range(11)
        for member in range(4)
    }
    assert len(seeds) == 20 * 11 * 4
    assert seed_of(trial(), 1) == seed_of(trial(dataset="other", network="fcn-100"), 1)


# Contenders may be added to these.
KNOWN_GRIDS = {
    "cold": "e272deec",
    "warm": "0f0aa408",
    "shrink_perturb": "842460e7",
    "mixup": "dbd4cfa6",
    "label_smoothing": "6bb580b4",
    "co_distillation": "f49e95d9",
    "constrained": "d1580fa3",
    "anchor": "7713aa2d",
    "distill": "3c3fb5e6",
    "warm_distill": "6da67944",
    "interpolate": "bfceda4f",
    "interpolate_warm_distill": "4784025f",
    "average": "c895c82c",
    "average_warm_distill": "c6ca20bd",
    "override": "b7d3bd82",
    "override_warm_distill": "84f205af",
    "ensemble": "74b4f694",
    "average_ensemble": "26d97dbb",
    "override_ensemble": "3a6498ae",
}


def test_changed_grids_need_another_protocol():
    """Rows of one store must compare: where this fails, raise PROTOCOL and record the digests."""
    told = {name: " ".join(map(str, methods)) for name, methods in CONTENDERS.items()}
    digests = {name: hashlib.sha256(text.encode()).hexdigest()[:8] for name, text in told.items()}
    assert PROTOCOL == 1
    assert KNOWN_GRIDS.items() <= digests.items()


# --- names ----------------------------------------------------------------------------------------


def test_every_setting_is_valid_and_named_once():
    for name, methods in CONTENDERS.items():
        assert len({str(method) for method in methods}) == len(methods), name
        for method in methods:
            method.check()


def test_contenders_of_a_choice():
    assert list(chosen(["distill"])) == ["cold", "distill"]
    without = set() if find_spec("cooper") else {"constrained"}
    assert chosen() == {name: CONTENDERS[name] for name in CONTENDERS if name not in without}
    for_trees = chosen(able=["target"])
    assert {"cold", "distill", "anchor", "average", "override_ensemble"} <= set(for_trees)
    assert not {"warm", "mixup", "interpolate", "average_warm_distill"} & set(for_trees)
    with pytest.raises(InvalidInputError, match=r"--method .* got 'destill'; did you mean 'disti"):
        chosen(["destill"])
    with pytest.raises(InvalidInputError, match=r"the learner can train, got warm; choose from co"):
        chosen(["warm"], ["target"])


def test_costs():
    assert [cost(m) for m in (Cold(), CoDistillation(), Average(of=Ensemble(3)))] == [1, 2, 3]
    assert [models_served(m) for m in (Cold(), Average(), Override(), Ensemble(3))] == [1, 2, 2, 3]
    assert models_served(Average(0.0)) == 1


@pytest.mark.parametrize("name", ["fcn-10", "convnet-4", "transformer-16", "resnet-152"])
def test_networks_by_name(name):
    assert architecture(name).is_network
    assert str(architecture(name).size) == name.partition("-")[2]


@pytest.mark.parametrize("name", ["fcn", "fcn-0", "fcn-1x", "fnc-10", "convnet-", "mlp-3", ""])
def test_unknown_networks(name):
    with pytest.raises(InvalidInputError, match=r"--network must be fcn-x, .*lightgbm"):
        architecture(name)


def test_unknown_depth():
    with pytest.raises(InvalidInputError, match=r"resnet-50, resnet-101, .* 'resnet-18'"):
        architecture("resnet-18")


def test_words_are_not_blended():
    assert "mixup" not in chosen(able=architecture("transformer-1").changes)
    assert "mixup" in chosen(able=architecture("convnet-1").changes)


def test_boosters_that_are_there():
    assert "hist_gradient_boosting" in installed_boosters()
    assert SUITES["trees"].networks == tuple(installed_boosters())


def test_suites_by_name():
    suite = suite_of("openml")
    assert len(suite.sources) == 13
    assert suite.networks == ("fcn-10", "fcn-100", "fcn-1000", "fcn-10000", "fcn-100000")
    narrow = suite.narrowed(datasets=["eeg", "adult"], networks=["fcn-7"])
    assert [s.label for s in narrow.sources] == ["adult", "eeg_eye_state"]
    (found,) = narrow.narrowed(datasets=["adult"]).trials(narrow.sources[0], "hash", 3)
    assert found == Trial("adult", "fcn-7", "random", 1000, 100, 1000, 0, "hash", 3)
    assert suite_of("stream").order == "time"


def test_a_file_and_a_folder_are_suites(tmp_path):
    for name in ("b.parquet", "a.parquet", "notes.txt"):
        (tmp_path / name).touch()
    (one,) = suite_of(str(tmp_path / "b.parquet"), target="y").sources
    assert (one.label, one.target, one.is_file) == ("b:y", "y", True)
    (tmp_path / ".half.parquet").touch()
    (tmp_path / "a.one.parquet").touch()
    assert [s.label for s in suite_of(str(tmp_path)).sources] == ["a.one", "a", "b"]


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"name": "openmll"}, r"SUITE must be one of 'openml', .*; did you mean 'openml'"),
        ({"name": "gone.parquet"}, "the suite must be there, got no file at gone"),
        ({"name": "text", "target": "y"}, "--target must be left out for the suite text"),
    ],
)
def test_unknown_suites(arguments, match):
    with pytest.raises(InvalidInputError, match=match):
        suite_of(**arguments)


def test_a_folder_without_tables(tmp_path):
    with pytest.raises(InvalidInputError, match="must have Parquet files, got none"):
        suite_of(str(tmp_path))


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"datasets": ["adlut"]}, r"--dataset must be one of .*did you mean 'adult'"),
        ({"networks": ["fcm-10"]}, r"--network must be fcn-x.*did you mean 'fcn-10'"),
        ({"order": "tiem"}, r"--order must be one of 'random', 'time', got 'tiem'"),
    ],
)
def test_unknown_parts_of_a_suite(arguments, match):
    with pytest.raises(InvalidInputError, match=match):
        suite_of("openml").narrowed(**arguments)


@pytest.mark.parametrize("name", ["n_init", "n_val", "n_batch", "n_test"])
def test_bad_sizes(name):
    with pytest.raises(InvalidInputError, match=f"--{name.replace('_', '-')} must be an integer"):
        Sizes(**{name: -1}).check()


def test_methods_must_suit_every_network():
    suite = suite_of("openml").narrowed(networks=["fcn-10", "hist_gradient_boosting"])
    suite.check_methods(["distill"])
    with pytest.raises(InvalidInputError, match="hist_gradient_boosting can train, got warm"):
        suite.check_methods(["warm"])
