"""The files between the stages as dataclasses: what each one has, how it is read and written."""
