"""What runs Hublet on a developer's machine; never deployed, never imported by ``functions`` or ``shared``."""
