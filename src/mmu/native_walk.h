// A hardware walker for whatever page table the kernel has: it takes the page table's own walk
// (pt::PageTable::walk()), step by step.
//
// **References.** Each step is one load of the walker's, with the bytes and the level the page
// table says. A step the page table says can be read beside the one before it is made at the same
// time: of such a group the slowest counts, in cycles; all are counted as references. Every other
// step waits for all before it. What a step takes beside its load (hashing, comparing tags and
// guards) takes no time, but for cost.walk of the whole.
//
// **The leaf** is judged as one of the processor's own (radix_format.h): presence, reserved bits,
// rights, accessed and dirty bits; rights that a shared part of the table restricts
// (pt::Lookup::mask) count. Every access is a program's. Entries above the leaf have no accessed
// bits that would have to be set: Linux sets them when it makes a table, and other page tables'
// have none. A leaf that stands in several words gets its bits in each, a locked write for each.
//
// **Walk cache.** Where the page table says that walks may begin at a table (WalkStep::serves), the
// walker remembers such tables: one cache for all sizes of block, fully associative, LRU, tagged
// with the block of addresses a table serves and a number of the address space. A walk begins at
// the known table that serves the smallest block. Entries are made by walks that ended in a
// translation, for the tables passed, root first; rights that tables restrict (Lookup::mask) are in
// them. What must drop them is the architecture's to say, beside this: a page table
// promises an entry only until the table's memory is freed (TlbMaintenance::table_freed()).
//
// Not thread-safe.
#ifndef MMUSIM_MMU_NATIVE_WALK_H_
#define MMUSIM_MMU_NATIVE_WALK_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "base/types.h"
#include "mmu/miss_path.h"
#include "mmu/radix_format.h"
#include "pt/page_table.h"

namespace mmusim::mmu {

// Where tables are that walks may begin at.
class TableCache {
 public:
  struct Table {
    PhysAddr address;
    unsigned serves = 0;  // log2 of the block
  };

  explicit TableCache(uint32_t entries) : entries_(entries) {}

  // The table with the smallest block around `va`; a use of that entry.
  std::optional<Table> find(VirtAddr va, uint64_t space);
  void fill(VirtAddr va, uint64_t space, Table table);

  void invalidate_address(VirtAddr va, uint64_t space);  // all blocks around it
  void invalidate_space(uint64_t space);
  void invalidate_all();

  // `base`: of the block.
  using Visitor = std::function<void(uint64_t space, VirtAddr base, PhysAddr table)>;
  void for_each(const Visitor& visit) const;

 private:
  struct Entry {
    uint64_t block = 0;  // number of the block, counted in its own size from address 0
    uint64_t space = 0;
    Table table{};      // serves 0: nothing here
    uint64_t used = 0;  // when
    [[nodiscard]] bool serves(VirtAddr va, uint64_t of) const;
  };

  std::vector<Entry> entries_;
  uint64_t clock_ = 0;
};

struct NativeWalkCounters {
  uint64_t walks = 0;
  uint64_t from_table = 0;  // begun at a table found in the walk cache
  uint64_t loads = 0;
  uint64_t beside = 0;  // ... made at the same time as the one before
  uint64_t accessed_set = 0;
  uint64_t dirty_set = 0;
  uint64_t updates = 0;  // writes; one may set both bits, and a leaf may stand in several words
  uint64_t longest = 0;  // most loads of one walk

  void add(const NativeWalkCounters& o);
};

class NativeWalker {
 public:
  // `cached_tables`: entries of the walk cache; 0: there is none. `path` must outlive it.
  NativeWalker(const RadixFormat& format, uint32_t cached_tables, MissPath& path)
      : format_(format), path_(&path), cache_(cached_tables) {}

  // Errors: Error where the walk cache knows a table that such walks do not come to (any more): a
  // page table that broke its promise, or a flush that was forgotten.
  WalkResult walk(pt::PageTable& table, VirtAddr va, uint64_t space, AccessKind kind);

  [[nodiscard]] TableCache& cache() { return cache_; }
  [[nodiscard]] const TableCache& cache() const { return cache_; }
  [[nodiscard]] const NativeWalkCounters& counters() const { return counters_; }

 private:
  [[nodiscard]] size_t begin_at(TableCache::Table known, VirtAddr va) const;
  pt::Lookup read(const pt::PageTable& table, VirtAddr va, uint64_t space);

  RadixFormat format_;
  MissPath* path_;
  TableCache cache_;
  pt::WalkPath words_;  // of the last walk
  size_t begun_ = 0;    // at which of them
  NativeWalkCounters counters_;
};

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_NATIVE_WALK_H_
