"""A golden pack: the tensors and boxes of a few images after each step, and a checker for ports."""
