"""Real data sets, loaded by name or from a file.

The files, in reading order:

- `images`: images as one array, from the files or the table that hold them.
- `dataset`: the class `Dataset`, and its construction from a table or from images.
- `hashes`: the hash of a table's contents.
- `folder`: data sets in the folder that the environment variable HOLDFAST_DATA names.
- `openml`: data sets of OpenML, compared with the hash of the last time.
- `hugging_face`: data sets of Hugging Face, as files that are read without running code.
- `loading`: `load`, which finds a data set in one of these places.
"""

from __future__ import annotations

from holdfast.datasets.dataset import Dataset, TrainTest
from holdfast.datasets.hashes import content_hash
from holdfast.datasets.loading import CELEBA_ATTRIBUTES, load

__all__ = ["CELEBA_ATTRIBUTES", "Dataset", "TrainTest", "content_hash", "load"]
