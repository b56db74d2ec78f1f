"""Takes system calls away from the process that no model needs: a filter of the kernel (seccomp), for good and for all threads.

Source: the kernel's documentation of seccomp filters; numbers of the calls from its tables (asm/unistd.h).
"""

import ctypes
import errno
import os

# The administration of the machine, other processes' memory, the kernel's own programs, new namespaces.
# name: (x86-64, aarch64)
REFUSED = {
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "pidfd_getfd": (438, 438), "perf_event_open": (298, 241), "bpf": (321, 280), "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425), "add_key": (248, 217), "request_key": (249, 218), "keyctl": (250, 219),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "fsconfig": (431, 431), "fsmount": (432, 432), "fspick": (433, 433),
    "mount_setattr": (442, 442), "unshare": (272, 97), "setns": (308, 268), "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265), "swapon": (167, 224), "swapoff": (168, 225), "reboot": (169, 142),
    "kexec_load": (246, 104), "kexec_file_load": (320, 294), "init_module": (175, 105), "finit_module": (313, 273),
    "delete_module": (176, 106), "syslog": (103, 116), "acct": (163, 89), "quotactl": (179, 60), "quotactl_fd": (443, 443),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "clock_adjtime": (305, 266),
    "sethostname": (170, 161), "setdomainname": (171, 162),
}
ONLY_X86 = {"iopl": 172, "ioperm": 173}
CLONE, CLONE3, SOCKET, SECCOMP = (56, 220), (435, 435), (41, 198), (317, 277)
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

LOAD, IF_EQUAL, IF_AT_LEAST, IF_ANY, ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06
NUMBER, MACHINE, FIRST_ARGUMENT = 0, 4, 16
ALLOW, REFUSE = 0x7FFF0000, 0x00050000
SET_FILTER, ALL_THREADS, NO_SLOWER_SPECULATION = 1, 1, 4
CLONE_NEW_NAMESPACES, OTHER_ABI, AF_UNIX = 0x7E020000, 0x40000000, 1


class _Step(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32)]


class _Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_uint16), ("steps", ctypes.POINTER(_Step))]


def program(column, machine, network):
    """The filter: (code, jump if so, jump if not, value) each. `network` false: no sockets but those within the machine."""
    permission, missing = REFUSE | errno.EPERM, REFUSE | errno.ENOSYS
    # Jumps count the steps that they leave out.
    steps = [(LOAD, 0, 0, MACHINE), (IF_EQUAL, 1, 0, machine), (ANSWER, 0, 0, missing), (LOAD, 0, 0, NUMBER)]
    if column == 0:
        steps += [(IF_AT_LEAST, 0, 1, OTHER_ABI), (ANSWER, 0, 0, missing)]
    numbers = [numbers[column] for numbers in REFUSED.values()] + (list(ONLY_X86.values()) if column == 0 else [])
    for number in sorted(numbers):
        steps += [(IF_EQUAL, 0, 1, number), (ANSWER, 0, 0, permission)]
    # The C library goes on with clone, whose flags a filter can read.
    steps += [(IF_EQUAL, 0, 1, CLONE3[column]), (ANSWER, 0, 0, missing)]
    steps += [(IF_EQUAL, 0, 4, CLONE[column]), (LOAD, 0, 0, FIRST_ARGUMENT), (IF_ANY, 0, 1, CLONE_NEW_NAMESPACES),
              (ANSWER, 0, 0, permission), (LOAD, 0, 0, NUMBER)]
    if not network:
        steps += [(IF_EQUAL, 0, 3, SOCKET[column]), (LOAD, 0, 0, FIRST_ARGUMENT), (IF_EQUAL, 1, 0, AF_UNIX), (ANSWER, 0, 0, permission)]
    return steps + [(ANSWER, 0, 0, ALLOW)]


def apply(libc, network):
    """Sets the filter; the process must not gain privileges any more. Raises OSError where the system has none."""
    column, machine = MACHINES.get(os.uname().machine, (None, None))
    if column is None:
        raise OSError(errno.ENOSYS, "no filter is known for " + os.uname().machine)
    steps = program(column, machine, network)
    filled = _Program(len(steps), (_Step * len(steps))(*(_Step(*step) for step in steps)))
    number = ctypes.c_long(SECCOMP[column])
    if libc.syscall(number, ctypes.c_long(SET_FILTER), ctypes.c_long(ALL_THREADS | NO_SLOWER_SPECULATION), ctypes.byref(filled)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
