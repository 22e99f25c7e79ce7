"""What happened before the camera: from answers to events, and where they are kept."""
