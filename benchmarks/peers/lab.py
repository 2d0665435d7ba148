"""What a comparison needs: the proxies with a config each, the backend, certificates, CPU time and memory of processes.

Everything listens on loopback and lives in a temporary directory; end_all() ends what was started and removes it.
"""
import base64
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SALLYPORT = os.environ.get("SALLYPORT_BINARY", os.path.join(TOP, "build/release/sallyport"))
LOAD = os.path.join(TOP, "build/release/benchmark_load")
PROXY_CPU, LOAD_CPU, BOTH_CPUS = "0", "1", "0,1"
TICK = os.sysconf("SC_CLK_TCK")
BODY = json.dumps({"item": "lamp", "count": 3, "notes": ["n" * 60] * 55})  # about 3.5 KB
SCHEMA = """
        schema:
          type: object
          required: [item, count]
          properties: { item: { type: string }, count: { type: integer, maximum: 9 }, notes: { type: array, items: { type: string, maxLength: 80 } } }
          additionalProperties: false"""

WORK = tempfile.mkdtemp(prefix="sallyport-bench-")
os.chmod(WORK, 0o755)  # nginx reads there as another user
STARTED = []
signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # what was started ends, too


def write(name, text):
    path = os.path.join(WORK, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(cpu, *command):
    p = subprocess.Popen(["taskset", "-c", cpu, *command], stdout=subprocess.DEVNULL, stderr=open(os.path.join(WORK, "err"), "a"))
    STARTED.append(p)
    return p


def end(process):
    process.send_signal(signal.SIGTERM)
    process.wait(40)
    STARTED.remove(process)


def end_all():
    for process in STARTED:
        process.terminate()
    shutil.rmtree(WORK, ignore_errors=True)


def wait_for(port, patience=10):
    until = time.monotonic() + patience
    while time.monotonic() < until:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        except OSError:
            time.sleep(0.02)
    sys.exit(f"nothing listens on port {port}:\n" + open(os.path.join(WORK, "err")).read()[-2000:])


def reload_seconds(process):
    """How long Sallyport takes to have read its config again."""
    def count():
        return open(os.path.join(WORK, "err")).read().count(" config_reloaded ")
    before, began = count(), time.monotonic()
    process.send_signal(signal.SIGHUP)
    while count() == before:
        if time.monotonic() - began > 60:
            sys.exit("the config was not reloaded")
        time.sleep(0.005)
    return time.monotonic() - began


def family(pid):
    """The process and its children."""
    out = [pid]
    try:
        for child in open(f"/proc/{pid}/task/{pid}/children").read().split():
            out += family(int(child))
    except OSError:
        pass
    return out


def cpu_seconds(pid):
    total = 0
    for one in family(pid):
        fields = open(f"/proc/{one}/stat").read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICK


def memory_kib(pid):
    """What is resident and not shared with other processes, of all its processes."""
    total = 0
    for one in family(pid):
        for line in open(f"/proc/{one}/smaps_rollup"):
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                total += int(line.split()[1])
    return total


def settled_memory_kib(pid):
    """The same once it has not changed for a second: the workers take the config behind the listener."""
    before = None
    while (now := memory_kib(pid)) != before:
        before = now
        time.sleep(1)
    return now


def certificate():
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj",
                    "/CN=localhost", "-keyout", f"{WORK}/tls.key", "-out", f"{WORK}/tls.crt"], check=True, stderr=subprocess.DEVNULL)
    write("both.pem", open(f"{WORK}/tls.crt").read() + open(f"{WORK}/tls.key").read())


def base64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def token():
    """An ES256 token and the key set that it is verified with, by the openssl command."""
    key = f"{WORK}/issuer.key"
    subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True, stderr=subprocess.DEVNULL)
    subprocess.run(["openssl", "ec", "-in", key, "-pubout", "-out", f"{WORK}/issuer.pem"], check=True, stderr=subprocess.DEVNULL)
    public = subprocess.run(["openssl", "ec", "-in", key, "-pubout", "-outform", "DER"], check=True, capture_output=True).stdout[-64:]
    write("jwks.json", json.dumps({"keys": [{"kty": "EC", "crv": "P-256", "kid": "k", "x": base64url(public[:32]), "y": base64url(public[32:])}]}))
    claims = {"iss": "https://idp", "aud": "api", "sub": "bench", "roles": ["clerk"], "exp": int(time.time()) + 86400}
    signed = base64url(b'{"alg":"ES256","kid":"k"}') + "." + base64url(json.dumps(claims).encode())
    der = subprocess.run(["openssl", "dgst", "-sha256", "-sign", key], check=True, capture_output=True, input=signed.encode()).stdout
    r_end = 4 + der[3]
    r, s = der[4:r_end], der[r_end + 2:]
    return signed + "." + base64url(r[-32:].rjust(32, b"\0") + s[-32:].rjust(32, b"\0"))


def credentials():
    """A key of Sallyport's and a token; the other proxies are told the same."""
    made = subprocess.run([SALLYPORT, "keys", "create", "--file", f"{WORK}/keys.yaml", "--client", "bench", "--roles", "clerk"],
                          check=True, capture_output=True, text=True)
    return made.stdout.strip(), token()


def backend(http2=False):
    port = free_port()
    write("www/large", "x" * (1 << 20))
    write("www/chunked", "x" * 10000)
    conf = write(f"backend-{port}.conf", f"""
daemon off; worker_processes 1; pid {WORK}/backend-{port}.pid; error_log {WORK}/backend.err;
events {{ worker_connections 8192; }}
http {{ access_log off; keepalive_requests 100000000; client_max_body_size 8m; client_body_temp_path {WORK}/tmp; sendfile on;
  client_body_buffer_size 2m;
  server {{ listen 127.0.0.1:{port} backlog=4096{' http2' if http2 else ''}; root {WORK}/www;
    location = /large {{ }}
    location = /chunked {{ ssi on; ssi_types *; }}
    location / {{ default_type text/plain; return 200 "{'y' * 130}"; }} }} }}""")
    start(LOAD_CPU, "nginx", "-p", WORK, "-c", conf)
    wait_for(port)
    return port


def wrk(port, path, seconds, script="", connections=64, cpus=LOAD_CPU, good=True):
    """Load by HTTP/1.1; what wrk prints. script: its Lua. good: whether the answers are to be 2xx."""
    extra = ["-s", write("wrk.lua", script)] if script else []
    out = subprocess.run(["taskset", "-c", cpus, "wrk", "-t1", f"-c{connections}", "--latency", f"-d{seconds}s", *extra, f"https://127.0.0.1:{port}{path}"],
                         check=True, capture_output=True, text=True).stdout
    if ("Non-2xx" in out) == good or "Socket errors" in out or " 0 requests in" in out:
        sys.exit(f"{path}: other answers than were asked for:\n{out}")
    return out


def post(body, key, token):
    """wrk's script for a POST."""
    return (f'wrk.method = "POST"\nwrk.body = [[{body}]]\nwrk.headers["Content-Type"] = "application/json"\n'
            f'wrk.headers["X-API-Key"] = "{key}"\nwrk.headers["Authorization"] = "Bearer {token}"\n')


def h2load(port, path, *options):
    """Load by HTTP/2, 8 connections of 16 streams each; how many answers came, all of which were good."""
    out = subprocess.run(["taskset", "-c", LOAD_CPU, "h2load", "-c8", "-m16", *options, f"https://127.0.0.1:{port}{path}"],
                         check=True, capture_output=True, text=True).stdout
    good, failed = (int(re.search(rf"(\d+) {what}", out).group(1)) for what in ("2xx", "failed"))
    if not good or failed or "Application protocol: h2" not in out:
        sys.exit(f"{path}: not every answer was good:\n{out}")
    return good


def redis():
    port = free_port()
    start(LOAD_CPU, "redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", WORK)
    wait_for(port)
    return port


def nginx(to, workers=1, lua="", cpus=PROXY_CPU):
    """lua: what is checked before a request is forwarded."""
    port = free_port()
    modules = ("load_module /usr/lib/nginx/modules/ndk_http_module.so;\nload_module /usr/lib/nginx/modules/ngx_http_lua_module.so;" if lua else "")
    access = f"access_by_lua_block {{ {lua} }}" if lua else ""
    log = f"access_log {WORK}/nginx.log combined buffer=64k flush=1s;" if lua else "access_log off;"
    conf = write(f"nginx-{port}.conf", f"""
{modules}
daemon off; worker_processes {workers}; pid {WORK}/nginx-{port}.pid; error_log {WORK}/nginx.err;
events {{ worker_connections 8192; }}
http {{ {log} keepalive_requests 100000000; client_body_temp_path {WORK}/tmp2; proxy_temp_path {WORK}/tmp3; client_max_body_size 8m;
  upstream b {{ server 127.0.0.1:{to}; keepalive 128; keepalive_requests 100000000; }}
  server {{ listen 127.0.0.1:{port} ssl http2 backlog=4096{' reuseport' if workers > 1 else ''}; ssl_certificate {WORK}/tls.crt; ssl_certificate_key {WORK}/tls.key;
    ssl_protocols TLSv1.3; client_body_buffer_size 64k;
    location / {{ {access} proxy_pass http://b; proxy_http_version 1.1; proxy_set_header Connection ""; }} }} }}""")
    return port, start(cpus, "nginx", "-p", WORK, "-c", conf)


def nginx_lua(to, redis_port, key):
    """Key, limit counted in Redis and log, in the way of the gateways that stand on nginx and Lua."""
    return nginx(to, lua=f"""
      if ngx.var.http_x_api_key ~= "{key}" then return ngx.exit(401) end
      local redis = require "nginx.redis"
      local r = redis:new()
      r:set_timeout(1000)
      if not r:connect("127.0.0.1", {redis_port}) then return ngx.exit(503) end
      local count = r:incr("limit:bench:" .. math.floor(ngx.time() / 600))
      if count == 1 then r:expire("limit:bench:" .. math.floor(ngx.time() / 600), 600) end
      r:set_keepalive(10000, 128)
      if not count or count > 100000000 then return ngx.exit(429) end""")


def haproxy(to, policy_key=None):
    port = free_port()
    policy = f"""
  stick-table type string len 64 size 100k expire 10m store http_req_rate(10m)
  http-request deny deny_status 401 unless {{ req.hdr(X-API-Key) "{policy_key}" }}
  http-request set-var(txn.bearer) http_auth_bearer
  http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
  http-request deny deny_status 401 unless {{ var(txn.alg) -m str ES256 }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_verify(txn.alg,"{WORK}/issuer.pem") -m int 1 }}
  http-request deny deny_status 401 unless {{ var(txn.bearer),jwt_payload_query('$.iss') -m str https://idp }}
  http-request track-sc0 req.hdr(X-API-Key)
  http-request deny deny_status 429 if {{ sc_http_req_rate(0) gt 100000000 }}
  option httplog
  log 127.0.0.1:{free_port()} format raw local0
""" if policy_key else ""
    conf = write(f"haproxy-{port}.cfg", f"""
global
  nbthread 1
  maxconn 8000
defaults
  mode http
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  http-reuse always
frontend f
  bind 127.0.0.1:{port} ssl crt {WORK}/both.pem ssl-min-ver TLSv1.3 alpn h2,http/1.1{policy}
  default_backend b
backend b
  server s 127.0.0.1:{to} pool-max-conn 256
""")
    return port, start(PROXY_CPU, "haproxy", "-db", "-f", conf)


def hitch(to):
    """TLS and raw bytes, no HTTP: the floor."""
    port = free_port()
    conf = write(f"hitch-{port}.conf", f"""
frontend = "[127.0.0.1]:{port}"
backend = "[127.0.0.1]:{to}"
pem-file = "{WORK}/both.pem"
tls-protos = TLSv1.3
workers = 1
backlog = 4096
daemon = off
user = "nobody"
""")
    return port, start(PROXY_CPU, "hitch", f"--config={conf}")


def h2o(to):
    port = free_port()
    conf = write(f"h2o-{port}.yaml", f"""
num-threads: 1
user: root
max-connections: 8192
listen: {{ host: 127.0.0.1, port: {port}, ssl: {{ ocsp-update-interval: 0, certificate-file: {WORK}/tls.crt, key-file: {WORK}/tls.key }} }}
hosts: {{ default: {{ paths: {{ /: {{ proxy.reverse.url: "http://127.0.0.1:{to}/", proxy.timeout.keepalive: 60000 }} }} }} }}
""")
    return port, start(PROXY_CPU, "h2o", "-c", conf)


def sallyport(to, policy=None, log="off", workers=1, redis_port=0, big=False, under=(), binary=None, cpus=PROXY_CPU, lease=0,
              to_scheme="http"):
    """under: the command of a tool that runs it. policy: None, or "memory" or "redis" for where its limit counts. big: with 10,000 routes, 1,000 limits and a file of many keys. binary: another one."""
    port = free_port()
    block = f"""
    authenticate: {{ all_of: [keys, idp] }}
    authorize: {{ roles: [clerk] }}
    limit: [all]
    validate:
      body:{SCHEMA}
""" if policy else "\n    authenticate: public\n"
    more_limits = "".join(f"\n  limit{i}: {{ rate: {i + 1}/1m, by: client }}" for i in range(1000 if big else 0))
    more_routes = "".join(f"\n  - {{ name: r{i}, match: {{ path: \"/r{i % 100}/{i}/{{id}}\" }}, authenticate: {{ any_of: [many] }}, limit: [limit{i % 1000}], "
                          "forward: { to: b } }" for i in range(10000 if big else 0))
    conf = write(f"sallyport-{port}.yaml", f"""
version: 1
workers: {workers}
listeners:
  - name: edge
    address: 127.0.0.1:{port}
    tls: {{ min_version: "1.3", certificates: [ {{ cert: tls.crt, key: tls.key }} ] }}
log: {{ access: {{ to: "{log}" }} }}
stores: {{ shared: {{ url: "redis://127.0.0.1:{redis_port or 6379}", timeout: 1s }} }}
upstreams: {{ b: {{ targets: ["{to_scheme}://127.0.0.1:{to}"] }} }}
authenticators:
  keys: {{ type: api_key, file: {WORK}/keys.yaml }}
  idp: {{ type: jwt, issuer: "https://idp", audiences: [api], algorithms: [ES256], jwks: {{ file: {WORK}/jwks.json }} }}
{f'  many: {{ type: api_key, file: {WORK}/many.yaml }}' if big else ''}
limits:
  all: {{ rate: 10000000/10m, by: client, store: {'shared' if policy == 'redis' else 'memory'}{f', lease: {lease}' if lease else ''} }}{more_limits}
routes:
  - name: all
    match: {{ path: "/{{rest...}}" }}{block}    forward: {{ to: b }}{more_routes}
""")
    return port, start(cpus, *under, binary or SALLYPORT, "run", conf)


def many_keys(count):
    """The big config's key file. The hashes belong to nobody: what counts is how many there are."""
    digest = "ab" * 32
    with open(os.path.join(WORK, "many.yaml"), "w") as f:
        f.write("version: 1\nkeys:\n")
        for i in range(count):
            f.write(f'  - id: "{i:012d}"\n    client: c{i % 1000}\n    hash: sha256:{digest}\n    roles: [clerk]\n    created: "2026-01-01T00:00:00Z"\n')
