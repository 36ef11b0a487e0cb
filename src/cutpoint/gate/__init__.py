"""Bounds on what was measured, and a verdict."""
