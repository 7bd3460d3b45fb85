// What makes a first-level TLB hit cost a handful of host instructions: a table from pages to the
// TLB entry that holds them.
//
// A slot says: an access to page `key` hits entry e of the level, and is allowed to read (or
// execute, on the instruction side), or to write without setting a dirty bit. Then the one thing
// the hit does to the simulated machine is to write e's time of last use (see array.h), so
// View::hits() does the *whole* of the access. A page without a slot may still be in the
// TLB: that answer is "not known here", and the out-of-line path finds out.
//
// Invariant (what makes it exact): every slot in use tells the truth. So who empties, evicts or
// changes an entry calls drop() first; a slot is reused by whoever comes last. A slot knows its
// entry and each entry its slots (a big page's entry may serve many keys), so that drop() is
// proportional to the slots dropped.
//
// A key is the base-page number in its low bits with the address space above; its low bits choose
// the slot. Not thread-safe.
#ifndef MMUSIM_TLB_HIT_FILTER_H_
#define MMUSIM_TLB_HIT_FILTER_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace mmusim::tlb {

class HitFilter {
 private:
  static constexpr uint16_t kNoSlot = 0xffff;
  struct alignas(32) Slot {
    std::array<uint64_t, 2> keys{};  // that may be read, and written
    uint64_t* stamp = nullptr;       // null: not in use
    uint32_t entry = 0;
    uint16_t next = kNoSlot;  // other slots of the same entry
    uint16_t previous = kNoSlot;
  };

 public:
  static constexpr unsigned kLog2Slots = 11;
  static constexpr uint64_t kSlots = uint64_t{1} << kLog2Slots;
  static_assert(kSlots < kNoSlot);

  // For a level with `entries` entries, numbered from 0.
  explicit HitFilter(uint32_t entries) : first_slot_(entries, kNoSlot) {
    for (uint64_t i = 0; i < kSlots; ++i)
      slots_[i].keys.fill(empty_key(i));
  }

  // An access of which is asked many times, with all worked out that does not change; valid as long
  // as the filter.
  class Question {
   public:
    Question() = default;  // the answer is always no
    // What View::hits() would say. Nothing is done.
    [[nodiscard]] bool would_hit() const { return *known_ == key_; }
    // Where the time of the use is to be noted then. REQUIRES: would_hit().
    [[nodiscard]] uint64_t* stamp() const { return *stamp_; }

   private:
    friend class HitFilter;
    Question(const uint64_t& known, uint64_t key, uint64_t* const& stamp)
        : known_(&known), key_(key), stamp_(&stamp) {}
    static constexpr uint64_t kNone = 0;
    const uint64_t* known_ = &kNone;
    uint64_t key_ = ~kNone;
    uint64_t* const* stamp_ = nullptr;
  };

  // What a loop keeps in registers to ask the filter; valid as long as the filter.
  class View {
   public:
    // True: the access hit, and all that it does is done. `time` is that of the use: greater than
    // those of all earlier uses, except that a use of the page just used may repeat its time.
    bool hits(uint64_t key, bool write, uint64_t time) const {
      const Slot& slot = slots_[key & (kSlots - 1)];
      if (slot.keys[write ? 1 : 0] != key) return false;
      *slot.stamp = time;
      return true;
    }

    [[nodiscard]] Question question(uint64_t key, bool write) const {
      const Slot& slot = slots_[key & (kSlots - 1)];
      return Question(slot.keys[write ? 1 : 0], key, slot.stamp);
    }
    bool operator==(const View&) const = default;
    // Whether a read would. Nothing is done.
    [[nodiscard]] bool knows(uint64_t key) const {
      return slots_[key & (kSlots - 1)].keys[0] == key;
    }

   private:
    friend class HitFilter;
    explicit View(const HitFilter& filter) : slots_(filter.slots_.data()) {}
    const Slot* slots_;
  };
  [[nodiscard]] View view() const { return View(*this); }

  // The level's clock: the time of the latest use, for those who do not keep a clock of their own.
  uint64_t tick() { return ++clock_; }
  [[nodiscard]] uint64_t time() const { return clock_; }
  void set_time(uint64_t time) { clock_ = time; }

  // From now on `key` hits `entry`, whose stamp is at `stamp`. kFirst: no other key does yet, as
  // behind drop().
  template <bool kFirst = false>
  [[gnu::always_inline]] void install(uint64_t key, uint32_t entry, uint64_t* stamp, bool readable,
                                      bool writable) {
    const auto index = static_cast<uint32_t>(key & (kSlots - 1));
    Slot& slot = slots_[index];
    if (kFirst || slot.stamp != stamp) {
      if (slot.stamp != nullptr) unlink(index);
      slot.stamp = stamp;
      slot.entry = entry;
      slot.previous = kNoSlot;
      slot.next = kFirst ? kNoSlot : first_slot_[entry];
      if (slot.next != kNoSlot) slots_[slot.next].previous = static_cast<uint16_t>(index);
      first_slot_[entry] = static_cast<uint16_t>(index);
    }
    slot.keys = {readable ? key : empty_key(index), writable ? key : empty_key(index)};
  }

  // Whether an access to `key` is known to hit, and what it hits was used last at `time`.
  [[nodiscard]] bool used_at(uint64_t key, bool write, uint64_t time) const {
    return entry_of(key, write) && *slots_[key & (kSlots - 1)].stamp == time;
  }

  // The entry that an access to `key` is known to hit.
  [[nodiscard]] std::optional<uint32_t> entry_of(uint64_t key, bool write) const {
    const Slot& slot = slots_[key & (kSlots - 1)];
    if (slot.keys[0] != key || (write && slot.keys[1] != key)) return std::nullopt;
    return slot.entry;
  }

  // `entry` is about to be emptied or changed.
  [[gnu::always_inline]] void drop(uint32_t entry) {
    uint32_t index = first_slot_[entry];
    first_slot_[entry] = kNoSlot;
    while (index != kNoSlot) {
      Slot& slot = slots_[index];
      slot.keys.fill(empty_key(index));
      slot.stamp = nullptr;
      index = slot.next;
    }
  }

 private:
  // No key that chooses slot `index` equals this: the low bits differ.
  static constexpr uint64_t empty_key(uint64_t index) { return ~index; }

  void unlink(uint32_t index) {
    const Slot& slot = slots_[index];
    if (slot.previous != kNoSlot)
      slots_[slot.previous].next = slot.next;
    else
      first_slot_[slot.entry] = slot.next;
    if (slot.next != kNoSlot) slots_[slot.next].previous = slot.previous;
  }

  uint64_t clock_ = 0;
  std::array<Slot, kSlots> slots_;
  std::vector<uint16_t> first_slot_;  // by entry
};

}  // namespace mmusim::tlb

#endif  // MMUSIM_TLB_HIT_FILTER_H_
