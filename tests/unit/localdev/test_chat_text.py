"""Messages of the pretended chats as text for a terminal."""

import pytest

from localdev.chat.text import slack_lines, teams_lines


def slack(*blocks: object, **changed: object) -> str:
    return "\n".join(slack_lines({"text": "only for notifications", "blocks": list(blocks), **changed}))


@pytest.mark.parametrize(
    ("block", "line"),
    [
        ({"type": "header", "text": {"type": "plain_text", "text": "demo"}}, "# demo"),
        ({"type": "section", "text": {"type": "mrkdwn", "text": "one\ntwo"}}, "one\ntwo"),
        ({"type": "section", "fields": [{"type": "mrkdwn", "text": "*Size*\nsmall"}]}, "  *Size*: small"),
        ({"type": "section", "text": {"type": "mrkdwn", "text": "a &lt;b&gt; &amp;lt;"}}, "a <b> &lt;"),
        ({"type": "context", "elements": [{"type": "mrkdwn", "text": "small print"}]}, "small print"),
        ({"type": "divider"}, "---"),
        (
            {
                "type": "rich_text",
                "elements": [{"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "list"}]}],
            },
            "list",
        ),
        (
            {
                "type": "actions",
                "elements": [
                    {"type": "button", "text": {"type": "plain_text", "text": "Stop"}, "action_id": "stop"},
                    {"type": "button", "text": {"type": "plain_text", "text": "Open"}, "url": "https://x.example"},
                ],
            },
            "[Stop] (stop)  [Open] https://x.example",
        ),
    ],
)
def test_each_kind_of_block(block: dict[str, object], line: str) -> None:
    assert slack(block) == line


def test_without_blocks_the_text_is_shown_and_what_is_deleted_is_not() -> None:
    assert slack() == "only for notifications"
    assert slack({"type": "divider"}, deleted=True) == "(deleted)"


def test_a_card_with_facts_columns_and_links() -> None:
    card = {
        "type": "AdaptiveCard",
        "body": [
            {"type": "Container", "items": [{"type": "TextBlock", "text": "demo"}]},
            {"type": "ColumnSet", "columns": [{"type": "Column", "items": [{"type": "TextBlock", "text": "left"}]}]},
            {"type": "RichTextBlock", "inlines": ["a", {"type": "TextRun", "text": "b"}]},
            {"type": "FactSet", "facts": [{"title": "Size", "value": "small"}]},
            {
                "type": "ActionSet",
                "actions": [{"type": "Action.OpenUrl", "title": "Open", "url": "https://x.example"}],
            },
        ],
    }
    message = {"attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}]}
    assert list(teams_lines(message)) == ["demo", "left", "ab", "  Size: small", "[Open] https://x.example"]
