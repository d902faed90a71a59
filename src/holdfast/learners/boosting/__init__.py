"""Boosters fitted to soft targets as they are, from scratch or from the base model's trees.

The files in reading order:

- `learner`: the part that all libraries share: starts, first rounds, one training for many jobs
- `library`: the interface of a library, and the soft targets that it is given
- `sums`: joined, cut and continued boosters are compared with the sum of their parts
- `objective`: the softmax loss against soft targets, for LightGBM and XGBoost
- `lightgbm`: soft targets and joined models in LightGBM
- `lightgbm_text`: LightGBM's text format, in which models are joined
- `xgboost`: soft targets and joined models in XGBoost
- `xgboost_json`: XGBoost's JSON format, in which models are joined
- `catboost`: soft targets and joined models in CatBoost
- `catboost_trees`: trees of CatBoost for several classes, grown one by one
"""
