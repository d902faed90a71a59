"""Gathers what a report shows in a *summary*: a plain dictionary, which `holdfast.render` renders.

The page needs neither models nor rows, and whatever is in the dictionary can be reported.

The files in reading order:

- `answers`: the rule, the measures of the positive class, swaps and scores
- `summarise`: the summary of a comparison
- `rows`: chooses the rows that a report shows
- `update`: the card and the summary of an update
- `frontier`: the candidates of an update as points of churn and accuracy
- `ladder`: the models that an update would serve under other budgets
- `saved`: a summary as a JSON file, which is checked when it is read
"""
