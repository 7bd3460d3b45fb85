#include "pt/conformance/model.h"

#include <algorithm>

#include "pt/conformance/witness.h"

namespace mmusim::pt::conformance {

Model::Model(const Backend& backend, const Layout& layout, const std::string& settings,
             Journal* journal, Scrutiny scrutiny)
    : machine_(backend, layout, settings, uint64_t{1} << 30, scrutiny, journal) {
  put_under_witness(machine_);
  table_ = machine_.factory->create(MmId(1));
  expect(table_ != nullptr, promise::kEnsure, "an empty table", "none");
  sizes_ = table_->capabilities().leaf_sizes;
  expect(!sizes_.empty() && sizes_.front() == machine_.page, promise::kEnsure,
         "the base page among the leaf sizes, first", "another list");
  anchors_ = anchors_of(layout);
}

// The ends of the spans of tables of each level; where the ranges of addresses begin and end, which
// are the last two as well.
std::vector<uint64_t> Model::anchors_of(const Layout& layout) {
  const std::vector<VirtRange> spaces = layout.spaces();
  const uint64_t page = layout.page.bytes();
  std::vector<uint64_t> anchors = {0, (spaces.front().end - page).value()};
  for (const RadixLevel& level : layout.geometry) {
    const unsigned span = level.shift + level.index_bits;
    if (span < 63 && spaces.front().contains(VirtAddr(uint64_t{1} << span)))
      anchors.push_back(uint64_t{1} << span);
  }
  for (size_t i = 1; i < spaces.size(); ++i)
    if (i < 3 || i + 1 == spaces.size())
      for (const VirtAddr end : {spaces[i].begin, spaces[i].end - page})
        anchors.push_back(end.value());
  return anchors;
}

unsigned Model::near_of(const Layout& layout) {
  return layout.geometry[0].index_bits + 3;
}

uint64_t Model::address_of(const Spot& spot) const {
  const uint64_t anchor = anchors_[spot.anchor % anchors_.size()];
  const VirtRange space = machine_.space_of(anchor);
  const uint64_t distance = uint64_t(std::abs(int64_t{spot.page})) << machine_.page.log2();
  if (spot.page < 0)
    return distance <= anchor - space.begin.value() ? anchor - distance : space.begin.value();
  const uint64_t last = (space.end - machine_.page.bytes()).value();
  return distance <= last - anchor ? anchor + distance : last;
}

PageShift Model::size_of(const Operation& operation) const {
  return sizes_[operation.size % sizes_.size()];
}

VirtRange Model::range_of(const Operation& operation) const {
  uint64_t begin = address_of(operation.at);
  uint64_t bytes = uint64_t{std::max(1u, operation.pages)} << machine_.page.log2();
  if (operation.salt % 3 == 1) {  // whole leaf tables
    const unsigned span = machine_.layout.table_span();
    begin = begin >> span << span;
    bytes = (1 + (operation.salt >> 8) % 4) << span;
  }
  bytes = std::min(bytes, machine_.room(begin));
  return {VirtAddr(begin), VirtAddr(begin + bytes)};
}

Entry Model::entry_for(PageShift size, Random& random) const {
  // Something that is not present and not none must be kept as it is.
  if (size == machine_.page && random.below(8) == 0)
    return TestFormat::Kept::kMask | random.below(1 << 20) << 10;
  LeafFields fields;
  const uint64_t frames = size.bytes() >> machine_.page.log2();
  fields.pfn = Pfn((1 + random.below(1000)) * frames);
  fields.size = size;
  fields.rights = Rights(Rights::kRead | Rights::kUser)
                      .with(random.below(2) != 0 ? unsigned{Rights::kWrite} : 0u);
  fields.accessed = random.below(2) != 0;
  fields.dirty = random.below(2) != 0;
  return machine_.format.make_leaf(fields);
}

Entry Model::page_entry(const std::optional<OracleLeaf>& leaf, uint64_t va) const {
  if (!leaf) return kNone;
  if (!machine_.format.is_present(leaf->entry)) return leaf->entry;
  LeafFields fields = machine_.format.parse_leaf(leaf->entry, PageShift(leaf->log2));
  fields.pfn += (va - leaf->base) >> machine_.page.log2();
  fields.size = machine_.page;
  return machine_.format.make_leaf(fields);
}

void Model::check_address(uint64_t va) {
  const auto leaf = oracle_.at(va);
  const uint64_t page = va & ~machine_.page.offset_mask();
  const auto compare = [&](const Lookup& found, const char* promise) {
    expect_same(found.entry, leaf ? leaf->entry : kNone, promise,
                [&] { return at_text("the entry", va); });
    if (leaf) {
      expect_same(found.base.value(), leaf->base, promise,
                  [&] { return at_text("the leaf's base", va); });
      expect_same(found.size, PageShift(leaf->log2), promise,
                  [&] { return at_text("the leaf's size", va); });
      expect(
          found.has_slot, promise, [&] { return at_text("a slot", va); }, "none");
      expect_same(found.handle.base.value(), leaf->base, promise,
                  [&] { return at_text("the handle's base", va); });
      expect_same(found.handle.size, PageShift(leaf->log2), promise,
                  [&] { return at_text("the handle's size", va); });
      return;
    }
    const auto void_text = [&] {
      return fmt::format("[{:#x}, {:#x})", found.empty.begin.value(), found.empty.end.value());
    };
    expect(
        found.empty.begin.value() <= page &&
            found.empty.end.value() - 1 >= page + machine_.page.offset_mask(),
        promise::kVoid, [&] { return at_text("a void around the page", va); },
        [&] { return void_text(); });
    const auto inside = oracle_.within(found.empty.begin.value(), found.empty.end.value());
    if (!inside.empty())
      throw Broken{promise::kVoid, fmt::format("a void without the leaf at {:#x}", inside[0].base),
                   void_text()};
    expect(
        !found.has_slot || found.handle.size == machine_.page, promise,
        [&] { return at_text("a slot for a base page, if any,", va); },
        [&] { return text_of(found.handle.size); });
  };
  compare(table_->peek(VirtAddr(va)), promise::kPeek);
  WalkPath path;
  compare(table_->walk(VirtAddr(va), path), promise::kWalk);
  compare(table_->find(VirtAddr(va), mem::Origin::Kernel), promise::kFind);
}

// Slots, empty ones too: whoever is given them may put a leaf there.
void Model::check_size(const Run& run, const char* promise) const {
  expect(
      std::find(sizes_.begin(), sizes_.end(), run.size) != sizes_.end(), promise,
      [&] { return at_text("slots of a size that is offered", run.start.value()); },
      [&] { return text_of(run.size); });
}

void Model::check_leaves(PageTable& table, const Oracle& oracle, VirtRange range) {
  std::vector<OracleLeaf> seen;
  const auto cursor = table.cursor(range);
  each_run(*cursor, [&](Run& run) {
    check_size(run, promise::kCursor);
    const uint64_t last = run.address(run.count - 1).value();
    expect(
        last < range.end.value() &&
            range.begin.value() <= run.start.value() + run.size.offset_mask(),
        promise::kCursor,
        [&] {
          return fmt::format("slots that reach into [{:#x}, {:#x})", range.begin.value(),
                             range.end.value());
        },
        [&] { return fmt::format("a run from {:#x} to {:#x}", run.start.value(), last); });
    for (uint32_t i = 0; i < run.count; ++i)
      if (run.get(i) != kNone)
        seen.push_back({run.address(i).value(), run.size.log2(), run.get(i)});
    return true;
  });
  const auto expected = oracle.within(range.begin.value(), range.end.value());
  const auto text = [](const std::vector<OracleLeaf>& leaves, size_t i) {
    if (i >= leaves.size()) return std::string("no further leaf");
    return fmt::format("leaf {:#x} of 2^{} bytes at {:#x}", leaves[i].entry, leaves[i].log2,
                       leaves[i].base);
  };
  for (size_t i = 0; i < std::max(seen.size(), expected.size()); ++i)
    expect(
        i < seen.size() && i < expected.size() && seen[i] == expected[i], promise::kCursor,
        [&] {
          return fmt::format("as number {} of [{:#x}, {:#x}) {}", i + 1, range.begin.value(),
                             range.end.value(), text(expected, i));
        },
        [&] { return text(seen, i); });
}

void Model::expect_out_of_memory(Status status, const char* promise,
                                 const std::string& what) const {
  expect_same(status, may_fail_ ? Status::NoMemory : Status::Ok, promise, what);
}

// Nothing can be done through a handle whose slot is gone.
void Model::expect_stale(const Handle& handle, const char* which) {
  Entry old = kNone;
  const auto status = [&](const char* operation) {
    return [=] { return fmt::format("the status of {} with the handle {}", operation, which); };
  };
  expect_same(table_->install(handle, kNone, kNone), Status::Moved, promise::kStale,
              status("install()"));
  expect_same(table_->clear(handle, old), Status::Moved, promise::kStale, status("clear()"));
  expect_same(table_->split(handle, machine_.page), Status::Moved, promise::kStale,
              status("split()"));
}

// What a gather says is to be flushed lies in what was changed.
void Model::check_flushed(const Gather& gather, VirtRange changed) {
  expect(!gather.freed_tables() || gather.needs_flush(), promise::kGatherRange,
         "a flush where tables went", "none");
  expect(
      !gather.needs_flush() ||
          (changed.begin <= gather.range().begin && gather.range().end <= changed.end),
      promise::kGatherRange,
      [&] {
        return fmt::format("a range within [{:#x}, {:#x})", changed.begin.value(),
                           changed.end.value());
      },
      [&] {
        return fmt::format("[{:#x}, {:#x})", gather.range().begin.value(),
                           gather.range().end.value());
      });
}

void Model::apply(const Operation& operation) {
  may_fail_ = operation.fails != 0 && operation.action != Action::Trim;
  machine_.allocator.fail_after(may_fail_ ? operation.fails : 0);
  switch (operation.action) {
    case Action::Map:
      map(operation);
      break;
    case Action::Clear:
      clear(operation);
      break;
    case Action::Sweep:
      sweep(operation);
      break;
    case Action::Build:
      build(operation);
      break;
    case Action::Split:
      split(operation);
      break;
    case Action::Promote:
      promote(operation);
      break;
    case Action::Copy:
      copy(operation);
      break;
    case Action::Trim:
      trim(operation);
      break;
    case Action::Move:
      move(operation);
      break;
    case Action::Share:
      share(operation);
      break;
  }
  machine_.allocator.fail_after(0);
  // An address the operation said nothing of.
  Random random(operation.salt ^ 0x5eed);
  const unsigned near = near_of(machine_.layout);
  check_address(
      address_of({static_cast<uint8_t>(random.below(anchors_.size())),
                  static_cast<int32_t>(random.below(uint64_t{1} << near)) - (1 << (near - 1))}));
  expect(machine_.allocator.misuse().empty(), promise::kFrees, "memory freed as it was allocated",
         [&] { return machine_.allocator.misuse(); });
}

void Model::verify() {
  check_leaves(*table_, oracle_, machine_.everything());
  check_account();
}

void Model::check_account() {
  check_tables(machine_, *table_, oracle_, shared_);
  const Stats stats = table_->stats();
  expect_same(stats.leaves, uint64_t{oracle_.size()}, promise::kAccount, "the number of leaves");
  expect_same(stats.table_bytes, table_->table_bytes(), promise::kAccount,
              "table_bytes of stats()");
  expect_same(machine_.allocator.bytes_in_use(),
              stats.table_bytes + stats.root_bytes + machine_.factory->common_bytes(),
              promise::kAccount, "what the allocator has given out");
  expect_same(machine_.allocator.held_bytes(),
              machine_.memory.frames_in(mem::FrameUse::Table) << machine_.page.log2(),
              promise::kAccount, "frames used for tables");
}

void Model::finish() {
  wipe(machine_.everything());
  Gather gather;
  table_->trim(machine_.everything(), VirtAddr(0), VirtAddr(0), gather);
  gather.release_tables();
  const Stats stats = table_->stats();
  expect_same(stats.table_bytes, uint64_t{0}, promise::kNothingLeft,
              "table bytes after clearing and trimming all");
  expect_same(stats.leaves, uint64_t{0}, promise::kNothingLeft, "leaves after clearing all");
  table_.reset();
  expect_same(machine_.allocator.bytes_in_use(), uint64_t{0}, promise::kNothingLeft,
              "bytes allocated when the table is gone");
  expect_same(machine_.memory.free_frames(), machine_.memory.total_frames() - 1,
              promise::kNothingLeft, "free frames");
  expect(machine_.allocator.misuse().empty(), promise::kFrees, "memory freed as it was allocated",
         [&] { return machine_.allocator.misuse(); });
}

}  // namespace mmusim::pt::conformance
