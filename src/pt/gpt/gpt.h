// GPT: the guarded page table, a trie over the bits of the address with path and level compression.
//
// The root is one 16-byte entry (entry.h). A lookup compares the entry's guard with the next bits
// of the address; where they agree and the entry is Internal, the bits that follow pick a slot of
// its table, and so on, until a Leaf. Guards make levels with a single child vanish (path
// compression); tables are doubled and halved with what they hold, from 2 to 2^12 slots, swallowing
// tables below them (level compression; resize.h). A leaf covers any power of two of pages. A leaf
// larger than a slot is held by all the slots it covers ("replicas").
//
//   lookup: one 16-byte load per level, the first of the root; each within one cache line
//   void:   an Invalid entry after n bits: 2^(64-n) bytes are empty; a guard that differs in its
//           bit d: 2^(64-n-d-1) are. So a gap of any size is passed in one step.
//
// ensure() makes an empty leaf: a slot. Empty leaves go in trim(), as Linux's tables do, or with
// pt.gpt.collapse=eager as soon as they are cleared through a handle or a Zap cursor; also when a
// leaf of another size is wanted in their place. Entries change place whenever a table changes its
// form, which insertion and trim do; handles are Moved then. promote() and clearing need no memory.
// Changes of form are optional: without memory the table stays in the form it has.
//
// Shared sub-trees (share.cc): the entries of all users lead to one shared root, 32 bytes:
//   words 0, 1  an ordinary entry, for the bits below the sharing point
//   word  2     31:0 users, 39:32 bits below the sharing point
//   word  3     address of the first user record
// A user record: address space, or bit 63 and the address of the shared root this one hangs in;
// base address; address of the next record; 0. The shared root costs a lookup one more load; in
// return, what is below it may take any form without its users' entries being touched. Their memory
// is in Factory::common_bytes().
//
// What is reported to the sink: 16 bytes for an entry read or written, 8 for a count or a leaf's
// word. A write of both words is one reference, though three stores in an order a lock-free reader
// can follow: body 0, head, body. The level is the number of entries passed on the way, at most 7.
// Not reported: zeroing a new table, and looking whether a sub-tree holds only empty leaves.
//
// After J. Liedtke, "Page Table Structures for Fine-Grain Virtual Memory" (1994); J. Liedtke and K.
// Elphinstone, "Guarded Page Tables on MIPS R4600" (1996); A. Wiggins' patches (2007).
#ifndef MMUSIM_PT_GPT_GPT_H_
#define MMUSIM_PT_GPT_GPT_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/types.h"
#include "pt/gpt/entry.h"
#include "pt/gpt/policy.h"
#include "pt/gpt/resize.h"
#include "pt/gpt/tables.h"
#include "pt/page_table.h"

namespace mmusim::pt::gpt {

Backend backend();

// The entries passed from the root to one place.
class Path {
 public:
  // Each level below the root uses a bit at least; sharing points pass one entry more, using none.
  static constexpr unsigned kMost = 2 * (kMostGuardBits + 1) + 2;

  void push(const Place& place) {
    MMUSIM_ASSERT(count_ < kMost);
    places_[count_++] = place;
  }
  void pop() { --count_; }
  [[nodiscard]] unsigned size() const { return count_; }
  [[nodiscard]] const Place& operator[](unsigned i) const { return places_[i]; }
  [[nodiscard]] const Place& back() const { return places_[count_ - 1]; }

 private:
  std::array<Place, kMost> places_;
  unsigned count_ = 0;
};

// What all tables of a factory agree on.
struct Rules {
  Policy policy;
  unsigned address_bits = 64;
  PageShift largest;  // leaf
};

class Gpt final : public PageTable {
 public:
  // All must outlive the table; `root` is a zeroed piece of kEntryBytes, which the Gpt owns from
  // now on.
  Gpt(const Environment& environment, const Rules& rules, Commons& commons, MmId mm, PhysAddr root);
  ~Gpt() override;
  Gpt(const Gpt&) = delete;
  Gpt& operator=(const Gpt&) = delete;

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

  // As in Wiggins' handler for Itanium: about 14 instructions in 5 groups for an internal node, its
  // entry read as two words and the first once more.
  unsigned handler_instructions() const override { return 14; }

  RootToken root() const override { return {.address = root_.address, .extra = 0}; }
  Stats stats() const override;
  uint64_t table_bytes() const override { return tables_.bytes(); }
  void visit_tables(const TableVisitor& visit) const override;
  Capabilities capabilities() const override;

 private:
  friend class GptCursor;
  friend class SteppingWalk;

  // Where a descent ended.
  struct Found {
    Place place;
    GuardedEntry entry;       // Leaf if the address is in one
    unsigned empty_log2 = 0;  // if not, or if it is empty: of the aligned void around the address
    Rights mask = Rights::all();
    unsigned tree_log2 = 0;  // of what the last shared sub-tree on the way serves; 0: none

    [[nodiscard]] bool is_leaf() const { return entry.is(Kind::Leaf); }
    // log2 of the bytes the leaf covers.
    [[nodiscard]] unsigned covers() const {
      return kKeyBits - place.consumed - entry.guard_length() + entry.replicas_log2();
    }
  };
  // Goes on from found.entry, just loaded from found.place. False: it was the last.
  bool descend_one(uint64_t key, Found& found) const;
  template <class Note>
  Found descend(uint64_t key, Note note) const;
  [[nodiscard]] Lookup lookup_of(VirtAddr va, const Found& found) const;
  [[nodiscard]] Lookup nothing_beyond() const;
  [[nodiscard]] Handle handle_of(uint64_t key, const Found& found) const;
  [[nodiscard]] bool current(const Handle& handle) const {
    return handle.generation == tables_.generation();
  }
  [[nodiscard]] Table replicas_of(const Handle& handle) const {
    return tables_.at(PhysAddr(handle.place));
  }
  // Whether a shared sub-tree can serve so much.
  [[nodiscard]] bool can_share(PageShift size) const;
  [[nodiscard]] bool size_offered(PageShift size) const {
    return size >= page_ && size <= rules_->largest;
  }
  [[nodiscard]] Run run_of(const Table& table, uint64_t slot, uint32_t count,
                           const GuardedEntry& leaf, const Place& place) const;

  // --- Changing the trie
  // Writes an entry and, in the entry of the table it stands in, the counts. `i`: in the path.
  void replace(const Path& path, unsigned i, const GuardedEntry& e);
  // After the last entry of the path changed: applies the rules to those above it, upwards until
  // nothing changes; at least down to index `least`.
  void settle_above(const Path& path, unsigned least);
  // The path to the leaf or void at `key`, read and reported.
  [[nodiscard]] Path path_to(uint64_t key) const;
  // A new table where the guard of the path's last entry leaves the key, after `common` bits.
  [[nodiscard]] bool cut(const Path& path, unsigned common);
  // Takes the leaf at the end of the path (its first replica) away.
  void remove_leaf(const Path& path);

  // ensure()'s steps. On: the way goes on below the entry; Stays: what is made comes to stand here.
  struct Making;
  enum class Step : uint8_t { On, Stays, NoMemory };
  [[nodiscard]] Step step_down(Making& making, GuardedEntry& e);
  [[nodiscard]] Slot made(const Making& making, const Place& place, bool settled);
  [[nodiscard]] bool make_in_slots(Making& making, const Place& parent, const GuardedEntry& e,
                                   Slot& slot);
  // Slots for the pages of [first, last], of the void that is the aligned block of 2^log2 bytes
  // around them: in one descent, in one table. Ok; NoMemory; NotSupported: it takes several tables.
  // REQUIRES: no more pages than the widest table has slots.
  Status ensure_pages(uint64_t first, uint64_t last, unsigned log2);
  [[nodiscard]] bool holds_leaves(const GuardedEntry& e) const;
  [[nodiscard]] bool is_empty(const GuardedEntry& e) const;
  // Gives up all tables below `e`, which stands at `place`; the entry itself is the caller's.
  // retire: there may be lookups, and nothing is shared. discard: there are none.
  void retire_below(const GuardedEntry& e, bool shared);
  void discard_below(const GuardedEntry& e, const Place& place);

  // split: the entry for 2^bits equal parts of `fields`, at a place where `consumed` bits are used.
  [[nodiscard]] std::optional<GuardedEntry> parts(unsigned consumed, unsigned bits,
                                                  LeafFields fields, const Place& place);
  [[nodiscard]] std::optional<GuardedEntry> split_entry(const GuardedEntry& leaf, unsigned bits,
                                                        LeafFields fields, const Place& place);

  // A leaf met below `place`: its address, size and entry. Stops at false.
  using LeafVisit = std::function<bool(uint64_t base, unsigned log2, Entry entry)>;
  bool visit_leaves(const Place& place, const LeafVisit& visit) const;
  void visit_below(const Place& place, PhysAddr parent, uint32_t slot, const std::string& link,
                   const TableVisitor& visit) const;

  // fork.
  struct Copying;
  Status copy_entry(const Place& from, const Place& to, Copying& copying);
  Status copy_table(const Place& from, const GuardedEntry& e, const Place& to, Copying& copying);
  Status copy_leaves(const Table& from, const Table& to, uint64_t slot, uint64_t end,
                     const Place& place, Copying& copying);
  Status copy_into(Gpt& to, std::span<const VirtRange> ranges, const RunCopier& copy);

  // trim: takes away the empty leaves of [first, last] that lie in [floor, ceiling], both ends
  // inclusive. True if the entry at `place` changed.
  struct Trimming {
    uint64_t first = 0, last = 0, floor = 0, ceiling = 0;
  };
  bool prune(const Place& place, const Trimming& trimming);
  bool prune_shared(const Place& place, uint64_t key, const Trimming& trimming, bool in_gap);
  Weight prune_slots(const Place& place, const GuardedEntry& e, const Trimming& trimming);
  void prune_range(uint64_t first, uint64_t last);

  // Sharing. An owner of a user record is an address space or an enclosing shared root.
  [[nodiscard]] uint64_t owner_at(const Place& place) const;
  [[nodiscard]] Status isolate(uint64_t key, unsigned end, Path& path);
  [[nodiscard]] Status share_from(uint64_t key, unsigned end, PhysAddr& root);
  void change_account(const GuardedEntry& e, bool shared);
  void change_owner(const GuardedEntry& e, const Place& place, uint64_t from, uint64_t to);
  void restrict_leaves(const GuardedEntry& e, Rights mask);
  void restrict_run(Run& run, Rights mask) const;
  void leave_root(PhysAddr root, const Place& place);
  [[nodiscard]] Path path_to_shared(uint64_t key, bool innermost) const;
  void take_over(const Path& path);
  // Afterwards nothing in the block of the key's first `end` bits is shared; false: others share.
  [[nodiscard]] bool own_block(uint64_t key, unsigned end);
  [[nodiscard]] Status own_below(Path& path, uint64_t key, unsigned end);
  Status copy_shared(const Path& path, const RunCopier& copy);

  const Rules* rules_;
  const EntryFormat* format_;
  PageShift page_;
  Tables tables_;
  Resizer resizer_;
  Place root_;
};

inline bool Gpt::descend_one(uint64_t key, Found& found) const {
  const GuardedEntry& e = found.entry;
  const uint64_t rest = behind(key, found.place.consumed);
  if (!e.matches(rest)) {
    found.empty_log2 = kKeyBits - found.place.consumed - e.common_with(rest) - 1;
    found.entry = {};
    return false;
  }
  switch (e.kind()) {
    case Kind::Internal:
      found.place = tables_.slot_of(found.place, e, key);
      return true;
    case Kind::Shared:
      found.mask = Rights(found.mask.bits() & e.mask().bits());
      found.tree_log2 = kKeyBits - found.place.consumed - e.guard_length();
      found.place = tables_.shared_root_of(found.place, e, key);
      return true;
    case Kind::Leaf:
      found.empty_log2 = found.covers();
      return false;
    case Kind::Invalid:
      break;
  }
  found.empty_log2 = kKeyBits - found.place.consumed;
  return false;
}

template <class Note>
Gpt::Found Gpt::descend(uint64_t key, Note note) const {
  Found found;
  found.place = root_;
  do {
    note(found.place);
    found.entry = found.place.load();
  } while (descend_one(key, found));
  return found;
}

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_GPT_H_
