// Leaves of one size become leaves of another.
#include <algorithm>

#include "pt/hashed/hashed.h"
#include "pt/joined.h"

namespace mmusim::pt::hashed {

// Out of the table, with its memory into the gather.
void Hashed::retire(const Node& node, Gather& gather) {
  const unsigned c = node.size_class();
  const VirtAddr base(node.base());
  unlink(node);
  gather.table({base, base + rules_->page().bytes()}, rules_->span(c),
               {.allocator = allocator_, .address = node.address, .bytes = rules_->bytes(c)});
}

Status Hashed::split(const Handle& handle, PageShift to) {
  if (handle.generation != generation_) return Status::Moved;
  const int found = rules_->class_of(to);
  if (found < 0 || to >= handle.size) return Status::BadSize;
  const Node node = node_of(handle);
  const Entry entry = node.entry(0);
  if (entry == kNone) return Status::Changed;
  if (!format_->is_present(entry)) return Status::NotSupported;
  // All memory first, so that failing leaves things as they were.
  const auto target = static_cast<unsigned>(found);
  const PageShift span = rules_->span(target);
  std::vector<Node> made;
  for (uint64_t i = 0; i < uint64_t{1} << (handle.size.log2() - span.log2()); ++i) {
    const auto part = allocate(target);
    if (!part) {
      for (const Node& unused : made)
        release(unused, target);
      return Status::NoMemory;
    }
    made.push_back(*part);
  }
  touch(node.entry_at(0), false);
  LeafFields fields = format_->parse_leaf(entry, handle.size);
  uint64_t base = node.base();
  discard(node);
  fields.size = to;
  for (const Node& part : made) {
    link(part, tag_of(base, target));
    base += span.bytes();
    for (uint32_t i = 0; i < rules_->slots(target); ++i) {
      part.entry(i) = format_->make_leaf(fields);
      fields.pfn += to.bytes() >> rules_->page().log2();
    }
    sink().reference_run(part.entry_at(0), kWord, rules_->slots(target), true,
                         {.origin = mem::Origin::Kernel, .level = kNodeLevel, .dependent = false});
  }
  return Status::Ok;
}

// Nodes of one size fill frames of their own (table_allocator.h); where they do not fill one, they
// themselves are kept, so that many leaves share it.
SplitReserve Hashed::split_reserve(PageShift from, PageShift to) const {
  const int found = rules_->class_of(to);
  if (found < 0 || to >= from || rules_->class_of(from) < 0) return {};
  const auto target = static_cast<unsigned>(found);
  const uint64_t nodes = uint64_t{1} << (from.log2() - rules_->span(target).log2());
  const uint64_t page = rules_->page().bytes();
  const uint64_t in_page = page / rules_->bytes(target);
  if (nodes < in_page) return {{.bytes = rules_->bytes(target), .count = nodes}};
  return {{.bytes = page, .count = (nodes + in_page - 1) / in_page}};
}

Status Hashed::promote(VirtAddr va, PageShift to, Gather& gather) {
  const int found = rules_->class_of(to);
  if (found <= 0) return Status::BadSize;
  if (va > rules_->last) return Status::NotUniform;
  const auto target = static_cast<unsigned>(found);
  const Tag tag = tag_of(va.value(), target);
  const uint64_t last = tag.base() + to.offset_mask();
  const std::vector<Node> nodes = within(tag.base(), last);
  Joined joined(*format_, rules_->page(), to);
  for (const Node& node : nodes) {
    const PageShift size = rules_->sizes[node.size_class()];
    const uint32_t slots = slots_of(node);
    sink().reference_run(node.entry_at(0), kWord, slots, false,
                         {.origin = mem::Origin::Kernel, .level = kNodeLevel, .dependent = false});
    for (uint32_t i = 0; i < slots; ++i)
      if (!joined.add(size, node.entry(i))) return Status::NotUniform;
  }
  if (!joined.complete()) return Status::NotUniform;
  const auto whole = allocate(target);
  if (!whole) return Status::NoMemory;
  for (const Node& node : nodes)
    retire(node, gather);
  link(*whole, tag);
  touch(whole->entry_at(0), true);
  whole->entry(0) = joined.entry();
  gather.leaf(VirtAddr(tag.base()), joined.smallest());
  gather.leaf(VirtAddr(tag.base()) + (to.bytes() - joined.smallest().bytes()), joined.smallest());
  return Status::Ok;
}

}  // namespace mmusim::pt::hashed
