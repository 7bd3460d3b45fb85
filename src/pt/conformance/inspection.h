// One operation looked at closely: which words of tables it changed and read, and what of that it
// told the sink.
//
// Held against it are only words of tables there were before and are afterwards: what a new table
// is filled with is not reported. The sink tells nobody which addresses it was told; but its cache,
// emptied before, holds the lines it was told since (while they are few). Errors: Broken.
#ifndef MMUSIM_PT_CONFORMANCE_INSPECTION_H_
#define MMUSIM_PT_CONFORMANCE_INSPECTION_H_

#include <cstddef>
#include <optional>
#include <vector>

#include "pt/conformance/machine.h"
#include "pt/conformance/tables.h"
#include "pt/conformance/watch.h"
#include "pt/conformance/words.h"

namespace mmusim::pt::conformance {

class Inspection {
 public:
  // Does nothing on a machine whose tables lie in no arena.
  Inspection(Machine& machine, const PageTable& table);

  // Does it; `reads`: what it reads must be reported too, so memory is watched.
  template <class Operation>
  auto during(bool reads, Operation operation) {
    if (!reads || !machine_.arena || !MemoryWatch::works()) return operation();
    MemoryWatch watch(*machine_.arena);
    auto result = operation();
    watch.end();
    keep(watch);
    return result;
  }
  // `name`: of the operation.
  void judge(const char* name);

 private:
  struct Word {
    PhysAddr address;
    const std::byte* host = nullptr;
    size_t offset = 0;  // in the arena
  };
  void keep(const MemoryWatch& watch);
  void judge_changes(const char* name, const TableNode& node, uint64_t& units);
  // Whether the sink was told of the line.
  [[nodiscard]] bool told(PhysAddr address);

  Machine& machine_;
  const PageTable& table_;
  TableMap before_;
  std::vector<std::byte> snapshot_;  // of the arena
  std::vector<const std::byte*> read_;
  std::optional<References> references_;
  bool lines_known_ = false;  // the cache still holds all it was told
};

}  // namespace mmusim::pt::conformance

#endif  // MMUSIM_PT_CONFORMANCE_INSPECTION_H_
