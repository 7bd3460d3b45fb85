// MLPT: the multi-level page table, a radix tree of 2 to 5 levels of any geometry.
//
// A table of a level is an array of 2^index_bits words in simulated memory, of 8 bytes or, where
// the format says so, 4, in whole frames (a table smaller than a page has a page to itself). A word
// is none (0), a leaf, or the physical address of a table of the level below, bit-exact as the
// EntryFormat makes it; so a hardware walker of the same geometry can read the tree. Level 0 is the
// leaf level; levels above may hold leaves of their own size where the geometry allows. Levels an
// architecture folds away do not exist.
//
//   x86-64       12:9:leaf,21:9:leaf,30:9:leaf,39:9      la57 adds 48:9
//   i386 PAE     12:9:leaf,21:9:leaf,30:2
//   IA-64, 16 K  14:11:leaf,25:11,36:11:region3          (region number in the top index)
//
// Tables come into being in ensure(), copy_ranges(), move_range() and split(), and go in trim() by
// the rule of Linux's free_pgd_range (mm/memory.c): a table goes if its whole aligned span lies in
// the gap between the mappings that stay. Tables that have become empty are kept until then, and
// copied at fork, as Linux does. No operation moves a slot, except that whole tables move in
// move_range(); so a handle goes stale only by trim, split and such moves. Tables can be shared,
// with all below them (sharing.h).
//
// What is reported to the sink: each word the operation reads or writes in the tables it passes.
// Not reported: the zeroing of a new table (the page allocator's work), and the search for leaves
// in a table about to be freed (Linux does not make it; it is there to keep trim safe).
#ifndef MMUSIM_PT_MLPT_MLPT_H_
#define MMUSIM_PT_MLPT_MLPT_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <vector>

#include "base/types.h"
#include "pt/joined.h"
#include "pt/mlpt/shape.h"
#include "pt/mlpt/sharing.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::pt::mlpt {

Backend backend();

// A table: where it is simulated, and its words on the host.
struct Table {
  PhysAddr address;
  uint64_t* words = nullptr;  // read and written by Mlpt::word() and set_word() only
  unsigned tree = 0;  // log2 of what the shared table that it is, or hangs in, serves; 0: none
};

class Mlpt final : public PageTable {
 public:
  // `environment` and `shape` must outlive the table; `root` is a zeroed table of the top level,
  // which the Mlpt owns from now on.
  // `sharing`, if any, is that of all tables of the factory.
  Mlpt(const Environment& environment, const Shape& shape, MmId mm, PhysAddr root,
       Sharing* sharing = nullptr);
  ~Mlpt() override;
  Mlpt(const Mlpt&) = delete;
  Mlpt& operator=(const Mlpt&) = delete;

  Lookup walk(VirtAddr va, WalkPath& path) const override;
  Lookup find(VirtAddr va, mem::Origin origin) override;
  Lookup peek(VirtAddr va) const override;
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

  Status share(VirtAddr at, PageTable& source, VirtAddr from, PageShift size, Rights mask) override;
  Status unshare(VirtAddr va, const RunCopier& copy) override;
  Status leave(VirtAddr va, Gather& gather) override;
  std::vector<Sharer> sharers(VirtAddr va) const override;

  RootToken root() const override { return {.address = root_.address, .extra = 0}; }
  Stats stats() const override;
  uint64_t table_bytes() const override { return table_bytes_; }
  void visit_tables(const TableVisitor& visit) const override;
  Capabilities capabilities() const override;

  // --- Besides the interface, for those who keep an MLPT as a software TLB
  // Unlinks everything below the root, leaves and all; the tables go into the gather. Touches one
  // word per table: who keeps such copies has a list of their tables (KVM: active_mmu_pages).
  void drop_all(Gather& gather);
  // The sizes share() takes, ascending.
  [[nodiscard]] std::vector<PageShift> share_sizes() const;
  // Whether there is a table for the block of this size around `va`; touches nothing.
  [[nodiscard]] bool has_table(VirtAddr va, PageShift block) const;
  // The blocks of `range` that are served by shared tables, in order; touches nothing.
  void for_each_shared(VirtRange range, const std::function<void(VirtRange block)>& visit) const;
  // Every leaf, in order of address; touches nothing.
  void for_each_leaf(const std::function<void(VirtAddr, PageShift, Entry)>& visit) const;

 private:
  friend class MlptCursor;

  // Where a descent ended: at a leaf, at none, or at level 0.
  struct Place {
    Table table;
    unsigned level = 0;
    uint64_t index = 0;
    Entry entry = kNone;
  };
  struct Gap {  // addresses no mapping needs tables for; both ends inclusive
    uint64_t first = 0;
    uint64_t last = 0;
  };

  // Inline pieces of every walk.
  [[nodiscard]] Entry word(const Table& table, uint64_t index) const {
    if (!narrow_) [[likely]]
      return table.words[index];
    uint32_t low = 0;
    std::memcpy(&low, reinterpret_cast<const std::byte*>(table.words) + index * sizeof low,
                sizeof low);
    return low;
  }
  void set_word(const Table& table, uint64_t index, Entry e) const {
    if (!narrow_) [[likely]] {
      table.words[index] = e;
      return;
    }
    const auto low = static_cast<uint32_t>(e);
    std::memcpy(reinterpret_cast<std::byte*>(table.words) + index * sizeof low, &low, sizeof low);
  }
  [[nodiscard]] uint64_t word_bytes() const { return narrow_ ? sizeof(uint32_t) : sizeof(Entry); }
  [[nodiscard]] PhysAddr word_at(const Table& table, uint64_t index) const {
    return table.address + index * word_bytes();
  }
  [[nodiscard]] bool is_leaf(Entry e, unsigned level) const {
    if (level == 0) return true;
    if (!shape_->level(level).leaf_allowed) return false;
    return !format_->is_present(e) || format_->is_leaf(e, shape_->size(level));
  }
  // The table of `level` that the entry `e` of `above` leads to.
  [[nodiscard]] Table below(const Table& above, Entry e, unsigned level) const {
    const PhysAddr address = format_->table_address(e);
    Table table{.address = address, .words = frames_->words(address), .tree = above.tree};
    if (table.tree == 0 && users_of(table) != nullptr) table.tree = shape_->level(level).span;
    return table;
  }
  void touch(const Table& table, uint64_t index, unsigned level, bool write,
             mem::Origin origin = mem::Origin::Kernel) const {
    sink().reference(word_at(table, index), static_cast<unsigned>(word_bytes()), write,
                     {.origin = origin,
                      .level = static_cast<uint8_t>(level),
                      .dependent = !write && level != shape_->top()});
  }
  Entry read(const Table& table, uint64_t index, unsigned level) const {
    touch(table, index, level, false);
    return word(table, index);
  }
  void write(const Table& table, uint64_t index, unsigned level, Entry e) {
    touch(table, index, level, true);
    set_word(table, index, e);
  }

  // Down to the leaf or none at `va`; `note(table, index, level)` at each word read on the way.
  template <class Note>
  Place descend(VirtAddr va, Note note) const;
  [[nodiscard]] Lookup nothing_beyond(VirtAddr va) const;
  [[nodiscard]] Lookup lookup_of(VirtAddr va, const Place& place) const;
  [[nodiscard]] Handle handle_of(VirtAddr va, const Place& place) const;
  [[nodiscard]] Place place_of(const Handle& handle) const;
  [[nodiscard]] Run run_of(const Table& table, unsigned level, uint64_t index, uint64_t count,
                           VirtAddr start) const;

  // Null: the table is this one's own.
  [[nodiscard]] const std::vector<Sharing::User>* users_of(const Table& table) const {
    return sharing_ == nullptr ? nullptr : sharing_->users(table.address);
  }
  [[nodiscard]] std::optional<Place> shared_at(VirtAddr va) const;
  [[nodiscard]] unsigned sharing_level(PageShift size) const;
  [[nodiscard]] bool shares_below(const Table& table, unsigned level) const;
  void visit_shared(const Table& table, unsigned level, uint64_t first, uint64_t last,
                    const std::function<void(VirtRange)>& visit) const;
  void change_account(const Table& table, unsigned level, bool shared);
  void stop_sharing(PhysAddr table, unsigned level, VirtAddr base);
  using Reserve = std::array<std::vector<PhysAddr>, kMostLevels>;
  bool reserve_like(const Table& table, unsigned level, Reserve& reserve);
  PhysAddr copy_shared(const Table& table, unsigned level, uint64_t base, Reserve& reserve,
                       const RunCopier& copy, bool& going);

  // Whether all of a table's leaves, and those of the tables below it, go on with what is joined;
  // read and told.
  bool join_below(const Table& table, unsigned level, Joined& joined) const;
  // Makes a table of level - 1 and links it into `parent`, a table of `level`.
  Status add_table(const Table& parent, uint64_t index, unsigned level);
  // The table of `level` that serves `va`, made if need be. Ok, NoMemory, Overlap, NotSupported.
  Status ensure_table(VirtAddr va, unsigned level, Table& table);
  // `shared`: in nobody's account, but in that of all.
  void count_table(unsigned level, bool added, bool shared);
  [[nodiscard]] uint64_t count_leaves(const Table& table, unsigned level) const;
  [[nodiscard]] bool is_empty(const Table& table, unsigned level) const;
  void free_below(const Table& table, unsigned level, uint64_t base);

  void unlink_below(const Table& table, unsigned level, uint64_t base, Gather& gather);
  void visit_leaves(const Table& table, unsigned level, uint64_t base,
                    const std::function<void(VirtAddr, PageShift, Entry)>& visit) const;
  void visit_table(const Table& table, unsigned level, TableNode node,
                   const TableVisitor& visit) const;
  Status copy_table(Mlpt& to, unsigned level, const Table& from, const Table& into, uint64_t first,
                    uint64_t last, size_t range, const RunCopier& copy);
  Status move_piece(VirtAddr from, VirtAddr to, uint64_t left, uint64_t& moved);
  Status move_slots(const Place& from, VirtAddr to, uint64_t left, uint64_t& moved);
  bool trim_table(const Table& table, unsigned level, uint64_t first, uint64_t last, Gap gap,
                  Gather& gather);
  PhysAddr fill_split(unsigned level, unsigned to_level, LeafFields fields, Reserve& tables,
                      bool shared);

  mem::FrameMemory* frames_;
  const EntryFormat* format_;
  TableAllocator* allocator_;
  const Shape* shape_;
  Sharing* sharing_;
  bool narrow_;  // 4-byte words
  PageShift page_;
  MmId mm_;
  Table root_;
  uint64_t generation_ = 0;   // of handles; goes up when a slot may have gone
  uint64_t table_bytes_ = 0;  // without the root
  std::array<uint64_t, kMostLevels> tables_{};
};

}  // namespace mmusim::pt::mlpt

#endif  // MMUSIM_PT_MLPT_MLPT_H_
