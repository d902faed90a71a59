"""Draw risk against churn: distillation at nine λ, and a solver that is given the constraint.

The model is multinomial logistic regression on the wine data, with log loss and KL, measured on the
training rows, as tests/flows/test_theory.py compares them.

Run: python benchmarks/theory_figure.py
Writes docs/images/theory.svg.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import matplotlib as mpl
import numpy as np

from holdfast.methods.grid import GRID
from holdfast.metrics import churn_divergence, risk

ROOT = Path(__file__).parents[1]
FIGURE = ROOT / "docs" / "images" / "theory.svg"


def main() -> None:
    spec = importlib.util.spec_from_file_location(
        "theory", ROOT / "tests" / "flows" / "test_theory.py"
    )
    assert spec is not None
    assert spec.loader is not None
    theory = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theory)
    X, y, g = theory.data("wine")
    points = [(churn_divergence(g, h), risk(y, h)) for h in theory.distilled(X, y, g)]
    churns = np.geomspace(points[-1][0], points[0][0], 40)
    line = [(churn, theory.constrained(X, y, g, churn)[2]) for churn in churns]
    draw(points, line)


def draw(points: list[tuple[float, float]], line: list[tuple[float, float]]) -> None:
    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "holdfast"  # the same bytes each time
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(6.4, 3.6), layout="constrained")
    axes.plot(*zip(*line, strict=True), color="#8a94a3", label="explicit constraint (CVXPY)")
    axes.plot(*zip(*points, strict=True), "o", color="#1f5fbf", label="distillation, λ = .1 … .9")
    for lam, (churn, loss) in zip(GRID, points, strict=True):
        if lam in (0.1, 0.5, 0.9):
            axes.annotate(f"λ = {lam}", (churn, loss), xytext=(6, 6), textcoords="offset points")
    axes.set(xlabel="churn: mean KL(g ‖ h)", ylabel="risk: mean log loss")
    axes.legend(frameon=False)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(FIGURE, metadata={"Date": None})


if __name__ == "__main__":
    main()
