"""Networks, rows and runs that cannot be trained together, and what the message must hold."""

import numpy as np
from tests.helpers.cases import Lazily

from holdfast.methods import Distill, FirstTrees, Mixup, Warm

torch, nn = Lazily("torch"), Lazily("holdfast.nn")

X = np.random.default_rng(0).normal(size=(12, 2))
Y = np.arange(12) % 2
ROWS, HELD_OUT = np.arange(8), np.arange(8, 12)
HALVES = np.full((8, 2), 0.5)


def linear():
    return torch.nn.Linear(2, 2)


def fit(module=None, runs=None, X=X, y=Y, patience=1, **options):
    module = linear if module is None else module
    runs = [run()] if runs is None else runs
    options = {"max_epochs": 1, "n_jobs": 1} | options
    return nn.fit_many(module, runs, X, y, patience=patience, **options)


def run(rows=ROWS, validation_rows=HELD_OUT, **options):
    return nn.Run(rows, validation_rows, **options)


def module_of(forward, *, part=True):
    """Return a module that computes so, with a linear layer as its part."""

    class Module(torch.nn.Module):
        def __init__(self):
            super().__init__()
            if part:
                self.linear = torch.nn.Linear(2, 2)
            self.register_buffer("seen", torch.zeros(1))

        def forward(self, x):
            return forward(self, x)

    return Module


def drawing(self, x):
    return self.linear(x) * (torch.rand(x.shape) if self.training else 1.0)


def drawing_in_place(self, x):
    return self.linear(x) * (torch.empty_like(x).uniform_() if self.training else 1.0)


def always_drawing(self, x):
    return self.linear(x) * torch.rand_like(x)


def looking(self, x):
    """Branch on the values of its parameters, which `vmap` cannot do."""
    return self.linear(x) * (1.0 if self.linear.weight.sum() > 0 else 2.0)


def growing(self, x):
    self.seen = torch.zeros(len(self.seen) + 1)
    return self.linear(x)


def replacing(self, x):
    self.seen = self.seen + 1
    return self.linear(x)


def counting(self, x):
    self.seen += 1
    return self.linear(x)


def silent(self, x):
    raise RuntimeError


def with_own_parameter():
    module = module_of(lambda self, x: self.linear(x) * self.factor)()
    module.factor = torch.nn.Parameter(torch.ones(1))
    return module


def distilled(**options):
    return [run(method=Distill(0.5), **options)]


def warm(**options):
    return [run(method=Warm(), base_proba=HALVES, **options)]


CASES = {
    "nn/many/draws.py NetworkRandomness.__torch_dispatch__ #1": (
        lambda: fit(module_of(drawing)),
        "got aten.rand.default; use torch.nn.Dropout, or draw with tensor.bernoulli_",
        lambda: fit(module_of(drawing_in_place)),
    ),
    "nn/many/fit.py _use_stacking #1": (
        lambda: fit(module_of(looking), stacking="always"),
        "stacking must be 'auto' or 'never' for this module, got 'always'",
        lambda: fit(module_of(looking), stacking="auto"),
    ),
    "nn/many/fit.py predict_many #1": (
        lambda: nn.predict_many(linear, [], X),
        "states must be one or more, got none; give those of `fit_many`",
    ),
    "nn/many/fresh.py _reset #1": (
        lambda: fit(with_own_parameter()),
        "got a Module with parameters and no reset_parameters; define it, or give a function",
        lambda: fit(with_own_parameter),
    ),
    "nn/many/fresh.py _built #1": (
        lambda: fit(lambda: 3),
        "got a function that returned int; give e.g. lambda: torch.nn.Linear(10, 2)",
    ),
    "nn/many/probe.py _check_in_place #1": (
        lambda: fit(module_of(replacing)),
        "got another one as 'seen' after a batch; write e.g. self.count += 1",
        lambda: fit(module_of(counting)),
    ),
    "nn/many/probe.py _check_shapes #1": (
        lambda: fit(torch.nn.LazyLinear(2)),
        "got lazy ones; run one batch through it first",
    ),
    "nn/many/probe.py _check_shapes #2": (
        lambda: fit(module_of(lambda self, x: x, part=False)),
        "got a Module without; set requires_grad where you froze them",
    ),
    "nn/many/probe.py _checked_output #1": (
        lambda: fit(module_of(silent)),
        "got rows of shape (2,) and type torch.float32, on which it fails: RuntimeError; reshape",
    ),
    "nn/many/probe.py _checked_output #2": (
        lambda: fit(module_of(lambda self, x: self.linear(x)[:, 0])),
        "logits of shape (8, K) for 8 rows, got (8,); return one number a class",
    ),
    "nn/many/probe.py _checked_output #3": (
        lambda: fit(module_of(lambda self, x: self.linear(x)[:, :1])),
        "got shape (8, 1) of torch.float32; give two classes two outputs",
    ),
    "nn/many/probe.py probe #1": (
        lambda: fit(module_of(growing)),
        "got other shapes of parameters after a batch",
    ),
    "nn/many/probe.py probe #2": (
        lambda: fit(module_of(always_drawing)),
        "got a Module that draws some in evaluation; draw only where self.training is True",
    ),
    "nn/many/runs.py _base #1": (
        lambda: fit(runs=warm()),
        "runs[0].base_state must be given for the method warm",
        lambda: fit(runs=warm(base_state=linear())),
    ),
    "nn/many/runs.py _base_proba #1": (
        lambda: fit(runs=distilled()),
        "runs[0].base_proba must be given for the method distill(lam=0.5), which learns from it",
        lambda: fit(runs=distilled(base_proba=HALVES)),
    ),
    "nn/many/runs.py _columns #1": (
        lambda: fit(runs=distilled(base_proba=np.full((8, 4), 0.25))),
        "runs[0].base_proba must have one column for each of the module's 2 outputs, got 4",
    ),
    "nn/many/runs.py _from_numpy #1": (
        lambda: fit(X=X.astype(str)),
        "X must hold numbers, got <U32; encode text and categories first",
    ),
    "nn/many/runs.py _positions #1": (
        lambda: fit(runs=[run([0, 12])]),
        "runs[0].rows must be positions in [0, 12), one or more, got 0 to 12; give row numbers",
    ),
    "nn/many/runs.py _seeds #1": (
        lambda: fit(runs=[run(seed=2**64)]),
        "runs[0].seed must be below 2**64, got 18446744073709551616; give e.g. 0",
        lambda: fit(runs=[run(seed=0)]),
    ),
    "nn/many/runs.py as_rows #1": (
        lambda: fit(X=X[:, 0]),
        "X must have shape (n, …) with one row or more, got (12,); give one row of numbers",
    ),
    "nn/many/runs.py check_labels #1": (
        lambda: fit(y=None),
        "unless every run has a target and no validation rows, got None; give the position",
        lambda: fit(runs=[nn.Run(ROWS, target=HALVES)], y=None, patience=None),
    ),
    "nn/many/runs.py check_labels #2": (
        lambda: fit(y=np.where(Y, "yes", "no")),
        "got shape (12,) of <U3; encode labels with numpy.unique(…, return_inverse=True)",
        lambda: fit(y=np.unique(np.where(Y, "yes", "no"), return_inverse=True)[1]),
    ),
    "nn/many/runs.py check_labels #3": (
        lambda: fit(y=Y + 1),
        "got 1 to 2; number the classes from 0, and give the module an output for each",
    ),
    "nn/many/runs.py check_runs #1": (
        lambda: fit(runs=run()),
        "runs must be a sequence of holdfast.nn.Run, got Run(rows=",
    ),
    "nn/many/runs.py check_runs #2": (
        lambda: fit(runs=[run(method="distill")]),
        "runs[0].method must be a method object, got 'distill'; give e.g. holdfast.methods.Distill",
    ),
    "nn/many/runs.py check_runs #3": (
        lambda: fit(runs=warm(base_state=[1])),
        "runs[0].base_state must be a module or its state_dict(), got a list",
    ),
    "nn/many/runs.py check_runs #4": (
        lambda: fit(runs=[nn.Run(ROWS)]),
        "give rows to validate on, or patience=None for a fixed number of epochs",
        lambda: fit(runs=[nn.Run(ROWS)], patience=None),
    ),
    "nn/many/runs.py check_runs #5": (
        lambda: fit(runs=[run(ROWS, [7, 8])]),
        "runs[0].validation_rows must not be among its rows, got 1 shared, the first 7",
    ),
    "nn/many/runs.py check_state #1": (
        lambda: fit(runs=warm(base_state=torch.nn.Linear(3, 2))),
        "'weight' must have shape (2, 2), got shape (2, 3); use a method that starts afresh, e.g.",
    ),
    "nn/many/runs.py task_of #1": (
        lambda: fit(runs=[run(method=FirstTrees(0.5))]),
        "keeps the first rounds of boosting; use another method, or a booster",
    ),
    "nn/many/runs.py task_of #2": (
        lambda: fit(
            lambda: torch.nn.Sequential(torch.nn.EmbeddingBag(9, 2), linear()),
            [run(method=Mixup())],
            np.zeros((12, 3), dtype=int),
        ),
        "must not blend rows of integers, got mixup",
    ),
    "nn/many/runs.py task_of #3": (
        lambda: fit(runs=distilled(base_proba=HALVES, target=HALVES)),
        "runs[0].target must be left out with the method distill(lam=0.5), which makes its own",
    ),
}
