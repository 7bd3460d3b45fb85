#include "pt/hashed/hashed.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "mem/frames.h"

namespace mmusim::pt::hashed {

Hashed::Hashed(const Environment& environment, const Rules& rules, MmId mm, PhysAddr buckets)
    : PageTable(*environment.sink),
      frames_(&environment.allocator->frames()),
      format_(environment.format),
      allocator_(environment.allocator),
      rules_(&rules),
      mm_(mm),
      buckets_(buckets),
      heads_(frames_->words(buckets)),
      log2_(environment.page.log2() - 3),
      of_class_(rules.sizes.size()) {}

Hashed::~Hashed() {
  for (uint64_t i = 0; i < uint64_t{1} << log2_; ++i)
    for (uint64_t at = heads_[i]; at != 0;) {
      const uint64_t next = node_at(at).next();
      allocator_->free(PhysAddr(at), kEntryBytes);
      at = next;
    }
  allocator_->free(buckets_, uint64_t{8} << log2_);
}

// Multiplication by 2^64 over the golden ratio (D. Knuth, TAOCP 3, 6.4).
uint64_t Hashed::bucket_of(uint64_t tag) const {
  const auto size_class = static_cast<unsigned>(tag & 0xff);
  const uint64_t number = (tag >> rules_->sizes[size_class].log2()) + size_class;
  return number * 0x9e3779b97f4a7c15 >> (64 - log2_);
}

int Hashed::class_of(PageShift size) const {
  const auto at = std::find(rules_->sizes.begin(), rules_->sizes.end(), size);
  return at == rules_->sizes.end() ? -1 : static_cast<int>(at - rules_->sizes.begin());
}

void Hashed::touch(PhysAddr address, bool write, uint8_t level) const {
  sink().reference(address, 8, write,
                   {.origin = mem::Origin::Kernel, .level = level, .dependent = false});
}

Handle Hashed::handle_of(const Node& node) const {
  return {.base = VirtAddr(node.base()),
          .size = rules_->sizes[node.size_class()],
          .place = node.address.value(),
          .generation = generation_};
}

Run Hashed::run_of(const Node& node) const {
  Run run;
  run.start = VirtAddr(node.base());
  run.size = rules_->sizes[node.size_class()];
  run.count = 1;
  run.place({.words = node.words + 2, .address = node.address + 16});
  return run;
}

std::optional<Hashed::Node> Hashed::probe(uint64_t tag, WalkPath& path) const {
  const uint64_t bucket = bucket_of(tag);
  path.add(buckets_ + bucket * 8, 8, 1, false);
  for (uint64_t at = heads_[bucket]; at != 0;) {
    const Node node = node_at(at);
    path.add(node.address, 8, 0, true);
    if (node.words[0] == tag) return node;
    path.add(node.address + 8, 8, 0, false);
    at = node.next();
  }
  return std::nullopt;
}

std::optional<Hashed::Node> Hashed::covering(uint64_t va, WalkPath& path) const {
  for (unsigned c = 0; c < of_class_.size(); ++c) {
    if (of_class_[c] == 0) continue;
    if (const auto node = probe(tag_of(va, c), path)) return node;
  }
  return std::nullopt;
}

Lookup Hashed::walk(VirtAddr va, WalkPath& path) const {
  Lookup found;
  const auto node = va > rules_->last ? std::nullopt : covering(va.value(), path);
  if (node) {
    path.add(node->address + 16, 8, 0, false);
    found.entry = node->entry();
    found.base = VirtAddr(node->base());
    found.size = rules_->sizes[node->size_class()];
    found.handle = handle_of(*node);
    found.has_slot = true;
    if (found.entry != kNone) return found;
    // A slot of a larger size is no slot for a base page.
    found.has_slot = node->size_class() == 0;
  }
  const uint64_t mask = rules_->sizes[0].offset_mask();
  const uint64_t begin = va.value() & ~mask;
  const uint64_t last = begin | mask;
  found.empty = {VirtAddr(begin), VirtAddr(std::max(last, last + 1))};
  return found;
}

void Hashed::link(const Node& node, uint64_t tag) {
  const uint64_t bucket = bucket_of(tag);
  touch(buckets_ + bucket * 8, false, 1);
  touch(node.address, true, 0);
  touch(node.address + 8, true, 0);
  touch(buckets_ + bucket * 8, true, 1);
  node.words[0] = tag;
  node.words[1] = heads_[bucket];
  heads_[bucket] = node.address.value();
  ++entries_;
  ++of_class_[tag & 0xff];
}

void Hashed::unlink(const Node& node) {
  const uint64_t bucket = bucket_of(node.words[0]);
  uint64_t* from = &heads_[bucket];
  PhysAddr address = buckets_ + bucket * 8;
  uint8_t level = 1;
  touch(address, false, level);
  while (*from != node.address.value()) {
    const Node passed = node_at(*from);
    from = passed.words + 1;
    address = passed.address + 8;
    level = 0;
    touch(address, false, level);
  }
  touch(node.address + 8, false, 0);
  touch(address, true, level);
  *from = node.next();
  --entries_;
  --of_class_[node.size_class()];
  ++generation_;
}

void Hashed::discard(const Node& node) {
  unlink(node);
  allocator_->free(node.address, kEntryBytes);
}

bool Hashed::make_room(uint64_t first, uint64_t last) {
  const std::vector<Node> nodes = within(first, last);
  if (std::any_of(nodes.begin(), nodes.end(), [](const Node& n) { return n.entry() != kNone; }))
    return false;
  for (const Node& node : nodes)
    discard(node);
  return true;
}

// Optional: without memory, or when the array is as large as a block can be, chains get longer.
void Hashed::grow() {
  if (entries_ <= uint64_t{1} << log2_) return;
  const uint64_t old_bytes = uint64_t{8} << log2_;
  if (old_bytes * 2 > rules_->sizes[0].bytes() << mem::FrameMemory::kMaxOrder) return;
  const auto wider = allocator_->allocate(old_bytes * 2, mm_);
  if (!wider) return;
  const PhysAddr old = buckets_;
  const uint64_t* const old_heads = heads_;
  const uint64_t old_count = uint64_t{1} << log2_;
  buckets_ = *wider;
  heads_ = frames_->words(*wider);
  ++log2_;
  for (uint64_t i = 0; i < old_count; ++i) {
    touch(old + i * 8, false, 1);
    for (uint64_t at = old_heads[i]; at != 0;) {
      const Node node = node_at(at);
      const uint64_t bucket = bucket_of(node.words[0]);
      touch(node.address, false, 0);
      touch(node.address + 8, false, 0);
      touch(buckets_ + bucket * 8, false, 1);
      touch(node.address + 8, true, 0);
      touch(buckets_ + bucket * 8, true, 1);
      const uint64_t next = node.next();
      node.words[1] = heads_[bucket];
      heads_[bucket] = at;
      at = next;
      ++rewritten_;
    }
  }
  ++restructures_;
  allocator_->free(old, old_bytes);
}

Slot Hashed::ensure(VirtAddr va, PageShift size) {
  const int found = class_of(size);
  if (found < 0) return {.status = Status::BadSize, .handle = {}};
  if (va > rules_->last) return {.status = Status::NotSupported, .handle = {}};
  const auto wanted = static_cast<unsigned>(found);
  const uint64_t tag = tag_of(va.value(), wanted);
  WalkPath path;
  const auto there = covering(va.value(), path);
  path.report(sink(), mem::Origin::Kernel);
  if (there) {
    touch(there->address + 16, false, 0);
    if (there->size_class() == wanted)
      return {.status = Status::Ok, .handle = handle_of(*there), .entry = there->entry()};
    if (there->entry() != kNone)
      return {.status = there->size_class() > wanted ? Status::Overlap : Status::Occupied,
              .handle = handle_of(*there),
              .entry = there->entry()};
  }
  // Memory before anything is taken away.
  const auto address = allocator_->allocate(kEntryBytes, mm_);
  if (!address) return {.status = Status::NoMemory, .handle = {}};
  const uint64_t base = tag & ~uint64_t{0xff};
  if ((there || wanted != 0) && !make_room(base, base + size.offset_mask())) {
    allocator_->free(*address, kEntryBytes);
    return {.status = Status::Occupied, .handle = {}};
  }
  const Node node = node_at(address->value());
  link(node, tag);
  grow();
  return {.status = Status::Ok, .handle = handle_of(node), .entry = kNone};
}

Status Hashed::install(const Handle& handle, Entry expected, Entry next) {
  if (handle.generation != generation_) return Status::Moved;
  const Node node = node_at(handle.place);
  if (node.size_class() != 0 && format_->is_present(next)) {
    const uint64_t frames = uint64_t{1} << (handle.size.log2() - rules_->sizes[0].log2());
    if ((format_->parse_leaf(next, handle.size).pfn.value() & (frames - 1)) != 0)
      return Status::BadAlign;
  }
  touch(node.address + 16, false, 0);
  if (node.entry() != expected) return Status::Changed;
  touch(node.address + 16, true, 0);
  node.words[2] = next;
  return Status::Ok;
}

Status Hashed::clear(const Handle& handle, Entry& old) {
  if (handle.generation != generation_) return Status::Moved;
  const Node node = node_at(handle.place);
  touch(node.address + 16, false, 0);
  touch(node.address + 16, true, 0);
  old = node.entry();
  node.words[2] = kNone;
  return Status::Ok;
}

Status Hashed::split(const Handle& handle, PageShift to) {
  if (handle.generation != generation_) return Status::Moved;
  const Node node = node_at(handle.place);
  const int target = class_of(to);
  if (target < 0 || to >= handle.size) return Status::BadSize;
  if (node.entry() == kNone) return Status::Changed;
  if (!format_->is_present(node.entry())) return Status::NotSupported;
  // All memory first, so that failing leaves things as they were.
  const uint64_t parts = uint64_t{1} << (handle.size.log2() - to.log2());
  std::vector<PhysAddr> made;
  while (made.size() < parts) {
    const auto address = allocator_->allocate(kEntryBytes, mm_);
    if (!address) {
      for (const PhysAddr piece : made)
        allocator_->free(piece, kEntryBytes);
      return Status::NoMemory;
    }
    made.push_back(*address);
  }
  touch(node.address + 16, false, 0);
  LeafFields fields = format_->parse_leaf(node.entry(), handle.size);
  uint64_t base = node.base();
  discard(node);
  fields.size = to;
  for (const PhysAddr piece : made) {
    const Node part = node_at(piece.value());
    link(part, base | static_cast<unsigned>(target));
    touch(part.address + 16, true, 0);
    part.words[2] = format_->make_leaf(fields);
    base += to.bytes();
    fields.pfn += to.bytes() >> rules_->sizes[0].log2();
    grow();
  }
  return Status::Ok;
}

Stats Hashed::stats() const {
  Stats stats;
  stats.table_bytes = table_bytes();
  stats.root_bytes = uint64_t{8} << log2_;
  stats.tables = {entries_, 1};
  stats.restructures = restructures_;
  stats.entries_rewritten = rewritten_;
  for (uint64_t i = 0; i < uint64_t{1} << log2_; ++i)
    for (uint64_t at = heads_[i]; at != 0; at = node_at(at).next())
      if (node_at(at).entry() != kNone) ++stats.leaves;
  return stats;
}

void Hashed::visit_tables(const TableVisitor& visit) const {
  TableNode array;
  array.address = array.parent = buckets_;
  array.bytes = uint64_t{8} << log2_;
  array.level = 1;
  array.covers = 64;
  array.slots = uint32_t{1} << log2_;
  for (uint64_t i = 0; i < array.slots; ++i)
    if (heads_[i] != 0) ++array.tables;
  visit(array);
  for (uint32_t i = 0; i < array.slots; ++i)
    for (uint64_t at = heads_[i]; at != 0; at = node_at(at).next()) {
      const Node node = node_at(at);
      TableNode one;
      one.address = node.address;
      one.bytes = kEntryBytes;
      one.base = VirtAddr(node.base());
      one.covers = rules_->sizes[node.size_class()].log2();
      one.slots = 1;
      one.leaves = node.entry() != kNone ? 1 : 0;
      one.parent = buckets_;
      one.slot = i;
      visit(one);
    }
}

Capabilities Hashed::capabilities() const {
  return {.leaf_sizes = rules_->sizes, .void_grain = rules_->sizes[0]};
}

}  // namespace mmusim::pt::hashed
