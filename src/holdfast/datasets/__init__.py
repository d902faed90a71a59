"""Real data by name or by path."""

from __future__ import annotations

from holdfast.datasets.dataset import Dataset, TrainTest
from holdfast.datasets.hashes import content_hash
from holdfast.datasets.loading import CELEBA_ATTRIBUTES, load

__all__ = ["CELEBA_ATTRIBUTES", "Dataset", "TrainTest", "content_hash", "load"]
