"""Python start-up of a simulated VM's hub and of its users' servers and kernels.

Adds the packages a VM installed for itself behind those of the shared environment, and saves a second per server
start: jsonschema tries to import `rfc3987_syntax`, which builds a grammar only to check the format "iri".
"""

import os
import site
import sys

if os.environ.get("HUBLET_USER_SITE"):
    site.addsitedir(os.environ["HUBLET_USER_SITE"])

if not {"jupyterhub", "jupyterhub.singleuser"}.isdisjoint(sys.orig_argv):
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
