# What the scripts that try the real binary share. Source it from the top of the checkout, after
# "set -euo pipefail".

WORK=$(mktemp -d)
PIDS=()

clean_up() {
  for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$WORK"
}
trap clean_up EXIT

# need PROGRAM...: installs what is missing from the distribution, where the package has the same name.
need() {
  local missing=() program sudo=
  for program in "$@"; do command -v "$program" > /dev/null || missing+=("$program"); done
  [ "${#missing[@]}" = 0 ] && return
  [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" > /dev/null
}

# npm_install FOLDER PACKAGE@VERSION...: installs into the folder, once.
npm_install() {
  local folder=$1 want
  shift
  want=$(printf '%s\n' "$@")
  if [ "$(cat "$folder/installed" 2>/dev/null)" = "$want" ]; then return; fi
  mkdir -p "$folder"
  [ -f "$folder/package.json" ] || echo '{"private":true}' > "$folder/package.json"
  (cd "$folder" && npm install --no-audit --no-fund --no-save --loglevel=error "$@")
  printf '%s\n' "$want" > "$folder/installed"
}

# wait_for WHAT COMMAND...: tries the command for a minute.
wait_for() {
  local what=$1
  shift
  for _ in $(seq 600); do
    if "$@" > /dev/null 2>&1; then return; fi
    sleep 0.1
  done
  echo "$what is not there after a minute" >&2
  [ -f "$WORK/gantry.log" ] && tail -30 "$WORK/gantry.log" >&2
  exit 1
}

# start_gantry: serves on a free port of loopback with folders of its own; sets URL.
start_gantry() {
  mkdir -p "$WORK/data" "$WORK/plugins"
  bin/gantry serve --listen 127.0.0.1:0 --data "$WORK/data" --plugins "$WORK/plugins" > "$WORK/gantry.out" 2> "$WORK/gantry.log" &
  PIDS+=($!)
  wait_for "gantry serve" grep -oE 'http://127\.0\.0\.1:[0-9]+' "$WORK/gantry.out" "$WORK/gantry.log"
  URL=$(grep -hoE 'http://127\.0\.0\.1:[0-9]+' "$WORK/gantry.out" "$WORK/gantry.log" | head -1)
  wait_for "$URL/readyz" curl -fsS "$URL/readyz"
}

# build_plugin FOLDER: compiles a plugin into the plugins folder, where the host finds it.
build_plugin() {
  local out="$WORK/plugins/$(basename "$1").wasm"
  GOOS=wasip1 GOARCH=wasm CGO_ENABLED=0 go build -trimpath -buildmode=c-shared -o "$out.new" "./$1"
  mv "$out.new" "$out"
}

# wait_for_tool KEY TOOL: until the tool is served.
wait_for_tool() {
  wait_for "the tool $2" sh -c "curl -fsS -H 'Authorization: Bearer $1' '$URL/mcp/manifest' | grep -q '\"$2\"'"
}
