import json

import numpy as np
import pandas as pd
import pytest

from holdfast.models.proofs.claims import DisprovedError, UnprovenError
from holdfast.models.proofs.xgboost_model import prove_content, prove_state

xgboost = pytest.importorskip("xgboost")

RNG = np.random.default_rng(0)
X = pd.DataFrame({"a": RNG.normal(size=80), "b": pd.Categorical(RNG.choice(list("uvwxyz"), 80))})
Y = (X["a"] > 0).astype(int) + X["b"].isin(["u", "w", "y"])
SETTINGS = {"n_estimators": 2, "max_depth": 3, "enable_categorical": True, "max_cat_to_onehot": 1}


def booster(labels=Y, **settings):
    return xgboost.XGBClassifier(**SETTINGS | settings).fit(X, labels).get_booster()


WHOLE = bytes(booster().save_raw("json"))


def with_change(change):
    """Return a model in JSON with a change to its parts: the learner, all trees and the first."""
    content = json.loads(WHOLE)
    model = content["learner"]["gradient_booster"]["model"]
    tree = next(tree for tree in model["trees"] if tree["categories"])
    change(content["learner"], model, tree)
    return json.dumps(content).encode()


def put(name, value, place=0):
    """Return a change of one number of a tree."""
    return lambda learner, model, tree: tree[name].__setitem__(place, value)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"booster": "dart"},
        {"tree_method": "approx", "gamma": 2},
        {"objective": "multi:softmax"},
    ],
)
def test_models_of_the_library_are_proved(settings):
    for labels in (Y, Y > 0):
        if "objective" in settings and labels is not Y:
            continue
        model = booster(labels, **settings)
        for form in ("json", "ubj"):
            prove_content(bytes(model.save_raw(form)))
        prove_state(model.__getstate__())


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (put("left_children", 2**30), "a child outside its"),
        (put("right_children", -7), "a child outside its"),
        (put("left_children", 0), "branches that meet, or a circle"),
        (put("left_children", 2), "two branches to one node"),
        (put("left_children", -1), "one child only"),
        (put("left_children", 1.5), "left_children holds other values"),
        (put("parents", 2**30, 2), "a parent is outside the tree"),
        (put("parents", 0), "a root has a parent"),
        (put("parents", 1, 2), "a node names another parent"),
        (lambda learner, model, tree: model["trees"][5].update(id=0), "two trees have one id"),
        (put("split_indices", 2), "a feature outside its 2"),
        (put("split_indices", -1), "a feature outside its 2"),
        (put("split_type", 7), "a split is of an unknown type"),
        (put("categories", -1), "a category is out of range"),
        (put("categories", 2**31), "a category is out of range"),
        (put("categories_nodes", 2**20, -1), "categories are of a node outside"),
        (put("categories_segments", 2**20, -1), "categories end outside"),
        (put("categories_sizes", 2**20, -1), "categories end outside"),
        (lambda learner, model, tree: tree["base_weights"].pop(), "base_weights has the length"),
        (lambda learner, model, tree: model["tree_info"].__setitem__(0, 3), "an unknown class"),
        (lambda learner, model, tree: model["tree_info"].pop(), "tree_info has the length 5"),
        (lambda learner, model, tree: model["trees"].pop(), "num_trees is 6, but 5"),
        (
            lambda learner, model, tree: model["iteration_indptr"].__setitem__(1, 9),
            "iteration_indptr is not in order",
        ),
        (
            lambda learner, model, tree: learner["learner_model_param"].update(num_class="300"),
            "base_score|the loss has",
        ),
        (
            lambda learner, model, tree: learner["learner_model_param"].update(num_feature="1"),
            "has another length|a tree has other features",
        ),
        (
            lambda learner, model, tree: tree["tree_param"].update(num_nodes="1073741824"),
            "has the length",
        ),
        (
            lambda learner, model, tree: model["cats"]["enc"][1]["offsets"].__setitem__(-1, 99),
            "the names of categories are not whole",
        ),
        (
            lambda learner, model, tree: model["cats"]["sorted_idx"].__setitem__(0, 99),
            "sorted_idx points outside",
        ),
    ],
)
def test_crafted_models_are_refused(change, match):
    with pytest.raises(DisprovedError, match=match):
        prove_content(with_change(change))


def test_leaves_with_several_values_are_not_proved():
    def several(learner, model, tree):
        tree["tree_param"]["size_leaf_vector"] = "2"

    with pytest.raises(UnprovenError, match="leaves hold several values"):
        prove_content(with_change(several))


def test_a_name_that_is_there_twice():
    twice = WHOLE.replace(b'"tree_info":', b'"tree_info":[0],"tree_info":', 1)
    with pytest.raises(DisprovedError, match="a name is there twice"):
        prove_content(twice)


def test_a_binary_model_that_is_cut_short():
    content = bytes(booster().save_raw("ubj"))
    for length in range(1, len(content), 97):
        with pytest.raises((DisprovedError, UnicodeDecodeError), match=r"UBJSON|codec"):
            prove_content(content[:length])
