"""Proofs that a model file of a stranger can neither run code nor crash the process.

Compiled code follows the indices in a model without looking whether they stay inside its arrays.
So every index, child, count and shape is proved before compiled code sees it.

- `claims`: what a proof says of a value, and the errors of a failed proof
- `forest`: children and features of trees, as arrays, for every format
- `kinds`: the types that a file may hold without trust, each with its reason
- `nodes`: a parsed skops file, before any object in it is built
- `graph`: the objects that were built, before the first of them is used
- `walk`: a walk over all parts of a whole
- `trees`: decision trees of scikit-learn, and the ensembles that hold them
- `histograms`: histogram gradient boosting of scikit-learn
- `neighbors`: neighbours and their indexes
- `svm`: support vector machines
- `columns`: encoders, vectorizers and clusters, whose indices become columns
- `values`: sparse matrices and random states
- `lightgbm_text`: LightGBM's text format
- `xgboost_model`: XGBoost's JSON and UBJSON formats
- `xgboost_tables`: sizes, categories and settings inside these
- `ubjson`: a reader of UBJSON
"""
