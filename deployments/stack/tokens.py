"""Random tokens, each of them good as long as a file that is named by its hash is there."""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
import time
from pathlib import Path

from nightshift.atomic import disk_faults

_BYTES = 32
_OPEN_TO_OTHERS = 0o077


class Tokens:
    """The tokens of one folder. Whoever reads the folder learns none of them.

    Args:
        folder: where their files are; made with the first token.
        seconds: how long a token is good, if it is not for as long as its file is there.
    """

    def __init__(self, folder: Path, seconds: float = float("inf")) -> None:
        self._folder = folder
        self._seconds = seconds

    def issue(self, holder: str) -> str:
        """A new token.

        Args:
            holder: whose it is; a token of `this_process` goes when that process is gone and somebody looks.

        Raises:
            OutsideError: it cannot be written.
        """
        self.sweep()
        token = new_token()
        with disk_faults(self._folder):
            folder = private_folder(self._folder)
            private_file(folder, holder).replace(folder / digest(token))
        return token

    def holds(self, token: str | bytes) -> bool:
        """Whether the token is good."""
        return _age(self._folder / digest(token)) <= self._seconds

    def use(self, token: str | bytes) -> bool:
        """Whether the token was good; from now on it is not."""
        was_good = self.holds(token)
        try:
            (self._folder / digest(token)).unlink()
        except (FileNotFoundError, NotADirectoryError):
            return False  # or another process was faster
        return was_good

    def withdraw(self, holder: str | None = None) -> None:
        """Make the tokens of this holder worthless, or all of them."""
        for path in self._files():
            if holder is None or _holder(path) == holder:
                path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove the tokens that are too old, and those of processes that are gone."""
        for path in self._files():
            if _age(path) > self._seconds or _is_gone(_holder(path)):
                path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        # What is being written has a name of its own.
        return list(self._folder.glob("[0-9a-f]*")) if self._folder.is_dir() else []


def this_process() -> str:
    """The holder whose tokens are good while this process lives."""
    return f"process {os.getpid()} of {platform.node()}"


def new_token() -> str:
    """What nobody can guess."""
    return secrets.token_urlsafe(_BYTES)


def digest(token: str | bytes) -> str:
    """The SHA-256 of a token; comparing these tells nothing of the tokens."""
    return hashlib.sha256(token.encode() if isinstance(token, str) else token).hexdigest()


def private_folder(folder: Path) -> Path:
    """The folder, made if need be, for this user alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & _OPEN_TO_OTHERS:
        folder.chmod(0o700)
    return folder


def private_file(folder: Path, text: str, *, is_synced: bool = False) -> Path:
    """A new file in the folder, for the caller to rename, which nobody else could read at any moment."""
    draft = folder / f".{secrets.token_hex(8)}.partial"
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
        if is_synced:
            file.flush()
            os.fsync(handle)
    return draft


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""


def _age(path: Path) -> float:
    """Seconds since the file was written; not a number, and so never too few nor too many, if it is not there."""
    try:
        return time.time() - path.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return float("nan")


def _is_gone(holder: str) -> bool:
    """Whether the holder is a process of this machine that has ended."""
    word, _, rest = holder.partition(" ")
    pid, _, machine = rest.partition(" of ")
    if word != "process" or machine != platform.node() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except (ProcessLookupError, PermissionError):
        return True  # or the number went to another user's process
    return False
