#include "sim/relocation/relocator.h"

#include <algorithm>

#include "mmu/random_base.h"

namespace mmusim::sim {

Relocator::Relocator(const RelocationSides& sides)
    : sides_(sides), places_(sides.aslr_seed), rewriter_(sides_, counters_) {}

AddressMap Relocator::empty_map() {
  mmu::AddressLayout layout = sides_.target;
  layout.mmap_base = mmu::random_mmap_base(layout, sides_.aslr_bits, places_);
  return AddressMap(layout, sides_.huge, sides_.specials);
}

void Relocator::forget(Space& space, VirtRange range) const {
  const uint64_t first = page_of(range.begin);
  const uint64_t end = page_of(range.end);
  for (Known& known : space.known)
    if (known.page >= first && known.page < end) known = {};
  space.run = {};
  const auto code = space.code.lower_bound(first);
  if (code == space.code.end() || *code >= end) return;
  space.code.clear();
  space.blocks.clear();
}

Relocator::Space& Relocator::space_of(Pid pid) {
  std::shared_ptr<Space>& space = spaces_[pid];
  if (space == nullptr) space = std::make_shared<Space>(empty_map());
  return *space;
}

const RelocatedSpace* Relocator::space(Pid pid) const {
  const auto found = spaces_.find(pid);
  return found == spaces_.end() ? nullptr : &found->second->here;
}

VirtAddr Relocator::translate(Pid pid, VirtAddr va, AccessKind kind) {
  return find_or_place(pid, space_of(pid), va, kind);
}

VirtAddr Relocator::find_or_place(Pid pid, Space& space, VirtAddr va, AccessKind kind) {
  if (!sides_.is_user(va)) return RelocationSides::outside(va);
  RelocatedSpace& here = space.here;
  auto distance = here.map.distance(va);
  if (!distance) {
    Zone zone = kind == AccessKind::Fetch ? Zone::Program : Zone::Mappings;
    // Programs begin by calling something, or by saving registers.
    if (writes(kind) && !here.has_stack && here.first_fetch && va > *here.first_fetch) {
      zone = Zone::Stack;
      here.has_stack = true;
    } else if (const auto near = here.map.zone_near(va)) {
      zone = *near;
    }
    const VirtAddr begin = align_down(va, AddressMap::kWindow);
    rewriter_.place(pid, here, {begin, begin + AddressMap::kWindow.bytes()}, zone);
    distance = here.map.distance(va);
  }
  if (kind == AccessKind::Fetch && !here.first_fetch) here.first_fetch = va;
  // What begins at the end of a window may go on in the next one, which then must follow here too.
  const VirtAddr next = align_down(va, AddressMap::kWindow) + AddressMap::kWindow.bytes();
  if (next - va <= (kind == AccessKind::Fetch ? trace::kBlockPage.bytes() : kTail) &&
      sides_.is_user(next) && !here.map.distance(next)) {
    here.map.place_beside({next, next + AddressMap::kWindow.bytes()});
  }
  space.known[slot_of(page_of(va))] = {page_of(va), *distance};
  const auto run = here.map.run_of(va);
  if (run && sides_.is_user(run->source.begin) && sides_.is_user(run->source.end - 1))
    space.run = *run;
  return va + *distance;
}

std::optional<VirtAddr> Relocator::recorded_at(Pid pid, VirtAddr target) const {
  const auto found = spaces_.find(pid);
  if (found == spaces_.end()) return std::nullopt;
  const Space& space = *found->second;
  if (const auto known = space.looked_back.find(page_of(target)); known != space.looked_back.end())
    return target - known->second;
  const auto source = space.here.map.source_of(target);
  if (source) space.looked_back.emplace(page_of(target), target - *source);
  return source;
}

void Relocator::move_blocks(Space& space, const trace::Batch& batch) {
  if (space.serial != batch.table_serial || space.blocks.size() < batch.table.size()) {
    if (space.serial != batch.table_serial) space.blocks.clear();
    space.blocks.resize(batch.table.size());
    space.serial = batch.table_serial;
  }
  for (const uint32_t number : batch.blocks) {
    trace::StaticBlock& moved = space.blocks[number];
    if (moved.instructions != 0) [[likely]]
      continue;
    moved = batch.table[number];
    space.code.insert(page_of(moved.start));
    moved.start = find_or_place(batch.thread.pid, space, moved.start, AccessKind::Fetch);
  }
}

// Data access `index` of the batch, whose kind is looked for only now.
VirtAddr Relocator::find_or_place_data(Space& space, const trace::Batch& batch, uint64_t index) {
  uint64_t first = 0;
  AccessKind kind = AccessKind::Load;
  const VirtAddr va(batch.addresses[index]);
  if (sides_.is_user(va) && !space.here.map.distance(va)) {
    for (const uint32_t number : batch.blocks) {
      const trace::StaticBlock& block = batch.table[number];
      if (index < first + block.mem_ops) {
        kind = block.ops[index - first].kind;
        break;
      }
      first += block.mem_ops;
    }
  }
  return find_or_place(batch.thread.pid, space, va, kind);
}

trace::Batch Relocator::references(const trace::Batch& batch) {
  Space& space = space_of(batch.thread.pid);
  move_blocks(space, batch);
  const uint64_t count = batch.totals.data_accesses();
  if (addresses_.size() < count) addresses_.resize(count);
  const unsigned shift = sides_.target.page.log2();
  constexpr uint64_t kOffset = AddressMap::kWindow.offset_mask();
  const uint64_t* const from = batch.addresses;
  uint64_t* const to = addresses_.data();
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t page = from[i] >> shift;
    Known& known = space.known[slot_of(page)];
    if ((from[i] & kOffset) < kOffset + 1 - kTail) [[likely]] {
      if (known.page != page && space.run.source.contains(VirtAddr(from[i])))
        known = {page, space.run.target - space.run.source.begin};
      if (known.page == page) [[likely]] {
        to[i] = from[i] + known.distance;
        continue;
      }
    }
    to[i] = find_or_place_data(space, batch, i).value();
  }
  trace::Batch moved = batch;
  moved.table = space.blocks;
  moved.addresses = to;
  return moved;
}

void Relocator::event(trace::ThreadId thread, const trace::Event& event,
                      std::vector<trace::Event>& out) {
  const Pid pid = thread.pid;
  if (const auto* e = std::get_if<trace::ForkEvent>(&event); e != nullptr && e->child.pid != pid) {
    space_of(pid);
    const std::shared_ptr<Space> parent = spaces_.at(pid);
    spaces_[e->child.pid] = e->shares_memory ? parent : std::make_shared<Space>(parent->here);
  } else if (std::holds_alternative<trace::ExecEvent>(event)) {
    spaces_[pid] = std::make_shared<Space>(empty_map());
  }
  Space& space = space_of(pid);
  space.looked_back.clear();
  rewriter_.rewrite(pid, space.here, event, out);
  for (const VirtRange& range : space.here.map.take_released())
    forget(space, range);
  if (const auto* e = std::get_if<trace::ExitEvent>(&event); e != nullptr && e->whole_process)
    spaces_.erase(pid);
}

void report_relocation(bool active, const RelocationCounters& counters, stats::Report& report) {
  report.state("relocation.active", active ? 1 : 0, "flag",
               "1 if the trace's addresses were moved to this architecture's address space.");
  report.add("relocation.areas", counters.areas, "areas",
             "Source areas given a place: recorded mappings, images, heap growth, stacks, and "
             "64 KiB windows of references nothing explains.");
  report.add(
      "relocation.anywhere", counters.anywhere, "areas",
      "Mappings whose place the program left to the kernel: they are where the simulated one "
      "would put them.",
      "relocation.areas");
  report.add("relocation.added_events", counters.added_events, "events",
             "Events beyond the recorded ones, since one recorded call became several.");
  report.add("relocation.dropped_events", counters.dropped_events, "events",
             "Recorded calls of which nothing is left: parts of larger pages, or of what was never "
             "mapped.");
  report.add("relocation.torn", counters.torn, "ranges",
             "Ranges of recorded calls that do not lie in one piece.");
  report.add("relocation.partial_pages", counters.partial_pages, "pages",
             "Pages kept by a call meant for a part of them; they have the rights of all parts.");
  report.add(
      "relocation.shifted_files", counters.shifted_files, "mappings",
      "File mappings whose file offset and address differ within the larger page; the offset "
      "was rounded down.");
  report.add("relocation.remapped", counters.remapped, "calls",
             "Moves (mremap) that larger pages cannot follow; carried out as a new mapping.");
}

}  // namespace mmusim::sim
