import os
import pickle
from collections import Counter

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from holdfast import load_model, save_model
from holdfast.datasets import load
from holdfast.exceptions import InvalidInputError
from holdfast.preprocessing import ScaledImages, TokenIds, preprocessor

needs_data = pytest.mark.skipif(
    "HOLDFAST_DATA" not in os.environ, reason="HOLDFAST_DATA does not name a folder of data sets"
)


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


# --- texts ---------------------------------------------------------------------------------------

TEXTS = [
    "The cat sat; the dog didn't.",
    "A 'quoted' word, an under_score and 3.14",
    "",
    "Der Bär aß Käse. THE END!",
    "the cat 'n' the CAT",
    "...",
]


def slow_words(text):
    """Words by a loop over characters: an apostrophe belongs to a word when it is inside one."""
    words, word = [], ""
    text = text.lower() + " "
    for i, sign in enumerate(text):
        inside = word and text[i + 1 : i + 2].isalnum()
        if sign.isalnum() or sign == "_" or (sign == "'" and inside):
            word += sign
        else:
            words += [word] if word else []
            word = ""
    return words


def slow_ids(train, texts, vocabulary_size, length):
    counts = Counter(word for text in train for word in slow_words(text))
    words = sorted(counts, key=lambda word: (-counts[word], word))[: vocabulary_size - 2]
    rows = []
    for text in texts:
        ids = [words.index(word) + 2 if word in words else 1 for word in slow_words(text)]
        rows.append(([0] * length + ids)[-length:])
    return np.array(rows)


@pytest.mark.parametrize("vocabulary_size", [3, 5, 9, 1000])
@pytest.mark.parametrize("length", [1, 4, 20])
def test_tokens_against_slow_reference(vocabulary_size, length):
    encoder = TokenIds(vocabulary_size, length).fit(TEXTS)
    other = [*TEXTS, "an unseen cat", "the " * 30]
    ids = encoder.transform(other)
    assert (ids.dtype, ids.shape) == (np.int64, (len(other), length))
    np.testing.assert_array_equal(ids, slow_ids(TEXTS, other, vocabulary_size, length))
    assert ids.max() < len(encoder.vocabulary_) <= vocabulary_size


def test_front_is_cut_and_padded():
    encoder = TokenIds(length=3).fit(["a a a a b b b c c d"])
    ids = encoder.transform(["a b", "a b c d", ""])
    assert ids.tolist() == [[0, 2, 3], [3, 4, 5], [0, 0, 0]]
    assert encoder.vocabulary_[ids[0]].tolist() == ["<padding>", "a", "b"]


def test_vocabulary_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefgh"), 5)) for _ in range(40)]
    expected = TokenIds(6).fit(texts).vocabulary_
    for _ in range(5):
        shuffled = [texts[i] for i in rng.permutation(40)]
        np.testing.assert_array_equal(TokenIds(6).fit(shuffled).vocabulary_, expected)
    np.testing.assert_array_equal(TokenIds(6).fit(texts * 3).vocabulary_, expected)


def test_long_words_are_unknown():
    encoder = TokenIds(length=2).fit(["x" * 10_000 + " short " + "y" * 64])
    assert encoder.vocabulary_.tolist()[2:] == ["short", "y" * 64]
    assert encoder.transform(["x" * 10_000 + " short"]).tolist() == [[1, 2]]


@pytest.mark.parametrize(
    "wrap",
    [
        tuple,
        np.array,
        lambda texts: np.array(texts, dtype=object),
        lambda texts: np.array(texts, dtype=object)[:, None],
        pd.Series,
        lambda texts: pd.Series(texts, dtype="string", index=range(9, 9 + len(texts))),
        lambda texts: pd.DataFrame({"text": texts}),
        pl.Series,
        lambda texts: pl.DataFrame({"text": texts}),
    ],
    ids=range(9),
)
def test_texts_come_in_any_shape(wrap):
    expected = TokenIds(length=5).fit_transform(TEXTS)
    np.testing.assert_array_equal(TokenIds(length=5).fit_transform(wrap(TEXTS)), expected)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        ("one text", "X must be a sequence of texts, got str; give a list of str"),
        (None, "X must be a sequence of texts, got NoneType"),
        (3, "X must be a sequence of texts, got int"),
        ({"a": "text"}, "X must be a sequence of texts, got dict"),
        (iter(["a text"]), "X must be a sequence of texts, got list_iterator"),
        ({"a text"}, "X must be a sequence of texts, got set"),
        ([], "X must have at least one text, got none"),
        (["a", None], r"X must be texts \(str\), got None in row 1; fill missing texts with ''"),
        (pd.Series(["a", "b", np.nan]), "X must be texts .* got nan in row 2; fill missing"),
        (pd.Series(["a", pd.NA], dtype="string"), "X must be texts .* in row 1; fill missing"),
        (["a", 3], "X must be texts .* got int in row 1; convert the rows to str"),
        ([["a"], ["b"]], "X must be texts .* got list in row 0; convert"),
        (np.zeros((2, 3)), "X must be texts .* got list in row 0; convert"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), r"one column of texts, .* 'a', 'b'; .* X\['a'\]"),
        (pd.DataFrame(index=range(3)), "X must be one column of texts, got a frame without"),
        (pl.LazyFrame({"a": ["x"]}), r"X must be one column of texts, got a LazyFrame; collect"),
        (["...", ""], "X must have words, got none in any text"),
    ],
)
def test_tokens_refuse(X, match):
    with pytest.raises(InvalidInputError, match=match):
        TokenIds().fit(X)


@pytest.mark.parametrize(
    ("parameters", "match"),
    [
        ({"vocabulary_size": 2}, "vocabulary_size must be an integer of at least 3, got 2"),
        ({"vocabulary_size": 1e3}, r"vocabulary_size must be an integer .* got 1000\.0"),
        ({"length": 0}, "length must be an integer of at least 1, got 0"),
        ({"length": True}, "length must be an integer of at least 1, got True"),
    ],
)
def test_token_parameters(parameters, match):
    with pytest.raises(InvalidInputError, match=match):
        TokenIds(**parameters).fit(TEXTS)


def test_transformers_follow_scikit_learn():
    encoder = TokenIds(vocabulary_size=7, length=3)
    assert encoder.get_params() == {"vocabulary_size": 7, "length": 3}
    assert encoder.__sklearn_tags__().input_tags.string
    assert not hasattr(clone(encoder.fit(TEXTS)), "vocabulary_")
    for unfitted, X in ((TokenIds(), TEXTS), (ScaledImages(), np.zeros((1, 1, 2, 2), np.uint8))):
        with pytest.raises(NotFittedError, match="is not fitted yet"):
            unfitted.transform(X)
    again = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(again.transform(TEXTS), encoder.transform(TEXTS))


def test_tokens_are_saved_with_their_model(tmp_path):
    y = np.array([0, 1, 0, 1, 0, 1])
    pipeline = make_pipeline(TokenIds(length=6), LogisticRegression(max_iter=2000)).fit(TEXTS, y)
    path = tmp_path / "model.skops"
    save_model(pipeline, path)
    loaded = load_model(path).model
    np.testing.assert_array_equal(loaded[0].vocabulary_, pipeline[0].vocabulary_)
    np.testing.assert_array_equal(loaded.predict_proba(TEXTS), pipeline.predict_proba(TEXTS))


@needs_data
def test_tokens_of_real_texts():
    data = load("trec")
    parts = data.train_test()
    texts = data.X["text"]
    encoder = TokenIds(500, 12).fit(texts.iloc[parts.train])
    ids = encoder.transform(texts.iloc[parts.test])
    few = texts.iloc[parts.test].tolist()[:40]
    train = texts.iloc[parts.train].tolist()
    np.testing.assert_array_equal(ids[:40], slow_ids(train, few, 500, 12))
    assert 0.05 < (ids == 1).sum() / (ids > 0).sum() < 0.5


# --- images --------------------------------------------------------------------------------------


def test_images_are_scaled():
    images = np.arange(256, dtype=np.uint8).reshape(2, 2, 8, 8)
    scaled = ScaledImages().fit(images).transform(images)
    assert (scaled.dtype, scaled.shape) == (np.float32, images.shape)
    np.testing.assert_array_equal(scaled.ravel(), (np.arange(256) / 255).astype(np.float32))
    assert (scaled.min(), scaled.max()) == (0, 1)
    fitted = ScaledImages().fit(images[:1])
    np.testing.assert_array_equal(fitted.transform(images[1:]), scaled[1:])
    assert fitted.image_shape_ == (2, 8, 8)


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (np.zeros((3, 8, 8), np.uint8), r"X must be images .*, got shape \(3, 8, 8\); reshape"),
        (np.zeros((0, 1, 8, 8), np.uint8), r"X must be images .*, got shape \(0, 1, 8, 8\)"),
        (np.zeros((3, 1, 8, 8)), "X must be images of uint8, got float64; convert whole numbers"),
        (np.zeros((3, 8, 8, 1), np.uint8), r"of shape \(1, 8, 8\) as in training, got \(8, 8, 1"),
    ],
)
def test_images_refuse(X, match):
    fitted = ScaledImages().fit(np.zeros((2, 1, 8, 8), np.uint8))
    with pytest.raises(InvalidInputError, match=match):
        fitted.transform(X)
