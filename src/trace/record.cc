#include "trace/record.h"

namespace mmusim::trace {

const char* name_of(const Event& event) {
  static constexpr const char* kNames[] = {"exec",   "mmap", "munmap",  "mprotect",
                                           "mremap", "brk",  "madvise", "fork",
                                           "exit",   "wait", "switch",  "marker"};
  static_assert(std::size(kNames) == std::variant_size_v<Event>);
  return kNames[event.index()];
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
