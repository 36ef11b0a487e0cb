"""Check bounds on measured values, and give a verdict."""
