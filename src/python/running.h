// Runs of a Python module: without the GIL, one at a time, stopped by Ctrl-C as Python has it.
#ifndef MMUSIM_PYTHON_RUNNING_H_
#define MMUSIM_PYTHON_RUNNING_H_

#include <exception>
#include <string>
#include <vector>

#include "cli/embedded.h"

namespace mmusim::python {

struct Outcome {
  cli::Said said;
  std::exception_ptr failure;  // what the command threw; null: all went well
};

// Runs the command on a thread of its own, while this one looks for signals that Python has caught.
// Errors: pybind11::error_already_set where a signal's handler raised (KeyboardInterrupt): the run
// has ended then, and left nothing half written. A second run, from another Python thread, waits
// for the first. REQUIRES: the GIL is held; it is let go meanwhile.
Outcome run(const std::vector<std::string>& words);

}  // namespace mmusim::python

#endif  // MMUSIM_PYTHON_RUNNING_H_
