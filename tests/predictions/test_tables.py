"""Prediction tables of every kind give what pandas and the in-memory comparison give."""

import datetime
import glob
import math
from functools import reduce

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pytest

from holdfast import Comparison, compare, compare_tables, count_tables
from holdfast.exceptions import InvalidInputError
from holdfast.predictions import open_pairs
from holdfast.report.rows import MOST_OF_ONE, worst_groups
from holdfast.tables import write_table


def write(path, frame):
    if isinstance(frame, dict) and path.suffix == ".parquet":
        pl.DataFrame(frame).write_parquet(path)
    else:
        write_table(pd.DataFrame(frame), path)
    return path


def compared(folder, base, new, suffix=".parquet", **options):
    base, new = write(folder / f"base{suffix}", base), write(folder / f"new{suffix}", new)
    return compare_tables(base, new, **options)


def assert_same(found, expected):
    """Counts to 1e-12, sums to 1e-9, all else exactly."""
    one, other = found.to_dict(), expected.to_dict()
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert_equal(value, other[name], name)
    np.testing.assert_allclose(found.counts.cells, expected.counts.cells, rtol=1e-12)


def assert_equal(value, expected, name):
    if isinstance(value, float) and isinstance(expected, float):
        assert math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-12), (name, value, expected)
    elif isinstance(value, dict):
        assert value.keys() == expected.keys()
        for key in value:
            assert_equal(value[key], expected[key], f"{name}.{key}")
    elif isinstance(value, (list, tuple)):
        assert len(value) == len(expected), name
        for i, (a, b) in enumerate(zip(value, expected, strict=True)):
            assert_equal(a, b, f"{name}[{i}]")
    else:
        assert (value, type(value)) == (expected, type(expected)), name


N = 4_000
CLASSES = ["ant", "bee", "cat"]


def two_tables(seed=0):
    """Return base and new tables in different orders, with every kind of column."""
    rng = np.random.default_rng(seed)
    base = pd.DataFrame(
        {
            "key": rng.permutation(10 * N)[:N],
            "prediction": rng.choice(CLASSES[:2], N),
            "label": rng.choice(CLASSES, N),
            "region": rng.choice(["n", "s", None], N),
            "size": rng.choice([1.5, 2.5, np.nan], N),
            "w": rng.random(N),
        }
    )
    new = base[["key", "region"]].copy()
    new["prediction"] = np.where(rng.random(N) < 0.8, base["prediction"], rng.choice(CLASSES, N))
    return base, new.sample(frac=1, random_state=seed, ignore_index=True)


def with_probabilities(base, new, seed=1):
    rng = np.random.default_rng(seed)
    for table, classes in ((base, CLASSES), (new, CLASSES[::-1])):
        proba = rng.dirichlet(np.ones(3), len(table))
        for i, name in enumerate(classes):
            table[f"proba_{name}"] = proba[:, i]
    return base.drop(columns="prediction"), new.drop(columns="prediction")


def in_memory(base, new, *, groups=(), weight=None, proba=False):
    """Return what the comparison of arrays says of the tables that pandas joins."""
    merged = base.merge(new, on="key", suffixes=("", "_new"), validate="1:1")
    columns = [f"proba_{name}" for name in CLASSES]
    answers = [
        merged[[c + suffix for c in columns] if proba else f"prediction{suffix}"].to_numpy()
        for suffix in ("", "_new")
    ]
    return compare(
        *answers,
        merged["label"].to_numpy(),
        groups={name: merged[name].to_numpy() for name in groups} or None,
        sample_weight=None if weight is None else merged[weight].to_numpy(),
        classes=CLASSES if proba else None,
        max_group_churn=0.1 if groups else None,
    )


OPTIONS = [
    {},
    {"groups": ["region"]},
    {"groups": ["region", "size"], "weight": "w"},
]


@pytest.mark.parametrize("proba", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("kind", ["parquet", "csv", "pandas", "polars", "lazy", "duckdb", "arrow"])
def test_every_kind_of_table(tmp_path, kind, options, proba):
    if kind == "arrow":
        pytest.importorskip("pyarrow")
    base, new = two_tables()
    if proba:
        base, new = with_probabilities(base, new)
    connection = duckdb.connect()
    made = {
        "pandas": lambda frame, name: frame,
        "polars": lambda frame, name: polars_of(frame),
        "lazy": lambda frame, name: polars_of(frame).lazy(),
        "duckdb": lambda frame, name: connection.from_df(frame),
        "arrow": lambda frame, name: polars_of(frame).to_arrow(),
        "parquet": lambda frame, name: write(tmp_path / f"{name}.parquet", frame),
        "csv": lambda frame, name: write(tmp_path / f"{name}.csv", frame),
    }[kind]
    limit = 0.1 if options.get("groups") else None
    found = compare_tables(
        made(base, "base"), made(new, "new"), id="key", max_group_churn=limit, **options
    )
    assert_same(found, in_memory(base, new, proba=proba, **options))


def polars_of(frame):
    return pl.DataFrame(
        {
            name: [None if value is None or value != value else value for value in frame[name]]
            for name in frame
        }
    )


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_parts_add_up(options):
    base, new = two_tables()
    one = base.merge(new.drop(columns="region"), on="key", suffixes=("", "_new"))
    columns = {"prediction": "prediction", "new_prediction": "prediction_new", **options}
    parts = [count_tables(one.iloc[i::10], **columns) for i in range(10)]
    limit = 0.1 if options.get("groups") else None
    expected = in_memory(base, new, **options)
    for counts in (sum(parts), reduce(lambda a, b: b + a, parts)):
        assert_same(Comparison.from_counts(counts, max_group_churn=limit), expected)


def changed_rows(pairs):
    comparison = Comparison.from_counts(pairs.counts())
    return pairs.changed(worst_groups(comparison), most_of_one=MOST_OF_ONE)


def test_counts_of_other_columns_do_not_add_up():
    base, new = two_tables()
    one = count_tables(base, new, id="key", groups=["region"])
    for options, match in (
        ({}, "must have the same groups"),
        ({"groups": ["region"], "label": "prediction"}, None),
    ):
        other = count_tables(base.drop(columns="label"), new, id="key", groups=["region"])
        with pytest.raises(InvalidInputError, match="must have the same truth, got True and False"):
            one + other
        if match:
            with pytest.raises(InvalidInputError, match=match):
                one + count_tables(base, new, id="key", **options)
    with pytest.raises(TypeError):
        one + 1
    numbers = count_tables(
        pd.DataFrame({"a": [0, 1], "b": [1, 1], "label": 1, "region": "n"}),
        prediction="a",
        new_prediction="b",
        groups=["region"],
    )
    with pytest.raises(InvalidInputError, match="labels of one type"):
        one + numbers


# --- files ----------------------------------------------------------------------------------------


def test_folders_patterns_and_partitions(tmp_path):
    base, new = two_tables()
    expected = in_memory(base, new, groups=["region"])
    for day in range(4):
        folder = tmp_path / "base" / f"day={day}" / "part"
        folder.mkdir(parents=True)
        write(folder / "0.parquet", base.iloc[day::4])
        (folder / "_SUCCESS").write_text("")
        write(tmp_path / f"new-{day}.csv", new.iloc[day::4])
    paths = tmp_path / "base", tmp_path / "new-*.csv"
    assert len(glob.glob(str(paths[1]))) == 4
    options = {"id": "key", "max_group_churn": 0.1}
    assert_same(compare_tables(*paths, groups=["region"], **options), expected)
    by_day = compare_tables(*map(str, paths), groups=["day"], id="key").groups
    assert [(group.value, group.n) for group in by_day] == [(day, N // 4) for day in range(4)]
    some = compare_tables(
        tmp_path / "base" / "day=[01]" / "*" / "*.parquet",
        write(
            tmp_path / "some.parquet",
            new[new["key"].isin(pd.concat([base[0::4], base[1::4]])["key"])],
        ),
        id="key",
    )
    assert some.n == N // 2


@pytest.mark.parametrize(
    ("names", "path", "match"),
    [
        ([], "none.csv", "must be a table, got no file at"),
        ([], "*.parquet", "must hold table files, got no files"),
        (["notes.txt"], "", r"must hold table files, got \.txt; give files that end in"),
        (["a.csv", "b.parquet"], "", r"files of one kind, Parquet or CSV, got \.csv, \.parquet"),
    ],
)
def test_folders_that_are_no_table(tmp_path, names, path, match):
    for name in names:
        (tmp_path / name).write_text("prediction\na\n")
    with pytest.raises(InvalidInputError, match=match):
        compare_tables(tmp_path / path, tmp_path / "other.csv")


def test_little_memory_is_enough_and_nothing_stays(tmp_path):
    n = 1_500_000
    ids = np.random.default_rng(1).permutation(n)
    base = write(tmp_path / "base.parquet", {"id": ids, "prediction": ids % 7})
    new = write(tmp_path / "new.parquet", {"id": np.arange(n), "prediction": np.arange(n) % 5})
    (tmp_path / "spill").mkdir()
    found = compare_tables(base, new, id="id", memory_limit="60MB", temp_dir=tmp_path / "spill")
    assert found.churn_rate == np.mean(np.arange(n) % 7 != np.arange(n) % 5)
    assert list((tmp_path / "spill").iterdir()) == []


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"memory_limit": "lots"}, "memory_limit must be a size such as '512MB'"),
        ({"memory_limit": 512}, "memory_limit must be a size .* got 512"),
        ({"temp_dir": "nowhere/at/all"}, "temp_dir must be a folder that can be written to"),
    ],
)
def test_bad_limits(tmp_path, options, match):
    table = {"prediction": [0, 1]}
    with pytest.raises(InvalidInputError, match=match):
        compared(tmp_path, table, table, **options)
    with pytest.raises(InvalidInputError, match="must be left out for data frames"):
        compare_tables(pd.DataFrame(table), pd.DataFrame(table), id="id", **options)


def test_shuffling_the_new_table_changes_nothing(tmp_path):
    base, new = two_tables()
    expected = in_memory(base, new)
    assert_same(compared(tmp_path, base, new.sample(frac=1, random_state=5), id="key"), expected)


def test_without_id_rows_of_files_are_taken_in_order(tmp_path):
    base = {"prediction": [0, 1, 1], "id": [5, 6, 7]}
    new = {"prediction": [1, 1, 0], "id": [5, 6, 7], "label": [1, 0, 1]}
    for suffix in (".parquet", ".csv"):
        found = compared(tmp_path, base, new, suffix)
        assert_same(found, compare([0, 1, 1], [1, 1, 0], [1, 0, 1]))
    ids = np.random.default_rng(1).permutation(250_000)
    found = compared(tmp_path, {"prediction": ids % 7}, {"prediction": ids % 5})
    assert found.churn_rate == np.mean(ids % 7 != ids % 5)


def test_one_table_of_both_models(tmp_path):
    table = {"old": ["a", "b", "b"], "new": ["a", "a", "b"], "label": ["a", "a", "b"]}
    expected = compare(table["old"], table["new"], table["label"])
    path = write(tmp_path / "both.parquet", table)
    columns = {"prediction": "old", "new_prediction": "new"}
    for given in ((path,), (path, path), (pl.DataFrame(table),), (pd.DataFrame(table),)):
        assert_same(compare_tables(*given, **columns), expected)
    proba = {"p_a": [0.2, 0.9], "p_b": [0.8, 0.1], "q_b": [0.6, 0.7], "q_a": [0.4, 0.3]}
    found = compare_tables(pd.DataFrame(proba), proba_prefix="p_", new_proba_prefix="q_")
    both = np.array([[0.2, 0.8], [0.9, 0.1]]), np.array([[0.4, 0.6], [0.3, 0.7]])
    assert_same(found, compare(*both, classes=["a", "b"]))


# --- classes --------------------------------------------------------------------------------------


def test_probabilities_over_different_classes_share_the_union(tmp_path):
    found = compared(
        tmp_path,
        {"proba_c": [0.25, 1.0], "proba_a": [0.75, 0.0]},
        {"proba_b": [0.5, 0.25], "proba_c": [0.5, 0.75]},
    )
    base, new = [[0.75, 0, 0.25], [0, 0, 1]], [[0, 0.5, 0.5], [0, 0.25, 0.75]]
    assert_same(found, compare(base, new, classes=["a", "b", "c"]))
    assert found.classes == ("a", "b", "c")


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
    base = {f"proba_{suffixes[0]}": [0.25, 0.75], f"proba_{suffixes[1]}": [0.75, 0.25]}
    new = {f"proba_{suffixes[0]}": [0.75, 0.75], f"proba_{suffixes[1]}": [0.25, 0.25]}
    truth = {} if label is None else {"label": label}
    found = compared(tmp_path, base, new | truth)
    assert found.classes == tuple(classes)
    assert [type(c) for c in found.classes] == [type(c) for c in classes]
    assert found.churn_rate == 0.5
    if label is not None:
        first = type(classes[0])
        own = [True, False]
        if first is not bool:
            own = [first(float(s)) if first is int else s for s in suffixes]
        order = [own.index(c) for c in classes]
        arrays = [np.array(list(t.values())).T[:, order] for t in (base, new)]
        assert_same(
            found, compare(*arrays, np.array(label).astype(type(classes[0])), classes=classes)
        )


def test_labels_beside_probabilities(tmp_path):
    found = compared(
        tmp_path, {"prediction": [0, 2]}, {"proba_0": [0.5, 0.25], "proba_1": [0.5, 0.75]}
    )
    assert_same(found, compare([0, 2], [0, 1]))
    truth = {"prediction": [0, 1], "label": [0, 2]}  # 2 is unknown to the new model
    found = compared(tmp_path, truth, {"proba_0": [0.5, 0.25], "proba_1": [0.5, 0.75]})
    new = [[0.5, 0.5, 0], [0.25, 0.75, 0]]
    assert_same(found, compare([0, 1], new, [0, 2], classes=[0, 1, 2]))


def test_booleans_beside_integers(tmp_path):
    found = compared(tmp_path, {"prediction": [True, False]}, {"prediction": [1, 1]}, ".csv")
    assert (found.churn_rate, found.classes) == (0.5, (0, 1))


def test_ties_go_to_the_first_class_of_the_union():
    table = pd.DataFrame({"p_b": [0.5], "p_a": [0.5], "q_a": [0.4], "q_b": [0.6]})
    found = compare_tables(table, proba_prefix="p_", new_proba_prefix="q_")
    assert found.to_dict()["transitions"][0]["base"] == "a"


def test_names_can_be_given(tmp_path):
    found = compared(
        tmp_path,
        {"answer": ["a", "b"], "truth": ["a", "a"], "p_a": [1, 0], "p_b": [0, 1]},
        {"answer": ["b", "b"], "truth": ["a", "a"], "team": ["x", "y"]},
        label="truth",
        prediction="answer",
        proba_prefix="p_",
        groups="team",
    )
    base = np.array([[1.0, 0.0], [0.0, 1.0]])
    expected = compare(
        base, ["b", "b"], ["a", "a"], groups={"team": ["x", "y"]}, classes=["a", "b"]
    )
    assert_same(found, expected)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_missing_groups_are_a_group(tmp_path, suffix):
    groups = {"s": ["x", None, "y"], "i": [1, None, 3], "f": [0.5, None, 1.5]}
    base, new = {"prediction": [0, 1, 1]}, {"prediction": [0, 0, 1]}
    only_base = {"s": groups["s"], "i": groups["i"]}
    found = compared(tmp_path, base | only_base, new | groups, suffix, groups=list(groups)).groups
    assert [group.value for group in found] == ["x", "y", None, 1, 3, None, 0.5, 1.5, None]


def test_groups_of_dates_and_very_many(tmp_path):
    days = [datetime.date(2024, 1, 2), datetime.date(2024, 1, 1), None]
    table = pl.DataFrame({"a": [0, 1, 1], "b": [0, 0, 1], "day": days})
    found = compare_tables(table, prediction="a", new_prediction="b", groups=["day"])
    assert [str(g.value)[:10] for g in found.groups] == ["2024-01-01", "2024-01-02", "None"]
    many = pl.DataFrame({"a": np.arange(200_000) % 3, "g": np.arange(200_000) % 100_000})
    many = many.with_columns(b=(pl.col("a") + (pl.col("g") == 7)) % 3)
    found = compare_tables(many.lazy(), prediction="a", new_prediction="b", groups=["g"])
    assert len(found.groups) == 100_000
    assert [g.value for g in found.groups if g.churn_rate] == [7]


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
        ({}, {"label": ["a", "b", "a"]}, {}, "'label' must be equal in both tables, got 1 rows"),
        ({"g": [1, 1, 1]}, {"g": [1, 2, 3]}, {"groups": ["g"]}, "'g' must be equal .* got 2 rows"),
        (
            {"label": [float("nan")] * 3, "prediction": [0, 1, 0]},
            {"label": [float("nan")] * 3, "prediction": [0, 1, 0]},
            {},
            "labels must be known for some rows, got 3 rows without one",
        ),
        (
            {},
            {"prediction": ["a", None, "a"]},
            {},
            r"'prediction' of .*new\.parquet must be whole .* missing values, got 1",
        ),
        (
            {"prediction": [0, 1, 0], "label": [1, 1, 1]},
            {"prediction": [0.5, 0.1, 1.0], "label": [1, 1, 1]},
            {},
            r"new\.parquet must be whole class labels .* got 2 rows",
        ),
        ({}, {"prediction": [0, 1, 0]}, {}, "labels of one type, got .*strings.*numbers"),
        (
            {"g": ["x", None, "y"]},
            {"g": ["x", "z", "y"]},
            {"groups": ["g"]},
            "column 'g' must be equal in both tables, got 1 rows",
        ),
        (
            {"w": [1.0, -1.0, 1.0]},
            {},
            {"weight": "w"},
            "'w' must be finite and >= 0, not every weight zero, got values from",
        ),
        (
            {"w": [None] * 3},
            {},
            {"weight": "w"},
            "'w' must be finite and >= 0, not every weight zero, got values from",
        ),
        ({}, {}, {"prediction": "pred"}, "must have a column 'pred' or columns proba_<class>, got"),
        ({"proba_a": [1, 1, 1]}, {}, {}, "one column proba_<class> per class, got only 'proba_a'"),
        (
            {"proba_a": [0.5, 0.5, 0.5], "proba_b": [0.5, 0.4, 0.5]},
            {},
            {},
            r"columns proba_\* of .*base\.parquet must be probabilities that sum to 1 .* got 1",
        ),
        (
            {"proba_a": [0.5, 0.5, None], "proba_b": [0.5, 0.5, 0.5]},
            {},
            {},
            r"columns proba_\* of .*base\.parquet must be probabilities .* got 1 rows",
        ),
        (
            {"proba_a": ["x", "y", "z"], "proba_b": [0.5, 0.5, 0.5]},
            {},
            {},
            r"columns proba_\* of .*base\.parquet must be numbers, got text",
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
        compared(tmp_path, PREDICTED | base, PREDICTED | new, **options)


@pytest.mark.parametrize(
    ("base", "new", "match"),
    [
        # As many joined rows as each table has, although the ids differ.
        ([1, 1, 2, 3], [1, 1, 4, 5], "must be unique, got 1 that repeat"),
        ([1, 2, 3, 3], [1, 2, 3, 4], "must be unique, got 1 that repeat"),
        ([1, 2, 3, 4], [1, 2, 3, 3], "must be unique, got 1 that repeat"),
        ([1, 2, 3, 4], [1, 2, 3, 5], "got 1 only in base and 1 only in new"),
    ],
)
def test_ids_of_frames(base, new, match):
    frames = [pl.LazyFrame({"id": ids, "prediction": [0, 1, 0, 1]}) for ids in (base, new)]
    with pytest.raises(InvalidInputError, match=match):
        compare_tables(*frames, id="id")


def test_frames_that_cannot_be_paired():
    frame = pd.DataFrame(PREDICTED)
    other = frame.copy()
    for given, options, match in (
        ((frame, other), {}, "id must name the column that joins two data frames"),
        ((frame, frame), {}, "two models, got one frame with the same columns"),
        ((frame,), {}, "two models, got one frame with the same columns"),
        (
            (frame, pl.DataFrame(PREDICTED)),
            {"id": "id"},
            "frames of one library",
        ),
        (([1], [2]), {"id": "id"}, "base must be a path or a data frame, got list"),
        (("base.csv", frame), {}, "new must be a path where base is one, got DataFrame"),
        ((frame.iloc[:0], other.iloc[:0]), {"id": "id"}, "at least one row"),
    ):
        with pytest.raises(InvalidInputError, match=match):
            compare_tables(*given, **options)


@pytest.mark.parametrize("proba", [False, True])
@pytest.mark.parametrize("kind", ["parquet", "csv", "polars", "pandas", "one"])
@pytest.mark.parametrize("numbers", [False, True])
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_labels_that_are_missing_in_some_rows(tmp_path, kind, proba, numbers, options):
    base, new = two_tables()
    if numbers and not proba:
        codes = {name: i for i, name in enumerate(CLASSES)}
        for table in (base, new):
            table["prediction"] = table["prediction"].map(codes)
        base["label"] = base["label"].map(codes).astype(float)
    if proba:
        base, new = with_probabilities(base, new)
    known = np.random.default_rng(4).random(N) < 0.3
    base["label"] = base["label"].where(known, None)
    expected = in_memory(base, new, proba=proba, **options)
    assert (expected.n, expected.n_labeled) == (N, known.sum())
    limit = 0.1 if options.get("groups") else None
    columns = {"id": "key", "max_group_churn": limit, **options}
    if kind == "one":
        renamed = {name: f"new_{name}" for name in new if name.startswith(("pred", "proba"))}
        base = base.merge(new.drop(columns="region").rename(columns=renamed), on="key")
        names = {"new_prediction": "new_prediction", "new_proba_prefix": "new_proba_"}
        assert_same(compare_tables(base, **columns, **names), expected)
        return
    tables = {
        "polars": lambda: map(polars_of, (base, new)),
        "pandas": lambda: (base, new),
    }.get(
        kind,
        lambda: (write(tmp_path / f"base.{kind}", base), write(tmp_path / f"new.{kind}", new)),
    )()
    assert_same(compare_tables(*tables, **columns), expected)


def test_labels_that_are_not_whole_numbers(tmp_path):
    table = {"prediction": [0, 1, 1, 0], "label": [1.0, 0.5, None, float("inf")]}
    new = {"prediction": [1, 1, 1, 0]}
    match = "column 'label' must be whole class labels, got 2 rows that are not; correct them"
    for tables in ((table, new), (new, table), (table, new | {"label": table["label"]})):
        with pytest.raises(InvalidInputError, match=match):
            compared(tmp_path, *tables)
    one = pl.DataFrame(table | {"other": [1, 1, 1, 0]})
    with pytest.raises(InvalidInputError, match=match):
        compare_tables(one, new_prediction="other")


def test_parts_without_labels_can_be_added(tmp_path):
    rows = pl.DataFrame({"a": [0, 1], "b": [1, 1], "label": [1, 1]})
    later = rows.with_columns(label=pl.lit(None, dtype=pl.Int64))
    parts = [count_tables(part, prediction="a", new_prediction="b") for part in (rows, later)]
    assert (sum(parts).n, sum(parts).n_labeled) == (4, 2)
    assert Comparison.from_counts(sum(parts)).accuracy_gain == 0.5
    with pytest.raises(InvalidInputError, match="labels must be known for some rows, got 2 rows"):
        Comparison.from_counts(parts[1])


def test_real_number_ids_that_are_nan(tmp_path):
    base = pl.DataFrame({"id": [1.5, float("nan")], "prediction": [0, 1]})
    base.write_parquet(tmp_path / "base.parquet")
    other = pl.DataFrame({"id": [1.5, float("nan")], "prediction": [0, 0]})
    other.write_parquet(tmp_path / "new.parquet")
    with pytest.raises(InvalidInputError, match="got 1 of 2 rows without one"):
        compare_tables(tmp_path / "base.parquet", tmp_path / "new.parquet", id="id")


def test_unequal_row_counts(tmp_path):
    with pytest.raises(InvalidInputError, match=r"same number of rows, got 2 and 3; .* with id="):
        compared(tmp_path, {"prediction": [0, 1]}, {"prediction": [0, 1, 1]})
    with pytest.raises(InvalidInputError, match=r"got 0 only in .* and 1 only in .*e\.g\. 3"):
        compared(
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
        with pytest.raises(InvalidInputError, match=r"must be two models, got .* same columns"):
            compare_tables(path, other)


def test_a_damaged_table_is_named(tmp_path):
    base = write(tmp_path / "base.parquet", PREDICTED)
    (tmp_path / "new.csv").write_text("prediction,label\na,a\nb")
    with pytest.raises(InvalidInputError, match=r"new\.csv must be a whole \.csv file"):
        compare_tables(base, tmp_path / "new.csv")


# --- rows -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["parquet", "polars", "pandas"])
def test_changed_rows_are_the_surest_of_each_change_and_group(tmp_path, kind):
    base, new = two_tables()
    base, new = with_probabilities(base, new)
    merged = base.merge(new, on="key", suffixes=("", "_new"))
    columns = [f"proba_{name}" for name in CLASSES]
    old, now = merged[columns].to_numpy(), merged[[f"{c}_new" for c in columns]].to_numpy()
    rows = pd.DataFrame({"key": merged["key"], "region": merged["region"], "sure": now.max(axis=1)})
    rows["pair"] = 3 * old.argmax(axis=1) + now.argmax(axis=1)
    rows = rows[old.argmax(axis=1) != now.argmax(axis=1)].sort_values("sure", ascending=False)
    expected = [rows.groupby("pair").head(20), rows.groupby("region", dropna=False).head(20)]
    expected = pd.concat(expected).drop_duplicates("key").sort_values("sure", ascending=False)
    given = (base, new)
    if kind == "parquet":
        given = write(tmp_path / "base.parquet", base), write(tmp_path / "new.parquet", new)
    if kind == "polars":
        given = polars_of(base).lazy(), polars_of(new).lazy()
    with open_pairs(*given, id="key", groups=["region"]) as pairs:
        found = changed_rows(pairs)
    assert found.ids.tolist() == expected["key"].tolist()
    by_key = merged.set_index("key").loc[expected["key"]]
    np.testing.assert_array_equal(found.base, by_key[columns].to_numpy())
    np.testing.assert_array_equal(found.new, by_key[[f"{c}_new" for c in columns]].to_numpy())
    assert found.y.tolist() == by_key["label"].tolist()
    known = by_key["region"].astype(object)
    assert found.groups["region"].tolist() == known.where(known.notna(), None).tolist()


def test_changed_labels(tmp_path):
    table = {"old": ["a", "b", "b"], "new": ["a", "a", "b"]}
    with open_pairs(pd.DataFrame(table), prediction="old", new_prediction="new") as pairs:
        rows = changed_rows(pairs)
        assert (rows.base.tolist(), rows.new.tolist()) == (["b"], ["a"])
        assert (rows.y, rows.ids) == (None, None)
    same = pd.DataFrame({"old": ["a"], "new": ["a"]})
    with open_pairs(same, prediction="old", new_prediction="new") as pairs:
        assert len(changed_rows(pairs).new) == 0


@pytest.mark.parametrize("suffixes", [(".csv", ".parquet"), (".tsv", ".csv")])
def test_ids_and_classes_that_a_spreadsheet_would_run_join(tmp_path, suffixes):
    ids = ["=1+1", "@a", "'=1+1", "-x", "b"]
    base = pd.DataFrame({"=id": ids, "prediction": ["=yes", "-no", "=yes", "-no", "=yes"]})
    new = base.assign(prediction="=yes").sample(frac=1, random_state=0)
    paths = [tmp_path / f"{name}{s}" for name, s in zip(("base", "new"), suffixes, strict=True)]
    for frame, path in zip((base, new), paths, strict=True):
        write_table(frame, path)
    with open_pairs(*paths, id="=id") as pairs:
        counts = pairs.counts()
        assert counts.classes.tolist() == ["-no", "=yes"]
        rows = changed_rows(pairs)
    assert rows.ids.tolist() == ["-x", "@a"]
    assert (rows.base.tolist(), rows.new.tolist()) == (["-no"] * 2, ["=yes"] * 2)


# --- answers beside probabilities -----------------------------------------------------------------


def with_answers(seed, threshold, n=400):
    """Return a prediction table whose answers follow a threshold, and the answers."""
    rng = np.random.default_rng(seed)
    positive = np.random.default_rng(0).beta(1, 4, n) * 0.8 + rng.uniform(0, 0.2, n)
    answers = np.where(positive >= threshold, "fraud", "fine")
    truth = np.where(np.random.default_rng(0).random(n) < 0.2, "fraud", "fine")
    frame = pd.DataFrame({"id": np.arange(n), "label": truth, "prediction": answers})
    return frame.assign(proba_fine=1 - positive, proba_fraud=positive)


@pytest.mark.parametrize("kind", ["csv", "polars", "pandas"])
def test_a_prediction_column_wins(tmp_path, kind):
    base, new = with_answers(1, 0.2), with_answers(2, 0.5)
    tables = base, new
    if kind == "csv":
        for name, table in (("base", base), ("new", new)):
            table.to_csv(tmp_path / f"{name}.csv", index=False)
        tables = tmp_path / "base.csv", tmp_path / "new.csv"
    elif kind == "polars":
        tables = tuple(pl.DataFrame(table.to_dict("list")) for table in tables)
    found = compare_tables(*tables, id="id")
    proba = [table[["proba_fine", "proba_fraud"]].to_numpy() for table in (base, new)]
    expected = compare(
        *proba, base["label"], classes=["fine", "fraud"],
        base_pred=base["prediction"], new_pred=new["prediction"],
    )  # fmt: skip
    assert found.churn_rate == expected.churn_rate == np.mean(base.prediction != new.prediction)
    for name in ("accuracy_gain", "negative_flip_rate", "log_loss_new", "churn_divergence"):
        assert getattr(found, name) == pytest.approx(getattr(expected, name))
    assert found.warnings == expected.warnings
    otherwise = np.mean((proba[0][:, 1] > 0.5) != (base["prediction"] == "fraud"))
    assert f"not its most probable classes in {otherwise:.2%} of the rows" in found.warnings[0]
    assert not any("new model's answers" in warning for warning in found.warnings)


def test_in_one_table_the_prediction_column_is_the_base_model_s(tmp_path):
    base, new = with_answers(1, 0.2), with_answers(2, 0.5)
    one = base.assign(**{f"new_{c}": new[f"proba_{c}"] for c in ("fine", "fraud")})
    write_table(one, tmp_path / "both.parquet")
    found = compare_tables(tmp_path / "both.parquet", new_proba_prefix="new_")
    assert found.churn_rate == np.mean(base["prediction"] != new["prediction"])


def test_answers_are_given_beside_probabilities_only():
    proba = np.full((4, 2), 0.5)
    with pytest.raises(InvalidInputError, match="new_pred must be given beside probabilities"):
        compare(proba, [0, 0, 1, 1], new_pred=[0, 0, 1, 1])


@pytest.mark.parametrize(
    ("ids", "dtype"),
    [
        ([1, None], None),
        ([1, None], "Int64"),
        ([1, None], object),
        (["a", None], None),
        (["a", None], "string"),
        (["a", None], "category"),
        (["2024-01-01", None], "datetime64[ns]"),
        ([True, None], "boolean"),
    ],
)
def test_a_missing_id_is_named_whatever_type_it_gives_the_others(ids, dtype):
    part = pd.DataFrame({"id": pd.Series(ids, dtype=dtype), "prediction": [0, 1]})
    whole = pd.DataFrame({"id": [1, 2], "prediction": [0, 1]})
    for base, new, name in ((part, whole, "base"), (whole, part, "new"), (part, part.copy(), "b")):
        with pytest.raises(InvalidInputError, match=f"ids of {name}.* the first in row 1; fill"):
            compare_tables(base, new, id="id")
