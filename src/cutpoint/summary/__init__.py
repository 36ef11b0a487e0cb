"""The summary of all variants: cells from their files, flags, words and tables."""
