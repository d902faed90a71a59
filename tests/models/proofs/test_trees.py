import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import (
    GradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from holdfast.models.proofs.claims import DisprovedError, UnprovenError
from holdfast.models.proofs.trees import (
    prove_boosted_trees,
    prove_forest,
    prove_isolation_forest,
    prove_tree,
    prove_tree_state,
)

X = np.random.default_rng(0).normal(size=(80, 3))
Y = (X[:, 0] > 0).astype(int) + (X[:, 1] > 0.5)


def parts(model=None, **changes):
    """Return the arguments and the state of a tree, with changed nodes."""
    tree = (model or DecisionTreeClassifier(max_leaf_nodes=9, random_state=0)).fit(X, Y).tree_
    _, args, state = tree.__reduce__()
    for name, (place, value) in changes.items():
        state["nodes"][name][place] = value
    return args, state


@pytest.mark.parametrize("settings", [{}, {"max_leaf_nodes": 9}, {"max_depth": 1}])
def test_trees_of_both_builders_are_proved(settings):
    prove_tree_state(*parts(DecisionTreeClassifier(**settings)))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"left_child": (0, 2**30)}, "a child outside its"),
        ({"right_child": (0, 2**30)}, "a child outside its"),
        ({"left_child": (0, 0)}, "does not stand behind its parent"),
        ({"right_child": (0, -1)}, "does not stand behind its parent"),
        ({"left_child": (0, -2)}, "does not stand behind its parent"),
        ({"feature": (0, 3)}, "a feature outside its 3"),
        ({"feature": (0, -2)}, "a feature outside its 3"),
    ],
)
def test_crafted_nodes_are_refused(changes, match):
    with pytest.raises(DisprovedError, match=match):
        prove_tree_state(*parts(**changes))


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda args, state: ((3, args[1], 2**40), state), "outputs is 1099511627776"),
        (lambda args, state: ((3, args[1][:0], 1), state), r"has the shape \(0,\)"),
        (lambda args, state: (args, state | {"node_count": 2**30}), "nodes but counts 1073741824"),
        (lambda args, state: (args, state | {"values": state["values"][1:]}), "has the shape"),
        (lambda args, state: (args, {}), "the nodes of a tree is not an array"),
    ],
)
def test_crafted_sizes_are_refused(change, match):
    with pytest.raises(DisprovedError, match=match):
        prove_tree_state(*change(*parts()))


def test_the_width_of_rows_is_that_of_every_tree():
    narrow, wide = DecisionTreeClassifier().fit(X[:, :1], Y), DecisionTreeClassifier().fit(X, Y)
    prove_tree(wide)
    forest = RandomForestClassifier(2).fit(X, Y)
    prove_forest(forest)
    forest.estimators_ = [narrow, wide]  # it asks the first tree for its width
    with pytest.raises(DisprovedError, match="trees of unequal width"):
        prove_forest(forest)
    forest.estimators_ = [wide, LogisticRegression().fit(X, Y)]
    with pytest.raises(DisprovedError, match="holds another model"):
        prove_forest(forest)
    wide.n_features_in_ = 2
    with pytest.raises(DisprovedError, match="a tree of 3 features is given 2"):
        prove_tree(wide)


@pytest.mark.parametrize("max_features", [1.0, 2])
def test_isolation_forests(max_features):
    forest = IsolationForest(n_estimators=3, max_features=max_features, random_state=0).fit(X)
    prove_isolation_forest(forest)
    forest._max_features = 1
    with pytest.raises(DisprovedError, match="the features of a tree has the shape"):
        prove_isolation_forest(forest)


def test_boosted_trees_fit_the_scores_that_they_are_added_to():
    model = GradientBoostingClassifier(n_estimators=2).fit(X, Y)
    prove_boosted_trees(model)
    model.init_ = DummyClassifier().fit(X, Y % 2)
    with pytest.raises(DisprovedError, match="the scores that a model starts from"):
        prove_boosted_trees(model)
    model.init_ = LogisticRegression().fit(X, Y)
    with pytest.raises(UnprovenError, match="starts from another model"):
        prove_boosted_trees(model)
