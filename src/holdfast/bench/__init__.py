"""The benchmark: the paper's experiments, and the same protocol on any data.

Data flows one way, from a suite through its trials to tables, figures and pages. Everything that is
read comes from the store alone.

The folders and files, in reading order:

- `trials`: what one trial is, and what it trains and measures.
- `store`: the finished trials, as Parquet files.
- `workers`: run the trials that the store lacks, here or on a cluster.
- `findings`: turn the rows of the store into measures.
- `pages`: turn the measures into tables, figures and pages.
"""
