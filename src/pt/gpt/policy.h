// What decides the shape of a guarded page table.
#ifndef MMUSIM_PT_GPT_POLICY_H_
#define MMUSIM_PT_GPT_POLICY_H_

#include <algorithm>

#include "pt/gpt/entry.h"

namespace mmusim::pt::gpt {

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
  unsigned array = 9;
  // An array is made as large as at least this many per cent of its slots will be used; where it
  // takes in pages or arrays that had entries of their own, at least `join`.
  unsigned dense = 25;
  unsigned join = 2;
  // log2 of the pages of an array that is made at the first touch of its block, if all of that
  // belongs to one area. 0: none is.
  unsigned grain = 0;
  // Cleared slots go at once, and not in trim() only.
  bool eager = false;
  // Bits of the key: the address without the offset in a base page.
  unsigned key_end = kMostPrefix;

  [[nodiscard]] bool adaptive() const { return order == 0; }
  [[nodiscard]] bool has_lines() const { return lines && adaptive(); }
  // log2 of the pages of the largest array; 0: there are none.
  [[nodiscard]] unsigned most_array() const { return has_lines() ? array : 0; }
  [[nodiscard]] unsigned most_grain() const { return std::min(grain, most_array()); }
};

}  // namespace mmusim::pt::gpt

#endif  // MMUSIM_PT_GPT_POLICY_H_
