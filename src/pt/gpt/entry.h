// The guarded page table's entry: 16 bytes, bit exact, in tables, in lines and as the root.
//
// Two little-endian words, aligned to 16. The first says which addresses the entry is for: its
// prefix, absolute, so that an entry stays as it is wherever it is moved to. The second says what
// it leads to.
//
//   head   63     0: Internal, or Invalid (all 0); 1: any other kind, where a walk's loop stops
//          62:11  prefix: the address bits 63:12 that all below has in common; the bits behind its
//                 length are 0
//          5:0    match: the address has the prefix if all bits of
//                 ((address >> 1) ^ prefix) >> match are 0; so 63 - its length
//          Internal  11:6 index: (address >> 1) >> index, without the prefix, is the slot. The same
//                         as match: a line. (Bit 11 is no prefix's here: a table covers two pages.)
//          others    10:6 kind: 0 Moved (match 63: it agrees with all), 1 Leaf, 2 Array, 4 Shared
//   body   Leaf: the page-table entry, in the architecture's format; 0: a slot without a leaf
//          Internal, Array
//                    63     1: a line
//                    62:56, 4:0  `full`: slots whose table could be merged into this one; of a line
//                           log2 of the entries it has room for, 1 or 2
//                    55:43  `valid`: slots that are not Invalid, entries of the line, or slots of
//                           the array that were handed out
//                    42:5   the table's address, in place
//          Shared    42:5 the shared root's address, 3:0 this user's rights: read, write, exec,
//          user Moved     0: the table is being rebuilt; who meets this starts again at the root
//
// What the shifts are good for is a miss handler's loop: with d = (address >> 1 | 1) ^ head, the
// prefix agrees if d >> match is 0, and d >> index is the slot then. An Invalid entry agrees with
// no address, since the lowest bit of d is left; nor does one of the other kinds, whose uppermost
// bit is set. So one branch ends the loop, whatever the reason; and behind it, with the uppermost
// bit taken away, the same test tells whether an entry of any kind agrees: so it does for those of
// a line, one after the other.
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
inline constexpr unsigned kMostWidth = 12;  // `valid` must hold 2^width
inline constexpr unsigned kMostArray = 13;  // so many pages take as much as a table may
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
  static constexpr uint64_t kLine = uint64_t{1} << 63;  // of the body
  using Match = BitField<0, 6>;
  using Index = BitField<6, 6>;      // Internal
  using KindField = BitField<6, 5>;  // others
  using FullLow = BitField<0, 5>;
  using Valid = BitField<43, 13>;
  using FullHigh = BitField<56, 7>;
  using RightsField = BitField<0, 4>;
  static constexpr unsigned kAddressBits = 43;
  static constexpr uint64_t kAddressMask = ((uint64_t{1} << kAddressBits) - 1) & ~uint64_t{31};

  uint64_t head = 0;
  uint64_t body = 0;

  bool operator==(const GuardedEntry&) const = default;

  // `prefix`: a key, of which the first `length` bits count.
  static constexpr GuardedEntry leaf(uint64_t prefix, unsigned length, Entry entry) {
    return stop(kLeaf, prefix, length, entry);
  }
  // width 0: a line.
  static constexpr GuardedEntry internal(uint64_t prefix, unsigned length, unsigned width,
                                         PhysAddr table) {
    const unsigned match = 63 - length;
    return {.head = Index::set(leading(prefix, length) >> 1, match - width) | match,
            .body = table.value() | (width == 0 ? kLine : 0)};
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
    GuardedEntry e = stop(kArray, prefix, length, table.value());
    e.count_pages(handed_out);
    return e;
  }
  static constexpr GuardedEntry shared(uint64_t prefix, unsigned length, PhysAddr root,
                                       Rights mask) {
    return stop(kShared, prefix, length, RightsField::set(root.value(), mask.bits()));
  }
  static constexpr GuardedEntry moved() { return {.head = kStop | 63, .body = 0}; }

  [[nodiscard]] constexpr Kind kind() const {
    if (head == 0) return Kind::Invalid;
    if ((head & kStop) == 0) return Kind::Internal;
    switch (KindField::get(head)) {
      case kLeaf:
        return Kind::Leaf;
      case kArray:
        return Kind::Array;
      case kShared:
        return Kind::Shared;
      default:
        return Kind::Invalid;
    }
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
  [[nodiscard]] constexpr unsigned length() const { return 63 - match(); }
  [[nodiscard]] constexpr uint64_t prefix() const { return (head & prefix_mask()) << 1; }
  // How many bits of the prefix the key has.
  [[nodiscard]] constexpr unsigned common_with(uint64_t key) const {
    return std::min(common_bits(prefix(), key), length());
  }
  [[nodiscard]] constexpr bool matches(uint64_t key) const { return common_with(key) == length(); }

  // Internal.
  [[nodiscard]] constexpr unsigned width() const {
    return match() - static_cast<unsigned>(Index::get(head));
  }
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
    return static_cast<uint32_t>(FullHigh::get(body) << 5 | FullLow::get(body));
  }
  constexpr void count(uint32_t valid, uint32_t full) {
    body = FullLow::set(FullHigh::set(Valid::set(body, valid), full >> 5), full & 31);
  }
  // Array: as many as can be said, one less than all of the largest.
  constexpr void count_pages(uint64_t handed_out) {
    count(static_cast<uint32_t>(std::min(handed_out, (uint64_t{1} << kMostArray) - 1)), 0);
  }
  // Internal, Array: the table; Shared: the shared root.
  [[nodiscard]] constexpr PhysAddr address() const { return PhysAddr(body & kAddressMask); }
  // Shared.
  [[nodiscard]] constexpr Rights mask() const {
    return Rights(static_cast<uint8_t>(RightsField::get(body)));
  }

  // What a walk needs of it: not what an Internal or Array counts. Of a leaf the word is left out.
  [[nodiscard]] constexpr GuardedEntry without_counts() const {
    GuardedEntry e = *this;
    if (is(Kind::Internal)) e.count(0, is_line() ? full() : 0);
    if (is(Kind::Array)) e.count(0, 0);
    if (is(Kind::Leaf)) e.body = 0;
    return e;
  }

  // The same entry with another prefix, which for a table or an array would be another block.
  [[nodiscard]] constexpr GuardedEntry with_prefix(uint64_t prefix, unsigned length) const {
    GuardedEntry e = *this;
    e.head = Match::set((head & ~prefix_mask()) | leading(prefix, length) >> 1, 63 - length);
    if ((head & kStop) == 0) e.head = Index::set(e.head, 63 - length - width());
    return e;
  }
  // As it is called where addresses differ from those here by `difference`.
  [[nodiscard]] constexpr GuardedEntry moved_by(uint64_t difference) const {
    GuardedEntry e = *this;
    if (!is(Kind::Invalid)) e.head ^= difference >> 1 & prefix_mask();
    return e;
  }

 private:
  static constexpr uint64_t kLeaf = 1;
  static constexpr uint64_t kArray = 2;
  static constexpr uint64_t kShared = 4;

  [[nodiscard]] constexpr unsigned match() const { return static_cast<unsigned>(Match::get(head)); }
  [[nodiscard]] constexpr uint64_t prefix_mask() const {
    return ~uint64_t{0} >> 12 << ((head & kStop) == 0 ? 12 : 11) & ~kStop;
  }
  static constexpr GuardedEntry stop(uint64_t kind, uint64_t prefix, unsigned length, Entry body) {
    return {.head = KindField::set(kStop | leading(prefix, length) >> 1, kind) | (63 - length),
            .body = body};
  }
};

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_ENTRY_H_
