// Hashed page table: an array of buckets, each the head of a chain of entries, one entry per leaf.
//
// One table per address space, doubled when it holds more entries than buckets (never halved).
// A bucket is one 8-byte word, the physical address of the first entry of its chain, 0: none.
// An entry is three 8-byte words, aligned to 8:
//
//   tag    63:8  base address of the leaf (its lowest 12 bits are 0)
//           7:0  size class: index into the architecture's leaf sizes, 0 the base page
//   next         physical address of the next entry of the chain, 0: none
//   PTE          in the architecture's format; 0: a slot without a leaf
//
// A lookup hashes the address once per leaf size of which there are entries, smallest first. No two
// entries of a table overlap: a slot without a leaf gives way to one of another size.
//
// Help for ranges: none. What lies in a range is found by probing each page and size, or, where
// there are fewer entries and buckets than pages to probe, by going through the whole table and
// sorting what is found. A cursor's runs are single entries; a miss says no more than that one page
// is empty. Entries are made by ensure(), go in trim() or when overlapped, and never move in
// memory: handles go stale when an entry goes or changes its address, not when the table grows.
//
// Reported: every bucket (level 1) and each word of an entry (level 0) read or written. Not
// reported: zeroing of new memory, and the host's sort.
//
// Chains and tag, next, PTE after J. Huck and J. Hays, "Architectural Support for Translation Table
// Management in Large Address Space Machines" (ISCA 1993), whose anchors hold the first entry
// themselves; here they only point, so that entries stay where they are. Not thread-safe.
#ifndef MMUSIM_PT_HASHED_HASHED_H_
#define MMUSIM_PT_HASHED_HASHED_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/types.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::pt::hashed {

Backend backend();

inline constexpr uint64_t kEntryBytes = 24;

// What all tables of a factory agree on.
struct Rules {
  std::vector<PageShift> sizes;  // ascending; index: size class
  VirtAddr last;                 // highest address that can be mapped
};

class Hashed final : public PageTable {
 public:
  // All must outlive the table; `buckets` is a zeroed base page, which the table owns from now on.
  Hashed(const Environment& environment, const Rules& rules, MmId mm, PhysAddr buckets);
  ~Hashed() override;
  Hashed(const Hashed&) = delete;
  Hashed& operator=(const Hashed&) = delete;

  Lookup walk(VirtAddr va, WalkPath& path) const override;
  Slot ensure(VirtAddr va, PageShift size) override;
  Status install(const Handle& handle, Entry expected, Entry next) override;
  Status clear(const Handle& handle, Entry& old) override;
  Status split(const Handle& handle, PageShift to) override;

  std::unique_ptr<Cursor> cursor(VirtRange range, CursorMode mode) override;
  Status copy_ranges(PageTable& to, std::span<const VirtRange> ranges,
                     const RunCopier& copy) override;
  Status move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) override;
  void trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) override;

  RootToken root() const override { return {.address = buckets_, .extra = log2_}; }
  Stats stats() const override;
  uint64_t table_bytes() const override { return entries_ * kEntryBytes; }
  void visit_tables(const TableVisitor& visit) const override;
  Capabilities capabilities() const override;

 private:
  friend class HashedCursor;

  struct Node {
    PhysAddr address;
    uint64_t* words = nullptr;
    [[nodiscard]] uint64_t base() const { return words[0] & ~uint64_t{0xff}; }
    [[nodiscard]] unsigned size_class() const { return static_cast<unsigned>(words[0] & 0xff); }
    [[nodiscard]] uint64_t next() const { return words[1]; }
    [[nodiscard]] Entry entry() const { return words[2]; }
  };

  [[nodiscard]] uint64_t bucket_of(uint64_t tag) const;
  [[nodiscard]] uint64_t tag_of(uint64_t va, unsigned size_class) const {
    return (va & ~rules_->sizes[size_class].offset_mask()) | size_class;
  }
  [[nodiscard]] Node node_at(uint64_t address) const {
    return {.address = PhysAddr(address), .words = frames_->words(PhysAddr(address))};
  }
  [[nodiscard]] int class_of(PageShift size) const;
  [[nodiscard]] uint64_t end_of(const Node& node) const {  // inclusive
    return node.base() + rules_->sizes[node.size_class()].offset_mask();
  }
  void touch(PhysAddr address, bool write, uint8_t level) const;
  [[nodiscard]] Handle handle_of(const Node& node) const;
  [[nodiscard]] Run run_of(const Node& node) const;

  // The entry with this tag, the words read on the way added to the path.
  [[nodiscard]] std::optional<Node> probe(uint64_t tag, WalkPath& path) const;
  [[nodiscard]] std::optional<Node> covering(uint64_t va, WalkPath& path) const;
  // All entries that reach into [first, last], ascending, at the cheaper of the two ways.
  [[nodiscard]] std::vector<Node> within(uint64_t first, uint64_t last) const;
  [[nodiscard]] bool sweeps(uint64_t first, uint64_t last) const;

  void link(const Node& node, uint64_t tag);
  void unlink(const Node& node);
  void discard(const Node& node);
  // Takes away the empty entries in the way of [first, last]; false where a leaf is in it.
  bool make_room(uint64_t first, uint64_t last);
  void grow();

  mem::FrameMemory* frames_;
  const EntryFormat* format_;
  TableAllocator* allocator_;
  const Rules* rules_;
  MmId mm_;
  PhysAddr buckets_;
  uint64_t* heads_;
  unsigned log2_;                   // of the buckets
  uint64_t entries_ = 0;            // linked
  std::vector<uint64_t> of_class_;  // entries by size class
  uint64_t generation_ = 0;         // of handles
  uint64_t restructures_ = 0;
  uint64_t rewritten_ = 0;
};

}  // namespace mmusim::pt::hashed

#endif  // MMUSIM_PT_HASHED_HASHED_H_
