"""Microsoft.Network: virtual networks, security groups, public addresses, interfaces."""
