// A second sun4u MMU, as plain as can be, out of the arrays of naive_mmu.h: the TLBs of each side,
// and TSBs that are lists of slots. The kernel's own accesses take no entries
// (sparc64.linear_map = false), and TSBs do not grow.
//
// It works out what the README of arch/sparc64 says an access does, and shares nothing with src/tlb
// or arch/sparc64.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_NAIVE_SPARC64_H_
#define MMUSIM_TESTS_DIFFERENTIAL_NAIVE_SPARC64_H_

#include <cstdint>
#include <map>
#include <vector>

#include "tests/differential/naive_mmu.h"

namespace mmusim::naive {

struct SoftShape {
  // The fully associative one last, which has locked entries.
  std::vector<ArrayShape> itlb, dtlb;
  unsigned image_entries = 2;
  unsigned tsbs = 2;     // none; one; one for huge pages too, once there are any
  bool mapped = true;    // each by a locked entry of the data TLB
  unsigned slots = 512;  // of a TSB
};

struct SoftOutcome {
  char fault = '-';  // '-', 'n' not present, 'p' protection
  unsigned misses = 0;
  unsigned probes = 0, hits = 0;            // of the TSB
  unsigned huge_probes = 0, huge_hits = 0;  // of that of huge pages
  unsigned walks = 0;
  unsigned updates = 0;  // by the kernel, after a fault
  bool operator==(const SoftOutcome&) const = default;
};

class SoftMmu {
 public:
  using Table = std::map<uint64_t, Page>;  // base -> page, of 8K or, in halves of 4M, of 8M

  explicit SoftMmu(const SoftShape& shape);
  void load(Table* table, unsigned context);
  SoftOutcome access(uint64_t va, char kind, bool retry);
  // What the kernel does after it has taken rights, frame or all from the page around `va`.
  void flush(uint64_t va, unsigned context);

 private:
  struct Slot {
    bool valid = false;
    uint64_t tag = 0;
    Entry entry;
  };
  struct Tsb {
    std::vector<Slot> slots;
    unsigned shift = 13;
  };
  struct Space {
    Tsb base, huge;  // without slots: there is none
  };
  using Side = std::vector<Array>;

  [[nodiscard]] bool look_up(uint64_t va, Entry& entry) const;
  static Slot& slot_of(Tsb& tsb, uint64_t va) {
    return tsb.slots[(va >> tsb.shift) % tsb.slots.size()];
  }
  static void put(Tsb& tsb, uint64_t va, const Entry& entry);
  bool refill(uint64_t va, Entry& entry, SoftOutcome& outcome);
  void fill(Side& side, const std::vector<ArrayShape>& shapes, const Entry& entry);
  void lock(unsigned entries);

  SoftShape shape_;
  Side itlb_, dtlb_;
  unsigned locked_ = 0;  // in the data TLB
  std::map<unsigned, Space> spaces_;
  Table* table_ = nullptr;
  unsigned context_ = 0;
};

}  // namespace mmusim::naive

#endif  // MMUSIM_TESTS_DIFFERENTIAL_NAIVE_SPARC64_H_
