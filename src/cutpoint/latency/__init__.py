"""Measure the time from the image file to the final boxes, and what else the machine did."""
