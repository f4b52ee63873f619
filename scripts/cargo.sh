#!/usr/bin/env bash
# Run cargo with the environment that maturin gives it.
#
# The build scripts of pyo3 run anew when one of these variables changes, and with
# them pyo3, the recorder and the bindings. One environment for both ways in, and
# nothing is compiled twice. It also lets test programs link without libpython,
# which a Python without its development files does not have.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=$PWD/.venv/bin/python
if [[ -x $python ]]; then
    export PYO3_PYTHON=$python PYTHON_SYS_EXECUTABLE=$python
    PYO3_ENVIRONMENT_SIGNATURE=$("$python" -c '
import struct, sys
print("cpython-%d.%d-%dbit" % (*sys.version_info[:2], struct.calcsize("P") * 8))')
    export PYO3_ENVIRONMENT_SIGNATURE
    # Written by maturin beside what it built; not there before the first setup.
    for file in "${CARGO_TARGET_DIR:-target}"/maturin/pyo3-config-*-abi3.txt; do
        if [[ -f $file ]]; then
            PYO3_CONFIG_FILE=$(realpath "$file")
            export PYO3_CONFIG_FILE
        fi
    done
fi
export PYO3_BUILD_EXTENSION_MODULE=1
exec cargo "$@"
