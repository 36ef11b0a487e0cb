"""Find what is wrong in the inputs, all of it, before a heavy job runs."""
