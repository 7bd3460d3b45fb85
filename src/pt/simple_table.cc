#include "pt/simple_table.h"

#include <algorithm>
#include <utility>

namespace mmusim::pt {
namespace {

constexpr uint64_t kWord = sizeof(uint64_t);
constexpr uint64_t kMost = ~uint64_t{0};

// The last address a table serves.
uint64_t last_of(const SimpleTable::Table& table) {
  return table.covers >= 64 ? kMost : table.base.value() + ((uint64_t{1} << table.covers) - 1);
}

}  // namespace

SimpleTable::SimpleTable(const Environment& machine, MmId mm, CanMap which)
    : PageTable(*machine.sink), machine_(machine), mm_(mm), can_map_(which) {}

SimpleTable::~SimpleTable() {
  for (const auto& [address, table] : tables_)
    machine_.allocator->free(table.address, table.bytes);
}

bool SimpleTable::unlink(const Table& /*table*/) {
  return false;
}

std::optional<PhysAddr> SimpleTable::new_table(Table table) {
  const auto address = machine_.allocator->allocate(table.bytes, mm_);
  if (!address) return std::nullopt;
  table.address = *address;
  if (tables_.empty()) {
    root_ = *address;
    table.parent = *address;
  } else if (table.parent != *address) {
    ++children_[table.parent.value()];
  }
  if (table.level == 0) entries_[table.base.value()] = address->value();
  tables_[address->value()] = table;
  return address;
}

void SimpleTable::hang(PhysAddr address, PhysAddr parent, uint32_t slot) {
  const auto found = tables_.find(address.value());
  MMUSIM_ASSERT(found != tables_.end());
  Table& table = found->second;
  if (table.parent != address) --children_[table.parent.value()];
  table.parent = parent;
  table.slot = slot;
  if (parent == address) {
    root_ = address;
  } else {
    ++children_[parent.value()];
  }
}

uint64_t SimpleTable::word(PhysAddr address) const {
  return *machine_.allocator->frames().words(address);
}

uint64_t SimpleTable::load(PhysAddr address, unsigned level) const {
  sink().reference_run(address, kWord, 1, false,
                       {.level = static_cast<uint8_t>(level), .dependent = true});
  return word(address);
}

void SimpleTable::store(PhysAddr address, uint64_t value, unsigned level) {
  sink().reference_run(address, kWord, 1, true, {.level = static_cast<uint8_t>(level)});
  *machine_.allocator->frames().words(address) = value;
}

Handle SimpleTable::handle(VirtAddr va, PhysAddr word) const {
  return {align_down(va, page()), page(), word.value(), generation_};
}

Lookup SimpleTable::walk(VirtAddr va, WalkPath& path) const {
  Lookup found;
  found.size = page();
  found.base = align_down(va, page());
  found.empty = {found.base, found.base + page().bytes()};
  const auto place = can_map_(machine_, va) ? find_word(va, path) : std::nullopt;
  if (!place) return found;
  found.has_slot = true;
  found.handle = handle(va, *place);
  found.entry = word(*place);
  return found;
}

WordText SimpleTable::describe(const WalkStep& step, VirtAddr /*va*/) const {
  const uint64_t value = word(step.address);
  if (step.level == 0) return {"PTE", machine_.format->describe(value, page())};
  return {"word", value == 0 ? "empty" : fmt::format("{:#x}", value)};
}

Slot SimpleTable::ensure(VirtAddr va, PageShift size) {
  if (size != page()) return {Status::BadSize, {}};
  if (!can_map_(machine_, va)) return {Status::NotSupported, {}};
  const auto place = make_word(va);
  if (!place) return {Status::NoMemory, {}};
  return {Status::Ok, handle(va, *place), load(*place, 0)};
}

Status SimpleTable::install(const Handle& handle, Entry expected, Entry next) {
  if (handle.generation != generation_) return Status::Moved;
  const PhysAddr place(handle.place);
  if (load(place, 0) != expected) return Status::Changed;
  store(place, next, 0);
  return Status::Ok;
}

Status SimpleTable::clear(const Handle& handle, Entry& old) {
  if (handle.generation != generation_) return Status::Moved;
  old = word(PhysAddr(handle.place));
  return install(handle, old, kNone);
}

Status SimpleTable::split(const Handle& handle, PageShift /*to*/) {
  return handle.generation != generation_ ? Status::Moved : Status::BadSize;
}

const SimpleTable::Table* SimpleTable::entries_from(uint64_t va) const {
  auto next = entries_.upper_bound(va);
  if (next != entries_.begin()) {
    const Table& before = tables_.at(std::prev(next)->second);
    if (last_of(before) >= va) return &before;
  }
  return next == entries_.end() ? nullptr : &tables_.at(next->second);
}

Run SimpleTable::run_of(const Table& table, uint64_t first, uint64_t last) const {
  first = std::max(first, table.base.value());
  last = std::min(last, last_of(table));
  Run run;
  run.size = page();
  run.start = align_down(VirtAddr(first), page());
  run.count = static_cast<uint32_t>(((last - run.start.value()) >> page().log2()) + 1);
  const uint64_t slot = (run.start - table.base) >> page().log2();
  const PhysAddr address = table.address + slot * kWord;
  run.place({.words = machine_.allocator->frames().words(address), .address = address});
  return run;
}

// From one table of entries to the next.
class SimpleTable::TablesCursor final : public Cursor {
 public:
  TablesCursor(SimpleTable& table, VirtRange range, CursorMode mode)
      : table_(table), at_(range.begin.value()), end_(range.end.value()), mode_(mode) {}
  void seek(VirtAddr va) override {
    at_ = va.value();
    over_ = false;
  }
  [[nodiscard]] Status status() const override { return status_; }
  bool next(Run& run) override {
    if (over_ || at_ >= end_) return false;
    if (mode_ == CursorMode::Build && !build()) return false;
    const Table* const found = table_.entries_from(at_);
    if (found == nullptr || found->base.value() >= end_) return false;
    run = table_.run_of(*found, at_, end_ - 1);
    if (mode_ != CursorMode::Build) {
      WalkPath path;  // how it is found
      static_cast<void>(table_.find_word(run.start, path));
      path.report(table_.sink(), mem::Origin::Kernel);
    }
    over_ = last_of(*found) == kMost;
    at_ = last_of(*found) + 1;
    return true;
  }

 private:
  bool build() {
    if (!table_.can_map_(table_.machine_, VirtAddr(at_))) {
      status_ = Status::NotSupported;
    } else if (!table_.make_word(VirtAddr(at_))) {
      status_ = Status::NoMemory;
    } else {
      return true;
    }
    return false;
  }

  SimpleTable& table_;
  uint64_t at_;
  uint64_t end_;
  CursorMode mode_;
  bool over_ = false;  // the last address was passed
  Status status_ = Status::Ok;
};

std::unique_ptr<Cursor> SimpleTable::cursor(VirtRange range, CursorMode mode) {
  return std::make_unique<TablesCursor>(*this, range, mode);
}

Status SimpleTable::copy_ranges(PageTable& to, std::span<const VirtRange> ranges,
                                const RunCopier& copy) {
  auto& other = dynamic_cast<SimpleTable&>(to);
  Run run;
  for (size_t i = 0; i < ranges.size(); ++i) {
    TablesCursor cursor(*this, ranges[i], CursorMode::Read);
    while (cursor.next(run)) {
      if (!other.make_word(run.start)) return Status::NoMemory;
      // The twin's table may end elsewhere.
      for (uint32_t done = 0; done < run.count;) {
        const VirtAddr at = run.address(done);
        if (done != 0 && !other.make_word(at)) return Status::NoMemory;
        const Table* const twin = other.entries_from(at.value());
        MMUSIM_ASSERT(twin != nullptr);
        Run target = other.run_of(*twin, at.value(), run.address(run.count - 1).value());
        Run source = run.part(done, target.count);
        if (!copy(i, source, target)) return Status::Stopped;
        done += target.count;
      }
    }
  }
  return Status::Ok;
}

// Entry by entry. What that leaves empty stands until trim(), so the way back needs no memory.
Status SimpleTable::move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) {
  TablesCursor cursor(*this, {from, from + bytes}, CursorMode::Read);
  Run run;
  while (cursor.next(run)) {
    run.report(sink(), mem::Origin::Kernel, run.count, 0);
    for (uint32_t i = 0; i < run.count; ++i) {
      const Entry entry = run.get(i);
      if (entry == kNone) continue;
      done = run.address(i) - from;
      const Slot slot = ensure(to + done, page());
      if (slot.status != Status::Ok) return slot.status;
      static_cast<void>(install(slot.handle, kNone, entry));
      run.set(i, kNone);
      run.part(i, 1).report(sink(), mem::Origin::Kernel, 0, 1);
    }
  }
  done = bytes;
  return Status::Ok;
}

uint32_t SimpleTable::leaves(const Table& table) const {
  if (table.level != 0) return 0;
  const uint64_t* const words = machine_.allocator->frames().words(table.address);
  const uint64_t count = table.bytes / kWord;
  return static_cast<uint32_t>(count -
                               static_cast<uint64_t>(std::count(words, words + count, kNone)));
}

bool SimpleTable::is_empty(const Table& table) const {
  const auto children = children_.find(table.address.value());
  return leaves(table) == 0 && (children == children_.end() || children->second == 0);
}

std::vector<const SimpleTable::Table*> SimpleTable::from_the_leaves_up() const {
  std::vector<const Table*> all;
  for (const auto& [address, table] : tables_)
    all.push_back(&table);
  std::stable_sort(all.begin(), all.end(),
                   [](const Table* a, const Table* b) { return a->level < b->level; });
  return all;
}

void SimpleTable::trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) {
  if (range.empty()) return;
  for (const Table* const one : from_the_leaves_up()) {
    const Table table = *one;
    const uint64_t last = last_of(table);
    // Ceiling 0 is no limit, and 0 - 1 the highest address.
    const bool in_gap = table.base.value() >= floor.value() && last <= ceiling.value() - 1;
    const bool in_range = table.base.value() < range.end.value() && last >= range.begin.value();
    if (table.address == root_ || !in_gap || !in_range || !is_empty(table)) continue;
    if (!unlink(table)) return;
    gather.table({table.base, table.base + page().bytes()}, PageShift(table.covers),
                 {machine_.allocator, table.address, table.bytes});
    --children_[table.parent.value()];
    children_.erase(table.address.value());
    if (table.level == 0) entries_.erase(table.base.value());
    tables_.erase(table.address.value());
    ++generation_;
  }
}

RootToken SimpleTable::root() const {
  return {.address = root_, .extra = root_register()};
}

uint64_t SimpleTable::table_bytes() const {
  uint64_t bytes = 0;
  for (const auto& [address, table] : tables_)
    if (table.address != root_) bytes += table.bytes;
  return bytes;
}

Stats SimpleTable::stats() const {
  Stats stats;
  stats.table_bytes = table_bytes();
  for (const auto& [address, table] : tables_) {
    if (table.address == root_) stats.root_bytes = table.bytes;
    if (stats.tables.size() <= table.level) stats.tables.resize(table.level + 1);
    ++stats.tables[table.level];
    stats.leaves += leaves(table);
  }
  return stats;
}

void SimpleTable::visit_tables(const TableVisitor& visit) const {
  std::vector<const Table*> all = from_the_leaves_up();
  std::reverse(all.begin(), all.end());
  for (const Table* const table : all) {
    const auto children = children_.find(table->address.value());
    visit({.address = table->address,
           .bytes = table->bytes,
           .level = table->level,
           .base = table->base,
           .covers = table->covers,
           .slots = static_cast<uint32_t>(table->bytes / kWord),
           .leaves = leaves(*table),
           .tables = children == children_.end() ? 0 : children->second,
           .parent = table->parent,
           .slot = table->slot,
           .link = {}});
  }
}

Capabilities SimpleTable::capabilities() const {
  return {{page()}, page()};
}

}  // namespace mmusim::pt
