"""Limit the system calls that a worker may make (seccomp on Linux).

It is a list of what is allowed: memory, threads, time, and reading and writing what is open. Every
other system call fails with EPERM, as though the user had no right to it. So no file is opened, no
program started, no network reached, no other process touched; whether a file exists can be asked.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

# Numbers of x86-64 and of ARM64; None where the architecture does not have the call.
ALLOWED: dict[str, tuple[int | None, int | None]] = {
    "read": (0, 63), "write": (1, 64), "readv": (19, 65), "writev": (20, 66),
    "pread64": (17, 67), "lseek": (8, 62), "close": (3, 57), "dup": (32, 23), "fcntl": (72, 25),
    "fstat": (5, 80), "newfstatat": (262, 79), "statx": (332, 291),
    "sendto": (44, 206), "sendmsg": (46, 211), "recvfrom": (45, 207), "recvmsg": (47, 212),
    "poll": (7, None), "ppoll": (271, 73),
    "brk": (12, 214), "mmap": (9, 222), "munmap": (11, 215), "mremap": (25, 216),
    "mprotect": (10, 226), "madvise": (28, 233), "membarrier": (324, 283),
    "futex": (202, 98), "set_robust_list": (273, 99), "rseq": (334, 293), "gettid": (186, 178),
    "sched_yield": (24, 124), "sched_getaffinity": (204, 123), "getcpu": (309, 168),
    "clock_gettime": (228, 113), "clock_getres": (229, 114), "clock_nanosleep": (230, 115),
    "gettimeofday": (96, 169), "nanosleep": (35, 101), "getrandom": (318, 278),
    "rt_sigaction": (13, 134), "rt_sigprocmask": (14, 135), "rt_sigreturn": (15, 139),
    "sigaltstack": (131, 132), "restart_syscall": (219, 128),
    "getpid": (39, 172), "getppid": (110, 173), "getrusage": (98, 165),
    "getrlimit": (97, 163), "setrlimit": (160, 164), "prlimit64": (302, 261),
    "sysinfo": (99, 179), "uname": (63, 160), "exit": (60, 93), "exit_group": (231, 94),
}  # fmt: skip
KILL, TGKILL = (62, 129), (234, 131)
CLONE, CLONE3 = (56, 220), (435, 435)
SECCOMP = (317, 277)
CLONE_THREAD = 0x10000
AUDIT_ARCH = (0xC000003E, 0xC00000B7)
MACHINES = {"x86_64": 0, "aarch64": 1}

# From linux/seccomp.h and linux/prctl.h.
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC = 1, 1
RET_KILL_PROCESS, RET_ERRNO, RET_ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
NUMBER_AT, ARCH_AT, FIRST_ARGUMENT_AT = 0, 4, 16  # bytes into struct seccomp_data
# Instructions of linux/filter.h: load a word; jump where it is equal, or has a bit; return.
LOAD, JUMP_EQUAL, JUMP_BIT, RETURN = 0x20, 0x15, 0x45, 0x06


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def filter_system_calls() -> None:
    """Filter the system calls of this process from now on, those of all its threads.

    Does nothing where it cannot: where the system is not Linux, the machine is not known here, or
    the kernel has no seccomp.
    """
    machine = MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None or sys.maxsize < 2**32:
        return
    program = _program(machine, os.getpid())
    given = _Program(len(program) // 8, program)
    call, flags = SECCOMP[machine], SECCOMP_FILTER_FLAG_TSYNC
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    libc.syscall(call, SECCOMP_SET_MODE_FILTER, flags, ctypes.byref(given))


def _program(machine: int, pid: int) -> bytes:
    """Return the instructions of the filter, 8 bytes each."""
    parts = [
        _instruction(LOAD, ARCH_AT),
        _instruction(JUMP_EQUAL, AUDIT_ARCH[machine], if_true=1),
        _instruction(RETURN, RET_KILL_PROCESS),
        _instruction(LOAD, NUMBER_AT),
    ]
    for numbers in ALLOWED.values():
        number = numbers[machine]
        if number is not None:
            parts += [
                _instruction(JUMP_EQUAL, number, if_false=1),
                _instruction(RETURN, RET_ALLOW),
            ]
    # glibc then takes clone, whose flags are an argument that can be looked at.
    parts += [
        _instruction(JUMP_EQUAL, CLONE3[machine], if_false=1),
        _instruction(RETURN, RET_ERRNO | errno.ENOSYS),
    ]
    parts += _where(CLONE[machine], JUMP_BIT, CLONE_THREAD)  # threads, no processes
    parts += _where(KILL[machine], JUMP_EQUAL, pid)  # only this process
    parts += _where(TGKILL[machine], JUMP_EQUAL, pid)
    parts.append(_instruction(RETURN, RET_ERRNO | errno.EPERM))
    return b"".join(parts)


def _where(number: int, test: int, value: int) -> list[bytes]:
    """Allow a system call only if its first argument passes a test."""
    return [
        _instruction(JUMP_EQUAL, number, if_false=4),
        _instruction(LOAD, FIRST_ARGUMENT_AT),
        _instruction(test, value, if_false=1),
        _instruction(RETURN, RET_ALLOW),
        _instruction(RETURN, RET_ERRNO | errno.EPERM),
    ]


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    """Return one instruction; a jump skips `if_true` or `if_false` instructions."""
    return struct.pack("=HBBI", code, if_true, if_false, value)
