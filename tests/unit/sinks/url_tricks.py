"""URLs that try to lead a server to where it must not go, one list for all who test against them."""

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

PRIVATE_4 = (
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "10.0.0.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",
    "169.254.1.1",
    "168.63.129.16",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
)

PRIVATE_6 = (
    "::",
    "::1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",
    "ff02::1",
    "ff0e::1",
    "2001:db8::1",
    "2001:2::1",
    "2001:1::1",
    "2001:20::1",
    "2001:10::1",
    "3fff::1",
    "100::1",
    "64:ff9b:1::a00:1",
    "5f00::1",
    "4000::1",
)

ONE_PUBLIC = "93.184.215.14"


def spellings_4(text: str) -> Iterator[str]:
    """Hosts that some reader of URLs takes for this address."""
    address = IPv4Address(text)
    number, (a, b, c, d) = int(address), address.packed
    yield text
    yield f"{text}."
    yield str(number)
    yield hex(number)
    yield f"0{number:o}"
    yield f"{a:#x}.{b:#x}.{c:#x}.{d:#x}"
    yield f"0{a:o}.0{b:o}.0{c:o}.0{d:o}"
    yield f"{a}.{number & 0xFFFFFF}"
    yield f"{a}.{b}.{number & 0xFFFF}"
    yield f"{a:03d}.{b:03d}.{c:03d}.{d:03d}"
    yield text.translate({ord("0") + digit: 0xFF10 + digit for digit in range(10)})
    yield text.replace(".", "。")
    yield text.replace(".", "%2e")
    for six in tunnels(address):
        yield f"[{six}]"
    yield f"[::ffff:{text}]"
    yield f"[::{text}]"


def tunnels(address: IPv4Address) -> Iterator[IPv6Address]:
    """IPv6 addresses that end at this IPv4 address."""
    number = int(address)
    yield IPv6Address(0xFFFF << 32 | number)  # mapped
    yield IPv6Address(0xFFFF << 48 | number)  # SIIT
    yield IPv6Address(0x64FF9B << 96 | number)  # NAT64
    yield IPv6Address(0x2002 << 112 | number << 80 | 1)  # 6to4
    yield IPv6Address(0x20010000 << 96 | 0x5DB8D70E << 64 | (number ^ 0xFFFFFFFF))  # Teredo, the client
    yield IPv6Address(0x2603 << 112 | 0x00005EFE << 32 | number)  # ISATAP
    yield IPv6Address(0x2603 << 112 | 0x02005EFE << 32 | number)


OTHER = (
    "",
    " ",
    "https://",
    "https:///",
    "https:///x",
    "https://?x",
    "https://#x",
    "//hooks.example.org/x",
    "hooks.example.org",
    "hooks.example.org/x",
    "https:hooks.example.org",
    "https:/hooks.example.org",
    "https:\\\\hooks.example.org",
    "http://hooks.example.org/",
    "HTTP://hooks.example.org/",
    "ftp://hooks.example.org/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_x",
    "dict://127.0.0.1:11211/",
    "data:text/plain,x",
    "javascript:alert(1)",
    "unix:///var/run/docker.sock",
    "wss://hooks.example.org/",
    "https+unix://x/",
    "view-source:https://hooks.example.org/",
    " https://hooks.example.org/",
    "https://hooks.example.org/ ",
    "https://hooks.example.org/a b",
    "https://hooks.example.org/\n",
    "https://hooks.example.org\r\nHost: 127.0.0.1",
    "https://hooks.example.org/\r\nX: y",
    "https://hooks.example.org/\x00",
    "https://hooks.example.org\x00.evil.example/",
    "https://hooks.exa\tmple.org/",
    "ht\ntps://hooks.example.org/",
    "https://user@hooks.example.org/",
    "https://user:pass@hooks.example.org/",
    "https://:@hooks.example.org/",
    "https://@hooks.example.org/",
    "https://hooks.example.org@127.0.0.1/",
    "https://127.0.0.1@hooks.example.org/",
    "https://hooks.example.org:443@127.0.0.1/",
    "https://hooks.example.org%40127.0.0.1/",
    "https://hooks.example.org\\@127.0.0.1/",
    "https://127.0.0.1\\@hooks.example.org/",
    "https://hooks.example.org\\.127.0.0.1/",
    "https://127.0.0.1:443\\@hooks.example.org/",
    "https://hooks.example.org#@127.0.0.1/",
    "https://127.0.0.1#@hooks.example.org/",
    "https://hooks.example.org/#fragment",
    "https://hooks.example.org?@127.0.0.1/#",
    "https://127.0.0.1?@hooks.example.org/",
    "https://hooks.example.org;127.0.0.1/",
    "https://hooks.example.org,127.0.0.1/",
    "https://hooks.example.org 127.0.0.1/",
    "https://hooks.example.org&127.0.0.1/",
    "https://hooks.example.org:80/",
    "https://hooks.example.org:22/",
    "https://hooks.example.org:8443/",
    "https://hooks.example.org:0/",
    "https://hooks.example.org:65536/",
    "https://hooks.example.org:99999/",
    "https://hooks.example.org:443443/",
    "https://hooks.example.org:-443/",
    "https://hooks.example.org:+443/",
    "https://hooks.example.org:4_4_3/",
    "https://hooks.example.org:４４３/",
    "https://hooks.example.org:/",
    "https://hooks.example.org:443:443/",
    "https://hooks.example.org:x/",
    "https://hooks.example.org:443x/",
    "https://hooks.example.org:0x1bb/",
    "https://localhost/",
    "https://LOCALHOST/",
    "https://localhost./",
    "https://localhost.localdomain/",
    "https://x.localhost/",
    "https://hooks/",
    "https://intranet/",
    "https://metadata/",
    "https://metadata.google.internal/",
    "https://METADATA.GOOGLE.INTERNAL/",
    "https://kubernetes.default.svc.local/",
    "https://printer.local/",
    "https://nas.home.arpa/",
    "https://wiki.corp/",
    "https://router.lan/",
    "https://wiki.intranet/",
    "https://hooks.example.org./",
    "https://hooks.example.org../",
    "https://.hooks.example.org/",
    "https://hooks..example.org/",
    "https://-hooks.example.org/",
    "https://hooks-.example.org/",
    "https://hooks_x.example.org/",
    "https://hooks.example.org-/",
    "https://" + "a" * 64 + ".example.org/",
    "https://" + ("a" * 60 + ".") * 5 + "example.org/",
    "https://hooks.example.org/" + "a" * 2048,
    "https://hooks.example.org/%",
    "https://hooks.example.org/%zz",
    "https://hooks.example.org/%0",
    "https://%68ooks.example.org/",
    "https://hooks%2eexample.org/",
    "https://hooks.example.org%2f127.0.0.1/",
    "https://hooks.example.org%00/",
    "https://hooks.example.org%0d%0a/",
    "https://hööks.example.org/",
    "https://hoo\u212as.example.org/",
    "http\u017f://hooks.example.org/",
    "https://ⓗooks.example.org/",
    "https://hooks.example．org/",
    "https://hooks.example.org/ü",
    "https://hooks.example.org/\u202e",
    "https://ⓛocalhost/",
    "https://①②⑦.⓪.⓪.①/",
    "https://ⓔxample.org/",
    "https://exa\u00admple.org/",
    "https://127.0.0.1\u200b/",
    "https://\u0661\u0662\u0667.0.0.1/",
    'https://hooks.example.org/"x',
    "https://hooks.example.org/<x>",
    "https://hooks.example.org/`x`",
    "https://hooks.example.org/{x}",
    "https://hooks.example.org/|x",
    "https://hooks.example.org/^x",
    "https://hooks.example.org/\\x",
    "https://[::1]/",
    "https://[::1/",
    "https://::1/",
    "https://::1]/",
    "https://[::1]x/",
    "https://[::1]:22/",
    "https://[[::1]]/",
    "https://[]/",
    "https://[fe80::1%25eth0]/",
    "https://[fe80::1%eth0]/",
    "https://[fe80::1%lo]/",
    "https://[::1%25]/",
    "https://[v1.fe80::a]/",
    "https://[127.0.0.1]/",
    "https://[hooks.example.org]/",
    "https://[0:0:0:0:0:0:0:1]/",
    "https://[0000:0000:0000:0000:0000:0000:0000:0001]/",
    "https://[::0:1]/",
    "https://[::ffff:7f00:1]/",
    "https://[::FFFF:7F00:0001]/",
    "https://[0:0:0:0:0:ffff:127.0.0.1]/",
    "https://[::ffff:0127.0.0.1]/",
    "https://[1::2::3]/",
    "https://127.1/",
    "https://127.0.1/",
    "https://1.1/",
    "https://1/",
    "https://0/",
    "https://00/",
    "https://0x/",
    "https://0x7f.1/",
    "https://0x7F000001/",
    "https://0177.1/",
    "https://017700000001/",
    "https://127.0.0.0x1/",
    "https://127.0.0.1.1/",
    "https://256.256.256.256/",
    "https://4294967296/",
    "https://99999999999999/",
    "https://hooks.example.1/",
    "https://hooks.example.0x1/",
    "https://134744072/",
    "https://8.8.2056/",
    "https://08.8.8.8/",
    "https://0x8.8.8.8/",
    "https://８.８.８.８/",
    "https://[2002:808:808::1]/",
    "https://[2603::5efe:808:808]:8443/",
)
"""Each is refused for its form alone."""

PRIVATE_ANSWERS = (
    *((text,) for text in PRIVATE_4),
    *((text,) for text in PRIVATE_6),
    *((str(six),) for text in ("127.0.0.1", "169.254.169.254", "10.0.0.1") for six in tunnels(IPv4Address(text))),
    (ONE_PUBLIC, "127.0.0.1"),
    ("127.0.0.1", ONE_PUBLIC),
    (ONE_PUBLIC, "::1"),
    (ONE_PUBLIC, "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "168.63.129.16"),
    ("fe80::1%eth0",),
    ("::1%lo",),
    ("not an address",),
    (ONE_PUBLIC, ""),
)
"""What a name may resolve to, and must not lead to."""

URLS = tuple(
    dict.fromkeys(
        (
            *(f"https://{host}/x" for text in PRIVATE_4 for host in spellings_4(text)),
            *(f"https://[{text}]/x" for text in PRIVATE_6),
            *OTHER,
        )
    )
)

ALLOWED = (
    "https://hooks.example.org",
    "https://hooks.example.org/",
    "https://hooks.example.org?x=1",
    "https://hooks.example.org:443/x",
    "HTTPS://Hooks.Example.ORG/X",
    "https://hooks.slack.com/services/T0/B0/abc",
    "https://prod-12.westeurope.logic.azure.com:443/workflows/0f/triggers/manual/paths/invoke?api-version=2016-06-01"
    "&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=a-b_c",
    "https://default00.12.environment.api.powerplatform.com/powerautomate/automations/direct/x?sig=y",
    "https://xn--hks-snaa.example.org/x",
    "https://a.b/'()*+,;:@&=~!$",
    "https://10.example.org/",
    "https://0x7f.example.org/",
    "https://8.8.8.8/x",
    "https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/x",
    "https://[::ffff:8.8.8.8]/x",
    "https://[64:ff9b::808:808]/x",
)
