// What only those need who keep an MLPT as a software TLB: giving up the whole of it, going through
// its leaves, and where it is shared.
#include <algorithm>

#include "pt/mlpt/mlpt.h"

namespace mmusim::pt::mlpt {

void Mlpt::drop_all(Gather& gather) {
  const uint64_t before = generation_;
  unlink_below(root_, shape_->top(), 0, gather);
  if (gather.freed_tables()) generation_ = before + 1;
}

// `base`: the flat address the table begins at. Only the root is written, since the others go as
// they are; a shared table stays with the others. To find the tables the host searches, where the
// kernel has a list.
void Mlpt::unlink_below(const Table& table, unsigned level, uint64_t base, Gather& gather) {
  const Shape::Level& shape = shape_->level(level);
  for (uint64_t i = 0; i < shape.entries; ++i) {
    const Entry e = word(table, i);
    if (e == kNone) continue;
    const bool leaf = is_leaf(e, level);
    if (level == shape_->top()) write(table, i, level, kNone);
    if (leaf) continue;
    touch(table, i, level, false);
    const uint64_t begin = base + (i << shape.shift);
    const VirtAddr served = shape_->address_of(begin);
    const VirtRange touched{served, served + page_.bytes()};
    const Table next = below(table, e, level - 1);
    if (next.tree != 0) {
      stop_sharing(next.address, level - 1, served);
      gather.unlinked(touched, PageShift(shape.shift));
      continue;
    }
    if (level > 1) unlink_below(next, level - 1, begin, gather);
    count_table(level - 1, false, false);
    gather.table(touched, PageShift(shape.shift),
                 {.allocator = allocator_,
                  .address = next.address,
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
      visit_leaves(below(table, e, level - 1), level - 1, begin, visit);
  }
}

std::vector<PageShift> Mlpt::share_sizes() const {
  std::vector<PageShift> sizes;
  for (unsigned level = 1; sharing_ != nullptr && level <= shape_->top(); ++level)
    if (sharing_level(shape_->size(level)) != 0) sizes.push_back(shape_->size(level));
  return sizes;
}

bool Mlpt::has_table(VirtAddr va, PageShift block) const {
  if (!shape_->maps(va)) return false;
  Table table = root_;
  for (unsigned level = shape_->top(); level > 0 && shape_->size(level) >= block; --level) {
    const Entry e = word(table, shape_->index(va, level));
    if (e == kNone || is_leaf(e, level)) return false;
    table = below(table, e, level - 1);
  }
  return true;
}

void Mlpt::for_each_shared(VirtRange range,
                           const std::function<void(VirtRange block)>& visit) const {
  if (range.empty() || sharing_ == nullptr || !sharing_->any()) return;
  const uint64_t first = shape_->flat_from(range.begin);
  const uint64_t last = shape_->flat_up_to(range.end - 1);
  if (first <= last) visit_shared(root_, shape_->top(), first, last, visit);
}

// [first, last], flat, lies in the span of the table, which is of `level` > 0.
void Mlpt::visit_shared(const Table& table, unsigned level, uint64_t first, uint64_t last,
                        const std::function<void(VirtRange)>& visit) const {
  const Shape::Level& shape = shape_->level(level);
  for (uint64_t slot = first >> shape.shift; slot <= last >> shape.shift; ++slot) {
    const Entry e = word(table, slot & (shape.entries - 1));
    if (e == kNone || is_leaf(e, level)) continue;
    const Table next = below(table, e, level - 1);
    const uint64_t begin = slot << shape.shift;
    const uint64_t end = begin + ((uint64_t{1} << shape.shift) - 1);  // inclusive
    if (next.tree != 0) {
      const VirtAddr base = shape_->address_of(begin);
      visit({base, base + shape_->size(level).bytes()});
    } else if (level > 1) {
      visit_shared(next, level - 1, std::max(first, begin), std::min(last, end), visit);
    }
  }
}

}  // namespace mmusim::pt::mlpt
