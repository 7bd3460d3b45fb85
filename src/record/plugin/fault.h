// Exceptions in the middle of a block: QEMU tells that the block begins, not that it ended before
// its last instruction. Whatever ends it, QEMU jumps back to its main loop then, by a function of
// the C library, and the program's registers are those of the instruction that was not completed.
// So its place is written there, and the collector takes back what has not been executed. Calls of
// the system come the same way, but are completed.
#ifndef MMUSIM_RECORD_PLUGIN_FAULT_H_
#define MMUSIM_RECORD_PLUGIN_FAULT_H_

namespace mmusim::record::plugin {

// From here on it is written where exceptions come. False: that cannot be.
bool watch_exceptions();

}  // namespace mmusim::record::plugin

#endif  // MMUSIM_RECORD_PLUGIN_FAULT_H_
