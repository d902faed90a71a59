"""What the tests need of their surroundings: nothing is collected whose extra is not installed."""

from importlib.util import find_spec

MODULES_OF = {
    "torch": ["nn/*", "learners/_torch.py", "learners/_skorch.py"],
    "lightgbm": ["learners/_lightgbm.py"],
    "xgboost": ["learners/_xgboost.py"],
    "catboost": ["learners/_catboost.py"],
}
collect_ignore_glob = [
    f"src/holdfast/{module}"
    for library, modules in MODULES_OF.items()
    if find_spec(library) is None
    for module in modules
]
