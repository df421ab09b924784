"""Which proxy is used for which address, and what an address may look like."""

import pytest

from agentd.models.endpoint import endpoint, proxy_for

API = "https://api.anthropic.com"


@pytest.mark.parametrize(
    ("url", "environment", "proxy"),
    [
        (API, {}, None),
        (API, {"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        (API, {"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        (API, {"https_proxy": "http://lower", "HTTPS_PROXY": "http://upper"}, "http://lower"),
        (API, {"HTTP_PROXY": "http://other"}, None),
        (API, {"ALL_PROXY": "socks5://all"}, "socks5://all"),
        (API, {"ALL_PROXY": "http://all", "HTTPS_PROXY": "http://https"}, "http://https"),
        (API, {"HTTPS_PROXY": "http://p", "NO_PROXY": "*"}, None),
        (API, {"HTTPS_PROXY": "http://p", "NO_PROXY": "anthropic.com"}, None),
        (API, {"HTTPS_PROXY": "http://p", "no_proxy": "x, .anthropic.com"}, None),
        (API, {"HTTPS_PROXY": "http://p", "NO_PROXY": "*.anthropic.com"}, None),
        (API, {"HTTPS_PROXY": "http://p", "NO_PROXY": "thropic.com"}, "http://p"),
        (API, {"HTTPS_PROXY": "http://p", "NO_PROXY": ""}, "http://p"),
        ("http://10.1.2.3:8080", {"HTTP_PROXY": "http://p", "NO_PROXY": "10.0.0.0/8"}, None),
        ("http://11.1.2.3:8080", {"HTTP_PROXY": "http://p", "NO_PROXY": "10.0.0.0/8"}, "http://p"),
        ("http://host:8080", {"HTTP_PROXY": "http://p", "NO_PROXY": "host:8080"}, None),
        ("http://host:8080", {"HTTP_PROXY": "http://p", "NO_PROXY": "host:8081"}, "http://p"),
        ("http://[::1]:8080", {"HTTP_PROXY": "http://p", "NO_PROXY": "::1"}, None),
    ],
)
def test_the_proxy(url: str, environment: dict[str, str], proxy: str | None) -> None:
    assert proxy_for(url, environment) == proxy


@pytest.mark.parametrize(
    ("given", "used"),
    [
        (None, API),
        ("", API),
        ("http://localhost:11434/", "http://localhost:11434"),
        ("https://gateway/anthropic/v1/messages", "https://gateway/anthropic"),
        (" https://gateway/v1 ", "https://gateway"),
    ],
)
def test_addresses_as_people_write_them(given: str | None, used: str) -> None:
    assert endpoint(given, "key", False, {}).url == used


def test_secrets_are_in_no_repr() -> None:
    target = endpoint("https://user:hush@host/v1", "sk-hush", False, {"HTTPS_PROXY": "http://user:hush@proxy"})
    assert "hush" not in repr(target)
    assert target.host == "host"
