# For the tests here to source, once their arguments are absolute paths: an empty folder to be in,
# which goes when the test ends, and how one fails.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() {
  echo "FAILED: $*" >&2
  exit 1
}
