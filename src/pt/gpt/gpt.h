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
// Shared sub-trees (share.cc): the entries of all users lead to one shared root, 64 bytes:
//   words 0, 1  an ordinary entry, for the bits below the sharing point
//   word  2     home: what the prefixes below here begin with. A walk that comes through a user's
//               entry goes on with these bits in place of the address's own
//   word  3     31:0 users, 39:32 bits below the sharing point
//   word  4     address of the first user record
//   words 5-7   0
// A user record: address space, or bit 63 and the address of the shared root this one hangs in;
// base address; address of the next record; 0. The shared root costs a lookup one more load; in
// return, what is below it may take any form without its users' entries being touched. Their memory
// is in Factory::common_bytes().
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
#include "pt/gpt/entry.h"
#include "pt/gpt/handler_counts.h"
#include "pt/gpt/policy.h"
#include "pt/gpt/resize.h"
#include "pt/gpt/tables.h"
#include "pt/gpt/top.h"
#include "pt/page_table.h"

namespace mmusim::pt::gpt {

Backend backend();

// The entries passed from the root to one place.
class Path {
 public:
  // Each level below the root uses a bit at least; sharing points pass one entry more, using none.
  static constexpr unsigned kMost = 2 * (kMostPrefix + 1) + 2;

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
  PageShift largest;                       // leaf
  const HandlerCounts* handler = nullptr;  // of the architecture's miss handler

  // Whether the tables have a place for the address.
  [[nodiscard]] bool have(VirtAddr va) const {
    return bits_of(va.value(), 0, kKeyBits - address_bits) == 0;
  }
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

  // Where the word of a leaf is: what a handle's `place` says.
  struct Word {
    PhysAddr address;
    unsigned replicas_log2 = 0;  // so many slots hold it
    uint8_t level = 0;

    [[nodiscard]] uint64_t packed() const {
      return address.value() | uint64_t{replicas_log2} << 48 | uint64_t{level} << 56;
    }
    static Word unpacked(uint64_t packed) {
      return {.address = PhysAddr(packed & ((uint64_t{1} << 48) - 1)),
              .replicas_log2 = static_cast<unsigned>(packed >> 48 & 0xff),
              .level = static_cast<uint8_t>(packed >> 56)};
    }
  };

  // One load of a descent.
  struct Load {
    PhysAddr address{};
    unsigned bytes = kEntryBytes;
    uint8_t level = 0;
    bool dependent = true;
    PhysAddr table{};               // that it is in
    unsigned serves = 0;            // log2 of the bytes that come to this table
    unsigned tested = 1;            // entries: of a line up to the one that agrees, or all its room
    bool none = false;              // a line of which none agrees
    Kind led_here = Kind::Invalid;  // what the entry before was
    uint64_t local = 0;             // the address, as prefixes here have it
  };
  // Where a descent ended.
  struct Found {
    Place place;              // of the entry
    GuardedEntry entry;       // Leaf or Array if the address is in one, else Invalid
    unsigned empty_log2 = 0;  // if not, or if it is empty: of the aligned void around the address
    Rights mask = Rights::all();
    unsigned tree_log2 = 0;  // of what the last shared sub-tree on the way serves; 0: none
    // log2 of the block that comes to the slot of the top where the walk began.
    unsigned begun_in = kKeyBits;

    [[nodiscard]] bool is_leaf() const { return entry.is(Kind::Leaf) || entry.is(Kind::Array); }
  };
  // Goes on from found.entry, just loaded from found.place. The next load, or nothing: it was the
  // last. The load of an array's word is the last, too: found stays at the array's entry.
  bool descend_one(uint64_t key, Found& found, Load& load) const;
  // From the root, as the kernel does while it changes something.
  [[nodiscard]] Found descend(uint64_t key) const;
  // Where a miss handler's walk begins: at a slot of the top; of the root's table, whose prefix
  // that of any entry in it has; or at the root, which is no load if it is at hand.
  [[nodiscard]] Load begin(uint64_t key, Found& found) const;
  // Hardware's later walks of a block of 2^log2 bytes at a table that serves it: not with tops,
  // which come to lead past tables that walks went through.
  [[nodiscard]] unsigned begins_at(unsigned log2) const {
    return rules_->policy.most_top() != 0 ? 0 : log2;
  }
  template <class Note>
  Found look_up(uint64_t key, Note note) const;
  // Mask and place of the index are in the word the handler has at hand.
  static constexpr unsigned kMostAtHand = 11;
  // log2 of the bytes the leaf at `key` covers; its word; its entry. REQUIRES: found.is_leaf().
  [[nodiscard]] unsigned covers(const Found& found) const {
    return found.entry.is(Kind::Array) ? page_.log2() : kKeyBits - found.entry.length();
  }
  [[nodiscard]] Word word_of(uint64_t key, const Found& found) const;
  [[nodiscard]] Entry pte_of(uint64_t key, const Found& found) const;
  [[nodiscard]] uint64_t page_in_array(uint64_t key, const GuardedEntry& array) const {
    return bits_of(key, array.length(), tables_.pages_log2(array));
  }
  // Reported, as all that a handle's word is read and written for.
  [[nodiscard]] Entry read_word(const Word& word) const;
  // What stood there before.
  Entry write_word(const Word& word, Entry next);
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
  GuardedEntry at_hand_;              // the root's
  std::vector<uint64_t> due_;         // where restructuring was put off
  mutable uint64_t walks_since_ = 0;  // the first of those
  bool refreshing_ = false;           // the top; memory for it may be had by changing this table
  bool meets_leaves_ = false;         // an array was in the way of a leaf of another size
};

inline bool Gpt::descend_one(uint64_t key, Found& found, Load& load) const {
  const GuardedEntry e = found.entry;
  Place& place = found.place;
  load = {.dependent = !place.at_hand(),
          .table = e.address(),
          .led_here = e.kind(),
          .local = place.local(key)};
  if (e.is(Kind::Invalid)) {
    found.empty_log2 = kKeyBits - place.consumed;
    return false;
  }
  const uint64_t local = place.local(key);
  const unsigned common = e.common_with(local);
  if (common < e.length()) {
    // In the top other slots may have what is beside it.
    found.empty_log2 = std::min(kKeyBits - common - 1, found.begun_in);
    found.entry = {};
    return false;
  }
  load.serves = begins_at(kKeyBits - e.length());
  if (e.is_line()) {
    const Tables::Searched searched = tables_.search(e, local, kKeyBits);
    load.address = e.address();
    const bool in_top = top_.has(load.address);
    load.none = !searched.entry;
    load.tested = load.none ? e.room() : searched.looked_at;
    load.bytes = static_cast<unsigned>(load.tested * kEntryBytes);
    load.level = in_top ? root_.level : tables_.level_of_line(e);
    if (searched.entry) {
      place = tables_.entry_of_line(place, e, *searched.entry);
      if (!in_top) load.level = tables_.level_of(place, place.load());
    } else {
      found.empty_log2 = std::min(kKeyBits - searched.common - 1, found.begun_in);
      found.entry = {};
    }
    return true;
  }
  switch (e.kind()) {
    case Kind::Internal:
      place = tables_.slot_of(place, e, key);
      break;
    case Kind::Shared:
      found.mask = Rights(found.mask.bits() & e.mask().bits());
      found.tree_log2 = kKeyBits - e.length();
      place = tables_.shared_root_of(place, e);
      load.local = place.local(key);
      load.bytes = kSharedRootRead;
      break;
    case Kind::Leaf:
      found.empty_log2 = kKeyBits - e.length();
      return false;
    default:  // an array, whose word is the last load
      load.address = tables_.below(e).word_at(page_in_array(key, e));
      load.bytes = sizeof(Entry);
      load.level = 0;
      found.empty_log2 = page_.log2();
      return true;
  }
  load.address = place.address;
  load.level = tables_.level_of(place, place.load());
  return true;
}

inline Gpt::Load Gpt::begin(uint64_t key, Found& found) const {
  const GuardedEntry root = root_.load();
  Load load{.dependent = false, .local = key};
  if (top_.exists()) {
    found.place = top_.slot_of(key);
    found.begun_in = top_.granule();
    load.table = top_.table().address;
    load.level = found.place.level;
  } else if (rules_->policy.has_lines() && root.is_table() && root.width() > 1 &&
             root.width() <= kMostAtHand) {
    found.place = tables_.slot_of(root_, root, key);
    load.table = root.address();
    load.serves = begins_at(kKeyBits - root.length());
    load.level = tables_.level_of(found.place, found.place.load());
  } else {
    found.place = root_;
    load.level = tables_.level_of(root_, root);
  }
  load.address = found.place.address;
  return load;
}

template <class Note>
Gpt::Found Gpt::look_up(uint64_t key, Note note) const {
  Found found;
  Load load = begin(key, found);
  if (!found.place.at_hand()) note(load);
  found.entry = found.place.load();
  while (descend_one(key, found, load)) {
    note(load);
    if (!found.entry.is(Kind::Internal) && !found.entry.is(Kind::Shared)) break;
    found.entry = found.place.load();
  }
  return found;
}

inline Gpt::Found Gpt::descend(uint64_t key) const {
  Found found;
  Load load;
  found.place = root_;
  found.entry = root_.load();
  while (descend_one(key, found, load) &&
         (found.entry.is(Kind::Internal) || found.entry.is(Kind::Shared)))
    found.entry = found.place.load();
  return found;
}

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
