"""An update under a budget: from checked rows and parameters to a served model.

- `settings`: the parameters of `LowChurnClassifier`, checked once.
- `base`: the base model as a parameter of an estimator.
- `rows`: rows with the base model's predictions, parted into those that train, select and certify.
- `inputs`: from the arguments of ``fit`` to these rows.
- `plan`: the learner, the settings to fit, and the methods whose λ is searched.
- `candidates`: candidates and the path that they form.
- `fitting`: from methods and a learner to candidates.
- `lambda_search`: the next λ to fit, in place of a grid.
- `choosing`: the choice among the candidates, by their cached probabilities.
- `certification`: how far along the choice the certification rows allow us to go.
- `stating`: measures of the served model, from the answers of its own `predict`.
- `update`: all of this in order.
- `classifier`: `LowChurnClassifier`; `regressor`: `LowChurnRegressor`.
- `floor`: the churn between retrainings that differ by chance alone.
"""
