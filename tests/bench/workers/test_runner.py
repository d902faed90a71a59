"""Running a suite: resumed after any death, here and on a cluster, with the same rows."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from holdfast.bench.store import Store, read_store
from holdfast.bench.trials.data import read
from holdfast.bench.trials.suites import Sizes, suite_of
from holdfast.bench.workers.local import LocalWorkers
from holdfast.bench.workers.runner import Job, Report, Result, run_suite, work
from holdfast.cli import app
from holdfast.exceptions import InvalidInputError
from holdfast.tables import read_table, write_table

pytestmark = pytest.mark.slow

BOOSTER = "hist_gradient_boosting"
SMALL = Sizes(n_init=40, n_val=10, n_batch=40, n_test=50)
OPTIONS = ["--n-init", "40", "--n-val", "10", "--n-batch", "40", "--n-test", "50"]
OPTIONS += ["--network", BOOSTER, "--method", "override", "--target", "label"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Numbers and categories with missing values, three classes."""
    rng = np.random.default_rng(0)
    n = 600
    frame = pd.DataFrame({"size": rng.normal(size=n), "weight": rng.normal(size=n)})
    frame["colour"] = rng.choice(["red", "green", None], n)
    frame.loc[rng.random(n) < 0.1, "size"] = np.nan
    score = frame["weight"] + (frame["colour"] == "red")
    frame["label"] = np.array(["low", "mid", "high"])[np.digitize(score, [0.0, 1.0])]
    path = tmp_path_factory.mktemp("data") / "mine.parquet"
    write_table(frame, path)
    return path


class InProcess:
    """Runs jobs here, one after the other."""

    def run(self, jobs: Iterator[Job]) -> Iterator[Result]:
        for job in jobs:
            yield work(job)


def small(table, **changed):
    suite = replace(suite_of(str(table), target="label"), sizes=SMALL, networks=(BOOSTER,))
    return replace(suite, **changed)


def run(suite, store, *, runs=3, methods=("override",), workers=None):
    return run_suite(suite, store, workers or InProcess(), runs=runs, methods=methods)


def test_only_what_is_missing_is_run(table, tmp_path):
    suite = small(table)
    assert run(suite, Store.open(tmp_path), runs=2) == Report(finished=2)
    before = read_store([tmp_path])
    assert run(suite, Store.open(tmp_path), runs=3) == Report(finished=1, there=2)
    after = read_store([tmp_path])
    pd.testing.assert_frame_equal(after[after["run"] < 2], before)
    more = run(suite, Store.open(tmp_path), runs=3, methods=["override", "average"])
    assert more == Report(finished=3)
    assert set(read_store([tmp_path])["method"]) == {"cold", "override", "average"}
    assert run(suite, Store.open(tmp_path), methods=["average"]) == Report(there=3)


def test_processes_give_the_same_rows(table, tmp_path):
    run(small(table), Store.open(tmp_path / "here"))
    run(small(table), Store.open(tmp_path / "there"), workers=LocalWorkers(2))
    pd.testing.assert_frame_equal(read_store([tmp_path / "here"]), read_store([tmp_path / "there"]))


def test_what_fails_leaves_the_others(table, tmp_path):
    too_many = small(table, sizes=Sizes(n_init=5000))
    report = run(too_many, Store.open(tmp_path), runs=4)
    assert (report.finished, report.left_out) == (0, 3)
    (why,) = report.failures.values()
    assert "the training part of mine:label must have 6,100 rows" in why
    both = small(table, networks=("convnet-1", BOOSTER))
    report = run(both, Store.open(tmp_path), methods=["distill"])
    assert report.finished == 3
    assert list(report.failures) == ["mine:label × convnet-1"]


def test_what_another_computation_has_begun_is_left_out_and_the_rest_is_run(table, tmp_path):
    class Elsewhere(InProcess):
        def run(self, jobs):
            for result in super().run(jobs):
                yield replace(result, rows=result.rows.assign(base_correct=1))

    run(small(table), Store.open(tmp_path), runs=3, methods=["distill"])
    report = run(small(table), Store.open(tmp_path), runs=5, workers=Elsewhere())
    assert (report.finished, report.left_out, len(report.failures)) == (2, 2, 1)
    assert "must have the base model" in report.failures[f"mine:label × {BOOSTER}"]


def test_an_error_of_any_kind_names_the_trial(table, tmp_path, monkeypatch):
    from holdfast.bench.trials import trial

    def fail(*args, **options):
        raise MemoryError("no room")

    monkeypatch.setattr(trial, "run_trial", fail)
    report = run(small(table), Store.open(tmp_path))
    (why,) = report.failures.values()
    assert why.startswith(
        f"mine:label × {BOOSTER} (random, 40/10/40, run 0) ended with MemoryError: no"
    )


def test_a_set_that_cannot_be_loaded_leaves_the_others(table, tmp_path):
    from holdfast.bench.trials.data import Source

    good = small(table)
    bad = Source(str(table), "no_such_column")
    report = run(small(table, sources=(bad, *good.sources)), Store.open(tmp_path), runs=1)
    assert report.finished == 1
    assert "target must be one of" in report.failures["mine:no_such_column"]


def test_columns_that_cannot_be_encoded_are_named(table, tmp_path):
    plain = read_table(table)
    infinite = plain.assign(price=np.where(plain.index == 3, np.inf, 1.0))
    lists = plain.assign(parts=[[1, 2]] * len(plain))
    for name, frame, match in (
        ("infinite", infinite, "infinite values in 'price'"),
        ("lists", lists, r"got \['parts'\]"),
    ):
        write_table(frame, tmp_path / f"{name}.parquet")
        suite = suite_of(str(tmp_path / f"{name}.parquet"), target="label")
        suite = replace(suite, sizes=SMALL, networks=("fcn-10",))
        (why,) = run(suite, Store.open(tmp_path / "store"), runs=1).failures.values()
        assert re.search(match, why)


def test_what_no_data_set_suits_is_told_before_anything_is_run(table, tmp_path):
    started = []
    suite = small(table, networks=("transformer-1", "convnet-1"))
    report = run_suite(suite, Store.open(tmp_path), InProcess(), runs=2, started=started.append)
    assert started == [0]
    assert list(report.failures) == ["mine:label × transformer-1", "mine:label × convnet-1"]
    assert all("--network must suit mine:label" in why for why in report.failures.values())


def test_a_data_set_may_be_named_without_the_target(table):
    suite = suite_of(str(table), target="label")
    assert suite.narrowed(datasets=["mine"]) == suite.narrowed(datasets=["mine:label"]) == suite


def test_a_target_is_part_of_a_trial(table, tmp_path):
    frame = read_table(table).assign(known=lambda f: f["colour"].isna().astype(str))
    write_table(frame, tmp_path / "two.parquet")
    for target in ("label", "known"):
        suite = suite_of(str(tmp_path / "two.parquet"), target=target)
        suite = replace(suite, sizes=SMALL, networks=(BOOSTER,))
        assert run(suite, Store.open(tmp_path / "store"), runs=1).finished == 1
    assert set(read_store([tmp_path / "store"])["dataset"]) == {"two:label", "two:known"}


def test_a_file_that_changes_meanwhile(table):
    suite = small(table)
    (trial,) = suite.trials(suite.sources[0], "old", 0)
    result = work(Job(trial, suite.sources[0], ("cold",)))
    assert "must stay as it is while it is used" in result.error


# --- deaths ---------------------------------------------------------------------------------------


def command(table, store, *more):
    code = "from holdfast.cli import main; main()"
    arguments = ["bench", "run", str(table), "--store", str(store), *OPTIONS, *more]
    return [sys.executable, "-c", code, *arguments]


def children_of(pid):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return [int(line) for line in found.stdout.split()]


def alive(pids):
    return [pid for pid in pids if os.path.exists(f"/proc/{pid}")]


@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks for processes in /proc")
def test_killed_again_and_again_the_store_is_that_of_an_undisturbed_run(table, tmp_path):
    arguments = ("--runs", "6", "--workers", "2")
    kills, moments = 0, np.random.default_rng(1)
    while True:
        there = len(list(tmp_path.glob("killed/[!.]*.parquet")))
        process = subprocess.Popen(command(table, tmp_path / "killed", *arguments))
        while kills < 3 and process.poll() is None:
            if len(list(tmp_path.glob("killed/[!.]*.parquet"))) > there:
                time.sleep(moments.uniform(0, 0.2))
                workers = children_of(process.pid)
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.01)
        if process.wait(timeout=60) == 0:
            break
        assert process.returncode == -signal.SIGKILL
        end = time.monotonic() + 10
        while alive(workers) and time.monotonic() < end:
            time.sleep(0.05)
        assert alive(workers) == []  # no worker outlives its parent
    assert kills == 3
    run(small(table), Store.open(tmp_path / "undisturbed"), runs=6)
    pd.testing.assert_frame_equal(
        read_store([tmp_path / "killed"]), read_store([tmp_path / "undisturbed"])
    )


def kill_workers():
    """Kill the processes of LocalWorkers; those that train networks have another class."""
    for process in multiprocessing.active_children():
        if isinstance(process, multiprocessing.get_context("spawn").Process):
            process.kill()


def test_jobs_of_a_worker_that_dies_are_run_again(table, tmp_path):
    class Killing:
        def run(self, jobs):
            for number, result in enumerate(LocalWorkers(1).run(jobs)):
                yield result
                if number == 1:
                    kill_workers()

    report = run(small(table), Store.open(tmp_path / "killed"), runs=5, workers=Killing())
    assert report == Report(finished=5)
    run(small(table), Store.open(tmp_path / "here"), runs=5)
    pd.testing.assert_frame_equal(
        read_store([tmp_path / "killed"]), read_store([tmp_path / "here"])
    )


def test_no_job_is_lost_to_workers_that_are_gone_when_it_is_handed_out(table):
    suite = small(table)
    (source,) = suite.sources
    trials = [*suite.trials(source, read(source).sha, 0)] * 4
    results = LocalWorkers(1).run(iter([Job(trial, source, ("cold",)) for trial in trials]))
    answered = [next(results)]
    kill_workers()
    time.sleep(1)  # until the pool has seen it
    answered += results
    assert len(answered) == 4
    assert {result.error for result in answered} == {None}


def test_a_job_that_its_worker_dies_of_is_told(table, tmp_path):
    over = threading.Event()

    def kill_all_the_time():
        while not over.wait(0.05):
            kill_workers()

    thread = threading.Thread(target=kill_all_the_time)
    thread.start()
    try:
        report = run(small(table), Store.open(tmp_path), runs=2, workers=LocalWorkers(1))
    finally:
        over.set()
        thread.join()
    assert report.finished == 0
    (why,) = report.failures.values()
    assert "must have enough memory, got a process that died" in why


def test_ctrl_c_keeps_what_is_finished(table, tmp_path):
    process = subprocess.Popen(
        command(table, tmp_path / "store", "--runs", "500", "--workers", "1"),
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(tmp_path.glob("store/[!.]*.parquet")):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert (process.returncode, told) == (
        130,
        "holdfast: interrupted; run the same command to continue\n",
    )
    assert len(read_store([tmp_path / "store"])) > 0


# --- a cluster ------------------------------------------------------------------------------------


def test_a_node_of_a_cluster_dies(table, tmp_path):
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    from holdfast.bench.workers.ray import RayWorkers

    options = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=options)
    try:
        second = cluster.add_node(**options)
        cluster.wait_for_nodes()

        class Killing:
            def run(self, jobs):
                for number, result in enumerate(RayWorkers(cluster.address).run(jobs)):
                    yield result
                    if number == 2:
                        cluster.remove_node(second, allow_graceful=False)

        report = run(small(table), Store.open(tmp_path / "ray"), runs=8, workers=Killing())
    finally:
        cluster.shutdown()
    assert report == Report(finished=8)
    run(small(table), Store.open(tmp_path / "here"), runs=8)
    pd.testing.assert_frame_equal(read_store([tmp_path / "ray"]), read_store([tmp_path / "here"]))


def test_a_cluster_that_is_lost_ends_the_command_and_keeps_what_is_finished(table, tmp_path):
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 1, "object_store_memory": 80_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=options)
    try:
        arguments = ("--runs", "500", "--ray", cluster.address)
        started = subprocess.Popen(
            command(table, tmp_path / "ray", *arguments), stderr=subprocess.PIPE, text=True
        )
        while not list(tmp_path.glob("ray/[!.]*.parquet")) and started.poll() is None:
            time.sleep(0.1)
    finally:
        cluster.shutdown()
    _, told = started.communicate(timeout=120)
    assert started.returncode == 2, told
    assert "--ray must stay connected to its cluster, got" in told
    assert len(read_store([tmp_path / "ray"]))


def test_an_address_without_a_cluster(table, tmp_path):
    pytest.importorskip("ray")
    from holdfast.bench.workers.ray import RayWorkers

    for address in ("127.0.0.1:1", "auto", "ray://127.0.0.1:1"):
        with pytest.raises(InvalidInputError, match=rf"--ray must be the address .* got {address}"):
            run(small(table), Store.open(tmp_path), workers=RayWorkers(address))


# --- the command ----------------------------------------------------------------------------------


def invoke(*arguments):
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


def test_the_command(table, tmp_path):
    arguments = ["run", table, "--store", tmp_path, *OPTIONS, "--runs", "2", "--workers", "1"]
    first = invoke(*arguments)
    assert first.exit_code == 0
    assert first.stdout.startswith(f"2 trials finished; store: {tmp_path}\nnext: holdfast bench")
    again = invoke(*arguments, "--json")
    assert '"finished": 0' in again.stdout
    assert '"there": 2' in again.stdout


def test_the_command_tells_what_failed(table, tmp_path):
    bad = invoke("run", table, "--store", tmp_path, *OPTIONS, "--n-init", "5000", "--workers", "1")
    assert bad.exit_code == 2
    assert "mine:label × hist_gradient_boosting: the training part of mine:label" in bad.stderr


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["run", "opnml"], "SUITE must be one of 'openml'"),
        (["run", "openml", "--dataset", "adlut"], "did you mean 'adult'"),
        (
            ["run", "openml", "--network", "fcn"],
            "--network must be fcn-x, convnet-x or transformer-x",
        ),
        (["run", "openml", "--network", "fcn-0"], "with x from 1 to 9,999,999, resnet-50, "),
        (["run", ""], "SUITE must be one of 'openml'"),
        (["run", "stream", "--n-test", "7"], "--n-test must be left out in the order of time"),
        (["run", "openml", "--device", "gpu"], "--device must be cpu, cuda, cuda:0"),
        (["run", "openml", "--device", "cuda:99"], "--device must exist, got cuda:99"),
        (["run", "trees", "--device", "cuda"], "--device must be left out for boosters, got cuda"),
        (["run", "openml", "--method", "destill"], "did you mean 'distill'"),
        (
            ["run", "openml", "--network", "hist_gradient_boosting", "--method", "warm"],
            "hist_gradient_boosting can train, got warm",
        ),
        (["run", "openml", "--runs", "0"], "--runs must be an integer of at least 1"),
        (["run", "openml", "--n-val", "0"], "--n-val must be an integer of at least 1"),
        (["run", "openml", "--workers", "-1"], "--workers must be an integer of at least 0"),
        (["run", "openml", "--workers", "2", "--ray", "auto"], "must be left out with --ray"),
        (["merge", "none", "--out", "all.csv"], "--out must end in .parquet"),
        (["merge", "none", "--out", "all.parquet"], "got nothing at none; correct the path"),
    ],
)
def test_wrong_use(arguments, match, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code != 0
    assert isinstance(result.exception, InvalidInputError)
    assert match in str(result.exception)


def test_merging_by_command(table, tmp_path):
    run(small(table), Store.open(tmp_path / "a"), runs=1)
    run(small(table), Store.open(tmp_path / "b"), runs=2)
    merged = invoke("merge", tmp_path / "a", tmp_path / "b", "--out", tmp_path / "all.parquet")
    assert merged.exit_code == 0
    first = len(read_store([tmp_path / "a"]))
    assert f"left out: {first} rows of trials that are there more than once" in merged.stdout
    pd.testing.assert_frame_equal(
        read_store([tmp_path / "all.parquet"]), read_store([tmp_path / "b"])
    )
    alone = invoke("merge", tmp_path / "b", "--out", tmp_path / "b.parquet")
    assert "left out" not in alone.stdout
