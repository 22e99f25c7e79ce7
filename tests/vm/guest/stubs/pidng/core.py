"""See the package."""

PICAM2DNG = None
