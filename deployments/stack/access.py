"""Who may come in: the home's secret, passes for Nightshift's own processes, and addresses that log a browser in once.

Everything lies in `access/` under the home, which only its user may read:

    secret      what a person's own clients send; browsers hold a cookie that is derived from it
    passes/     one token a process of Nightshift's, so that a new secret stops nobody at work
    logins/     one token an address that was printed, gone once it was used
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import stat
import time
from contextlib import suppress
from pathlib import Path

from deployments.stack.tokens import Tokens, digest, new_token, private_file, private_folder
from nightshift.atomic import disk_faults
from nightshift.errors import OutsideError

USER = "nightshift"
"""The name that goes with the secret, and with a pass, where clients want a name and a password."""

COOKIE_SECONDS = 30 * 24 * 3600
"""How long a browser stays logged in."""

LOGIN_SECONDS = 3600
"""How long a printed address may wait to be used."""

_SHORTEST = 20
_SECRET = re.compile(rf"[!-~]{{{_SHORTEST},512}}")
_COOKIE = re.compile(r"(\d{1,12})\.([0-9a-f]{64})", re.ASCII)
_CLOCK_TOLERANCE_SECONDS = 300
_OPEN_TO_OTHERS = 0o077


class Access:
    """What lets somebody in to the servers of one home, as it is at the moment it is asked."""

    def __init__(self, home: Path) -> None:
        self.folder = home / "access"
        self.passes = Tokens(self.folder / "passes")
        self.logins = Tokens(self.folder / "logins", LOGIN_SECONDS)
        # One a home: a browser sends its cookies to every port of a machine.
        self.cookie_name = f"nightshift-{digest(str(home.resolve()))[:12]}"
        self._known: tuple[tuple[int, ...], str] | None = None

    @property
    def path(self) -> Path:
        """The file with the secret."""
        return self.folder / "secret"

    def secret(self) -> str | None:
        """The secret as it is now; None before it is made.

        Raises:
            OutsideError: the file cannot be read, is somebody else's, may be read by others, or holds no secret.
        """
        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise self._fault(f"cannot be read: {error.strerror or error}") from error
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            look = (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size)
            if self._known is None or self._known[0] != look:
                self._check(found)
                text = file.read().decode("ascii", errors="replace").strip()
                if not _SECRET.fullmatch(text):
                    raise self._fault(f"is damaged: it must be at least {_SHORTEST} printable characters")
                self._known = (look, text)
        return self._known[1]

    def make_secret(self) -> str:
        """The secret, made if there is none; of two who make it at once, one is the first.

        Raises:
            OutsideError: it cannot be written, or see `secret`.
        """
        while (known := self.secret()) is None:
            with disk_faults(self.path):
                draft = private_file(private_folder(self.folder), new_token(), is_synced=True)
                try:
                    with suppress(FileExistsError):
                        os.link(draft, self.path)
                finally:
                    draft.unlink()
        return known

    def rotate(self) -> None:
        """Put a new secret in the place of the old one, which from then on lets nobody in, nor does any cookie.

        Addresses that were printed are void too. Passes of processes that live stay: these go on with their work.
        """
        with disk_faults(self.path):
            private_file(private_folder(self.folder), new_token(), is_synced=True).replace(self.path)
            self.logins.withdraw()
            self.passes.sweep()

    def admits(self, password: str | bytes) -> bool:
        """Whether this is a pass that is good, or the secret.

        Raises:
            OutsideError: see `secret`.
        """
        return self.passes.holds(password) or self.is_secret(password)

    def is_secret(self, text: str | bytes) -> bool:
        """Whether this is the secret itself.

        Raises:
            OutsideError: see `secret`.
        """
        known = self.secret()
        return known is not None and hmac.compare_digest(digest(text), digest(known))

    def cookie(self, now: float | None = None) -> str:
        """What a browser that was let in shows from then on. It tells nothing of the secret, and ends with it.

        Raises:
            OutsideError: see `secret`.
        """
        issued = str(int(time.time() if now is None else now))
        return f"{issued}.{_seal(self.make_secret(), issued)}"

    def is_cookie(self, text: str) -> bool:
        """Whether the cookie was made with the secret as it is now, and is not too old.

        Raises:
            OutsideError: see `secret`.
        """
        found, known = _COOKIE.fullmatch(text), self.secret()
        if found is None or known is None:
            return False
        issued, seal = found.groups()
        is_current = -_CLOCK_TOLERANCE_SECONDS <= time.time() - int(issued) <= COOKIE_SECONDS
        return hmac.compare_digest(seal, _seal(known, issued)) and is_current

    def _check(self, found: os.stat_result) -> None:
        if found.st_uid != os.geteuid():
            raise self._fault("belongs to another user")
        if not stat.S_ISREG(found.st_mode) or found.st_mode & _OPEN_TO_OTHERS:
            raise self._fault("may be read by other users of this machine, who may know it by now")

    def _fault(self, what: str) -> OutsideError:
        return OutsideError(
            f"the secret of the local servers {what}", where=str(self.path),
            remedy="make a new one: nightshift secret --rotate",
        )  # fmt: skip


def _seal(secret: str, issued: str) -> str:
    return hmac.new(secret.encode(), f"browser {issued}".encode(), hashlib.sha256).hexdigest()
