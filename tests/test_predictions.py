import numpy as np
import pandas as pd
import polars as pl
import pytest

from holdfast.comparison import compare
from holdfast.exceptions import InvalidInputError
from holdfast.predictions import read_predictions
from holdfast.tables import write_table


def write(path, frame):
    if isinstance(frame, dict) and path.suffix == ".parquet":
        pl.DataFrame(frame).write_parquet(path)
    else:
        write_table(pd.DataFrame(frame), path)
    return path


def pair_of(folder, base, new, suffix=".parquet", **options):
    base, new = write(folder / f"base{suffix}", base), write(folder / f"new{suffix}", new)
    return read_predictions(base, new, **options)


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)
    n = 5_000
    base = pd.DataFrame(
        {
            "key": rng.permutation(10 * n)[:n],
            "prediction": rng.choice(["cat", "dog"], n),
            "label": rng.choice(["cat", "dog"], n),
            "region": rng.choice(["n", "s"], n),
            "w": rng.random(n),
        }
    )
    new = base[["key", "region"]].copy()
    new["prediction"] = rng.choice(["cat", "dog"], n)
    return base, new.sample(frac=1, random_state=0, ignore_index=True)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("text_ids", [False, True])
def test_join_equals_pandas_merge(tmp_path, tables, suffix, text_ids):
    base, new = tables
    if text_ids:
        base["key"], new["key"] = "k" + base["key"].astype(str), "k" + new["key"].astype(str)
    pair = pair_of(tmp_path, base, new, suffix, id="key", groups=["region"], weight="w")
    merged = base.merge(new, on="key", how="left", suffixes=("", "_new"), validate="1:1")
    np.testing.assert_array_equal(pair.ids, merged["key"])
    np.testing.assert_array_equal(pair.base, merged["prediction"])
    np.testing.assert_array_equal(pair.new, merged["prediction_new"])
    np.testing.assert_array_equal(pair.y, merged["label"])
    np.testing.assert_array_equal(pair.groups["region"], merged["region"])
    np.testing.assert_array_equal(pair.sample_weight, merged["w"])
    assert pair.classes is None


def test_order_of_the_base_table_over_many_row_groups(tmp_path):
    ids = np.random.default_rng(1).permutation(250_000)
    base = pd.DataFrame({"id": ids, "prediction": ids % 7})
    new = pd.DataFrame({"id": np.arange(len(ids)), "prediction": np.arange(len(ids)) % 5})
    pair = pair_of(tmp_path, base, new, id="id")
    np.testing.assert_array_equal(pair.ids, ids)
    np.testing.assert_array_equal(pair.base, ids % 7)
    np.testing.assert_array_equal(pair.new, ids % 5)


def test_shuffling_the_new_table_changes_nothing(tmp_path, tables):
    base, new = tables
    first = pair_of(tmp_path, base, new, id="key")
    again = pair_of(tmp_path, base, new.sample(frac=1, random_state=5), id="key")
    np.testing.assert_array_equal(first.new, again.new)


def test_without_id_rows_are_taken_in_order(tmp_path):
    pair = pair_of(
        tmp_path,
        {"prediction": [0, 1, 1], "id": [5, 6, 7]},
        {"prediction": [1, 1, 0], "id": [5, 6, 7], "label": [1, 0, 1]},
    )
    assert (pair.base.tolist(), pair.new.tolist()) == ([0, 1, 1], [1, 1, 0])
    assert pair.y.tolist() == [1, 0, 1]
    assert pair.ids is None
    assert pair.sample_weight is None
    assert pair.groups == {}


def test_probabilities_over_different_classes_share_the_union(tmp_path):
    pair = pair_of(
        tmp_path,
        {"proba_c": [0.25, 1.0], "proba_a": [0.75, 0.0], "prediction": ["?", "?"]},
        {"proba_b": [0.5, 0.25], "proba_c": [0.5, 0.75]},
    )
    assert pair.classes.tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(pair.base, [[0.75, 0, 0.25], [0, 0, 1]])
    np.testing.assert_array_equal(pair.new, [[0, 0.5, 0.5], [0, 0.25, 0.75]])


@pytest.mark.parametrize(
    ("label", "suffixes", "classes"),
    [
        ([2, 10], ["10", "2"], [2, 10]),
        ([2.0, 10.0], ["10.0", "2.0"], [2, 10]),
        ([-1, 1], ["1", "-1"], [-1, 1]),
        ([True, False], ["True", "False"], [False, True]),
        ([True, False], ["1", "0"], [False, True]),
        (["2", "10"], ["10", "2"], ["10", "2"]),
        (None, ["10", "2"], ["10", "2"]),
    ],
)
def test_class_names_take_the_type_of_the_labels(tmp_path, label, suffixes, classes):
    table = {f"proba_{suffix}": [0.25, 0.5] for suffix in suffixes[:1]}
    table |= {f"proba_{suffix}": [0.75, 0.5] for suffix in suffixes[1:]}
    truth = {} if label is None else {"label": label}
    pair = pair_of(tmp_path, table, table | truth)
    assert pair.classes.tolist() == classes
    assert [type(c) for c in pair.classes.tolist()] == [type(c) for c in classes]
    first = classes.index(type(classes[0])(pair.classes[0]))
    assert pair.base[0].tolist() == (
        [0.25, 0.75] if label is None or first else pair.new[0].tolist()
    )
    if label is not None:
        assert set(pair.y.tolist()) == set(classes)


def test_columns_follow_their_class_when_sorted_by_value(tmp_path):
    table = {"proba_10": [0.25], "proba_9": [0.75], "label": [9]}
    pair = pair_of(tmp_path, table, table)
    assert pair.classes.tolist() == [9, 10]
    assert pair.base.tolist() == [[0.75, 0.25]]


def test_labels_beside_probabilities(tmp_path):
    pair = pair_of(
        tmp_path, {"prediction": [0, 2]}, {"proba_0": [0.5, 0.25], "proba_1": [0.5, 0.75]}
    )
    assert pair.base.tolist() == [0, 2]
    assert pair.classes.tolist() == [0, 1, 2]
    assert pair.new.tolist() == [[0.5, 0.5, 0], [0.25, 0.75, 0]]


def test_names_can_be_given(tmp_path):
    pair = pair_of(
        tmp_path,
        {"answer": ["a", "b"], "truth": ["a", "a"], "p_a": [1, 0], "p_b": [0, 1]},
        {"answer": ["b", "b"], "truth": ["a", "a"], "team": ["x", "y"]},
        label="truth",
        prediction="answer",
        proba_prefix="p_",
        groups="team",
    )
    assert pair.base.tolist() == [[1, 0], [0, 1]]
    assert pair.new.tolist() == ["b", "b"]
    assert pair.groups["team"].tolist() == ["x", "y"]


def test_tables_of_one_name_in_two_folders_and_of_two_kinds(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    base = write(tmp_path / "a" / "p.csv", {"prediction": [True, False]})
    new = write(tmp_path / "b" / "p.csv", {"prediction": [False, False]})
    twin = write(tmp_path / "b" / "p.parquet", {"prediction": [False, False]})
    for other in (new, twin):
        pair = read_predictions(base, other)
        assert (pair.base.tolist(), pair.new.tolist()) == ([True, False], [False, False])


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_missing_groups_are_a_group(tmp_path, suffix):
    groups = {"s": ["x", None, "y"], "i": [1, None, 3], "f": [0.5, None, 1.5]}
    base, new = {"prediction": [0, 1, 1]}, {"prediction": [0, 0, 1]}
    only_base = {"s": groups["s"], "i": groups["i"]}
    pair = pair_of(tmp_path, base | only_base, new | groups, suffix, groups=list(groups))
    assert {name: values.tolist() for name, values in pair.groups.items()} == groups
    found = compare(pair.base, pair.new, groups=pair.groups).groups
    assert [group.value for group in found] == ["x", "y", None, 1, 3, None, 0.5, 1.5, None]


PREDICTED = {"id": [1, 2, 3], "prediction": ["a", "b", "a"], "label": ["a", "a", "a"]}


@pytest.mark.parametrize(
    ("base", "new", "options", "match"),
    [
        ({"id": [1, 2, 2]}, {}, {"id": "id"}, r"base\.parquet must be unique, got 1 .*e\.g\. 2"),
        ({}, {"id": [7, 7, 7]}, {"id": "id"}, r"new\.parquet must be unique, got 1 .*e\.g\. 7"),
        (
            {"id": [1.0, None, 3.0]},
            {"id": [1.0, 2.0, 3.0]},
            {"id": "id"},
            "got 1 of 3 rows without",
        ),
        ({"id": ["a", "b", None]}, {"id": ["a", "b", "c"]}, {"id": "id"}, "got 1 of 3 rows witho"),
        ({}, {"id": [1, 2, 9]}, {"id": "id"}, r"got 1 only in .*base.* and 1 only in .*e\.g\. 3"),
        ({}, {"id": ["1", "2", "3"]}, {"id": "id"}, "got integers in .* and text in .*same way"),
        ({}, {}, {"id": "idd"}, r"id \(a column of .*\) must be one of .*did you mean 'id'\?"),
        ({}, {"id": [2, 1, 3]}, {}, "got 2 of 3 rows whose column 'id' differs; pass id='id'"),
        ({}, {"id": ["1", "2", "3"]}, {}, "column 'id' must have one type in both tables"),
        ({}, {}, {"label": "lable"}, "label must be one of .*, got 'lable'; did you mean 'label'"),
        ({}, {}, {"weight": "w"}, "weight must be one of"),
        ({}, {}, {"groups": ["lab"]}, r"groups\['lab'\] must be one of .*did you mean 'label'"),
        ({}, {"label": ["a", "b", "a"]}, {}, "'label' must be equal in both tables, got 1 of 3"),
        ({"g": [1, 1, 1]}, {"g": [1, 2, 3]}, {"groups": ["g"]}, "'g' must be equal .* got 2 of 3"),
        ({"label": ["a", None, "a"]}, {}, {}, "'label' of base_path must not have missing values"),
        ({}, {"prediction": ["a", None, "a"]}, {}, "'prediction' of new_path must not have missin"),
        ({}, {"prediction": [0.5, 0.1, 1.0]}, {}, "must be class labels, got real numbers"),
        ({}, {"prediction": [0, 1, 0]}, {}, "labels of one type, got .*strings.*numbers"),
        (
            {"g": ["x", None, "y"]},
            {"g": ["x", "z", "y"]},
            {"groups": ["g"]},
            "column 'g' must be equal in both tables, got 1 of 3 rows",
        ),
        ({"w": [1.0, -1.0, 1.0]}, {}, {"weight": "w"}, "'w' of base_path must be finite and >= 0"),
        ({"w": [None] * 3}, {}, {"weight": "w"}, "'w' of base_path must not .* missing .* 3 of 3"),
        ({}, {}, {"prediction": "pred"}, "must have a column 'pred' or columns proba_<class>, got"),
        ({"proba_a": [1, 1, 1]}, {}, {}, "one column proba_<class> per class, got only 'proba_a'"),
        (
            {"proba_a": [0.5, 0.5, 0.5], "proba_b": [0.5, 0.4, 0.5]},
            {},
            {},
            r"columns proba_\* of base_path must sum to 1 in each row, got 0\.9 in row 1",
        ),
        (
            {"proba_a": [0.5, 0.5, None], "proba_b": [0.5, 0.5, 0.5]},
            {},
            {},
            r"columns proba_\* of base_path must not have missing values",
        ),
        (
            {"proba_a": ["x", "y", "z"], "proba_b": [0.5, 0.5, 0.5]},
            {},
            {},
            r"columns proba_\* of base_path must be numbers",
        ),
        (
            {"label": [1, 1, 1], "proba_1": [0.5, 0.5, 0.5], "proba_01": [0.5, 0.5, 0.5]},
            {"label": [1, 1, 1]},
            {},
            "must name each class once, got 1, 01, of which some are equal",
        ),
        (
            {"label": [1, 1, 1], "proba_x": [0.5, 0.5, 0.5], "proba_y": [0.5, 0.5, 0.5]},
            {"label": [1, 1, 1]},
            {},
            "must have labels of one type",
        ),
    ],
)
def test_bad_pairs(tmp_path, base, new, options, match):
    with pytest.raises(InvalidInputError, match=match):
        pair_of(tmp_path, PREDICTED | base, PREDICTED | new, **options)


def test_real_number_ids_that_are_nan(tmp_path):
    base = pl.DataFrame({"id": [1.5, float("nan")], "prediction": [0, 1]})
    base.write_parquet(tmp_path / "base.parquet")
    new = write(tmp_path / "new.parquet", {"id": [1.5, 2.5], "prediction": [0, 1]})
    with pytest.raises(InvalidInputError, match="got 1 of 2 rows without one"):
        read_predictions(tmp_path / "base.parquet", new, id="id")


def test_unequal_row_counts(tmp_path):
    with pytest.raises(InvalidInputError, match=r"same number of rows, got 2 and 3; .* with id="):
        pair_of(tmp_path, {"prediction": [0, 1]}, {"prediction": [0, 1, 1]})
    with pytest.raises(InvalidInputError, match=r"got 0 only in .* and 1 only in .*e\.g\. 3"):
        pair_of(
            tmp_path,
            {"id": [1, 2], "prediction": [0, 1]},
            {"id": [1, 2, 3], "prediction": [0, 1, 1]},
            id="id",
        )


def test_the_same_file_twice(tmp_path):
    path = write(tmp_path / "base.csv", PREDICTED)
    (tmp_path / "link.csv").symlink_to(path)
    for other in (path, tmp_path / "x" / ".." / "base.csv", tmp_path / "link.csv"):
        (tmp_path / "x").mkdir(exist_ok=True)
        with pytest.raises(InvalidInputError, match="the same model twice"):
            read_predictions(path, other)


def test_a_damaged_table_is_named(tmp_path):
    base = write(tmp_path / "base.parquet", PREDICTED)
    (tmp_path / "new.csv").write_text("prediction,label\na,a\nb")
    with pytest.raises(InvalidInputError, match=r"new\.csv must be a whole \.csv file"):
        read_predictions(base, tmp_path / "new.csv")
