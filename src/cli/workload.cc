// workload: the commands about scripts.
#include "cli/command.h"

namespace mmusim::cli {
namespace {

constexpr Command kWorkloadCommands[] = {
    {"simulate", "Run a workload script on a simulated machine", workload_simulate},
    {"native", "Run it on the kernel of this computer", workload_native},
    {"check", "Run it on both and compare what they count", workload_check},
};

}  // namespace

std::span<const Command> workload_commands() {
  return kWorkloadCommands;
}

}  // namespace mmusim::cli
