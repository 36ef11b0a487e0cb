"""A variant's detections against the reference's: how much, how sure, why."""
