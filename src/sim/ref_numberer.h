// Numbers for references: who keeps something of each, as where it lies on another machine, works
// that out once for each number, and then has it in a row.
//
// A reference is looked for in a slot that it shares with others: one that has lost it meanwhile
// gets another number, so that one may have several. Not thread-safe; but tables that were given
// out stay as they are while more references are numbered, so that other threads may read them.
#ifndef MMUSIM_SIM_REF_NUMBERER_H_
#define MMUSIM_SIM_REF_NUMBERER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
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

  [[nodiscard]] bool is_of(const RefTable& other) const {
    return numberer == other.numberer && serial == other.serial;
  }
};

class RefNumberer {
 public:
  // None has a number from here on.
  void begin();
  // So many have one that it is time to begin anew, so that what is kept for each takes little.
  [[nodiscard]] bool is_full() const { return refs_->size() >= kMost; }
  // Of each reference of a row; what `numbers` has of others goes.
  void number(std::span<const trace::PageRef> row, std::vector<uint32_t>& numbers);
  // Those that have one, in the order in which they came; until the next call.
  [[nodiscard]] std::span<const trace::PageRef> refs() const { return *refs_; }
  // How often it was begun.
  [[nodiscard]] uint64_t serial() const { return serial_; }
  // The same, as long as `owner`. REQUIRES: what is done with it comes before the owner is changed,
  // and that before the next call.
  [[nodiscard]] RefTable table(std::shared_ptr<const void>& owner) const {
    owner = refs_;
    return {refs(), this, serial_};
  }

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
  [[gnu::noinline]] uint32_t add(trace::PageRef ref);
  // Of which nothing is in use; made if there is none.
  using Refs = std::vector<trace::PageRef>;
  std::shared_ptr<Refs> unused();

  std::array<Slot, size_t{1} << kLog2Slots> slots_;
  // By number. What others have of it is never written again: where there is no room for more, all
  // of it is copied to where there is.
  std::shared_ptr<Refs> refs_ = std::make_shared<Refs>();
  std::vector<std::shared_ptr<Refs>> earlier_;  // somebody may have some of them yet
  uint64_t serial_ = 0;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_REF_NUMBERER_H_
