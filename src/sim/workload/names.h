// What the names of a script stand for at one point of it: variables, processes and their segments.
//
// A segment's place counts from kBase. Processes are numbers that are used again after the wait.
// What cannot be is said with the statement's line and column (UsageError).
#ifndef MMUSIM_SIM_WORKLOAD_NAMES_H_
#define MMUSIM_SIM_WORKLOAD_NAMES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/types.h"
#include "sim/workload/script.h"

namespace mmusim::sim::workload {

constexpr uint64_t kScriptPage = 4096;
constexpr uint64_t kDefaultAlignment = uint64_t{1} << 21;
constexpr const char* kHeapName = "heap";  // the segment that brk moves

struct Segment {
  uint64_t start = 0;  // from kBase
  uint64_t bytes = 0;
  bool grows_down = false;
};

struct Memory {
  std::map<std::string, Segment> segments;
  std::multiset<uint64_t> ends;  // of the segments
};

struct Process {
  std::string name;
  std::shared_ptr<Memory> memory = std::make_shared<Memory>();  // a vfork's child's is its parent's
  unsigned parent = 0;
  unsigned waits_for = 0;  // a vfork's child that has called neither exec nor exit; 0: none
  unsigned children = 0;   // not waited for
  bool exists = false;     // until it has been waited for
  bool exited = false;
  bool is_thread = false;  // has its parent's memory, and both go on
};

template <class Map>
std::vector<std::string> names_of(const Map& map) {
  std::vector<std::string> names;
  names.reserve(map.size());
  for (const auto& [name, value] : map)
    names.push_back(name);
  return names;
}

class Names {
 public:
  // Of the script with that name, where only the process "main" is.
  explicit Names(std::string script);

  [[noreturn]] void fail(Position at, const std::string& what, const std::string& hint = "") const {
    fail_at(script_, at, what, hint);
  }

  // `name` with the values of its '$variables'.
  [[nodiscard]] std::string complete(const std::string& name, Position at) const;
  [[nodiscard]] int64_t number(unsigned process, const Expression& expression) const;
  // Outside of these bounds it is an error.
  uint64_t number(unsigned process, const Expression& expression, uint64_t least,
                  uint64_t most) const;
  // A size, rounded up to pages.
  [[nodiscard]] uint64_t size(unsigned process, const Expression& expression) const;
  static uint64_t page_up(uint64_t bytes) {
    return (bytes + kScriptPage - 1) / kScriptPage * kScriptPage;
  }

  [[nodiscard]] const Segment& segment(unsigned process, const std::string& name,
                                       Position at) const;
  void add_segment(unsigned process, const std::string& name, const Segment& segment);
  void remove_segment(unsigned process, const std::string& name);
  [[nodiscard]] std::string new_segment_name(unsigned process, const std::string& name,
                                             Position at) const;
  // Addresses of a part; what a touch touches need not be whole pages.
  [[nodiscard]] VirtRange part(unsigned process, const Part& part, Position at,
                               bool whole_pages = true) const;
  // Where so many bytes go: where it was said, or behind all segments, with a gap of at least 2M.
  [[nodiscard]] uint64_t place(unsigned process, const std::optional<Expression>& said,
                               uint64_t bytes, uint64_t alignment, Position at) const;
  void check_reach(uint64_t start, uint64_t bytes, Position at) const;
  static VirtRange range_of(uint64_t start, uint64_t bytes);

  [[nodiscard]] unsigned process(const std::string& name, Position at) const;

 protected:
  std::vector<Process> processes_;
  std::map<std::string, int64_t> variables_;

 private:
  // A variable, or where a segment starts (NAME) or ends (NAME.end).
  [[nodiscard]] int64_t lookup(unsigned process, const std::string& name, Position at) const;

  std::string script_;
};

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_NAMES_H_
