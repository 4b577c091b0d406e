"""The account of the PostgreSQL that starts by itself, and a few requests to the Linux kernel.

PostgreSQL refuses to run as root, and no other account may enter a checkout or an environment below /root. No
permission is loosened for that: the server's account keeps one capability (capabilities(7)), only where it has to, with
which it may enter. Other systems have no capabilities, and such a folder is an error there.
"""

import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable

LINUX = sys.platform == "linux"
# The numbers of prctl(2) and capabilities(7).
_PR_SET_PDEATHSIG, _PR_SET_KEEPCAPS, _PR_SET_NAME, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT = 1, 8, 15, 28, 47
_NO_SETUID_FIXUP = 1 << 2
_AMBIENT_RAISE, _AMBIENT_CLEAR_ALL = 2, 4
_CAPABILITY_VERSION_3 = 0x20080522
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
# The weaker one first; containers often grant only the stronger.
_ACCESS_CAPABILITIES = (None, _CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE)


def leave_root(uid: int, gid: int, probe: Callable[[], str]) -> str:
    """Turn this process from root into the account, for good, and return what `probe` returns.

    `probe` runs as the account and raises PermissionError where it cannot reach what it needs. This function raises it,
    too, if `probe` still cannot with the capabilities that the machine grants root. Call it while the process has one
    thread.
    """
    granted = _permitted_capabilities() if LINUX else 0
    if LINUX:
        _prctl(_PR_SET_KEEPCAPS, 1)
        # access(2), with which initdb looks for its files, disregards the capability otherwise. It takes a right
        # (setpcap) that root may lack; then it is up to `probe` to find that out.
        with contextlib.suppress(PermissionError):
            _prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP)
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    for capability in _ACCESS_CAPABILITIES:
        if capability is not None and not granted & 1 << capability:
            continue
        if LINUX:
            _set_capability(capability, granted)
        try:
            found = probe()
        except PermissionError as exc:
            refused = exc
        else:
            if LINUX:
                _set_capability(capability, 0)
            return found
    raise refused


def name_process(name: str) -> None:
    """Set the name that ps, top and pkill show for this process; at most 15 bytes."""
    if LINUX:
        _prctl(_PR_SET_NAME, ctypes.c_char_p(name.encode()))


def end_with_parent() -> None:
    """Have the kernel send this process SIGINT when its parent's thread ends; call it in a child before its exec."""
    if LINUX:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGINT)


# Loaded before any fork: a child between fork and exec should load nothing.
_libc = ctypes.CDLL(None, use_errno=True)


def _raise_on_error(result: int) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _prctl(option: int, argument: int | ctypes.c_char_p, second: int = 0) -> None:
    first = argument if isinstance(argument, ctypes.c_char_p) else ctypes.c_ulong(argument)
    _raise_on_error(_libc.prctl(option, first, ctypes.c_ulong(second), ctypes.c_ulong(0), ctypes.c_ulong(0)))


def _permitted_capabilities() -> int:
    """Return the capabilities that this process may use, the first 32, as bits."""
    data = (ctypes.c_uint32 * 6)()
    _raise_on_error(_libc.capget((ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), data))
    return data[1]


def _set_capability(capability: int | None, in_reserve: int) -> None:
    """Use `capability` from now on, also in children; of the others only those in `in_reserve` can be had later."""
    used = 0 if capability is None else 1 << capability
    in_reserve &= 1 << _CAP_DAC_OVERRIDE | 1 << _CAP_DAC_READ_SEARCH
    # Effective, permitted, inheritable; then the same for the upper 32.
    data = (ctypes.c_uint32 * 6)(used, used | in_reserve, used, 0, 0, 0)
    _prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL)
    _raise_on_error(_libc.capset((ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0), data))
    if capability is not None:
        _prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, capability)
