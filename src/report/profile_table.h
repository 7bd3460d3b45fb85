// A profile (sim/profile/profile.h) as tables, in the spirit of `perf report`: a row for what
// misses, walks and faults come from, the largest first.
#ifndef MMUSIM_REPORT_PROFILE_TABLE_H_
#define MMUSIM_REPORT_PROFILE_TABLE_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "report/table.h"
#include "sim/profile/profile.h"

namespace mmusim::report {

// By what rows are sorted, and what their share is of.
enum class ProfileMeasure : uint8_t { Cycles, Misses, Walks, Traps, References, Faults };
inline constexpr std::pair<const char*, ProfileMeasure> kProfileMeasures[] = {
    {"cycles", ProfileMeasure::Cycles},         {"misses", ProfileMeasure::Misses},
    {"walks", ProfileMeasure::Walks},           {"traps", ProfileMeasure::Traps},
    {"references", ProfileMeasure::References}, {"faults", ProfileMeasure::Faults}};
uint64_t amount_of(ProfileMeasure measure, const sim::ProfileCounts& counts);

// What the instruction at an offset of a mapping is in; never "".
using FunctionNames = std::function<std::string(const sim::ProfiledMapping& code, uint64_t offset)>;

struct ProfileView {
  ProfileMeasure measure = ProfileMeasure::Cycles;
  std::optional<uint64_t> top;   // rows of each table; nothing: all
  FunctionNames functions = {};  // where a table tells functions apart
};

struct ProfileHeading {
  std::string machine;
  std::string arch;
  std::string page_table;
  std::string trace;
  std::string isa;
  std::string program;
  uint64_t instructions = 0;
  bool script = false;   // not a trace, and these do not run
  uint64_t touches = 0;  // that it makes in their place
  uint64_t warmup = 0;   // of instructions that are not counted
  bool stopped = false;
  bool torn = false;
  // Of each file whose functions have no names, why; and what else there is to say of symbols.
  std::vector<std::string> symbols = {};
};

// For people `view.top` rows of each table, and what others come to.
std::string profile_text(const ProfileHeading& heading, const sim::Profile& profile,
                         const ProfileView& view);
// For programs: a table for each of the profile's, and one of the sums.
Document profile_document(const ProfileHeading& heading, const sim::Profile& profile,
                          const ProfileView& view);
// The rows of all of them as one table.
Table profile_rows(const sim::Profile& profile, const ProfileView& view);

}  // namespace mmusim::report

#endif  // MMUSIM_REPORT_PROFILE_TABLE_H_
