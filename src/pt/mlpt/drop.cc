// Giving up a whole table, and going through its leaves: for an MLPT that is a software TLB.
#include "pt/mlpt/mlpt.h"

namespace mmusim::pt::mlpt {

void Mlpt::drop_all(Gather& gather) {
  const size_t before = gather.tables().size();
  unlink_below(root_, shape_->top(), 0, gather);
  if (gather.tables().size() != before) ++generation_;
}

// `base`: the flat address the table begins at. Reads every table above the leaf tables; writes
// only the root, since the others go as they are.
void Mlpt::unlink_below(const Table& table, unsigned level, uint64_t base, Gather& gather) {
  const Shape::Level& shape = shape_->level(level);
  for (uint64_t i = 0; i < shape.entries; ++i) {
    const Entry e = read(table, i, level);
    if (e == kNone) continue;
    if (level == shape_->top()) write(table, i, level, kNone);
    if (is_leaf(e, level)) continue;
    const uint64_t begin = base + (i << shape.shift);
    const VirtAddr served = shape_->address_of(begin);
    const Table below = table_at(e);
    if (level > 1) unlink_below(below, level - 1, begin, gather);
    count_table(level - 1, false);
    gather.table({served, served + page_.bytes()}, PageShift(shape.shift),
                 {.allocator = allocator_,
                  .address = below.address,
                  .bytes = shape_->level(level - 1).table_bytes});
  }
}

void Mlpt::for_each_leaf(const std::function<void(VirtAddr, PageShift, Entry)>& visit) const {
  visit_leaves(root_, shape_->top(), 0, visit);
}

void Mlpt::visit_leaves(const Table& table, unsigned level, uint64_t base,
                        const std::function<void(VirtAddr, PageShift, Entry)>& visit) const {
  const Shape::Level& shape = shape_->level(level);
  for (uint64_t i = 0; i < shape.entries; ++i) {
    const Entry e = word(table, i);
    if (e == kNone) continue;
    const uint64_t begin = base + (i << shape.shift);
    if (is_leaf(e, level))
      visit(shape_->address_of(begin), shape_->size(level), e);
    else
      visit_leaves(table_at(e), level - 1, begin, visit);
  }
}

}  // namespace mmusim::pt::mlpt
