"""Models: the deployed one, the one that an update serves, and model files.

The files in reading order:

- `base`: the deployed model, which is only asked for predictions
- `base_predictions`: its predictions for some rows, matched to the new classes
- `cache`: keeps the predictions of model files on disk
- `served`: the models that an update serves
- `joining`: joins several models into one, if that says the same as their average
- `loading`: `load_model`, which reads a file or an address
- `files`: `save_model`, and the readers of model files
- `trust`: what a caller trusts: types by name, files by their content
- `skops`: reads and writes skops files, and decides what is trusted in them
- `moved`: where the classes that model files of release 0.1.0 name are today
- `columns`: the types of a model's feature columns, kept in its card and checked in new rows
- `card`: a loaded model with its card
- `onnx`: models of other libraries as ONNX files
- `mlflow`: models in an MLflow registry
"""
