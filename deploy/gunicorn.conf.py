"""How gunicorn runs the gate: `gunicorn -c deploy/gunicorn.conf.py`."""

import os

wsgi_app = "dashboards.gate.server:application()"
# nginx and nobody else reaches it; in a container, where there is a network of its own, a port.
bind = os.environ.get("GATE_BIND", "unix:/run/eqm/gate.sock")
umask = 0o007
# A request is one look into the database and one file, so threads wait for disks and clients only.
worker_class = "gthread"
workers = int(os.environ.get("GATE_WORKERS", "2"))
threads = 8
timeout = 30
graceful_timeout = 20
keepalive = 75
max_requests = 100_000
max_requests_jitter = 10_000
# Longer requests are nobody's: cookie, path and parameters of the gate are short.
limit_request_line = 2048
limit_request_fields = 40
limit_request_field_size = 4096
# No header stands for a part of the address, whoever sends it.
forwarder_headers = ""
control_socket_disable = True
# Addresses hold tickets and codes; nginx writes down what is fit to be written down.
accesslog = None
errorlog = "-"
loglevel = "warning"
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112
