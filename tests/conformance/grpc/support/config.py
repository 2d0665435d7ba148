"""The configs of the gateways, and the keys of those who call."""
import subprocess

from support.process import binary

HEAD = """
version: 1
workers: 1
listeners:
  - name: edge
    address: "127.0.0.1:0"
    tls: { certificates: [ { cert: tls.crt, key: tls.key } ] }
log: { access: { to: off } }
"""
# A service is a route: test.Open is open to everybody, test.Clerks to clerks, and so on.
CALLS = """
upstreams:
  plain: { targets: [ "h2c://127.0.0.1:%(plain)d" ] }
  secure: { targets: [ "h2://127.0.0.1:%(secure)d" ], tls: { ca: backend.crt, server_name: backend.test } }
  distrusted: { targets: [ "h2://127.0.0.1:%(secure)d" ], tls: { ca: stranger.crt, server_name: backend.test } }
  nobody: { targets: [ "h2c://127.0.0.1:%(nobody)d" ], connect_timeout: 5s }
authenticators:
  keys: { type: api_key, header: x-api-key, file: keys.yaml }
limits:
  few: { rate: 2/1h, burst: 2, by: route }
defaults: { body: { max: 64MiB } }
routes:
  - { name: open, match: { path: "/test.Open/{method}" }, authenticate: public, forward: { to: plain } }
  - { name: secure, match: { path: "/test.Secure/{method}" }, authenticate: public, forward: { to: secure } }
  - { name: distrusted, match: { path: "/test.Distrusted/{method}" }, authenticate: public, forward: { to: distrusted } }
  - { name: nobody, match: { path: "/test.Nobody/{method}" }, authenticate: public, forward: { to: nobody } }
  - { name: keyed, match: { path: "/test.Keyed/{method}" }, authenticate: { any_of: [keys] }, forward: { to: plain } }
  - name: clerks
    match: { path: "/test.Clerks/{method}" }
    authenticate: { any_of: [keys] }
    authorize: { roles: [clerk] }
    forward: { to: plain }
  - name: scoped
    match: { path: "/test.Scoped/{method}" }
    authenticate: { any_of: [keys] }
    authorize: { scopes: ["orders:write"] }
    forward: { to: plain }
  - { name: few, match: { path: "/test.Few/{method}" }, authenticate: public, limit: [few], forward: { to: plain } }
  - { name: small, match: { path: "/test.Small/{method}" }, authenticate: public, body: { max: 1KiB }, forward: { to: plain } }
  - { name: gets, match: { path: "/test.Gets/{method}", methods: [GET] }, authenticate: public, forward: { to: plain } }
  - name: checked
    match: { path: "/test.Checked/{method}" }
    authenticate: public
    validate: { undescribed: allow, headers: { x-number: { type: string, pattern: "^[0-9]+$" } } }
    forward: { to: plain }
"""
PEERS = """
http: %(http)s
upstreams:
  peers:
    targets: [ %(targets)s ]
    %(tls)s
    %(upstream)s
defaults: { body: { max: 64MiB } }
routes:
  - name: all
    match: { path: "/{rest...}" }
    authenticate: public
    forward: { to: peers }
    %(route)s
"""


def calls_config(server, nobody):
    return HEAD + CALLS % {"plain": server.port, "secure": server.secure_port, "nobody": nobody}


def peers_config(peers, upstream, route, http):
    targets = ", ".join(f'"{peer.target}"' for peer in peers)
    tls = "tls: { ca: backend.crt, server_name: backend.test }" if peers[0].secure else ""
    return HEAD + PEERS % {"http": http, "targets": targets, "tls": tls, "upstream": upstream, "route": route}


def make_keys(folder):
    """The key of each client: a clerk, and a guest without any role."""
    keys = {}
    for client, more in (("clerk", ["--roles", "clerk"]), ("guest", [])):
        done = subprocess.run([binary(), "keys", "create", "--file", f"{folder}/keys.yaml", "--client", client, *more], check=True,
                              capture_output=True, text=True)
        keys[client] = done.stdout.strip()
    return keys
