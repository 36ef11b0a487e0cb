"""Compare a variant's detections with the reference's: how much they differ, how sure that is, and why."""
