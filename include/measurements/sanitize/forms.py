"""
The forms in which secrets are found, each with a way to write an example: the documentation, and what the tests try.

README.md has these tables (a test compares them); what is not in them is not found. Every form is found also where a
context of CONTEXTS is around it, and where characters of it are escaped as escapes.py decodes.
"""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Callable, Mapping

IPv4Form = Callable[[ipaddress.IPv4Address, int], str]
IPv6Form = Callable[[ipaddress.IPv6Address, int], str]
FingerprintForm = Callable[[str], str]
RawForm = Callable[[ipaddress.IPv4Address, str], bytes]


def _octets(ip: ipaddress.IPv4Address, between: str, pattern: str = "{}") -> str:
    return between.join(pattern.format(octet) for octet in ip.packed)


def _reversed(ip: ipaddress.IPv4Address) -> str:
    return ".".join(str(octet) for octet in reversed(ip.packed))


def _groups(text: str, size: int, between: str, before: str = "") -> str:
    return between.join(before + text[at : at + size] for at in range(0, len(text), size))


def _base64(fingerprint: str, before: bytes = b"", after: bytes = b"") -> str:
    return base64.b64encode(before + bytes.fromhex(fingerprint) + after).decode()


def _embedded(prefix: str, ip: ipaddress.IPv4Address) -> str:
    return str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(ip)))


IPV4_FORMS: Mapping[str, IPv4Form] = {
    "dotted": lambda ip, port: str(ip),
    "with its port behind `:` or `#`": lambda ip, port: f"{ip}:{port}",
    "with a port of the map behind `.`": lambda ip, port: f"{ip}.{port}",
    "with a port of the map behind a blank": lambda ip, port: f"{ip} {port}",
    "with leading zeros": lambda ip, port: _octets(ip, ".", "{:03d}"),
    "with octal octets": lambda ip, port: _octets(ip, ".", "0{:o}"),
    "with hexadecimal octets": lambda ip, port: _octets(ip, ".", "0x{:x}"),
    "with `-` between the octets": lambda ip, port: _octets(ip, "-"),
    "with `_` between": lambda ip, port: _octets(ip, "_"),
    "with `,` between": lambda ip, port: _octets(ip, ","),
    "with `:` between": lambda ip, port: _octets(ip, ":"),
    "with `;`, `/`, `|`, `+` or `*` between": lambda ip, port: _octets(ip, "/"),
    "with `[.]` between": lambda ip, port: _octets(ip, "[.]"),
    "with `(.)`, `{.}` or `<.>` between": lambda ip, port: _octets(ip, "(.)"),
    "with `dot`, `[dot]` or `(dot)` between": lambda ip, port: _octets(ip, "[dot]"),
    "with ` dot ` between": lambda ip, port: _octets(ip, " dot "),
    "with blanks around the dots": lambda ip, port: _octets(ip, " . "),
    "reversed": lambda ip, port: _reversed(ip),
    "reversed in `in-addr.arpa`": lambda ip, port: f"{_reversed(ip)}.in-addr.arpa",
    "as a decimal number": lambda ip, port: str(int(ip)),
    "as a hexadecimal number with `0x`": lambda ip, port: hex(int(ip)),
    "as eight hexadecimal digits": lambda ip, port: f"{int(ip):08X}",
    "as eight hexadecimal digits, lowest byte first": lambda ip, port: ip.packed[::-1].hex(),
    "as an octal number": lambda ip, port: f"0{int(ip):o}",
    "in an IPv4-mapped IPv6 address": lambda ip, port: f"::ffff:{ip}",
    "the same in groups": lambda ip, port: _embedded("::ffff:0:0", ip),
    "in an IPv4-compatible or translated IPv6 address": lambda ip, port: _embedded("::ffff:0:0:0", ip),
    "in an address of NAT64": lambda ip, port: _embedded("64:ff9b::", ip),
    "in an address of 6to4, whatever its lower half": lambda ip, port: str(
        ipaddress.IPv6Address(0x2002 << 112 | int(ip) << 80 | 0x1_0000)
    ),
    "in an address of ISATAP": lambda ip, port: _embedded("fe80::5efe:0:0", ip),
    "in an address of Teredo, as client or server": lambda ip, port: str(
        ipaddress.IPv6Address(0x20010000 << 96 | 0xFF << 32 | int(ip) ^ 0xFFFFFFFF)
    ),
}

IPV6_FORMS: Mapping[str, IPv6Form] = {
    "shortened": lambda ip, port: ip.compressed,
    "in full": lambda ip, port: ip.exploded,
    "in capitals": lambda ip, port: ip.exploded.upper(),
    "in brackets with its port": lambda ip, port: f"[{ip}]:{port}",
    "with its port and no brackets": lambda ip, port: f"{ip.exploded}:{port}",
    "with a zone": lambda ip, port: f"[{ip}%eth0]:{port}",
    "with a dotted tail": lambda ip, port: (
        ":".join(ip.exploded.split(":")[:6]) + ":" + str(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    ),
    "with `-` for `:`, as in `ipv6-literal.net`": lambda ip, port: (
        ip.compressed.replace(":", "-") + ".ipv6-literal.net"
    ),
    "with `_` for `:`": lambda ip, port: ip.exploded.replace(":", "_"),
    "reversed in `ip6.arpa`": lambda ip, port: ip.reverse_pointer,
    "as 32 hexadecimal digits": lambda ip, port: ip.packed.hex(),
    "as a decimal number": lambda ip, port: str(int(ip)),
    "as a hexadecimal number with `0x`": lambda ip, port: hex(int(ip)),
}

FINGERPRINT_FORMS: Mapping[str, FingerprintForm] = {
    "in capitals": str.upper,
    "in small letters": str.lower,
    "in mixed case": lambda f: f[:20].upper() + f[20:].lower(),
    "with `$` in front": lambda f: f"${f}",
    "with a nickname behind `~`": lambda f: f"${f}~nick",
    "with a nickname behind `=`": lambda f: f"${f}=nick",
    "with `0x` in front": lambda f: f"0x{f}",
    "within a longer run of digits": lambda f: f"00{f}aa",
    "in groups of four with blanks": lambda f: _groups(f, 4, " "),
    "in groups of two with `:`": lambda f: _groups(f, 2, ":"),
    "in groups of two with `-`": lambda f: _groups(f.lower(), 2, "-"),
    "in groups of any size with `.`, `_`, `,`, `;`, `|`, `/`, `%` or a quotation mark": lambda f: _groups(f, 5, "_"),
    "in groups with two or three of these, or many blanks": lambda f: _groups(f, 8, ", "),
    "in lines": lambda f: _groups(f, 10, "\n   "),
    "as bytes with `0x`": lambda f: _groups(f, 2, ", ", "0x"),
    "as bytes with `\\x`": lambda f: _groups(f.lower(), 2, "", "\\x"),
    "as bytes with `%`": lambda f: _groups(f, 2, "", "%"),
    "in base64": lambda f: _base64(f),
    "in base64 without `=`": lambda f: _base64(f).rstrip("="),
    "in base64 with `-` and `_`": lambda f: _base64(f).rstrip("=").replace("+", "-").replace("/", "_"),
    "at the head of longer base64, as in `cert=`": lambda f: _base64(f, b"", bytes(range(32))),
    "at any place of longer base64": lambda f: _base64(f, b"\x07", b"\x55" * 7),
    "at any other place of longer base64": lambda f: _base64(f, b"\x07\xa0", b"\x55" * 7),
}

RAW_FORMS: Mapping[str, RawForm] = {
    "an IPv4 address as four bytes, one of them not printable": lambda ip, f: b"to " + ip.packed + b"\x00\x50",
    "a packet's source or destination": lambda ip, f: b"E\0\0\x28\0\0\0\0\x40\x06\0\0\x7f\0\0\x01" + ip.packed + b"...",
    "a fingerprint as twenty bytes": lambda ip, f: b"id=" + bytes.fromhex(f) + b";",
    "any form of text, in bytes": lambda ip, f: f"\xfftcp {ip}:80 {f}".encode("latin-1"),
}

CONTEXTS: Mapping[str, str] = {
    "alone": "{}",
    "in a sentence": "see {}, now",
    "in quotation marks": '"{}"',
    "in a URL": "http://{}/x?y=1",
    "in a query": "/?a=1&b={}&c=2",
    "between percent escapes": "q=%22{}%22&x",
    "between percent escapes of escapes": "q=%2522{}%2522",
    "between escapes of HTML": "&quot;{}&#34;",
    "in HTML": '<td class="a">{}</td>',
    "in an attribute": "<a href='//{}/x'>",
    "in JSON": '{{"a": "{}"}}',
    "in JSON within a string of JSON": '{{"a": "{{\\"b\\": \\"{}\\"}}"}}',
    "behind a literal `\\u0022`": "\\u0022{}\\u0022",
    "behind `\\x22`": "\\x22{}\\x22",
    "behind `\\n`": "a\\n{}\\n",
    "between lines": "a\n{}\nb",
    "between tabs": "a\t{}\tb",
    "between Chinese characters": "\u60a8\u7684IP\u5730\u5740{}\uff0c\u5df2\u88ab\u5c01\u9501",
    "between Chinese characters escaped": "\\u5740{}\\u5df2",
    "between accented letters": "\u00e9{}\u00e9",
    "between characters outside the BMP": "\U0001f600{}\U0001f600",
    "in a log": "[notice] connecting to {} (with transport 'obfs3')",
    "in brackets": "[{}]",
    "in a cookie": "id={}; path=/",
}

ESCAPES: Mapping[str, Callable[[str], str]] = {
    "each mark in percent": lambda text: "".join(c if c.isalnum() else f"%{ord(c):02X}" for c in text),
    "each mark in percent twice": lambda text: "".join(c if c.isalnum() else f"%25{ord(c):02x}" for c in text),
    "each character in percent": lambda text: "".join(f"%{ord(c):02X}" for c in text),
    "each mark as `&#46;`": lambda text: "".join(c if c.isalnum() else f"&#{ord(c)};" for c in text),
    "each character as `&#x2e;`": lambda text: "".join(f"&#x{ord(c):x};" for c in text),
    "each mark as `\\u002e`": lambda text: "".join(c if c.isalnum() else f"\\u{ord(c):04x}" for c in text),
    "each character as `\\u002e`": lambda text: "".join(f"\\u{ord(c):04x}" for c in text),
    "each mark as `\\x2e`": lambda text: "".join(c if c.isalnum() else f"\\x{ord(c):02x}" for c in text),
    "each mark behind `\\`": lambda text: "".join(c if c.isalnum() else f"\\{c}" for c in text),
    "in full-width characters": lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
    "with invisible characters between": lambda text: "\u200b".join(text),
}
