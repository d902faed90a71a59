"""A whole benchmark trial against the plain loop that trains one network after the other.

The data set is electricity with 1,000/100/1,000 rows, the network has one hidden layer of 1,000
units, and every setting of every method is trained. Both sides see the same rows, train the same
settings until five epochs have brought no better validation loss, and are measured on the whole
test part. They differ in how networks are trained and asked. The plain side is PyTorch as one would
write it. It uses one thread or one for each core, whichever trains a first few networks faster. One
whole trial runs before, unmeasured, as in a worker that runs many.

Run: python benchmarks/trial_speed.py [--runs N]
Reads electricity from HOLDFAST_DATA, else from OpenML. Writes docs/results/trial_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from holdfast.bench.trials import trial as trial_module
from holdfast.bench.trials.contenders import chosen, cost
from holdfast.bench.trials.data import Source, read
from holdfast.bench.trials.protocol import Trial
from holdfast.common.files import write_text
from holdfast.methods import CoDistillation, Cold, Constrained, Mixup

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "trial_speed.json"
BATCH, PATIENCE = 32, 5
GOAL = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2, help="trials, one after the other")
    runs = parser.parse_args().runs
    data = read(Source("electricity"))
    trial_module.run_trial(key(data, 99), data, chosen(), n_jobs=None)  # starts its processes
    rows = [compare(key(data, run), data) for run in range(runs)]
    ratio = sum(row["plain_seconds"] for row in rows) / sum(row["seconds"] for row in rows)
    result = {
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "networks": sum(cost(m) for m in trained_settings()),
        "settings": sum(map(len, chosen().values())),
        "trials": rows,
        "ratio": ratio,
        "to_reach": GOAL,
    }
    write_text(RESULTS, json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def key(data: Any, run: int) -> Trial:
    return Trial("electricity", "fcn-1000", "random", 1000, 100, 1000, 0, data.sha, run)


def trained_settings() -> set[Any]:
    return {method.trained for methods in chosen().values() for method in methods}


def compare(trial: Trial, data: Any) -> dict[str, float]:
    torch.set_num_threads(os.cpu_count() or 1)  # the default, which the plain side changes
    start = time.perf_counter()
    ours = trial_module.run_trial(trial, data, chosen(), n_jobs=None)
    seconds = time.perf_counter() - start
    made = trial_module.models_of
    trial_module.models_of = Plain  # type: ignore[assignment]
    try:
        start = time.perf_counter()
        theirs = trial_module.run_trial(trial, data, chosen())
        plain_seconds = time.perf_counter() - start
    finally:
        trial_module.models_of = made
    accuracy = [float((frame["correct"] / frame["n"]).mean()) for frame in (ours, theirs)]
    churn = [float((frame["changed"] / frame["n"]).mean()) for frame in (ours, theirs)]
    return {
        "seconds": seconds,
        "plain_seconds": plain_seconds - Plain.choosing_seconds,
        "threads_of_plain": float(torch.get_num_threads()),
        "mean_accuracy": accuracy[0],
        "plain_mean_accuracy": accuracy[1],
        "mean_churn": churn[0],
        "plain_mean_churn": churn[1],
    }


class Plain:
    """Trains and asks one network after the other."""

    choosing_seconds = 0.0

    def __init__(self, network: Any, X: Any, y: Any, n_classes: int, **options: Any) -> None:
        self.module = network.module(X.shape[1:], n_classes)
        self.X, self.y, self.n_classes = torch.from_numpy(X), y, n_classes

    def fit(self, trainings: Any, rows: Any) -> list[nn.Module]:
        if trainings[0].base is not None:
            self.choose_threads(trainings[0], rows)
        return [self.train(training, rows) for training in trainings]

    def choose_threads(self, training: Any, rows: Any) -> None:
        start = time.perf_counter()
        found = []
        for threads in sorted({1, os.cpu_count() or 1}):
            torch.set_num_threads(threads)
            self.train(training, rows)  # warm
            before = time.perf_counter()
            self.train(training, rows)
            found.append((time.perf_counter() - before, threads))
        torch.set_num_threads(min(found)[1])
        Plain.choosing_seconds = time.perf_counter() - start

    def train(self, training: Any, rows: Any) -> nn.Module:
        method, base = training.method, training.base
        peers = 2 if isinstance(method, CoDistillation) else 1
        networks = [self.fresh(method, base, training.seed + k) for k in range(peers)]
        optimizers = [torch.optim.Adam(network.parameters()) for network in networks]
        y = self.y[rows.train]
        if base is None or isinstance(method, Cold):
            target = nn.functional.one_hot(torch.from_numpy(y), self.n_classes).float()
        else:
            soft = method.target(y, base.proba[rows.train], np.arange(self.n_classes))
            target = torch.from_numpy(soft).float()
        x, held, truth = self.X[rows.train], self.X[rows.validation], self.y[rows.validation]
        multiplier = None
        if isinstance(method, Constrained):
            multiplier = Multiplier(method, torch.from_numpy(base.proba[rows.train]).float())
        best, best_state, stale = (np.inf, np.inf), None, 0
        while stale < PATIENCE:
            for batch in torch.randperm(len(x)).split(BATCH):
                wanted = target[batch]
                if multiplier is not None:
                    wanted = multiplier.teach(wanted, batch)
                outputs = self.step(method, networks, optimizers, x[batch], wanted)
                if multiplier is not None:
                    multiplier.ascend(outputs, batch)
            with torch.no_grad():
                loss = nn.functional.cross_entropy(networks[0](held), torch.from_numpy(truth))
            stale += 1
            reached = (multiplier.excess() if multiplier is not None else 0.0, loss.item())
            if reached < best:
                best, stale = reached, 0
                best_state = deepcopy(networks[0].state_dict())
        networks[0].load_state_dict(best_state)
        return networks[0]

    def fresh(self, method: Any, base: Any, seed: int) -> nn.Module:
        torch.manual_seed(seed)
        network = self.module()
        if base is not None and "start" in method.changes:
            drawn = network.state_dict()
            state = {name: method.start(value, base.state[name]) for name, value in drawn.items()}
            network.load_state_dict(state)
        return network

    def step(self, method: Any, networks: Any, optimizers: Any, x: Any, target: Any) -> Any:
        if isinstance(method, Mixup):
            weight = float(np.random.default_rng().beta(method.alpha, method.alpha))
            order = torch.randperm(len(x))
            x, target = (weight * part + (1 - weight) * part[order] for part in (x, target))
        losses, outputs = [], []
        for k, network in enumerate(networks):
            wanted = target
            if len(networks) > 1:
                with torch.no_grad():
                    peer = torch.softmax(networks[1 - k](x), dim=1)
                wanted = (1 - method.alpha) * target + method.alpha * peer
            outputs.append(network(x))
            losses.append(nn.functional.cross_entropy(outputs[k], wanted))
        for optimizer, loss in zip(optimizers, losses, strict=True):
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return outputs[0].detach()

    def finish(self, fitted: nn.Module, method: Any, base: Any) -> nn.Module:
        if "parameters" not in method.changes:
            return fitted
        made = deepcopy(fitted)
        own = fitted.state_dict()
        made.load_state_dict({k: method.finish(v, base.state[k]) for k, v in own.items()})
        return made

    def proba(self, fitted: nn.Module, rows: Any) -> Any:
        with torch.no_grad():
            return torch.softmax(fitted(self.X[rows]).double(), dim=1).numpy()

    def state(self, fitted: nn.Module) -> Any:
        return fitted.state_dict()


class Multiplier:
    """The multiplier of one network whose hard churn is constrained."""

    def __init__(self, method: Constrained, base: Any) -> None:
        self.method, self.base, self.value, self.seen = method, base, 0.0, []

    def teach(self, target: Any, batch: Any) -> Any:
        return target + self.value * self.base[batch]

    def ascend(self, outputs: Any, batch: Any) -> None:
        changed = outputs.argmax(dim=1) != self.base[batch].argmax(dim=1)
        excess = changed.float().mean().item() - self.method.max_churn
        self.value = max(0.0, self.value + self.method.dual_lr * excess)
        self.seen.append(excess)

    def excess(self) -> float:
        seen, self.seen = self.seen, []
        return max(0.0, float(np.mean(seen)))


if __name__ == "__main__":
    main()
