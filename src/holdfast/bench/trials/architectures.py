"""Networks and boosters by name, and how data are made ready for them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from holdfast.common.parameters import require
from holdfast.exceptions import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["BOOSTERS", "Architecture", "architecture", "installed_boosters"]

EXAMPLES = ("fcn-10", "fcn-100", "fcn-1000", "convnet-1", "transformer-1", "resnet-50")
LARGEST = 9_999_999  # the x in a network's name
DEPTHS = (50, 101, 152)
# The module that has each booster.
BOOSTERS = {
    "catboost": "catboost",
    "hist_gradient_boosting": "sklearn",
    "lightgbm": "lightgbm",
    "xgboost": "xgboost",
}
LIBRARIES = ("lightgbm", "xgboost", "catboost")  # boosting goes on from a base model's trees


@dataclass(frozen=True)
class Architecture:
    """A network, or a booster.

    Attributes
    ----------
    name : str
        For example "fcn-100" or "lightgbm".
    family : str
        The name without its size, for example "fcn".
    size : int
        The x of its name; 0 for boosters.
    """

    name: str
    family: str
    size: int = 0

    @property
    def is_network(self) -> bool:
        """Whether it is trained by `nn.fit_many`."""
        return self.family not in BOOSTERS

    @property
    def changes(self) -> tuple[str, ...]:
        """What methods can change in its training, in the words of `Method.changes`."""
        if self.family in LIBRARIES:
            return ("target", "start", "parameters")
        if not self.is_network:
            return ("target",)
        # Words cannot be blended, as numbers can.
        blends = () if self.family == "transformer" else ("batch",)
        return ("target", "start", *blends, "coupling", "constraint", "parameters")

    @property
    def encoding(self) -> str:
        """The form in which it takes rows: "numbers", "images", "tokens" or "trees"."""
        kinds = {"fcn": "numbers", "convnet": "images", "resnet": "images", "transformer": "tokens"}
        return kinds.get(self.family, "trees")

    def module(self, row_shape: Sequence[int], n_classes: int) -> Callable[[], Any]:
        """Return a callable that builds the network for rows of a shape."""
        require("torch", extra="torch", purpose=f"the network {self.name}")
        from holdfast.nn import ConvNet, FullyConnected, ResNet, Transformer

        if self.family == "fcn":
            n_features = 1
            for side in row_shape:
                n_features *= side
            return partial(FullyConnected, n_features, n_classes, width=self.size)
        if self.family == "transformer":
            return partial(Transformer, n_classes, length=row_shape[0], scale=self.size)
        channels, height, width = row_shape
        shape = (channels, height, width)
        if self.family == "resnet":
            return partial(ResNet, self.size, n_classes, image_shape=shape)
        return partial(ConvNet, n_classes, image_shape=shape, scale=self.size)

    def booster(self, seed: int) -> Any:
        """Return the unfitted booster, which trains in one thread."""
        found = require(BOOSTERS[self.family], extra=self.family, purpose=self.family)
        if self.family == "lightgbm":
            return found.LGBMClassifier(random_state=seed, n_jobs=1, verbose=-1)
        if self.family == "xgboost":
            return found.XGBClassifier(random_state=seed, n_jobs=1)
        if self.family == "catboost":
            return found.CatBoostClassifier(
                random_seed=seed,
                thread_count=1,
                verbose=False,
                allow_writing_files=False,
            )
        from sklearn.ensemble import HistGradientBoostingClassifier

        return HistGradientBoostingClassifier(random_state=seed, early_stopping=False)


def architecture(name: str) -> Architecture:
    """Return the network or booster of a name.

    Parameters
    ----------
    name : str
        ``fcn-x`` (x hidden units), ``convnet-x`` and ``transformer-x`` (x times the usual widths),
        ``resnet-50``, ``-101`` or ``-152``, or the name of a booster.

    Raises
    ------
    InvalidInputError
        For any other name.

    Examples
    --------
    >>> architecture("fcn-100")
    Architecture(name='fcn-100', family='fcn', size=100)
    """
    if name in BOOSTERS:
        return Architecture(name, name)
    match = re.fullmatch(r"(fcn|convnet|transformer|resnet)-([1-9]\d{0,6})", str(name))
    if match is None or (match[1] == "resnet" and int(match[2]) not in DEPTHS):
        near = get_close_matches(str(name), [*EXAMPLES, *BOOSTERS], n=1)
        raise InvalidInputError(
            f"--network must be fcn-x, convnet-x or transformer-x with x from 1 to {LARGEST:,}, "
            f"resnet-{', resnet-'.join(map(str, DEPTHS))}, or one of {', '.join(BOOSTERS)}, got "
            f"{name!r}; {f'did you mean {near[0]!r}?' if near else 'choose one of them'}"
        )
    return Architecture(name, match[1], int(match[2]))


def installed_boosters() -> list[str]:
    """Return the boosters whose library is installed."""
    return [name for name, module in BOOSTERS.items() if find_spec(module) is not None]
