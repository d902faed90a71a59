"""Helpers that every part uses: checks, files and plain values.

Messages of errors have one form: parameter, requirement, what came, what to do.

The files in reading order:

- `plain`: turns values into those that JSON and messages can show
- `parameters`: checks parameters, and imports optional libraries
- `arrays`: checks labels, probabilities, weights and lengths
- `coding`: codes values by their place among the distinct ones
- `classes`: orders classes and matches them by value
- `files`: writes files whole or not at all
- `reading`: reads small files whole, and refuses devices and deep nesting
- `provenance`: the facts about how a result was made
- `version`: the release of the package
- `warning`: warns at the line of the user's code
"""
