"""The secret, passes and printed addresses: who may read them, what is let in, and what a new secret changes."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from deployments.stack import access as access_module
from deployments.stack.access import COOKIE_SECONDS, LOGIN_SECONDS, Access
from deployments.stack.tokens import this_process
from nightshift.errors import OutsideError
from tests.conftest import ROOT


@pytest.fixture
def access(tmp_path: Path) -> Access:
    one = Access(tmp_path / "home")
    one.make_secret()
    return one


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o022, 0o000, 0o077])
def test_nobody_else_can_ever_read_what_is_written(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        access = Access(tmp_path / "home")
        access.make_secret()
        access.passes.issue("worker")
        access.logins.issue("browser")
        access.rotate()
    finally:
        os.umask(before)

    written = [access.folder, *access.folder.rglob("*")]
    assert {path.name for path in written} >= {"access", "secret", "passes", "logins"}
    assert all(mode(path) & 0o077 == 0 for path in written)
    assert mode(access.path) == 0o600
    assert not [path for path in written if path.name.endswith(".partial")]


def test_the_secret_stays_until_another_is_asked_for(access: Access) -> None:
    first = access.make_secret()

    assert access.make_secret() == first
    assert Access(access.folder.parent).secret() == first
    access.rotate()
    second = access.secret()
    assert second not in (None, first)
    assert len(second or "") >= 43  # 256 bits


def test_of_many_who_make_it_at_once_all_see_one(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(Access(tmp_path).make_secret())) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 16
    assert len(set(found)) == 1


@pytest.mark.parametrize("bits", [0o640, 0o604, 0o666, 0o620])
def test_a_file_that_others_may_read_or_write_is_refused(access: Access, bits: int) -> None:
    known = access.make_secret()
    access.path.chmod(bits)

    for ask in (access.secret, access.make_secret, lambda: access.admits(known), access.cookie):
        with pytest.raises(OutsideError, match="other users") as caught:
            ask()
    assert caught.value.remedy == "make a new one: nightshift secret --rotate"

    access.rotate()
    assert mode(access.path) == 0o600
    assert not access.admits(known)


@pytest.mark.parametrize("content", [b"", b"\n", b"short", b"with space in the middle of it", b"\xff" * 40])
def test_a_damaged_file_admits_nobody(access: Access, content: bytes) -> None:
    pass_of_mine = access.passes.issue(this_process())
    access.path.write_bytes(content)

    for password in (b"", content, content.strip(), b"nobody"):
        with pytest.raises(OutsideError, match="damaged"):
            access.admits(password)
    # What is at work goes on.
    assert access.admits(pass_of_mine)


def test_a_secret_that_is_a_link_or_no_file_is_refused(access: Access, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    access.path.rename(elsewhere)
    access.path.symlink_to(elsewhere)
    with pytest.raises(OutsideError, match="cannot be read"):
        access.secret()

    access.path.unlink()
    os.mkfifo(access.path, 0o600)
    with pytest.raises(OutsideError):
        access.secret()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_secret_of_another_user_is_refused(access: Access) -> None:
    os.chown(access.path, 65534, -1)

    with pytest.raises(OutsideError, match="another user"):
        access.secret()


def test_before_there_is_a_secret_nobody_is_admitted(tmp_path: Path) -> None:
    access = Access(tmp_path)

    assert access.secret() is None
    for password in ("", "None", "nightshift", b"\xff\x00"):
        assert not access.admits(password)
    assert not access.is_cookie(f"{int(time.time())}.{'0' * 64}")
    assert not access.folder.exists()


def test_a_new_secret_ends_cookies_and_addresses_and_leaves_passes(access: Access) -> None:
    old, cookie = access.make_secret(), access.cookie()
    address, pass_of_mine = access.logins.issue("browser"), access.passes.issue(this_process())
    worker = access.passes.issue("worker")
    assert access.is_cookie(cookie)

    access.rotate()

    assert not access.admits(old)
    assert not access.is_cookie(cookie)
    assert not access.logins.use(address)
    assert access.admits(pass_of_mine)
    assert access.admits(worker)
    assert access.is_cookie(access.cookie())


def test_a_pass_goes_with_its_process(access: Access) -> None:
    code = (
        "from pathlib import Path; import sys\n"
        "from deployments.stack.access import Access\n"
        "from deployments.stack.tokens import this_process\n"
        "print(Access(Path(sys.argv[1])).passes.issue(this_process()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(access.folder.parent)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    left = done.stdout.strip()

    mine = access.passes.issue(this_process())  # whoever issues one looks after the others

    assert not access.admits(left)
    assert access.admits(mine)
    access.passes.withdraw(this_process())
    assert not access.admits(mine)


def test_an_address_is_used_once_and_not_after_its_time(access: Access) -> None:
    first, old = access.logins.issue("browser"), access.logins.issue("browser")
    stale = time.time() - LOGIN_SECONDS - 5
    for path in access.folder.joinpath("logins").iterdir():
        if not access.logins.use("wrong") and path.name == access_module.digest(old):
            os.utime(path, (stale, stale))

    assert access.logins.use(first)
    assert not access.logins.use(first)
    assert not access.logins.use(old)
    # An address opens no API, and a pass no page.
    assert not access.admits(access.logins.issue("browser"))
    assert not access.logins.use(access.passes.issue("worker"))
    assert not access.logins.use("../secret")


def test_a_cookie_ends_and_cannot_be_made_without_the_secret(access: Access, tmp_path: Path) -> None:
    now = time.time()

    assert access.is_cookie(access.cookie(now - COOKIE_SECONDS + 60))
    assert not access.is_cookie(access.cookie(now - COOKIE_SECONDS - 60))
    assert not access.is_cookie(access.cookie(now + 3600))
    issued, _, seal = access.cookie().partition(".")
    for forged in (
        f"{int(issued) + 1}.{seal}",
        f"{issued}.{'0' * 64}",
        issued,
        "",
        f"{issued}.{seal} ",
        "\uff11.x",
    ):
        assert not access.is_cookie(forged)
    other = Access(tmp_path / "other")
    assert not access.is_cookie(other.cookie())
    assert other.cookie_name != access.cookie_name
    assert (access.secret() or "x") not in access.cookie()
