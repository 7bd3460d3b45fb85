#include "trace/survey.h"

#include <algorithm>
#include <bit>

#include "base/bits.h"
#include "base/error.h"
#include "trace/part.h"

namespace mmusim::trace {
namespace {

constexpr std::array<unsigned, 5> kFootprintPages{12, 13, 14, 16, 21};

// Groups of 2^shift neighbouring bits, the first of each set if any is. REQUIRES: shift <= 6.
uint64_t any_of_groups(uint64_t bits, unsigned shift) {
  for (unsigned i = 0; i < shift; ++i)
    bits |= bits >> (1u << i);
  uint64_t firsts = 0;
  for (unsigned i = 0; i < 64; i += 1u << shift)
    firsts |= uint64_t{1} << i;
  return bits & firsts;
}

}  // namespace

SurveyScan::SurveyScan(const SurveyOptions& options) {
  MMUSIM_ASSERT(options.intervals >= 1 && options.intervals <= kMostIntervals);
  const uint64_t all = options.instructions;
  const uint64_t intervals = std::min<uint64_t>(options.intervals, std::max<uint64_t>(all, 1));
  for (uint64_t i = 1; i < intervals; ++i)
    borders_.push_back(i * (all / intervals) + i * (all % intervals) / intervals);
  go_to(0);
}

// Ends the intervals before the one that this instruction is in.
void SurveyScan::go_to(uint64_t instruction) {
  size_t done = survey_.intervals.size();
  for (; done < borders_.size() && instruction >= borders_[done]; ++done) {
    survey_.intervals.push_back(now_);
    now_ = Interval{.first = borders_[done]};
  }
  interval_end_ = done < borders_.size() ? borders_[done] : UINT64_MAX;
}

void SurveyScan::add(const Batch& batch) {
  ProcessLife* const life = process(batch.thread);
  if (batch.event != nullptr) {
    if (at_ >= interval_end_) go_to(at_);
    ++now_.events;
    if (life != nullptr) ++life->totals.events;
    event(batch.thread, *batch.event, life);
    return;
  }
  space_ = spaces_.of(batch.thread.pid);
  blocks(batch);
  if (life == nullptr) return;
  life->totals += batch.totals;
  life->last = at_;
}

void SurveyScan::blocks(const Batch& batch) {
  const uint64_t* address = batch.addresses;
  for (const uint32_t which : batch.blocks) {
    if (at_ >= interval_end_) go_to(at_);
    const StaticBlock& block = batch.table[which];
    now_.instructions += block.instructions;
    now_.references += uint64_t{block.instructions} + block.mem_ops;
    at_ += block.instructions;
    survey_.code_bytes += block.bytes;
    const uint64_t code = page_of(block.start, kBlockPage).value();
    touch(code, true);
    if (block.crosses_page) {
      ++survey_.straddling;
      touch(page_of(block.start + (block.bytes - 1), kBlockPage).value(), true);
    }
    for (unsigned op = 0; op < block.mem_ops; ++op) {
      const unsigned bytes = block.ops[op].bytes;
      ++sizes_[static_cast<size_t>(block.ops[op].kind)][bytes];
      const VirtAddr to(*address++);
      const uint64_t first = page_of(to, kBlockPage).value();
      const uint64_t last = page_of(to + (bytes - 1), kBlockPage).value();
      touch(first, false);
      if (first == last) continue;
      ++survey_.straddling;
      touch(last, false);
    }
  }
}

SurveyScan::Region& SurveyScan::region_of(uint64_t page) {
  const SpacePage key{page / kRegionPages, space_};
  Found& found = found_[(key.page ^ key.page >> 8) % found_.size()];
  if (found.region == nullptr || !(found.key == key)) found = {key, &regions_[key]};
  return *found.region;
}

void SurveyScan::touch(uint64_t page, bool code) {
  Region& region = region_of(page);
  const unsigned place = page % kRegionPages;
  (code ? region.code : region.data) |= uint64_t{1} << place;
  const auto stamp = static_cast<uint8_t>(survey_.intervals.size() + 1);
  uint8_t& last = region.interval[place];
  if (last == stamp) return;
  if (last == 0) now_.fresh += kBlockPage.bytes();
  now_.working_set += kBlockPage.bytes();
  last = stamp;
}

ProcessLife* SurveyScan::begin(Pid pid) {
  if (survey_.processes.size() == Survey::kMostProcesses) {
    ++survey_.processes_left_out;
    live_.insert_or_assign(pid, Live{SIZE_MAX, {}});
    return nullptr;
  }
  live_.insert_or_assign(pid, Live{survey_.processes.size(), {}});
  ProcessLife life;
  life.pid = pid;
  life.first = life.last = at_;
  survey_.processes.push_back(std::move(life));
  return &survey_.processes.back();
}

ProcessLife* SurveyScan::process(ThreadId thread) {
  if (!live_.contains(thread.pid)) begin(thread.pid);
  Live& live = live_.at(thread.pid);
  if (live.place == SIZE_MAX) return nullptr;
  ProcessLife& life = survey_.processes[live.place];
  if (live.threads.insert(thread.tid).second) ++life.threads;
  return &life;
}

// `life`: of the thread's process; null where there is no room for it.
void SurveyScan::event(ThreadId thread, const Event& event, ProcessLife* life) {
  spaces_.event(thread, event);
  if (const auto* exec = std::get_if<ExecEvent>(&event)) {
    if (life == nullptr) return;
    ++life->execs;
    life->program = exec->program;
  } else if (const auto* fork = std::get_if<ForkEvent>(&event)) {
    if (fork->child.pid == thread.pid) return;
    std::string program;
    if (life != nullptr) {
      ++life->forks;
      program = life->program;
    }
    if (ProcessLife* const child = begin(fork->child.pid)) {
      child->parent = thread.pid;
      child->program = program;
    }
  } else if (const auto* exit = std::get_if<ExitEvent>(&event)) {
    if (!exit->whole_process) return;
    if (life != nullptr) {
      life->ended = true;
      life->status = exit->status;
      life->last = at_;
    }
    live_.erase(thread.pid);
  }
}

void SurveyScan::count_pages() {
  struct Large {
    bool code = false;
    bool data = false;
  };
  std::unordered_map<SpacePage, Large, SpacePageHash> large;  // pages of more than a region
  for (const unsigned log2 : kFootprintPages)
    survey_.footprints.push_back({.page = PageShift(log2)});
  const unsigned region_log2 = kBlockPage.log2() + log2_floor(kRegionPages);
  for (const auto& [key, region] : regions_) {
    for (Footprint& footprint : survey_.footprints) {
      const unsigned log2 = footprint.page.log2();
      if (log2 > region_log2) {
        Large& page = large[{key.page >> (log2 - region_log2), key.space}];
        page.code = page.code || region.code != 0;
        page.data = page.data || region.data != 0;
        continue;
      }
      const auto count = [&](uint64_t bits) {
        return static_cast<uint64_t>(std::popcount(any_of_groups(bits, log2 - kBlockPage.log2())));
      };
      footprint.code += count(region.code);
      footprint.data += count(region.data);
      footprint.both += count(region.code | region.data);
    }
  }
  Footprint& largest = survey_.footprints.back();  // the only one of more than a region
  for (const auto& [key, page] : large) {
    largest.code += page.code ? 1 : 0;
    largest.data += page.data ? 1 : 0;
    ++largest.both;
  }
}

Survey SurveyScan::finish() {
  survey_.intervals.push_back(now_);
  for (unsigned bytes = 1; bytes <= kMaxAccessBytes; ++bytes) {
    const auto count = [&](AccessKind kind) { return sizes_[static_cast<size_t>(kind)][bytes]; };
    const SizeMix mix{bytes, count(AccessKind::Load), count(AccessKind::Store),
                      count(AccessKind::Modify)};
    if (mix.loads + mix.stores + mix.modifies != 0) survey_.sizes.push_back(mix);
  }
  count_pages();
  survey_.spaces = spaces_.count();
  return std::move(survey_);
}

}  // namespace mmusim::trace
