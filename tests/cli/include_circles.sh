#!/usr/bin/env bash
# Holds that the parts of src/ can be understood one after another: a module is a .h with its .cc,
# and no more than two modules include each other in a circle.
#
#   include_circles.sh SOURCE_DIR
set -u
cd "$1" || exit 1

grep -rnE '^[[:space:]]*#[[:space:]]*include[[:space:]]*"' --include='*.h' --include='*.cc' src | awk '
  function module(file) {
    sub("[.](h|cc)$", "", file)
    return file
  }
  {
    split($0, quoted, "\"")
    split($0, field, ":")
    from = module(field[1])
    to = module("src/" quoted[2])
    ++seen
    if (from == to || (from, to) in place) next
    place[from, to] = field[1] ":" field[2]
    includes[from] = includes[from] " " to
  }
  # Finds what include each other, directly or not (Tarjan). Local: i, n, next_ones, to, members.
  function visit(from, i, n, next_ones, to, members) {
    found[from] = lowest[from] = ++visits
    stack[++height] = from
    on_stack[from] = 1
    n = split(includes[from], next_ones, " ")
    for (i = 1; i <= n; ++i) {
      to = next_ones[i]
      if (!(to in found)) {
        visit(to)
        if (lowest[to] < lowest[from]) lowest[from] = lowest[to]
      } else if (on_stack[to] && found[to] < lowest[from]) {
        lowest[from] = found[to]
      }
    }
    if (lowest[from] != found[from]) return
    n = 0
    do {
      members[++n] = stack[height]
      on_stack[stack[height]] = 0
    } while (stack[height--] != from)
    if (n > 2) complain(n, members)
  }
  function complain(n, members, i, j) {
    ++circles
    print n " modules are one circle of includes:"
    for (i = 1; i <= n; ++i)
      for (j = 1; j <= n; ++j)
        if ((members[i], members[j]) in place)
          print "  " place[members[i], members[j]] " includes " members[j]
  }
  END {
    for (from in includes)
      if (!(from in found)) visit(from)
    # The test must not pass because it saw nothing.
    if (seen <= 100) {
      print "only " seen " includes were seen"
      ++circles
    }
    print seen " includes, " circles + 0 " circles of more than two modules"
    exit circles > 0
  }'
