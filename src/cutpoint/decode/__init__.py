"""Turn head tensors into candidates, in numpy."""
