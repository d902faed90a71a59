"""How one estimator is fitted to soft targets.

The files in reading order:

- `interface`: a learner prepares rows once; its trainer then fits models to them, job by job
- `lookup`: from an estimator to its learner
- `sklearn`: the learner of scikit-learn classifiers: weighted rows, or labels drawn from targets
- `repeated_rows`: fits to weighted rows that equal a fit to soft targets
- `boosting`: the learner of LightGBM, XGBoost and CatBoost, which may go on from the base model
- `networks`: the learner of networks, which trains all models of a path in one call
- `estimators`: helpers for any estimator: pipelines, seeds, settings, probabilities
"""
