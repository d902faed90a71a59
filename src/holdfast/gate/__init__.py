"""The promotion gate: compares two models of a registry, and moves the alias of the deployed one.

The files in reading order:

- `predict`: predicts the same rows with both models
- `answering`: decides the rows by a rule, and names what is measured of the answers
- `promotion`: logs the comparison as a run, and moves the alias

The command `holdfast gate` joins them with a policy.
"""
