"""Turns plain dictionaries into HTML pages and JUnit XML.

Nothing here knows a model or a row; the dictionaries hold all that is shown.

The files in reading order:

- `page`: one self-contained page, or a fragment for notebooks
- `views`: prepares the verdict, the counts of flips, the budgets and the facts for the templates
- `tables`: prepares the tables of changes and groups, and the rows behind them
- `chart`: prepares the chart of churn against accuracy
- `order`: the order in which groups are shown
- `texts`: formats numbers and shortens text
- `junit`: a decision as JUnit XML

The templates are in the folder `templates`.
"""
