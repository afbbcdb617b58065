"""Serves a serial port over TCP by RFC 2217, with pyserial: rfc2217.py PORT. It prints the TCP port that it listens at."""
import socket
import sys
import threading

import serial
import serial.rfc2217


class Port(serial.Serial):
    """A pseudo-terminal, which has no modem lines."""

    cts = dsr = ri = cd = property(lambda self: False)


port = Port(sys.argv[1], timeout=0.05)
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)


def serve(peer):
    class Peer:
        write = staticmethod(peer.sendall)

    manager = serial.rfc2217.PortManager(port, Peer)
    done = threading.Event()

    def forward():
        while not done.is_set():
            data = port.read(port.in_waiting or 1)
            if data:
                peer.sendall(b"".join(manager.escape(data)))

    reader = threading.Thread(target=forward)
    reader.start()
    try:
        while data := peer.recv(4096):
            port.write(b"".join(manager.filter(data)))
    finally:
        done.set()
        reader.join()


while True:
    connection, _ = listener.accept()
    with connection:
        serve(connection)
