"""Turn the config into a plan: the exports, runs, variants and files that the workflow makes."""
