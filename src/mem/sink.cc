#include "mem/sink.h"

#include <algorithm>
#include <string>
#include <utility>

#include "base/error.h"
#include "mem/cache.h"

namespace mmusim::mem {
namespace {

constexpr std::array<const char*, kOrigins> kOriginNames = {"walker", "handler", "handler_code",
                                                            "kernel", "user"};
constexpr std::array<const char*, kOrigins> kOriginMeanings = {
    "hardware page-table walkers", "software TLB-miss handlers",
    "the fetches of software TLB-miss handlers (counted only when caches are simulated)",
    "the kernel's work on page tables",
    "the program's own accesses (counted only when caches are simulated)"};
constexpr std::array<const char*, kCacheLevels + 1> kServedNames = {"l1", "l2", "l3", "memory"};

// Levels reported one by one; the ones above, which only deep trees have, are summed.
constexpr unsigned kNamedLevels = 5;

}  // namespace

void ReferenceSink::declare(config::Schema& schema) {
  schema.flag("cache.enabled", false,
              "Simulate data caches behind page-table references. Off: references are counted "
              "alone.");
  schema.size("cache.line", 64, "Bytes of a cache line, at all levels.", 32, 4096);
  constexpr uint64_t kMost = uint64_t{1} << 32;
  schema.size("cache.l1.bytes", 32 << 10, "Size of the first-level data cache; 0: none.", 0, kMost);
  schema.number("cache.l1.ways", 8, "Associativity of the first-level data cache.", 1, 1024);
  schema.size("cache.l2.bytes", 1 << 20, "Size of the second-level cache; 0: none.", 0, kMost);
  schema.number("cache.l2.ways", 16, "Associativity of the second-level cache.", 1, 1024);
  schema.size("cache.l3.bytes", 16 << 20, "Size of the third-level cache; 0: none.", 0, kMost);
  schema.number("cache.l3.ways", 16, "Associativity of the third-level cache.", 1, 1024);
  const CostTable costs;
  constexpr uint64_t kMostCycles = 1'000'000;
  schema.number("cost.l1", costs.l1, "Cycles of a reference served by the first-level cache.", 0,
                kMostCycles);
  schema.number("cost.l2", costs.l2, "Cycles of a reference served by the second-level cache.", 0,
                kMostCycles);
  schema.number("cost.l3", costs.l3, "Cycles of a reference served by the third-level cache.", 0,
                kMostCycles);
  schema.number("cost.memory", costs.memory, "Cycles of a reference served by memory.", 0,
                kMostCycles);
  schema.number("cost.reference", costs.reference,
                "Cycles of a table reference when no caches are simulated.", 0, kMostCycles);
  schema.number("cost.instruction", costs.instruction,
                "Cycles of an instruction of a software TLB-miss handler.", 0, kMostCycles);
  schema.number("cost.trap", costs.trap,
                "Cycles to enter a software TLB-miss handler and to return.", 0, kMostCycles);
  schema.number("cost.next_level", costs.next_level,
                "Cycles of a first-level TLB miss that the next level answers.", 0, kMostCycles);
  schema.number("cost.interrupt", costs.interrupt,
                "Cycles to make one other CPU flush by an interrupt, the waiting included.", 0,
                kMostCycles);
  schema.number("cost.broadcast", costs.broadcast,
                "Cycles of a purge that the hardware sends to all CPUs.", 0, kMostCycles);
  schema.number("cost.context_switch", costs.context_switch,
                "Cycles to go on with another thread on a CPU.", 0, kMostCycles);
}

ReferenceSink::ReferenceSink() = default;
ReferenceSink::~ReferenceSink() = default;

ReferenceSink::ReferenceSink(const config::Config& config) {
  costs_ = {.l1 = config.number("cost.l1"),
            .l2 = config.number("cost.l2"),
            .l3 = config.number("cost.l3"),
            .memory = config.number("cost.memory"),
            .reference = config.number("cost.reference"),
            .instruction = config.number("cost.instruction"),
            .trap = config.number("cost.trap"),
            .next_level = config.number("cost.next_level"),
            .interrupt = config.number("cost.interrupt"),
            .broadcast = config.number("cost.broadcast"),
            .context_switch = config.number("cost.context_switch")};
  if (!config.flag("cache.enabled")) return;
  std::array<CacheGeometry, kCacheLevels> levels;
  for (unsigned i = 0; i < kCacheLevels; ++i) {
    const std::string key = "cache.l" + std::to_string(i + 1);
    levels[i] = {.bytes = config.size(key + ".bytes"), .ways = config.number(key + ".ways")};
  }
  caches_ = std::make_unique<CacheHierarchy>(levels, config.size("cache.line"));
}

const char* ReferenceSink::look_up(PhysAddr address, unsigned bytes, Touch touch) {
  const uint64_t line = caches_->line_bytes();
  const uint64_t end = address.value() + bytes;
  unsigned served = 0;
  for (uint64_t at = address.value(); at < end; at = (at | (line - 1)) + 1)
    served = std::max<unsigned>(served, caches_->look_up(PhysAddr(at), touch.origin));
  return kServedNames[served];
}

void ReferenceSink::reference_run(PhysAddr first, uint64_t stride, uint64_t count, bool write,
                                  Touch touch) {
  touch.origin = by(touch.origin);
  counts_[static_cast<unsigned>(touch.origin)][touch.level & (kMaxLevels - 1)][write ? 1 : 0] +=
      count;
  if (caches_ == nullptr) return;
  // Words after the first of a line find the line most recently used everywhere: no need to ask.
  const uint64_t line = caches_->line_bytes();
  uint64_t address = first.value();
  while (count > 0) {
    caches_->look_up(PhysAddr(address), touch.origin);
    const uint64_t left_in_line = line - 1 - (address & (line - 1));
    const uint64_t same = stride == 0 ? count - 1 : std::min(count - 1, left_in_line / stride);
    caches_->repeat(same, touch.origin);
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
  if (caches_ == nullptr) return total(origin) * costs_.reference;
  return caches_->hits(origin, 0) * costs_.l1 + caches_->hits(origin, 1) * costs_.l2 +
         caches_->hits(origin, 2) * costs_.l3 + caches_->hits(origin, kCacheLevels) * costs_.memory;
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
      if (origin == Origin::User || origin == Origin::HandlerCode)
        continue;  // levels are of tables
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
    if (caches_ != nullptr)
      for (unsigned level = 0; level <= kCacheLevels; ++level)
        report.add(name + ".served." + kServedNames[level], caches_->hits(origin, level),
                   "references",
                   std::string("References served by ") +
                       (level == kCacheLevels ? "memory" : "that cache level") + ".",
                   name);
    report.add(name + ".cycles", cycles(origin), "cycles",
               caches_ != nullptr ? "References by where they were served, times the cost table."
                                  : "References times cost.reference.",
               name);
  }
}

}  // namespace mmusim::mem
