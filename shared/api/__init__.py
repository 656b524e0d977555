"""The HTTP edge: what a request must look like, who sent it, and how an answer is written. Knows HTTP, not Azure."""
