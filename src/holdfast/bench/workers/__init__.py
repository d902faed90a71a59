"""Workers, which run the trials that the store lacks.

The files, in reading order:

- `runner`: finds the trials that are missing, hands them to workers and stores their results.
- `local`: workers on this machine, which are processes of one thread each.
- `ray`: workers on a Ray cluster.
"""
