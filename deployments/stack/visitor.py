"""What the headers of a request say about who sends it: to which name, from which page, with what in hand.

A page of another origin can have a browser send nearly anything to a server on this machine, cookies included. What it
cannot do is to change `Host`, `Origin` and the `Sec-Fetch-*` headers, which the browser writes: these decide.
Cookies know no ports, and SameSite takes `localhost:1` and `localhost:2` for one site, so neither is of help here.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from deployments.stack.access import USER
from nightshift.errors import RequestError

_LOOPBACK = re.compile(r"(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?", re.ASCII)
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9._-]*[a-z0-9])?(?::\d{1,5})?", re.ASCII)
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_SAFE = ("GET", "HEAD")
_OWN_SITES = ("same-origin", "none")
"""What `Sec-Fetch-Site` says of the server's own pages, and of what a person typed or chose among bookmarks."""


@dataclass(frozen=True)
class Headers:
    """The headers of a request, names in lower case, as ASGI hands them over."""

    pairs: tuple[tuple[bytes, bytes], ...]

    @classmethod
    def of(cls, pairs: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Those of an ASGI scope."""
        return cls(tuple((name.lower(), value) for name, value in pairs))

    def all(self, name: str) -> list[str]:
        """Every value that this header was sent with."""
        return [value.decode("latin-1") for each, value in self.pairs if each == name.encode()]

    def one(self, name: str) -> str:
        """Its value; empty when it was not sent, and whenever it was sent more than once."""
        found = self.all(name)
        return found[0].strip() if len(found) == 1 else ""


@dataclass(frozen=True)
class Visitor:
    """Who sends a request, as far as the headers tell.

    Attributes:
        method: of the request; `WEBSOCKET` of what would be one.
        headers: what came with it.
        hosts: the names, with a port where it is not 443, under which a proxy with TLS stands before this server.
    """

    method: str
    headers: Headers
    hosts: Collection[str] = ()

    @property
    def host(self) -> str:
        """The name and port that were asked for; empty unless they are this server's."""
        given = self.headers.one("host").lower()
        return given if self._is_declared(given) or _LOOPBACK.fullmatch(given) else ""

    @property
    def scheme(self) -> str:
        """How this server is reached under the name that was asked for."""
        return "https" if self._is_declared(self.host) else "http"

    @property
    def is_own_page(self) -> bool:
        """Whether a page of this very server has sent it, and the browser says so."""
        return bool(self.host) and self.headers.one("origin") == self._origin

    @property
    def is_browser(self) -> bool:
        """Whether a browser of today has sent it."""
        return bool(self.headers.all("sec-fetch-site"))

    @property
    def wants_page(self) -> bool:
        """Whether what is asked for is to be shown in a window of its own, and not to a program or in a frame."""
        if self.method != "GET":
            return False
        if self.is_browser:
            return (self.headers.one("sec-fetch-mode"), self.headers.one("sec-fetch-dest")) == (
                "navigate",
                "document",
            )
        return "text/html" in self.headers.one("accept")

    def foreign(self, is_page: bool) -> str:
        """Why it is refused whatever it brings with it; empty if it need not be.

        Args:
            is_page: whether the path leads to a page, which a link from elsewhere may open.
        """
        if not self.host:
            return "this server does not go by that name"
        if self.headers.all("origin") and not self.is_own_page:
            return "a page of another origin may not ask"
        if self.is_browser and self.headers.one("sec-fetch-site") not in _OWN_SITES:
            return "" if self.wants_page and is_page else "a page of another site may open pages only"
        return ""

    def may_use_cookie(self) -> bool:
        """Whether a cookie counts: only of requests of which the browser says that no other page made them."""
        if self.headers.all("origin"):
            return self.is_own_page
        # The browser says nothing of the origin where nothing may change, but then of the site.
        return self.method in _SAFE and self.is_browser

    def password(self) -> bytes | None:
        """What a client that is no browser shows, with the name that goes with it; None without."""
        kind, _, encoded = self.headers.one("authorization").partition(" ")
        if kind.lower() != "basic":
            return None
        try:
            name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        except (binascii.Error, ValueError):
            return None
        return password if colon and name == USER.encode() else None

    def cookies(self, name: str) -> list[str]:
        """Every value of this cookie: a browser may hold one of each path and domain."""
        pairs = (each.partition("=") for line in self.headers.all("cookie") for each in line.split(";"))
        return [value.strip() for key, _, value in pairs if key.strip() == name]

    def _is_declared(self, host: str) -> bool:
        return bool(host) and host.removesuffix(":443") in self.hosts

    @property
    def _origin(self) -> str:
        return f"{self.scheme}://{self.host.removesuffix(_DEFAULT_PORTS[self.scheme])}"


def declared_hosts(text: str) -> frozenset[str]:
    """The names of `NIGHTSHIFT_HOSTS`, separated by commas or spaces.

    >>> sorted(declared_hosts("Night.Example.com, night.example.com:8443"))
    ['night.example.com', 'night.example.com:8443']

    Raises:
        RequestError: something there is no name.
    """
    names = [each.lower() for each in re.split(r"[,\s]+", text) if each]
    for name in names:
        if not _NAME.fullmatch(name):
            raise RequestError(
                f"{name!r} is no host name", where="NIGHTSHIFT_HOSTS",
                valid=["nightshift.example.com", "nightshift.example.com:8443"],
                remedy="name what the proxy with TLS is called, without https:// and without a path",
            )  # fmt: skip
    return frozenset(name.removesuffix(":443") for name in names)
