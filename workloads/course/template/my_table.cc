// A page table to be written: see the assignment, README.md one folder up.
//
// What is to be done is in four functions, in this order; the first three make a translation work.
// simple_table.h (installed as include/mmusim/pt/simple_table.h) says what each must do, and what
// there is to do it with:
//
//   new_table({.bytes = ..., .level = ..., .base = ..., .covers = ..., .parent = ..., .slot = ...})
//   word(address)                  a word of a table, telling nobody: for find_word()
//   load(address, level)           the same, told to the machine: for all others
//   store(address, value, level)   ... and written
//   path.add(address, 8, level, dependent)   a word that a walk reads
//   page(), root_address(), machine()
#include "pt/simple_table.h"

namespace {

using namespace mmusim;
using namespace mmusim::pt;

class MyTable final : public SimpleTable {
 public:
  using SimpleTable::SimpleTable;

  // 1. The root: where every walk begins.
  bool begin() override {
    return new_table({.bytes = page().bytes(), .level = 1, .covers = 48}).has_value();
  }

  // 2. Where the entry of the page at `va` is, each word on the way named.
  std::optional<PhysAddr> find_word(VirtAddr /*va*/, WalkPath& /*path*/) const override {
    return std::nullopt;
  }

  // 3. The same, making the tables that lack.
  std::optional<PhysAddr> make_word(VirtAddr /*va*/) override { return std::nullopt; }

  // 4. A table that holds nothing any more is taken out of the one it hangs in.
  bool unlink(const Table& /*table*/) override { return false; }

  // Which addresses have a place at all.
  static bool can_map(const Environment& /*machine*/, VirtAddr va) { return va.value() >> 48 == 0; }
};

}  // namespace

MMUSIM_SIMPLE_PAGE_TABLE(MyTable, "mine", "a page table to be written")
