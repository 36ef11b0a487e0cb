"""Candidates in, detections out: the steps of post-processing, in numpy."""
