"""`fit_many` against the plain PyTorch loop that trains one network after the other.

The data have 14 inputs, 2 classes, 2,000 rows and 100 validation rows; the networks have one hidden
layer and learn in batches of 32. Both sides train every network for the same number of epochs and
measure the validation loss after each.

Run: python benchmarks/fit_many_speed.py [--epochs N] [--repeats N]
Writes docs/results/fit_many_speed.json and docs/results/fit_many_speed.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from holdfast.common.files import write_text
from holdfast.nn import FullyConnected, Run, fit_many

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results" / "fit_many_speed.json"
PAGE = ROOT / "docs" / "results" / "fit_many_speed.md"
N, N_VALIDATION, N_FEATURES, BATCH = 2000, 100, 14, 32
# For each width: networks for `fit_many`, networks for the loop, ratio to reach.
SIZES = {10: (1024, 2, 50), 100: (512, 2, 30), 1000: (128, 2, 6)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N + N_VALIDATION, N_FEATURES)).astype(np.float32)
    y = (X[:, 0] + 0.5 * rng.normal(size=len(X)) > 0).astype(np.int64)
    result = {
        "epochs": arguments.epochs,
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "rows": [
            compare_width(width, X, y, arguments.epochs, arguments.repeats) for width in SIZES
        ],
    }
    write_text(RESULTS, json.dumps(result, indent=1) + "\n")
    write_text(PAGE, page(result))
    print(page(result))


def compare_width(width: int, X: Any, y: Any, epochs: int, repeats: int) -> dict[str, Any]:
    many, few, goal = SIZES[width]
    module = partial(FullyConnected, N_FEATURES, 2, width=width)
    runs = [Run(np.arange(N), np.arange(N, len(X)), seed=seed) for seed in range(many)]
    options = {"max_epochs": epochs, "patience": None}
    fit_many(module, runs[:64], X, y, **options, n_jobs=-1)  # starts its processes
    seconds: dict[str, list[float]] = {"loop": [], "fused_loop": [], "fit_many": []}
    # Both sides take turns, so that a busy moment of the machine hits both.
    for _ in range(repeats):
        start = time.perf_counter()
        networks = fit_many(module, runs, X, y, **options, n_jobs=-1)
        seconds["fit_many"].append((time.perf_counter() - start) / many / epochs)
        for name, fused in (("loop", False), ("fused_loop", True)):
            took, losses = loop(module, X, y, few, epochs, fused)
            seconds[name].append(took)
            check_alike(losses, [network.validation_losses[-1] for network in networks])
    medians = {name: median(values) for name, values in seconds.items()}
    return {
        "width": width,
        "networks": many,
        "milliseconds_per_epoch": {name: 1000 * value for name, value in medians.items()},
        "ratio": medians["loop"] / medians["fit_many"],
        "ratio_to_fused": medians["fused_loop"] / medians["fit_many"],
        "to_reach": goal,
    }


def loop(
    module: Any, X: Any, y: Any, n_networks: int, epochs: int, fused: bool
) -> tuple[float, list[float]]:
    """Return seconds per network and epoch with the better number of threads, and last losses."""
    rows = [torch.from_numpy(part) for part in (X[:N], y[:N], X[N:], y[N:])]
    found = []
    for threads in sorted({1, os.cpu_count() or 1}):
        torch.set_num_threads(threads)
        train(module, 0, *rows, 1, fused)  # warm
        start = time.perf_counter()
        losses = [train(module, seed, *rows, epochs, fused) for seed in range(n_networks)]
        found.append(((time.perf_counter() - start) / n_networks / epochs, losses))
    return min(found)


def train(
    module: Any,
    seed: int,
    x: Tensor,
    y: Tensor,
    x_validation: Tensor,
    y_validation: Tensor,
    epochs: int,
    fused: bool,
) -> float:
    """Train one network in a plain loop, and return its last validation loss."""
    torch.manual_seed(seed)
    network, criterion = module(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters(), fused=fused)
    value = float("nan")
    for _ in range(epochs):
        network.train()
        for batch in torch.randperm(len(x)).split(BATCH):
            loss = criterion(network(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.no_grad():
            value = criterion(network(x_validation), y_validation).item()
    return value


def check_alike(ours: list[float], theirs: list[float]) -> None:
    """End the script unless both sides have learned the same, up to the order of the rows."""
    if abs(np.mean(ours) - np.mean(theirs)) > 0.1 * np.mean(theirs):
        raise SystemExit(f"validation losses differ: {np.mean(ours)} and {np.mean(theirs)}")


def page(result: dict[str, Any]) -> str:
    lines = [
        "# `fit_many` against a plain PyTorch loop",
        "",
        "The data have 14 inputs, 2 classes and 2,000 rows. Training takes "
        f"{result['epochs']} epochs in batches of 32, on {result['cores']} cores with PyTorch "
        f"{result['torch']}.",
        "The table has milliseconds for one network and one epoch, validation loss included. The",
        "loop trains one network after the other, with one thread or all, whichever is faster;",
        "`fit_many` has a process for each core. *Fused* is the same loop with",
        "`torch.optim.Adam(fused=True)`. Times are medians, with both sides in one run.",
        "`python benchmarks/fit_many_speed.py` makes this page.",
        "",
        "| hidden units | networks | loop | fused loop | fit_many | ratio to the loop | to reach "
        "| ratio to the fused loop |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in result["rows"]:
        took = row["milliseconds_per_epoch"]
        lines.append(
            f"| {row['width']:,} | {row['networks']:,} | {took['loop']:.1f} "
            f"| {took['fused_loop']:.1f} | {took['fit_many']:.2f} | {row['ratio']:.1f} "
            f"| {row['to_reach']} | {row['ratio_to_fused']:.1f} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
