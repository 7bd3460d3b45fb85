#!/usr/bin/env bash
# A page table built outside the tree, as its author would: mmusim is installed, the example of
# workloads/plugins is built against the installation, and the installed program runs it. Then what
# is no plug-in, or not for this mmusim, is refused in one line that says why.
#
#   plugin.sh BUILD_DIR SOURCE_DIR CXX
set -eu
build=$1 source=$2 cxx=$3
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cmake --install "$build" --prefix "$tmp/prefix" >"$tmp/install.log" || {
  cat "$tmp/install.log"
  exit 1
}
program=$tmp/prefix/bin/mmusim
trace=$source/workloads/traces/pipeline.mmt
cp -r "$tmp/prefix/share/mmusim/workloads/plugins/sorted" "$tmp/mine"
cd "$tmp/mine"
{
  cmake -G Ninja -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER="$cxx" \
    -DCMAKE_PREFIX_PATH="$tmp/prefix" && cmake --build build
} >"$tmp/build.log" 2>&1 || {
  cat "$tmp/build.log"
  exit 1
}
cp build/libsorted.so .
# The headers take nearly all of a compiler's time, so that all plug-ins of a kind are compiled as one, in which a number, `which`,
# tells them apart, and are linked with it. compiled SOURCE, and linked NAME SOURCE NUMBER [MORE]: MORE is C++, too.
compiled() {
  "$cxx" -std=c++20 -fPIC -I "$tmp/prefix/include/mmusim" -c -o "$1.o" "$1"
}
linked() {
  printf 'extern const int which;\nconst int which = %d;\n%s\n' "$3" "${4:-}" >which.cc
  "$cxx" -shared -fPIC -o "$1" "$2.o" which.cc
}
# As its README says.
[[ $(grep -vcE '^[[:space:]]*(//.*)?$' sorted_table.cc) -lt 300 ]]
# It links nothing of mmusim and leaves nothing behind that the program has not.
"$program" replay "$trace" --page-table ./libsorted.so --check --quiet --limit 5000000 \
  --json r.json >table.txt
grep -q 'page table ./libsorted.so' table.txt
grep -q '"path": "./libsorted.so"' r.json
grep -q '"name": "sorted"' r.json
grep -qE '"hash": "[0-9a-f]{32}"' r.json
grep -q '"machine.page_table": "./libsorted.so"' r.json
grep -q '"pt.sorted.bits": 12' r.json

# Hardware that walks it as it is may begin at its leaf tables.
"$program" replay "$trace" -m skylake-sp --page-table ./libsorted.so --paging.walk=native --check \
  --quiet --limit 1000000 >table.txt
grep -qE 'begun below a cached table +[1-9]' table.txt

# Nothing is refused, wherever an architecture's regions and holes are.
for machine in itanium2-madison ultrasparc-iii alpha-21264 power8 pentium4; do
  "$program" replay "$trace" -m "$machine" --page-table ./libsorted.so --check --quiet \
    --limit 100000 >table.txt 2>err.txt
  [[ ! -s err.txt ]]
  ! grep -q 'refused' table.txt
  grep -qE 'translations compared +[1-9]' table.txt
done

# In a config file, relative to the file, with a key of its own, in either place, and again from
# the effective configuration. The key is taken with = and without, before and behind the argument.
mkdir ../experiments
cat >../experiments/mine.cfg <<END
[run]
trace = $trace
limit = 1000000
[machine]
page_table = ../mine/libsorted.so
[pt.sorted]
bits = 7
END
cd "$tmp/experiments"
mkdir elsewhere
(cd elsewhere && "$program" run ../mine.cfg --allow-plugins --quiet -o "$tmp/out" >/dev/null)
grep -q '^bits = 7$' "$tmp/out/effective.cfg"
(cd elsewhere && "$program" run "$tmp/out/effective.cfg" --allow-plugins --quiet --json again.json >/dev/null
  cmp again.json "$tmp/out/results.json")
for words in 'mine.cfg --pt.sorted.bits=9' '--pt.sorted.bits 9 mine.cfg' 'mine.cfg --pt.sorted.bits 9'; do
  # shellcheck disable=SC2086
  "$program" run $words --allow-plugins --print-config | grep -qx 'bits = 9'
done

# The other commands.
cd "$tmp/mine"
"$program" page-table footprint dense:1M -p mlpt,./libsorted.so --pt.sorted.bits=5 >footprint.txt
grep -q './libsorted.so' footprint.txt
"$program" workload simulate "$source/workloads/scripts/fork.workload" -p ./libsorted.so --check \
  >/dev/null
# The hardware's copy lacks a page that the table has: the read of another mapped the 16 around it.
printf 'file f 1M\nmap a 64K file f shared read\ntouch a[0..4K]\n' >one.workload
"$program" explain one.workload --va 0x1000 -p ./libsorted.so >explained.txt
tr -s ' \n' ' ' <explained.txt | grep -q 'record .* begins at or below the address'
grep -q 'PTE .*: empty' explained.txt
"$program" list keys -p ./libsorted.so | grep -q '^pt.sorted.bits = 12'
"$program" replay --help-keys pt.sorted -p ./libsorted.so | grep -q -- '--pt.sorted.bits='
"$program" page-table check ./libsorted.so --ops 20000 --seed 7 >check.txt
grep -q 'every promise kept' check.txt

# One that has no place for high addresses, and does not say so: a warning and a line of the table;
# with --check a failure, once all is written. The kit convicts it.
{
  echo 'extern const int which;'
  sed 's|if (size != shape_.page()) .*|&\n    if (which != 2 \&\& va.value() >> 32 != 0) return {which == 0 ? Status::NotSupported : Status::Changed, {}};|
    s|  ~SortedTable() override {|&\n    MMUSIM_ASSERT(which != 2 \|\| count_ > 1000000);|' sorted_table.cc
} >variant.cc
compiled variant.cc
linked ./librefuses.so variant.cc 0
"$program" replay "$trace" -m skylake-sp -p ./librefuses.so -q --limit 100000 >table.txt 2>err.txt
grep -q 'warning: .* references were refused that the program has a right to' err.txt
grep -qE 'no place in the page table +[1-9]' table.txt
status=0
"$program" replay "$trace" -m skylake-sp -p ./librefuses.so -q --limit 100000 --check --json r.json \
  >table.txt 2>err.txt || status=$?
[[ $status -eq 1 && -s r.json ]]
grep -q 'mmusim: .*references were refused that the program has a right to$' err.txt
grep -qE 'no place in the page table +[1-9]' table.txt
status=0
"$program" page-table check ./librefuses.so --ops 1 -q >check.txt 2>err.txt || status=$?
[[ $status -eq 1 ]]
grep -q 'beyond_the_address_space' check.txt

# One that breaks what the kernel model relies on, in the midst of a run: that run fails and says
# where; those before and behind it are as if it had not been there.
linked ./libbroken.so variant.cc 1
for work in "$trace --limit 20000" "$source/workloads/scripts/fork.workload"; do
  # shellcheck disable=SC2086
  "$program" compare $work -m skylake-sp -p mlpt,gpt -q --csv whole.csv >/dev/null
  status=0
  # shellcheck disable=SC2086
  "$program" compare $work -m skylake-sp -p mlpt,./libbroken.so,gpt -q --csv rest.csv \
    --base skylake-sp/gpt --json rest.json >table.txt 2>err.txt || status=$?
  [[ $status -eq 1 && $(wc -l <err.txt) -eq 2 ]]
  grep -q '^mmusim: error: skylake-sp/./libbroken.so: internal error: slot.status == .* at .*kernel/fault.cc:[0-9]*; please report this$' err.txt
  grep -q '^mmusim: error: 1 of 3 runs failed$' err.txt
  grep -qE '^skylake-sp/./libbroken.so .*failed' table.txt
  grep -q '^relative  to skylake-sp/gpt$' table.txt
  [[ $(grep -c '"name": "skylake-sp/./libbroken.so"' rest.json) -eq 1 ]]
  cmp whole.csv rest.csv
done
# One that does so in a destructor, when all is counted: nothing is made of what it counted.
linked ./libdies.so variant.cc 2
status=0
"$program" compare "$trace" --limit 20000 -m skylake-sp -p mlpt,./libdies.so,gpt -q --csv rest.csv \
  >table.txt 2>err.txt || status=$?
[[ $status -eq 1 && $(wc -l <err.txt) -eq 2 ]]
grep -q '^mmusim: error: skylake-sp/./libdies.so: internal error: which != 2 || count_ > 1000000 at .*variant.cc' err.txt
"$program" compare "$trace" --limit 20000 -m skylake-sp -p mlpt,gpt -q --csv whole.csv >/dev/null
cmp whole.csv rest.csv
for work in "replay $trace --limit 20000" "workload simulate $source/workloads/scripts/fork.workload" \
  "explain one.workload --va 0x1000"; do
  status=0
  # shellcheck disable=SC2086
  "$program" $work -m skylake-sp -p ./libdies.so >table.txt 2>err.txt || status=$?
  [[ $status -eq 1 && ! -s table.txt ]]
  grep -q '^mmusim: error: internal error: which != 2 || count_ > 1000000' err.txt
done
status=0
"$program" page-table check ./libdies.so --ops 1 -q >check.txt 2>err.txt || status=$?
[[ $status -eq 1 ]]
grep -q 'count_ > 1000000' check.txt
# Footprints, of a trace and of a set: the others' are as without it, also where it is the first.
# footprint_fails WHICH WHAT SOURCE
footprint_fails() {
  local status=0
  "$program" page-table footprint "$3" -p mlpt,gpt -q --csv whole.csv >/dev/null
  "$program" page-table footprint "$3" -p "$1,mlpt,gpt" -q --csv rest.csv --json rest.json >rest.txt \
    2>err.txt || status=$?
  [[ $status -eq 1 && $(wc -l <err.txt) -eq 2 ]]
  grep -q "^mmusim: error: $1: internal error: $2" err.txt
  grep -q '^mmusim: error: 1 of 3 page tables failed$' err.txt
  grep -q "\"name\": \"$1\"" rest.json
  grep -q "^failed .*$1: internal error" rest.txt
  cmp whole.csv rest.csv
}
footprint_fails ./libbroken.so 'slot.status == ' "$trace"
footprint_fails ./libdies.so 'which != 2 || count_ > 1000000' dense:1M
status=0
"$program" page-table footprint "$trace" -p ./libbroken.so -q >table.txt 2>err.txt || status=$?
[[ $status -eq 1 && ! -s table.txt ]]
# Where it was to be the base, the first that is left is; where nothing is left there are no results.
status=0
"$program" compare "$trace" --limit 20000 -m skylake-sp -p ./libbroken.so,gpt -q >table.txt 2>err.txt || status=$?
[[ $status -eq 1 ]]
grep -q '^relative  to skylake-sp/gpt$' table.txt
status=0
"$program" replay "$trace" --limit 20000 -m skylake-sp -p ./libbroken.so -q >table.txt 2>err.txt || status=$?
[[ $status -eq 1 && ! -s table.txt && $(wc -l <err.txt) -eq 1 ]]
grep -q '^mmusim: error: internal error: slot.status == ' err.txt

# refused TEXT ARGUMENTS...: one line on stderr that holds TEXT, and status 2.
refused() {
  local text=$1 status=0
  shift
  "$program" "$@" >out.txt 2>err.txt || status=$?
  if [[ $status -ne 2 || $(wc -l <err.txt) -ne 1 ]] || ! grep -qF -- "$text" err.txt; then
    echo "not refused as it should be (status $status, wanted: $text): $*"
    cat out.txt err.txt
    exit 1
  fi
}
# A config file may be a stranger's, and a plug-in is a program.
refused "give --allow-plugins if you trust it" run ../experiments/mine.cfg
printf '[machine]\npage_table = ./libsorted.so\n' >stranger.cfg
refused "give --allow-plugins if you trust it" replay "$trace" --machine ./stranger.cfg
refused "./nowhere.so: there is no such" replay "$trace" -p ./nowhere.so
refused "it is no shared object" replay "$trace" -p ./CMakeLists.txt
refused "it is no file" replay "$trace" -p ./build
refused "nearest known key is 'pt.sorted.bits'" replay "$trace" -p ./libsorted.so --pt.sorted.bist=3
refused "out of range" replay "$trace" -p ./libsorted.so --pt.sorted.bits=99
refused "did you mean 'mlpt'" replay "$trace" -p mltp
head -c 4096 libsorted.so >torn.so
refused "not all of one" replay "$trace" -p ./torn.so

# Other plug-ins, by what they say of themselves. made NAME COMPILER_FLAGS...
cat >other.cc <<'END'
#include <cstdint>
struct Description {
  uint64_t magic;
  uint32_t version, bytes;
  const char* library;
  uint64_t layout;
  void* backend;
};
#ifndef NO_ENTRY
extern "C" const Description* mmusim_page_table_plugin_entry() {
  static const Description kDescription = {MAGIC, VERSION, BYTES, LIBRARY, 1, nullptr};
  return &kDescription;
}
#endif
#ifdef MISSING
extern "C" void no_mmusim_has_this();
extern "C" void use() { no_mmusim_has_this(); }
#endif
END
version=$(sed -n 's/.*kPluginVersion = \([0-9]*\);/\1/p' "$tmp/prefix/include/mmusim/pt/plugin_entry.h")
made() {
  local name=$1
  shift
  "$cxx" -shared -fPIC -o "$name" -DMAGIC=0x54504d4953554d4d -DBYTES=40 -DVERSION="$version" \
    -DLIBRARY='"libstdc++"' "$@" other.cc
}
made no_entry.so -DNO_ENTRY
refused "it has no mmusim_page_table_plugin_entry" replay "$trace" -p ./no_entry.so
made stranger.so -UMAGIC -DMAGIC=7
refused "returns something else" replay "$trace" -p ./stranger.so
made newer.so -UVERSION -DVERSION=9999 -DMISSING
refused "version 9999" replay "$trace" -p ./newer.so
refused "rebuild it" replay "$trace" -p ./newer.so
made library.so -ULIBRARY -DLIBRARY='"libother"'
refused "built with libother" replay "$trace" -p ./library.so
made layout.so
refused "laid out otherwise" replay "$trace" -p ./layout.so

# Ones that were built right, and describe a page table that cannot be used. described NAME NUMBER [MORE]
cat >described.cc <<'END'
#include "pt/plugin_entry.h"
using namespace mmusim;
extern const int which;
void none(config::Schema& /*schema*/) {}
void elsewhere(config::Schema& schema) { schema.number("pt.other.bits", 1, "A key.", 0, 2); }
std::unique_ptr<pt::Factory> make(const config::Config&, const pt::Environment&) { return nullptr; }
pt::Backend backend() {
  const pt::Backend all[] = {
      {"mlpt", "a name that is taken", none, make},
      {"mine", "a key of another", elsewhere, make},
      {"My Table", "a name nobody can type", none, make},
      {"mine", "cannot be made", none, nullptr},
      {"mine", "needs what is not there", none, make},
      {"sorted", "of the same name as another", none, make},
  };
  return all[which];
}
MMUSIM_PAGE_TABLE_PLUGIN(backend)
END
compiled described.cc
described() { linked "$1" described.cc "$2" "${3:-}"; }
described clash.so 0
refused "mmusim has a page table 'mlpt' of its own" replay "$trace" -p ./clash.so
described prefix.so 1
refused "its key 'pt.other.bits' does not begin with 'pt.mine.'" replay "$trace" -p ./prefix.so
described name.so 2
refused "name is not made of" replay "$trace" -p ./name.so
described lacking.so 3
refused "lacks a summary, declare or make" replay "$trace" -p ./lacking.so
described missing.so 4 'void no_mmusim_has_this(); void (*missing)() = no_mmusim_has_this;'
refused "cannot load this page-table plug-in" replay "$trace" -p ./missing.so
described twin.so 5
refused "'sorted'" page-table footprint dense:1M -p ./libsorted.so,./twin.so
echo good
