#!/usr/bin/env bash
# Runs a test program that says how long each test took: cargo's runner for `make test`. libtest
# counts that among its unstable options, and takes them from a stable toolchain only with this word.
set -euo pipefail
case $1 in
    */deps/*) RUSTC_BOOTSTRAP=1 exec "$@" -Z unstable-options --report-time ;;
    *) exec "$@" ;;
esac
