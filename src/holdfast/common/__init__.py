"""Helpers that every part uses: checks, files and plain values.

Messages of errors have one form: parameter, requirement, what came, what to do.

The files in reading order:

- `plain`: turns values into those that JSON and messages can show
- `parameters`: checks parameters, and imports optional libraries
- `arrays`: checks labels, probabilities, weights and lengths
- `classes`: orders classes and matches them by value
- `files`: writes files whole or not at all
- `provenance`: the facts about how a result was made
"""
