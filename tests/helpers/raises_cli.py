"""Commands and promotions that cannot go on, and what the message must hold."""

from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
from tests.helpers.cases import new_file, new_folder

from holdfast.cli.bench.merge import merge
from holdfast.cli.bench.plot import _form_of as form_of_plot
from holdfast.cli.bench.run import _check_device_exists, _workers
from holdfast.cli.bench.table import _form_of as form_of_table
from holdfast.cli.bench.table import table
from holdfast.cli.checks import check_outputs, check_store, explained
from holdfast.cli.gate import _check_addresses, _check_limits
from holdfast.cli.predict import _check_kept
from holdfast.cli.train import _budget, _least
from holdfast.cli.training_rows import training_table
from holdfast.comparison import Policy
from holdfast.datasets.dataset import Dataset
from holdfast.gate import promotion
from holdfast.gate.answering import _agreed, answering_of
from holdfast.gate.predict import with_known_classes
from holdfast.models.mlflow.address import ModelAddress
from holdfast.rules import Threshold


def command(*words):
    """Run a command as the command line does, with its error raised."""
    from typer.main import get_command

    from holdfast.cli import app

    get_command(app).main([str(word) for word in words], standalone_mode=False)


def predictions(name):
    return new_file("id,prediction,truth\n1,0,0\n2,1,1\n", name)


def images(*_, **__):
    """Return a data set of images, whatever is asked for."""
    return Dataset("digits", np.zeros((2, 1, 3, 3)), [0, 1], "y", (), (), None, "", "")


def train_on_images():
    with patch("holdfast.datasets.loading.load", images):
        training_table("digits", None, [], None, None)


class Booster:
    """Has the name of a library's own booster, and no classes."""

    def predict(self, X):
        return np.zeros(len(X))


def address(name="fraud", version="1", alias=None, **options):
    given = dict.fromkeys(("address", "uri", "source"), f"models:/{name}/{version}") | options
    return ModelAddress(name=name, version=version, alias=alias, **given)


def promote(*pointed):
    """Promote version 2 in a registry whose alias points to these versions, one after another."""
    with (
        patch.object(promotion, "_pointed_at", side_effect=pointed),
        patch.object(promotion, "client"),
    ):
        promotion.promote(address(alias="champion"), address(version="2"))


def not_moved():
    with (
        patch.object(promotion, "_pointed_at", return_value="1"),
        patch.object(promotion, "client", side_effect=OSError("no answer")),
    ):
        promotion.promote(address(alias="champion"), address(version="2"))


def unsuitable():
    with explained("predicting"):
        raise ValueError("no")


BY_THRESHOLD = SimpleNamespace(rules=(Threshold(0.5, 1), Threshold(0.5, 1)), positive=1)

CASES = {
    "cli/options.py trusted_by #1": (
        lambda: command("predict", "m.skops", "a.csv", "--out", "p.csv", "--trust-file", "m.pkl"),
        "--trust-file must be PATH=SHA256, got 'm.pkl'",
    ),
    "cli/bench/merge.py merge #1": (
        lambda: merge([Path("a")], Path("out.csv")),
        "name the file 'out.parquet'",
    ),
    "cli/bench/plot.py _form_of #1": (lambda: form_of_plot(Path("a.txt")), "name the file 'a.png'"),
    "cli/bench/run.py _check_device_exists #1": (
        lambda: pytest.importorskip("torch") and _check_device_exists("xpu:77"),
        "--device must exist, got xpu:77",
    ),
    "cli/bench/run.py _workers #1": (
        lambda: _workers(2, "auto", "cpu"),
        "--workers must be left out with --ray, got 2",
    ),
    "cli/bench/table.py _form_of #1": (lambda: form_of_table(Path("a.pdf")), "the file 'a.md'"),
    "cli/bench/table.py table #1": (
        lambda: table(Path("store"), form="latex", as_json=True),
        "--format must be left out with --json",
    ),
    "cli/checks.py check_outputs #1": (
        lambda: check_outputs(new_folder()),
        "must be a file to write, got a folder or a device",
    ),
    "cli/checks.py check_outputs #2": (
        lambda: check_outputs(new_folder() / "none" / "a.html"),
        "none; create it, or choose another folder",
    ),
    "cli/checks.py check_outputs #4": (
        lambda: check_outputs(Path("a.csv"), inputs=["*.csv"]),
        "must not become part of the data, got a table in *.csv, which",
    ),
    "cli/checks.py check_store #1": (
        lambda: check_store(Path("bench"), "."),
        "got bench, which is in the data .; name another folder",
    ),
    "cli/predict.py _check_kept #1": (
        lambda: _check_kept(["id", "Prediction"], None, label=None),
        "got 'Prediction'; rename the column",
    ),
    "cli/checks.py check_outputs #3": (
        lambda: check_outputs(Path("a.html"), inputs=[Path("a.html")]),
        "that the command also reads or writes; name another output",
    ),
    "cli/checks.py explained #1": (unsuitable, "suit the model for predicting, got: no; check"),
    "cli/compare.py compare #1": (
        lambda: command(
            "compare", predictions("a.csv"), predictions("b.csv"), "--junit", new_folder() / "j.xml"
        ),
        "--junit must be given with limits, got none; give --policy, or e.g. --max-churn",
    ),
    "cli/compare.py compare #2": (
        lambda: command(
            *("compare", predictions("a.csv"), predictions("b.csv"), "--policy"),
            new_file("positive = 1\n[group_limits.recall]\nmin = 0.5\n", "p.toml"),
        ),
        "the limit group_limits needs groups, got no --group; name a column of the tables",
    ),
    "cli/rules.py costs_named #1": (
        lambda: command(
            "compare", predictions("a.csv"), predictions("b.csv"), "--utility", "balanced_accuracy"
        ),
        "--utility must be a CSV file of costs here, got 'balanced_accuracy'",
    ),
    "cli/gate.py gate #1": (
        lambda: command(
            *("gate", "--champion", "models:/a@b", "--candidate", "models:/a/2"),
            *("--data", new_file("a,y\n1,0\n", "d.csv"), "--target", "y"),
            *("--policy", new_file("per_group = 0.1", "p.toml")),
        ),
        "per_group needs groups, got no --group; name a column of the data",
    ),
    "cli/gate.py _check_addresses #1": (
        lambda: _check_addresses(address(), address(), promote=False),
        "which are the same; name the model that is to replace the champion",
    ),
    "cli/gate.py _check_limits #1": (
        lambda: _check_limits(Policy(min_gain=0.0), None),
        "name their column with --target",
    ),
    "cli/train.py train #1": (
        lambda: command("train", "iris", "--out", new_folder() / "m.skops", "--floor", "1"),
        "--floor must be 0, or at least 2, got 1",
    ),
    "cli/train.py train #2": (
        lambda: command("train", "iris", "--out", new_folder() / "m.skops", "--max-churn", "0.1"),
        "--base must be given with --max-churn, got none",
    ),
    "cli/train.py _budget #1": (
        lambda: _budget(None, ["country=DE"]),
        "--group-churn must be COLUMN=VALUE=SHARE, got 'country=DE'",
    ),
    "cli/train.py _least #1": (
        lambda: _least("--min-accuracy", "high", "a share", "0.9"),
        "--min-accuracy must be a share or 'cold', got 'high'; give e.g. 0.9",
    ),
    "cli/training_rows.py training_table #1": (
        train_on_images,
        "which holds images; train on it in Python",
    ),
    "cli/training_rows.py training_table #2": (
        lambda: training_table(
            str(new_file("a,s,target\n1,x,0\n2,y,1\n", "d.csv")), None, [], "s", None
        ),
        "--seen must name a column of true and false, got 's'",
    ),
    "gate/answering.py answering_of #1": (
        lambda: answering_of(SimpleNamespace(classes=None), [len, len], BY_THRESHOLD, None, 0.95),
        "both models must give probabilities where a rule decides, got answers alone; leave the",
    ),
    "gate/answering.py _agreed #1": (
        lambda: _agreed("the champion", Threshold(0.5, 1), Threshold(0.6, 1)),
        "leave the rule out, since the model decides by itself",
    ),
    "gate/predict.py with_known_classes #1": (
        lambda: with_known_classes(Booster(), None, [0, 1], name="--candidate"),
        "--candidate must be a booster of log loss",
    ),
    "gate/promotion.py check_experiment #1": (
        lambda: promotion.check_experiment(address(experiment_id=None), None),
        "name one with --experiment",
    ),
    "gate/promotion.py check_promotable #1": (
        lambda: promotion.check_promotable(address(), address(version="2")),
        "got models:/fraud/1; name one, or leave --promote out",
    ),
    "gate/promotion.py check_promotable #2": (
        lambda: promotion.check_promotable(address(alias="champion"), address("other")),
        "register it as a version of fraud",
    ),
    "gate/promotion.py promote #1": (
        lambda: promote("1", "1", "3"),
        "must point to version 2, to which it was moved, got version 3",
    ),
    "gate/promotion.py _check_unmoved #1": (
        lambda: promote("5"),
        "version 1, which was compared, got version 5",
    ),
    "gate/promotion.py _move #1": (not_moved, "(it points to version 1)"),
}
