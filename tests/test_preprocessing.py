import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from holdfast.exceptions import InvalidInputError
from holdfast.preprocessing import preprocessor


@pytest.fixture
def train_and_serve():
    rng = np.random.default_rng(0)
    n = 90
    train = pd.DataFrame(
        {
            "a": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
            "k": pd.array(rng.integers(0, 5, n), dtype="Int64"),
            "c": rng.choice(np.array(["x", "y", np.nan], dtype=object), n),
            "o": pd.Categorical(rng.choice(["u", "v"], n)),
            "b": rng.random(n) < 0.5,
        }
    )
    serve = pd.DataFrame(
        {
            "a": [np.nan, 1.0],
            "k": pd.array([None, 7], dtype="Int64"),
            "c": ["new", np.nan],
            "o": pd.Categorical([None, "w"]),
            "b": np.array([None, True], dtype=object),
        }
    )
    return train, serve


@pytest.mark.parametrize(
    "columns", [["a", "k", "c", "o", "b"], ["a", "k"], ["c", "o", "b"]], ids=len
)
@pytest.mark.parametrize("kind", ["trees", "linear"])
def test_serving_never_fails(train_and_serve, kind, columns):
    train, serve = (frame[columns] for frame in train_and_serve)
    y = np.arange(len(train)) % 2
    model = HistGradientBoostingClassifier(max_iter=2) if kind == "trees" else LogisticRegression()
    pipeline = make_pipeline(preprocessor(train, kind=kind), model).fit(train, y)
    assert np.isfinite(pipeline.predict_proba(serve)).all()


def test_trees(train_and_serve):
    train, serve = train_and_serve
    encoder = preprocessor(train).fit(train)
    np.testing.assert_array_equal(encoder.transform(train)[:, 0], train["a"])
    assert set(encoder.transform(train)[:, 2]) == {-2, 0, 1}
    served = np.asarray(encoder.transform(serve), dtype=float)
    np.testing.assert_array_equal(served[0], [np.nan, np.nan, -1, -1, -1])
    np.testing.assert_array_equal(served[1], [1, 7, -2, -1, 1])


def test_linear(train_and_serve):
    train, _ = train_and_serve
    numbers = preprocessor(train[["a"]], kind="linear").fit_transform(train[["a"]])
    assert numbers.shape == (len(train), 2)  # the values and where they were missing
    np.testing.assert_allclose(numbers.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(numbers.std(axis=0), 1)
    rare = pd.DataFrame({"c": ["x"] * 20 + ["y"] * 20 + ["r"] * 2 + ["s"]})
    encoder = preprocessor(rare, kind="linear").fit(rare)
    assert list(encoder.get_feature_names_out()) == ["c_x", "c_y", "c_infrequent_sklearn"]
    unseen = encoder.transform(pd.DataFrame({"c": ["never"]}))
    assert np.asarray(unseen.todense() if hasattr(unseen, "todense") else unseen).tolist() == [
        [0, 0, 1]
    ]


@pytest.mark.parametrize("kind", ["trees", "linear"])
def test_polars_gives_what_pandas_gives(kind):
    frame = pd.DataFrame({"a": [1.0, 2.5, 3.0] * 9, "c": ["x", "y", "x"] * 9})
    other = pl.DataFrame(frame.to_dict("list"))
    expected = preprocessor(frame, kind=kind).fit_transform(frame)
    np.testing.assert_array_equal(preprocessor(other, kind=kind).fit_transform(other), expected)


def test_preprocessor_refuses():
    frame = pd.DataFrame({"a": [1], "when": pd.to_datetime(["2024-01-01"])})
    with pytest.raises(InvalidInputError, match=r"categorical columns only, got \['when'\]"):
        preprocessor(frame)
    with pytest.raises(InvalidInputError, match="got no column"):
        preprocessor(frame[[]])
    with pytest.raises(InvalidInputError, match="X must be a data frame, got ndarray"):
        preprocessor(np.zeros((2, 2)))
    with pytest.raises(InvalidInputError, match="kind must be one of 'trees', 'linear', got 'tree"):
        preprocessor(frame[["a"]], kind="tree")
