"""Real data by name or by path."""

from __future__ import annotations

from holdfast.datasets.loading import CELEBA_ATTRIBUTES, Dataset, TrainTest, content_hash, load

__all__ = ["CELEBA_ATTRIBUTES", "Dataset", "TrainTest", "content_hash", "load"]
