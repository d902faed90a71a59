"""The usual preprocessing of a data frame: numbers for trees or for linear models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from holdfast._validation import check_choice
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer

__all__ = ["preprocessor"]


def preprocessor(X: Any, *, kind: str = "trees") -> ColumnTransformer:
    """Return an unfitted transformer that turns a data frame into numbers.

    Parameters
    ----------
    X : data frame
        Says which columns are numeric and which categorical (text, categories, booleans).
    kind : {"trees", "linear"}
        "trees": numbers stay as they are, missing ones NaN; categories become integers, -1 for one
        that was not seen in training, -2 for NaN (None among Python objects is a category of its
        own). "linear": numbers are filled with the median (and a column says where), then
        standardised; categories become indicator columns, in which those of fewer than five rows,
        and unseen ones, share one column.

    Returns
    -------
    sklearn.compose.ColumnTransformer
        Unseen categories never make it fail.

    Raises
    ------
    InvalidInputError
        When `X` is no data frame or has columns that are neither numbers nor categories.

    Examples
    --------
    >>> import pandas as pd
    >>> X = pd.DataFrame({"size": [1.0, 2.0], "colour": ["red", "blue"]})
    >>> encoder = preprocessor(X).fit(X)
    >>> encoder.transform(pd.DataFrame({"size": [3.0], "colour": ["green"]}))
    array([[ 3., -1.]])
    """
    from sklearn.compose import ColumnTransformer

    check_choice("kind", kind, ("trees", "linear"))
    numeric, categorical = _column_kinds(X)
    numbers, categories = _tree_steps() if kind == "trees" else _linear_steps()
    steps = [("numeric", numbers, numeric), ("categorical", categories, categorical)]
    return ColumnTransformer([step for step in steps if step[2]], verbose_feature_names_out=False)


def _column_kinds(X: Any) -> tuple[list[str], list[str]]:
    import narwhals as nw

    try:
        schema = nw.from_native(X, eager_only=True).schema
    except TypeError as error:
        raise InvalidInputError(
            f"X must be a data frame, got {type(X).__name__}; e.g. pandas.DataFrame(...)"
        ) from error
    numeric = [name for name, dtype in schema.items() if dtype.is_numeric()]
    kinds = (nw.String, nw.Categorical, nw.Enum, nw.Boolean, nw.Object)
    categorical = [name for name, dtype in schema.items() if isinstance(dtype, kinds)]
    others = [name for name in schema if name not in {*numeric, *categorical}]
    if others or not schema:
        raise InvalidInputError(
            f"X must have numeric and categorical columns only, got {others or 'no column'}; turn "
            "dates into numbers and drop the rest"
        )
    return numeric, categorical


def _tree_steps() -> tuple[Any, Any]:
    from sklearn.preprocessing import OrdinalEncoder, StandardScaler

    encoder = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
    )
    # Changes no value, but turns pandas.NA into NaN, which "passthrough" does not.
    return StandardScaler(with_mean=False, with_std=False), encoder


def _linear_steps() -> tuple[Any, Any]:
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    fill = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    # A coefficient from fewer than five rows is noise.
    encoder = OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=5)
    return make_pipeline(fill, StandardScaler()), encoder
