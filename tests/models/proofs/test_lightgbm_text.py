import re

import numpy as np
import pytest

from holdfast.models.proofs.claims import DisprovedError, UnprovenError
from holdfast.models.proofs.lightgbm_text import prove_state, prove_text

lightgbm = pytest.importorskip("lightgbm")

X = np.random.default_rng(0).normal(size=(200, 3))
X[:, 2] = abs(np.round(X[:, 2] * 3))
Y = (X[:, 2] % 2 == 0).astype(int) + (X[:, 1] > 0.5)


def text(labels=Y, **settings):
    settings = {"n_estimators": 2, "num_leaves": 5, "min_child_samples": 2} | settings
    model = lightgbm.LGBMClassifier(**settings, verbose=-1, min_data_per_group=2, cat_smooth=1)
    return model.fit(X, labels, categorical_feature=[2]).booster_.model_to_string()


WHOLE = text()


def with_line(name, pattern, value):
    """Return a text whose first line of a name is changed, with sizes that fit the trees."""
    changed = re.sub(rf"(?m)^({name}=.*?){pattern}", lambda found: found[1] + value, WHOLE, count=1)
    assert changed != WHOLE
    trees = re.split(r"(?m)^(?=Tree=)", changed.partition("end of trees")[0])[1:]
    sizes = " ".join(str(len(tree)) for tree in trees)
    return re.sub(r"(?m)^tree_sizes=.*$", f"tree_sizes={sizes}", changed)


@pytest.mark.parametrize(
    ("labels", "settings"),
    [
        (Y, {}),
        (Y > 0, {}),
        (Y > 0, {"linear_tree": True}),
        (Y > 0, {"boosting_type": "rf", "subsample": 0.5, "subsample_freq": 1}),
        (np.arange(200) % 2, {"min_child_samples": 150}),
    ],
)
def test_models_of_the_library_are_proved(labels, settings):
    prove_text(text(labels, **settings))
    prove_state({"_handle": text(labels, **settings), "params": {"num_threads": 4}})


@pytest.mark.parametrize(
    ("name", "pattern", "value", "match"),
    [
        ("left_child", r"-?\d+", "1073741824", "a child outside its"),
        ("left_child", r"-?\d+", "0", "does not stand behind its parent"),
        ("right_child", r"-?\d+$", "-9", "a leaf outside its 5"),
        ("split_feature", r"\d+", "3", "a feature outside its 3"),
        ("split_feature", r"\d+", "-1", "a feature outside its 3"),
        ("split_feature", r" \d+$", "", "split_feature has another length"),
        ("leaf_value", r" \S+$", "", "leaf_value has another length"),
        ("leaf_weight", r" \S+$", "", "leaf_weight has another length"),
        ("num_leaves", r"\d+", "1073741824", "leaf_value has another length"),
        ("num_leaves", r"\d+", "0_5", "num_leaves is not a whole number"),
        ("max_feature_idx", r"\d+", "1073741823", "feature_names has another length"),
        ("objective", "num_class:3", "num_class:300", "the objective has other classes"),
        ("objective", ".*", "", "the objective"),
        ("cat_boundaries", r"\d+$", "99", "cat_boundaries are not whole"),
        ("cat_boundaries", "0 ", "5 ", "cat_boundaries are not"),
    ],
)
def test_crafted_texts_are_refused(name, pattern, value, match):
    with pytest.raises((DisprovedError, UnprovenError), match=match):
        prove_text(with_line(name, pattern, value))


def test_sizes_lead_to_the_trees():
    sizes = re.search(r"(?m)^tree_sizes=(.*)$", WHOLE)[1]
    for crafted in ("1073741824", sizes.replace(" ", " -", 1), sizes.rpartition(" ")[0]):
        with pytest.raises(DisprovedError, match="tree_sizes"):
            prove_text(WHOLE.replace(f"tree_sizes={sizes}", f"tree_sizes={crafted}"))


def test_settings_that_ask_for_very_many_threads():
    with pytest.raises(DisprovedError, match="num_threads is 1000000"):
        prove_state({"_handle": WHOLE, "params": {"num_threads": 10**6}})
