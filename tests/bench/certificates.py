"""Certificates for tests of TLS, and their private keys, which are nobody's secret.

Made by `openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 36500 -subj /CN=camera-one.test
-addext subjectAltName=DNS:camera-one.test,IP:127.0.0.1`; good until the year 2126.
"""

from typing import NamedTuple


class Pair(NamedTuple):
    name: str
    certificate: str
    key: str

    def put(self, folder):
        """Write both in place of what is there, as whoever renews them does; returns their paths."""
        for path, text in ((folder / "web.pem", self.certificate), (folder / "web.key", self.key)):
            new = path.with_suffix(path.suffix + ".new")
            new.write_text(text)
            new.chmod(0o600)
            new.replace(path)
        return folder / "web.pem", folder / "web.key"


ONE = Pair(
    "camera-one.test",
    """\
-----BEGIN CERTIFICATE-----
MIIBrjCCAVOgAwIBAgIUHSa1YMWj9ioElTmyFUcAf2iffeowCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPY2FtZXJhLW9uZS50ZXN0MCAXDTI2MTEyMzExMzYzOVoYDzIx
MjYxMDMwMTEzNjM5WjAaMRgwFgYDVQQDDA9jYW1lcmEtb25lLnRlc3QwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAASgQ8A4K9G3tB2YovnGf8QVnavjbjXnukNUvQAG
XeQ4oQ2nAG2FTleYY/KUmMz4dqTz2MQ7AL5JM9G2HZHizriGo3UwczAdBgNVHQ4E
FgQU2FQUTeeaLkVbxOFFHZxhfl3AcYQwHwYDVR0jBBgwFoAU2FQUTeeaLkVbxOFF
HZxhfl3AcYQwDwYDVR0TAQH/BAUwAwEB/zAgBgNVHREEGTAXgg9jYW1lcmEtb25l
LnRlc3SHBH8AAAEwCgYIKoZIzj0EAwIDSQAwRgIhANcFVNJgh29yg/68gs6X4y67
4fnPaDvubJcWsjNV5VQSAiEApK1JOrWlV5ipCIpADJpgco0ZbJ1gtIwoh3Hc00rD
HOE=
-----END CERTIFICATE-----
""",
    """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgtfmGm8k5NgWu+prL
poAkiiA/Sc5ppGbtmbG1fh0BYXGhRANCAASgQ8A4K9G3tB2YovnGf8QVnavjbjXn
ukNUvQAGXeQ4oQ2nAG2FTleYY/KUmMz4dqTz2MQ7AL5JM9G2HZHizriG
-----END PRIVATE KEY-----
""",
)

TWO = Pair(
    "camera-two.test",
    """\
-----BEGIN CERTIFICATE-----
MIIBrjCCAVOgAwIBAgIUHKAOqqiJn4AK66ZFUWRaGOQi/5IwCgYIKoZIzj0EAwIw
GjEYMBYGA1UEAwwPY2FtZXJhLXR3by50ZXN0MCAXDTI2MTEyMzExMzYzOVoYDzIx
MjYxMDMwMTEzNjM5WjAaMRgwFgYDVQQDDA9jYW1lcmEtdHdvLnRlc3QwWTATBgcq
hkjOPQIBBggqhkjOPQMBBwNCAARNfxugvm/wMRQl6eCMsm8HyXD+e3WtN9P/dWvh
J8S/uvVfR7T5J3nYkFB0G8Oi2jQ28rgVwABWMql5HbTq82l6o3UwczAdBgNVHQ4E
FgQUzwwYjfs4pSl3U9nM2PeIeeTCdi4wHwYDVR0jBBgwFoAUzwwYjfs4pSl3U9nM
2PeIeeTCdi4wDwYDVR0TAQH/BAUwAwEB/zAgBgNVHREEGTAXgg9jYW1lcmEtdHdv
LnRlc3SHBH8AAAEwCgYIKoZIzj0EAwIDSQAwRgIhANLz974d+HOf/1Ja1gG5/ec5
KmvVh2GWR4U7qumFj2reAiEAq6qr7wXklhbdpKjKfJZWQL8NZA23eh5cc3oV/BMX
6fU=
-----END CERTIFICATE-----
""",
    """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgAY+YNu/lSrhWn/kk
Ys1JdmF8sKDBlfmUjLghZbr/fiyhRANCAARNfxugvm/wMRQl6eCMsm8HyXD+e3Wt
N9P/dWvhJ8S/uvVfR7T5J3nYkFB0G8Oi2jQ28rgVwABWMql5HbTq82l6
-----END PRIVATE KEY-----
""",
)

LOCKED = """\
-----BEGIN EC PRIVATE KEY-----
Proc-Type: 4,ENCRYPTED
DEK-Info: AES-128-CBC,47C34C0E916E0D32EFE6464731D40B14

mxfFmcJ64wzDhMgK1JJ9+zFGloBsKJmw6b8JteKUBdcu6GNDq73637s2AZccsbCv
GPecr5/ubVTFQlJ0KkOM7ImT/hEXJqKOKIJyJ7sk2GA0+qcOt0Q/3kD+iK3xOHoy
iReeRLdYY2FeCBcLuaoinEzg8JSwU+D01UBXaSMvPlM=
-----END EC PRIVATE KEY-----
"""
"""The first key, with a passphrase."""
