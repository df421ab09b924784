"""Where a model is and how it is reached: address, key, proxy and certificates, from the prompting client. Pure.

The daemon's own environment is never read: it is that of whoever happened to start it.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from agentd.errors import ModelUnavailable

DEFAULT_URL: Final = "https://api.anthropic.com"


@dataclass(frozen=True)
class Endpoint:
    """All that distinguishes one client of the SDK from another, so that equal ones share one.

    ``key`` goes out as the API key, or as a bearer token when ``bearer``. ``proxy`` is the URL to go through (it may
    hold a password); ``ca_file`` and ``ca_dir`` replace the system's certificates.
    """

    url: str = field(repr=False)
    key: str = field(repr=False)
    bearer: bool = False
    proxy: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    ca_dir: str | None = None

    @property
    def host(self) -> str:
        """For people: never the whole URL, which may hold a password."""
        parts = urlsplit(self.url)
        return parts.hostname or "the endpoint"

    @property
    def port(self) -> int | None:
        """Where it is not the scheme's own."""
        return urlsplit(self.url).port


def endpoint(url: str | None, key: str, bearer: bool, environment: Mapping[str, str]) -> Endpoint:
    """The endpoint as the prompting client reaches it. Raises ``ModelUnavailable`` for an address that is none."""
    url = (url or DEFAULT_URL).strip().rstrip("/")
    # People copy the whole address; the SDK adds this part itself.
    url = url.removesuffix("/v1/messages").removesuffix("/v1")
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise ModelUnavailable("base_url (or ANTHROPIC_BASE_URL) must begin with https:// or http:// and name a host.")
    return Endpoint(
        url=url,
        key=key,
        bearer=bearer,
        proxy=proxy_for(url, environment),
        ca_file=environment.get("SSL_CERT_FILE") or None,
        ca_dir=environment.get("SSL_CERT_DIR") or None,
    )


def proxy_for(url: str, environment: Mapping[str, str]) -> str | None:
    """The proxy for this address by HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, each in either case."""
    parts = urlsplit(url)
    if _is_direct(parts.hostname or "", parts.port, _either(environment, "NO_PROXY")):
        return None
    proxy = _either(environment, f"{parts.scheme.upper()}_PROXY") or _either(environment, "ALL_PROXY")
    if not proxy:
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _either(environment: Mapping[str, str], name: str) -> str:
    """The lower-case name wins, as with curl."""
    return (environment.get(name.lower()) or environment.get(name) or "").strip()


def _is_direct(host: str, port: int | None, no_proxy: str) -> bool:
    for rule in no_proxy.replace(",", " ").split():
        name, _, rule_port = rule.rpartition(":") if rule.count(":") == 1 else (rule, "", "")
        if rule_port and rule_port != str(port):
            continue
        name = name.lower().strip("[]").removeprefix("*").removeprefix(".")
        if rule == "*" or host == name or (name and host.endswith("." + name)) or _in_network(host, name):
            return True
    return False


def _in_network(host: str, rule: str) -> bool:
    if "/" not in rule:
        return False
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(rule, strict=False)
    except ValueError:
        return False
