# Sourced by the scripts beside it: a private Python environment in .venv, made when it is missing or outdated.
# shellcheck shell=bash

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# The newest Python that the project supports, as a command.
find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11; do
        if [ -n "$candidate" ] && "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    echo "Python 3.11 or newer is needed; PYTHON=/path/to/python3 names one." >&2
    return 1
}

# install_packages NAME...: with apt, when this user may; otherwise say what is missing and fail.
install_packages() {
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "installing with apt: $*" >&2
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; } >/dev/null
    else
        echo "Please install: $*   (sudo apt-get install $*)" >&2
        return 1
    fi
}

# ensure_environment [EXTRA]: make .venv with the project in it (editable), with the named extra.
ensure_environment() {
    local extra=${1:-} environment=$repository/.venv python stamp
    stamp="$(cksum <"$repository/pyproject.toml") $extra"
    if [ -f "$environment/stamp" ] && grep -qxF "$stamp" "$environment/stamp" && "$environment/bin/python" -c 'import winpe_certs' 2>/dev/null; then
        PATH=$environment/bin:$PATH
        return
    fi
    python=$(find_python)
    if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        # Debian and Ubuntu pack the venv module by itself, one package for each version of Python.
        install_packages "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
    fi
    echo "preparing $environment" >&2
    "$python" -m venv "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check \
        --editable "$repository${extra:+[$extra]}"
    echo "$stamp" >>"$environment/stamp"
    PATH=$environment/bin:$PATH
}
