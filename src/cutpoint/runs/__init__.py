"""Hold a run against an earlier one, or against the run of another machine."""
