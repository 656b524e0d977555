"""Deterministic simulation: the real domain code of several processes over simulated storage, Azure and machines, with
one virtual clock and one seeded source of chance. `./dev sim` runs it; docs/reliability.md says what it proves."""
