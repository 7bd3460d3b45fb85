// Which of several traces each machine of a comparison replays: the one said with --trace; else the
// one recorded on the machine's ISA; else the nearest, which its replay moves.
//
// The nearest is one of the ISA's relatives (i386 and x86_64, ppc64 and ppc64le), else one with
// addresses as wide, else the one with the largest pages that are no larger than the machine's,
// else the one named first. Plain data once made; only headers of traces are read.
#ifndef MMUSIM_CLI_TRACE_CHOICES_H_
#define MMUSIM_CLI_TRACE_CHOICES_H_

#include <string>
#include <utility>
#include <vector>

#include "base/types.h"
#include "cli/command.h"

namespace mmusim::cli {

struct ChosenTrace {
  std::string path;
  const char* why = "";  // "its ISA", "the nearest", "given" (with --trace), "the only one"
};

class TraceChoices {
 public:
  // `traces`, as the command line names them; `given`: MACHINE=TRACE each, of which `machines` are
  // the names as --machines has them. Errors: UsageError where two traces are of one ISA, and what
  // is given is not for one of the machines, or twice for the same; Error for a file that is no
  // trace.
  TraceChoices(const Words& traces, const Words& given, const Words& machines);
  // `machine` as in --machines; its ISA and base page. Errors: UsageError where there is no trace
  // for it.
  [[nodiscard]] ChosenTrace choose(const std::string& machine, const std::string& isa,
                                   PageShift page) const;
  // Every trace there is, by its path.
  [[nodiscard]] Words paths() const;

 private:
  struct KnownTrace {
    std::string path;
    std::string isa;
    PageShift page{12};
  };
  // Errors: as the constructor.
  void refuse_twins() const;

  std::vector<KnownTrace> traces_;
  std::vector<std::pair<std::string, std::string>> given_;  // machine, path
};

}  // namespace mmusim::cli

#endif  // MMUSIM_CLI_TRACE_CHOICES_H_
