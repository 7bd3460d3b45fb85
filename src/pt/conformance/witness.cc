#include "pt/conformance/witness.h"

#include <utility>

#include "pt/conformance/inspection.h"
#include "pt/conformance/verdict.h"
#include "pt/conformance/words.h"

namespace mmusim::pt::conformance {
namespace {

constexpr uint64_t kInterval = 61;  // of operations looked at, where they are sampled

}  // namespace

Witness::Witness(Machine& machine, std::unique_ptr<PageTable> table)
    : PageTable(machine.sink), machine_(machine), table_(std::move(table)) {}

bool Witness::due() const {
  switch (machine_.scrutiny) {
    case Scrutiny::None:
    case Scrutiny::Words:
      return false;
    case Scrutiny::Sampled:
      return ++operations_ % kInterval == 0;
    case Scrutiny::Always:
      return true;
  }
  return false;
}

template <class Operation>
auto Witness::inspected(const char* name, bool reads, Operation operation) {
  if (!due()) return operation();
  Inspection inspection(machine_, *table_);
  auto result = inspection.during(reads, operation);
  inspection.judge(name);
  return result;
}

Lookup Witness::walk(VirtAddr va, WalkPath& path) const {
  note("walk", va.value());
  const Lookup found = table_->walk(va, path);
  check_steps(machine_, va, found, path);
  if (due()) {
    check_tables_walked(machine_, *table_, va, found, path);
    check_words_read(machine_, *table_, va, found, path);
    check_beginnings(*table_, va, path);
  }
  return found;
}

// Reports what walk() names: as many references of each level, no more and no other.
Lookup Witness::find(VirtAddr va, mem::Origin origin) {
  note("find", va.value());
  const References before(machine_);
  const Lookup found = table_->find(va, origin);
  check_reported(machine_, *table_, va, origin, before);
  return found;
}

Lookup Witness::peek(VirtAddr va) const {
  note("peek", va.value());
  const References before(machine_);
  const Lookup found = table_->peek(va);
  if (!(References(machine_) == before))
    throw Broken{promise::kPeek, "no reference reported", "some"};
  return found;
}

WordText Witness::describe(const WalkStep& step, VirtAddr va) const {
  note("describe", step.address.value(), va.value());
  return table_->describe(step, va);
}

Slot Witness::ensure(VirtAddr va, PageShift size) {
  note("ensure", va.value(), size.log2());
  const bool reads = size == machine_.page;
  return inspected("ensure()", reads, [&] { return table_->ensure(va, size); });
}

Slot Witness::ensure_in(const VirtRange& area, VirtAddr va, PageShift size) {
  note("ensure_in", area.begin.value(), area.end.value(), va.value(), size.log2());
  const bool reads = size == machine_.page;
  return inspected("ensure_in()", reads, [&] { return table_->ensure_in(area, va, size); });
}

Status Witness::install(const Handle& handle, Entry expected, Entry next) {
  note("install", handle.base.value(), handle.size.log2(), expected, next);
  return inspected("install()", true, [&] { return table_->install(handle, expected, next); });
}

Status Witness::clear(const Handle& handle, Entry& old) {
  note("clear", handle.base.value(), handle.size.log2());
  return inspected("clear()", true, [&] { return table_->clear(handle, old); });
}

Status Witness::split(const Handle& handle, PageShift to) {
  note("split", handle.base.value(), handle.size.log2(), to.log2());
  return inspected("split()", false, [&] { return table_->split(handle, to); });
}

SplitReserve Witness::split_reserve(PageShift from, PageShift to) const {
  note("split_reserve", from.log2(), to.log2());
  return table_->split_reserve(from, to);
}

Status Witness::promote(VirtAddr va, PageShift to, Gather& gather) {
  note("promote", va.value(), to.log2());
  return inspected("promote()", false, [&] { return table_->promote(va, to, gather); });
}

std::unique_ptr<Cursor> Witness::cursor(VirtRange range, CursorMode mode) {
  note("cursor", range.begin.value(), range.end.value(), mode);
  return table_->cursor(range, mode);
}

Status Witness::copy_ranges(PageTable& to, std::span<const VirtRange> ranges,
                            const RunCopier& copy) {
  note("copy_ranges", ranges.empty() ? 0 : ranges.front().begin.value(),
       ranges.empty() ? 0 : ranges.back().end.value());
  PageTable& twin = *dynamic_cast<Witness&>(to).table_;
  return inspected("copy_ranges()", true, [&] { return table_->copy_ranges(twin, ranges, copy); });
}

Status Witness::move_range(VirtAddr from, VirtAddr to, uint64_t bytes, uint64_t& done) {
  note("move_range", from.value(), to.value(), bytes);
  return inspected("move_range()", true, [&] { return table_->move_range(from, to, bytes, done); });
}

void Witness::trim(VirtRange range, VirtAddr floor, VirtAddr ceiling, Gather& gather) {
  note("trim", range.begin.value(), range.end.value(), floor.value(), ceiling.value());
  inspected("trim()", false, [&] {
    table_->trim(range, floor, ceiling, gather);
    return true;
  });
}

Status Witness::share(VirtAddr at, PageTable& source, VirtAddr from, PageShift size, Rights mask) {
  note("share", at.value(), from.value(), size.log2(), mask.bits());
  return table_->share(at, *dynamic_cast<Witness&>(source).table_, from, size, mask);
}

Status Witness::unshare(VirtAddr va, const RunCopier& copy) {
  note("unshare", va.value());
  return table_->unshare(va, copy);
}

Status Witness::leave(VirtAddr va, Gather& gather) {
  note("leave", va.value());
  return table_->leave(va, gather);
}

std::vector<Sharer> Witness::sharers(VirtAddr va) const {
  note("sharers", va.value());
  return table_->sharers(va);
}

Stats Witness::stats() const {
  note("stats");
  return table_->stats();
}

void Witness::visit_tables(const TableVisitor& visit) const {
  note("visit_tables");
  table_->visit_tables(visit);
}

std::unique_ptr<PageTable> WitnessFactory::create(MmId mm) {
  if (machine_.journal != nullptr) machine_.journal->note("create", mm.value());
  std::unique_ptr<PageTable> table = factory_.create(mm);
  if (table == nullptr) return nullptr;
  return std::make_unique<Witness>(machine_, std::move(table));
}

void put_under_witness(Machine& machine) {
  if (machine.scrutiny == Scrutiny::None) return;
  machine.backend_factory = std::move(machine.factory);
  machine.factory = std::make_unique<WitnessFactory>(machine, *machine.backend_factory);
}

}  // namespace mmusim::pt::conformance
