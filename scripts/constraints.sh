#!/usr/bin/env bash
# Writes constraints.txt: the versions that a fresh environment gets for everything in '.[dev]'.
# Run it to take up newer releases, then run the tests. Takes half a minute; changes nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
environment=$(mktemp -d)
trap 'rm -rf "$environment"' EXIT
python3 -m venv "$environment"
"$environment/bin/pip" install --quiet -e '.[dev]'
{
    echo "# Tested versions. Regenerate with: bash scripts/constraints.sh"
    "$environment/bin/pip" freeze --exclude-editable | grep -E '^[A-Za-z0-9._-]+==[^ @/]+$'
} >"$environment/constraints.txt"
cp "$environment/constraints.txt" constraints.txt
