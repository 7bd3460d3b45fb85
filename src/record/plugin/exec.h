// execve of the recorded program: the plug-in itself starts QEMU for the new program. Where that is
// not possible it returns, and QEMU makes the system call as it is, so that the program gets the
// system's own error or runs on unrecorded.
#ifndef MMUSIM_RECORD_PLUGIN_EXEC_H_
#define MMUSIM_RECORD_PLUGIN_EXEC_H_

#include "record/plugin/guest.h"
#include "record/plugin/producer.h"

namespace mmusim::record::plugin {

void execute(const Guest& guest, Producer& producer, uint64_t path, uint64_t arguments,
             uint64_t environment);

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_EXEC_H_
