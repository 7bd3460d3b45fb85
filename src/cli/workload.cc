// workload: the commands about scripts.
#include "cli/command.h"
#include "cli/output.h"

namespace mmusim::cli {
namespace {

constexpr Command kWorkloadCommands[] = {
    {"simulate", "Run a workload script on a simulated machine", workload_simulate},
    {"native", "Run it on the kernel of this computer", workload_native},
    {"check", "Run it on both and compare what they count", workload_check},
};

}  // namespace

void workload(const Words& words) {
  if (!words.empty() && (words.front() == "--help" || words.front() == "-h")) {
    print("usage: mmusim workload COMMAND SCRIPT [ARGUMENTS]\n\n" + list_of(kWorkloadCommands) +
          "\nworkloads/README.md describes the language of scripts.\n");
    return;
  }
  dispatch(kWorkloadCommands, words, "workload command", "'mmusim workload --help' lists them");
}

}  // namespace mmusim::cli
