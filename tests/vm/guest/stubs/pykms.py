"""Stands where libkms++ would: picamera2 wants it to draw on a display, and no test draws."""


class PixelFormat:
    RGB888 = BGR888 = XRGB8888 = XBGR8888 = YUV420 = YVU420 = NV12 = None
