"""Pretended Slack and Teams, for local work and for tests: one HTTPS server that keeps everything it is told.

What is pretended:

* Slack's Web API: `chat.postMessage`, `chat.update`, `chat.postEphemeral`, `conversations.open`; anything else is
  `unknown_method`. Bearer token, JSON or form bodies, one workspace with public, private and archived channels.
* Slack's `response_url`s: five posts within 30 minutes, `replace_original`, `delete_original`, ephemeral by default.
* Slack's limits: those of Block Kit, 40,000 characters a message, one message a second and channel.
* Slack as a caller: slash commands and pressed buttons, signed, with its 3 s limit.
* Teams: Workflows webhooks that answer 202 and keep the card; outgoing webhooks as a caller, signed, 5 s limit.

Not pretended: Slack's app installation and OAuth, Events API, modals, home tabs, files, user groups, rendering of
`mrkdwn`, notification of people; Teams' bots, Graph, chats, message updates, and its text formatting.

Where it may differ from the real ones (nothing here was compared with them; documents named in the modules):

* Slack shows more of what is wrong with blocks (`response_metadata.messages` there is worded otherwise) and may allow
  what is refused here: two equal `action_id`s in one block, for example.
* A `response_url` answers `ok` as plain text; whether `replace_original` on a slash command's URL replaces what was
  first answered is not documented. Here it replaces the newest message that came of the same command.
* How many messages a channel takes in a burst is not documented: five here.
* Workflows answer 202 before the flow runs, so a card that Teams cannot show is accepted too. Here it is accepted and
  kept apart (`refused`, with the reason), where a person would see nothing at all.
* The text of an outgoing webhook's activity is HTML with `<at>`; a no-break space behind the mention and a line feed at
  the end are what clients send, and are always sent here.
* Real addresses are `slack.com`, `hooks.slack.com` and `*.powerplatform.com`; here all are one loopback port.
"""
