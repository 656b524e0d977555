"""Simulated Azure: the Resource Manager, managed identity and retail prices, as far as Hublet uses them."""
