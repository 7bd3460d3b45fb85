// Where a run's TLB misses, walks and faults come from: a result of Profiler (profiler.h), plain
// data.
//
// What a run counts is split by what made it count: each access that missed a first level, and each
// system call, with what the counters had more behind it than before. So the sums over all rows are
// the counters of the same run without a profile.
#ifndef MMUSIM_SIM_PROFILE_PROFILE_H_
#define MMUSIM_SIM_PROFILE_PROFILE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/types.h"

namespace mmusim::sim {

// What is counted of each row.
enum class ProfileCount : uint8_t {
  FirstMisses,
  FetchMisses,
  DataMisses,
  Walks,
  Traps,
  References,
  MissCycles,
  FaultCycles,
  KernelCycles,
  MinorFaults,
  MajorFaults,
  Refused,
};
inline constexpr size_t kProfileCounts = 12;

struct ProfileCountInfo {
  const char* name;   // for programs
  const char* title;  // for people
  const char* unit;
  const char* meaning;
  // The counters of a replay it sums up to: the sum of these, less that of those.
  std::array<const char*, 2> counters;
  std::array<const char*, 2> less;  // null: none
};
const ProfileCountInfo& about(ProfileCount count);

class ProfileCounts {
 public:
  uint64_t& operator[](ProfileCount count) { return all_[static_cast<size_t>(count)]; }
  uint64_t operator[](ProfileCount count) const { return all_[static_cast<size_t>(count)]; }
  ProfileCounts& operator+=(const ProfileCounts& more) {
    for (size_t i = 0; i < kProfileCounts; ++i)
      all_[i] += more.all_[i];
    return *this;
  }
  // REQUIRES: `earlier` is.
  [[nodiscard]] ProfileCounts since(const ProfileCounts& earlier) const {
    ProfileCounts result;
    for (size_t i = 0; i < kProfileCounts; ++i)
      result.all_[i] = all_[i] - earlier.all_[i];
    return result;
  }
  [[nodiscard]] bool any() const { return *this != ProfileCounts(); }
  bool operator==(const ProfileCounts&) const = default;

 private:
  std::array<uint64_t, kProfileCounts> all_{};
};

// By what rows are told apart; a set.
enum ProfileBy : unsigned {
  kByProcess = 1,
  kByMapping = 2,   // of the data, or of what is fetched
  kByFunction = 4,  // the instruction's; told apart by addresses here, which symbols put together
  kByPage = 8,      // as mapping
  kByPc = 16,       // the instruction
};
inline constexpr std::array<std::pair<ProfileBy, const char*>, 5> kProfileBys = {
    {{kByProcess, "process"},
     {kByMapping, "mapping"},
     {kByFunction, "function"},
     {kByPage, "page"},
     {kByPc, "pc"}}};

// A program as one process ran it: what a process runs after an exec is another.
struct ProfiledProcess {
  Pid pid;
  std::string program;  // its path; "": the trace does not say
};

struct ProfiledMapping {
  enum class Kind : uint8_t {
    Text,      // of a file, and may be executed
    Data,      // of a file, and may be written
    ReadOnly,  // of a file
    Bss,       // behind the data of a file: its variables that begin as zero
    Heap,
    Stack,
    Anonymous,
    Shared,
    UnnamedFile,
    Segment,  // of a workload script, that it gave a name
    Special,  // [vdso] and the like
    Unknown,  // no event says what is there
    Call,     // a system call, not an access
    Other,    // neither: what the kernel did at another time
  };
  Kind kind = Kind::Unknown;
  std::string name;  // of all, unique
  std::string file;  // its path, of Text to Bss
  // Of Text: what of the file was mapped so, when it was first met, in bytes; whole pages.
  uint64_t begin = 0;
  uint64_t end = 0;
  // Likewise which file it was (trace/file_identity.h); "": the trace does not say.
  std::string identity = {};
  bool replaced = false;  // by another one, in the course of the recording
};
const char* name_of(ProfiledMapping::Kind kind);

// A row's, as far as it is told apart by it. Addresses are as recorded.
struct ProfileKey {
  static constexpr uint32_t kNone = ~uint32_t{0};

  uint32_t process = kNone;  // of Profile::processes
  uint32_t mapping = kNone;  // of Profile::mappings
  uint64_t page = 0;         // first address
  uint32_t code = kNone;     // the instruction's mapping; none: not known, or there is none
  uint64_t pc = 0;
  uint64_t offset = 0;  // the instruction's in its file; of other mappings its address
  bool operator==(const ProfileKey&) const = default;
};

struct ProfileTable {
  unsigned by = 0;                                              // a set of ProfileBy
  std::vector<std::pair<ProfileKey, ProfileCounts>> rows = {};  // in no order that means anything
  ProfileCounts beyond = {};  // of rows there were too many of to keep apart
};

struct Profile {
  std::vector<ProfiledProcess> processes;
  std::vector<ProfiledMapping> mappings;
  std::vector<ProfileTable> tables;  // as asked for
  ProfileCounts total;
  PageShift recorded_page;  // the recording's base page
  PageShift page;           // whose pages are told apart: the machine's
  bool moved = false;       // the machine had the trace at other addresses than the recording
  uint64_t unplaced = 0;    // accesses of which it is not known where the recording had them
  // The recording no longer said which areas there are: it had too many.
  bool unfollowed = false;
};

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_PROFILE_PROFILE_H_
