"""Simulated virtual machines: real SSH, a real JupyterHub, nothing of it in the machine's own shell."""
