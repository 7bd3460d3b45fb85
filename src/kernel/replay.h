// Carrying out recorded events: what the recording says happened, happens, at the addresses it
// says.
//
// A call that failed is not carried out. One that succeeded is, whatever this model would have
// answered; what cannot be carried out (addresses outside user space, nothing mapped there, ...) is
// counted by reason and otherwise ignored, never an error.
#ifndef MMUSIM_KERNEL_REPLAY_H_
#define MMUSIM_KERNEL_REPLAY_H_

#include <string_view>

#include "kernel/file.h"
#include "kernel/system.h"
#include "trace/record.h"

namespace mmusim::kernel {

// What a recorded mapping is of: memory that is nobody else's to name, or a file, whose name tells
// of which kind it is.
bool is_anonymous(const trace::MmapEvent& e);
FileKind kind_of(std::string_view file);

void replay_event(System& system, CpuId cpu, trace::ThreadId thread, const trace::Event& event);

}  // namespace mmusim::kernel

#endif  // MMUSIM_KERNEL_REPLAY_H_
