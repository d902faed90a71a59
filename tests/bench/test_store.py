"""The store: written whole, read whole, mergeable, and never of two protocols."""

import os
import subprocess
import sys
import textwrap
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from holdfast.bench import store as store_module
from holdfast.bench.store import Facts, Store, merge, read_facts, read_store
from holdfast.bench.trials.protocol import COUNTS, MEANS, Trial
from holdfast.exceptions import InvalidInputError
from holdfast.tables import read_table, write_table

pytestmark = pytest.mark.slow

KEY = Trial("a'b\"; --", "fcn-10", "random", 10, 5, 10, 0, "hash", 0)
FACTS = Facts(1, 2.0, ("x86",), ("numpy 2",))


def rows(trial=KEY, methods=("cold", "distill"), seed=0):
    rng = np.random.default_rng([seed, trial.run])
    settings = {"cold": ["cold"], "distill": ["distill(lam=0.1)", "distill(lam=0.9)"]}
    settings |= {"mine": ["mine(a=1)"]}
    records = [
        (
            *trial.key().values(),
            1,
            name,
            setting,
            1,
            1,
            *rng.integers(0, 50, 5),
            *rng.random(len(MEANS)),
        )
        for name in methods
        for setting in settings[name]
    ]
    columns = [*trial.key(), "update", "method", "setting", "cost", "served", *COUNTS, *MEANS]
    frame = pd.DataFrame(records, columns=columns).assign(base_correct=20 + seed)
    return frame.astype(dict.fromkeys(COUNTS, "Int64"))


def filled(folder, runs=3):
    store = Store.open(folder)
    for run in range(runs):
        store.add(replace(KEY, run=run), rows(replace(KEY, run=run)), FACTS)
    return store


def test_what_is_written_is_read(tmp_path):
    filled(tmp_path / "new" / "store")
    expected = pd.concat([rows(replace(KEY, run=run)) for run in range(3)], ignore_index=True)
    pd.testing.assert_frame_equal(read_store([tmp_path / "new" / "store"]), expected)
    assert read_facts([tmp_path / "new" / "store"]) == Facts(3, 6.0, ("x86",), ("numpy 2",))


def test_missing_counts_stay_missing(tmp_path):
    some = rows()
    some.loc[1, ["correct", "changed", "negative", "base_correct"]] = pd.NA
    some.loc[1, ["kl", "log_loss"]] = np.nan
    Store.open(tmp_path).add(KEY, some, FACTS)
    pd.testing.assert_frame_equal(read_store([tmp_path]), some)


def test_files_without_a_newer_measure_are_read_and_the_fuller_row_counts(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    Store.open(old).add(KEY, rows().drop(columns="member_churn"), FACTS)
    expected = rows()
    Store.open(new).add(KEY, expected, FACTS)
    pd.testing.assert_frame_equal(read_store([old]), expected.assign(member_churn=np.nan))
    for stores in ([old, new], [new, old]):
        pd.testing.assert_frame_equal(read_store(stores), expected)


def test_only_what_is_missing_is_asked_for(tmp_path):
    filled(tmp_path)
    store = Store.open(tmp_path)
    assert store.missing(KEY, ["cold", "warm", "distill"]) == ["warm"]
    assert store.missing(replace(KEY, n_test=5), ["cold"]) == ["cold"]
    assert store.missing(replace(KEY, data="other"), ["cold"]) == ["cold"]
    store.add(KEY, rows(methods=["mine"]), FACTS)
    assert store.missing(KEY, ["mine", "warm"]) == ["warm"]
    assert len(read_store([tmp_path])) == 3 * 3 + 1


def test_stores_merge_in_any_order_and_rows_count_once(tmp_path):
    filled(tmp_path / "one", runs=3)
    filled(tmp_path / "two", runs=5)
    both = read_store([tmp_path / "one", tmp_path / "two"])
    pd.testing.assert_frame_equal(both, read_store([tmp_path / "two"]))


def test_a_trial_of_two_machines_is_that_of_one_of_them(tmp_path):
    """Methods are compared in pairs: never one machine's cold start with another's distillation."""
    filled(tmp_path / "one")
    more = Store.open(tmp_path / "other")  # another base model, and more methods
    more.add(KEY, rows(seed=1, methods=["cold", "distill", "mine"]), FACTS)
    both = read_store([tmp_path / "one", tmp_path / "other"])
    pd.testing.assert_frame_equal(both, read_store([tmp_path / "other", tmp_path / "one"]))
    assert len(both) == 4 + 6
    assert both[both["run"] == 0]["base_correct"].tolist() == [21] * 4
    assert both[both["run"] > 0]["base_correct"].tolist() == [20] * 6
    assert merge([tmp_path / "other", tmp_path / "one"], tmp_path / "all.parquet") == (10, 3)
    pd.testing.assert_frame_equal(read_store([tmp_path / "all.parquet"]), both)
    assert read_facts([tmp_path / "all.parquet"]).trials == 4


@pytest.mark.parametrize("seed", range(8))
def test_of_two_computations_of_one_base_model_one_is_taken_whatever_the_results(tmp_path, seed):
    one = rows(seed=seed).assign(base_correct=20)
    other = rows(seed=seed + 100).assign(base_correct=20)
    for name, some in (("one", one), ("other", other)):
        Store.open(tmp_path / name).add(KEY, some, FACTS)
    both = read_store([tmp_path / "one", tmp_path / "other"])
    pd.testing.assert_frame_equal(both, read_store([tmp_path / "other", tmp_path / "one"]))
    assert both["kl"].tolist() in (one["kl"].tolist(), other["kl"].tolist())
    taken = one if both["kl"].tolist() == one["kl"].tolist() else other
    pd.testing.assert_frame_equal(both, taken, check_dtype=False)
    assert merge([tmp_path / "one", tmp_path / "other"], tmp_path / "all.parquet") == (
        len(one),
        len(other),
    )
    pd.testing.assert_frame_equal(read_store([tmp_path / "all.parquet", tmp_path / "one"]), both)


def test_neither_computation_is_favoured(tmp_path):
    """Taking the lower counts, say, would make updates look worse than they are."""
    taken = []
    for seed in range(40):
        stores = [tmp_path / f"{which}{seed}" for which in ("less", "more")]
        for correct, store in zip((10, 11), stores, strict=True):
            Store.open(store).add(KEY, rows(seed=seed).assign(correct=correct), FACTS)
        taken.append(read_store(stores)["correct"].iloc[0])
    assert 8 < taken.count(10) < 32


def test_a_method_that_diverged_stands_beside_the_others(tmp_path):
    store = filled(tmp_path, runs=1)
    gone = rows(methods=["mine"])
    gone[["correct", "changed", "negative", "base_correct"]] = pd.NA
    store.add(KEY, gone, FACTS)
    assert Store.open(tmp_path).missing(KEY, ["cold", "mine"]) == []
    assert read_store([tmp_path])["method"].tolist() == ["cold", "distill", "distill", "mine"]


def test_methods_of_another_base_model_are_refused(tmp_path):
    store = filled(tmp_path)
    assert store.conflict(KEY, rows(methods=["mine"])) is None
    why = Store.open(tmp_path).conflict(KEY, rows(seed=1, methods=["mine"]))
    assert "got one that has 21 test rows right and not 20" in why
    assert store.has(KEY)
    assert not store.has(replace(KEY, run=7))


def test_what_is_given_twice_counts_once(tmp_path):
    filled(tmp_path / "one")
    merge([tmp_path / "one", tmp_path / "one"], tmp_path / "a.parquet")
    merge([tmp_path / "one", tmp_path / "a.parquet"], tmp_path / "b.parquet")
    merge([tmp_path / "b.parquet", tmp_path / "a.parquet"], tmp_path / "b.parquet")
    for store in ("one", "a.parquet", "b.parquet"):
        assert read_facts([tmp_path / store]) == Facts(3, 6.0, ("x86",), ("numpy 2",))
        assert len(read_store([tmp_path / store])) == 9


def test_paths_that_are_wrong(tmp_path):
    filled(tmp_path / "one")
    (tmp_path / "text.csv").write_text("a")
    (tmp_path / "one" / "folder.parquet").mkdir()
    assert len(read_store([tmp_path / "one"])) == 9
    for wrong, what in (("typo", "nothing"), ("text.csv", "another file")):
        for read in (read_store, read_facts, lambda paths: merge(paths, tmp_path / "all.parquet")):
            with pytest.raises(InvalidInputError, match=f"got {what} at .*{wrong}; correct"):
                read([tmp_path / "one", tmp_path / wrong])
    assert not (tmp_path / "all.parquet").exists()


def test_merging_replaces_nothing_but_a_store(tmp_path):
    filled(tmp_path / "one")
    write_table(pd.DataFrame({"a": [1]}), tmp_path / "mine.parquet")
    before = (tmp_path / "mine.parquet").read_bytes()
    with pytest.raises(InvalidInputError, match="must be a file of a benchmark's store, got a"):
        merge([tmp_path / "one"], tmp_path / "mine.parquet")
    assert (tmp_path / "mine.parquet").read_bytes() == before


def test_names_that_stand_for_several_data_sets_are_told_apart(tmp_path):
    store = filled(tmp_path, runs=1)
    name = KEY.dataset
    assert set(read_store([tmp_path])["dataset"]) == {name}
    for changed in ({"data": "other!!!"}, {"n_test": 7}, {"n_test": 7, "network": "fcn-100"}):
        trial = replace(KEY, **changed)
        store.add(trial, rows(trial), FACTS)
    found = read_store([tmp_path]).groupby("dataset")["network"].unique().map(sorted).to_dict()
    assert found == {
        f"{name} hash, all test rows": ["fcn-10"],
        f"{name} hash, 7 test rows": ["fcn-10"],
        f"{name} hash": ["fcn-100"],
        f"{name} other!": ["fcn-10"],
    }
    assert Store.open(tmp_path).missing(KEY, ["cold"]) == []


def test_folders_named_like_partitions_are_folders(tmp_path):
    store = filled(tmp_path / "run=7" / "dataset=x")
    assert len(list((tmp_path / "run=7" / "dataset=x").iterdir())) == 3
    pd.testing.assert_frame_equal(
        read_store([store.folder]), read_store([filled(tmp_path / "plain").folder])
    )


def test_a_merged_file_lies_elsewhere(tmp_path):
    filled(tmp_path)
    with pytest.raises(InvalidInputError, match="--out must not lie in a store that is merged"):
        merge([tmp_path], tmp_path / "all.parquet")


def test_a_merged_file_can_be_gone_on_with(tmp_path):
    filled(tmp_path / "one")
    (tmp_path / "next").mkdir()
    merge([tmp_path / "one"], tmp_path / "next" / "before.parquet")
    assert Store.open(tmp_path / "next").missing(KEY, ["cold", "warm"]) == ["warm"]


def test_an_empty_store(tmp_path):
    Store.open(tmp_path / "store")
    with pytest.raises(InvalidInputError, match=r"must have finished trials, got none in .*store"):
        read_store([tmp_path / "store"])


@pytest.mark.parametrize("left", [0, 5, 100, -4, -1])
def test_a_file_that_is_cut_off(tmp_path, left):
    filled(tmp_path)
    path = sorted(tmp_path.glob("*.parquet"))[1]
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(InvalidInputError, match=rf"{path.name} must be a whole Parquet file"):
        Store.open(tmp_path)


def test_a_file_that_is_damaged_inside(tmp_path):
    filled(tmp_path)
    path = sorted(tmp_path.glob("*.parquet"))[0]
    content = bytearray(path.read_bytes())
    content[4:200] = bytes(196)
    path.write_bytes(bytes(content))
    with pytest.raises(InvalidInputError, match=f"{path} must be a whole Parquet file.*remove it"):
        read_store([tmp_path])


def test_another_protocol_never_mixes(tmp_path, monkeypatch):
    filled(tmp_path)
    before = sorted(path.name for path in tmp_path.iterdir())
    monkeypatch.setattr(store_module, "PROTOCOL", 2)
    with pytest.raises(InvalidInputError, match=r"must be of protocol 2, got 1: .* another folder"):
        Store.open(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_a_parquet_file_of_something_else(tmp_path):
    write_table(pd.DataFrame({"a": [1]}), tmp_path / "table.parquet")
    with pytest.raises(
        InvalidInputError, match="a Parquet file of another kind; move it elsewhere"
    ):
        Store.open(tmp_path)


def test_half_written_files_of_a_killed_writer_are_no_part(tmp_path):
    filled(tmp_path)
    (tmp_path / ".half-123.parquet").write_bytes(b"PAR1")
    assert len(read_store([tmp_path])) == 9


def test_the_store_must_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InvalidInputError, match="--store must be a folder that can be written to"):
        Store.open(tmp_path / "file")


def test_any_parquet_reader_reads_it(tmp_path):
    filled(tmp_path)
    frame = read_table(sorted(tmp_path.glob("*.parquet"))[0])
    assert list(frame.columns[:3]) == ["dataset", "network", "order"]


@pytest.mark.skipif(os.name != "posix", reason="limits of a process")
def test_a_full_disk_keeps_what_is_there(tmp_path):
    """A limit on the size of files stands for the disk: the write fails in the middle."""
    filled(tmp_path, runs=1)
    code = f"""
        import resource, signal
        from dataclasses import replace
        import pandas as pd
        from holdfast.bench.trials.protocol import Trial
        from holdfast.bench.store import Facts, Store, read_store
        from holdfast.exceptions import InvalidInputError
        store = Store.open({str(tmp_path)!r})
        rows = pd.concat([read_store([{str(tmp_path)!r}])] * 50)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))
        try:
            store.add(Trial("d", "n", "random", 1, 1, 1, 0, "h", 7), rows, Facts())
        except InvalidInputError as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert "the store must be writable, got for" in done.stdout
    assert "what was finished before is kept" in done.stdout
    assert [path.suffix for path in tmp_path.iterdir()] == [".parquet"]
    pd.testing.assert_frame_equal(read_store([tmp_path]), rows())
