#include "trace/record.h"

#include "base/error.h"

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

}  // namespace mmusim::trace
