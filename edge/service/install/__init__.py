"""What is put in place for a camera's service, and taken away again: plans, which are shown or carried out.

/etc/edge/NAME.toml                 the camera's settings, written once and then its owner's
/etc/systemd/system/edge@.service   the unit, one for all cameras; what follows is, too
/etc/systemd/system/edge@.service.d/backoff.conf  pauses that grow, where systemd knows them
/etc/udev/rules.d/70-edge.rules     who may use cameras and accelerators
/etc/sysusers.d/edge.conf           the user `edge`; also the groups that were made for it
/etc/tmpfiles.d/edge.conf           the modes of settings and secrets
/var/lib/edge/NAME, /var/cache/edge made by systemd: events and pictures, engines
"""

from edge.service.install.plan import Wanted, install
from edge.service.install.removal import uninstall
from edge.service.install.system import System

__all__ = ["System", "Wanted", "install", "uninstall"]
