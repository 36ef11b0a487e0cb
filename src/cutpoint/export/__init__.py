"""Turn a traced graph into one ONNX file per cut. This package uses onnx, and not torch."""
