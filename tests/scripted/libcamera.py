"""libcamera as a script: only what the toolkit names of it."""


class ColorSpace:
    """kr, kb: the weights of red and blue in the grey plane (ITU-R BT.601 and BT.709); both of limited range."""

    def __init__(self, kr, kb):
        self.kr, self.kb = kr, kb

    @classmethod
    def Smpte170m(cls):  # noqa: N802
        return cls(0.299, 0.114)

    @classmethod
    def Rec709(cls):  # noqa: N802
        return cls(0.2126, 0.0722)
