// A solution of the assignment: a radix tree with tables of one page, as many levels as the
// machine's addresses have bits for. A word that leads to a table holds its address with bit 0 set.
#include <algorithm>

#include "pt/simple_table.h"

namespace {

using namespace mmusim;
using namespace mmusim::pt;

constexpr uint64_t kWord = 8;
constexpr uint64_t kPresent = 1;

class MyTable final : public SimpleTable {
 public:
  using SimpleTable::SimpleTable;

  bool begin() override {
    while (covers(top_) < address_bits(machine()))
      ++top_;
    return new_table({.bytes = slots(top_) * kWord, .level = top_, .covers = covered(top_)})
        .has_value();
  }

  std::optional<PhysAddr> find_word(VirtAddr va, WalkPath& path) const override {
    PhysAddr table = root_address();
    for (unsigned level = top_;; --level) {
      const PhysAddr address = place(table, va, level);
      path.add(address, kWord, level, level != top_);
      if (level == 0) return address;
      const uint64_t value = word(address);
      if (value == 0) return std::nullopt;
      table = PhysAddr(value - kPresent);
    }
  }

  std::optional<PhysAddr> make_word(VirtAddr va) override {
    PhysAddr table = root_address();
    for (unsigned level = top_; level > 0; --level) {
      const PhysAddr address = place(table, va, level);
      uint64_t value = load(address, level);
      if (value == 0) {
        const unsigned below = level - 1;
        const auto made = new_table({.bytes = page().bytes(),
                                     .level = below,
                                     .base = align_down(va, PageShift(covered(below))),
                                     .covers = covered(below),
                                     .parent = table,
                                     .slot = static_cast<uint32_t>((address - table) / kWord)});
        if (!made) return std::nullopt;  // what was made above stays, until trim() finds it empty
        value = made->value() + kPresent;
        store(address, value, level);
      }
      table = PhysAddr(value - kPresent);
    }
    return place(table, va, 0);
  }

  bool unlink(const Table& table) override {
    store(table.parent + table.slot * kWord, 0, table.level + 1);
    return true;
  }

  static bool can_map(const Environment& machine, VirtAddr va) {
    const unsigned bits = address_bits(machine);
    return bits == 64 || va.value() >> bits == 0;
  }

 private:
  // Where addresses have regions, or a sign, all of their bits count.
  static unsigned address_bits(const Environment& machine) {
    const RadixLevel& highest = machine.geometry.back();
    return highest.region_bits != 0 ? 64 : std::min(64u, highest.shift + highest.index_bits);
  }
  [[nodiscard]] unsigned bits() const { return page().log2() - 3; }  // of a full table's index
  [[nodiscard]] unsigned shift(unsigned level) const { return page().log2() + bits() * level; }
  [[nodiscard]] unsigned covers(unsigned level) const { return shift(level) + bits(); }
  [[nodiscard]] unsigned covered(unsigned level) const {
    return std::min(covers(level), address_bits(machine()));
  }
  [[nodiscard]] uint64_t slots(unsigned level) const {
    return uint64_t{1} << (covered(level) - shift(level));
  }
  [[nodiscard]] PhysAddr place(PhysAddr table, VirtAddr va, unsigned level) const {
    return table + ((va.value() >> shift(level)) & (slots(level) - 1)) * kWord;
  }

  unsigned top_ = 0;  // the root's level
};

}  // namespace

MMUSIM_SIMPLE_PAGE_TABLE(MyTable, "mine", "a radix tree, a solution")
