// GPT: the guarded page table, a trie over the bits of the address with path and level compression.
//
// The root is one 16-byte entry (entry.h). A lookup compares the entry's prefix with the address;
// where they agree, an Internal entry leads to a table, of which the bits that follow pick a slot,
// or to a line, up to four entries in one cache line of which one has the right prefix; and so on,
// until a Leaf, or an Array: base pages side by side, a word each. Prefixes make levels with a
// single child vanish (path compression); lines stand for tables of two slots that hang in each
// other; tables are doubled and halved with what they hold, from 2 to 2^12 slots, swallowing tables
// and lines below them (level compression; resize.h); pages that lie dense become arrays
// (arrays.cc). A leaf covers any power of two of pages. A leaf larger than a slot is held by all
// the slots it covers ("replicas").
//
//   lookup: begins at a slot of the top (top.h), or of the root's table, or at the root, which miss
//           handlers have at hand as they have the address of a radix tree's root. Then one 16-byte
//           load per level, each within one cache line; of a line as many entries as it takes to
//           find the one; the word of an array. A root that is a leaf, or nothing, is a load.
//   void:   an Invalid entry after n bits: 2^(64-n) bytes are empty; a prefix that agrees in d
//   bits:
//           2^(64-d-1) are. So a gap of any size is passed in one step; where a walk ends in the
//           top, it is told as far as other addresses come to the same slot.
//
// ensure() makes an empty leaf: a slot; an array has one for each of its pages. Empty leaves, and
// arrays that hold none, go in trim(), as Linux's tables do, or with pt.gpt.collapse=eager as soon
// as they are cleared through a handle or a Zap cursor; also when a leaf of another size is wanted
// in their place. Entries change place whenever a table changes its form, which insertion and trim
// do; handles are Moved then. promote() and clearing need no memory. Changes of form are optional:
// without memory the table stays in the form it has.
//
// Shared sub-trees (share.cc): the entries of all users lead to one shared root (shared_root.h).
// That costs a lookup one more load; in return, what is below it may take any form without its
// users' entries being touched. Their memory is in Factory::common_bytes().
//
// What is reported to the sink: 16 bytes for an entry read or written, 8 for a count or a leaf's
// word, and a line as one read of as many entries as are looked at. A write of both words is one
// reference, though three stores in an order a lock-free reader can follow: body 0, head, body. The
// level is how many levels of a radix tree with 512 slots would be below (Tables::level_of). Not
// reported: zeroing a new table, and trim()'s search for leaves.
//
// After J. Liedtke, "Page Table Structures for Fine-Grain Virtual Memory" (1994); J. Liedtke and K.
// Elphinstone, "Guarded Page Tables on MIPS R4600" (1996); A. Wiggins' patches (2007). Lines are
// what V. Leis and others' adaptive radix tree (ICDE 2013) has as its smallest node, with a prefix
// for each entry in place of a byte.
#ifndef MMUSIM_PT_GPT_GPT_H_
#define MMUSIM_PT_GPT_GPT_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/types.h"
#include "pt/gpt/descent.h"
#include "pt/gpt/entry.h"
#include "pt/gpt/path.h"
#include "pt/gpt/resize.h"
#include "pt/gpt/rules.h"
#include "pt/gpt/tables.h"
#include "pt/gpt/top.h"
#include "pt/page_table.h"

namespace mmusim::pt::gpt {

Backend backend();

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
  Slot ensure_in(const VirtRange& area, VirtAddr va, PageShift size) override;
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
  uint64_t table_bytes() const override { return tables_.bytes(); }
  void visit_tables(const TableVisitor& visit) const override;
  Capabilities capabilities() const override;

 private:
  friend class GptCursor;
  friend class SteppingWalk;

  // WalkStep::part: a word of an array; otherwise how many entries of a line were tested.
  static constexpr unsigned kWordPart = 0;

  // log2 of the bytes the leaf at `key` covers; its word; its entry. REQUIRES: found.is_leaf().
  [[nodiscard]] unsigned covers(const Found& found) const {
    return found.entry.is(Kind::Array) ? page_.log2() : kKeyBits - found.entry.length();
  }
  [[nodiscard]] LeafWord word_of(uint64_t key, const Found& found) const;
  [[nodiscard]] Entry pte_of(uint64_t key, const Found& found) const;
  // Reported, as all that a handle's word is read and written for.
  [[nodiscard]] Entry read_word(const LeafWord& word) const;
  // What stood there before.
  Entry write_word(const LeafWord& word, Entry next);
  [[nodiscard]] Lookup lookup_of(VirtAddr va, const Found& found) const;
  [[nodiscard]] Lookup nothing_beyond() const;
  [[nodiscard]] Handle handle_of(uint64_t key, const Found& found) const;
  [[nodiscard]] bool current(const Handle& handle) const {
    return handle.generation == tables_.generation();
  }
  // Whether a shared sub-tree can serve so much.
  [[nodiscard]] bool can_share(PageShift size) const;
  [[nodiscard]] bool size_offered(PageShift size) const {
    return size >= page_ && size <= rules_->largest;
  }
  // An empty leaf of a size that nobody is offered keeps a block apart that is to be shared: it is
  // no slot.
  [[nodiscard]] bool stands_for_nothing(const GuardedEntry& e) const {
    return e.is_empty_leaf() && !size_offered(PageShift(kKeyBits - e.length()));
  }
  // Leaves of one size in slots side by side, the first at `place`, which `leaf` stands in; pages
  // of the array that `array` at `place` leads to, from number `first` on.
  [[nodiscard]] Run run_of(const Table& table, uint64_t slot, uint32_t count,
                           const GuardedEntry& leaf, const Place& place) const;
  [[nodiscard]] Run run_of_array(const Table& words, uint64_t first, uint32_t count,
                                 const GuardedEntry& array, const Place& place) const;

  // --- Changing the trie
  // Writes an entry and, in the entry of the table it stands in, the counts. `i`: in the path.
  void replace(const Path& path, unsigned i, const GuardedEntry& e);
  // After the last entry of the path changed: applies the rules to those above it, upwards until
  // nothing changes; at least down to index `least`.
  void settle_above(const Path& path, unsigned least);
  // The same as the policy says: at once, or later. catch_up: now what was put off.
  void settle_in_time(const Path& path, uint64_t key, unsigned least);
  void put_off(uint64_t key);
  void catch_up();
  // The path to the leaf, array or void at `key`, read and reported. If no entry of a line has the
  // address, the line's own is the last.
  [[nodiscard]] Path path_to(uint64_t key) const;
  // Past `e`, the path's last, if the way of `end` bits goes on below it. Not into arrays.
  enum class Way : uint8_t {
    On,     // the path is one longer
    Ends,   // Invalid; or a leaf or array that has all the bits, or some; or it lies in the block
    Parts,  // the prefix leaves the key, or no entry of the line goes on with it
  };
  [[nodiscard]] Way go_down(Path& path, const GuardedEntry& e, uint64_t key, unsigned end,
                            bool reported) const;
  // Makes room for `fresh`, the entry of a block in which there is nothing, where the path parts
  // from the key (Way::Parts), and puts it there; the path ends at it then. `least`: the topmost
  // entry of the path that changed.
  [[nodiscard]] bool put_beside(Path& path, const GuardedEntry& fresh, unsigned& least);
  [[nodiscard]] bool overflow(Path& path, const GuardedEntry& line, const GuardedEntry& fresh);
  // Without lines: a new table where the prefix of the path's last entry leaves the key, after
  // `common` bits.
  [[nodiscard]] bool cut(const Path& path, unsigned common);
  // Takes the leaf at the end of the path (its first replica) away.
  void remove_leaf(Path& path);
  // Takes entry `i` of the line at `place` away; the last comes to stand there.
  void remove_from_line(const Place& place, uint64_t i);
  [[nodiscard]] std::vector<GuardedEntry> with_one_more(const GuardedEntry& e,
                                                        const GuardedEntry& fresh) const;
  // In each line on the way the entry it goes on in comes before the others, as the one that
  // something was last made in: who takes page faults is who takes TLB misses. But tables and lines
  // that serve more stay before it: most misses are theirs.
  void order_lines(uint64_t key);
  // What stands at `place`, a line with room, holds one more: its entry, which says no more than
  // what is in it has in common.
  [[nodiscard]] GuardedEntry extend_line(const Place& place, const GuardedEntry& line,
                                         const GuardedEntry& fresh);
  void append_to_line(const Place& place, const GuardedEntry& line, const GuardedEntry& fresh);

  // --- Arrays (arrays.cc)
  [[nodiscard]] unsigned most_array() const { return rules_->policy.most_array(meets_leaves_); }
  // Whether `e` is base pages only, and so many slots of them were handed out.
  [[nodiscard]] bool plain_pages(const GuardedEntry& e, Pages& pages) const;
  void fill_array(const Table& array, unsigned pages, const GuardedEntry& e, bool shared);
  // An array in which the block of `fresh`, `pages` of which will be used, lies with what is near
  // where the path parts from the key. False: it would not be dense, or there is no memory.
  [[nodiscard]] bool join_array(Path& path, const GuardedEntry& fresh, uint64_t pages,
                                unsigned& least, unsigned least_width = 0);
  // Tables of arrays that have become dense become one.
  void flatten(Path& path, uint64_t key);
  [[nodiscard]] bool dense_slots(const Table& table, uint64_t first, unsigned width, unsigned pages,
                                 uint8_t level, Pages& used) const;
  [[nodiscard]] std::optional<GuardedEntry> array_of(const GuardedEntry& e, uint64_t used,
                                                     bool shared);
  void follow(Path& path, uint64_t key, unsigned end) const;
  // The array at the end of the path becomes a table of leaves, or of arrays that `end` bits lead
  // to.
  [[nodiscard]] bool part_array(const Path& path, unsigned end);
  // A slot of the array at the path's last entry is handed out. Whether that is the time to see if
  // it should be larger: it is used by a quarter, by half, or all.
  [[nodiscard]] bool count_page(const Path& path);
  // Such an array takes in what is near it, if that is dense. `least` as in put_beside().
  [[nodiscard]] bool grow_array(Path& path, uint64_t key, unsigned& least);

  // ensure()'s steps.
  struct Making;
  [[nodiscard]] Slot made(const Making& making, bool fresh);
  [[nodiscard]] bool make_in_slots(Making& making, const GuardedEntry& e, Slot& slot);
  void put_leaf(Path& path, const GuardedEntry& leaf);
  [[nodiscard]] bool block_holds_leaves(const Path& path, const GuardedEntry& leaf) const;
  [[nodiscard]] Slot occupied_by(const Making& making, const GuardedEntry& e) const;
  // Slots for the pages of [first, last], of the void that is the aligned block of 2^log2 bytes
  // around them: in one descent, in one array.
  Status ensure_pages(uint64_t first, uint64_t last, unsigned log2);
  // Whether there is a leaf below. `reported`: what is read for it.
  [[nodiscard]] bool holds_leaves(const GuardedEntry& e, bool reported) const;
  [[nodiscard]] bool array_holds(const GuardedEntry& e, uint64_t first, uint64_t count) const;
  [[nodiscard]] bool is_empty(const GuardedEntry& e) const;
  // Gives up all tables below `e`, which stands at `place`; the entry itself is the caller's.
  // retire: there may be lookups, and nothing is shared. discard: there are none.
  void retire_below(const GuardedEntry& e, bool shared);
  void discard_below(const GuardedEntry& e, const Place& place);

  // split: the entry for 2^bits equal parts of `fields`, the block of the first `length` bits of
  // `prefix`.
  [[nodiscard]] std::optional<GuardedEntry> parts(uint64_t prefix, unsigned length, unsigned bits,
                                                  LeafFields fields, const Place& place);
  [[nodiscard]] std::optional<GuardedEntry> split_entry(uint64_t prefix, unsigned length,
                                                        unsigned bits, LeafFields fields,
                                                        const Place& place);

  // A leaf met below `place`: its address, size and entry. Stops at false.
  using LeafVisit = std::function<bool(uint64_t base, unsigned log2, Entry entry)>;
  bool visit_leaves(const Place& place, const LeafVisit& visit) const;
  void visit_top(const TableVisitor& visit) const;
  void visit_below(const Place& place, PhysAddr parent, uint32_t slot, const std::string& link,
                   const TableVisitor& visit) const;

  // fork.
  struct Copying;
  Status copy_entry(const Place& from, const Place& to, Copying& copying);
  Status copy_table(const Place& from, const GuardedEntry& e, const Place& to, Copying& copying);
  Status copy_array(const Place& from, const GuardedEntry& e, const Place& to, Copying& copying);
  Status copy_line(const Place& from, const GuardedEntry& e, const Place& to, Copying& copying);
  Status copy_leaves(const Table& from, const Table& to, uint64_t slot, uint64_t end,
                     const Place& place, Copying& copying);
  Status copy_run(Run& run, Run& twin, Copying& copying);
  Status copy_into(Gpt& to, std::span<const VirtRange> ranges, const RunCopier& copy);

  // trim: takes away the empty leaves of [first, last] that lie in [floor, ceiling], both ends
  // inclusive. True if the entry at `place` changed.
  struct Trimming {
    uint64_t first = 0, last = 0, floor = 0, ceiling = 0;
    bool looks = false;  // it does not know that there is nothing left, as the kernel does
    bool leaves_shared = true;
  };
  bool prune(const Place& place, const Trimming& trimming);
  bool prune_shared(const Place& place, uint64_t key, const Trimming& trimming, bool in_gap);
  Weight prune_slots(const Place& place, const GuardedEntry& e, const Trimming& trimming);
  uint32_t prune_line(const Place& place, const GuardedEntry& e, const Trimming& trimming);
  void prune_range(uint64_t first, uint64_t last, bool leaves_shared = true);

  // Sharing. An owner of a user record is an address space or an enclosing shared root.
  [[nodiscard]] uint64_t owner_at(const Place& place) const;
  [[nodiscard]] Status isolate(uint64_t key, unsigned end, Path& path);
  [[nodiscard]] Status isolate_in_line(Path& path, const GuardedEntry& nothing);
  [[nodiscard]] Status share_from(uint64_t key, unsigned end, PhysAddr& root);
  void change_account(const GuardedEntry& e, bool shared);
  // All entries below, and their prefixes, which begin differently from now on.
  void change_prefixes(const GuardedEntry& e, uint64_t difference);
  void change_owner(const GuardedEntry& e, const Place& place, uint64_t from, uint64_t to);
  // f(place of a child, child) for each child of an Internal entry that is not Invalid, in order of
  // their addresses; a replicated leaf once.
  template <class F>
  void for_each_child(const Place& place, const GuardedEntry& e, F f) const;
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
  // Begins and ends what may change the trie: the top is brought up to date at the end.
  class Changing {
   public:
    explicit Changing(Gpt& table, Top::May may = Top::May::Grow) : table_(table), may_(may) {}
    ~Changing() { table_.refresh_top(may_); }
    Changing(const Changing&) = delete;
    Changing& operator=(const Changing&) = delete;

   private:
    Gpt& table_;
    Top::May may_;
  };
  void refresh_top(Top::May may);

  Tables tables_;
  Resizer resizer_;
  Top top_;
  Place root_;
  Descent descent_;
  GuardedEntry at_hand_;              // the root's
  std::vector<uint64_t> due_;         // where restructuring was put off
  mutable uint64_t walks_since_ = 0;  // the first of those
  bool refreshing_ = false;           // the top; memory for it may be had by changing this table
  bool meets_leaves_ = false;         // an array was in the way of a leaf of another size
};

template <class F>
void Gpt::for_each_child(const Place& place, const GuardedEntry& e, F f) const {
  if (!e.is(Kind::Internal)) return;
  if (e.is_line()) {
    std::array<Place, kLineEntries> children;
    for (uint64_t i = 0; i < e.valid(); ++i)
      children[i] = tables_.entry_of_line(place, e, i);
    std::sort(children.begin(), children.begin() + e.valid(),
              [](const Place& a, const Place& b) { return a.load().prefix() < b.load().prefix(); });
    for (uint64_t i = 0; i < e.valid(); ++i)
      f(children[i], children[i].load());
    return;
  }
  for (uint64_t i = 0; i < e.slots();) {
    const Place child =
        tables_.slot_of(place, e, place.base_of(e) | key_of(i, e.length(), e.width()));
    const GuardedEntry there = child.load();
    if (!there.is(Kind::Invalid)) f(child, there);
    i += there.is(Kind::Leaf) ? uint64_t{1} << child.replicas_log2(there) : 1;
  }
}

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_GPT_H_
