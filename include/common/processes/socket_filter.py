"""
A seccomp filter, as the bytes that the kernel takes: system calls by which a process could reach beyond its sandbox
are refused with EPERM; another architecture or calling convention than ours kills it.

    each instruction: u16 code, u8 jump if true, u8 jump if false, u32 operand     (struct sock_filter, linux/filter.h)
"""

from __future__ import annotations

import errno
import platform
import struct

# Numbers of system calls: asm/unistd_64.h and asm-generic/unistd.h of Linux 6.
_X86_64 = {
    "socket": 41, "connect": 42, "sendto": 44, "sendmsg": 46, "bind": 49, "listen": 50, "socketpair": 53,
    "ptrace": 101, "mount": 165, "umount2": 166, "keyctl": 250, "add_key": 248, "request_key": 249, "unshare": 272,
    "perf_event_open": 298, "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "bpf": 321,
    "userfaultfd": 323, "io_uring_setup": 425, "io_uring_enter": 426, "pidfd_getfd": 438,
}  # fmt: skip
_AARCH64 = {
    "socket": 198, "socketpair": 199, "bind": 200, "listen": 201, "connect": 203, "sendto": 206, "sendmsg": 211,
    "ptrace": 117, "mount": 40, "umount2": 39, "keyctl": 219, "add_key": 217, "request_key": 218, "unshare": 97,
    "perf_event_open": 241, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "bpf": 280,
    "userfaultfd": 282, "io_uring_setup": 425, "io_uring_enter": 426, "pidfd_getfd": 438,
}  # fmt: skip
# linux/audit.h
_ARCHITECTURES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
# Offsets in struct seccomp_data.
_NUMBER, _ARCHITECTURE = 0, 4
# Numbers from here on are the x32 convention of x86_64: the same calls by other numbers.
_X32 = 0x40000000


def filter_program(machine: str = "") -> bytes:
    """The filter for this machine; KeyError where its architecture is not known, so that nothing starts unfiltered."""
    architecture, calls = _ARCHITECTURES[machine or platform.machine()]
    refused = sorted(calls.values())
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    for position, number in enumerate(refused):
        program.append((_JUMP_EQUAL, len(refused) - position, 0, number))
    program += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _ERRNO | errno.EPERM)]
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)
