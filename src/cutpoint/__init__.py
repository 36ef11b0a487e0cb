"""Cutpoint: export a detector at every cut and explain what each one costs."""

__version__ = "0.1.0"
