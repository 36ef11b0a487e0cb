"""Turn candidates into detections: the steps of post-processing, in numpy."""
