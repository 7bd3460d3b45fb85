// Workload scripts: what people do to an address space by hand, in a small text language.
//
// After L. Schermerhorn's memtoy, which did the same to a running Linux. A script is parsed into
// statements, and unrolled into a list of steps with addresses, which the simulated kernel and the
// real one can carry out alike (simulate.h, native.h). The language is described in
// workloads/README.md. Plain data.
#ifndef MMUSIM_SIM_WORKLOAD_SCRIPT_H_
#define MMUSIM_SIM_WORKLOAD_SCRIPT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"

namespace mmusim::sim::workload {

struct Position {
  unsigned line = 0;
  unsigned column = 0;
};

// Part of a segment: [from, to) in bytes from its start; to: its end.
struct Part {
  std::string segment;
  uint64_t from = 0;
  std::optional<uint64_t> to;
};

enum class Verb : uint8_t {
  Map,
  Unmap,
  Touch,
  Protect,
  Advise,
  Resize,
  Move,
  Fork,
  In,
  Wait,
  Repeat,
  Measure,
};

struct Statement {
  Verb verb = Verb::Map;
  Position at;
  std::string name;    // of a segment (map, resize, move), a process (fork, in, wait), a measure
  Part part;           // unmap, touch, protect, advise
  uint64_t bytes = 0;  // map, resize: size; touch: stride
  std::optional<uint64_t> place;  // map, move: bytes from the start of the script's addresses
  uint32_t prot = 0;              // map, protect: kProt* of kernel/linux_abi.h
  uint32_t flags = 0;             // map: kMap*
  uint32_t advice = 0;            // advise
  std::string file;               // map: name; empty: anonymous
  bool write = false;             // touch
  bool backwards = false;         // touch
  std::optional<uint64_t> seed;   // touch: in random order
  uint64_t count = 0;             // repeat: times; touch: accesses, 0: one per step
  std::vector<Statement> body;    // in, repeat, measure
};

struct Script {
  std::string name;  // for messages
  std::vector<Statement> statements;
};

// Errors: UsageError naming script, line and column, what was expected, and what was found.
Script parse(std::string_view text, const std::string& name);
// The same from a file. Errors: also UsageError when it cannot be read.
Script load(const std::string& path);

// One thing for a kernel to do, by one process.
struct Step {
  enum class Kind : uint8_t {
    Map,
    Unmap,
    Touch,
    Protect,
    Advise,
    Remap,
    Fork,
    Wait,
    Begin,  // of a measure
    End,
  };
  Kind kind = Kind::Map;
  unsigned process = 0;  // who does it
  Position at;           // in the script
  VirtRange range;       // map, unmap, touch, protect, advise; remap: the old range
  uint32_t prot = 0;
  uint32_t flags = 0;   // map
  uint32_t advice = 0;  // advise
  unsigned file = 0;    // map: index of Plan::files + 1; 0: anonymous
  VirtRange target;     // remap: the new range
  uint64_t stride = 0;  // touch
  uint64_t count = 0;   // touch: accesses; 0: one per stride
  bool write = false;
  bool backwards = false;
  std::optional<uint64_t> seed;
  unsigned other = 0;  // fork, wait: the child; begin, end: index of Plan::measures
};

struct Measure {
  std::string name;
  std::string process;
};

struct Plan {
  std::string name;
  std::vector<Step> steps;
  std::vector<std::string> processes;  // names; [0] is "main"
  std::vector<Measure> measures;       // each time one is run
  struct File {
    std::string name;
    uint64_t bytes = 0;
  };
  std::vector<File> files;
};

// Where the script's addresses begin: far from what a program has by itself, at the start of a
// 512 GiB span.
inline constexpr uint64_t kBase = uint64_t{1} << 45;
inline constexpr uint64_t kReach = uint64_t{1} << 39;

// Errors: UsageError naming line and column: segments and processes that do not exist or exist
// already, parts outside their segment, addresses that are taken or out of reach, too many steps.
Plan unroll(const Script& script);

// The addresses one touch accesses, in order.
template <class Visit>
void for_each_touch(const Step& step, Visit visit);

}  // namespace mmusim::sim::workload

#include "sim/workload/touch_inl.h"

#endif  // MMUSIM_SIM_WORKLOAD_SCRIPT_H_
