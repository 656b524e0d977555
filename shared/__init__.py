"""Hublet: what runs in Azure (and, unchanged, locally)."""
