"""Microsoft.DevTestLab: Azure's own daily shutdown of a virtual machine."""
