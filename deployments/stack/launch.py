"""Run a command as a daemon and print its process id: the script that stands between `up` and a server."""

import os
import signal
import sys


def main() -> None:
    """Become the parent of a detached process that runs `sys.argv[1:]`, its output going to stderr."""
    # Dispositions and masks outlive exec: a caller in the background of a shell ignores SIGINT, a caller that
    # waits in a signal-blocking thread blocks more, and a server that inherits either cannot be stopped.
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    # The caller has given this script a session of its own. The fork leaves the server to init: it never gets
    # a terminal back, and a caller that lives long keeps no zombie of it.
    pid = os.fork()
    if pid:
        print(pid)
        return
    os.dup2(2, 1)
    os.execv(sys.argv[1], sys.argv[1:])


if __name__ == "__main__":
    main()
