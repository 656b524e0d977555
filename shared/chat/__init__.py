"""Chat: commands typed there, and what is said there."""
