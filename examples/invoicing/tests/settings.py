"""The example's settings, without an audit package unless one is named."""

import os

os.environ.setdefault("INVOICING_AUDIT", "none")

from invoicing.settings import *  # noqa: F403
