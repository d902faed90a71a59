"""Every error of holdfast's own has a case that raises it, with a message that is right there.

`RAISES` are all places that raise one, named after file and function. `CASES` raise them, say what
the message must hold and, where that is cheap, follow its advice.
"""

import ast
import pkgutil
import traceback
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC
from tests import helpers

import holdfast
from holdfast import LowChurnClassifier, LowChurnRegressor, churn_floor, exceptions
from holdfast.cli.checks import check_columns, check_report, check_seed_and_jobs
from holdfast.cli.features import features_of
from holdfast.cli.learners import make_learner
from holdfast.cli.rules import RuleOptions, class_weight_of, utility_of
from holdfast.common.arrays import as_array, check_labels, check_proba, check_weights
from holdfast.common.classes import check_classes, union_classes
from holdfast.common.parameters import check_choice, check_count, require
from holdfast.exceptions import HoldfastError
from holdfast.selection.certificate import rows_to_certify

SOURCE = Path(holdfast.__file__).parent
ERRORS = set(exceptions.__all__)


def raises():
    """Return the file and the lines of each raise, by name."""
    found = {}
    for file in sorted(SOURCE.rglob("*.py")):
        name = file.relative_to(SOURCE).as_posix()
        _collect(ast.parse(file.read_text(encoding="utf-8")), name, "", file, found)
    return found


def _collect(node, name, function, file, found):
    for child in ast.iter_child_nodes(node):
        inner = function
        if isinstance(child, (ast.FunctionDef, ast.ClassDef)):
            inner = f"{function}.{child.name}".lstrip(".")
        if isinstance(child, ast.Raise) and _error_of(child) in ERRORS:
            key = f"{name} {function}"
            number = sum(known.rpartition(" #")[0] == key for known in found) + 1
            found[f"{key} #{number}"] = (str(file), child.lineno, child.end_lineno)
        _collect(child, name, inner, file, found)


def _error_of(node):
    return getattr(getattr(node.exc, "func", None), "id", None)


RAISES = raises()

X = np.random.default_rng(0).normal(size=(60, 2))
Y = (X[:, 0] > 0).astype(int)
BASE = LogisticRegression().fit(X, Y)
TABLE = pd.DataFrame({"a": [1.0], "b": [2.0]})


OF_THREE = LogisticRegression().fit(X, np.where(X[:, 1] > 0.5, 2, Y))
REVERSED = LogisticRegression().fit(X, 1 - Y)


class Sampler(BaseEstimator):
    """Draws rows, as the samplers of imbalanced-learn do."""

    def fit_resample(self, X, y):
        raise NotImplementedError


def update(estimator=None, base=BASE, X=X, y=Y, fit=None, **options):
    learner = LogisticRegression() if estimator is None else estimator
    return LowChurnClassifier(learner, base, **options).fit(X, y, **(fit or {}))


CASES = {
    "cli/checks.py check_columns #1": (lambda: check_columns(["c"], TABLE), "'c', got a, b"),
    "cli/checks.py check_report #1": (lambda: check_report(Path("r.pdf")), "file 'r.html'"),
    "cli/checks.py check_seed_and_jobs #1": (lambda: check_seed_and_jobs(-1, 1), "--seed must"),
    "cli/checks.py check_seed_and_jobs #2": (lambda: check_seed_and_jobs(1, 0), "--jobs must"),
    "cli/features.py features_of #1": (
        lambda: features_of(BASE, {}, TABLE),
        "without names; train it on a data frame",
    ),
    "cli/features.py features_of #2": (
        lambda: features_of(BASE, {"features": ["z"]}, TABLE),
        "without 'z'; it has a, b",
    ),
    "cli/learners.py make_learner #1": (
        lambda: make_learner("trees", TABLE, 0, {"x": 2.0, "y": 1.0}),
        "--class-weight must be balanced with the learner trees",
    ),
    "cli/rules.py RuleOptions._given #1": (
        lambda: RuleOptions(threshold=0.5, top_share=0.1).rule_for([0, 1]),
        "only one of --threshold and --top-share",
    ),
    "cli/rules.py RuleOptions._given #2": (
        lambda: RuleOptions(answers="a,b").rule_for([0, 1]),
        "--bands must be given with --answers",
    ),
    "cli/rules.py RuleOptions.deciding_for #1": (
        lambda: RuleOptions().deciding_for([0, 1], 0.5),
        "--threshold must be given with --new-threshold",
    ),
    "cli/rules.py RuleOptions.rule_for #1": (
        lambda: RuleOptions(positive="1").rule_for([0, 1]),
        "or leave --positive out",
    ),
    "cli/rules.py RuleOptions._rule_for #1": (
        lambda: RuleOptions(bands="0.1,0.3", answers="a,b").rule_for([0, 1]),
        "one answer more than --bands has bounds (2)",
    ),
    "cli/rules.py _class_named #1": (
        lambda: RuleOptions(threshold=0.5, positive="2").rule_for([0, 1]),
        "--positive must be one of the classes 0, 1, got '2'",
    ),
    "cli/rules.py _number #1": (
        lambda: RuleOptions(bands="x", answers="a,b").rule_for([0, 1]),
        "--bands must be numbers",
    ),
    "cli/rules.py class_weight_of #1": (lambda: class_weight_of(["0"], [0, 1]), "e.g. 0=20"),
    "cli/rules.py utility_of #1": (lambda: utility_of("no.csv"), "got 'no.csv'"),
    "common/arrays.py as_array #1": (lambda: as_array("p", None), "got None"),
    "common/arrays.py as_array #2": (lambda: as_array("p", [[1], [1, 2]]), "rows of unequal"),
    "common/arrays.py as_array #3": (lambda: as_array("p", 3), "got shape ()"),
    "common/arrays.py as_array #4": (lambda: as_array("p", []), "got none; give the rows"),
    "common/arrays.py _raise_missing #1": (
        lambda: check_labels("y", [1.0, np.nan]),
        "got 1 of 2 rows with NaN or None; drop those rows",
    ),
    "common/arrays.py _check_float_labels #1": (
        lambda: check_labels("y", [0.5]),
        "real numbers such as 0.5",
    ),
    "common/arrays.py check_proba #1": (lambda: check_proba("p", [0.5]), "got shape (1,)"),
    "common/arrays.py as_probabilities #1": (
        lambda: check_proba("p", [["a", "b"]]),
        "must be numbers",
    ),
    "common/arrays.py check_proba_rows #1": (
        lambda: check_proba("p", [[np.nan, 1.0]], allow_missing=True),
        "1 of them beside numbers",
    ),
    "common/arrays.py check_proba_rows #2": (
        lambda: check_proba("p", [[np.inf, 1.0]]),
        "must be finite",
    ),
    "common/arrays.py check_proba_rows #3": (
        lambda: check_proba("p", [[-2.0, 3.0]]),
        "look like logits; apply a softmax",
    ),
    "common/arrays.py check_proba_rows #4": (
        lambda: check_proba("p", [[0.9, 0.8]]),
        "got 1.7 in row 0 (1 such rows); divide each row by its sum if just one class is true",
    ),
    "common/arrays.py check_weights #1": (lambda: check_weights("w", ["a"], 1), "one weight per"),
    "common/arrays.py check_weight_range #1": (
        lambda: check_weights("w", [-1], 1),
        "drop rows that",
    ),
    "common/arrays.py check_weight_range #2": (
        lambda: check_weights("w", [1e200], 1),
        "divide them by their mean",
    ),
    "common/arrays.py check_same_length #1": (
        lambda: check_weights("w", [1, 1], 1),
        "got w 2, rows 1",
    ),
    "common/classes.py check_classes #1": (
        lambda: check_classes("c", [1, 1], 2),
        "2 distinct names",
    ),
    "common/classes.py union_classes #1": (
        lambda: union_classes(a=["x"], b=[1]),
        "a strings (e.g. 'x'), b numbers (e.g. 1)",
    ),
    "common/parameters.py check_choice #1": (
        lambda: check_choice("m", "avarage", ["average"]),
        "did you mean 'average'?",
    ),
    "common/parameters.py check_count #1": (lambda: check_count("n", 0), "at least 1, got 0"),
    "common/parameters.py check_share #1": (
        lambda: rows_to_certify(0.1, power=2),
        "power must be in (0, 1), got 2; give a share, e.g. 0.95 for 95 %",
    ),
    "common/parameters.py require #1": (
        lambda: require("nothing_of_this_name", extra="some", purpose="this"),
        "pip install 'holdfast[some]'",
    ),
    "learners/lookup.py _check_steps #1": (
        lambda: update(Pipeline([("draw", Sampler()), ("model", LogisticRegression())])),
        "got Sampler as the step 'draw'",
    ),
    "learners/sklearn.py _check_weighted_rows #1": (
        lambda: update(GridSearchCV(LogisticRegression(), {}, cv=3)),
        "with cv=3: soft targets repeat",
    ),
    "learners/sklearn.py _check_weighted_rows #2": (
        lambda: update(KNeighborsClassifier()),
        "got KNeighborsClassifier, which does not; set soft_targets='sample'",
    ),
    "models/base.py BaseModel.of #1": (lambda: update(base=3), "callable X"),
    "models/base.py BaseModel.of #2": (
        lambda: update(base=MultiOutputClassifier(LogisticRegression()).fit(X, np.c_[Y, Y])),
        "of 2 outputs; update one model for each output",
    ),
    "models/base.py BaseModel._asked #1": (
        lambda: update(X=X[:, :1]),
        "base_model must give probabilities for X, got ValueError: X has 1 features",
    ),
    "selection/search.py _raise_infeasible #2": (
        lambda: update(base=OF_THREE, max_churn=0.0, random_state=0),
        "classes that the new model does not have; raise the budget",
    ),
    "selection/search.py _raise_infeasible #3": (
        lambda: update(base=REVERSED, max_churn=0.0, include_base=False, lambdas=[0.1]),
        "let it in (include_base=True)",
    ),
    "update/floor.py _checked #1": (
        lambda: churn_floor(BASE, X, Y, n_models=1),
        "n_models must be at least 2",
    ),
    "update/base.py check_two_objects #1": (lambda: update(BASE), "the same object twice"),
    "update/regressor.py _asked #1": (
        lambda: LowChurnRegressor(Ridge(), Ridge().fit(X[:, :1], X[:, 1])).fit(X, X[:, 1]),
        "base_model must give values for X, got ValueError",
    ),
    "update/settings.py _check_estimator #2": (
        lambda: update(SVC()),
        "use CalibratedClassifierCV(SVC(...)) with soft_targets='sample'",
    ),
}
for module in pkgutil.iter_modules(helpers.__path__):
    if module.name.startswith("raises_"):
        CASES |= import_module(f"tests.helpers.{module.name}").CASES


@pytest.mark.parametrize("name", CASES)
def test_the_case_raises_it_and_the_message_is_right(name):
    case, text, *advice = CASES[name]
    with pytest.raises(HoldfastError, match=r"must|may|needs?|failed") as caught:
        case()
    file, first, last = RAISES[name]
    frames = [f for f in traceback.extract_tb(caught.tb) if f.filename.startswith(str(SOURCE))]
    assert (frames[-1].filename, first <= frames[-1].lineno <= last) == (file, True), frames[-1]
    assert text in str(caught.value)
    for follow in advice:
        follow()


def test_every_raise_has_a_case():
    assert sorted(RAISES) == sorted(CASES)
