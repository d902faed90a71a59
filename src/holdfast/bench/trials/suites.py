"""The suites: data sets, networks and sizes that belong together, and their trials."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from holdfast.bench.trials.architectures import architecture, installed_boosters
from holdfast.bench.trials.contenders import chosen
from holdfast.bench.trials.data import Source
from holdfast.bench.trials.protocol import ORDERS, Trial
from holdfast.common.parameters import check_choice, check_count
from holdfast.datasets.loading import ALIASES
from holdfast.exceptions import InvalidInputError
from holdfast.tables.paths import TABLE_SUFFIXES

__all__ = ["SUITES", "Sizes", "Suite", "suite_of"]

TABLES = (
    "adult",
    "bank_marketing",
    "compas",
    "magic04",
    "phoneme",
    "electricity",
    "eeg_eye_state",
    "churn",
    "elevators",
    "pollen",
    "phishing_websites",
    "wilt",
    "letter",
)
IMAGES = (
    "mnist",
    "fashion_mnist",
    "kmnist",
    "kuzushiji_49",
    "emnist_balanced",
    "emnist_byclass",
    "emnist_bymerge",
    "emnist_digits",
    "emnist_letters",
    "emnist_mnist",
    "svhn",
    "cifar10",
)
SCALES = (1, 2, 4, 8, 16)


@dataclass(frozen=True)
class Sizes:
    """How many rows a trial takes; 0 test rows stands for all."""

    n_init: int = 1000
    n_val: int = 100
    n_batch: int = 1000
    n_test: int = 0

    def check(self) -> None:
        """Raise InvalidInputError for sizes that are not counts."""
        for name in ("n_init", "n_val", "n_batch"):
            check_count(f"--{name.replace('_', '-')}", getattr(self, name), hint="give e.g. 1000")
        check_count("--n-test", self.n_test, least=0, hint="give e.g. 5000, or 0 for all")


@dataclass(frozen=True)
class Suite:
    """Data sets, networks, and the way in which rows are drawn.

    Attributes
    ----------
    sources : tuple of Source
    networks : tuple of str
    sizes : Sizes
    order : {"random", "time"}
    """

    sources: tuple[Source, ...]
    networks: tuple[str, ...]
    sizes: Sizes = Sizes()
    order: str = "random"

    def narrowed(
        self,
        *,
        datasets: Sequence[str] = (),
        networks: Sequence[str] = (),
        order: str | None = None,
    ) -> Suite:
        """Return a part of the suite; its networks may also be others than the suite's own.

        Raises
        ------
        InvalidInputError
            For an unknown data set, network or order.
        """
        labels = {source.label for source in self.sources}
        # A data set may be named without its target, which is the same for all.
        short = {source.stem: source.label for source in self.sources} | ALIASES
        datasets = [name if name in labels else short.get(name, name) for name in datasets]
        for name in datasets:
            check_choice("--dataset", name, sorted(labels))
        for name in networks:
            architecture(name)
        if order is not None:
            check_choice("--order", order, ORDERS)
        return replace(
            self,
            sources=tuple(s for s in self.sources if not datasets or s.label in datasets),
            networks=tuple(dict.fromkeys(networks)) or self.networks,
            order=order or self.order,
        )

    def sized(self, **sizes: int | None) -> Suite:
        """Return the suite with the sizes that are given in place of its own.

        Raises
        ------
        InvalidInputError
            For sizes that are not counts, and for test rows in the order of time.
        """
        given = {name: size for name, size in sizes.items() if size is not None}
        if self.order == "time" and given.get("n_test"):
            raise InvalidInputError(
                "--n-test must be left out in the order of time, where every row that follows an "
                f"update is a test row, got {given['n_test']}; drop it"
            )
        found = replace(self, sizes=replace(self.sizes, **given))
        found.sizes.check()
        return found

    def check_methods(self, methods: Sequence[str]) -> None:
        """Raise InvalidInputError for methods that a network of the suite cannot train."""
        for name in self.networks:
            chosen(methods, architecture(name).changes, learner=name)

    def check_device(self, device: str) -> None:
        """Raise InvalidInputError for an unknown device, or one that no network would use."""
        if not re.fullmatch(r"cpu|(cuda|mps|xpu)(:\d+)?", device):
            raise InvalidInputError(
                f"--device must be cpu, cuda, cuda:0, … or mps, got {device!r}; leave it out for "
                "the processor"
            )
        if device != "cpu" and not any(architecture(name).is_network for name in self.networks):
            raise InvalidInputError(
                f"--device must be left out for boosters, got {device}: they train on the "
                "processor; drop it"
            )

    def trials(self, source: Source, data: str, run: int) -> Iterator[Trial]:
        """Yield the trials of one data set and run."""
        s = self.sizes
        # A stream is measured on all rows that follow an update.
        sizes = (s.n_init, s.n_val, s.n_batch, s.n_test if self.order == "random" else 0)
        for network in self.networks:
            yield Trial(source.label, network, self.order, *sizes, data, run)


def _named(names: Sequence[str]) -> tuple[Source, ...]:
    return tuple(Source(name) for name in names)


def _celeba() -> tuple[Source, ...]:
    from holdfast.datasets.loading import CELEBA_ATTRIBUTES

    return tuple(Source(f"celeba_{name.lower()}") for name in CELEBA_ATTRIBUTES)


CONVNETS = tuple(f"convnet-{scale}" for scale in SCALES)
TRANSFORMERS = tuple(f"transformer-{scale}" for scale in SCALES)
NETWORKS = tuple(f"fcn-{10**power}" for power in range(1, 6))
# A hundred transformers take longer to predict all 25,000 test texts than to train.
TEXT_SIZES = Sizes(n_test=5000)

SUITES = {
    "openml": Suite(_named(TABLES), NETWORKS),
    "images": Suite(_named(IMAGES), CONVNETS),
    "celeba": Suite((), CONVNETS),
    "resnet": Suite(_named(["cifar10", "cifar100"]), ("resnet-50", "resnet-101", "resnet-152")),
    "text": Suite(_named(["imdb"]), TRANSFORMERS, TEXT_SIZES),
    "trees": Suite(_named(TABLES), tuple(installed_boosters())),
    "stream": Suite(
        _named(["electricity", "weather_noaa"]), ("fcn-10", "fcn-100", "fcn-1000"), order="time"
    ),
}


def suite_of(name: str, *, target: str | None = None) -> Suite:
    """Return a suite by its name, or a suite of the user's own files.

    Parameters
    ----------
    name : str
        Name of a suite, path of a table, or folder of Parquet files.
    target : str, optional
        Column of the label in these files.

    Raises
    ------
    InvalidInputError
        For any other name, and for a target that is given with the name of a suite.
    """
    if name in SUITES:
        if target is not None:
            raise InvalidInputError(
                f"--target must be left out for the suite {name}, whose sets have theirs, got "
                f"{target!r}; drop it"
            )
        return replace(SUITES[name], sources=_celeba()) if name == "celeba" else SUITES[name]
    path = Path(name)
    if name and path.is_dir():
        found = sorted(path.glob("*.parquet"))
        files = [file for file in found if file.name[0] != "." and file.is_file()]
        if not files:
            raise InvalidInputError(
                f"the folder {name} must have Parquet files, got none; name another folder"
            )
        return Suite(tuple(Source(str(file), target) for file in files), ("fcn-100",))
    if name.lower().endswith(TABLE_SUFFIXES) or path.is_file():
        if not path.is_file():
            raise InvalidInputError(f"the suite must be there, got no file at {name}; check it")
        return Suite((Source(str(path), target),), ("fcn-100",))
    check_choice("SUITE", name, SUITES)
    raise AssertionError  # pragma: no cover
