"""The connections to an endpoint: certificates and proxy as the prompting client has them.

Nothing here reads the daemon's own environment. httpx2 comes with the SDK and is imported as late.
"""

import asyncio
import ssl
from typing import TYPE_CHECKING, Final

from agentd.errors import ModelUnavailable
from agentd.models.endpoint import Endpoint

if TYPE_CHECKING:
    import httpx2

_WARM_SECONDS: Final = 90.0


async def transport_to(endpoint: Endpoint) -> "httpx2.AsyncHTTPTransport":
    """Connections that stay warm. Raises ``ModelUnavailable`` for certificates or a proxy that cannot be used."""
    import httpx2

    # Reading the certificates takes tens of milliseconds, which the loop does not have.
    verify = await asyncio.to_thread(_certificates, endpoint)
    try:
        return httpx2.AsyncHTTPTransport(
            verify=verify,
            trust_env=False,
            proxy=endpoint.proxy,
            limits=httpx2.Limits(max_keepalive_connections=20, keepalive_expiry=_WARM_SECONDS),
        )
    except (ImportError, ValueError, httpx2.InvalidURL) as error:
        # The address may hold a password: the error's text is not shown.
        raise ModelUnavailable(
            "The proxy named by HTTPS_PROXY, HTTP_PROXY or ALL_PROXY cannot be used: it must be an http:// or "
            "https:// address (socks5:// needs the package socksio)."
        ) from error


def _certificates(endpoint: Endpoint) -> ssl.SSLContext | bool:
    """The system's certificates, or those that the prompting client's environment names. False: none are needed."""
    import httpx2

    if not endpoint.url.startswith("https:"):
        return False
    if not (endpoint.ca_file or endpoint.ca_dir):
        return httpx2.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=endpoint.ca_file, capath=endpoint.ca_dir)
    except OSError as error:
        raise ModelUnavailable(
            f"The certificates named by SSL_CERT_FILE or SSL_CERT_DIR cannot be read: {error}"
        ) from error
