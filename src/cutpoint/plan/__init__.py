"""Config in, plan out: which files, runs and variants the workflow makes."""
