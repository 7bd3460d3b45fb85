#include "sim/relocation/relocator.h"

#include <algorithm>
#include <utility>

#include "mmu/random_base.h"

namespace mmusim::sim {

Relocator::Relocator(const RelocationSides& sides)
    : sides_(sides), places_(sides.aslr_seed), rewriter_(sides_, counters_) {}

AddressMap Relocator::empty_map() {
  mmu::AddressLayout layout = sides_.target;
  layout.mmap_base = mmu::random_mmap_base(layout, sides_.aslr_bits, places_);
  return AddressMap(layout, sides_.huge, sides_.specials);
}

Relocator::Relocator(const Relocator& other)
    : sides_(other.sides_),
      places_(other.places_),
      counters_(other.counters_),
      rewriter_(sides_, counters_) {
  std::map<const Space*, std::shared_ptr<Space>> copies;  // some processes share theirs
  for (const auto& [pid, space] : other.spaces_) {
    std::shared_ptr<Space>& copy = copies[space.get()];
    if (copy == nullptr) copy = std::make_shared<Space>(space->here);
    spaces_.emplace(pid, copy);
  }
}

// The end of the page in front may be open then.
void Relocator::forget(Space& space, VirtRange range) const {
  const uint64_t first = page_of(range.begin) - 1;
  const uint64_t end = page_of(range.end);
  for (Known& known : space.known)
    if (known.page >= first && known.page < end) known = {};
  space.run = {};
  const auto code = space.code.lower_bound(first);
  if (code == space.code.end() || *code >= end) return;
  space.code.clear();
  space.blocks.clear();
  space.open_ended.clear();
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
  Space& space = space_of(pid);
  place(pid, space, {va, kind, false});
  bool open_end = false;
  return va + look_up(space, va, open_end).distance;
}

VirtAddr Relocator::placed(Pid pid, VirtAddr page) const {
  if (!sides_.is_user(page)) return RelocationSides::outside(page);
  return page + spaces_.at(pid)->here.map.distance(page).value();
}

bool Relocator::at_open_end(const Space& space, VirtAddr va) const {
  const VirtAddr next = align_down(va, AddressMap::kWindow) + AddressMap::kWindow.bytes();
  return page_of(va) == page_of(next - 1) && sides_.is_user(next) && !space.here.map.distance(next);
}

void Relocator::place(Pid pid, Space& space, trace::PageRef ref) {
  const VirtAddr va = ref.page();
  if (!sides_.is_user(va)) return;
  RelocatedSpace& here = space.here;
  if (!here.map.distance(va)) {
    Zone zone = ref.is_data() ? Zone::Mappings : Zone::Program;
    // Programs begin by calling something, or by saving registers.
    if (ref.writes() && !here.has_stack && here.first_fetch && va > *here.first_fetch) {
      zone = Zone::Stack;
      here.has_stack = true;
    } else if (const auto near = here.map.zone_near(va)) {
      zone = *near;
    }
    const VirtAddr begin = align_down(va, AddressMap::kWindow);
    rewriter_.place(pid, here, {begin, begin + AddressMap::kWindow.bytes()}, zone);
  }
  // What goes on in the next window does so here too, if that can follow.
  const VirtAddr next = va + trace::kBlockPage.bytes();
  if (ref.crosses() && is_aligned(next, AddressMap::kWindow) && !is_placed(space, next))
    here.map.place_beside({next, next + AddressMap::kWindow.bytes()});
}

void Relocator::place_all(Space& space, const trace::Batch& batch) {
  trace::each_reference(batch, [&](trace::PageRef ref, uint32_t, unsigned) {
    const uint64_t page = page_of(ref.page());
    if (space.known[slot_of(page)].page != page) place(batch.thread.pid, space, ref);
  });
}

Relocator::Known Relocator::look_up(Space& space, VirtAddr va, bool& open_end) const {
  const uint64_t page = page_of(va);
  open_end = false;
  if (!sides_.is_user(va)) return {page, RelocationSides::outside(va) - va};
  auto run = space.here.map.run_of(va);
  MMUSIM_ASSERT(run.has_value());
  const Known found{page, run->target - run->source.begin};
  open_end = at_open_end(space, va);
  if (open_end) return found;
  space.known[slot_of(page)] = found;
  if (at_open_end(space, run->source.end - 1))
    run->source.end = run->source.end - sides_.target.page.bytes();
  if (sides_.is_user(run->source.begin) && sides_.is_user(run->source.end - 1)) space.run = *run;
  return found;
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

trace::Batch Relocator::references(const trace::Batch& batch) {
  Space& space = space_of(batch.thread.pid);
  if (space.serial != batch.table_serial || space.blocks.size() < batch.table.size()) {
    if (space.serial != batch.table_serial) {
      space.blocks.clear();
      space.open_ended.clear();
    }
    space.blocks.resize(batch.table.size());
    space.serial = batch.table_serial;
  }
  // Those are looked at again, but stay as they are: earlier batches are made of them.
  std::vector<uint32_t> again = std::exchange(space.open_ended, {});
  const auto is_to_be_moved = [&](uint32_t number, const trace::StaticBlock& moved) {
    if (moved.instructions == 0) return true;
    return moved.crosses_page && std::erase(again, number) != 0;
  };

  bool all_placed = false;
  bool open_end = false;
  const auto find = [&](VirtAddr va, bool goes_on) {
    if (!all_placed && (!is_placed(space, va) || (goes_on && at_open_end(space, va)))) {
      place_all(space, batch);
      all_placed = true;
    }
    return look_up(space, va, open_end);
  };
  for (const uint32_t number : batch.blocks) {
    trace::StaticBlock& moved = space.blocks[number];
    if (!is_to_be_moved(number, moved)) [[likely]]
      continue;
    const trace::StaticBlock& block = batch.table[number];
    note_first_fetch(space, block.start);
    const Known found = find(block.start, block.crosses_page);
    moved = block;
    moved.start = block.start + found.distance;
    space.code.insert(found.page);
    if (open_end && block.crosses_page) space.open_ended.push_back(number);
  }
  space.open_ended.insert(space.open_ended.end(), again.begin(), again.end());

  const uint64_t count = batch.totals.data_accesses();
  if (addresses_.size() < count) addresses_.resize(count);
  const unsigned shift = sides_.target.page.log2();
  const uint64_t* const from = batch.addresses;
  uint64_t* const to = addresses_.data();
  Known last_open;  // once all are placed
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t page = from[i] >> shift;
    Known& known = space.known[slot_of(page)];
    if (known.page != page && space.run.source.contains(VirtAddr(from[i])))
      known = {page, space.run.target - space.run.source.begin};
    if (known.page == page) [[likely]] {
      to[i] = from[i] + known.distance;
      continue;
    }
    if (last_open.page != page) {
      const Known found = find(VirtAddr(from[i]), true);
      to[i] = from[i] + found.distance;
      if (open_end) last_open = found;
      continue;
    }
    to[i] = from[i] + last_open.distance;
  }
  trace::Batch moved = batch;
  moved.table = space.blocks;
  moved.addresses = to;
  return moved;
}

inline uint64_t Relocator::distance_in(Pid pid, Space& space, trace::PageRef ref) {
  const VirtAddr va = ref.page();
  const uint64_t page = page_of(va);
  Known& known = space.known[slot_of(page)];
  if (known.page != page && space.run.source.contains(va))
    known = {page, space.run.target - space.run.source.begin};
  if (known.page == page) [[likely]]
    return known.distance;
  bool open_end = false;
  place(pid, space, ref);
  return look_up(space, va, open_end).distance;
}

void Relocator::pages(Pid pid, std::span<const trace::PageRef> refs,
                      std::vector<trace::PageRef>& out) {
  if (refs.empty()) return;
  Space& space = space_of(pid);
  if (!refs.front().is_data()) note_first_fetch(space, refs.front().page());
  for (const trace::PageRef ref : refs)
    out.push_back(ref.moved(distance_in(pid, space, ref)));
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
