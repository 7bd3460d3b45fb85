#include "mmu/native_walk.h"

#include <algorithm>
#include <fmt/format.h>

#include "base/error.h"

namespace mmusim::mmu {
namespace {

constexpr unsigned kAddressBits = 64;

uint64_t block_of(VirtAddr va, unsigned serves) {
  return serves >= kAddressBits ? 0 : va.value() >> serves;
}

}  // namespace

bool TableCache::Entry::serves(VirtAddr va, uint64_t of) const {
  return table.serves != 0 && space == of && block == block_of(va, table.serves);
}

std::optional<TableCache::Table> TableCache::find(VirtAddr va, uint64_t space) {
  Entry* found = nullptr;
  for (Entry& entry : entries_)
    if (entry.serves(va, space) && (found == nullptr || entry.table.serves < found->table.serves))
      found = &entry;
  if (found == nullptr) return std::nullopt;
  found->used = ++clock_;
  return found->table;
}

void TableCache::fill(VirtAddr va, uint64_t space, Table table) {
  if (entries_.empty()) return;
  const auto same = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.table.serves == table.serves && entry.serves(va, space);
  });
  // What holds nothing was never used, or counts as such.
  const auto place =
      same != entries_.end()
          ? same
          : std::min_element(entries_.begin(), entries_.end(),
                             [](const Entry& a, const Entry& b) { return a.used < b.used; });
  *place = {.block = block_of(va, table.serves), .space = space, .table = table, .used = ++clock_};
}

void TableCache::invalidate_address(VirtAddr va, uint64_t space) {
  for (Entry& entry : entries_)
    if (entry.serves(va, space)) entry = {};
}

void TableCache::invalidate_space(uint64_t space) {
  for (Entry& entry : entries_)
    if (entry.space == space) entry = {};
}

void TableCache::invalidate_all() {
  std::fill(entries_.begin(), entries_.end(), Entry{});
}

void TableCache::for_each(const Visitor& visit) const {
  for (const Entry& entry : entries_) {
    if (entry.table.serves == 0) continue;
    const uint64_t base =
        entry.table.serves >= kAddressBits ? 0 : entry.block << entry.table.serves;
    visit(entry.space, VirtAddr(base), entry.table.address);
  }
}

void NativeWalkCounters::add(const NativeWalkCounters& o) {
  walks += o.walks;
  from_table += o.from_table;
  loads += o.loads;
  beside += o.beside;
  accessed_set += o.accessed_set;
  dirty_set += o.dirty_set;
  updates += o.updates;
  longest = std::max(longest, o.longest);
}

// Which of the steps is the first in that table.
size_t NativeWalker::begin_at(TableCache::Table known, VirtAddr va) const {
  const auto steps = words_.steps();
  const auto first = std::find_if(steps.begin(), steps.end(), [&](const pt::WalkStep& step) {
    return step.serves >= known.serves && step.table == known.address;  // it may serve more by now
  });
  if (first == steps.end())
    throw Error("check",
                fmt::format("the walk cache would begin the walk of {:#x} at a table at {:#x}, "
                            "which the page table does not pass",
                            va.value(), known.address.value()),
                "this is a defect of the simulator or of the page-table backend");
  return static_cast<size_t>(first - steps.begin());
}

pt::Lookup NativeWalker::read(const pt::PageTable& table, VirtAddr va, uint64_t space) {
  words_.clear();
  const pt::Lookup found = table.walk(va, words_);
  ++counters_.walks;
  begun_ = 0;
  if (const auto known = cache_.find(va, space)) {
    begun_ = begin_at(*known, va);
    ++counters_.from_table;
    if (path_->narrated())
      path_->remark(fmt::format(
          "the walk cache knows the table at {:#x}, which serves 2^{} bytes: the walk begins there",
          known->address.value(), known->serves));
  }
  const auto steps = words_.steps().subspan(begun_);
  for (size_t i = 0; i < steps.size(); ++i) {
    const pt::WalkStep& step = steps[i];
    const bool beside = step.beside && i != 0;
    if (beside) ++counters_.beside;
    path_->read(table, va, step,
                {.origin = mem::Origin::Walker,
                 .level = step.level,
                 .dependent = step.dependent && i != 0,
                 .beside = beside});
  }
  counters_.loads += steps.size();
  counters_.longest = std::max(counters_.longest, uint64_t{steps.size()});
  return found;
}

WalkResult NativeWalker::walk(pt::PageTable& table, VirtAddr va, uint64_t space, AccessKind kind) {
  const pt::Lookup found = read(table, va, space);
  if (!format_.is_present(found.entry)) return {.fault = FaultReason::NotPresent, .leaf = {}};
  if ((found.entry & format_.reserved) != 0) return {.fault = FaultReason::Malformed, .leaf = {}};
  const RadixFormat::Judged judged = format_.judge(found.entry, format_.leaf_rights.of(found.entry),
                                                   found.mask, kind, Privilege::User);
  if (!judged.allowed) return {.fault = FaultReason::Protection, .leaf = {}};
  if (judged.sets_accessed) ++counters_.accessed_set;
  if (judged.sets_dirty) ++counters_.dirty_set;
  if (judged.after != found.entry)
    counters_.updates += path_->update(table, va, found, judged.after);
  const auto steps = words_.steps();
  for (size_t i = begun_ + 1; i < steps.size(); ++i)
    if (steps[i].serves != 0) cache_.fill(va, space, {steps[i].table, steps[i].serves});
  return format_.result(found.entry, found.size, judged.rights, judged.dirty);
}

}  // namespace mmusim::mmu
