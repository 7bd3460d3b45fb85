// What one translation does, step by step, at one moment of a trace or script.
//
// It is played as `replay` or `workload simulate` do it up to the moment; then the access asked
// about is made by the process asked about, with everything the MMU does written down: look-ups,
// steps with their instructions, references with addresses and what was read. A fault is given to
// the kernel, as in a replay, and the retry written down too. Or an access of the program itself is
// written down when it comes: its N-th miss, or one to the page that misses most.
#ifndef MMUSIM_SIM_EXPLAIN_H_
#define MMUSIM_SIM_EXPLAIN_H_

#include "config/schema.h"
#include "sim/explanation.h"
#include "sim/moment.h"
#include "sim/replay_result.h"

namespace mmusim::sim {

// Errors: replay()'s; UsageError when the address is not one of user space.
Explanation explain(const config::Config& config, const Moment& moment, const Question& question,
                    const ReplayOptions& options);

// The moment is found too: it is when the access comes. Errors: replay()'s; Error when there are
// not so many misses.
Explanation explain_miss(const config::Config& config, const workload::Plan* script,
                         const MissQuestion& question, const ReplayOptions& options,
                         Moment& moment);

}  // namespace mmusim::sim

#endif  // MMUSIM_SIM_EXPLAIN_H_
