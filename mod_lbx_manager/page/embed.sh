#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# embed.sh FILE...: a C header with the bytes of each file, for mgr_assets.c.
# POSIX tools only: whoever can compile can run it.
set -eu

n=0
for file in "$@"; do
    n=$((n + 1))
    echo "static const unsigned char mgr_asset_$n[] = {"
    od -An -v -tx1 "$file" | sed 's/ *\([0-9a-f][0-9a-f]\)/0x\1,/g'
    echo '};'
done
echo '#define MGR_ASSETS \'
n=0
for file in "$@"; do
    n=$((n + 1))
    # shellcheck disable=SC2046
    set -- $(cksum < "$file")
    printf '    {"%s", mgr_asset_%d, sizeof(mgr_asset_%d), "\\"%s-%s\\""}, \\\n' \
        "${file##*/}" "$n" "$n" "$1" "$2"
done
echo
