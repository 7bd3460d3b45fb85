// The guarded page table's entry: 16 bytes, bit exact, in tables of any size and as the root.
//
// Two little-endian words, aligned to 16. The first says what the entry is and which bits of the
// address must come next (the guard); the second is what it leads to.
//
//   head   1:0   kind: 0 Invalid, 1 Internal, 2 Leaf, 3 Shared
//          7:2   guard length in bits, 0..52; 63 with kind Invalid: Moved
//         11:8   Internal: log2 of the table's slots, minus 1
//                Leaf: log2 of the adjacent slots that hold this same leaf; if not 0, no guard
//         63:12  guard, left aligned: its first bit is bit 63; bits behind its length are 0
//   body   Leaf: the page-table entry, in the architecture's format; 0: a slot without a leaf
//          Internal  63:26 address of the table >> 5
//                    25:13 `full`: slots whose table could be merged into this one
//                    12:0  `valid`: slots that are not Invalid
//          Shared    63:26 address of the shared root >> 5
//                    3:0   rights of this user below here: read, write, exec, user
//          Moved     0: the table is being rebuilt; who meets this starts again at the root
//
// Since the guard is left aligned and addresses are compared from bit 63 down, the virtual address
// itself is the key: no shift by the page size. 52 bits are enough for pages of 4 KiB and more.
//
// Guards after J. Liedtke, "Page Table Structures for Fine-Grain Virtual Memory" (1994); 16 bytes
// with type, guard and pointer after A. Wiggins' guarded page table for Linux (linux-mm, January
// 2007), which had no counts and one width; the two counts after the LPC-trie of S. Nilsson and G.
// Karlsson as Linux's net/ipv4/fib_trie.c keeps it.
#ifndef MMUSIM_PT_GPT_ENTRY_H_
#define MMUSIM_PT_GPT_ENTRY_H_

#include <cstdint>

#include "base/bits.h"
#include "base/types.h"
#include "pt/entry.h"

namespace mmusim::pt::gpt {

inline constexpr unsigned kKeyBits = 64;
inline constexpr unsigned kMostGuardBits = 52;
inline constexpr unsigned kMostWidth = 12;  // `valid` must hold 2^width
inline constexpr uint64_t kEntryBytes = 16;

// The first n bits of a key, the others 0.
constexpr uint64_t leading(uint64_t key, unsigned n) {
  return n == 0 ? 0 : key & ~uint64_t{0} << (kKeyBits - n);
}
// The key behind its first n bits.
constexpr uint64_t behind(uint64_t key, unsigned n) {
  return n >= kKeyBits ? 0 : key << n;
}
// The first n bits of a key as a number.
constexpr uint64_t number_of(uint64_t key, unsigned n) {
  return n == 0 ? 0 : key >> (kKeyBits - n);
}
// The key whose first n bits are this number.
constexpr uint64_t key_of(uint64_t number, unsigned n) {
  return n == 0 ? 0 : number << (kKeyBits - n);
}

// The last address of the aligned block of 2^log2 bytes that begins at `base`.
constexpr uint64_t last_of(uint64_t base, unsigned log2) {
  return log2 >= kKeyBits ? ~uint64_t{0} : base + ((uint64_t{1} << log2) - 1);
}

enum class Kind : uint8_t { Invalid, Internal, Leaf, Shared };

struct GuardedEntry {
  using KindField = BitField<0, 2>;
  using GuardLength = BitField<2, 6>;
  using Extra = BitField<8, 4>;
  static constexpr uint64_t kGuardMask = ~uint64_t{0} << 12;
  using Valid = BitField<0, 13>;
  using Full = BitField<13, 13>;
  using RightsField = BitField<0, 4>;
  static constexpr unsigned kAddressShift = 26 - 5;  // bits 63:26 hold address >> 5
  static constexpr unsigned kAddressBits = 64 - kAddressShift;
  static constexpr uint64_t kAddressMask = ~uint64_t{0} << 26;
  static constexpr uint64_t kMovedGuard = 63;

  uint64_t head = 0;
  uint64_t body = 0;

  bool operator==(const GuardedEntry&) const = default;

  // `guard`: a left-aligned key, of which the first `length` bits count.
  static constexpr GuardedEntry leaf(uint64_t guard, unsigned length, unsigned replicas_log2,
                                     Entry entry) {
    return {.head = head_of(Kind::Leaf, guard, length, replicas_log2), .body = entry};
  }
  static constexpr GuardedEntry internal(uint64_t guard, unsigned length, unsigned width,
                                         PhysAddr table) {
    return {.head = head_of(Kind::Internal, guard, length, width - 1),
            .body = table.value() << kAddressShift};
  }
  static constexpr GuardedEntry shared(uint64_t guard, unsigned length, PhysAddr root,
                                       Rights mask) {
    return {.head = head_of(Kind::Shared, guard, length, 0),
            .body = RightsField::set(root.value() << kAddressShift, mask.bits())};
  }
  static constexpr GuardedEntry moved() {
    return {.head = GuardLength::set(0, kMovedGuard), .body = 0};
  }

  [[nodiscard]] constexpr Kind kind() const { return static_cast<Kind>(KindField::get(head)); }
  [[nodiscard]] constexpr bool is(Kind which) const { return kind() == which; }
  [[nodiscard]] constexpr bool is_moved() const { return head == moved().head; }
  // A slot made for a leaf, and none in it.
  [[nodiscard]] constexpr bool is_empty_leaf() const { return is(Kind::Leaf) && body == kNone; }
  [[nodiscard]] constexpr unsigned guard_length() const {
    return static_cast<unsigned>(GuardLength::get(head));
  }
  [[nodiscard]] constexpr uint64_t guard() const { return head & kGuardMask; }
  // How many bits the key, which begins where the guard does, and the guard agree in.
  [[nodiscard]] constexpr unsigned common_with(uint64_t key) const {
    const uint64_t differs = leading(head ^ key, guard_length());
    return differs == 0 ? guard_length() : static_cast<unsigned>(std::countl_zero(differs));
  }
  [[nodiscard]] constexpr bool matches(uint64_t key) const {
    // In two shifts, as one by 64 has no meaning.
    return ((head ^ key) >> 1 >> (kKeyBits - 1 - guard_length())) == 0;
  }

  // Internal.
  [[nodiscard]] constexpr unsigned width() const {
    return static_cast<unsigned>(Extra::get(head)) + 1;
  }
  [[nodiscard]] constexpr uint64_t slots() const { return uint64_t{1} << width(); }
  [[nodiscard]] constexpr uint32_t valid() const { return static_cast<uint32_t>(Valid::get(body)); }
  [[nodiscard]] constexpr uint32_t full() const { return static_cast<uint32_t>(Full::get(body)); }
  constexpr void count(uint32_t valid, uint32_t full) {
    body = Full::set(Valid::set(body, valid), full);
  }
  // Internal: the table; Shared: the shared root.
  [[nodiscard]] constexpr PhysAddr address() const {
    return PhysAddr((body & kAddressMask) >> kAddressShift);
  }
  // Shared.
  [[nodiscard]] constexpr Rights mask() const {
    return Rights(static_cast<uint8_t>(RightsField::get(body)));
  }

  // Leaf.
  [[nodiscard]] constexpr unsigned replicas_log2() const {
    return static_cast<unsigned>(Extra::get(head));
  }
  [[nodiscard]] constexpr uint32_t replicas() const { return uint32_t{1} << replicas_log2(); }

  // The same entry with another guard.
  [[nodiscard]] constexpr GuardedEntry with_guard(uint64_t guard, unsigned length) const {
    GuardedEntry e = *this;
    e.head = GuardLength::set(head & ~kGuardMask, length) | leading(guard, length);
    return e;
  }
  // With the first n bits of its guard taken away, or the first n bits of `key` put before it.
  [[nodiscard]] constexpr GuardedEntry behind_bits(unsigned n) const {
    return with_guard(behind(guard(), n), guard_length() - n);
  }
  [[nodiscard]] constexpr GuardedEntry after_bits(uint64_t key, unsigned n) const {
    return with_guard(leading(key, n) | (n >= kKeyBits ? 0 : guard() >> n), guard_length() + n);
  }
  [[nodiscard]] constexpr GuardedEntry with_replicas(unsigned log2) const {
    GuardedEntry e = *this;
    e.head = Extra::set(head, log2);
    return e;
  }

 private:
  static constexpr uint64_t head_of(Kind kind, uint64_t guard, unsigned length, unsigned extra) {
    return Extra::set(GuardLength::set(KindField::set(0, static_cast<uint64_t>(kind)), length),
                      extra) |
           leading(guard, length);
  }
};

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_ENTRY_H_
