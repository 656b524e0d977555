"""``curl`` on a simulated VM: the simulator's bootstrap file and the VM's own loopback, nothing else resolves."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from localdev.azuresim.vm.callgate import Call
from localdev.azuresim.vm.context import Vm
from localdev.azuresim.vm.faults import FaultKind
from localdev.azuresim.vm.processes import here

BOOTSTRAP_PATH = "/_sim/bootstrap.py"
LOCAL = ("127.0.0.1", "localhost")

COULD_NOT_RESOLVE, COULD_NOT_CONNECT, HTTP_ERROR, WRITE_ERROR, TIMED_OUT, BAD_CERTIFICATE, BAD_USAGE = (
    6,
    7,
    22,
    23,
    28,
    60,
    2,
)

FLAGS = {
    *(
        "-f",
        "--fail",
        "-s",
        "--silent",
        "-S",
        "--show-error",
        "-L",
        "--location",
        "-k",
        "--insecure",
        "-g",
        "--globoff",
    ),
    *("-q", "--disable", "-4", "--ipv4", "--compressed", "--fail-with-body", "--tlsv1.2", "--tlsv1.3", "-N"),
    *("--retry-connrefused", "--retry-all-errors", "--no-progress-meter", "--create-dirs", "-i", "--include"),
    *("--http1.1", "--no-buffer", "--path-as-is", "-G", "--get", "-I", "--head", "--remove-on-error"),
}
VALUES = {
    "-o": "output",
    "--output": "output",
    "-H": "header",
    "--header": "header",
    "-X": "request",
    "--request": "request",
    "-d": "data",
    "--data": "data",
    "--data-binary": "data",
    "--data-raw": "raw",
    "--json": "json",
    "-w": "write-out",
    "--write-out": "write-out",
    "-m": "max-time",
    "--max-time": "max-time",
    "--connect-timeout": "connect-timeout",
    "--retry": "ignored",
    "--retry-delay": "ignored",
    "-K": "config",
    "--retry-max-time": "ignored",
    "--proto": "ignored",
    "--proto-redir": "ignored",
    "--max-redirs": "ignored",
    "--config": "config",
    "-A": "agent",
    "--user-agent": "agent",
    "--url": "url",
    "--max-filesize": "ignored",
    "--cacert": "ignored",
    "--noproxy": "ignored",
    "--speed-limit": "ignored",
    "--speed-time": "ignored",
    "-D": "ignored",
    "--dump-header": "ignored",
    "--interface": "ignored",
}


class Usage(Exception):
    """Arguments this curl does not have."""


@dataclass
class Request:
    """What the arguments ask for."""

    urls: list[str] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    values: dict[str, str] = field(default_factory=dict)
    headers: list[str] = field(default_factory=list)
    data: list[tuple[str, str]] = field(default_factory=list)

    def has(self, *names: str) -> bool:
        """Whether one of the flags was given."""
        return not self.flags.isdisjoint(names)


def parse(arguments: tuple[str, ...]) -> Request:
    """Sort the arguments.  Raises `Usage`."""
    request = Request()
    todo = list(arguments)
    while todo:
        word = todo.pop(0)
        if not word.startswith("-") or word == "-":
            request.urls.append(word)
            continue
        if word in FLAGS:
            request.flags.add(word)
            continue
        name, given = (word, None) if word.startswith("--") else (word[:2], word[2:] or None)
        if name in VALUES:
            if given is None:
                if not todo:
                    raise Usage(f"curl: option {word}: requires parameter")
                given = todo.pop(0)
            _take(request, VALUES[name], given)
        elif not word.startswith("--") and name in FLAGS:
            request.flags.add(name)
            todo.insert(0, f"-{word[2:]}")
        else:
            raise Usage(f"curl: option {word}: is unknown")
    return request


def _take(request: Request, name: str, value: str) -> None:
    if name == "header":
        request.headers.append(value)
    elif name in ("data", "raw", "json"):
        request.data.append((name, value))
    elif name == "url":
        request.urls.append(value)
    else:
        request.values[name] = value


def parse_config(text: str) -> tuple[str, ...]:
    """The arguments in a ``--config`` file: ``name = "value"`` per line."""
    words: list[str] = []
    for line in text.splitlines():
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        for mark in ("=", ":", " "):
            name, found, value = line.partition(mark)
            if found and " " not in name.strip():
                break
        name, value = name.strip(), value.strip()
        if value.startswith('"') and value.endswith('"') and len(value) > 1:
            value = value[1:-1].replace('\\"', '"').replace("\\\\", "\\")
        words.append(name if name.startswith("-") else f"--{name}")
        words += [value] if value else []
    return tuple(words)


class Curl:
    """curl for one VM."""

    def __init__(self, vm: Vm) -> None:
        self._vm = vm

    async def __call__(self, call: Call) -> int:
        """Make the request; exit codes are curl's own."""
        try:
            request = parse(call.arguments)
            if "config" in request.values:
                text = await self._file_or_input(request.values.pop("config"), call)
                for url_or_more in (parse(parse_config(text.decode())),):
                    request.urls += url_or_more.urls
                    request.flags |= url_or_more.flags
                    request.values |= url_or_more.values
                    request.headers += url_or_more.headers
                    request.data += url_or_more.data
        except Usage as usage:
            call.err(f"{usage}\n")
            return BAD_USAGE
        if len(request.urls) != 1:
            call.err("curl: (2) no URL specified\n" if not request.urls else "curl: one URL at a time\n")
            return BAD_USAGE
        limit = float(request.values.get("max-time", "300"))
        try:
            async with asyncio.timeout(limit):
                return await self._fetch(request, call)
        except TimeoutError:
            self._complain(request, call, f"(28) Operation timed out after {int(limit * 1000)} milliseconds")
            return TIMED_OUT

    async def _fetch(self, request: Request, call: Call) -> int:
        url = urlsplit(request.urls[0])
        host = url.hostname or ""
        if url.path == BOOTSTRAP_PATH and host in LOCAL:
            if self._vm.faults.take(FaultKind.NETWORK):
                self._complain(request, call, f"(6) Could not resolve host: {host}")
                return COULD_NOT_RESOLVE
            return self._deliver(request, call, 200, here("bootstrap.py").read_bytes(), {})
        port = url.port or (443 if url.scheme == "https" else 80)
        real = self._loopback_port(host, port)
        if url.scheme not in ("http", "https") or real is None:
            self._complain(request, call, f"(6) Could not resolve host: {host}")
            return COULD_NOT_RESOLVE
        return await self._request(request, call, f"{url.scheme}://{self._vm.address}:{real}", url.path, url.query)

    def _loopback_port(self, host: str, port: int) -> int | None:
        """The real port behind a loopback address of the VM; None when the host is not this VM."""
        ports = self._vm.local_ports
        if host == self._vm.address and port in ports.values():
            return port
        return ports.get(port) if host in LOCAL else None

    async def _request(self, request: Request, call: Call, base: str, path: str, query: str) -> int:
        url = f"{base}{path or '/'}" + (f"?{query}" if query else "")
        headers, body = await self._message(request, call)
        method = request.values.get("request") or ("POST" if body is not None else "GET")
        if request.has("-I", "--head"):
            method = "HEAD"
        context: ssl.SSLContext | bool = not request.has("-k", "--insecure")
        connect = float(request.values.get("connect-timeout", "60"))
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=connect)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout, skip_auto_headers={"Content-Type"}) as session,
                session.request(
                    method,
                    url,
                    headers=headers,
                    data=body,
                    ssl=context,
                    allow_redirects=request.has("-L", "--location"),
                ) as answer,
            ):
                return self._deliver(request, call, answer.status, await answer.read(), dict(answer.headers))
        except aiohttp.ClientConnectorCertificateError:
            self._complain(request, call, "(60) SSL certificate problem: self-signed certificate")
            return BAD_CERTIFICATE
        except (aiohttp.ClientError, OSError):
            self._complain(request, call, f"(7) Failed to connect to {base.split('//')[1]}: Connection refused")
            return COULD_NOT_CONNECT

    async def _message(self, request: Request, call: Call) -> tuple[dict[str, str], bytes | None]:
        lines: list[str] = []
        for header in request.headers:
            if header.startswith("@"):
                lines += (await self._file_or_input(header[1:], call)).decode().splitlines()
            else:
                lines.append(header)
        headers = {}
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                headers[name.strip()] = value.strip()
        if not request.data:
            return headers, None
        parts = []
        for kind, value in request.data:
            from_file = kind != "raw" and value.startswith("@")
            parts.append(await self._file_or_input(value[1:], call) if from_file else value.encode())
        known = {name.lower() for name in headers}
        if "content-type" not in known:
            json_given = any(kind == "json" for kind, _ in request.data)
            headers["Content-Type"] = "application/json" if json_given else "application/x-www-form-urlencoded"
        return headers, b"&".join(parts)

    async def _file_or_input(self, name: str, call: Call) -> bytes:
        if name == "-":
            return await call.read_input()
        return self._vm.disk.read(self._vm.disk.inside(name, call.cwd))

    def _deliver(self, request: Request, call: Call, status: int, body: bytes, headers: dict[str, str]) -> int:
        failed = status >= 400 and request.has("-f", "--fail", "--fail-with-body")
        if not failed or request.has("--fail-with-body"):
            if request.has("-i", "--include", "-I", "--head"):
                lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                body = f"HTTP/1.1 {status} \r\n{lines}\r\n".encode() + body
            output = request.values.get("output", "-")
            if output == "-":
                call.out(body)
            elif output != "/dev/null":
                try:
                    self._vm.disk.write(self._vm.disk.inside(output, call.cwd), body)
                except OSError as error:
                    self._complain(request, call, f"(23) Failure writing output to destination: {error.strerror}")
                    return WRITE_ERROR
        shown = request.values.get("write-out", "")
        for name, value in (("%{http_code}", str(status)), ("%{response_code}", str(status)), ("\\n", "\n")):
            shown = shown.replace(name, value)
        call.out(shown.replace("%{size_download}", str(len(body))))
        if failed:
            self._complain(request, call, f"(22) The requested URL returned error: {status}")
            return HTTP_ERROR
        return 0

    def _complain(self, request: Request, call: Call, text: str) -> None:
        silent = request.has("-s", "--silent") and not request.has("-S", "--show-error")
        with contextlib.suppress(OSError):
            call.err("" if silent else f"curl: {text}\n")
