"""nginx in one process, for the files of a folder: the first of two arguments."""

import os
import socket
import sys
import tempfile
import time

folder = sys.argv[1]
with socket.create_server(("127.0.0.1", 0)) as free:
    port = free.getsockname()[1]
here = tempfile.mkdtemp()
with open(f"{here}/conf", "w") as file:
    temporary = "".join(
        f"  {of}_temp_path {here}/{of};\n" for of in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    file.write(
        f"daemon off;\nmaster_process off;\npid {here}/pid;\nerror_log stderr crit;\nevents {{}}\nhttp {{\n"
        f"  access_log off;\n  sendfile on;\n  keepalive_requests 1000000000;\n{temporary}"
        f"  server {{\n    listen 127.0.0.1:{port};\n    root {folder};\n  }}\n}}\n"
    )
# nginx does not say when it listens, and has to be the process that was started.
if os.fork() == 0:
    for _ in range(1000):
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            break
        except OSError:
            time.sleep(0.01)
    print("ready", port, flush=True)
    os._exit(0)
os.execvp("nginx", ["nginx", "-c", f"{here}/conf"])
