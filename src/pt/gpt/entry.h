// The guarded page table's entry: 16 bytes, bit exact, in tables, in lines and as the root.
//
// Two little-endian words, aligned to 16. The first says which addresses the entry is for: its
// prefix, absolute, so that an entry stays as it is wherever it is moved to. The second says what
// it leads to.
//
//   head   63     0: Internal, or Invalid (all 0); 1: any other kind, where a walk's loop stops
//          62:11  prefix: the address bits 63:12 that all below has in common; the bits behind its
//                 length are 0
//          Internal  10   0
//                    9:6  log2 of the table's slots; 0: a line
//                    5:0  shift: (address >> 1) >> shift is the index, with the prefix before it
//          others    10:9 0
//                    8    more: other entries of the line follow
//                    7:6  kind: 0 Moved (shift 63: it agrees with all), 1 Leaf, 2 Shared, 3 Array
//                    5:0  shift: the address has the prefix if all bits of
//                         ((address ^ prefix) >> 1) >> shift but the uppermost are 0
//   body   Leaf: the page-table entry, in the architecture's format; 0: a slot without a leaf
//          Internal, Array
//                    63:56, 4:1  `full`: slots whose table could be merged into this one; of a line
//                           log2 of the entries it has room for, 1 or 2
//                    55:43  `valid`: slots that are not Invalid, entries of the line, or slots of
//                           the array that were handed out
//                    42:5   the table's address, in place
//                    0      Internal: more
//          Shared    42:5 the shared root's address, 3:0 this user's rights: read, write, exec,
//          user Moved     0: the table is being rebuilt; who meets this starts again at the root
//
// The length of the prefix is 63 - shift, of an Internal 63 - shift - log2 of the slots. What the
// shifts are good for is a miss handler's loop: with d = (address >> 1 | 1) ^ head, the index is
// d >> shift, and the prefix agrees if nothing but the index is left of it. An Invalid entry agrees
// with no address, since the lowest bit of d, which no prefix reaches, is then left; nor does one
// of the other kinds, whose uppermost bit is set. So one branch ends the loop, whatever the reason.
// (The loop takes bits 11:6 of the head for a width before it knows the kind, which is why entries
// of the other kinds cover at most 2^57 bytes.)
//
// 52 bits of prefix are enough for pages of 4 KiB and more.
//
// Guards after J. Liedtke, "Page Table Structures for Fine-Grain Virtual Memory" (1994); 16 bytes
// with type, guard and pointer after A. Wiggins' guarded page table for Linux (linux-mm, January
// 2007), which had no counts and one width; the two counts after the LPC-trie of S. Nilsson and G.
// Karlsson as Linux's net/ipv4/fib_trie.c keeps it.
#ifndef MMUSIM_PT_GPT_ENTRY_H_
#define MMUSIM_PT_GPT_ENTRY_H_

#include <algorithm>
#include <bit>
#include <cstdint>

#include "base/bits.h"
#include "base/error.h"
#include "base/types.h"
#include "pt/entry.h"

namespace mmusim::pt::gpt {

inline constexpr unsigned kKeyBits = 64;
inline constexpr unsigned kMostPrefix = 52;
inline constexpr unsigned kLeastStop = 7;   // bits of the prefix of all but Internal entries
inline constexpr unsigned kMostWidth = 12;  // `valid` must hold 2^width
inline constexpr uint64_t kEntryBytes = 16;
inline constexpr unsigned kLineEntries = 4;  // one cache line

// The first n bits of a key, the others 0.
constexpr uint64_t leading(uint64_t key, unsigned n) {
  if (n >= kKeyBits) return key;
  return n == 0 ? 0 : key & ~uint64_t{0} << (kKeyBits - n);
}
// How many of the first bits two keys have in common.
constexpr unsigned common_bits(uint64_t a, uint64_t b) {
  return static_cast<unsigned>(std::countl_zero(a ^ b));
}
// The bits [n, n + width) of a key as a number, and the key that has them there.
constexpr uint64_t bits_of(uint64_t key, unsigned n, unsigned width) {
  return width == 0 ? 0 : key << n >> (kKeyBits - width);
}
constexpr uint64_t key_of(uint64_t number, unsigned n, unsigned width) {
  return width == 0 ? 0 : number << (kKeyBits - n - width);
}
// The last address of the aligned block of 2^log2 bytes that begins at `base`.
constexpr uint64_t last_of(uint64_t base, unsigned log2) {
  return log2 >= kKeyBits ? ~uint64_t{0} : base + ((uint64_t{1} << log2) - 1);
}

enum class Kind : uint8_t { Invalid, Internal, Leaf, Shared, Array };

struct GuardedEntry {
  static constexpr uint64_t kStop = uint64_t{1} << 63;
  static constexpr uint64_t kPrefixMask = ~uint64_t{0} >> 12 << 11;
  using Shift = BitField<0, 6>;
  using Width = BitField<6, 4>;      // Internal
  using KindField = BitField<6, 2>;  // others
  using More = BitField<8, 1>;       // others
  using InternalMore = BitField<0, 1>;
  using FullLow = BitField<1, 4>;
  using Valid = BitField<43, 13>;
  using FullHigh = BitField<56, 8>;
  using RightsField = BitField<0, 4>;
  static constexpr unsigned kAddressBits = 43;
  static constexpr uint64_t kAddressMask = ((uint64_t{1} << kAddressBits) - 1) & ~uint64_t{31};

  uint64_t head = 0;
  uint64_t body = 0;

  bool operator==(const GuardedEntry&) const = default;

  // `prefix`: a key, of which the first `length` bits count.
  static constexpr GuardedEntry leaf(uint64_t prefix, unsigned length, Entry entry) {
    return {.head = stop(kLeaf, prefix, length), .body = entry};
  }
  // width 0: a line.
  static constexpr GuardedEntry internal(uint64_t prefix, unsigned length, unsigned width,
                                         PhysAddr table) {
    return {.head = Width::set(leading(prefix, length) >> 1, width) | (63 - length - width),
            .body = table.value()};
  }
  // Of `entries` in room for 2^room_log2.
  static constexpr GuardedEntry line(uint64_t prefix, unsigned length, PhysAddr table,
                                     uint32_t entries, unsigned room_log2) {
    GuardedEntry e = internal(prefix, length, 0, table);
    e.count(entries, room_log2);
    return e;
  }
  static constexpr GuardedEntry array(uint64_t prefix, unsigned length, PhysAddr table,
                                      uint64_t handed_out = 0) {
    GuardedEntry e = {.head = stop(kArray, prefix, length), .body = table.value()};
    e.count(static_cast<uint32_t>(handed_out), 0);
    return e;
  }
  static constexpr GuardedEntry shared(uint64_t prefix, unsigned length, PhysAddr root,
                                       Rights mask) {
    return {.head = stop(kShared, prefix, length),
            .body = RightsField::set(root.value(), mask.bits())};
  }
  static constexpr GuardedEntry moved() { return {.head = kStop | 63, .body = 0}; }

  [[nodiscard]] constexpr Kind kind() const {
    if (head == 0) return Kind::Invalid;
    if ((head & kStop) == 0) return Kind::Internal;
    constexpr Kind kKinds[] = {Kind::Invalid, Kind::Leaf, Kind::Shared, Kind::Array};
    return kKinds[KindField::get(head)];
  }
  [[nodiscard]] constexpr bool is(Kind which) const { return kind() == which; }
  [[nodiscard]] constexpr bool is_moved() const { return head == moved().head; }
  [[nodiscard]] constexpr bool is_line() const { return is(Kind::Internal) && width() == 0; }
  [[nodiscard]] constexpr bool is_table() const { return is(Kind::Internal) && width() != 0; }
  [[nodiscard]] constexpr bool leads_on() const {
    return is(Kind::Internal) || is(Kind::Shared) || is(Kind::Array);
  }
  // A slot made for a leaf, and none in it.
  [[nodiscard]] constexpr bool is_empty_leaf() const { return is(Kind::Leaf) && body == kNone; }
  // Bits of the prefix. REQUIRES: not Invalid.
  [[nodiscard]] constexpr unsigned length() const {
    const auto shift = static_cast<unsigned>(Shift::get(head));
    return 63 - shift - ((head & kStop) == 0 ? width() : 0);
  }
  [[nodiscard]] constexpr uint64_t prefix() const { return (head & kPrefixMask) << 1; }
  // How many bits of the prefix the key has.
  [[nodiscard]] constexpr unsigned common_with(uint64_t key) const {
    return std::min(common_bits(prefix(), key), length());
  }
  [[nodiscard]] constexpr bool matches(uint64_t key) const { return common_with(key) == length(); }

  // Internal.
  [[nodiscard]] constexpr unsigned width() const { return static_cast<unsigned>(Width::get(head)); }
  // Of a table its slots, of a line its entries.
  [[nodiscard]] constexpr uint64_t slots() const {
    return width() == 0 ? valid() : uint64_t{1} << width();
  }
  // log2 of the entries there is room for.
  [[nodiscard]] constexpr unsigned room_log2() const { return width() == 0 ? full() : width(); }
  [[nodiscard]] constexpr unsigned room() const { return 1U << room_log2(); }
  // Internal and Array.
  [[nodiscard]] constexpr uint32_t valid() const { return static_cast<uint32_t>(Valid::get(body)); }
  [[nodiscard]] constexpr uint32_t full() const {
    return static_cast<uint32_t>(FullHigh::get(body) << 4 | FullLow::get(body));
  }
  constexpr void count(uint32_t valid, uint32_t full) {
    body = FullLow::set(FullHigh::set(Valid::set(body, valid), full >> 4), full & 15);
  }
  // Internal, Array: the table; Shared: the shared root.
  [[nodiscard]] constexpr PhysAddr address() const { return PhysAddr(body & kAddressMask); }
  // Shared.
  [[nodiscard]] constexpr Rights mask() const {
    return Rights(static_cast<uint8_t>(RightsField::get(body)));
  }

  // The same entry with another prefix, which for a table or an array would be another block.
  [[nodiscard]] constexpr GuardedEntry with_prefix(uint64_t prefix, unsigned length) const {
    GuardedEntry e = *this;
    const unsigned index = (head & kStop) == 0 ? width() : 0;
    e.head = Shift::set((head & ~kPrefixMask) | leading(prefix, length) >> 1, 63 - length - index);
    return e;
  }
  // As it is called where addresses differ from those here by `difference`.
  [[nodiscard]] constexpr GuardedEntry moved_by(uint64_t difference) const {
    GuardedEntry e = *this;
    if (!is(Kind::Invalid)) e.head ^= difference >> 1 & kPrefixMask;
    return e;
  }
  // Whether a walk goes on to the next entry if this is not the one.
  [[nodiscard]] constexpr GuardedEntry followed(bool more) const {
    GuardedEntry e = *this;
    if (is(Kind::Internal))
      e.body = InternalMore::set(body, more ? 1 : 0);
    else if (!is(Kind::Invalid))
      e.head = More::set(head, more ? 1 : 0);
    return e;
  }

 private:
  static constexpr uint64_t kLeaf = 1;
  static constexpr uint64_t kShared = 2;
  static constexpr uint64_t kArray = 3;

  static constexpr uint64_t stop(uint64_t kind, uint64_t prefix, unsigned length) {
    MMUSIM_ASSERT(length >= kLeastStop);
    return KindField::set(kStop | leading(prefix, length) >> 1, kind) | (63 - length);
  }
};

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_ENTRY_H_
