"""Adds the packages a simulated VM installed for itself behind those of the shared environment."""

import os
import site

if os.environ.get("HUBLET_USER_SITE"):
    site.addsitedir(os.environ["HUBLET_USER_SITE"])
