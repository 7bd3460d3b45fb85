// Numbers for the pages of references: who keeps something of each page, as where it lies on
// another machine, works that out once for each number, and then has it in a row.
//
// A page is looked for in a slot that it shares with others: one that has lost it meanwhile gets
// another number. So does the first reference that crosses into the next page, as it has to do with
// that too. So a page may have several. Not thread-safe.
#ifndef MMUSIM_SIM_PAGE_NUMBERER_H_
#define MMUSIM_SIM_PAGE_NUMBERER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "trace/record.h"

namespace mmusim::sim {

// Of some references in a row.
struct NumberedPages {
  bool anew = false;  // they begin with these, at 0; else they go on
  std::vector<uint32_t> numbers;
  std::vector<trace::PageRef> firsts;  // with the numbers that are new
};

class PageNumberer {
 public:
  // No page has a number from here on.
  void begin();
  // What `out` has of others goes.
  void number(std::span<const trace::PageRef> refs, NumberedPages& out);

 private:
  static constexpr size_t kLog2Slots = 12;
  // Where numbers are begun anew, so that what is kept for each takes little.
  static constexpr size_t kMost = size_t{1} << 15;
  struct Slot {
    uint64_t page = kNone;  // its address
    uint32_t number = 0;
    bool crossed = false;  // such a reference was met
  };
  static constexpr uint64_t kNone = ~uint64_t{0};
  static size_t slot_of(uint64_t page) {
    return static_cast<size_t>((page * 0x9e3779b97f4a7c15u) >> (64 - kLog2Slots));
  }

  std::array<Slot, size_t{1} << kLog2Slots> slots_;
  std::vector<uint16_t> used_;  // slots, by number of who came
  bool anew_ = true;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_PAGE_NUMBERER_H_
