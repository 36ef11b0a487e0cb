"""The embedded demo's own data: street scenes drawn with numpy and OpenCV, seeded."""
