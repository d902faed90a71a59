"""Networks trained to soft targets, which go into their loss as they are.

The files in reading order:

- `learner`: trains the networks of a path in one call, from scratch or from the base model
- `skorch`: a skorch classifier's settings, as those of a `NetworkClassifier`
"""
