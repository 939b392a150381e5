"""The kernel's calls that a thread waits in, by their numbers on each architecture."""

from __future__ import annotations

from typing import Final


def _table(text: str) -> dict[int, str]:
    """The names by number of a list like `0 read, 1 write`."""
    pairs = (entry.split() for entry in text.split(","))
    return {int(number): name for number, name in pairs}


#: arch/x86/entry/syscalls/syscall_64.tbl
X86_64: Final = _table("""
    0 read, 1 write, 7 poll, 23 select, 24 sched_yield, 34 pause, 35 nanosleep, 42 connect, 43
    accept, 44 sendto, 45 recvfrom, 46 sendmsg, 47 recvmsg, 61 wait4, 65 semop, 72 fcntl, 73
    flock, 74 fsync, 75 fdatasync, 128 rt_sigtimedwait, 202 futex, 220 semtimedop, 230
    clock_nanosleep, 232 epoll_wait, 247 waitid, 270 pselect6, 271 ppoll, 281 epoll_pwait, 288
    accept4, 299 recvmmsg, 441 epoll_pwait2, 449 futex_waitv
""")
#: include/uapi/asm-generic/unistd.h
ARM64: Final = _table("""
    22 epoll_pwait, 25 fcntl, 32 flock, 63 read, 64 write, 72 pselect6, 73 ppoll, 82 fsync, 83
    fdatasync, 95 waitid, 98 futex, 101 nanosleep, 115 clock_nanosleep, 124 sched_yield, 137
    rt_sigtimedwait, 192 semtimedop, 193 semop, 202 accept, 203 connect, 206 sendto, 207
    recvfrom, 211 sendmsg, 212 recvmsg, 242 accept4, 243 recvmmsg, 260 wait4, 441 epoll_pwait2,
    449 futex_waitv
""")
#: Those whose first argument is a descriptor, or a list of them.
ON_DESCRIPTORS: Final = frozenset({
    "read", "write", "poll", "ppoll", "connect", "accept", "accept4", "sendto", "sendmsg",
    "recvfrom", "recvmsg", "recvmmsg",
})  # fmt: skip
BY_MACHINE: Final = {"x86_64": X86_64, "aarch64": ARM64}


def name_of(number: int, machine: str) -> str:
    """The call's name; `system call 17` for one that is not known to wait."""
    return BY_MACHINE.get(machine, {}).get(number, f"system call {number}")
