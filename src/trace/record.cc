#include "trace/record.h"

#include <atomic>
#include <fmt/format.h>

#include "base/error.h"
#include "base/units.h"

namespace mmusim::trace {

const char* event_kind_name(size_t kind) {
  static constexpr const char* kNames[] = {
      "exec",  "mmap",  "munmap", "mprotect",        "mremap", "brk",      "madvise",
      "fork",  "exit",  "wait",   "switch",          "marker", "truncate", "fallocate",
      "msync", "mlock", "thp",    "process_madvise", "other"};
  static_assert(std::size(kNames) == std::variant_size_v<Event>);
  MMUSIM_ASSERT(kind < std::size(kNames));
  return kNames[kind];
}

std::string machine_of(const Header& header) {
  return fmt::format("{}, {}-endian, {} pages", header.isa, header.big_endian ? "big" : "little",
                     format_size(header.page.bytes()));
}

const char* name_of(const Event& event) {
  return event_kind_name(event.index());
}

Totals& Totals::operator+=(const Totals& o) {
  instructions += o.instructions;
  blocks += o.blocks;
  loads += o.loads;
  stores += o.stores;
  modifies += o.modifies;
  events += o.events;
  return *this;
}

Totals totals_of(const StaticBlock& block) {
  Totals totals;
  totals.blocks = 1;
  totals.instructions = block.instructions;
  for (unsigned i = 0; i < block.mem_ops; ++i) {
    const AccessKind kind = block.ops[i].kind;
    ++(kind == AccessKind::Load    ? totals.loads
       : kind == AccessKind::Store ? totals.stores
                                   : totals.modifies);
  }
  return totals;
}

uint64_t new_table_serial() {
  static std::atomic<uint64_t> last{0};
  return ++last;
}

}  // namespace mmusim::trace
