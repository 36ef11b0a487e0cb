"""Annotations that are not COCO JSON: one module a format, each a reader of the user's files."""
