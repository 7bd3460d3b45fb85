// Freeing tables that no mapping needs any more.
#include <algorithm>
#include <limits>

#include "pt/mlpt/mlpt.h"

namespace mmusim::pt::mlpt {

// A table goes iff it serves part of the range, its whole span lies in the gap, and it is empty by
// then, the tables below it having gone first. Rounding range and ceiling to the span of a leaf
// table, as Linux's free_pgd_range begins, is the same condition for leaf tables.
void Mlpt::trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) {
  if (range.empty()) return;
  const Gap gap{.first = shape_->flat_from(floor),
                .last = ceiling.value() == 0 ? std::numeric_limits<uint64_t>::max()
                                             : shape_->flat_up_to(ceiling - 1)};
  const uint64_t first = shape_->flat_from(range.begin);
  const uint64_t last = shape_->flat_up_to(range.end - 1);
  if (first > last) return;
  if (trim_table(root_, shape_->top(), first, last, gap, gather)) ++generation_;
}

bool Mlpt::is_empty(const Table& table, unsigned level) const {
  for (uint64_t i = 0; i < shape_->level(level).entries; ++i)
    if (word(table, i) != kNone) return false;
  return true;
}

// Looks at the tables below one of `level` > 0; [first, last], flat, lies in its span. Whether any
// was unlinked.
bool Mlpt::trim_table(const Table& table, unsigned level, uint64_t first, uint64_t last, Gap gap,
                      Gather& gather) {
  bool unlinked = false;
  const Shape::Level& shape = shape_->level(level);
  for (uint64_t slot = first >> shape.shift; slot <= last >> shape.shift; ++slot) {
    const uint64_t index = slot & (shape.entries - 1);
    const Entry e = read(table, index, level);
    if (e == kNone || is_leaf(e, level)) continue;
    const Table child = below(table, e, level - 1);
    const uint64_t begin = slot << shape.shift;
    const uint64_t end = begin + ((uint64_t{1} << shape.shift) - 1);  // inclusive
    // What is several tables' is touched by none of them.
    if (level > 1 && child.tree == 0)
      unlinked |=
          trim_table(child, level - 1, std::max(first, begin), std::min(last, end), gap, gather);
    if (begin < gap.first || end > gap.last) continue;
    if (child.tree != 0 ? count_leaves(child, level - 1) != 0 : !is_empty(child, level - 1))
      continue;
    write(table, index, level, kNone);
    unlinked = true;
    const VirtAddr served = shape_->address_of(begin);
    if (child.tree != 0) {  // it stays with the others
      stop_sharing(child.address, level - 1, served);
      gather.unlinked({served, served + page_.bytes()}, PageShift(shape.shift));
      continue;
    }
    count_table(level - 1, false, false);
    gather.table({served, served + page_.bytes()}, PageShift(shape.shift),
                 {.allocator = allocator_,
                  .address = child.address,
                  .bytes = shape_->level(level - 1).table_bytes});
  }
  return unlinked;
}

}  // namespace mmusim::pt::mlpt
