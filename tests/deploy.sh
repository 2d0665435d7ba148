#!/usr/bin/env bash
# What of deploy/ and conf/ can be checked offline: the files parse, name the right paths and ports, and every config is accepted and
# starts. Prints "ok WHAT" or "not ok WHAT".
set -uo pipefail
cd "$(dirname "$0")/.."
binary=$PWD/build/asan/sallyport
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
say() {
  if [ "$1" -eq 0 ]; then echo "ok $2"; else echo "not ok $2"; failed=1; fi
}

cp -r conf "$work/conf"
mkdir -p "$work/conf/tls"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=localhost \
  -addext subjectAltName=DNS:localhost -keyout "$work/conf/tls/tls.key" -out "$work/conf/tls/tls.crt" 2>/dev/null
cp "$work/conf/tls/tls.crt" "$work/conf/tls/clients.crt"
export KEY_PEPPER="a pepper" REDIS_PASSWORD="a password"
for config in "$work"/conf/sallyport.yaml "$work"/conf/examples/*.yaml; do
  name=${config#"$work"/}
  "$binary" check "$config" >/dev/null
  say $? "check $name"
  sed -E 's/^( *(- )?(\{ )?.*address: *"?[^ "]*):[0-9]+/\1:0/' "$config" > "$config.port0.yaml"
  "$binary" run "$config.port0.yaml" >/dev/null 2>"$work/err" & pid=$!
  started=1
  for _ in $(seq 200); do
    grep -q " started " "$work/err" && started=0 && break
    kill -0 $pid 2>/dev/null || break
    sleep 0.05
  done
  kill -TERM $pid 2>/dev/null
  wait $pid
  [ $? -eq 0 ] && [ $started -eq 0 ]
  status=$?
  [ $status -eq 0 ] || cat "$work/err"
  say $status "start $name"
done

# A line of a plugin's block without "(example)" says a default: without it, the same must be in force. What `show` knows, the file has.
awk '/^authenticators:/ { inside = 1 } /- name: read-order/ { inside = 0 } /respond:/ { inside = 1 }
     /^  body:/ { print "  body: {}"; next }
     !(inside && /^ +[a-z_]+: [^ #]/ && !/\(example/)' conf/sallyport.yaml > "$work/conf/bare.yaml"
"$binary" show "$work/conf/sallyport.yaml" > "$work/full.txt" && "$binary" show "$work/conf/bare.yaml" | diff "$work/full.txt" - >&2
say $? "conf/sallyport.yaml says the true defaults of the plugins"
/usr/bin/python3 - "$work/full.txt" <<'PY'
import sys, yaml
def missing(shown, there, path):
    if isinstance(shown, dict):
        return [m for k, v in shown.items() for m in (missing(v, there[k], f"{path}.{k}") if isinstance(there, dict) and k in there else [f"{path}.{k}"])]
    return []
shown, there = yaml.safe_load(open(sys.argv[1])), yaml.safe_load(open("conf/sallyport.yaml"))
lost = [m for part in ("authenticators", "limits") for m in missing(shown[part], there[part], part)]
by_name = {r["name"]: r for r in there["routes"]}
for route in shown["routes"]:
    for key in ("validate", "forward", "authenticate", "authorize", "limit"):
        if route["name"] == "create-order" and key in route: lost += missing(route[key], by_name["create-order"][key], "routes." + key)
    if route["name"] == "alive": lost += missing(route["respond"], by_name["alive"]["respond"], "routes.respond")
assert not lost, lost
PY
say $? "conf/sallyport.yaml has every key of the plugins"

/usr/bin/python3 - "$work" <<'PY'
import sys, yaml
documents = list(yaml.safe_load_all(open("deploy/kubernetes/sidecar.yaml")))
kinds = [d["kind"] for d in documents]
assert kinds == ["ConfigMap", "Deployment", "Service"], kinds
pod = documents[1]["spec"]["template"]["spec"]
side = pod["initContainers"][0]
assert side["restartPolicy"] == "Always" and side["args"] == ["run", "/etc/sallyport/sallyport.yaml"]
ports = {p["name"]: p["containerPort"] for p in side["ports"]}
config = yaml.safe_load(documents[0]["data"]["sallyport.yaml"])
assert config["listeners"][0]["address"].endswith(":%d" % ports["https"])
assert config["admin"]["address"].endswith(":%d" % ports["admin"])
assert config["upstreams"]["legacy"]["targets"] == ["http://127.0.0.1:%d" % pod["containers"][0]["ports"][0]["containerPort"]]
for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
    assert side[probe]["httpGet"]["port"] == "admin" and side[probe]["httpGet"]["path"] in ("/readyz", "/healthz")
security = side["securityContext"]
assert security["runAsNonRoot"] and security["readOnlyRootFilesystem"] and security["capabilities"] == {"drop": ["ALL"]}
image = open("deploy/Dockerfile").read()
user, group = security["runAsUser"], security["runAsGroup"]
assert f"USER {user}:{group}" in image and f"--gid {group} " in image and f"--uid {user} --gid {group}" in image
secrets = [v["secret"] for v in pod["volumes"] if "secret" in v]
assert pod["securityContext"]["fsGroup"] == group and all(s["defaultMode"] == 0o440 for s in secrets)  # its files are root's, and of that group
assert documents[2]["spec"]["ports"][0]["targetPort"] == "https"
mounted = {m["mountPath"] for m in side["volumeMounts"]}
text = documents[0]["data"]["sallyport.yaml"]
assert all(path in text for path in mounted - {"/etc/sallyport"})
# the same config, with the files where this machine has them, for `check`
import os
root = sys.argv[1]
os.makedirs(root + "/k8s", exist_ok=True)
open(root + "/k8s/pepper", "w").write("x")
open(root + "/k8s/keys.yaml", "w").write("version: 1\nkeys: []\n")
text = text.replace("/etc/sallyport-tls", root + "/conf/tls").replace("/etc/sallyport-keys", root + "/k8s")
open(root + "/k8s/sallyport.yaml", "w").write(text)
PY
say $? "deploy/kubernetes/sidecar.yaml"
"$binary" check "$work/k8s/sallyport.yaml" >/dev/null
say $? "the sidecar's config"
"$binary" keys create --file "$work/demo-keys.yaml" --client demo >/dev/null 2>&1
mkdir -p "$work/demo/tls" && cp deploy/demo/gateway.yaml "$work/demo/" && cp "$work"/conf/tls/tls.* "$work/demo/tls/" && cp "$work/demo-keys.yaml" "$work/demo/keys.yaml"
"$binary" check "$work/demo/gateway.yaml" >/dev/null
say $? "the quickstart's config"

/usr/bin/python3 - <<'PY'
import json, re, yaml
known = set(re.findall(r'\{"(sallyport_[a-z_]+)"', open("gateway/observe/metrics.cc").read()))
rules = yaml.safe_load(open("deploy/prometheus/alerts.yaml"))["groups"][0]["rules"]
panels = json.load(open("deploy/grafana/sallyport.json"))["panels"]
used = " ".join([r["expr"] for r in rules] + [t["expr"] for p in panels for t in p["targets"]])
named = {re.sub("_(bucket|sum|count)$", "", m) for m in re.findall(r"sallyport_[a-z_]+", used)}
assert len(named) > 10 and named <= known, named - known
assert all(r["annotations"]["summary"] for r in rules)
PY
say $? "deploy/prometheus and deploy/grafana name metrics that exist"

grep -q '^ENTRYPOINT \["/usr/bin/sallyport"\]' deploy/Dockerfile && grep -q '^USER 10001' deploy/Dockerfile &&
  grep -q 'install-dependencies --build' deploy/Dockerfile && grep -q 'install-dependencies --run' deploy/Dockerfile
say $? "deploy/Dockerfile"
grep -qx build .dockerignore && grep -qx .git .dockerignore
say $? "no build tree, nor the demonstration's keys in it, gets into an image's build"
for script in deploy/install-dependencies deploy/quickstart tests/run tests/bare .ci/run tests/fuzz/run; do
  bash -n "$script"
  say $? "$script parses"
done
unit=deploy/systemd/sallyport.service
if command -v systemd-analyze >/dev/null; then
  sed 's#/usr/bin/sallyport#/bin/true#' $unit > "$work/sallyport.service"
  systemd-analyze verify "$work/sallyport.service" 2>&1 | tee "$work/verify" | grep -q "sallyport.service:" && bad=1 || bad=0
  say $bad "$unit verifies"
fi
user=$(sed -n 's/^User=//p' $unit)
grep -q "^# *useradd .* $user\$" $unit && grep -q "^# *chown -R root:$user /etc/sallyport" $unit
say $? "$unit says how its user gets to read the files"
grep -q '^ExecStart=/usr/bin/sallyport run /etc/sallyport/sallyport.yaml' $unit && grep -q '^NoNewPrivileges=yes' $unit
say $? "$unit"
exit $failed
