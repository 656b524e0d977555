"""When a person's kernels, terminals and server end by themselves: a rule for Jupyter, written once for everybody.

TLJH's own culler goes by the last activity that the hub has heard of, and so ends a server whose cell computes in
silence. Jupyter itself knows better. Settings: https://jupyter-server.readthedocs.io/en/latest/other/full-config.html
"""

from shared.onvm.agent.files import read_capped, write_atomically
from shared.onvm.agent.vm import KIB, TLJH

RULE_FILE = TLJH / "user/etc/jupyter/jupyter_config.py"
"""Read by every Jupyter program of the users' environment (https://docs.jupyter.org/en/latest/use/config.html). Not
below jupyter_server_config.d: of the files there jupyter_server takes its list of extensions and nothing else."""

SHORTEST_LOOK_S, LONGEST_LOOK_S, LOOKS = 5, 60, 6

TEXT = '''\
# Written by Hublet: after how much time without activity Jupyter ends kernels, terminals and servers. Changes here are
# overwritten; what is set in jupyter_server_config.py or .json beside this file wins over it.
import sys

c.MappingKernelManager.cull_idle_timeout = {seconds}
c.MappingKernelManager.cull_interval = {interval}
c.MappingKernelManager.cull_busy = False  # a kernel that computes is never idle
c.MappingKernelManager.cull_connected = True  # an open tab is nobody at work
c.TerminalManager.cull_inactive_timeout = {seconds}
c.TerminalManager.cull_interval = {interval}
c.ServerApp.shutdown_no_activity_timeout = {seconds}


def people_only(usual):
    """JupyterLab asks every few seconds for lists of kernels, sessions, terminals and files and stores its layout, as
    long as its tab is visible (github.com/jupyterlab/jupyterlab issues 9379 and 19796). Jupyter takes that for
    activity, and a forgotten tab would keep its server for ever. Of requests, only a file that was saved, made, moved
    or removed counts; what kernels and terminals do counts by itself."""

    def update_api_activity(handler):
        wrote = handler.request.method in ("PUT", "POST", "PATCH", "DELETE") and handler.get_status() < 400
        if wrote and "/api/contents" in handler.request.path:
            usual(handler)

    update_api_activity.people_only = True
    return update_api_activity


# Only servers have this module, and long before they read this file, which they read more than once.
api = getattr(sys.modules.get("jupyter_server.base.handlers"), "APIHandler", None)
usual = getattr(api, "update_api_activity", None)
if usual is not None and not hasattr(usual, "people_only"):
    api.update_api_activity = people_only(usual)
'''


def idle_rule(minutes: float) -> bytes:
    """The file's content. Times are whole seconds; Jupyter looks at kernels and terminals six times in the rule's
    time, within limits."""
    seconds = max(1, round(60 * minutes))
    interval = round(min(LONGEST_LOOK_S, max(SHORTEST_LOOK_S, seconds / LOOKS)))
    return TEXT.replace("{seconds}", str(seconds)).replace("{interval}", str(interval)).encode()


def write_idle_rule(minutes: float) -> list[str]:
    """What was changed. Servers that run keep the rule they began with; the hub itself has no need to know."""
    content = idle_rule(minutes)
    if read_capped(RULE_FILE, 64 * KIB) == content:
        return []
    for directory in (RULE_FILE.parent.parent, RULE_FILE.parent):
        if not directory.exists():
            directory.mkdir()
            directory.chmod(0o755)  # the agent's umask would keep the users out
    write_atomically(RULE_FILE, content, mode=0o644)
    return ["idleRule"]
