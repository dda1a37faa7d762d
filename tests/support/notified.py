"""The service manager's end of sd_notify, for the tests: python3 notified.py ADDRESS FILE. A socket
at ADDRESS (a path, or @name); each message goes to FILE as one line, its own lines joined by |."""
import os, socket, sys

address, path = sys.argv[1:]
listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
listener.bind("\0" + address[1:] if address.startswith("@") else address)
with open(path, "w", buffering=1) as out:
    while True:
        out.write(listener.recv(4096).decode().rstrip("\n").replace("\n", "|") + "\n")
