"""The programs of a simulated VM: each plays the part of a real one against the VM's own tree."""
