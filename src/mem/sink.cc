#include "mem/sink.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "config/keys.h"
#include "mem/cache.h"

namespace mmusim::mem {
namespace {

constexpr std::array<const char*, kOrigins> kOriginNames = {"walker",     "handler", "handler_code",
                                                            "fault_code", "kernel",  "user"};
constexpr std::array<const char*, kOrigins> kOriginMeanings = {
    "hardware page-table walkers",
    "software TLB-miss handlers",
    "the fetches of software TLB-miss handlers (counted only when caches are simulated)",
    "the fetches of page faults' entries (counted only when caches are simulated)",
    "the kernel's work on page tables",
    "the program's own accesses (counted only when caches are simulated)"};

// Levels reported one by one; the ones above, which only deep trees have, are summed.
constexpr unsigned kNamedLevels = 5;
constexpr unsigned kWord = 8;  // bytes of what a run is made of

// Fetches and the program's own are not of tables, which have levels.
bool is_of_tables(Origin origin) {
  return origin == Origin::Walker || origin == Origin::Handler || origin == Origin::Kernel;
}

// Those whose references have a price of their own when no caches are simulated.
constexpr std::array<std::pair<Origin, const char*>, 3> kPriced = {
    {{Origin::Walker, "hardware page-table walker"},
     {Origin::Handler, "software TLB-miss handler"},
     {Origin::Kernel, "kernel at work on page tables"}}};

const char* cost_meaning(Origin origin) {
  switch (origin) {
    case Origin::Walker:
      return "References times cost.reference.walker.";
    case Origin::Handler:
      return "References times cost.reference.handler.";
    case Origin::Kernel:
      return "References times cost.reference.kernel.";
    case Origin::HandlerCode:
    case Origin::FaultCode:
    case Origin::User:
      break;
  }
  return "0: these are counted with caches only.";
}

}  // namespace

uint64_t CostTable::uncached(Origin origin) const {
  return is_of_tables(origin) ? reference_by[static_cast<unsigned>(origin)].value_or(reference) : 0;
}

const config::Keys<CostTable>& CostTable::keys() {
  static const config::Keys<CostTable> kKeys = [] {
    constexpr uint64_t kMost = 1'000'000;
    config::Keys<CostTable> keys;
    const auto price = [&](const char* key, uint64_t CostTable::*cycles, const char* help) {
      keys.number(key, cycles, help, 0, kMost);
    };
    price("cost.l1", &CostTable::l1, "Cycles of a reference served by the first-level data cache.");
    price("cost.l1i", &CostTable::l1i,
          "Cycles of a fetch served by the first-level instruction cache, beside the instruction's "
          "own.");
    price("cost.l2", &CostTable::l2, "Cycles of a reference served by the second-level cache.");
    price("cost.l3", &CostTable::l3, "Cycles of a reference served by the third-level cache.");
    price("cost.memory", &CostTable::memory, "Cycles of a reference served by memory.");
    price("cost.reference", &CostTable::reference,
          "Cycles of a table reference when no caches are simulated.");
    for (const auto& [origin, who] : kPriced)
      keys.number_or(
          fmt::format("cost.reference.{}", name_of(origin)), "same",
          [index = static_cast<unsigned>(origin)](auto& c) -> auto& {
            return c.reference_by[index];
          },
          fmt::format("... of one by the {}; same: as cost.reference.", who), 0, kMost);
    price("cost.walk", &CostTable::walk,
          "Cycles of a hardware walk beside those of its references.");
    price("cost.instruction", &CostTable::instruction,
          "Cycles of an instruction of a software TLB-miss handler, or of a page fault's entry.");
    price("cost.trap", &CostTable::trap,
          "Cycles to enter a software TLB-miss handler, or the kernel's page-fault code, and to "
          "return.");
    price("cost.next_level", &CostTable::next_level,
          "Cycles of a first-level TLB miss that the next level answers.");
    price("cost.flush.page", &CostTable::flush_page,
          "Cycles for a CPU to take one page out of its TLBs (INVLPG, ptc, tbis, ...).");
    price("cost.flush.all", &CostTable::flush_all,
          "Cycles for a CPU to empty its TLBs, of an address space or whole.");
    price("cost.interrupt", &CostTable::interrupt,
          "Cycles to make one other CPU flush by an interrupt, the waiting included.");
    price("cost.broadcast", &CostTable::broadcast,
          "Cycles of a purge that the hardware sends to all CPUs, beside cost.flush.page.");
    price("cost.context_switch", &CostTable::context_switch,
          "Cycles to go on with another thread on a CPU.");
    return keys;
  }();
  return kKeys;
}

void ReferenceSink::declare(config::Schema& schema) {
  CacheOptions::keys().declare(schema);
  CostTable::keys().declare(schema);
}

ReferenceSink::ReferenceSink() = default;
const char* name_of(Origin origin) {
  return kOriginNames[static_cast<unsigned>(origin)];
}

ReferenceSink::~ReferenceSink() = default;

ReferenceSink::ReferenceSink(const config::Config& config)
    : costs_(CostTable::keys().read(config)) {
  const CacheOptions caches = CacheOptions::keys().read(config);
  if (caches.enabled) caches_ = std::make_unique<CacheHierarchy>(caches);
}

Place ReferenceSink::look_up(PhysAddr address, unsigned bytes, Touch touch) {
  if (touch.origin == Origin::User && touch.fetch) ++user_fetches_;
  const Place place = caches_->look_up(address, bytes, touch);
  const uint64_t cost = cost_of(place);
  if (touch.beside) {
    overlapped_[static_cast<unsigned>(touch.origin)] += std::min(cost, slowest_);
    slowest_ = std::max(cost, slowest_);
  } else {
    slowest_ = cost;
  }
  return place;
}

uint64_t ReferenceSink::cost_of(Place place) const {
  switch (place) {
    case Place::L1:
      return costs_.l1;
    case Place::L1I:
      return costs_.l1i;
    case Place::L2:
      return costs_.l2;
    case Place::L3:
      return costs_.l3;
    case Place::Memory:
      break;
  }
  return costs_.memory;
}

uint64_t ReferenceSink::line_bytes(Touch touch) const {
  return caches_->line_bytes(touch);
}

void ReferenceSink::reference_run(PhysAddr first, uint64_t stride, uint64_t count, bool write,
                                  Touch touch) {
  if (!write && is_part_of_write(touch.origin)) return;
  touch.origin = by(touch.origin);
  counts_[static_cast<unsigned>(touch.origin)][touch.level & (kMaxLevels - 1)][write ? 1 : 0] +=
      count;
  if (caches_ == nullptr) return;
  // Words after the first of a line find the line most recently used everywhere: no need to ask.
  const uint64_t line = caches_->line_bytes(touch);
  uint64_t address = first.value();
  while (count > 0) {
    look_up(PhysAddr(address), kWord, touch);
    const uint64_t left_in_line = line - 1 - (address & (line - 1));
    const uint64_t same = stride == 0 ? count - 1 : std::min(count - 1, left_in_line / stride);
    caches_->repeat(same, touch);
    address += stride * (same + 1);
    count -= same + 1;
  }
}

uint64_t ReferenceSink::total(Origin origin) const {
  uint64_t sum = 0;
  for (const auto& level : counts_[static_cast<unsigned>(origin)])
    sum += level[0] + level[1];
  return sum;
}

uint64_t ReferenceSink::cycles(Origin origin) const {
  const uint64_t overlapped = overlapped_[static_cast<unsigned>(origin)];
  if (caches_ == nullptr) return total(origin) * costs_.uncached(origin) - overlapped;
  uint64_t cycles = 0;
  for (unsigned i = 0; i < kPlaces; ++i) {
    const auto place = static_cast<Place>(i);
    cycles += caches_->hits(origin, place) * cost_of(place);
  }
  return cycles - overlapped;
}

void ReferenceSink::report(stats::Report& report) const {
  for (unsigned o = 0; o < kOrigins; ++o) {
    const auto origin = static_cast<Origin>(o);
    const std::string name = std::string("refs.") + kOriginNames[o];
    const std::string who = kOriginMeanings[o];
    report.add(name, total(origin), "references", fmt::format("Memory references by {}.", who));
    for (const bool write : {false, true}) {
      const std::string kind = write ? "writes" : "reads";
      uint64_t sum = 0;
      for (unsigned level = 0; level < kMaxLevels; ++level)
        sum += count(origin, level, write);
      report.add(fmt::format("{}.{}", name, kind), sum, "references",
                 fmt::format("The {} among them.", kind), name);
      if (!is_of_tables(origin)) continue;
      for (unsigned level = 0; level < kNamedLevels; ++level)
        report.add(fmt::format("{}.level{}.{}", name, level, kind), count(origin, level, write),
                   "references",
                   fmt::format("The {} of tables of level {} (0: the leaf level) among them.", kind,
                               level),
                   name);
      uint64_t above = 0;
      for (unsigned level = kNamedLevels; level < kMaxLevels; ++level)
        above += count(origin, level, write);
      report.add(fmt::format("{}.above.{}", name, kind), above, "references",
                 fmt::format("The {} of tables above level {} among them.", kind, kNamedLevels - 1),
                 name);
    }
    if (origin == Origin::User)
      report.add(name + ".fetches", user_fetches_, "references",
                 "The fetches among the reads: one for each line an instruction lies in.",
                 name + ".reads");
    if (caches_ != nullptr) report_served(name, origin, report);
    report.add(name + ".cycles", cycles(origin), "cycles",
               caches_ != nullptr ? "References by where they were served, times the cost table."
                                  : cost_meaning(origin),
               name);
  }
}

void ReferenceSink::report_served(const std::string& name, Origin origin,
                                  stats::Report& report) const {
  const bool fetches = Touch{.origin = origin}.is_fetch() || origin == Origin::User;
  for (unsigned i = 0; i < kPlaces; ++i) {
    const auto place = static_cast<Place>(i);
    if (place == Place::L1I && !fetches) continue;
    report.add(fmt::format("{}.served.{}", name, name_of(place)), caches_->hits(origin, place),
               "references",
               place == Place::Memory ? "References served by memory."
               : place == Place::L1I  ? "Fetches served by the first-level instruction cache."
                                      : "References served by that cache level.",
               name);
  }
}

}  // namespace mmusim::mem
