"""Many networks of one architecture, trained at once.

`fit_many` checks the runs, examines the module on one batch, and trains the networks as a stack:
one tensor for each parameter, whose first axis is the networks. The networks join the stack, learn,
stop and leave on their own.

The files, in reading order; each uses only those above it:

- `fresh`: fresh parameters of a module, drawn from a seed.
- `draws`: random numbers inside a module, drawn from a generator of each network.
- `traced`: computations recorded once and replayed without the cost of Python.
- `functions`: the computations that all stacks of one architecture share, recorded by `traced`.
- `stack`: networks whose parameters are stacked, and their training steps.
- `constraint`: the Lagrange multipliers of networks whose churn is constrained.
- `loop`: the training loop.
- `workers`: the training loop in this process or spread over several.
- `runs`: one network as the caller describes it, checked and made ready for the loop.
- `outcomes`: the result of each network, warnings and progress.
- `probe`: what one batch reveals about a module, and how many networks fit into a stack.
- `fit`: `fit_many` and `predict_many`, which put all of this together.
"""
