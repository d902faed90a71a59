"""Updates of regressors that cannot be made, and what the message must hold."""

import numpy as np
from sklearn.linear_model import LinearRegression

from holdfast import LowChurnRegressor

X = np.random.default_rng(0).normal(size=(40, 2))
Y = X[:, 0]
BASE = LinearRegression().fit(X, Y)
ROWS = {"base_pred", "seen_by_base"}


def update(base=BASE, y=Y, **options):
    fit = {name: options.pop(name) for name in ROWS & options.keys()}
    options = {"lambdas": [0.0], "random_state": 0} | options
    return LowChurnRegressor(LinearRegression(), base, **options).fit(X, y, **fit)


def answers_some(X):
    """Predict all rows but those that begin with a large number."""
    return np.where(X[:, 0] > 5, np.nan, X[:, 0])


def served_alone(X):
    return update(answers_some, max_churn=0.0, y=-Y).predict(X)


CASES = {
    "update/regressor.py LowChurnRegressor._base_values #1": (
        lambda: update(base_pred=np.full(40, np.inf)),
        "base_pred must be finite numbers of shape (n,), got infinite ones in 40 rows; correct",
        lambda: update(base_pred=np.where(Y > 1, np.nan, Y)),
    ),
    "update/regressor.py LowChurnRegressor._check_parameters #1": (
        lambda: update(refit="yes"),
        "refit must be True or False, got 'yes'",
    ),
    "update/regressor.py LowChurnRegressor._check_parameters #2": (
        lambda: update(max_churn=0.1, min_score=0.5),
        "only one of max_churn and min_score may be given, got both",
    ),
    "update/regressor.py LowChurnRegressor._check_parameters #3": (
        lambda: update("model.skops"),
        "base_model must have predict or be a callable X -> values, got str; give a fitted",
    ),
    "update/regressor.py LowChurnRegressor._check_rows #1": (
        lambda: update(y=None),
        "y must be given, got None",
    ),
    "update/regressor.py LowChurnRegressor._choose #1": (
        lambda: update(None, base_pred=Y, include_base=True),
        "every row, got True; give base_model",
        lambda: update(None, base_pred=Y, include_base="auto"),
    ),
    "update/regressor.py LowChurnRegressor._problem #1": (
        lambda: update(base_pred=np.full(40, np.nan)),
        "base_pred must have a prediction for at least one selection row, got none; give rows",
    ),
    "update/regressor.py LowChurnRegressor.fit #1": (
        lambda: update(None, seen_by_base=Y > 0),
        "seen_by_base must be left out where there is no base model, got ndarray; give base_",
        lambda: update(seen_by_base=Y > 0),
    ),
    "update/regressor.py LowChurnRegressor.predict #1": (
        lambda: served_alone(X + 9),
        "got 40 of 40 rows without; leave those rows out, or update with a larger budget",
        lambda: served_alone(X),
    ),
}
