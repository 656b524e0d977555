"""What can go wrong between the control plane and a VM, by what the caller must do about it.

RetryableError
 +-- VmUnreachable          refused, timed out, no SSH banner, hung up: "not yet" while a VM boots
 +-- AuthenticationRefused  the VM does not know our key: not yet while it boots, closed after `lock`
 +-- AgentProtocolError     an answer that is no answer of the agent's; a VM's answers are hostile input
FatalError
 +-- HostKeyMismatch        the VM offered a key that is not pinned; nothing was sent
 +-- AgentError             the agent refused the request: our bug, or a VM that is not in the state we believe
"""

from shared.errors import FatalError, RetryableError


class VmUnreachable(RetryableError):
    def __init__(self, message: str = "The VM does not answer over SSH.") -> None:
        super().__init__("VmUnreachable", message)


class AuthenticationRefused(RetryableError):
    def __init__(self) -> None:
        super().__init__("SshAuthenticationRefused", "The VM does not accept the installer's SSH key.")


class AgentProtocolError(RetryableError):
    def __init__(self, message: str) -> None:
        super().__init__("AgentProtocolError", message)


class HostKeyMismatch(FatalError):
    def __init__(self) -> None:
        super().__init__(
            "UntrustedHostKey",
            "The machine that answered does not have the SSH host key this hub was made with. Nothing was sent to it.",
            fix="Delete the hub and create it again; if it happens twice, somebody is in the middle.",
        )


class AgentError(FatalError):
    """`code` and `message` come from the agent, capped and without control characters."""
