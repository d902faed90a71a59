"""The benchmark: the paper's experiments, and the same protocol on anybody's data.

Data flows one way: a suite (`suites`) names trials (`protocol`); a trial (`trial`) trains every
setting of every method (`contenders`) and counts what it gets right and changes; workers (`runner`)
run what the store (`store`) lacks; everything that is read (`summary`, `tables`, `plots`) comes
from the store alone.
"""
