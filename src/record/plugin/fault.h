// Faults in the middle of a block, of which the program has a handler: QEMU tells that the block
// begins, not that it ended before its last instruction. Where it ended stands in what the handler
// is given. x86-64 alone.
#ifndef MMUSIM_RECORD_PLUGIN_FAULT_H_
#define MMUSIM_RECORD_PLUGIN_FAULT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "record/plugin/guest.h"

namespace mmusim::record::plugin {

// The program's handlers of signals. Not thread-safe.
class Handlers {
 public:
  // `action`: what rt_sigaction is given; 0: none.
  void add(const Guest& guest, uint64_t action);
  [[nodiscard]] bool has(uint64_t address) const;

 private:
  std::vector<uint64_t> addresses_;  // sorted
};

// Called where a handler begins: which instruction an exception came at. Nothing: the signal is no
// exception's, or it cannot be told.
std::optional<uint64_t> faulted_at(const Guest& guest);

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_FAULT_H_
