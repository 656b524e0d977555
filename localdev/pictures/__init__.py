"""Pictures of what people see in Slack, in Teams and on an action page, drawn from what the app really sends."""
