"""Detections against ground truth: pycocotools' numbers, and the same fast."""
