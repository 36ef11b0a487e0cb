"""Download, check and decode images and annotations."""
