// The tables of a guarded page table: their memory, their account, and reading and writing entries
// so that every touched one is reported. What shape they have is decided elsewhere (resize.h).
//
// A table is 2^width 16-byte entries, width 1 to 12, so 32 bytes to 64 KiB, aligned to its size:
// pieces of frames from the slab, or blocks of frames. Not thread-safe.
#ifndef MMUSIM_PT_GPT_TABLES_H_
#define MMUSIM_PT_GPT_TABLES_H_

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
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
};

// Where an entry is, and what was used of the address to get there.
struct Place {
  uint64_t* words = nullptr;
  PhysAddr address;
  uint64_t base = 0;      // the address bits used so far, the others 0
  unsigned consumed = 0;  // how many they are
  unsigned depth = 0;     // entries passed on the way
  bool top = false;       // the root, or a shared root: in no table that counts it
  bool shared = false;    // in a shared sub-tree ...
  PhysAddr within;        // ... of this shared root

  [[nodiscard]] GuardedEntry load() const { return {.head = words[0], .body = words[1]}; }
  [[nodiscard]] uint8_t level() const {
    return static_cast<uint8_t>(std::min(depth, mem::kMaxLevels - 1));
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

// What all tables of a machine have in common.
struct Commons {
  uint64_t bytes = 0;  // of shared sub-trees, which are nobody's
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

  static uint64_t bytes_of(unsigned width) { return kEntryBytes << width; }

  // An empty table that nothing leads to yet.
  [[nodiscard]] std::optional<Table> allocate(unsigned width, bool shared);
  // Takes back one at once: nothing ever led to it, or the address space is at its end.
  void discard(const Table& table, unsigned width, bool shared);
  // One that nothing leads to any more. The memory goes into the gather, if there is one, or when
  // the last open walk ends. `rebuilt`: what it held is somewhere else now. Then every slot becomes
  // Moved, if another CPU's handler or an open walk can be inside: a lookup would find what was
  // right when it began, but a bit it sets would be lost.
  void retire(const Table& table, unsigned width, bool shared, bool rebuilt);
  // Pieces that are no tables (shared roots and their users).
  [[nodiscard]] std::optional<PhysAddr> allocate_piece(uint64_t bytes);
  // To the gather or at the end of open walks, as retire().
  void free_piece(PhysAddr piece, uint64_t bytes);
  // A table becomes shared, or one's own again.
  void change_account(unsigned width, bool shared);

  [[nodiscard]] Table at(PhysAddr address) const {
    return {.address = address, .words = frames_->words(address)};
  }
  [[nodiscard]] Table below(const GuardedEntry& e) const { return at(e.address()); }
  [[nodiscard]] uint64_t* words(PhysAddr address) const { return frames_->words(address); }
  // The slot `key` goes to from the Internal entry `e` at `parent`; the root a Shared one leads to.
  [[nodiscard]] Place slot_of(const Place& parent, const GuardedEntry& e, uint64_t key) const {
    const unsigned before = parent.consumed + e.guard_length();
    const uint64_t slot = number_of(behind(key, before), e.width());
    const PhysAddr address = e.address() + slot * kEntryBytes;
    return {.words = frames_->words(e.address()) + 2 * slot,
            .address = address,
            .base = leading(key, before + e.width()),
            .consumed = before + e.width(),
            .depth = parent.depth + 1,
            .top = false,
            .shared = parent.shared,
            .within = parent.within};
  }
  [[nodiscard]] Place shared_root_of(const Place& user, const GuardedEntry& e, uint64_t key) const {
    const unsigned before = user.consumed + e.guard_length();
    return {.words = frames_->words(e.address()),
            .address = e.address(),
            .base = leading(key, before),
            .consumed = before,
            .depth = user.depth + 1,
            .top = true,
            .shared = true,
            .within = e.address()};
  }

  [[nodiscard]] Weight weigh(const GuardedEntry& e, unsigned width) const {
    Weight weight;
    weight.valid = e.is(Kind::Invalid) ? 0 : 1;
    // The sum of the two widths is the same after a bit has gone from one to the other, so this
    // does not change while a table swallows others.
    weight.full =
        e.is(Kind::Internal) && e.guard_length() == 0 && e.width() + width <= policy_->widest ? 1
                                                                                              : 0;
    return weight;
  }
  [[nodiscard]] Weight weigh(const Table& table, unsigned width) const;
  // What an Internal entry counts of its table, by itself.
  [[nodiscard]] static Weight counted(const GuardedEntry& e) { return {e.valid(), e.full()}; }
  // The Internal entry that leads to the table as it is filled.
  [[nodiscard]] GuardedEntry entry_of(const Table& table, unsigned width, uint64_t guard = 0,
                                      unsigned length = 0) const {
    GuardedEntry e = GuardedEntry::internal(guard, length, width, table.address);
    const Weight weight = weigh(table, width);
    e.count(weight.valid, weight.full);
    return e;
  }

  // Reported reads and writes.
  [[nodiscard]] GuardedEntry read(const Place& place) const {
    touch(place, kEntryBytes, false);
    return place.load();
  }
  void write(const Place& place, const GuardedEntry& e) const {
    touch(place, kEntryBytes, true);
    place.words[0] = e.head;
    place.words[1] = e.body;
  }
  void write_counts(const Place& place, Weight weight) const;
  void touch_slots(const Table& table, uint64_t first, uint64_t count, bool write,
                   uint8_t level) const {
    sink_->reference_run(table.at(first), kEntryBytes, count, write,
                         {.origin = mem::Origin::Kernel, .level = level, .dependent = false});
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
  [[nodiscard]] uint64_t generation() const { return generation_ + commons_->epoch; }
  void restructured(uint64_t entries) {
    ++restructures_;
    entries_rewritten_ += entries;
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
  void touch(const Place& place, unsigned bytes, bool write) const {
    sink_->reference(place.address, bytes, write,
                     {.origin = mem::Origin::Kernel,
                      .level = place.level(),
                      .dependent = !write && place.depth != 0});
  }
  void account(unsigned width, bool shared, bool added);
  // Memory lookups may still be in.
  void release(PhysAddr address, uint64_t bytes);

  mem::FrameMemory* frames_;
  mem::ReferenceSink* sink_;
  TableAllocator* allocator_;
  const Policy* policy_;
  Commons* commons_;
  MmId mm_;
  bool other_cpus_;
  Gather* gather_ = nullptr;
  VirtAddr touched_;
  uint64_t bytes_ = 0;
  uint64_t generation_ = 0;
  uint64_t restructures_ = 0;
  uint64_t entries_rewritten_ = 0;
  std::array<uint64_t, kMostWidth + 1> tables_{};  // by width
};

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_TABLES_H_
