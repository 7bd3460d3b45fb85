// A second PowerPC MMU, as plain as can be, out of the arrays of naive_mmu.h: ERATs, SLB, TLB, and
// a hash table that is a map, in which there is always room. The kernel's own accesses take no
// entries (ppc64.linear_map = false). A page that is larger than the base page is hashed by the
// base pages of it that are touched, each entry giving the largest page there can be.
//
// It works out what the README of arch/ppc64 says an access does, and shares nothing with src/tlb
// or arch/ppc64.
#ifndef MMUSIM_TESTS_DIFFERENTIAL_NAIVE_PPC64_H_
#define MMUSIM_TESTS_DIFFERENTIAL_NAIVE_PPC64_H_

#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "tests/differential/naive_mmu.h"

namespace mmusim::naive {

struct HashedShape {
  ArrayShape ierat, derat, tlb;
  unsigned slb_entries = 64;
  bool tera_segments = false;
  unsigned page = 12;  // log2 of a base page
  // Log2 of the sizes that pages of such a segment can have, ascending, the base page first.
  std::vector<unsigned> actual;
};

// What one access does, the repetitions after hash faults included.
struct HashedOutcome {
  char fault = '-';  // '-', 'n' not present, 'p' protection
  unsigned erat_misses = 0, tlb_misses = 0;
  unsigned segment_misses = 0;
  unsigned searches = 0;  // of the hash table
  unsigned hash_faults = 0;
  unsigned inserts = 0, updates = 0;  // of HPTEs
  bool operator==(const HashedOutcome&) const = default;
};

class HashedMmu {
 public:
  using Table = std::map<uint64_t, Page>;  // base -> page

  explicit HashedMmu(const HashedShape& shape);
  void load(Table* table, unsigned context);
  HashedOutcome access(uint64_t va, char kind, bool retry);
  // The translation of a page of 2^size bytes is no longer: what the kernel does after it has
  // changed the table.
  void flush(uint64_t va, unsigned size, unsigned context);
  // The page that has the address; null: none.
  static Page* find(Table& table, uint64_t va, uint64_t* base = nullptr);

 private:
  Entry* translate(uint64_t va, char kind, bool first, HashedOutcome& outcome);
  char hash(uint64_t va, char kind, bool ahead, HashedOutcome& outcome);
  void invalidate(uint64_t va, unsigned context);
  bool make_segment(uint64_t va);
  [[nodiscard]] uint64_t segment(uint64_t va) const;
  [[nodiscard]] uint64_t base(uint64_t va) const { return va >> shape_.page << shape_.page; }
  [[nodiscard]] unsigned actual_of(const Page& page) const;
  static void fill(Array& array, const ArrayShape& shape, const Entry& entry, uint64_t va);

  HashedShape shape_;
  Array ierat_, derat_, tlb_;
  std::vector<uint64_t> slb_;  // by slot, from 3 on: the segment, or 0
  size_t last_ = 0;
  std::map<std::pair<unsigned, uint64_t>, Entry> hashed_;
  Table* table_ = nullptr;
  unsigned context_ = 0;
};

}  // namespace mmusim::naive

#endif  // MMUSIM_TESTS_DIFFERENTIAL_NAIVE_PPC64_H_
