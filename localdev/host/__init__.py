"""Runs ``function_app.py`` without Azure: HTTP front, queue pump and timers around Microsoft's Python runtime library.

For local work and tests only; in Azure the platform's own host runs the same app. What is copied from that host, and
where it is written down, stands beside each module.
"""
