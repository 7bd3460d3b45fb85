// What decides the shape of a guarded page table.
#ifndef MMUSIM_PT_GPT_POLICY_H_
#define MMUSIM_PT_GPT_POLICY_H_

#include <algorithm>

#include "pt/gpt/entry.h"

namespace mmusim::pt::gpt {

inline constexpr unsigned kMostTop = 8;
// log2 of the pages of an array of a frame or so. A larger one must have been there by half, in
// what it takes in: what it may waste is more.
inline constexpr unsigned kSmallArray = 9;
// Pages that were handed out, and the slots there are for such.
struct Pages {
  uint64_t used = 0;
  uint64_t slots = 0;
};

// When widths follow what tables hold, and arrays take in what is beside them.
enum class Restructure : uint8_t {
  AtOnce,    // as it changes
  Deferred,  // when kMostDue places are due, in the next ensure()
  ByMisses,  // so, or when walks have come, kWalksPaid for each of them
};
inline constexpr size_t kMostDue = 64;
inline constexpr uint64_t kWalksPaid = 64;

struct Policy {
  unsigned widest = 9;  // log2 of the most slots of a table
  // A table is doubled while, doubled, at least this many per cent of its slots would be used, and
  // halved while fewer than that many are (LPC-trie; Linux's fib_trie: 50 and 25).
  unsigned inflate = 50;
  unsigned halve = 25;
  // 0: widths change by these rules. Otherwise no level compression: every table has 2^order slots
  // (the last level as many as the address has bits left) and stands at a multiple of `order` bits,
  // as in the guarded page table of 2007; 1 is a binary PATRICIA trie.
  unsigned order = 0;
  // Up to four entries that need no table share a line; otherwise a table of two slots parts two.
  bool lines = true;
  // log2 of the pages of the largest array: base pages side by side, a word each. 0: none; there
  // are none without lines either.
  unsigned array = 13;
  // Where leaves of other sizes come: of the smallest such leaf at most, for which an array that is
  // larger is in the way.
  unsigned leaf_array = 13;
  // An array is made as large as at least this many per cent of its slots will be used; where it
  // takes in pages or arrays that had entries of their own, at least `join`.
  unsigned dense = 25;
  unsigned join = 2;
  // log2 of the pages of an array that is made at the first touch of its block, if all of that
  // belongs to one area. 0: none is.
  unsigned grain = 0;
  // log2 of the most slots of the top, where walks begin. 0: they begin at the root.
  unsigned top = 5;
  Restructure restructure = Restructure::AtOnce;
  // Cleared slots go at once, and not in trim() only.
  bool eager = false;
  // Bits of the key: the address without the offset in a base page.
  unsigned key_end = kMostPrefix;

  [[nodiscard]] bool adaptive() const { return order == 0; }
  [[nodiscard]] bool has_lines() const { return lines && adaptive(); }
  // log2 of the pages of the largest array; 0: there are none.
  [[nodiscard]] unsigned most_array(bool with_leaves = false) const {
    return has_lines() ? std::min(array, with_leaves ? leaf_array : array) : 0;
  }
  // Whether an array of 2^pages is worth its slots; `joins`: it takes in others.
  [[nodiscard]] bool worth(unsigned pages, const Pages& held, bool joins) const {
    if (pages > kSmallArray && held.slots * 2 < uint64_t{1} << pages) return false;
    return held.used * 100 >= uint64_t{joins ? join : dense} << pages;
  }
  [[nodiscard]] unsigned most_top() const { return has_lines() ? top : 0; }
};

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_POLICY_H_
