"""Models of other libraries as ONNX files."""
