"""The only path from image to candidates or detections, streamed over a data set."""
