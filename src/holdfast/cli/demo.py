"""`holdfast demo`: the whole job on real data, from a base model to a report."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from holdfast.cli.checks import check_outputs, check_report, check_seed_and_jobs, explained
from holdfast.cli.learners import make_learner
from holdfast.cli.options import JSON_OPTION, REPORT_OPTION
from holdfast.cli.output import percent, print_json, print_table, progress, say, write_report

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from holdfast.comparison.result import Comparison
    from holdfast.datasets.dataset import Dataset
    from holdfast.update.classifier import LowChurnClassifier

OLD_SHARE = 1 / 3
FLOOR_MODELS = 3
BUDGETS = (0.01, 0.02, 0.04)


def demo(
    data: Annotated[
        str, typer.Option(help="Name of a data set, or a Parquet, CSV or Arrow file.")
    ] = "digits",
    target: Annotated[str | None, typer.Option(help="Column with the label.")] = None,
    learner: Annotated[str, typer.Option(help="Learner: linear, trees or forest.")] = "linear",
    budget: Annotated[
        list[float] | None,
        typer.Option(help="Churn budget; repeatable [default: 0.01, 0.02, 0.04]."),
    ] = None,
    mixture: Annotated[
        list[str] | None,
        typer.Option(
            help="Kind of served model: average, single or override; repeatable "
            "[default: average, override]."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Random seed of splits and learners.")] = 0,
    jobs: Annotated[int, typer.Option(help="Number of candidates that are fitted at once.")] = 1,
    report: Annotated[Path, REPORT_OPTION] = Path("report.html"),
    as_json: Annotated[bool, JSON_OPTION] = False,
) -> None:
    """Train a base model on older rows, then retrain it plainly and under churn budgets.

    All models are measured on rows that were used neither for training nor for selection. The
    command works offline.
    """
    from holdfast.datasets.loading import load

    check_report(report)
    check_seed_and_jobs(seed, jobs)
    check_outputs(report, inputs=[data])
    update = _Update(load(data, target=target), learner, seed, jobs)
    start = time.perf_counter()
    kinds = [(b, m) for b in budget or BUDGETS for m in mixture or ("average", "override")]
    n_steps = len(kinds) + 2
    with progress(f"step 1 of {n_steps}: plain retraining") as step, explained("training"):
        lines = [update.cold()]
        for i, (limit, kind) in enumerate(kinds, 2):
            first = "the path of candidates, and " if i == 2 else ""
            step(f"step {i} of {n_steps}: {first}{kind} under {percent(limit)}")
            lines.append(update.budgeted(limit, kind))
        step(f"step {n_steps} of {n_steps}: measuring the churn floor")
        summary = update.summary(lines)
    write_report(report, summary)
    if as_json:
        print_json({"data": update.data.name, "rows": update.n_rows} | _plain_lines(lines))
        return
    _print(update, lines, report, time.perf_counter() - start)


@dataclass(frozen=True, eq=False)
class _Line:
    """One retraining, measured against the base model on the test rows."""

    name: str
    budget: float | None
    comparison: Comparison
    model: Any

    @property
    def status(self) -> str | None:
        from holdfast.comparison.shares import judge

        if self.budget is None:
            return None
        return judge(self.comparison.churn_rate_interval, self.budget)

    @property
    def kept(self) -> str:
        """The status in words: whether the budget is kept."""
        if self.budget is None or self.status is None:
            return "–"
        if self.status == "underpowered":
            over = self.comparison.churn_rate > self.budget
            return "over, within noise" if over else "kept, within noise"
        return {"pass": "kept", "fail": "broken"}[self.status]

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, in the form of the report's table of budgets."""
        comparison = self.comparison
        return {
            "name": self.name,
            "budget": self.budget,
            "accuracy": comparison.accuracy_new,
            "accuracy_interval": list(comparison.accuracy_new_interval or ()),
            "accuracy_gain": comparison.accuracy_gain,
            "churn_rate": comparison.churn_rate,
            "churn_rate_interval": list(comparison.churn_rate_interval),
            "negative_flip_rate": comparison.negative_flip_rate,
            "status": self.status,
        }


class _Update:
    """A base model trained on the older rows, and the retrainings that are compared with it."""

    def __init__(self, data: Dataset, learner: str, seed: int, jobs: int) -> None:
        from sklearn.base import clone

        self.data, self.seed, self.jobs = data, seed, jobs
        parts = data.train_test(random_state=seed)
        self.test = parts.test
        self.train = parts.train
        self.seen = self._older_rows()
        self.learner = make_learner(learner, data.X, seed)
        self.base = clone(self.learner).fit(*self._rows(self.train[self.seen]))
        self.X_test, self.y_test = self._rows(self.test)
        self.base_pred = self.base.predict(self.X_test)

    @property
    def n_rows(self) -> dict[str, int]:
        """The number of rows of each part."""
        old = int(self.seen.sum())
        return {"base": old, "retraining": len(self.train), "test": len(self.test)}

    def _older_rows(self) -> NDArray[Any]:
        """Return a mask of the older training rows, which are the first third of each class."""
        import pandas as pd

        labels = pd.Series(self.data.y[self.train])
        groups = labels.groupby(labels)
        return (groups.cumcount() < OLD_SHARE * groups.transform("size")).to_numpy()

    def _rows(self, index: NDArray[Any]) -> tuple[pd.DataFrame, NDArray[Any]]:
        return self.data.X.iloc[index], self.data.y[index]

    def cold(self) -> _Line:
        """Retrain plainly on all rows."""
        from sklearn.base import clone

        return self._measured("cold start", None, clone(self.learner).fit(*self._rows(self.train)))

    def budgeted(self, max_churn: float, mixture: str) -> _Line:
        """Retrain on all rows within a budget."""
        model = self._path.with_budget(max_churn=max_churn, mixture=mixture)
        return self._measured(mixture, max_churn, model)

    @cached_property
    def _path(self) -> LowChurnClassifier:
        """The update with all candidates, trained once. Every budget selects from them."""
        from holdfast import LowChurnClassifier

        model = LowChurnClassifier(
            self.learner, self.base, n_jobs=self.jobs, random_state=self.seed
        )
        return model.fit(*self._rows(self.train), seen_by_base=self.seen)

    def _floor(self) -> float:
        from holdfast.update.floor import churn_floor

        return churn_floor(
            self.learner,
            *self._rows(self.train),
            test=(self.X_test, self.y_test),
            vary="bootstrap",
            n_models=FLOOR_MODELS,
            n_jobs=self.jobs,
            random_state=self.seed,
        ).churn_rate

    def _measured(self, name: str, budget: float | None, model: Any) -> _Line:
        from holdfast.comparison.compare import compare

        new_pred = model.predict(self.X_test)
        return _Line(name, budget, compare(self.base_pred, new_pred, self.y_test), model)

    def summary(self, lines: list[_Line]) -> dict[str, Any]:
        """Return what the report shows: all budgets, and the middle one in detail."""
        from holdfast.report.update import MeasuredRows, summarise_update

        detailed = lines[1:][(len(lines) - 1) // 2]
        model = detailed.model
        base_proba = self.base.predict_proba(self.X_test)
        summary = summarise_update(
            model,
            MeasuredRows(self.X_test, self.y_test, self.base_pred, base_proba, detailed.comparison),
            title=f"Updating a model of {self.data.name}",
            facts={
                "data": self.data.name,
                "source": self.data.source,
                "sha256": self.data.sha256,
                "rows": self.n_rows | {"selection": model.selection_.n},
                "seed": self.seed,
            },
            floor=self._floor(),
        )
        return summary | {
            "subtitle": f"In detail: {detailed.name} under a budget of {percent(detailed.budget)}",
            "budgets": [line.to_dict() for line in lines],
        }


def _plain_lines(lines: list[_Line]) -> dict[str, Any]:
    return {"accuracy_base": lines[0].comparison.accuracy_base} | {
        "results": [line.to_dict() for line in lines]
    }


def _print(update: _Update, lines: list[_Line], report: Path, seconds: float) -> None:
    rows, base = update.n_rows, lines[0].comparison
    say(
        f"{update.data.name}: base model on {rows['base']:,} older rows, retraining on "
        f"{rows['retraining']:,}, measured on {rows['test']:,} others"
    )
    say(f"base model: accuracy {percent(base.accuracy_base)}")
    print_table(
        ["retraining", "budget", "accuracy", "churn (interval)", "negative flips", "on these rows"],
        [
            [
                line.name,
                "–" if line.budget is None else f"{line.budget:.0%}",
                percent(line.comparison.accuracy_new),
                percent(line.comparison.churn_rate, line.comparison.churn_rate_interval),
                percent(line.comparison.negative_flip_rate),
                line.kept,
            ]
            for line in lines
        ],
    )
    say(f"report: {report}   ({seconds:.0f} s)")
