"""Types of conditions that more than one module speaks of."""

STOP_STUCK = "StopStuck"
DELETION_STUCK = "DeletionStuck"
ACTION_NEEDED = "ActionNeeded"
"""A lock, a policy or a foreign group is in the way of a stop or a deletion."""
