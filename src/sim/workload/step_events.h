// A script's steps as events of a trace (trace/record.h), for who follows processes and their areas
// by these: a profile.
#ifndef MMUSIM_SIM_WORKLOAD_STEP_EVENTS_H_
#define MMUSIM_SIM_WORKLOAD_STEP_EVENTS_H_

#include <optional>

#include "sim/workload/plan.h"
#include "trace/record.h"

namespace mmusim::sim::workload {

// The script's process of that number, as the simulated kernel knows it.
constexpr trace::ThreadId thread_of(unsigned process) {
  return {Pid(process + 1), Tid(process + 1)};
}

// A new program of the script's, whose memory is empty but for the heap.
trace::ExecEvent exec_of(const Plan& plan, VirtAddr heap);

// `step` with the machine's addresses; `returned` by its system call: an address, the break, or
// -errno. A segment is named "[segment NAME]", or by its file. Nothing: it is no system call, or an
// exec.
std::optional<trace::Event> event_of(const Plan& plan, const Step& step, int64_t returned);

}  // namespace mmusim::sim::workload

#endif  // MMUSIM_SIM_WORKLOAD_STEP_EVENTS_H_
