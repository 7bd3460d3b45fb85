#include "pt/hashed/hashed.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "mem/frames.h"

namespace mmusim::pt::hashed {

Hashed::Hashed(const Environment& environment, const Rules& rules, MmId mm,
               std::shared_ptr<Store> store)
    : PageTable(*environment.sink),
      frames_(&environment.allocator->frames()),
      format_(environment.format),
      allocator_(environment.allocator),
      rules_(&rules),
      mm_(mm),
      store_(std::move(store)),
      of_class_(rules.sizes.size()) {}

// In a store of its own all goes together; from one for all the nodes must be taken out.
Hashed::~Hashed() {
  take_apart([this] {
    std::vector<Node> nodes;
    store_->for_each([&](uint64_t, const Node& node) {
      if (mine(node)) nodes.push_back(node);
    });
    if (rules_->global && !nodes.empty()) store_->touch_all();
    for (const Node& node : nodes) {
      const unsigned size_class = node.size_class();
      if (rules_->global) store_->unlink(node);
      release(node, size_class);
    }
  });
}

void Hashed::touch(PhysAddr address, bool write) const {
  sink().reference(address, kWord, write,
                   {.origin = mem::Origin::Kernel, .level = kNodeLevel, .dependent = false});
}

// A handle's place is the address of its PTE.
Handle Hashed::handle_of(const Node& node, uint32_t slot) const {
  const PageShift size = rules_->sizes[node.size_class()];
  return {.base = VirtAddr(node.base()) + (uint64_t{slot} << size.log2()),
          .size = size,
          .place = node.entry_at(slot).value(),
          .generation = generation_};
}

Node Hashed::node_of(const Handle& handle) const {
  const auto size_class = static_cast<unsigned>(rules_->class_of(handle.size));
  const uint64_t slot =
      (handle.base.value() & rules_->span(size_class).offset_mask()) >> handle.size.log2();
  return store_->node_at(PhysAddr(handle.place - kWord * (rules_->header_words() + slot)));
}

Run Hashed::run_of(const Node& node, uint64_t first, uint64_t last) const {
  const uint32_t begin = slot_of(node, std::max(first, node.base()));
  const uint32_t end = slot_of(node, std::min(last, end_of(node)));
  Run run;
  run.size = rules_->sizes[node.size_class()];
  run.start = VirtAddr(node.base()) + (uint64_t{begin} << run.size.log2());
  run.count = end - begin + 1;
  run.place({.words = &node.entry(begin), .address = node.entry_at(begin)});
  return run;
}

bool Hashed::is_empty(const Node& node) const {
  const Entry* const first = &node.entry(0);
  return std::all_of(first, first + slots_of(node), [](Entry e) { return e == kNone; });
}

bool Hashed::look_empty(const Node& node) const {
  sink().reference_run(node.entry_at(0), kWord, slots_of(node), false,
                       {.origin = mem::Origin::Kernel, .level = kNodeLevel, .dependent = false});
  return is_empty(node);
}

std::optional<Node> Hashed::covering(uint64_t va, WalkPath& path) const {
  for (unsigned c = 0; c < of_class_.size(); ++c) {
    if (of_class_[c] == 0) continue;
    if (const auto node = store_->find(tag_of(va, c), path)) return node;
  }
  return std::nullopt;
}

Lookup Hashed::walk(VirtAddr va, WalkPath& path) const {
  Lookup found;
  const auto node = va > rules_->last ? std::nullopt : covering(va.value(), path);
  PageShift empty = va > rules_->last ? rules_->page() : rules_->span(0);
  if (node) {
    const uint32_t slot = slot_of(*node, va.value());
    path.add(node_word(node->entry_at(slot), part_of(Part::Entry, node->size_class()),
                       rules_->handler.entry));
    found.entry = node->entry(slot);
    found.handle = handle_of(*node, slot);
    found.base = found.handle.base;
    found.size = found.handle.size;
    found.has_slot = true;
    if (found.entry != kNone) return found;
    // A slot of a larger size is no slot for a base page.
    found.has_slot = node->size_class() == 0;
    if (found.has_slot) empty = rules_->page();
  }
  const uint64_t begin = va.value() & ~empty.offset_mask();
  const uint64_t last = begin | empty.offset_mask();
  found.empty = {VirtAddr(begin), VirtAddr(std::max(last, last + 1))};
  return found;
}

std::optional<Node> Hashed::allocate(unsigned size_class) {
  const auto address = allocator_->allocate(rules_->bytes(size_class), mm_);
  if (!address) return std::nullopt;
  return store_->node_at(*address);
}

void Hashed::release(const Node& node, unsigned size_class) {
  allocator_->free(node.address, rules_->bytes(size_class));
}

void Hashed::link(const Node& node, const Tag& tag) {
  ++of_class_[tag.size_class()];
  store_->link(node, tag, mm_);
}

void Hashed::unlink(const Node& node) {
  store_->unlink(node);
  --of_class_[node.size_class()];
  ++generation_;
}

void Hashed::discard(const Node& node) {
  unlink(node);
  release(node, node.size_class());
}

bool Hashed::make_room(uint64_t first, uint64_t last) {
  const std::vector<Node> nodes = within(first, last);
  if (!std::all_of(nodes.begin(), nodes.end(), [this](const Node& n) { return look_empty(n); }))
    return false;
  for (const Node& node : nodes)
    discard(node);
  return true;
}

Slot Hashed::ensure(VirtAddr va, PageShift size) {
  const int found = rules_->class_of(size);
  if (found < 0) return {.status = Status::BadSize, .handle = {}};
  if (va > rules_->last) return {.status = Status::NotSupported, .handle = {}};
  const auto wanted = static_cast<unsigned>(found);
  const Tag tag = tag_of(va.value(), wanted);
  WalkPath path;
  const auto there = covering(va.value(), path);
  path.report(sink(), mem::Origin::Kernel);
  if (there) {
    const uint32_t slot = slot_of(*there, va.value());
    touch(there->entry_at(slot), false);
    const Handle handle = handle_of(*there, slot);
    const Entry entry = there->entry(slot);
    if (there->size_class() == wanted)
      return {.status = Status::Ok, .handle = handle, .entry = entry};
    if (entry != kNone)
      return {.status = there->size_class() > wanted ? Status::Overlap : Status::Occupied,
              .handle = handle,
              .entry = entry};
  }
  // Memory before anything is taken away.
  const auto node = allocate(wanted);
  if (!node) return {.status = Status::NoMemory, .handle = {}};
  const uint64_t last = tag.base() + rules_->span(wanted).offset_mask();
  if ((there || wanted != 0) && !make_room(tag.base(), last)) {
    release(*node, wanted);
    return {.status = Status::Occupied, .handle = {}};
  }
  link(*node, tag);
  return {
      .status = Status::Ok, .handle = handle_of(*node, slot_of(*node, va.value())), .entry = kNone};
}

Status Hashed::install(const Handle& handle, Entry expected, Entry next) {
  if (handle.generation != generation_) return Status::Moved;
  if (handle.size != rules_->page() && format_->is_present(next)) {
    const uint64_t frames = uint64_t{1} << (handle.size.log2() - rules_->page().log2());
    if ((format_->parse_leaf(next, handle.size).pfn.value() & (frames - 1)) != 0)
      return Status::BadAlign;
  }
  const PhysAddr place(handle.place);
  Entry& entry = *frames_->words(place);
  touch(place, false);
  if (entry != expected) return Status::Changed;
  touch(place, true);
  entry = next;
  return Status::Ok;
}

Status Hashed::clear(const Handle& handle, Entry& old) {
  if (handle.generation != generation_) return Status::Moved;
  const PhysAddr place(handle.place);
  touch(place, false);
  touch(place, true);
  old = std::exchange(*frames_->words(place), kNone);
  return Status::Ok;
}

uint64_t Hashed::table_bytes() const {
  uint64_t bytes = 0;
  for (unsigned c = 0; c < of_class_.size(); ++c)
    bytes += of_class_[c] * rules_->bytes(c);
  return bytes;
}

Stats Hashed::stats() const {
  Stats stats;
  stats.table_bytes = table_bytes();
  stats.root_bytes = rules_->global ? 0 : store_->bytes();
  stats.restructures = store_->growths();
  stats.entries_rewritten = store_->rehashed();
  uint64_t nodes = 0;
  store_->for_each([&](uint64_t, const Node& node) {
    if (!mine(node)) return;
    ++nodes;
    const Entry* const first = &node.entry(0);
    stats.leaves += static_cast<uint64_t>(
        std::count_if(first, first + slots_of(node), [](Entry e) { return e != kNone; }));
  });
  stats.tables = {nodes, rules_->global ? 0u : 1u};
  return stats;
}

void Hashed::visit_tables(const TableVisitor& visit) const {
  TableNode array;
  array.address = array.parent = store_->address();
  array.bytes = store_->bytes();
  array.level = kBucketLevel;
  array.covers = 64;
  array.slots = static_cast<uint32_t>(store_->buckets());
  array.tables = static_cast<uint32_t>(store_->used_buckets());
  visit(array);
  store_->for_each([&](uint64_t bucket, const Node& node) {
    if (!mine(node)) return;
    TableNode one;
    one.address = node.address;
    one.bytes = rules_->bytes(node.size_class());
    one.base = VirtAddr(node.base());
    one.covers = rules_->span(node.size_class()).log2();
    one.slots = slots_of(node);
    for (uint32_t i = 0; i < one.slots; ++i)
      one.leaves += node.entry(i) != kNone ? 1 : 0;
    one.parent = store_->address();
    one.slot = static_cast<uint32_t>(bucket);
    visit(one);
  });
}

Capabilities Hashed::capabilities() const {
  return {.leaf_sizes = rules_->sizes,
          .void_grain = rules_->span(0),
          .promotes = rules_->sizes.size() > 1};
}

}  // namespace mmusim::pt::hashed
