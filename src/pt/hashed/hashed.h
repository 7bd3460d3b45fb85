// Hashed page tables: chains of nodes, found by hashing an address (store.h). Two backends:
//
//   hashed      a node per leaf, of three words
//   clustered   nodes of base pages serve a block of 2 to 64 pages with one tag, so that
//               neighbours share a probe and a tag; larger leaves have nodes of three words
//
// Either has one table per address space, or one for all, whose nodes have the space's number
// besides. A lookup hashes the address once per leaf size of which the space has nodes, smallest
// first. No two nodes of a space overlap: slots without a leaf give way to leaves of another size.
//
// Help for ranges: none. What lies in a range is found by probing each block and size, or, where
// there are fewer nodes and buckets than that is probes, by going through the whole store, all
// spaces' nodes in it, and sorting what is found. A cursor's runs are single nodes; a miss says no
// more than that one block is empty. Nodes are made by ensure(), go in trim() or when overlapped,
// and never move in memory: handles go stale when a node goes or changes its address, not when the
// array grows. Not reported: the host's sort.
//
// Chains and tag, next, PTE after J. Huck and J. Hays, "Architectural Support for Translation Table
// Management in Large Address Space Machines" (ISCA 1993), whose anchors hold the first entry
// themselves; here they only point, so that nodes stay where they are. Blocks after M. Talluri, M.
// Hill and Y. Khalidi, "A New Page Table for 64-bit Address Spaces" (SOSP 1995): 16 + 8 s bytes for
// s pages, 24 for a superpage. Their partial-subblock entries, which give one PTE to several pages
// of a block, are not here. Not thread-safe.
#ifndef MMUSIM_PT_HASHED_HASHED_H_
#define MMUSIM_PT_HASHED_HASHED_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/types.h"
#include "pt/hashed/store.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::pt::hashed {

Backend backend();
Backend clustered_backend();

class Hashed final : public PageTable {
 public:
  // `environment` and `rules` must outlive the table. With a store for all spaces, the table's
  // nodes are those with its number.
  Hashed(const Environment& environment, const Rules& rules, MmId mm, std::shared_ptr<Store> store);
  ~Hashed() override;
  Hashed(const Hashed&) = delete;
  Hashed& operator=(const Hashed&) = delete;

  Lookup walk(VirtAddr va, WalkPath& path) const override;
  WordText describe(const WalkStep& step, VirtAddr va) const override;
  Slot ensure(VirtAddr va, PageShift size) override;
  Status install(const Handle& handle, Entry expected, Entry next) override;
  Status clear(const Handle& handle, Entry& old) override;
  Status split(const Handle& handle, PageShift to) override;
  SplitReserve split_reserve(PageShift from, PageShift to) const override;
  Status promote(VirtAddr va, PageShift to, Gather& gather) override;

  std::unique_ptr<Cursor> cursor(VirtRange range, CursorMode mode) override;
  Status copy_ranges(PageTable& to, std::span<const VirtRange> ranges,
                     const RunCopier& copy) override;
  Status move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) override;
  void trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) override;

  RootToken root() const override {
    return {.address = store_->address(), .extra = store_->log2()};
  }
  Stats stats() const override;
  uint64_t table_bytes() const override;
  void visit_tables(const TableVisitor& visit) const override;
  Capabilities capabilities() const override;

 private:
  friend class HashedCursor;

  [[nodiscard]] Tag tag_of(uint64_t va, unsigned size_class) const {
    return {(va & ~rules_->span(size_class).offset_mask()) | size_class,
            rules_->global ? mm_.value() : 0};
  }
  [[nodiscard]] bool mine(const Node& node) const {
    return !rules_->global || node.tag().space == mm_.value();
  }
  [[nodiscard]] uint64_t end_of(const Node& node) const {  // inclusive
    return node.base() + rules_->span(node.size_class()).offset_mask();
  }
  [[nodiscard]] uint32_t slots_of(const Node& node) const {
    return rules_->slots(node.size_class());
  }
  // The slot of the node that serves the address.
  [[nodiscard]] uint32_t slot_of(const Node& node, uint64_t va) const {
    return static_cast<uint32_t>((va - node.base()) >> rules_->sizes[node.size_class()].log2());
  }
  [[nodiscard]] Node node_of(const Handle& handle) const;
  [[nodiscard]] Handle handle_of(const Node& node, uint32_t slot) const;
  // The node's slots that serve addresses of [first, last].
  [[nodiscard]] Run run_of(const Node& node, uint64_t first, uint64_t last) const;
  void touch(PhysAddr address, bool write) const;
  // Without and with telling that it was read.
  [[nodiscard]] bool is_empty(const Node& node) const;
  [[nodiscard]] bool look_empty(const Node& node) const;

  [[nodiscard]] std::optional<Node> covering(uint64_t va, WalkPath& path) const;
  // All nodes that reach into [first, last], ascending, at the cheaper of the two ways.
  [[nodiscard]] std::vector<Node> within(uint64_t first, uint64_t last) const;
  [[nodiscard]] bool sweeps(uint64_t first, uint64_t last) const;

  [[nodiscard]] std::optional<Node> allocate(unsigned size_class);
  void release(const Node& node, unsigned size_class);
  void link(const Node& node, const Tag& tag);
  void unlink(const Node& node);
  void discard(const Node& node);
  // Takes away the empty nodes in the way of [first, last]; false where a leaf is in it.
  bool make_room(uint64_t first, uint64_t last);
  Status move_node(const Node& node, uint64_t target);
  Status move_pages(Run run, VirtAddr from, VirtAddr to, uint64_t& done);
  void retire(const Node& node, Gather& gather);

  mem::FrameMemory* frames_;
  const EntryFormat* format_;
  TableAllocator* allocator_;
  const Rules* rules_;
  MmId mm_;
  std::shared_ptr<Store> store_;
  std::vector<uint64_t> of_class_;  // this space's nodes by size class
  uint64_t generation_ = 0;         // of handles
};

}  // namespace mmusim::pt::hashed

#endif  // MMUSIM_PT_HASHED_HASHED_H_
