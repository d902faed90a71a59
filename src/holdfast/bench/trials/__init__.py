"""Trials: which models are trained on which rows, and what is measured.

The files, in reading order:

- `protocol`: the key of a trial, from which its rows and seeds follow.
- `architectures`: the networks and boosters by name.
- `contenders`: the methods that compete, each with the settings of its grid.
- `data`: data sets by name or by file, made ready for a kind of model.
- `suites`: the data sets, networks and sizes that belong together.
- `training`: trains the models of one trial, networks all at once and boosters in turn.
- `trial`: one trial, from the base model to the measures of every setting.
"""
