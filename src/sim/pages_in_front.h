// The page a side referenced last, in front of any reference of a run of blocks: what a page stream
// for any first level would take to be known there, but for whether it was written. Asked for now
// and then, of blocks or of what is kept of them, which say the same.
//
// Not thread-safe.
#ifndef MMUSIM_SIM_PAGES_IN_FRONT_H_
#define MMUSIM_SIM_PAGES_IN_FRONT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "base/types.h"
#include "trace/page_stream.h"
#include "trace/record.h"

namespace mmusim::sim {

class PagesInFront {
 public:
  using Page = std::optional<VirtAddr>;  // nothing: none is known

  // A run of blocks begins.
  void forget() { front_ = {}; }

  // Some blocks in a row are gone through next, which live as long.
  void enter(const trace::Batch& blocks) {
    table_ = blocks.table;
    numbers_ = blocks.blocks;
    accesses_ = blocks.addresses;
    rewind();
  }
  // The page fetched last in front of the data accesses of that instruction.
  [[nodiscard]] static Page fetched(const trace::StaticBlock& block, unsigned instruction) {
    if (block.crosses_page && instruction + 1u == block.instructions) return std::nullopt;
    return align_down(block.start, trace::kBlockPage);
  }
  // The page accessed last in front of the data access at `next` of the blocks, or at their end. Of
  // these each is gone through once if it is asked of one place behind the other.
  [[nodiscard]] Page accessed(const uint64_t* next) {
    if (next == accesses_) return front_[kData];
    const uint64_t* const last = next - 1;
    if (last < at_) rewind();
    while (last - at_ >= block().mem_ops) {
      at_ += block().mem_ops;
      ++number_;
    }
    const VirtAddr va(*last);
    if (block().ops[last - at_].crosses(va, trace::kBlockPage)) return std::nullopt;
    return align_down(va, trace::kBlockPage);
  }
  // All of them have been gone through, `end` behind their last data access.
  void leave(const uint64_t* end) {
    if (numbers_.empty()) return;
    front_[kData] = accessed(end);
    const trace::StaticBlock& last = table_[numbers_.back()];
    front_[kFetches] = fetched(last, last.instructions - 1u);
  }

  // The same of the first `count` references that are kept of a batch. `Refs`: as in PageSieve.
  template <class Refs>
  [[nodiscard]] Page last(const Refs& refs, size_t count, bool data) const {
    while (count-- != 0) {
      const trace::PageRef ref = refs[count];
      if (ref.is_data() != data) continue;
      if (ref.crosses()) return std::nullopt;
      return ref.page();
    }
    return front_[data ? kData : kFetches];
  }
  // These have been gone through.
  template <class Refs>
  void pass(const Refs& refs, size_t count) {
    front_ = {last(refs, count, false), last(refs, count, true)};
  }

 private:
  static constexpr size_t kFetches = 0;
  static constexpr size_t kData = 1;

  [[nodiscard]] const trace::StaticBlock& block() const { return table_[numbers_[number_]]; }
  void rewind() {
    number_ = 0;
    at_ = accesses_;
  }

  std::array<Page, 2> front_;  // of what is entered
  std::span<const trace::StaticBlock> table_;
  std::span<const uint32_t> numbers_;
  const uint64_t* accesses_ = nullptr;
  size_t number_ = 0;             // up to which accesses have been counted
  const uint64_t* at_ = nullptr;  // its first
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_PAGES_IN_FRONT_H_
