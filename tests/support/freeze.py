"""Stops every thread of a process but the first until a file is there: python3 freeze.py PID FILE.
Says "frozen", or ends with 77 where it may not. ptrace(2), for nothing else stops one thread."""
import ctypes, os, sys, time

SEIZE, INTERRUPT, DETACH, WALL = 0x4206, 0x4207, 17, 0x40000000
pid, path = int(sys.argv[1]), sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
threads = [int(t) for t in os.listdir(f"/proc/{pid}/task") if int(t) != pid]
for tid in threads:
    if libc.ptrace(SEIZE, tid, None, None) or libc.ptrace(INTERRUPT, tid, None, None):
        sys.exit(77)
    os.waitpid(tid, WALL)
print("frozen", flush=True)
while not os.path.exists(path):
    time.sleep(0.01)
for tid in threads:
    libc.ptrace(DETACH, tid, None, None)
