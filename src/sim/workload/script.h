// Workload scripts: what people do to an address space by hand, in a small text language.
//
// After L. Schermerhorn's memtoy, which did the same to a running Linux. A script is parsed into
// statements (here), and unrolled into steps with addresses (plan.h), which the simulated kernel
// and the real one can carry out alike (simulate.h, native.h). The language is described in
// workloads/README.md. Plain data.
#ifndef MMUSIM_SIM_WORKLOAD_SCRIPT_H_
#define MMUSIM_SIM_WORKLOAD_SCRIPT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/types.h"
#include "sim/workload/expression.h"

namespace mmusim::sim::workload {

// Part of a segment: [from, to) in bytes from its start; left out: its start, its end.
struct Part {
  std::string segment;
  std::optional<Expression> from;
  std::optional<Expression> to;
};

enum class Verb : uint8_t {
  Advise,
  Brk,
  Define,
  Do,
  Duplicate,
  Exec,
  Exit,
  File,
  Fork,
  Hole,
  HugePages,
  In,
  Let,
  Lock,
  LockAll,
  Map,
  Measure,
  Move,
  Pin,
  Protect,
  Repeat,
  Resize,
  Sync,
  Thp,
  Thread,
  Touch,
  Truncate,
  Unlock,
  UnlockAll,
  Unmap,
  Vfork,
  Wait,
};

enum class Order : uint8_t { Forward, Backwards, Random, Permuted };

// Names may hold '$variable'; they are completed when the script is unrolled.
struct Statement {
  Verb verb = Verb::Map;
  Position at;
  std::string name;  // of what it makes or names: segment, process, file, measure, variable, block
  std::string as;    // move, duplicate: the new segment; repeat: its variable
  std::string of;    // advise: the process whose memory it is; empty: its own
  Part part;         // unmap, touch, protect, advise, lock, unlock, sync, move, duplicate
  Expression value;  // map, resize, file, brk, truncate: bytes; hole: where it begins; repeat:
                     // times; hugepages: pages; pin: CPU; let: the value
  std::optional<Expression> size;       // move: the new size; hole: its bytes
  std::optional<Expression> place;      // map, move, duplicate
  std::optional<Expression> alignment;  // map
  std::optional<Expression> offset;     // map: in the file
  std::optional<Expression> pool_page;  // map: bytes of a huge page of the pool
  std::optional<Expression> stride;     // touch
  std::optional<Expression> count;      // touch
  std::optional<Expression> seed;       // touch
  std::string file;                     // map: name; empty: anonymous
  uint32_t prot = 0;                    // map, protect: kProt* of base/linux_abi.h
  uint32_t flags = 0;                   // map: kMap*; sync: kMs*; lockall: kMcl*; thp: kThpDisable*
  uint32_t advice = 0;                  // advise
  Order order = Order::Forward;         // touch
  AccessKind access = AccessKind::Load;  // touch
  bool over = false;                     // map: whatever is there
  bool anywhere = false;                 // map: the kernel says where
  bool keep = false;                     // move: the old area stays, empty
  bool on_disk = false;                  // file
  bool off = false;                      // thp
  bool has_body = false;                 // fork may be without
  std::vector<Statement> body;           // define, fork, in, measure, repeat, thread, vfork
};

struct Script {
  std::string name;  // for messages
  std::vector<Statement> statements;
};

// Errors: UsageError naming script, line and column, what was expected, and what was found.
Script parse(std::string_view text, const std::string& name);
// The same from a file. Errors: also Error when it cannot be read, or is longer than 64 MiB.
Script load(const std::string& path);

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_SCRIPT_H_
