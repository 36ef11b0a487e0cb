"""Tensors of a cut in, detections out, in numpy."""
