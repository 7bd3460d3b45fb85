// What a page table weighs: bytes by kind of table, words and cache lines per lookup.
//
// Measured on the table itself: every table is visited, every leaf looked up once. Lookups count a
// leaf of 2^n pages 2^n times, since so many pages are translated through it; a lookup is what a
// miss handler that knows nothing but the root would do, without walk caches.
#ifndef MMUSIM_PT_FOOTPRINT_H_
#define MMUSIM_PT_FOOTPRINT_H_

#include <cstdint>
#include <map>
#include <vector>

#include "base/types.h"
#include "pt/page_table.h"

namespace mmusim::pt {

// Tables of one level and size.
struct TableClass {
  unsigned level = 0;
  uint64_t bytes_each = 0;
  uint32_t slots_each = 0;
  uint64_t tables = 0;
  uint64_t leaves = 0;    // slots that hold (a replica of) a leaf
  uint64_t pointers = 0;  // slots that lead to a table
};

struct Footprint {
  uint64_t pages = 0;   // base pages mapped
  uint64_t leaves = 0;  // entries that are not none
  uint64_t table_bytes = 0;
  uint64_t root_bytes = 0;
  uint64_t restructures = 0;
  uint64_t entries_rewritten = 0;
  std::map<unsigned, uint64_t> leaves_by_size;  // log2 of bytes -> leaves
  std::map<unsigned, uint64_t> hints_by_size;   // of these, base leaves: what they hint -> leaves
  std::vector<TableClass> classes;              // the root first

  // Lookups of every page once.
  std::map<unsigned, uint64_t> words;  // words read -> pages
  uint64_t words_total = 0;
  uint64_t lines_total = 0;     // sum over lookups of the distinct lines of each
  uint64_t lines_distinct = 0;  // of all lookups together

  [[nodiscard]] unsigned words_most() const { return words.empty() ? 0 : words.rbegin()->first; }
};

// `format`: of its entries. `line`: bytes of a cache line, a power of two. Reads of the cursor are
// reported to the table's sink as the kernel's.
Footprint measure(PageTable& table, const EntryFormat& format, PageShift page, VirtRange everything,
                  uint64_t line = 64);

}  // namespace mmusim::pt

#endif  // MMUSIM_PT_FOOTPRINT_H_
