"""What the tests need of their surroundings: nothing is collected whose extra is not installed."""

from importlib.util import find_spec

collect_ignore_glob = []
if find_spec("torch") is None:
    collect_ignore_glob += [
        "src/holdfast/nn/*",
        "src/holdfast/learners/_torch.py",
        "src/holdfast/learners/_skorch.py",
    ]
