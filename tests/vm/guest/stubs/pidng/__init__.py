"""Stands where PiDNG would: picamera2 wants it to write raw pictures, and no test writes one."""
