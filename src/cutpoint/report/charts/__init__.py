"""The figures of a data set and model, each a description (Vega-Lite) with its data."""
