"""The one page that answers without the secret: it takes it, or the token of a printed address, and gives a cookie."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import parse_qs

from deployments.stack.access import COOKIE_SECONDS, Access
from deployments.stack.visitor import Visitor

PATH = "/nightshift/login"
"""Where the page is, on each server."""

MOST_BYTES = 4096
"""How long a form may be."""

# Nothing of a request is ever shown: these are all that the page can say.
_ASK, _USED, _WRONG = (
    "",
    "That address was used before, or is too old.",
    "That is not the secret.",
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Nightshift</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 34rem; margin: 15vh auto 0; padding: 0 1rem; }}
code {{ background: #8882; padding: .1em .3em; border-radius: .2em; }}
input, button {{ font: inherit; padding: .4em .6em; }}
input {{ width: 20rem; max-width: 100%; }}
</style>
</head>
<body>
<h1>Nightshift</h1>
<p role="status">{message}</p>
<p>This browser is not logged in. Run <code>nightshift open</code> on the machine where Nightshift runs, and follow
the address that it prints. Or give the secret: it is in the file <code>access/secret</code> of Nightshift's home.</p>
<form method="post" action="{path}">
<input name="username" autocomplete="username" value="nightshift" hidden>
<input type="password" name="secret" aria-label="Secret" autocomplete="current-password" required>
<button>Log in</button>
</form>
</body>
</html>
"""

_PRIVATE = {
    "cache-control": "no-store",
    # Not no-referrer: with that a browser hides the origin of the form, which must be this server's own.
    "referrer-policy": "same-origin",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'; base-uri 'none'",
    "x-frame-options": "DENY",
}


@dataclass(frozen=True)
class Answer:
    """A whole answer: its status, its headers and its body."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


def page(status: int = 401, message: str = _ASK) -> Answer:
    """The page with the form."""
    return Answer(
        status,
        _PAGE.format(message=message, path=PATH),
        {"content-type": "text/html; charset=utf-8", **_PRIVATE},
    )


def by_address(access: Access, visitor: Visitor, query: bytes) -> Answer:
    """What the address that was printed leads to: on to the server's own pages, with a cookie and without the token.

    Raises:
        OutsideError: the secret cannot be read.
    """
    token = _only(query, "token")
    if not token:
        return page(200)
    # A browser fetches in advance what its user may be about to open; that is not yet a visit.
    if not visitor.wants_page or visitor.headers.all("sec-purpose"):
        return page(403)
    if access.logins.use(token):
        return _welcome(access, visitor)
    if any(map(access.is_cookie, visitor.cookies(access.cookie_name))):
        return _onward()
    return page(403, _USED)


def by_form(access: Access, visitor: Visitor, body: bytes) -> Answer:
    """What the form leads to; it must have come from this server's own page.

    Raises:
        OutsideError: the secret cannot be read.
    """
    if not visitor.is_own_page:
        return page(403)
    if access.is_secret(_only(body, "secret").strip()):
        return _welcome(access, visitor)
    return page(403, _WRONG)


def _welcome(access: Access, visitor: Visitor) -> Answer:
    secure = "; Secure" if visitor.scheme == "https" else ""
    # Lax: a link from a message opens its page in a browser that is logged in.
    cookie = f"{access.cookie_name}={access.cookie()}; Path=/; Max-Age={COOKIE_SECONDS}; HttpOnly; SameSite=Lax{secure}"
    answer = _onward()
    return Answer(answer.status, headers={**answer.headers, "set-cookie": cookie})


def _onward() -> Answer:
    return Answer(303, headers={"location": "/", **_PRIVATE, "referrer-policy": "no-referrer"})


def _only(form: bytes, name: str) -> str:
    """The value of a field that was given once."""
    try:
        values = parse_qs(form.decode("ascii"), max_num_fields=8).get(name, [])
    except ValueError:
        return ""
    return values[0] if len(values) == 1 else ""
