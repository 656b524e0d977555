"""What the caller is told when something cannot be done."""


class AgentError(Exception):
    """Something the caller is told: a stable code and one sentence without secrets."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "message": self.message[:2000]}
