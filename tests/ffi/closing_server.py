#!/usr/bin/env python3
"""A cloud that answers "not found" and closes each connection right after its reply, without a word
in its header about that: closing_server.py FOLDER. It listens without TLS and with it, writes the
ports into FOLDER/ports, and goes on until it is ended.
"""

import pathlib
import socket
import ssl
import struct
import sys
import threading

BODY = b'{"error": {"code": "not_found", "message": "there is no such server"}}'
REPLY = (
    b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    % len(BODY)
    + BODY
)


def serve(listener, context):
    while True:
        connection, _ = listener.accept()
        try:
            if context:
                connection = context.wrap_socket(connection, server_side=True)
            if connection.recv(65536):
                connection.sendall(REPLY)
                # The end is seen first, and then that nothing is taken any more.
                connection.shutdown(socket.SHUT_WR)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        connection.close()


def main():
    folder = pathlib.Path(sys.argv[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    ports = []
    for with_tls in (None, context):
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        ports.append(str(listener.getsockname()[1]))
        for _ in range(4):
            threading.Thread(target=serve, args=(listener, with_tls), daemon=True).start()
    (folder / "ports.new").write_text(" ".join(ports) + "\n")
    (folder / "ports.new").rename(folder / "ports")
    threading.Event().wait()


main()
