#include "mmu/levels.h"

#include <algorithm>
#include <bit>
#include <fmt/format.h>
#include <optional>

#include "base/error.h"
#include "base/units.h"

namespace mmusim::mmu {

namespace {

struct Usual {
  const char* name;
  const char* unit;
  const char* meaning;
  std::optional<Of> denominator;
};
// By Of. What a look-up is, and which entries are made and removed, is the architecture's to say.
const Usual kUsual[] = {
    {"lookups", "accesses", "", std::nullopt},
    {"hits", "accesses", "Lookups that found the page.", Of::Lookups},
    {"misses", "accesses", "Lookups that did not find the page.", Of::Lookups},
    {"outside", "accesses", "Accesses to addresses that are not user space's.", Of::Lookups},
    {"retries", "accesses",
     "Lookups of accesses repeated after a page fault; not among the lookups.", std::nullopt},
    {"retry_misses", "accesses", "Retries that did not find the page; not among the misses.",
     Of::Retries},
    {"fills", "entries", "Entries made, for retries too.", std::nullopt},
    {"evictions", "entries", "Entries that made room for another one.", Of::Fills},
    {"invalidated", "entries", "", Of::Fills},
};

// By Of.
std::array<uint64_t, std::size(kUsual)> values_of(const LevelDecl& level,
                                                  const LevelCounters& entries,
                                                  const CpuCounters& sum) {
  uint64_t lookups = 0;
  uint64_t misses = 0;
  uint64_t outside = 0;
  uint64_t retries = 0;
  uint64_t retry_misses = 0;
  for (const Side side : {kFetches, kData}) {
    if (!level.serves(side)) continue;
    const SideCounters& c = sum.sides[side];
    lookups += level.second ? c.misses : sum.lookups(side);
    misses += level.second ? c.second_misses : c.misses;
    outside += level.second ? 0 : c.outside;
    retries += level.second ? c.retry_misses : c.retry_lookups;
    retry_misses += level.second ? c.retry_second_misses : c.retry_misses;
  }
  return {lookups,
          lookups - misses - outside,
          misses,
          outside,
          retries,
          retry_misses,
          entries.fills,
          entries.evictions,
          entries.invalidated};
}

const char* whose(const LevelDecl& level) {
  if (!level.data) return "instruction fetches";
  if (!level.second) return "loads, stores and modifies";
  return level.fetches ? "fetches and data accesses" : "data accesses";
}

const char* name_in_counters(FaultReason reason) {
  switch (reason) {
    case FaultReason::NotPresent:
      return "fault.not_present";
    case FaultReason::Protection:
      return "fault.protection";
    case FaultReason::NonCanonical:
      return "fault.non_canonical";
    case FaultReason::Malformed:
      return "fault.malformed";
    case FaultReason::None:
    case FaultReason::NoMemory:
      break;
  }
  return "";
}

}  // namespace

void CpuCounters::add(const CpuCounters& more) {
  using Words = std::array<uint64_t, sizeof(CpuCounters) / sizeof(uint64_t)>;
  auto all = std::bit_cast<Words>(*this);
  const auto others = std::bit_cast<Words>(more);
  for (size_t i = 0; i < all.size(); ++i)
    all[i] += others[i];
  *this = std::bit_cast<CpuCounters>(all);
}

void declare_levels(config::Schema& schema, std::span<const LevelDecl> levels) {
  for (const LevelDecl& level : levels)
    for (const tlb::ArrayDecl& array : level.arrays)
      if (array.key != nullptr) tlb::declare_geometry(schema, array);
}

Arrays read_levels(const config::Config& config, std::span<const LevelDecl> levels,
                   const std::vector<PageShift>& known, std::optional<PageShift> base) {
  Arrays all;
  for (size_t i = 0; i < levels.size(); ++i) {
    const LevelDecl& level = levels[i];
    for (const tlb::ArrayDecl& decl : level.arrays) {
      if (decl.key == nullptr) continue;
      tlb::Geometry array = tlb::read_geometry(config, decl, known);
      if (array.exists()) all[i].push_back(std::move(array));
    }
    const tlb::ArrayDecl& first = level.arrays.front();
    if (all[i].empty()) {
      if (level.second && !level.needed) continue;
      throw UsageError(config.place_of(fmt::format("{}.entries", first.key)),
                       fmt::format("there must be the {}", first.what));
    }
    if (base && std::none_of(all[i].begin(), all[i].end(), [&](const tlb::Geometry& array) {
          return array.pages.front() <= *base;
        }))
      throw UsageError(config.place_of(fmt::format("{}.pages", first.key)),
                       fmt::format("no entry of the {} can hold the base page of {}{}", level.shown,
                                   format_size(base->bytes()),
                                   known.front() < *base ? ", nor a part of it" : ""),
                       fmt::format("name {} among the sizes", format_size(base->bytes())));
  }
  return all;
}

size_t level_of(std::span<const LevelDecl> levels, const Arrays& arrays, Side side, bool second) {
  size_t found = kMostLevels;
  for (size_t i = 0; i < levels.size(); ++i)
    if (levels[i].second == second && levels[i].serves(side) && !arrays[i].empty()) found = i;
  return found;
}

void report_level(const LevelDecl& level, const LevelCounters& entries, const CpuCounters& sum,
                  stats::Report& report) {
  const auto values = values_of(level, entries, sum);
  const auto name_of = [&](Of of) -> std::string {
    const auto found = std::find_if(level.counts.begin(), level.counts.end(),
                                    [of](const LevelCount& count) { return count.of == of; });
    if (found == level.counts.end()) return "";
    const char* const name = found->name;
    return fmt::format("tlb.{}.{}", level.name,
                       name != nullptr ? name : kUsual[static_cast<size_t>(of)].name);
  };
  for (const LevelCount& count : level.counts) {
    const auto which = static_cast<size_t>(count.of);
    const Usual& usual = kUsual[which];
    const char* const meaning = count.meaning != nullptr ? count.meaning : usual.meaning;
    report.add(name_of(count.of), values[which], usual.unit,
               fmt::format(fmt::runtime(meaning), whose(level)),
               usual.denominator ? name_of(*usual.denominator) : "");
  }
}

void report_levels(std::span<const LevelDecl> levels, const Arrays& arrays, const CpuCounters& sum,
                   stats::Report& report) {
  for (size_t i = 0; i < levels.size(); ++i)
    if (!arrays[i].empty()) report_level(levels[i], sum.levels[i], sum, report);
}

void report_data_kinds(const std::string& name, const CpuCounters& sum, stats::Report& report) {
  report.add(name + ".loads", sum.of(AccessKind::Load), "accesses", "Lookups for loads.",
             name + ".lookups");
  report.add(name + ".stores", sum.of(AccessKind::Store), "accesses", "Lookups for stores.",
             name + ".lookups");
  report.add(name + ".modifies", sum.of(AccessKind::Modify), "accesses",
             "Lookups for atomic read-modify-writes, translated once, as stores.",
             name + ".lookups");
}

void report_faults(std::span<const FaultDecl> faults, const CpuCounters& sum,
                   stats::Report& report) {
  for (const FaultDecl& fault : faults)
    report.add(name_in_counters(fault.reason), sum.faults[static_cast<unsigned>(fault.reason)],
               "faults", fault.meaning);
}

Summary summary_of(std::span<const LevelDecl> levels, const Arrays& arrays, const CpuCounters& sum,
                   const PathReport& paths) {
  const auto last = [&](Side side) {
    const bool two = level_of(levels, arrays, side, /*second=*/true) != kMostLevels;
    return two ? sum.sides[side].second_misses : sum.sides[side].misses;
  };
  Summary s;
  s.fetch_lookups = sum.lookups(kFetches);
  s.data_lookups = sum.lookups(kData);
  s.first_fetch_misses = sum.sides[kFetches].misses;
  s.first_data_misses = sum.sides[kData].misses;
  s.last_fetch_misses = last(kFetches);
  s.last_data_misses = last(kData);
  s.take(paths);
  return s;
}

}  // namespace mmusim::mmu
