"""A traced graph in, one ONNX file a cut out; knows onnx, not torch."""
