"""The files between the stages, as dataclasses: what each holds, how it is read and written."""
