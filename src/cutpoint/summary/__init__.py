"""The summary of all variants: cells from their files, flags, words, tables."""
