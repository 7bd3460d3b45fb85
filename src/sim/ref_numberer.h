// Numbers for references: who keeps something of each, as where it lies on another machine, works
// that out once for each number, and then has it in a row.
//
// A reference is looked for in a slot that it shares with others: one that has lost it meanwhile
// gets another number, so that one may have several. Not thread-safe.
#ifndef MMUSIM_SIM_REF_NUMBERER_H_
#define MMUSIM_SIM_REF_NUMBERER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "trace/record.h"

namespace mmusim::sim {

class RefNumberer;

// References by number, as those see them that ask for them. Of the same numberer and serial, it is
// the same table, to which more have come: what was derived from it may be kept.
struct RefTable {
  std::span<const trace::PageRef> refs;
  const RefNumberer* numberer = nullptr;
  uint64_t serial = 0;
};

class RefNumberer {
 public:
  // None has a number from here on.
  void begin();
  // So many have one that it is time to begin anew, so that what is kept for each takes little.
  [[nodiscard]] bool is_full() const { return refs_.size() >= kMost; }
  // Of each reference of a row; what `numbers` has of others goes.
  void number(std::span<const trace::PageRef> row, std::vector<uint32_t>& numbers);

  // By number, in the order in which they came.
  [[nodiscard]] std::span<const trace::PageRef> refs() const { return refs_; }
  // How often it was begun.
  [[nodiscard]] uint64_t serial() const { return serial_; }
  [[nodiscard]] RefTable table() const { return {refs_, this, serial_}; }

 private:
  static constexpr size_t kLog2Slots = 12;
  static constexpr size_t kMost = size_t{1} << 13;
  struct Slot {
    trace::PageRef ref;
    uint32_t number = kNone;
  };
  static constexpr uint32_t kNone = ~uint32_t{0};
  static size_t slot_of(trace::PageRef ref) {
    return static_cast<size_t>((ref.word() * 0x9e3779b97f4a7c15u) >> (64 - kLog2Slots));
  }

  std::array<Slot, size_t{1} << kLog2Slots> slots_;
  std::vector<trace::PageRef> refs_;
  uint64_t serial_ = 0;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_REF_NUMBERER_H_
