"""Detections against ground truth: pycocotools' numbers, and a fast way to the same numbers."""
