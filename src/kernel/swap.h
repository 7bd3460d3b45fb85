// Swap space: slots of a page each, how many entries of page tables (or files of shared memory)
// hold each, and how a page table's entry names one.
//
// A page read back for one of several holders is remembered as its slot's copy, so that the next
// holder gets the same frame without another read (Linux: the swap cache). The memory keeps no
// reference on the frame: it ends when the frame is freed, or nobody holds the slot any more. The
// lowest free slot is given out (Linux: by clusters, one for each order, which keeps runs longer).
// Not thread-safe. Deterministic.
#ifndef MMUSIM_KERNEL_SWAP_H_
#define MMUSIM_KERNEL_SWAP_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <unordered_map>

#include "base/types.h"
#include "pt/entry.h"

namespace mmusim::kernel {

using SlotId = Id<struct SlotTag, uint64_t>;  // from 1 on; 0: none

class SwapSpace {
 public:
  // Errors: UsageError when the format's entries cannot number so many slots.
  SwapSpace(const pt::EntryFormat& format, uint64_t slots);

  // A slot with one holder less than it will have: add() each. Nothing when all are in use.
  std::optional<SlotId> allocate();
  // 2^order side by side, the first a multiple of as many: the lowest there are. Nothing: none.
  std::optional<SlotId> allocate(unsigned order);
  // One holder more; one less, the last of which frees the slot.
  void add(SlotId slot) { ++slots_.at(slot.value()).holders; }
  void drop(SlotId slot);
  [[nodiscard]] uint64_t holders(SlotId slot) const { return slots_.at(slot.value()).holders; }

  // Neither none nor present: the slot stands where the frame number would.
  [[nodiscard]] pt::Entry entry(SlotId slot) const { return slot.value() << format_->pfn_shift; }
  [[nodiscard]] SlotId slot_of(pt::Entry e) const { return SlotId(format_->pfn_of(e).value()); }

  // The frame that is the slot's copy, and the slot a frame is a copy of.
  [[nodiscard]] std::optional<Pfn> copy_of(SlotId slot) const;
  [[nodiscard]] std::optional<SlotId> slot_behind(Pfn pfn) const;
  void remember(SlotId slot, Pfn pfn);
  // The frame is freed.
  void forget(Pfn pfn);

  [[nodiscard]] uint64_t in_use() const { return slots_.size(); }
  [[nodiscard]] uint64_t peak() const { return peak_; }

 private:
  // The lowest aligned `count` from which on all are free.
  [[nodiscard]] std::optional<uint64_t> free_run(uint64_t count) const;
  void take(uint64_t slot);

  struct Slot {
    uint64_t holders = 0;
    std::optional<Pfn> copy;
  };
  const pt::EntryFormat* format_;
  uint64_t total_;
  uint64_t peak_ = 0;
  uint64_t next_ = 1;        // never used from here on
  std::set<uint64_t> free_;  // used before
  std::map<uint64_t, Slot> slots_;
  std::unordered_map<Pfn, SlotId> copies_;  // looked up only, never iterated
};

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_SWAP_H_
