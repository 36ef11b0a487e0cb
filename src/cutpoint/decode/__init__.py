"""Head tensors in, candidates out, in numpy."""
