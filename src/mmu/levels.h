// The TLBs of a CPU, level by level: declared once, and from that declaration made into keys, read,
// built, narrated, counted and reported.
//
// An architecture lists its levels (LevelDecl), first ones before second ones, and numbers them by
// an enum in the same order. A level may be several arrays that are probed together; one without
// any array is not there. Each serves one side, fetches or data, or both; a side has a first level
// and may have a second.
//
// **Counting.** Look-ups of the first level are what Cpu::count() is told, whatever the outcome,
// and the denominator of everything else; those of the second are the misses of the first. Hits are
// what is left. Accesses repeated after the kernel has fixed a fault (retries) are counted apart,
// so that misses stay a part of look-ups; entries they make are among all others, since the machine
// makes them all the same. An access that faults is a look-up, and a miss unless it hit an entry
// that refused it.
#ifndef MMUSIM_MMU_LEVELS_H_
#define MMUSIM_MMU_LEVELS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/types.h"
#include "config/keys.h"
#include "config/schema.h"
#include "mmu/mmu.h"
#include "mmu/summary.h"
#include "stats/report.h"
#include "tlb/geometry.h"

namespace mmusim::mmu {

enum Side : unsigned { kFetches, kData, kSides };
constexpr Side side_of(AccessKind kind) {
  return kind == AccessKind::Fetch ? kFetches : kData;
}

// --- What is counted of them

struct SideCounters {
  uint64_t misses = 0;         // of the first level
  uint64_t second_misses = 0;  // of the second
  uint64_t retry_lookups = 0;
  uint64_t retry_misses = 0;
  uint64_t retry_second_misses = 0;
  uint64_t outside = 0;  // addresses no program can have (non-canonical, unimplemented, a hole)
};

struct LevelCounters {
  uint64_t fills = 0;
  uint64_t evictions = 0;
  uint64_t invalidated = 0;
};

inline constexpr size_t kMostLevels = 4;

struct CpuCounters {
  std::array<uint64_t, 4> accesses{};  // by AccessKind, as count() was told
  std::array<SideCounters, kSides> sides;
  std::array<LevelCounters, kMostLevels> levels;
  std::array<uint64_t, kFaultReasons> faults{};  // by FaultReason

  [[nodiscard]] uint64_t of(AccessKind kind) const { return accesses[static_cast<unsigned>(kind)]; }
  [[nodiscard]] uint64_t lookups(Side side) const {
    if (side == kFetches) return of(AccessKind::Fetch);
    return of(AccessKind::Load) + of(AccessKind::Store) + of(AccessKind::Modify);
  }
  void add(const CpuCounters& more);
};

// --- Declarations

// A counter of a level, "tlb.<level>.<name>": which, and what the report says of it. "{}" stands
// for whose accesses they are: of a first level "instruction fetches" or "loads, stores and
// modifies", of a second "instruction fetches", "data accesses", or "fetches and data accesses".
enum class Of : uint8_t {
  Lookups,
  Hits,
  Misses,
  Outside,
  Retries,
  RetryMisses,
  Fills,
  Evictions,
  Invalidated,
};
struct LevelCount {
  Of of;
  const char* meaning = nullptr;  // null: the usual
  const char* name = nullptr;     // likewise
};

struct LevelDecl {
  const char* name = "";   // where entries are (CachedTranslation), and in counters
  const char* shown = "";  // to narrators
  bool fetches = false;    // which sides it serves; of two such levels the later one
  bool data = false;
  bool second = false;
  bool needed = false;                     // though a second one: there must be an array
  std::span<const LevelCount> counts{};    // in the order of the report
  std::array<tlb::ArrayDecl, 3> arrays{};  // those with a key

  [[nodiscard]] bool serves(Side side) const { return side == kFetches ? fetches : data; }
};

// What a machine has of each level; empty: nothing.
using Arrays = std::array<std::vector<tlb::Geometry>, kMostLevels>;
// Slots for locked entries, by level.
using Locked = std::array<unsigned, kMostLevels>;

void declare_levels(config::Schema& schema, std::span<const LevelDecl> levels);
// The arrays that exist, in the order they are declared. `known`: the page sizes entries can have.
// `base`: each level holds pages of this size, or parts of them; nothing: who calls sees to it.
// Errors: see tlb::read_geometry(); UsageError where a level that must be there has no array, or
// one has none for base pages.
Arrays read_levels(const config::Config& config, std::span<const LevelDecl> levels,
                   const std::vector<PageShift>& known, std::optional<PageShift> base);
// Both, as the first of the keys of an architecture's options.
template <class Options>
config::Keys<Options> level_keys(std::span<const LevelDecl> levels, Arrays Options::*arrays,
                                 const std::vector<PageShift>& known,
                                 std::optional<PageShift> base) {
  return config::Keys<Options>().part(
      [levels](config::Schema& schema) { declare_levels(schema, levels); },
      [=](const config::Config& config, Options& options) {
        options.*arrays = read_levels(config, levels, known, base);
      });
}

// The level a side has, among those with arrays; kMostLevels: none.
size_t level_of(std::span<const LevelDecl> levels, const Arrays& arrays, Side side, bool second);

// --- Reports

// tlb.<name>.* of one level, and of all that have arrays.
void report_level(const LevelDecl& level, const LevelCounters& entries, const CpuCounters& sum,
                  stats::Report& report);
void report_levels(std::span<const LevelDecl> levels, const Arrays& arrays, const CpuCounters& sum,
                   stats::Report& report);
// <name>.loads, .stores and .modifies, of <name>.lookups.
void report_data_kinds(const std::string& name, const CpuCounters& sum, stats::Report& report);

// fault.*: those an architecture can have, and what they mean there.
struct FaultDecl {
  FaultReason reason;
  const char* meaning = "Page faults because there was no translation; retries included.";
};
void report_faults(std::span<const FaultDecl> faults, const CpuCounters& sum,
                   stats::Report& report);

// What of the counters mmu.* follows from levels and miss paths.
Summary summary_of(std::span<const LevelDecl> levels, const Arrays& arrays, const CpuCounters& sum,
                   const PathReport& paths);

}  // namespace mmusim::mmu

#endif  // MMUSIM_MMU_LEVELS_H_
