"""Image file to final boxes by the clock, and what the machine did meanwhile."""
