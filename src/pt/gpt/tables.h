// The tables of a guarded page table: their memory, their account, and reading and writing entries
// so that every touched one is reported. What shape they have is decided elsewhere (resize.h).
//
// A table is 2^width 16-byte entries, width 1 to 12, so 32 bytes to 64 KiB; a line has room for 2
// or 4 of them; an array is 2^n page-table entries of 8 bytes, at least 32 bytes. All are aligned
// to their size: pieces of frames from the slab, or blocks of frames. Not thread-safe.
#ifndef MMUSIM_PT_GPT_TABLES_H_
#define MMUSIM_PT_GPT_TABLES_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "base/types.h"
#include "mem/frames.h"
#include "mem/sink.h"
#include "pt/gather.h"
#include "pt/gpt/entry.h"
#include "pt/gpt/policy.h"
#include "pt/page_table.h"
#include "pt/table_allocator.h"

namespace mmusim::pt::gpt {

struct Table {
  PhysAddr address;
  uint64_t* words = nullptr;

  [[nodiscard]] GuardedEntry get(uint64_t slot) const {
    return {.head = words[2 * slot], .body = words[2 * slot + 1]};
  }
  void set(uint64_t slot, const GuardedEntry& e) const {
    words[2 * slot] = e.head;
    words[2 * slot + 1] = e.body;
  }
  [[nodiscard]] PhysAddr at(uint64_t slot) const { return address + slot * kEntryBytes; }
  // Of an array. How many of its words are not none.
  [[nodiscard]] PhysAddr word_at(uint64_t page) const { return address + page * sizeof(Entry); }
  [[nodiscard]] uint64_t leaves(uint64_t first, uint64_t count) const {
    return count - static_cast<uint64_t>(std::count(words + first, words + first + count, kNone));
  }
};

// What memory a table or a line takes, by log2 of the entries it has room for, or an array, by log2
// of its pages.
struct Shape {
  unsigned log2 = 0;
  bool array = false;

  static constexpr Shape entries(unsigned log2) { return {log2, false}; }
  static constexpr Shape pages(unsigned log2) { return {log2, true}; }
  [[nodiscard]] constexpr uint64_t bytes() const {
    return array ? std::max<uint64_t>(sizeof(Entry) << log2, 32) : kEntryBytes << log2;
  }
  // Stats::tables and TableNode::level: tables and lines by log2 of their entries, then arrays.
  [[nodiscard]] constexpr unsigned index() const { return (array ? kMostWidth + 1 : 0) + log2; }
};

// Where an entry is, and what of the address leads there.
struct Place {
  uint64_t* words = nullptr;
  PhysAddr address;
  uint64_t base = 0;        // the first address that comes here
  unsigned consumed = 0;    // how many of its bits lead here
  unsigned depth = 0;       // entries passed on the way
  uint8_t level = 0;        // of the table it is in: level_of()
  bool top = false;         // the root, or a shared root: in no table that counts it
  bool in_line = false;     // an entry of a line, which `consumed` bits lead to
  bool shared = false;      // in a shared sub-tree ...
  PhysAddr within;          // ... of this shared root
  uint64_t difference = 0;  // what addresses here differ by from the prefixes that stand here
  // Of an address space's root: the entry as handlers and the kernel have it at hand.
  GuardedEntry* copy = nullptr;

  // Whether it is at hand and need not be loaded: a root that leads on.
  [[nodiscard]] bool at_hand() const { return copy != nullptr && copy->leads_on(); }
  [[nodiscard]] GuardedEntry load() const {
    if (copy != nullptr && copy->leads_on()) return *copy;
    return {.head = words[0], .body = words[1]};
  }
  // An address as prefixes here have it, and the other way round.
  [[nodiscard]] uint64_t local(uint64_t key) const { return key ^ difference; }
  // The first address below the entry that stands here.
  [[nodiscard]] uint64_t base_of(const GuardedEntry& e) const { return e.prefix() ^ difference; }
  // log2 of the slots that hold the leaf that stands here.
  [[nodiscard]] unsigned replicas_log2(const GuardedEntry& leaf) const {
    return in_line || leaf.length() >= consumed ? 0 : consumed - leaf.length();
  }
  // Bits of the prefix of what stands here that did not lead here.
  [[nodiscard]] unsigned guard_length(const GuardedEntry& e) const {
    return e.length() > consumed ? e.length() - consumed : 0;
  }
};

// What an entry counts in the table it stands in.
struct Weight {
  uint32_t valid = 0;
  uint32_t full = 0;
  bool operator==(const Weight&) const = default;
  Weight& operator+=(const Weight& o) {
    valid += o.valid;
    full += o.full;
    return *this;
  }
  Weight& operator-=(const Weight& o) {
    valid -= o.valid;
    full -= o.full;
    return *this;
  }
};

// Of a shared root, behind its entry: what prefixes below it begin with. A walk reads both.
inline constexpr unsigned kHomeWord = 2;
inline constexpr unsigned kSharedRootRead = kEntryBytes + sizeof(uint64_t);

// What all tables of a machine have in common.
struct Commons {
  uint64_t bytes = 0;  // of shared sub-trees, which are nobody's
  Restructuring restructuring;
  uint64_t epoch = 0;  // goes up when an entry in a shared sub-tree changes place
  // Lookups that go step by step and may be overtaken by changes (walk.h), and what they may still
  // be in.
  unsigned open_walks = 0;
  std::vector<RemovedTable> retired;
};

class Tables {
 public:
  // All must outlive this.
  Tables(const Environment& environment, const Policy& policy, Commons& commons, MmId mm);
  Tables(const Tables&) = delete;
  Tables& operator=(const Tables&) = delete;

  // Of what an Internal or Array entry leads to.
  [[nodiscard]] Shape shape_of(const GuardedEntry& e) const {
    return e.is(Kind::Array) ? Shape::pages(pages_log2(e)) : Shape::entries(e.room_log2());
  }
  // How many levels of a radix tree with tables of 512 slots, down to pages, are below a slot that
  // covers 2^log2 bytes; at most what the sink tells apart. 0: a page.
  [[nodiscard]] uint8_t level_of(unsigned log2) const {
    const unsigned page = kKeyBits - policy_->key_end;
    return static_cast<uint8_t>(
        std::min((std::max(log2, page) - page + 8) / 9, mem::kMaxLevels - 1));
  }

  // As if each of its entries were for a half of what it is for, the most that one can be for: so a
  // table of 512 slots below it is of a lower level, wherever it hangs.
  [[nodiscard]] uint8_t level_of_line(const GuardedEntry& e) const {
    return std::max<uint8_t>(level_of(kKeyBits - e.length() - 1), 1);
  }
  // Of a word that says this: 0 only where it is the entry of a page, or of a slot for one.
  [[nodiscard]] uint8_t level_of(const Place& place, const GuardedEntry& e) const {
    if (e.is(Kind::Leaf)) return level_of(kKeyBits - e.length());
    return e.is(Kind::Invalid) ? place.level : std::max<uint8_t>(place.level, 1);
  }

  // An empty one that nothing leads to yet.
  [[nodiscard]] std::optional<Table> allocate(Shape shape, bool shared);
  // Takes back one at once: nothing ever led to it, or the address space is at its end.
  void discard(const Table& table, Shape shape, bool shared);
  // What `e` led to, and nothing leads to any more. The memory goes into the gather, if there is
  // one, or when the last open walk ends. `rebuilt`: what it held is somewhere else now. Then every
  // slot becomes Moved, if another CPU's handler or an open walk can be inside: a lookup would find
  // what was right when it began, but a bit it sets would be lost. Words of an array become none:
  // who finds that looks again at the entry that led here.
  void retire(const GuardedEntry& e, bool shared, bool rebuilt);
  // Pieces that are no tables (shared roots and their users).
  [[nodiscard]] std::optional<PhysAddr> allocate_piece(uint64_t bytes);
  // To the gather or at the end of open walks, as retire().
  void free_piece(PhysAddr piece, uint64_t bytes);
  // What an Internal or Array entry leads to becomes shared, or one's own again.
  void change_account(const GuardedEntry& e, bool shared);
  // log2 of the pages of an array.
  [[nodiscard]] unsigned pages_log2(const GuardedEntry& array) const {
    return policy_->key_end - array.length();
  }
  // Which of them the address is in.
  [[nodiscard]] uint64_t page_in_array(uint64_t key, const GuardedEntry& array) const {
    return bits_of(key, array.length(), pages_log2(array));
  }

  [[nodiscard]] Table at(PhysAddr address) const {
    return {.address = address, .words = frames_->words(address)};
  }
  [[nodiscard]] Table below(const GuardedEntry& e) const { return at(e.address()); }
  [[nodiscard]] uint64_t* words(PhysAddr address) const { return frames_->words(address); }
  // The slot `key` goes to from the table of `e` at `parent`.
  [[nodiscard]] Place slot_of(const Place& parent, const GuardedEntry& e, uint64_t key) const {
    const unsigned consumed = e.length() + e.width();
    return below_at(parent, e.address(), bits_of(key, e.length(), e.width()),
                    leading(key, consumed), consumed);
  }
  // Entry `i` of the line of `e` at `parent`.
  [[nodiscard]] Place entry_of_line(const Place& parent, const GuardedEntry& e, uint64_t i) const {
    Place place = below_at(parent, e.address(), i, parent.base_of(e), e.length());
    place.in_line = true;
    place.level = level_of_line(e);
    return place;
  }
  // Which entry of a line the key's way goes on in, if it is one of `end` bits: one that agrees
  // with all of them, or to its own end.
  struct Searched {
    std::optional<uint64_t> entry;
    unsigned looked_at = 1;  // entries read
    unsigned common = 0;     // the most bits that any has in common with the key
  };
  [[nodiscard]] Searched search(const GuardedEntry& line, uint64_t local, unsigned end) const {
    const Table table = below(line);
    Searched result;
    // All its room: since an overtaken walk has read how many there are, there may be more or
    // fewer.
    for (uint64_t i = 0; i < line.room(); ++i) {
      const GuardedEntry e = table.get(i);
      if (e.is(Kind::Invalid)) continue;
      const unsigned limit = std::min(e.length(), end);
      const unsigned common = std::min(common_bits(e.prefix(), local), limit);
      result.looked_at = static_cast<unsigned>(i) + 1;
      result.common = std::max(result.common, common);
      if (common == limit) {
        result.entry = i;
        break;
      }
    }
    return result;
  }
  // The root a Shared entry leads to.
  [[nodiscard]] Place shared_root_of(const Place& user, const GuardedEntry& e) const {
    Place place = below_at(user, e.address(), 0, user.base_of(e), e.length());
    place.top = true;
    place.shared = true;
    place.within = e.address();
    place.difference = place.base ^ leading(place.words[kHomeWord], e.length());
    return place;
  }

  // What counts of an entry that `consumed` bits lead to, in a table of `width`.
  [[nodiscard]] Weight weigh(const GuardedEntry& e, unsigned width, unsigned consumed) const {
    Weight weight;
    weight.valid = e.is(Kind::Invalid) ? 0 : 1;
    // The sum of the two widths is the same after a bit has gone from one to the other, so this
    // does not change while a table swallows others. A line is as narrow as a table can be.
    weight.full = e.is(Kind::Internal) && e.length() == consumed &&
                          std::max(e.width(), 1U) + width <= policy_->widest
                      ? 1
                      : 0;
    return weight;
  }
  [[nodiscard]] Weight weigh(const Table& table, unsigned width, unsigned consumed) const;
  // What an Internal entry counts of its table, by itself.
  [[nodiscard]] static Weight counted(const GuardedEntry& e) { return {e.valid(), e.full()}; }
  // The Internal entry that leads to the table as it is filled.
  [[nodiscard]] GuardedEntry entry_of(const Table& table, unsigned width, uint64_t prefix,
                                      unsigned length) const {
    GuardedEntry e = GuardedEntry::internal(prefix, length, width, table.address);
    const Weight weight = weigh(table, width, length + width);
    e.count(weight.valid, weight.full);
    return e;
  }

  // Reported reads and writes. An entry of a line has been read with the line.
  [[nodiscard]] GuardedEntry read(const Place& place) const {
    if (!place.in_line && !place.at_hand())
      touch(place, place.shared && place.top ? kSharedRootRead : kEntryBytes, false);
    return place.load();
  }
  void write(const Place& place, const GuardedEntry& e) {
    if (!place.shared && stands_in_top(place) &&
        place.load().without_counts() != e.without_counts())
      changes_top();
    place.words[0] = e.head;
    place.words[1] = e.body;
    if (place.copy != nullptr) *place.copy = e;
    touch(place, kEntryBytes, true);
  }
  void write_counts(const Place& place, Weight weight) const;
  void touch_slots(const Table& table, uint64_t first, uint64_t count, bool write,
                   uint8_t level) const {
    sink_->reference_run(table.at(first), kEntryBytes, count, write,
                         {.origin = mem::Origin::Kernel, .level = level, .dependent = false});
  }
  void touch_words(PhysAddr first, uint64_t count, bool write) const {
    sink_->reference_run(first, sizeof(Entry), count, write,
                         {.origin = mem::Origin::Kernel, .level = 0, .dependent = false});
  }
  // The first `count` entries of a line, in one reference.
  void read_line(const Place& parent, const GuardedEntry& line, unsigned count) const {
    sink_->reference(line.address(), static_cast<unsigned>(count * kEntryBytes), false,
                     {.origin = mem::Origin::Kernel,
                      .level = level_of_line(line),
                      .dependent = parent.depth != 0});
  }

  // What a shared sub-tree served is no longer reached from here: told to the gather, if there is
  // one.
  void unlinked(VirtRange served) {
    if (gather_ == nullptr) return;
    const uint64_t page = frames_->page().bytes();
    gather_->unlinked({served.begin, served.begin + page}, frames_->page());
    gather_->leaf(served.end - page, frames_->page());
  }
  // While one is set, retired tables go there, as freed with the page at `touched`, which should be
  // one they serve.
  void touched(VirtAddr va) { touched_ = va; }
  void gather_into(Gather* gather, VirtAddr touched = VirtAddr(0)) {
    gather_ = gather;
    touched_ = touched;
  }

  // An entry has changed place: handles are stale.
  void moved(bool shared) { ++(shared ? commons_->epoch : generation_); }
  // The top (top.h) is to be brought up to date: the root has changed, or what it repeats.
  void changes_top() { top_is_stale_ = true; }
  // Which lines and tables that is.
  struct Memory {
    PhysAddr address;
    uint64_t bytes = 0;
  };
  [[nodiscard]] std::vector<Memory>& repeated() { return repeated_; }
  // Whether it was, till now.
  [[nodiscard]] bool take_stale_top() { return std::exchange(top_is_stale_, false); }
  [[nodiscard]] uint64_t generation() const { return generation_ + commons_->epoch; }
  void restructured(uint64_t entries) {
    ++restructures_;
    entries_rewritten_ += entries;
    ++commons_->restructuring.tables;
    commons_->restructuring.entries += entries;
  }

  // Whether there are shared sub-trees on this machine.
  [[nodiscard]] bool any_shared() const { return commons_->bytes != 0; }
  void open_walk() { ++commons_->open_walks; }
  void close_walk();

  [[nodiscard]] uint64_t bytes() const { return bytes_; }
  void add_stats(Stats& stats) const;
  [[nodiscard]] const Policy& policy() const { return *policy_; }
  [[nodiscard]] MmId mm() const { return mm_; }
  [[nodiscard]] TableAllocator& allocator() const { return *allocator_; }

 private:
  [[nodiscard]] bool stands_in_top(const Place& place) const {
    return place.copy != nullptr ||
           std::any_of(repeated_.begin(), repeated_.end(), [&](const Memory& memory) {
             return place.address >= memory.address &&
                    place.address - memory.address < memory.bytes;
           });
  }
  void touch(const Place& place, unsigned bytes, bool write) const {
    sink_->reference(place.address, bytes, write,
                     {.origin = mem::Origin::Kernel,
                      .level = level_of(place, place.load()),
                      .dependent = !write && place.depth != 0});
  }
  [[nodiscard]] Place below_at(const Place& parent, PhysAddr table, uint64_t slot, uint64_t base,
                               unsigned consumed) const {
    return {.words = frames_->words(table) + 2 * slot,
            .address = table + slot * kEntryBytes,
            .base = base,
            .consumed = consumed,
            .depth = parent.depth + 1,
            .level = level_of(kKeyBits - consumed),
            .shared = parent.shared,
            .within = parent.within,
            .difference = parent.difference};
  }
  // Whether a walk may be in a table while it is replaced.
  [[nodiscard]] bool overtaken() const { return other_cpus_ || commons_->open_walks != 0; }
  void account(Shape shape, bool shared, bool added);
  // Memory lookups may still be in.
  void release(PhysAddr address, uint64_t bytes);

  mem::FrameMemory* frames_;
  mem::ReferenceSink* sink_;
  TableAllocator* allocator_;
  const Policy* policy_;
  Commons* commons_;
  MmId mm_;
  bool other_cpus_;
  bool top_is_stale_ = false;
  std::vector<Memory> repeated_;
  Gather* gather_ = nullptr;
  VirtAddr touched_;
  uint64_t bytes_ = 0;
  uint64_t generation_ = 0;
  uint64_t restructures_ = 0;
  uint64_t entries_rewritten_ = 0;
  std::array<uint64_t, Shape::pages(kMostArray).index() + 1> tables_{};  // by Shape::index()
};

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_TABLES_H_
