"""Models of other libraries as ONNX files, which ONNX Runtime runs.

The files in reading order:

- `model`: `OnnxModel`, a classifier that predicts with an ONNX file
- `graph`: reads the classes and refuses what is unsafe, before anything in the file runs
- `labels`: finds the output of labels, and matches its values to the classes
- `rows`: turns rows into the inputs of the file, in batches
"""
