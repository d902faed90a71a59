"""Findings: the rows of the store become measures.

The files, in reading order:

- `panels`: arranges the rows of each group as settings × runs.
- `measures`: the arithmetic of the measures, from arrays to choices and statistics.
- `results`: the data classes that hold what was found.
- `summary`: measures every method in every group.
- `wins`: counts how often each method is the best.
- `curves`: the cost of churn for each method, and its sum over a stream.
"""
