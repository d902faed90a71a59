"""Labels and base predictions that cannot become soft targets, and what the message must hold."""

from holdfast.targets import distill, one_hot

HALVES = [[0.5, 0.5]]

CASES = {
    "targets.py _row_weight #1": (
        lambda: distill([0], HALVES, [2.0]),
        "lam must be in [0, 1], one number or one a row, got [2.0]",
    ),
    "targets.py _truth_and_base #1": (
        lambda: distill([0], HALVES, 0.5, classes=[0, 1, 2]),
        "got 2 columns and 3 classes; match the columns to `classes`",
    ),
    "targets.py one_hot #1": (
        lambda: one_hot(["c"], classes=["a", "b"]),
        "among the classes ['a', 'b'], got 'c'; give `classes` in the order of the columns",
    ),
}
