"""Sinks: the log, owners' web hooks, Slack, Teams."""
